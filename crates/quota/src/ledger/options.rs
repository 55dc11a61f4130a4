use std::{fmt, sync::Arc, time::Duration};

use tollgate_core::fact::Cost;

use super::claim::Key;

/// How a ledger behaves.
#[derive(Clone)]
pub(super) struct Options {
    pub(super) max_accounts: usize,
    /// So many accounts in use are a crowd. One takes about a kilobyte.
    pub(super) crowd: usize,
    pub(super) patience: Duration,
    pub(super) warn_at: u8,
    pub(super) on_warning: Option<Arc<Hook>>,
}

type Hook = dyn Fn(&Warning<'_>) + Send + Sync;

/// Much of a budget is used.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Warning<'a> {
    /// What kind of account it is.
    pub scope: &'a str,
    /// The account.
    pub account: &'a str,
    /// The budget's name.
    pub name: &'a str,
    /// What is used, as far as is known here.
    pub used: Cost,
    /// The most that may be spent in a window.
    pub limit: Cost,
}

impl Options {
    /// So many accounts can be in use. One that waits for the bank takes two kilobytes.
    pub(super) fn max_awake(&self) -> usize {
        (self.max_accounts / 16).max(self.crowd * 2)
    }

    pub(super) fn warn(&self, text: &str, used: i64, limit: Cost) {
        if let (Some(hook), Some(key)) = (&self.on_warning, Key::of(text)) {
            let used = Cost::from_nanos(used);
            hook(&Warning {
                scope: key.scope,
                account: key.account,
                name: key.name,
                used,
                limit,
            });
        }
    }
}

impl Default for Options {
    fn default() -> Self {
        Self {
            max_accounts: 1_000_000,
            crowd: 1 << 15,
            patience: Duration::from_millis(50),
            warn_at: 80,
            on_warning: None,
        }
    }
}

impl fmt::Debug for Options {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Options")
            .field("max_accounts", &self.max_accounts)
            .field("patience", &self.patience)
            .field("warn_at", &self.warn_at)
            .finish_non_exhaustive()
    }
}
