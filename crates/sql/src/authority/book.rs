use tollgate_quota::bank::{
    Message, Order,
    books::{NO_LIMIT, WindowRow},
};

use super::rows::Locked;
use crate::SqlError;

/// What is remembered of an account, and of losses of memory.
#[derive(Clone, Copy, Debug)]
pub(super) struct Memory {
    /// The last loss; 0 for none.
    lost_at: i64,
    /// The last loss after which unknown accounts were stated to have spent nothing.
    rest_stated: i64,
    floor: i64,
    /// The last loss after which it was stated what this account had spent.
    stated: i64,
    stated_spent: i64,
}

impl Memory {
    pub(super) const fn new(
        lost_at: i64,
        rest_stated: i64,
        (floor, stated, stated_spent): Locked,
    ) -> Self {
        Self {
            lost_at,
            rest_stated,
            floor,
            stated,
            stated_spent,
        }
    }

    /// What the clock never goes behind.
    pub(super) fn floor(&self) -> i64 {
        self.floor.max(self.lost_at)
    }

    /// Those windows that can be trusted. Of those before a loss none can: whatever was lost may have been granted from
    /// them. Whoever asks then gets a new one, which begins with what was stated if its time may be that of the loss.
    pub(super) fn trusted(
        &self,
        mut windows: Vec<WindowRow>,
        message: &Message<Order>,
        clock: i64,
    ) -> Result<Vec<WindowRow>, SqlError> {
        let Ok(lost_at @ 1..) = u64::try_from(self.lost_at) else {
            return Ok(windows);
        };
        let last = windows.iter().rfind(|row| row.number <= lost_at).copied();
        windows.retain(|row| row.number > lost_at);
        let Order::Grant { calendar, .. } = &message.ask else {
            return Ok(windows);
        };
        if !windows.is_empty() {
            return Ok(windows);
        }
        let now = clock.max(self.floor());
        let (row, was_open) = match last {
            Some(last) if now < last.ends_at && !last.is_gap() => (last, true),
            // A gap may have been ended since by a calendar that has become another.
            _ => {
                let span = calendar.span(now).map_err(SqlError::Calendar)?;
                let lost_at = self.lost_at.saturating_add(CLOCKS_DIFFER);
                let of_loss = calendar.span(lost_at).map_err(SqlError::Calendar)?;
                let row = WindowRow {
                    number: 0,
                    limit: if span.is_gap { NO_LIMIT } else { 0 },
                    granted: 0,
                    starts_at: last.map_or(now, |last| last.ends_at.min(now)),
                    ends_at: span.ends_at,
                };
                (row, of_loss.ends_at >= span.ends_at)
            }
        };
        let granted = match was_open {
            true => self.spent().ok_or(SqlError::Restored)?,
            false => 0,
        };
        Ok(vec![WindowRow {
            number: lost_at + 1,
            granted,
            ..row
        }])
    }

    /// What was spent by the time of the loss, if anybody has said so.
    fn spent(&self) -> Option<i64> {
        let is_unknown = self.floor == 0;
        match self.lost_at {
            loss if loss == self.stated => Some(self.stated_spent),
            loss if loss == self.rest_stated && is_unknown => Some(0),
            _ => None,
        }
    }
}

/// What was lost may have been granted by a clock that was ahead of this one.
const CLOCKS_DIFFER: i64 = 5 * 60 * 1_000;

#[cfg(test)]
mod tests {
    use tollgate_core::fact::{Cost, Period};
    use tollgate_quota::bank::{
        Asker,
        calendar::{Calendar, Half},
    };

    use super::*;

    #[test]
    fn a_window_that_was_open_at_the_loss_needs_a_statement() {
        let open = row(1, DAY, 2 * DAY);
        let (lost, now) = (DAY + HOUR, DAY + 2 * HOUR);

        let closed = memory(lost, 0).trusted(vec![open], &grant(), now);
        let stated = memory(lost, lost)
            .trusted(vec![open], &grant(), now)
            .unwrap();

        assert!(matches!(closed, Err(SqlError::Restored)));
        let [window] = stated[..] else {
            panic!("there is one window");
        };
        assert_eq!((window.granted, window.ends_at), (7, 2 * DAY));
        assert_eq!(window.number, lost as u64 + 1, "it is another window");
    }

    #[test]
    fn so_does_one_that_may_have_been_opened_in_what_was_lost() {
        let yesterday = row(1, 0, DAY);
        let lost = DAY + HOUR;
        let ask = |windows, now| memory(lost, 0).trusted(windows, &grant(), now);

        for windows in [vec![], vec![yesterday]] {
            assert!(matches!(
                ask(windows.clone(), 2 * DAY - 1),
                Err(SqlError::Restored)
            ));
            assert_eq!(ask(windows, 2 * DAY).unwrap()[0].granted, 0, "a new day");
        }
    }

    #[test]
    fn a_clock_that_was_ahead_may_have_opened_the_next_window() {
        let lost = 2 * DAY - 1_000;

        let asked = memory(lost, 0).trusted(vec![], &grant(), 2 * DAY + HOUR);

        assert!(matches!(asked, Err(SqlError::Restored)));
    }

    #[test]
    fn a_gap_that_was_open_at_the_loss_needs_a_statement_and_stays_a_gap() {
        let gap = WindowRow {
            limit: NO_LIMIT,
            ..row(1, DAY, 2 * DAY)
        };
        let (lost, now) = (DAY + HOUR, DAY + 2 * HOUR);

        let closed = memory(lost, 0).trusted(vec![gap], &half(), now);
        let stated = memory(lost, lost).trusted(vec![gap], &half(), now).unwrap();

        assert!(matches!(closed, Err(SqlError::Restored)));
        assert!(stated[0].is_gap());
        // A later one is known by its calendar.
        let (window, gap) = (2 * DAY, 3 * DAY + HOUR);
        for (now, is_gap) in [(window, false), (gap, true)] {
            let row = memory(HOUR, 0).trusted(vec![], &half(), now).unwrap()[0];
            assert_eq!(row.is_gap(), is_gap);
        }
    }

    #[test]
    fn a_gap_that_was_ended_in_what_was_lost_is_a_window() {
        // By the calendar of the backup it goes on; by that of now, the window has its lead.
        let gap = WindowRow {
            limit: NO_LIMIT,
            ..row(1, DAY, 2 * DAY)
        };
        let (lost, now) = (2 * DAY - HOUR + 1, 2 * DAY - HOUR / 2);

        let closed = memory(lost, 0).trusted(vec![gap], &half(), now);
        let stated = memory(lost, lost).trusted(vec![gap], &half(), now).unwrap();

        assert!(matches!(closed, Err(SqlError::Restored)));
        assert!(!stated[0].is_gap());
        assert_eq!((stated[0].granted, stated[0].starts_at), (7, now));
    }

    #[test]
    fn nothing_is_booked_on_a_window_of_before_the_loss() {
        let message = Message {
            ask: Order::GiveBack {
                window: 1,
                amount: 1,
            },
            ..grant()
        };

        let windows = memory(DAY, DAY).trusted(vec![row(1, 0, 2 * DAY)], &message, DAY);

        assert_eq!(windows.unwrap(), []);
    }

    fn memory(lost_at: i64, stated: i64) -> Memory {
        Memory::new(lost_at, 0, (1, stated, 7))
    }

    /// Of a strict budget, the half that has the third day.
    fn half() -> Message<Order> {
        let mut message = grant();
        if let Order::Grant { calendar, .. } = &mut message.ask {
            calendar.half = Some(Half {
                is_odd: true,
                lead: HOUR,
            });
        }
        message
    }

    fn grant() -> Message<Order> {
        Message {
            account: "a".into(),
            asker: Asker(1),
            number: 1,
            ask: Order::Grant {
                limit: Cost::from_nanos(10),
                calendar: Calendar::new(Period::Day, "UTC"),
                least: 1,
                wish: 1,
            },
        }
    }

    fn row(number: u64, starts_at: i64, ends_at: i64) -> WindowRow {
        WindowRow {
            number,
            limit: 10,
            granted: 5,
            starts_at,
            ends_at,
        }
    }

    const HOUR: i64 = 60 * 60 * 1_000;
    const DAY: i64 = 24 * HOUR;
}
