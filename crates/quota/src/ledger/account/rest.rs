use std::sync::Arc;

use super::{Account, Running};
use crate::{Budget, bank::Asker, ledger::account::talk::IDLE};

/// What is kept of an account that nobody uses: who it is to the bank, and what it last knew.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Rest {
    asker: Asker,
    numbers: [u64; 2],
    running: Option<Running>,
    left: i64,
    spent: i64,
    introduced: bool,
    outdated: bool,
    scarce: bool,
    warned: bool,
}

impl Account {
    /// What is to be kept of it, if it has nothing open, nothing free, and was not used lately.
    pub(crate) fn rest(&self, now: u64) -> Option<Rest> {
        let is_late = now >= self.touched.saturating_add(IDLE);
        let is_dry = self.dry.is_some_and(|dry| now < dry.until);
        (self.is_idle(now) && is_late && !is_dry).then_some(Rest {
            asker: self.asker,
            numbers: self.numbers,
            running: self.running,
            left: self.left,
            spent: self.spent,
            introduced: self.introduced,
            outdated: self.outdated,
            scarce: self.scarce,
            warned: self.warned,
        })
    }

    pub(crate) fn wake(text: Arc<str>, budget: Budget, rest: Rest, with_reserve: bool) -> Self {
        Self {
            numbers: rest.numbers,
            running: rest.running,
            left: rest.left,
            spent: rest.spent,
            introduced: rest.introduced,
            outdated: rest.outdated,
            scarce: rest.scarce,
            warned: rest.warned,
            ..Self::new(text, budget, rest.asker, with_reserve)
        }
    }
}
