use std::time::Duration;

use tollgate_core::fact::Cost;

use super::Why;

/// Nothing is held, for this budget has too little.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Short {
    /// Which of the claims.
    pub index: usize,
    /// Why.
    pub why: Why,
    /// What is left, as far as is known.
    pub left: Option<Cost>,
    /// When the window ends, if it ends and is known.
    pub resets_in: Option<Duration>,
}

impl Short {
    /// There is no place for the account, or in the journal.
    pub(super) const fn full() -> Self {
        Self {
            index: 0,
            why: Why::Unavailable,
            left: None,
            resets_in: None,
        }
    }
}
