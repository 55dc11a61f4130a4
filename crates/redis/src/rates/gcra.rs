use std::time::Duration;

use tollgate_quota::Rate;

/// A rate in ticks: whole numbers that a script's doubles are exact for.
///
/// A unit is `unit` ticks, and in a microsecond `speed` of them come back. The quotient is never faster than the rate; it
/// is the rate itself where whole numbers allow, and else misses it by less than one part in `unit`.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) struct Gcra {
    unit: u64,
    pub(crate) speed: u64,
    /// All that can be saved up.
    pub(crate) capacity: u64,
}

impl Gcra {
    /// `None` if nothing can ever be taken.
    pub(crate) fn new(rate: Rate) -> Option<Self> {
        let window = rate.window.as_nanos().div_ceil(1000).min(CENTURY);
        let (burst, limit) = (u128::from(rate.burst), u128::from(rate.limit));
        if window == 0 || burst == 0 || limit == 0 {
            return None;
        }
        let common = gcd(window, limit);
        let (mut unit, mut speed) = (window / common, limit / common);
        if burst * unit > CAPACITY || speed > CAPACITY {
            // As fine as there is room for. The limit is a `u64` and the window under 2^52.
            let refill = (burst * window).div_ceil(limit).max(1);
            speed = (CAPACITY / refill).clamp(1, FINEST);
            unit = (window * speed).div_ceil(limit);
        }
        let capacity = (burst * unit).min(CAPACITY);
        (unit <= capacity).then_some(Self {
            unit: u64::try_from(unit).ok()?,
            speed: u64::try_from(speed).ok()?,
            capacity: u64::try_from(capacity).ok()?,
        })
    }

    /// `None` if it is more than can be saved up.
    pub(crate) fn ticks(&self, cost: u64) -> Option<u64> {
        let ticks = cost.checked_mul(self.unit)?;
        (ticks <= self.capacity).then_some(ticks)
    }

    /// As many as a script can count, if there are more.
    pub(crate) fn correction(&self, more: i64) -> i64 {
        let most = EXACT as i64;
        let ticks = i128::from(more) * i128::from(self.unit);
        let ticks = ticks.clamp(i128::from(-most), i128::from(most));
        i64::try_from(ticks).unwrap_or(0)
    }

    /// What can be taken while this much is owed.
    pub(crate) fn remaining(&self, debt: u64) -> u64 {
        self.capacity.saturating_sub(debt) / self.unit
    }

    /// How long it takes until this much is back.
    pub(crate) fn time(&self, ticks: u64) -> Duration {
        Duration::from_micros(ticks.div_ceil(self.speed))
    }
}

fn gcd(a: u128, b: u128) -> u128 {
    if b == 0 { a } else { gcd(b, a % b) }
}

/// In microseconds; nothing takes longer.
const CENTURY: u128 = 100 * 365 * 24 * 60 * 60 * 1_000_000;
/// Up to here doubles are exact.
const EXACT: u64 = 1 << 53;
/// Room for what corrections add to a debt.
const CAPACITY: u128 = (EXACT / 16) as u128;
/// Of a second's window this is a billion ticks a microsecond; no more is of use.
const FINEST: u128 = 1 << 40;

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn rate(limit: u64, window: Duration, burst: u64) -> Rate {
        Rate {
            limit,
            window,
            burst,
        }
    }

    #[test]
    fn usual_rates_are_exact() {
        let gcra = Gcra::new(rate(7, Duration::from_secs(60), 7)).unwrap();

        assert_eq!(gcra.ticks(7), Some(gcra.capacity));
        assert_eq!(gcra.ticks(8), None);
        assert_eq!(gcra.remaining(gcra.ticks(1).unwrap()), 6);
        assert_eq!(gcra.time(gcra.ticks(7).unwrap()), Duration::from_secs(60));
    }

    #[test]
    fn nothing_is_no_rate() {
        let second = Duration::from_secs(1);

        assert_eq!(Gcra::new(rate(0, second, 1)), None);
        assert_eq!(Gcra::new(rate(1, second, 0)), None);
        assert_eq!(Gcra::new(rate(1, Duration::ZERO, 1)), None);
    }

    proptest! {
        #[test]
        fn it_is_never_faster_and_hardly_slower(
            limit in 1..=1_000_000_000_u64, seconds in 1..=86_400_u64, burst in 1..=1_000_000_000_u64
        ) {
            let gcra = Gcra::new(rate(limit, Duration::from_secs(seconds), burst)).unwrap();
            let (unit, speed) = (u128::from(gcra.unit), u128::from(gcra.speed));
            let window = u128::from(seconds) * 1_000_000;

            // speed / unit <= limit / window
            prop_assert!(speed * window <= u128::from(limit) * unit);
            let lost = u128::from(limit) * unit - speed * window;
            prop_assert!(lost * 1000 <= u128::from(limit) * unit, "{gcra:?}");
            prop_assert!(u128::from(gcra.capacity) <= CAPACITY);
        }

        #[test]
        fn any_rate_can_be_counted_with(limit: u64, nanos: u64, burst: u64, cost: u64, debt: u64, more: i64) {
            if let Some(gcra) = Gcra::new(rate(limit, Duration::from_nanos(nanos), burst)) {
                let _ = (gcra.ticks(cost), gcra.remaining(debt), gcra.time(debt));
                prop_assert!(gcra.correction(more).unsigned_abs() <= EXACT);
                prop_assert!(gcra.capacity / gcra.unit <= burst);
            }
        }
    }
}
