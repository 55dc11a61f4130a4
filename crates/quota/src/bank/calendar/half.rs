use jiff::{Timestamp, tz::TimeZone};
use tollgate_core::fact::Period;

use super::{CalendarError, HOUR, Span, end};

/// Every other window of a calendar, and some time around each. A strict budget has two accounts, one for either half, and
/// a call is paid from both. So it is paid from each window that it may touch, for between its windows an account grants
/// whatever is wished.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub struct Half {
    /// Whether it has the windows with odd numbers.
    pub is_odd: bool,
    /// So long before a window begins, calls are made that may touch it, in milliseconds.
    pub lead: i64,
}

impl Half {
    /// The window that a time is in, from its lead to when no clock is in it any more; or the gap.
    ///
    /// Where a zone skips some time, two windows of the same half can follow each other closely. They are one, then, which
    /// is more than is promised.
    pub(super) fn span(
        self,
        every: Period,
        zone: &TimeZone,
        now: i64,
    ) -> Result<Span, CalendarError> {
        if self.lead < 0 || self.lead.saturating_add(TOLERANCE) >= shortest(every) {
            return Err(CalendarError::TooLong);
        }
        let mut from = now.saturating_sub(TOLERANCE);
        let mut until = None;
        // It ends, since each turn is a window ahead, and at last there is one with a gap before it.
        loop {
            let ends_at = end(every, zone, from).unwrap_or(i64::MAX);
            if is_odd(every, zone, ends_at) == self.is_odd || ends_at == i64::MAX {
                let begins_at = from.saturating_sub(self.lead);
                if begins_at > until.unwrap_or(now) {
                    return Ok(Span {
                        ends_at: until.unwrap_or(begins_at),
                        is_gap: until.is_none(),
                    });
                }
                until = Some(ends_at.saturating_add(TOLERANCE));
            }
            if ends_at == i64::MAX {
                return Ok(Span {
                    ends_at,
                    is_gap: false,
                });
            }
            from = ends_at;
        }
    }
}

/// Whether the number of the window that ends then is odd. It follows from its end, so that all times in it agree.
fn is_odd(every: Period, zone: &TimeZone, ends_at: i64) -> bool {
    let Ok(time) = Timestamp::from_millisecond(ends_at) else {
        return false;
    };
    let shift = i64::from(zone.to_offset(time).seconds()) * 1_000;
    let local = ends_at.saturating_add(shift);
    let number = match every {
        Period::Hour => local.div_euclid(HOUR),
        Period::Day => local.div_euclid(24 * HOUR),
        Period::Week => local.div_euclid(7 * 24 * HOUR),
        Period::Month | Period::Total => {
            let date = zone.to_datetime(time).date();
            i64::from(date.year()) * 12 + i64::from(date.month())
        }
    };
    number.rem_euclid(2) == 1
}

const fn shortest(every: Period) -> i64 {
    match every {
        Period::Hour => HOUR,
        Period::Day => 24 * HOUR,
        Period::Week => 7 * 24 * HOUR,
        Period::Month => 28 * 24 * HOUR,
        Period::Total => i64::MAX,
    }
}

/// How far the clocks of a strict budget may be apart, in milliseconds.
pub const TOLERANCE: i64 = 2_000;

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::bank::calendar::Calendar;

    fn half(every: Period, zone: &str, is_odd: bool, lead: i64) -> Calendar {
        Calendar {
            half: Some(Half { is_odd, lead }),
            ..Calendar::new(every, zone)
        }
    }

    fn scenes() -> impl Strategy<Value = (Period, &'static str, i64, i64)> {
        let zones = prop::sample::select(vec![
            "UTC",
            "Asia/Kolkata",
            "America/Toronto",
            "Australia/Lord_Howe",
            "Pacific/Apia",
            "America/Havana",
            "America/Santiago",
        ]);
        let periods =
            prop::sample::select(vec![Period::Hour, Period::Day, Period::Week, Period::Month]);
        // Around a change of summer time, a day that was left out, and anywhere.
        let times = prop_oneof![
            Just(1_325_203_200_000_i64).prop_flat_map(near),
            Just(1_775_318_400_000_i64).prop_flat_map(near),
            Just(1_793_509_200_000_i64).prop_flat_map(near),
            0..4_000_000_000_000_i64,
        ];
        (periods, zones, times).prop_flat_map(|(every, zone, now)| {
            let leads = prop_oneof![Just(0), 0..shortest(every) / 2];
            (Just(every), Just(zone), Just(now), leads)
        })
    }

    fn near(time: i64) -> std::ops::Range<i64> {
        time - 3 * 24 * HOUR..time + 3 * 24 * HOUR
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(2_000))]

        #[test]
        fn each_window_lies_with_all_that_may_touch_it_in_one_of_a_half((every, zone, now, lead) in scenes()) {
            let zone_of = TimeZone::get(zone).unwrap();
            let starts_at = end(every, &zone_of, now).unwrap();
            let ends_at = end(every, &zone_of, starts_at).unwrap();
            let own = half(every, zone, is_odd(every, &zone_of, ends_at), lead);

            let first = own.span(starts_at - lead).unwrap();

            prop_assert!(!first.is_gap);
            prop_assert!(first.ends_at >= ends_at + TOLERANCE);
            // It is the same one for all who ask in its time.
            for time in [starts_at - 1, starts_at, ends_at - 1, ends_at, ends_at + TOLERANCE - 1] {
                prop_assert_eq!(own.span(time.max(starts_at - lead)).unwrap(), first);
            }
        }

        #[test]
        fn at_any_time_one_half_at_least_has_a_window((every, zone, now, lead) in scenes()) {
            let [even, odd] = [false, true].map(|is_odd| half(every, zone, is_odd, lead).span(now).unwrap());

            prop_assert!(!even.is_gap || !odd.is_gap);
            prop_assert!(even.ends_at > now && odd.ends_at > now);
        }

        #[test]
        fn windows_and_gaps_of_a_half_follow_each_other((every, zone, now, lead) in scenes(), is_odd: bool) {
            let half = half(every, zone, is_odd, lead);
            let mut at = now;
            for _ in 0..6 {
                let span = half.span(at).unwrap();
                let next = half.span(span.ends_at).unwrap();

                prop_assert!(span.ends_at > at);
                prop_assert_eq!(half.span(span.ends_at - 1).unwrap(), span);
                prop_assert!(span.is_gap != next.is_gap, "{:?} and {:?}", span, next);
                at = span.ends_at;
            }
        }
    }

    #[test]
    fn regular_windows_alternate() {
        let lead = 10 * 60_000;
        let [even, odd] = [false, true].map(|is_odd| half(Period::Hour, "UTC", is_odd, lead));
        let hour = 100 * HOUR; // Of the window that ends at hour 101, an odd one.

        for (at, of_even, of_odd) in [
            (
                hour,
                (hour + TOLERANCE, false),
                (hour + HOUR + TOLERANCE, false),
            ),
            (
                hour + TOLERANCE,
                (hour + HOUR - lead, true),
                (hour + HOUR + TOLERANCE, false),
            ),
            (
                hour + HOUR - lead,
                (hour + 2 * HOUR + TOLERANCE, false),
                (hour + HOUR + TOLERANCE, false),
            ),
        ] {
            for (half, (ends_at, is_gap)) in [(&even, of_even), (&odd, of_odd)] {
                assert_eq!(
                    half.span(at).unwrap(),
                    Span { ends_at, is_gap },
                    "{half:?} at {at}"
                );
            }
        }
    }

    #[test]
    fn calls_that_live_as_long_as_a_window_are_refused() {
        let half = half(Period::Hour, "UTC", true, HOUR - TOLERANCE);

        assert_eq!(half.span(0), Err(CalendarError::TooLong));
    }
}
