use std::{
    collections::HashMap,
    fmt,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicBool, Ordering::Relaxed},
    },
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use tokio::time::Instant;

use super::{Answer, Answering, Asker, Authority, BankError, Message, Order, calendar::TOLERANCE};

/// Takes no lease from an [`Authority`] whose clock is far from this machine's: one of the two is wrong, and prices and
/// windows would be, too. What was granted meanwhile stays spent, and the same is asked again until the clocks agree.
///
/// ```
/// use std::time::Duration;
/// use tollgate_quota::{Bank, bank::{MemoryAuthority, Punctual}};
///
/// let authority = MemoryAuthority::new(); // one on another machine, in earnest
/// let bank = Bank::new(Punctual::new(authority).tolerance(Duration::from_secs(10)));
/// # let _ = bank;
/// ```
pub struct Punctual<A> {
    authority: A,
    clock: Arc<dyn Fn() -> i64 + Send + Sync>,
    asked: Arc<Asked>,
    tolerance: Duration,
}

/// When each message that is not answered yet was sent first: a repeated answer says when it was given first.
#[derive(Default)]
struct Asked {
    since: Mutex<HashMap<(Arc<str>, Asker), (u64, Instant)>>,
    is_off: AtomicBool,
}

impl<A> Punctual<A> {
    /// Lets clocks be 30 seconds apart.
    pub fn new(authority: A) -> Self {
        Self {
            authority,
            clock: Arc::new(system_clock),
            asked: Arc::default(),
            tolerance: Duration::from_secs(30),
        }
    }

    /// Sets how far clocks may be apart. For strict budgets it is two seconds at most.
    #[must_use]
    pub fn tolerance(mut self, tolerance: Duration) -> Self {
        self.tolerance = tolerance;
        self
    }

    /// Sets this machine's clock, in milliseconds since 1970; for tests.
    #[must_use]
    pub fn with_clock(mut self, clock: impl Fn() -> i64 + Send + Sync + 'static) -> Self {
        self.clock = Arc::new(clock);
        self
    }
}

impl<A: Authority> Authority for Punctual<A> {
    fn ask(&self, message: Message<Order>) -> Answering<Answer> {
        let who = (Arc::clone(&message.account), message.asker);
        let since = self.asked.since(&who, message.number);
        let tolerance = match &message.ask {
            Order::Grant { calendar, .. } if calendar.half.is_some() => {
                millis(self.tolerance).min(TOLERANCE)
            }
            _ => millis(self.tolerance),
        };
        let asking = self.authority.ask(message);
        let (asked, clock) = (Arc::clone(&self.asked), Arc::clone(&self.clock));
        Box::pin(async move {
            let answer = asking.await?;
            if let Answer::Granted { window, .. } | Answer::Spent { window, .. } = &answer {
                let (now, age) = (clock(), millis(since.elapsed()));
                let earliest = now.saturating_sub(age).saturating_sub(tolerance);
                let agree = (earliest..=now.saturating_add(tolerance)).contains(&window.now);
                if asked.is_off.swap(!agree, Relaxed) == agree {
                    tracing::error!(agree, "this machine's clock and the authority's");
                }
                if !agree {
                    return Err(BankError::new("the authority's clock is far from ours"));
                }
            }
            asked.forget(&who);
            Ok(answer)
        })
    }
}

impl Asked {
    fn since(&self, who: &(Arc<str>, Asker), number: u64) -> Instant {
        let now = Instant::now();
        let mut since = self.since.lock().unwrap_or_else(PoisonError::into_inner);
        if since.len() >= MOST {
            since.retain(|_, (_, since)| now - *since < LONG);
        }
        match since.get(who) {
            Some((known, since)) if *known == number => *since,
            _ => {
                since.insert(who.clone(), (number, now));
                now
            }
        }
    }

    fn forget(&self, who: &(Arc<str>, Asker)) {
        let mut since = self.since.lock().unwrap_or_else(PoisonError::into_inner);
        since.remove(who);
    }
}

impl<A: fmt::Debug> fmt::Debug for Punctual<A> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Punctual")
            .field("authority", &self.authority)
            .field("tolerance", &self.tolerance)
            .finish_non_exhaustive()
    }
}

fn system_clock() -> i64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH);
    since.map_or(0, millis)
}

fn millis(time: Duration) -> i64 {
    i64::try_from(time.as_millis()).unwrap_or(i64::MAX)
}

/// From so many on, those that have waited long are forgotten: then an old answer is refused, which is safe.
const MOST: usize = 100_000;
const LONG: Duration = Duration::from_secs(60);

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicI64, Ordering};

    use tollgate_core::fact::{Cost, Period};

    use super::*;
    use crate::bank::{
        MemoryAuthority,
        calendar::{Calendar, Half},
    };

    fn grant(number: u64) -> Message<Order> {
        Message {
            account: "a".into(),
            asker: Asker(1),
            number,
            ask: Order::Grant {
                limit: Cost::from_nanos(1_000),
                calendar: Calendar::new(Period::Day, "UTC"),
                least: 10,
                wish: 10,
            },
        }
    }

    #[tokio::test(start_paused = true)]
    async fn strict_budgets_take_a_clock_that_is_right_to_two_seconds() {
        let ours = Arc::new(AtomicI64::new(0));
        let clock = Arc::clone(&ours);
        let authority = MemoryAuthority::with_clock(|| 1_000_000);
        let punctual = Punctual::new(authority).with_clock(move || clock.load(Ordering::Relaxed));
        let strict = |number| {
            let mut message = grant(number);
            if let Order::Grant { calendar, .. } = &mut message.ask {
                calendar.half = Some(Half {
                    is_odd: true,
                    lead: 1,
                });
            }
            message
        };

        for (number, off, is_taken) in [(1, 2_000, true), (2, 2_001, false), (2, -2_000, true)] {
            ours.store(1_000_000 + off, Ordering::Relaxed);
            assert_eq!(
                punctual.ask(strict(number)).await.is_ok(),
                is_taken,
                "{off}"
            );
        }
        ours.store(1_003_000, Ordering::Relaxed);
        assert!(punctual.ask(grant(3)).await.is_ok());
    }

    #[tokio::test(start_paused = true)]
    async fn a_clock_that_is_far_off_takes_no_leases_until_it_is_right() {
        let ours = Arc::new(AtomicI64::new(1_000_000));
        let clock = Arc::clone(&ours);
        let authority = MemoryAuthority::with_clock(|| 1_000_000);
        let punctual = Punctual::new(authority).with_clock(move || clock.load(Ordering::Relaxed));

        assert!(punctual.ask(grant(1)).await.is_ok());
        for off in [-31_000, 31_000] {
            ours.store(1_000_000 + off, Ordering::Relaxed);
            assert!(punctual.ask(grant(2)).await.is_err(), "{off}");
        }
        // The answer is an old one by now, and as good as it was.
        tokio::time::advance(Duration::from_secs(600)).await;
        ours.store(1_600_000, Ordering::Relaxed);
        assert!(punctual.ask(grant(2)).await.is_ok());
    }
}
