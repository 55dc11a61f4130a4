use std::{
    collections::HashMap,
    fmt,
    sync::{Arc, PoisonError, RwLock},
};

use crate::{
    account::AccountIds, blocked::Blocked, open::OpenCalls, policy::Policy, rates::Rates,
    slots::Slots, term::Term,
};

/// The state of all limits of a layer, shared by its clones.
pub(crate) struct Accounts {
    pub(crate) ids: AccountIds,
    pub(crate) rates: Rates,
    pub(crate) slots: Slots,
    pub(crate) blocked: Blocked,
    pub(crate) open: OpenCalls,
    policies: RwLock<HashMap<Term, Arc<Policy>>>,
}

impl Accounts {
    pub(crate) fn new() -> Self {
        Self {
            ids: AccountIds::new(),
            rates: Rates::new(),
            slots: Slots::default(),
            blocked: Blocked::default(),
            open: OpenCalls::new(),
            policies: RwLock::default(),
        }
    }

    /// The policy of a term, made once for all who have the same.
    pub(crate) fn policy(&self, term: Term) -> Arc<Policy> {
        let known = self.policies.read().unwrap_or_else(PoisonError::into_inner);
        if let Some(policy) = known.get(&term) {
            return Arc::clone(policy);
        }
        drop(known);
        let policy = term.policy();
        let mut known = self
            .policies
            .write()
            .unwrap_or_else(PoisonError::into_inner);
        if known.len() < MOST_POLICIES {
            known.insert(term, Arc::clone(&policy));
        }
        policy
    }
}

impl fmt::Debug for Accounts {
    // Not the accounts: they may be addresses or names of people.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Accounts").finish_non_exhaustive()
    }
}

/// Beyond that they are made for each request.
const MOST_POLICIES: usize = 4096;
