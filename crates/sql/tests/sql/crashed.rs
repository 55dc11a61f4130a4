use std::{process::Command, time::Duration};

use futures_util::future::join_all;
use tollgate_quota::bank::{Answer, Asker, Authority, Message, Order};
use tollgate_sql::SqlAuthority;

use crate::{
    authority::{amount, grant, message, open, window},
    server::Server,
};

/// Whoever hears nothing asks again under its number. In the end all that is granted is held by somebody.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_askers_were_told_is_what_was_granted_though_postgres_crashes_again_and_again() {
    let Some(server) = Server::start() else {
        return;
    };
    let url = server.database("crashed");
    let pools = [open(&url).await, open(&url).await];
    let askers = (0..4).map(|asker| tokio::spawn(take_and_give_back(pools[asker % 2].clone())));
    let asking = tokio::spawn(join_all(askers));

    for _ in 0..4 {
        tokio::time::sleep(Duration::from_millis(200)).await; // some of them are in the middle
        let backend =
            "SELECT pid FROM pg_stat_activity WHERE application_name = 'tollgate' LIMIT 1";
        let pid = server.sql("crashed", backend);
        // The death of one by SIGKILL takes all others along, and the server recovers from its log.
        if !pid.trim().is_empty() {
            let _ = Command::new("kill").args(["-9", pid.trim()]).status();
        }
        server.wait();
    }

    let told: Vec<(i64, u32)> = asking
        .await
        .unwrap()
        .into_iter()
        .map(Result::unwrap)
        .collect();
    let held: i64 = told.iter().map(|told| told.0).sum();
    let unheard: u32 = told.iter().map(|told| told.1).sum();
    assert_eq!(
        pools[0].statement("", None, 9).await.unwrap()[0].granted,
        held
    );
    assert!(unheard > 0, "a crash was noticed");
}

/// Returns what it holds in the end, and how often it heard nothing.
async fn take_and_give_back(authority: SqlAuthority) -> (i64, u32) {
    let (asker, mut held, mut unheard) = (Asker::random(), 0, 0);
    for number in (1..=300).step_by(2) {
        let granted = insist(&authority, grant(asker, number, 5, 9), &mut unheard).await;
        held += amount(&granted);
        let back = Order::GiveBack {
            window: window(&granted).number,
            amount: 4,
        };
        let booked = insist(&authority, message(asker, number + 1, back), &mut unheard).await;
        assert!(matches!(booked, Answer::Booked { .. }), "{booked:?}");
        held -= 4;
    }
    (held, unheard)
}

async fn insist(authority: &SqlAuthority, ask: Message<Order>, unheard: &mut u32) -> Answer {
    loop {
        match authority.ask(ask.clone()).await {
            Ok(answer) => return answer,
            Err(_) => *unheard += 1,
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}
