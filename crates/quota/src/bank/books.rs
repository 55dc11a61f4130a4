//! An authority's decisions, as a pure function of its rows: what a store has to commit together.

use std::collections::BTreeMap;

use super::{
    Answer, Asker, Message, Order, Window,
    calendar::{Calendar, CalendarError, TOLERANCE},
};

/// The books of one account: its windows, and what its askers were last told.
#[derive(Clone, Debug, Default)]
pub struct Book {
    /// The latest time that was ever seen: time does not go back.
    pub clock_floor: i64,
    /// The windows that still can be booked on, the running one last.
    pub windows: Vec<WindowRow>,
    /// Who asked.
    pub askers: BTreeMap<Asker, AskerRow>,
}

/// A window of an account.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct WindowRow {
    /// Ascends.
    pub number: u64,
    /// The most that may be granted; [`NO_LIMIT`] in the gap between two windows of a half.
    pub limit: i64,
    /// What is granted, given back and charged.
    pub granted: i64,
    /// In milliseconds since 1970.
    pub starts_at: i64,
    /// In milliseconds since 1970.
    pub ends_at: i64,
}

/// What an asker was told.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct AskerRow {
    /// The number of its last message.
    pub number: u64,
    /// What was answered: the answer to each repetition.
    pub answer: Answer,
    /// The first window that was named to it. It gives back to no earlier one.
    pub first: u64,
    /// The last window that was named to it.
    pub last: u64,
    /// When it asked last, in milliseconds since 1970.
    pub asked_at: i64,
}

impl Book {
    /// Decides, at this time by the authority's clock, in milliseconds since 1970.
    ///
    /// # Errors
    /// If no window can be named. Nothing is decided then.
    pub fn decide(
        &mut self,
        message: &Message<Order>,
        clock: i64,
    ) -> Result<Answer, CalendarError> {
        let known = self.askers.get(&message.asker);
        match known {
            Some(row) if message.number == row.number => return Ok(row.answer.clone()),
            Some(row) if message.number < row.number => return Ok(Answer::Old),
            // One that was forgotten may have been answered before.
            None if message.number != 1 => return Ok(Answer::Old),
            _ => {}
        }
        let named = known.map(|row| (row.first, row.last));
        let now = clock.max(self.clock_floor);
        let answer = match &message.ask {
            Order::Grant {
                least,
                wish,
                limit,
                calendar,
            } => {
                if *least < 0 || wish < least || limit.nanos() < 0 {
                    Answer::Old
                } else {
                    // Windows that do not end before their time are safe. Gaps are not.
                    if calendar.half.is_some() && clock.saturating_add(TOLERANCE) < now {
                        return Err(CalendarError::ClockIsBehind);
                    }
                    self.turn(calendar, now)?;
                    let askers = self.recent(message.asker, now);
                    self.grant(limit.nanos(), *least, *wish, now, askers)
                }
            }
            Order::GiveBack { window, amount } => self.book(named, *window, |granted| {
                granted.checked_sub(*amount).filter(|_| *amount >= 0)
            }),
            // What is spent is spent, also if it is more than can be counted.
            Order::Charge { window, amount } => self.book(named, *window, |granted| {
                Some(granted.saturating_add(*amount)).filter(|_| *amount >= 0)
            }),
        };
        self.clock_floor = now;
        self.record(message, &answer, now);
        Ok(answer)
    }

    /// Opens the next window if the running one has ended. It starts where that ended, whatever the calendar now says.
    fn turn(&mut self, calendar: &Calendar, now: i64) -> Result<(), CalendarError> {
        let (number, starts_at) = match self.windows.last_mut() {
            Some(window) if now < window.ends_at && !window.is_gap() => return Ok(()),
            Some(gap) if now < gap.ends_at => {
                // It keeps nothing, so it need not be kept when the calendar has become another.
                let span = calendar.span(now)?;
                gap.ends_at = gap
                    .ends_at
                    .min(if span.is_gap { span.ends_at } else { now });
                if span.is_gap {
                    return Ok(());
                }
                (gap.number + 1, now)
            }
            Some(window) => (window.number + 1, window.ends_at),
            None => (1, now),
        };
        let span = calendar.span(now)?;
        if self.windows.len() == WINDOWS {
            self.windows.remove(0);
        }
        self.windows.push(WindowRow {
            number,
            limit: if span.is_gap { NO_LIMIT } else { 0 },
            granted: 0,
            starts_at,
            ends_at: span.ends_at,
        });
        Ok(())
    }

    fn grant(&mut self, limit: i64, least: i64, wish: i64, now: i64, askers: i128) -> Answer {
        let row = self.windows.last_mut().expect("a window is running");
        if !row.is_gap() {
            row.limit = limit;
        }
        let window = row.named(now);
        let free = row.left();
        if i128::from(least) > free.max(0) {
            return Answer::Spent {
                window,
                left: saturate(free),
            };
        }
        // Half of what is free, shared among those who ask: who comes next finds something, too.
        let share = saturate(free.max(0) / (2 * askers));
        let amount = wish.min(share).max(least);
        row.granted += amount;
        let left = row.left();
        let scarce = left * SCARCE < i128::from(row.limit);
        Answer::Granted {
            window,
            amount,
            left: saturate(left),
            scarce,
        }
    }

    /// Books on a window that was named to the asker, or refuses.
    fn book(
        &mut self,
        named: Option<(u64, u64)>,
        window: u64,
        change: impl FnOnce(i64) -> Option<i64>,
    ) -> Answer {
        let is_named = named.is_some_and(|(first, last)| (first..=last).contains(&window));
        let row = self.windows.iter_mut().find(|row| row.number == window);
        let Some(row) = row.filter(|_| is_named) else {
            return Answer::Old;
        };
        match change(row.granted) {
            Some(granted @ 0..) => {
                row.granted = granted;
                Answer::Booked {
                    left: saturate(row.left()),
                }
            }
            _ => Answer::Old,
        }
    }

    /// How many have asked lately, this one included.
    fn recent(&self, asker: Asker, now: i64) -> i128 {
        let since = now.saturating_sub(RECENT);
        let others = self
            .askers
            .iter()
            .filter(|(other, row)| **other != asker && row.asked_at > since);
        1 + others.count() as i128
    }

    fn record(&mut self, message: &Message<Order>, answer: &Answer, now: i64) {
        let named = match answer {
            Answer::Granted { window, .. } | Answer::Spent { window, .. } => Some(window.number),
            _ => None,
        };
        if let Some(row) = self.askers.get_mut(&message.asker) {
            row.number = message.number;
            row.answer = answer.clone();
            row.asked_at = now;
            if let Some(number) = named {
                row.last = number;
            }
            return;
        }
        let Some(number) = named else {
            return; // A refusal is refused again.
        };
        if self.askers.len() == ASKERS {
            let oldest = self
                .askers
                .iter()
                .min_by_key(|(_, row)| row.asked_at)
                .map(|(asker, _)| *asker);
            oldest.and_then(|asker| self.askers.remove(&asker));
        }
        self.askers.insert(
            message.asker,
            AskerRow {
                number: message.number,
                answer: answer.clone(),
                first: number,
                last: number,
                asked_at: now,
            },
        );
    }
}

impl WindowRow {
    /// Whether it is what lies between two windows of a half.
    #[must_use]
    pub const fn is_gap(&self) -> bool {
        self.limit == NO_LIMIT
    }

    fn named(&self, now: i64) -> Window {
        Window {
            number: self.number,
            starts_at: self.starts_at,
            ends_at: self.ends_at,
            now,
        }
    }

    /// What can still be granted; below zero if more was charged than there was.
    #[must_use]
    pub fn left(&self) -> i128 {
        let limit = if self.is_gap() { i64::MAX } else { self.limit };
        i128::from(limit) - i128::from(self.granted)
    }
}

fn saturate(amount: i128) -> i64 {
    i64::try_from(amount).unwrap_or(if amount < 0 { i64::MIN } else { i64::MAX })
}

/// No budget has this one: what is wished is granted.
pub const NO_LIMIT: i64 = -1;

/// So many windows can be booked on: what is settled late belongs to one that has ended.
const WINDOWS: usize = 4;

/// So many askers are remembered; those forgotten are new ones when they return.
const ASKERS: usize = 1_024;

/// So long an asker counts as one who wants a share, in milliseconds.
const RECENT: i64 = 10_000;

/// Little is less than this part of the limit.
const SCARCE: i128 = 10;
