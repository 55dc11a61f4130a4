use std::collections::{BTreeMap, HashMap};

use tollgate_quota::bank::{Answer, Asker, Message, Order, books::Book};

use crate::{
    audit::{Place, Violation},
    defect::Defect,
    replica::half_of,
};

/// The authority: its books, its clock, and a witness of what it answers.
#[derive(Debug, Default)]
pub(crate) struct Authority {
    /// One for each account of the budget.
    pub(crate) books: [Book; 2],
    /// How far its clock is off.
    pub(crate) skew: i64,
    pub(crate) away: bool,
    answers: HashMap<(Asker, u64), Answer>,
    /// The windows that were named, as (start, end).
    windows: [BTreeMap<u64, (i64, i64)>; 2],
    /// For an authority that credits at a deadline: when an asker was last heard, and what it has of which window.
    heard: HashMap<Asker, (i64, Place, i64)>,
}

impl Authority {
    pub(crate) fn ask(
        &mut self,
        message: &Message<Order>,
        now: i64,
        defect: Option<Defect>,
    ) -> Result<Answer, Violation> {
        let key = (message.asker, message.number);
        if defect == Some(Defect::TurnsANoIntoAYes) {
            self.forget_a_refusal(message);
        }
        let half = half_of(&message.account);
        let answer = self.books[half]
            .decide(message, now + self.skew)
            .expect("the zone is known, and clocks agree");
        self.witness(message, &answer)?;
        // An answer is final. To refuse a repetition as old is safe.
        if answer != Answer::Old
            && let Some(before) = self.answers.insert(key, answer.clone())
            && before != answer
        {
            return Err(Violation::new(format!("{before:?} has become {answer:?}")));
        }
        if let Answer::Granted { window, amount, .. } = answer {
            let heard = self
                .heard
                .entry(message.asker)
                .or_insert((now, (half, window.number), 0));
            let place = (half, window.number);
            let before = if heard.1 == place { heard.2 } else { 0 };
            *heard = (now, place, before + amount);
        }
        Ok(answer)
    }

    /// What is granted of a window.
    pub(crate) fn granted(&self, (half, window): Place) -> Option<i64> {
        let row = self.books[half]
            .windows
            .iter()
            .find(|row| row.number == window);
        row.map(|row| row.granted)
    }

    /// The window that is running, and what is left of it; of two, that which has less.
    pub(crate) fn left(&self) -> Option<(Place, i64)> {
        let rows = self.books.iter().enumerate().filter_map(|(half, book)| {
            let row = book.windows.last()?;
            let left = i64::try_from(row.left()).unwrap_or(i64::MIN);
            Some(((half, row.number), left))
        });
        rows.min_by_key(|(_, left)| *left)
    }

    /// The first window of an account that is still known.
    pub(crate) fn first(&self, half: usize) -> u64 {
        self.books[half].windows.first().map_or(1, |row| row.number)
    }

    /// What must never be done: takes back what was granted to those not heard of for some seconds.
    pub(crate) fn credit_the_silent(&mut self, now: i64) {
        let silent = self.heard.extract_if(|_, (at, ..)| *at + 4_000 < now);
        for (_, (_, (half, window), amount)) in silent {
            if let Some(row) = self.books[half]
                .windows
                .iter_mut()
                .find(|row| row.number == window)
            {
                row.granted = (row.granted - amount).max(0);
            }
        }
    }

    fn witness(&mut self, message: &Message<Order>, answer: &Answer) -> Result<(), Violation> {
        let Order::Grant {
            limit, least, wish, ..
        } = message.ask
        else {
            return Ok(());
        };
        let repeated = self.answers.contains_key(&(message.asker, message.number));
        let (Answer::Granted { window, .. } | Answer::Spent { window, .. }) = *answer else {
            return Ok(());
        };
        let half = half_of(&message.account);
        let row = self.books[half].windows.last().expect("one was named");
        if let Answer::Granted { amount, .. } = *answer
            && !repeated
            && (amount < least
                || amount > wish
                || amount > 0 && row.granted > limit.nanos() && !row.is_gap())
        {
            return Err(Violation::new(format!(
                "granted {amount} of {least} to {wish}: {row:?}"
            )));
        }
        let named = (window.starts_at, window.ends_at);
        let windows = &mut self.windows[half];
        let before = *windows.entry(window.number).or_insert(named);
        let later = windows.range(window.number + 1..).next();
        let earlier = windows.range(..window.number).next_back();
        if before != named
            || !repeated && later.is_some()
            || earlier.is_some_and(|(_, (_, ends_at))| *ends_at > window.starts_at)
            || !(window.starts_at..window.ends_at).contains(&window.now)
        {
            return Err(Violation::new(format!(
                "{window:?} was named after {before:?}, {later:?}"
            )));
        }
        Ok(())
    }

    fn forget_a_refusal(&mut self, message: &Message<Order>) {
        let book = &mut self.books[half_of(&message.account)];
        if let Some(row) = book.askers.get_mut(&message.asker)
            && row.number == message.number
            && matches!(row.answer, Answer::Spent { .. })
        {
            row.number -= 1;
        }
    }
}
