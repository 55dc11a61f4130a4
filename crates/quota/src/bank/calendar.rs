//! Calendar windows: pure arithmetic over a time zone's rules.

mod half;

use std::{fmt, sync::Arc};

use jiff::{Timestamp, civil::Date, tz::TimeZone};
use tollgate_core::fact::Period;

pub use self::half::{Half, TOLERANCE};

/// Which windows an account has.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Calendar {
    /// The windows' kind.
    pub every: Period,
    /// Whose calendar it is.
    pub zone: Arc<str>,
    /// Which of the windows, and more of each, if the budget is strict.
    pub half: Option<Half>,
}

impl Calendar {
    /// All windows of this kind, one after the other.
    pub fn new(every: Period, zone: impl Into<Arc<str>>) -> Self {
        Self {
            every,
            zone: zone.into(),
            half: None,
        }
    }

    /// What a time is in, in milliseconds since 1970.
    ///
    /// # Errors
    /// If there is no such zone, or no calendar has room for such a half.
    pub fn span(&self, now: i64) -> Result<Span, CalendarError> {
        match self.half.filter(|_| self.every != Period::Total) {
            None => Ok(Span {
                ends_at: window_end(self.every, &self.zone, now)?,
                is_gap: false,
            }),
            Some(half) => half.span(self.every, &zone(&self.zone)?, now),
        }
    }
}

/// A window of an account, or what is between two.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Span {
    /// In milliseconds since 1970; `i64::MAX` if it does not end.
    pub ends_at: i64,
    /// Whether it lies between two windows of a half: nothing that is spent in it counts.
    pub is_gap: bool,
}

/// When the calendar window ends that a time is in; both in milliseconds since 1970. It is always after that time, and
/// `i64::MAX` if the window does not end, or not within the years that a calendar knows.
///
/// A midnight that a zone leaves out is the moment at which it is left out; one that it has twice is the first that is yet
/// to come.
///
/// # Errors
/// If there is no such zone.
pub fn window_end(every: Period, name: &str, now: i64) -> Result<i64, CalendarError> {
    Ok(end(every, &zone(name)?, now).unwrap_or(i64::MAX))
}

/// Why no window can be named.
#[derive(Clone, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub enum CalendarError {
    /// There is no time zone of this name.
    UnknownZone(Box<str>),
    /// Calls of a strict budget live longer than its windows.
    TooLong,
    /// The clock is behind what it has shown before, so a strict budget cannot know the time.
    ClockIsBehind,
}

impl fmt::Display for CalendarError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::UnknownZone(name) => write!(f, "there is no time zone {name:?}"),
            Self::TooLong => f.write_str("calls of a strict budget live longer than its windows"),
            Self::ClockIsBehind => f.write_str("the clock is behind what it has shown before"),
        }
    }
}

impl std::error::Error for CalendarError {}

fn zone(name: &str) -> Result<TimeZone, CalendarError> {
    TimeZone::get(name).map_err(|_| CalendarError::UnknownZone(name.into()))
}

fn end(every: Period, zone: &TimeZone, now: i64) -> Option<i64> {
    let time = Timestamp::from_millisecond(now).ok()?;
    let today = zone.to_datetime(time).date();
    match every {
        Period::Total => None,
        Period::Hour => {
            let shift = i64::from(zone.to_offset(time).seconds()) * 1_000;
            let passed = now.checked_add(shift)?.rem_euclid(HOUR);
            now.checked_add(HOUR - passed)
        }
        Period::Day => first_after(now, zone, today.tomorrow().ok()?),
        Period::Week => {
            let rest = 7 - i64::from(today.weekday().to_monday_zero_offset());
            first_after(now, zone, add_days(today, rest)?)
        }
        Period::Month => first_after(now, zone, today.last_of_month().tomorrow().ok()?),
    }
}

/// The midnight of this day, or of the next one that is yet to come: where clocks are put back over midnight, a day
/// begins twice.
fn first_after(now: i64, zone: &TimeZone, mut day: Date) -> Option<i64> {
    loop {
        let midnight = zone.to_timestamp(day.at(0, 0, 0, 0)).ok()?;
        if midnight.as_millisecond() > now {
            return Some(midnight.as_millisecond());
        }
        day = day.tomorrow().ok()?;
    }
}

fn add_days(day: Date, days: i64) -> Option<Date> {
    day.checked_add(jiff::Span::new().days(days)).ok()
}

const HOUR: i64 = 3_600_000;

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn windows_end_where_the_calendar_of_the_zone_says() {
        for (every, zone, now, ends) in [
            (
                Period::Hour,
                "UTC",
                "2026-11-23T19:33:07Z",
                "2026-11-23T20:00:00Z",
            ),
            (
                Period::Hour,
                "Asia/Kolkata",
                "2026-11-23T19:33:07Z",
                "2026-11-23T20:30:00Z",
            ),
            (
                Period::Day,
                "Europe/Zurich",
                "2026-11-23T22:59:59.999Z",
                "2026-11-23T23:00:00Z",
            ),
            (
                Period::Day,
                "Europe/Zurich",
                "2026-11-23T23:00:00Z",
                "2026-11-24T23:00:00Z",
            ),
            // From Monday to Monday.
            (
                Period::Week,
                "UTC",
                "2026-11-23T00:00:00Z",
                "2026-11-30T00:00:00Z",
            ),
            (
                Period::Week,
                "UTC",
                "2026-11-29T23:59:59Z",
                "2026-11-30T00:00:00Z",
            ),
            // Summer time begins within the month, and ends on the 25th of October.
            (
                Period::Month,
                "Europe/Zurich",
                "2026-03-01T00:00:00Z",
                "2026-03-31T22:00:00Z",
            ),
            (
                Period::Day,
                "Europe/Zurich",
                "2026-10-25T00:30:00Z",
                "2026-10-25T23:00:00Z",
            ),
            (
                Period::Month,
                "UTC",
                "2028-02-29T12:00:00Z",
                "2028-03-01T00:00:00Z",
            ),
            // The day begins at one o'clock: midnight is left out.
            (
                Period::Day,
                "America/Santiago",
                "2026-09-05T12:00:00Z",
                "2026-09-06T04:00:00Z",
            ),
            // The 30th of December 2011 was left out altogether.
            (
                Period::Day,
                "Pacific/Apia",
                "2011-12-30T09:00:00Z",
                "2011-12-30T10:00:00Z",
            ),
        ] {
            let found = window_end(every, zone, millis(now)).unwrap();

            assert_eq!(found, millis(ends), "{every:?} in {zone} at {now}");
        }
    }

    #[test]
    fn a_total_does_not_end() {
        assert_eq!(window_end(Period::Total, "UTC", 0), Ok(i64::MAX));
        assert_eq!(window_end(Period::Month, "UTC", i64::MAX), Ok(i64::MAX));
    }

    #[test]
    fn an_unknown_zone_is_named() {
        let error = window_end(Period::Day, "Europe/Atlantis", 0).unwrap_err();

        assert_eq!(
            error.to_string(),
            "there is no time zone \"Europe/Atlantis\""
        );
    }

    proptest! {
        #[test]
        fn the_end_is_always_ahead(
            now in -5_000_000_000_000_i64..5_000_000_000_000,
            every in prop::sample::select(vec![Period::Hour, Period::Day, Period::Week, Period::Month]),
            zone in prop::sample::select(vec!["UTC", "America/Toronto", "Australia/Lord_Howe", "Pacific/Apia", "America/Havana"]),
        ) {
            let ends = window_end(every, zone, now).unwrap();

            prop_assert!(ends > now);
            prop_assert!(ends - now <= 32 * 86_400_000);
        }
    }

    fn millis(time: &str) -> i64 {
        time.parse::<Timestamp>().unwrap().as_millisecond()
    }
}
