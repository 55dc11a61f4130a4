use std::collections::{BTreeMap, HashMap};

use tollgate_quota::bank::{Answer, Asker, Message, Order, books::Book};

use crate::{audit::Violation, defect::Defect};

/// The authority: its books, its clock, and a witness of what it answers.
#[derive(Debug, Default)]
pub(crate) struct Authority {
    pub(crate) book: Book,
    /// How far its clock is off.
    pub(crate) skew: i64,
    pub(crate) away: bool,
    answers: HashMap<(Asker, u64), Answer>,
    /// The windows that were named, as (start, end).
    windows: BTreeMap<u64, (i64, i64)>,
    /// For an authority that credits at a deadline: when an asker was last heard, and what it has of which window.
    heard: HashMap<Asker, (i64, u64, i64)>,
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
        let answer = self
            .book
            .decide(message, now + self.skew)
            .expect("the zone is known");
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
                .or_insert((now, window.number, 0));
            let before = if heard.1 == window.number { heard.2 } else { 0 };
            *heard = (now, window.number, before + amount);
        }
        Ok(answer)
    }

    /// What is granted of a window.
    pub(crate) fn granted(&self, window: u64) -> Option<i64> {
        self.book
            .windows
            .iter()
            .find(|row| row.number == window)
            .map(|row| row.granted)
    }

    /// The running window, and what is left of it.
    pub(crate) fn left(&self) -> Option<(u64, i64)> {
        self.book
            .windows
            .last()
            .map(|row| (row.number, row.limit.saturating_sub(row.granted)))
    }

    /// What must never be done: takes back what was granted to those not heard of for some seconds.
    pub(crate) fn credit_the_silent(&mut self, now: i64) {
        let silent = self.heard.extract_if(|_, (at, ..)| *at + 4_000 < now);
        for (_, (_, window, amount)) in silent {
            if let Some(row) = self
                .book
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
        let row = self.book.windows.last().expect("one was named");
        if let Answer::Granted { amount, .. } = *answer
            && !repeated
            && (amount < least || amount > wish || amount > 0 && row.granted > limit.nanos())
        {
            return Err(Violation::new(format!(
                "granted {amount} of {least} to {wish}: {row:?}"
            )));
        }
        let named = (window.starts_at, window.ends_at);
        let before = *self.windows.entry(window.number).or_insert(named);
        let later = self.windows.range(window.number + 1..).next();
        let earlier = self.windows.range(..window.number).next_back();
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
        if let Some(row) = self.book.askers.get_mut(&message.asker)
            && row.number == message.number
            && matches!(row.answer, Answer::Spent { .. })
        {
            row.number -= 1;
        }
    }
}
