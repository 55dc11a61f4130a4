use std::sync::Arc;

use super::{Account, Running, talk::IDLE};
use crate::{
    Budget,
    bank::{Asker, Window},
};

/// What is kept of an account that nobody uses: who it is to the bank, and what it last knew. There may be a million, so it is
/// packed: no padding, and no time at which a window was named.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Rest {
    asker: [u8; 16],
    numbers: [u64; 2],
    window: u64,
    starts_at: i64,
    ends_at: i64,
    closes: u64,
    left: i64,
    spent: i64,
    /// Whether a window was named.
    is_running: bool,
    introduced: bool,
    outdated: bool,
    scarce: bool,
    warned: bool,
    /// Whether its window may be a gap.
    is_strict: bool,
}

impl Rest {
    /// Of an account that is not known to the bank yet.
    pub(crate) fn new(asker: Asker) -> Self {
        Self {
            asker: asker.0.to_ne_bytes(),
            numbers: [0; 2],
            window: 0,
            starts_at: 0,
            ends_at: 0,
            closes: 0,
            left: 0,
            spent: 0,
            is_running: false,
            introduced: false,
            outdated: false,
            scarce: false,
            warned: false,
            is_strict: false,
        }
    }

    /// Whether terms that have changed since can have ended its window.
    pub(crate) const fn is_strict(&self) -> bool {
        self.is_strict
    }

    fn running(&self) -> Option<Running> {
        let window = Window {
            number: self.window,
            starts_at: self.starts_at,
            ends_at: self.ends_at,
            now: self.starts_at,
        };
        self.is_running.then_some(Running {
            window,
            closes: self.closes,
        })
    }
}

impl Account {
    /// What is to be kept of it, if it has nothing open, nothing free, and was not used lately.
    pub(crate) fn rest(&self, now: u64) -> Option<Rest> {
        let is_late = self.is_hurried || now >= self.touched.saturating_add(IDLE);
        let is_dry = self.dry.is_some_and(|dry| now < dry.until);
        let is_silent = now < self.silent_until;
        if !self.is_idle(now) || !is_late || is_dry || is_silent {
            return None;
        }
        let mut rest = Rest {
            numbers: self.numbers,
            left: self.left,
            spent: self.spent,
            introduced: self.introduced,
            outdated: self.outdated,
            scarce: self.scarce,
            warned: self.warned,
            is_strict: self.budget.strictness().is_some(),
            ..Rest::new(self.asker)
        };
        if let Some(Running { window, closes }) = self.running {
            rest.window = window.number;
            rest.starts_at = window.starts_at;
            rest.ends_at = window.ends_at;
            rest.closes = closes;
            rest.is_running = true;
        }
        Some(rest)
    }

    pub(crate) fn wake(text: Arc<str>, budget: Budget, rest: Rest, with_reserve: bool) -> Self {
        let asker = Asker(u128::from_ne_bytes(rest.asker));
        Self {
            numbers: rest.numbers,
            running: rest.running(),
            left: rest.left,
            spent: rest.spent,
            introduced: rest.introduced,
            outdated: rest.outdated,
            scarce: rest.scarce,
            warned: rest.warned,
            ..Self::new(text, budget, asker, with_reserve)
        }
    }
}
