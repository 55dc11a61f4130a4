//! The state machine, with numbers.

use std::{collections::VecDeque, time::Duration};

use proptest::prelude::*;
use tokio::time::Instant;
use tollgate_breaker::{Breaker, BreakerPolicy, Class, Refusal, State};

use Class::{Failure, Ignored, Saturated, Success};
use State::{Closed, HalfOpen, Open};

const BY_RATE: BreakerPolicy = BreakerPolicy::new().without_consecutive_failures();

/// A breaker, and what time it is.
struct Bench {
    breaker: Breaker,
    now: Instant,
}

impl Bench {
    fn new(policy: BreakerPolicy) -> Self {
        Self {
            breaker: Breaker::new(policy),
            now: Instant::now(),
        }
    }

    fn call(&mut self, class: Class) -> State {
        let permission = self.breaker.acquire(self.now).unwrap();
        self.breaker.record(permission, class, self.now, 0.0);
        self.breaker.state()
    }

    fn refused(&mut self) -> Refusal {
        self.breaker.acquire(self.now).unwrap_err()
    }

    fn wait(&mut self, millis: u64) {
        self.now += Duration::from_millis(millis);
    }
}

#[test]
fn it_opens_when_and_only_when_the_policy_says() {
    // `s` success, `f` failure, `i` ignored, `u` saturated; the call that opens it is the last one.
    let cases: &[(&str, BreakerPolicy, &str, State)] = &[
        ("nothing happened", BreakerPolicy::new(), "", Closed),
        ("five in a row", BreakerPolicy::new(), "fffff", Open),
        ("four in a row", BreakerPolicy::new(), "ffff", Closed),
        (
            "a success breaks a row",
            BreakerPolicy::new(),
            "ffffsffff",
            Closed,
        ),
        (
            "what is ignored does not",
            BreakerPolicy::new(),
            "ffiffif",
            Open,
        ),
        ("nor does saturation", BreakerPolicy::new(), "ffffuf", Open),
        (
            "three in a row",
            BreakerPolicy::new().consecutive_failures(3),
            "sfff",
            Open,
        ),
        ("below the minimum", BY_RATE, &"f".repeat(19), Closed),
        ("at the minimum", BY_RATE, &"f".repeat(20), Open),
        (
            "a success completes the minimum",
            BY_RATE,
            &("f".repeat(10) + &"s".repeat(10)),
            Open,
        ),
        ("at the threshold", BY_RATE, &"sf".repeat(10), Open),
        (
            "below the threshold",
            BY_RATE,
            &("s".to_owned() + &"sf".repeat(10)),
            Closed,
        ),
        (
            "ignored calls are no calls",
            BY_RATE,
            &"fi".repeat(19),
            Closed,
        ),
        (
            "saturated calls are no calls",
            BY_RATE,
            &"fu".repeat(19),
            Closed,
        ),
        (
            "old calls leave the window",
            BY_RATE.sliding_window(4).minimum_calls(4),
            "sssfsssfsssfsss",
            Closed,
        ),
        (
            "a window smaller than the minimum is full",
            BY_RATE.sliding_window(4).minimum_calls(20),
            "ffff",
            Open,
        ),
        (
            "7 % of 100, exactly",
            BY_RATE.failure_rate_threshold(0.07).minimum_calls(100),
            &("f".repeat(6) + &"s".repeat(93) + "f"),
            Open,
        ),
        (
            "all of them",
            BY_RATE.failure_rate_threshold(1.0).minimum_calls(3),
            "fff",
            Open,
        ),
        (
            "all but one",
            BY_RATE
                .failure_rate_threshold(1.0)
                .minimum_calls(3)
                .sliding_window(3),
            "ffsffsffs",
            Closed,
        ),
    ];
    for (name, policy, calls, expected) in cases {
        let mut bench = Bench::new(*policy);
        for (index, call) in calls.chars().enumerate() {
            assert_eq!(bench.breaker.state(), Closed, "{name}: before call {index}");
            bench.call(match call {
                's' => Success,
                'f' => Failure,
                'i' => Ignored,
                _ => Saturated(None),
            });
        }
        assert_eq!(bench.breaker.state(), *expected, "{name}");
    }
}

#[test]
fn an_open_breaker_says_until_when() {
    let mut bench = opened(BreakerPolicy::new());

    assert_eq!(bench.refused(), Refusal::Open(Duration::from_secs(5)));
    bench.wait(4_999);
    assert_eq!(bench.refused(), Refusal::Open(Duration::from_millis(1)));
    assert_eq!(bench.breaker.state(), Open);
    bench.wait(1);
    assert_eq!(bench.call(Success), Closed);
}

#[test]
fn each_failed_round_waits_twice_as_long_up_to_a_minute() {
    let mut bench = opened(BreakerPolicy::new());
    for seconds in [5, 10, 20, 40, 60, 60, 60] {
        assert_eq!(bench.refused(), Refusal::Open(Duration::from_secs(seconds)));
        bench.wait(seconds * 1_000);
        assert_eq!(bench.call(Failure), Open);
    }
    bench.wait(60_000);
    assert_eq!(bench.call(Success), Closed);
    for _ in 0..5 {
        bench.call(Failure);
    }
    assert_eq!(
        bench.refused(),
        Refusal::Open(Duration::from_secs(5)),
        "closed, it begins anew"
    );
}

#[test]
fn a_wait_grows_with_chance_by_its_jitter_at_most() {
    for (chance, millis) in [(0.0, 4_000), (0.5, 5_000), (1.0, 6_000), (7.0, 6_000)] {
        let policy = BreakerPolicy::new()
            .wait_in_open(Duration::from_secs(4))
            .jitter(0.5);
        let now = Instant::now();
        let mut breaker = Breaker::new(policy.consecutive_failures(1));
        let permission = breaker.acquire(now).unwrap();
        breaker.record(permission, Failure, now, chance);

        let refusal = breaker.acquire(now).unwrap_err();

        assert_eq!(
            refusal,
            Refusal::Open(Duration::from_millis(millis)),
            "{chance}"
        );
    }
}

#[test]
fn half_open_lets_exactly_the_probes_through() {
    for probes in 1..=4 {
        let mut bench = opened(BreakerPolicy::new().permitted_probes(probes));
        bench.wait(5_000);

        let permissions: Vec<_> = (0..probes)
            .map(|_| bench.breaker.acquire(bench.now).unwrap())
            .collect();
        assert_eq!(bench.breaker.state(), HalfOpen);
        assert_eq!(bench.refused(), Refusal::Open(Duration::from_secs(1)));

        for permission in permissions {
            assert_eq!(bench.breaker.state(), HalfOpen);
            assert!(bench.breaker.acquire(bench.now).is_err());
            bench.breaker.record(permission, Success, bench.now, 0.0);
        }
        assert_eq!(bench.breaker.state(), Closed);
    }
}

#[test]
fn one_failed_probe_opens_it_and_the_others_come_too_late() {
    let mut bench = opened(BreakerPolicy::new().permitted_probes(3));
    bench.wait(5_000);
    let [first, second, third] = [(); 3].map(|()| bench.breaker.acquire(bench.now).unwrap());

    bench.breaker.record(first, Success, bench.now, 0.0);
    bench.breaker.record(second, Failure, bench.now, 0.0);
    assert_eq!(bench.breaker.state(), Open);
    bench.breaker.record(third, Failure, bench.now, 0.0);

    assert_eq!(
        bench.refused(),
        Refusal::Open(Duration::from_secs(10)),
        "one round, not two"
    );
}

#[test]
fn a_probe_that_tells_nothing_makes_room_for_another() {
    for class in [None, Some(Ignored), Some(Saturated(None))] {
        let mut bench = opened(BreakerPolicy::new());
        bench.wait(5_000);
        let permission = bench.breaker.acquire(bench.now).unwrap();
        assert!(bench.breaker.acquire(bench.now).is_err());

        match class {
            Some(class) => bench.breaker.record(permission, class, bench.now, 0.0),
            None => bench.breaker.release(permission),
        }

        assert_eq!(bench.breaker.state(), HalfOpen);
        assert_eq!(bench.call(Success), Closed, "{class:?}");
    }
}

#[test]
fn a_probe_that_never_ends_does_not_hold_it_half_open() {
    let mut bench = opened(BreakerPolicy::new());
    bench.wait(5_000);
    let stuck = bench.breaker.acquire(bench.now).unwrap();
    bench.wait(59_999);
    assert!(bench.breaker.acquire(bench.now).is_err());
    bench.wait(1);

    let second = bench.breaker.acquire(bench.now).unwrap();
    assert!(
        bench.breaker.acquire(bench.now).is_err(),
        "one in its place, not more"
    );
    bench.breaker.release(stuck);
    assert!(
        bench.breaker.acquire(bench.now).is_err(),
        "it has no place left to give back"
    );
    bench.breaker.record(second, Success, bench.now, 0.0);

    assert_eq!(bench.breaker.state(), Closed);
}

#[test]
fn a_slow_probe_still_counts_while_it_is_half_open() {
    for (class, expected) in [(Success, Closed), (Failure, Open)] {
        let mut bench = opened(BreakerPolicy::new());
        bench.wait(5_000);
        let slow = bench.breaker.acquire(bench.now).unwrap();
        bench.wait(100_000);
        let _second = bench.breaker.acquire(bench.now).unwrap();

        bench.breaker.record(slow, class, bench.now, 0.0);

        assert_eq!(bench.breaker.state(), expected);
    }
}

#[test]
fn what_began_before_a_change_does_not_count_after_it() {
    let mut bench = Bench::new(BreakerPolicy::new());
    let mut late = || bench.breaker.acquire(bench.now).unwrap();
    let (while_open, while_half_open, while_closed) = (late(), late(), late());
    for _ in 0..5 {
        bench.call(Failure);
    }

    bench.breaker.record(while_open, Success, bench.now, 0.0);
    assert_eq!(bench.breaker.state(), Open);

    bench.wait(5_000);
    let probe = bench.breaker.acquire(bench.now).unwrap();
    bench
        .breaker
        .record(while_half_open, Success, bench.now, 0.0);
    assert_eq!(bench.breaker.state(), HalfOpen);
    assert!(
        bench.breaker.acquire(bench.now).is_err(),
        "nor does it free the probe's place"
    );

    bench.breaker.record(probe, Success, bench.now, 0.0);
    for _ in 0..4 {
        bench.call(Failure);
    }
    bench.breaker.record(while_closed, Failure, bench.now, 0.0);
    assert_eq!(bench.breaker.state(), Closed);
}

#[test]
fn a_saturated_target_is_left_alone_for_as_long_as_it_asks() {
    let mut bench = Bench::new(BreakerPolicy::new());

    bench.call(Saturated(Some(Duration::from_secs(7))));

    assert_eq!(bench.breaker.state(), Closed, "it is not failing");
    assert_eq!(bench.refused(), Refusal::Saturated(Duration::from_secs(7)));
    bench.wait(6_999);
    assert_eq!(
        bench.refused(),
        Refusal::Saturated(Duration::from_millis(1))
    );
    bench.wait(1);
    assert_eq!(bench.call(Success), Closed);
}

#[test]
fn a_target_is_not_believed_for_longer_than_the_policy_says() {
    for (asked, believed) in [(61, 60), (1_000_000_000, 60), (u64::MAX, 60), (0, 0)] {
        let mut bench = Bench::new(BreakerPolicy::new());
        bench.call(Saturated(Some(Duration::from_secs(asked))));
        match believed {
            0 => assert!(bench.breaker.acquire(bench.now).is_ok()),
            _ => assert_eq!(
                bench.refused(),
                Refusal::Saturated(Duration::from_secs(believed))
            ),
        }
    }
    let mut bench = Bench::new(BreakerPolicy::new().max_saturation(Duration::MAX));
    bench.call(Saturated(Some(Duration::MAX)));
    assert!(matches!(bench.refused(), Refusal::Saturated(_)));
}

#[test]
fn a_shorter_wait_does_not_cut_a_longer_one() {
    let mut bench = Bench::new(BreakerPolicy::new());
    let [first, second] = [(); 2].map(|()| bench.breaker.acquire(bench.now).unwrap());

    bench.breaker.record(
        first,
        Saturated(Some(Duration::from_secs(9))),
        bench.now,
        0.0,
    );
    bench.breaker.record(
        second,
        Saturated(Some(Duration::from_secs(2))),
        bench.now,
        0.0,
    );

    assert_eq!(bench.refused(), Refusal::Saturated(Duration::from_secs(9)));
}

#[test]
fn a_saturated_probe_keeps_it_half_open() {
    let mut bench = opened(BreakerPolicy::new());
    bench.wait(5_000);

    assert_eq!(
        bench.call(Saturated(Some(Duration::from_secs(3)))),
        HalfOpen
    );

    assert_eq!(bench.refused(), Refusal::Saturated(Duration::from_secs(3)));
    bench.wait(3_000);
    assert_eq!(bench.call(Success), Closed);
}

proptest! {
    /// Whatever happens, in whatever order: the window is the last calls, half-open never has more probes than it may,
    /// and it never gets stuck.
    #[test]
    fn it_keeps_its_word(
        window in 1_u32..12,
        minimum in 1_u32..12,
        probes in 1_u32..4,
        row in prop::option::of(1_u32..5),
        steps in prop::collection::vec((0_u8..7, any::<prop::sample::Index>(), 0_u64..4_000), 0..300),
    ) {
        let policy = BY_RATE.sliding_window(window).minimum_calls(minimum).permitted_probes(probes);
        let policy = row.map_or(policy, |row| policy.consecutive_failures(row));
        let mut bench = Bench::new(policy.probe_deadline(Duration::from_secs(30)));
        let mut calls = Vec::new();
        let mut last = VecDeque::new();
        let mut epoch = 0;
        for (step, index, millis) in steps {
            bench.wait(millis);
            let before = bench.breaker.state();
            let class = match step {
                0..=2 => {
                    if let Ok(permission) = bench.breaker.acquire(bench.now) {
                        prop_assert_ne!(bench.breaker.state(), Open);
                        if before == Open {
                            epoch += 1;
                        }
                        calls.push((permission, epoch, bench.now));
                    }
                    None
                }
                3 => Some(Success),
                4 => Some(Failure),
                5 => Some(Ignored),
                _ => Some(Saturated(None)),
            };
            if let (Some(class), false) = (class, calls.is_empty()) {
                let (permission, began, _) = calls.swap_remove(index.index(calls.len()));
                bench.breaker.record(permission, class, bench.now, 0.0);
                let counts = began == epoch && matches!(class, Success | Failure);
                if before == Closed && counts {
                    last.push_back(class == Failure);
                    if last.len() > window as usize {
                        last.pop_front();
                    }
                    let failures = last.iter().filter(|failed| **failed).count() as f64;
                    let in_a_row = last.iter().rev().take_while(|failed| **failed).count() as u32;
                    let by_row = row.is_some_and(|row| row <= window && in_a_row >= row);
                    let by_rate = last.len() as u32 >= minimum.min(window)
                        && failures / last.len() as f64 >= 0.5;
                    let open = bench.breaker.state() == Open;
                    // A row longer than the window is not seen in it.
                    if row.is_none_or(|row| row <= window) || by_rate {
                        prop_assert_eq!(open, by_row || by_rate);
                    }
                }
                if bench.breaker.state() != before {
                    prop_assert!(counts);
                    last.clear();
                    epoch += 1;
                }
            }
            if bench.breaker.state() == HalfOpen {
                let young = |at: &Instant| bench.now < *at + Duration::from_secs(30);
                let out = calls.iter().filter(|(_, began, at)| *began == epoch && young(at));
                prop_assert!(out.count() <= probes as usize);
            }
        }
        // However it stands, in a while it lets a call through.
        bench.wait(200_000);
        prop_assert!(bench.breaker.acquire(bench.now).is_ok());
    }
}

fn opened(policy: BreakerPolicy) -> Bench {
    let mut bench = Bench::new(policy);
    for _ in 0..5 {
        bench.call(Failure);
    }
    assert_eq!(bench.breaker.state(), Open);
    bench
}
