use std::time::Duration;

use crate::{Rate, policy::Left};

/// The state of a rate: GCRA with weights. Arithmetic is exact, so that no rounding adds up.
///
/// What is not known yet is reserved: it takes room, and nothing of it comes back, until it is settled to what was used.
/// (To take it at once and give back what was too much would be wrong: by then time has given some of it back already.)
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub(crate) struct Bucket {
    /// When all is back that was taken, in nanoseconds of the clock (the theoretical arrival time),
    tat: u64,
    /// and a part of one: `limit` parts are a nanosecond.
    part: u64,
    /// What is reserved.
    open: u64,
}

impl Bucket {
    /// Takes this much.
    pub(crate) fn take(&mut self, rate: Rate, cost: u64, now: u64) -> Result<Left, Duration> {
        let debt = self.room_for(rate, cost, now)? + rate.weigh(cost);
        self.owe(rate, debt, now);
        Ok(self.left(rate, debt))
    }

    /// Gives back what was taken and not used, but for what time may have given back since.
    pub(crate) fn undo(&mut self, rate: Rate, cost: u64, taken_at: u64, now: u64) {
        let elapsed = u128::from(now.saturating_sub(taken_at)) * u128::from(rate.limit);
        let credit = rate.weigh(cost).saturating_sub(elapsed);
        let debt = self.debt(rate, now).saturating_sub(credit);
        self.owe(rate, debt, now);
    }

    /// Makes room for what may be used.
    pub(crate) fn reserve(&mut self, rate: Rate, cost: u64, now: u64) -> Result<Left, Duration> {
        let debt = self.room_for(rate, cost, now)?;
        self.open = self.open.saturating_add(cost);
        Ok(self.left(rate, debt))
    }

    /// Takes what was used, be it more than was reserved.
    pub(crate) fn settle(&mut self, rate: Rate, reserved: u64, used: u64, now: u64) {
        self.open = self.open.saturating_sub(reserved);
        if used > 0 {
            let debt = self.debt(rate, now).saturating_add(rate.weigh(used));
            self.owe(rate, debt, now);
        }
    }

    /// Whether it differs in nothing from a new one.
    pub(crate) fn is_full(&self, now: u64) -> bool {
        self.open == 0 && self.tat < now
    }

    fn room_for(&self, rate: Rate, cost: u64, now: u64) -> Result<u128, Duration> {
        let debt = self.debt(rate, now);
        let asked = debt + rate.weigh(self.open) + rate.weigh(cost);
        match asked.saturating_sub(rate.weigh(rate.burst)) {
            0 => Ok(debt),
            // What is reserved does not come back by waiting, or sooner.
            missing => Err(nanos(missing.min(debt.max(1)).div_ceil(rate.limit.into()))),
        }
    }

    /// What was taken and is not back, in parts of nanoseconds: as many as `limit` are one.
    fn debt(&self, rate: Rate, now: u64) -> u128 {
        match self.tat.checked_sub(now) {
            Some(ahead) => u128::from(ahead) * u128::from(rate.limit) + u128::from(self.part),
            None => 0,
        }
    }

    fn owe(&mut self, rate: Rate, debt: u128, now: u64) {
        let limit = u128::from(rate.limit);
        let ahead = u64::try_from(debt / limit).unwrap_or(CENTURY);
        self.tat = now.saturating_add(ahead.min(CENTURY));
        // It is less than the limit, which is a `u64`.
        self.part = u64::try_from(debt % limit).unwrap_or(0);
    }

    fn left(&self, rate: Rate, debt: u128) -> Left {
        let free = rate
            .weigh(rate.burst)
            .saturating_sub(debt)
            .saturating_sub(rate.weigh(self.open));
        Left {
            remaining: u64::try_from(free / rate.window()).unwrap_or(u64::MAX),
            reset: Some(nanos(debt.div_ceil(rate.limit.into()))),
        }
    }
}

impl Rate {
    /// How long it takes to get this back, in parts of nanoseconds.
    fn weigh(self, cost: u64) -> u128 {
        u128::from(cost) * self.window()
    }

    fn window(self) -> u128 {
        self.window.as_nanos().clamp(1, CENTURY.into())
    }

    /// A part of it, for one of so many that share it.
    pub(crate) fn share(self, among: u32) -> Self {
        let among = u64::from(among.max(1));
        Self {
            limit: (self.limit / among).max(1),
            burst: (self.burst / among).max(1),
            ..self
        }
    }
}

fn nanos(nanos: u128) -> Duration {
    Duration::from_nanos(u64::try_from(nanos).unwrap_or(CENTURY).min(CENTURY))
}

/// In nanoseconds: nothing takes longer, so that nothing overflows.
const CENTURY: u64 = 100 * 365 * 24 * 60 * 60 * 1_000_000_000;

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_window_gives_back_the_limit_to_the_unit() {
        for limit in [3, 7, 11, 59, 999_983, 1 << 40] {
            let rate = per_second(limit, limit);
            let mut bucket = Bucket::default();
            for window in 0..50 {
                let now = window * SECOND;
                assert!(bucket.take(rate, limit, now).is_ok(), "{limit} {window}");
                assert!(bucket.take(rate, 1, now).is_err(), "{limit} {window}");
            }
        }
    }

    #[test]
    fn nothing_overflows_at_the_ends_of_the_numbers() {
        let rate = Rate {
            limit: u64::MAX,
            window: Duration::from_secs(86_400),
            burst: u64::MAX,
        };
        for rate in [rate, Rate { limit: 1, ..rate }] {
            let mut bucket = Bucket::default();
            let _ = bucket.take(rate, u64::MAX, CENTURY);
            let _ = bucket.reserve(rate, u64::MAX, CENTURY);
            bucket.settle(rate, u64::MAX, u64::MAX, CENTURY);
            bucket.settle(rate, 0, u64::MAX, CENTURY);
            bucket.undo(rate, u64::MAX, 0, u64::MAX);
            let _ = bucket.take(rate, 1, 0);
        }
    }

    #[test]
    fn what_time_has_given_back_is_not_given_back_again() {
        let rate = per_second(10, 10);
        let mut bucket = Bucket::default();
        bucket.take(rate, 10, 0).unwrap();
        bucket.take(rate, 10, SECOND).unwrap();

        bucket.undo(rate, 10, 0, SECOND);

        assert!(bucket.take(rate, 1, SECOND).is_err());
    }

    #[derive(Clone, Debug)]
    enum Step {
        Wait(u64),
        Take(u64),
        Reserve(u64),
        Settle(usize, u64),
        TakeAndUndo(u64, u64),
    }

    fn step() -> impl Strategy<Value = Step> {
        prop_oneof![
            (0..2 * SECOND).prop_map(Step::Wait),
            (0..20_u64).prop_map(Step::Take),
            (0..20_u64).prop_map(Step::Reserve),
            (0..8_usize, 0..20_u64).prop_map(|(which, used)| Step::Settle(which, used)),
            (0..20_u64, 0..SECOND).prop_map(|(cost, later)| Step::TakeAndUndo(cost, later)),
        ]
    }

    proptest! {
        /// Whatever is taken, undone, reserved and settled: what was used in any time is no more than the burst and what
        /// comes back in it.
        #[test]
        fn in_any_time_no_more_is_used_than_the_burst_and_what_comes_back(
            limit in 1_u64..30,
            burst in 1_u64..30,
            steps in prop::collection::vec(step(), 1..120),
        ) {
            let rate = per_second(limit, burst);
            let (mut bucket, mut now) = (Bucket::default(), 0);
            let (mut open, mut used) = (Vec::new(), Vec::new());
            for step in steps {
                match step {
                    Step::Wait(time) => now += time,
                    Step::Take(cost) => match bucket.take(rate, cost, now) {
                        Ok(_) => used.push((now, cost)),
                        Err(wait) if cost <= burst && open.is_empty() => {
                            now += u64::try_from(wait.as_nanos()).unwrap();
                            prop_assert!(bucket.take(rate, cost, now).is_ok());
                            used.push((now, cost));
                        }
                        Err(_) => {}
                    },
                    Step::Reserve(cost) => {
                        if bucket.reserve(rate, cost, now).is_ok() {
                            open.push(cost);
                        }
                    }
                    Step::Settle(which, cost) if !open.is_empty() => {
                        let reserved = open.swap_remove(which % open.len());
                        bucket.settle(rate, reserved, cost.min(reserved), now);
                        used.push((now, cost.min(reserved)));
                    }
                    Step::Settle(..) => {}
                    Step::TakeAndUndo(cost, later) => {
                        if bucket.take(rate, cost, now).is_ok() {
                            now += later;
                            bucket.undo(rate, cost, now - later, now);
                        }
                    }
                }
            }
            for (index, (from, _)) in used.iter().enumerate() {
                let mut sum = 0_u128;
                for (to, cost) in &used[index..] {
                    sum += u128::from(*cost) * u128::from(SECOND);
                    let back = u128::from(to - from) * u128::from(limit);
                    prop_assert!(sum <= u128::from(burst) * u128::from(SECOND) + back);
                }
            }
        }
    }

    fn per_second(limit: u64, burst: u64) -> Rate {
        Rate {
            limit,
            window: Duration::from_secs(1),
            burst,
        }
    }

    const SECOND: u64 = 1_000_000_000;
}
