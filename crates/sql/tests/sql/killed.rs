use std::{
    env,
    io::{BufRead, BufReader},
    process::{Command, Stdio},
};

use tollgate_quota::bank::{Answer, Asker, Authority};

use crate::{
    authority::{amount, grant, open},
    sqlite,
};

/// The child is this program again, with one test: it asks, and says so when it has been answered, until it is killed.
#[tokio::test]
async fn what_was_granted_survives_a_kill_in_the_middle_of_a_grant() {
    if let Ok(dir) = env::var(CHILD) {
        return ask_until_killed(dir.as_ref()).await;
    }
    let dir = tempfile::tempdir().unwrap();
    let (mut told, mut runs) = (0, 0);
    let mut last = None;
    while runs < 5 {
        let mut child = Command::new(env::current_exe().unwrap())
            .args([
                "--exact",
                "--nocapture",
                "killed::what_was_granted_survives_a_kill_in_the_middle_of_a_grant",
            ])
            .env(CHILD, dir.path())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let lines = BufReader::new(child.stdout.take().unwrap())
            .lines()
            .map(Result::unwrap);
        let mut grants = lines.filter_map(|line| parse(&line));
        for _ in 0..20 + runs {
            let grant = grants.next().expect("the child goes on for ever");
            told += grant.2;
            last = Some(grant);
        }
        child.kill().unwrap(); // SIGKILL
        child.wait().unwrap();
        for grant in grants {
            told += grant.2; // what it said before it died
            last = Some(grant);
        }
        runs += 1;
    }

    let authority = open(&sqlite(dir.path())).await;
    let granted = authority.statement("", None, 9).await.unwrap()[0].granted;
    let (asker, number, amount_told) = last.unwrap();
    let repeated = authority
        .ask(grant(Asker(asker), number, 1, 3))
        .await
        .unwrap();

    // In each run one grant may have been committed that the child could not tell of any more.
    assert!(
        (told..=told + 3 * runs).contains(&granted),
        "{told} {granted}"
    );
    match repeated {
        Answer::Old => {} // that one was the next number
        answer => assert_eq!(amount(&answer), amount_told),
    }
}

async fn ask_until_killed(dir: &std::path::Path) {
    let authority = open(&sqlite(dir)).await;
    let asker = Asker::random();
    for number in 1.. {
        let answer = authority.ask(grant(asker, number, 1, 3)).await.unwrap();
        println!("granted {} {number} {}", asker.0, amount(&answer));
    }
}

fn parse(line: &str) -> Option<(u128, u64, i64)> {
    let (_, rest) = line.split_once("granted ")?;
    let mut words = rest.split(' ');
    let asker = words.next()?.parse().ok()?;
    Some((
        asker,
        words.next()?.parse().ok()?,
        words.next()?.parse().ok()?,
    ))
}

const CHILD: &str = "TOLLGATE_TEST_CHILD_DIR";
