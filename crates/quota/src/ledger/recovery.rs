use std::sync::Arc;

use super::{
    Desk, Journal, Ledger,
    account::{Account, Record},
    table::State,
};
use crate::Bank;

impl Ledger {
    /// One that takes on what a dead process has left in this journal, and notes in it what it does. What it takes on and
    /// nobody uses goes back four seconds after the first hold, or when it is closed.
    #[must_use]
    pub fn with_journal(bank: Bank, journal: Journal) -> Self {
        let with_reserve = bank.reserve.is_some();
        let mut desk = Desk::new(bank);
        match journal.left() {
            Ok(left) => {
                for (place, text, record) in left {
                    desk.inherit(place, text.into(), record, with_reserve);
                }
                desk.journal = Some(journal);
            }
            // Without knowing what is in it, nothing can be written to it.
            Err(error) => tracing::warn!(%error, "the journal of budgets is not used"),
        }
        Self::of(desk)
    }
}

impl Desk {
    /// What is left of an account that is known already stays where it is, and is nobody's.
    fn inherit(&self, place: u32, text: Arc<str>, record: Record, with_reserve: bool) {
        let now = self.now();
        let account = || Account::inherit(Arc::clone(&text), record, with_reserve, now);
        self.table.insert(&text, account, place);
    }

    /// Notes in the journal what is free now. Answers no if that failed: then nothing may be sent.
    pub(super) fn note(&self, state: &mut State) -> bool {
        let Some(journal) = &self.journal else {
            return true;
        };
        let mut place = state.place;
        let noted = state
            .awake()
            .and_then(|account| Some((&**account.text(), account.record()?)));
        let is_noted = journal.note(&mut place, noted);
        state.place = place;
        is_noted
    }
}
