use super::{pool::PARTS, *};

fn need() -> Need {
    let rate = Rate {
        limit: 100_000,
        window: Duration::from_secs(100),
        burst: 100_000,
    };
    let (rate, life) = Leases::lower(rate).unwrap();
    let gcra = Gcra::new(rate).unwrap();
    Need {
        account: RateAccount {
            tenant: "acme".into(),
            limit: "requests".into(),
            account: "a".into(),
        },
        gcra,
        life,
        least: gcra.ticks(1).unwrap(),
    }
}

fn takes(leases: &Leases, need: &Need, now: Instant) -> usize {
    let ask = || {
        matches!(
            leases.take(std::slice::from_ref(need), now),
            Local::Taken { .. }
        )
    };
    std::iter::from_fn(|| ask().then_some(())).count()
}

#[tokio::test(start_paused = true)]
async fn many_small_leases_are_all_used() {
    let (leases, need, now) = (Leases::default(), need(), Instant::now());

    for _ in 0..3 * PARTS {
        leases.granted(&need, 0, 2 * need.least, now);
    }

    assert_eq!(takes(&leases, &need, now), 6 * PARTS);
}

#[tokio::test(start_paused = true)]
async fn no_lease_is_used_after_its_life_when_there_are_many() {
    let (leases, need, now) = (Leases::default(), need(), Instant::now());

    for tenth in 0..10 {
        leases.granted(&need, 0, need.least, now + need.life * tenth / 10);
    }

    // Those of the last four tenths may be used yet.
    assert!(takes(&leases, &need, now + need.life * 3 / 2) <= 4);
}

#[tokio::test(start_paused = true)]
async fn no_lease_is_for_more_than_comes_back_in_its_life() {
    let (leases, need, now) = (Arc::new(Leases::default()), need(), Instant::now());
    leases.granted(&need, 0, 50_000 * need.least, now);
    assert_eq!(takes(&leases, &need, now), 50_000);
    takes(&leases, &need, now + need.life / 2);

    let (wish, asking) = leases.wish(&need, now + need.life / 2);

    assert!(asking.is_some());
    assert!(
        wish >= 900 * need.least && wish <= 1000 * need.least,
        "{wish}"
    );
}
