pub(crate) mod account;
mod claim;
mod close;
mod hold;
mod holding;
mod journal;
mod options;
pub(crate) mod pool;
mod recovery;
mod settle;
mod short;
mod sizing;
mod state;
mod table;
mod teller;

use std::{
    cmp::Reverse,
    fmt,
    sync::{Arc, atomic::AtomicBool},
    time::Duration,
};

use smallvec::SmallVec;
use tokio::{
    sync::Notify,
    time::{Instant, timeout_at},
};
use tollgate_core::fact::{Cost, Lifetime};

pub use self::{
    account::Why,
    claim::Claim,
    hold::{Hold, Overrun, Settlement},
    holding::Holding,
    journal::{Journal, JournalError},
    options::Warning,
    short::Short,
    state::State,
};
use self::{
    claim::Key,
    hold::{Share, Shares},
    options::Options,
    table::{Entry, Table},
    teller::Teller,
};
use crate::{Bank, Budget, bank::MemoryAuthority, budget::GUARD};

/// Decides in memory what may be spent of budgets, by leases from a [`Bank`]. Clones share everything.
///
/// ```
/// use tollgate_core::fact::{Cost, Period};
/// use tollgate_quota::{Budget, Claim, Ledger, Settlement};
///
/// # tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap().block_on(async {
/// let ledger = Ledger::volatile();
/// let budget = Budget::hard(Cost::from_nanos(1_000), Period::Day);
/// let claim = Claim { scope: "key", account: "alice", name: "daily", budget: &budget };
///
/// let hold = ledger.hold_soon(&[claim], Cost::from_nanos(600)).await.unwrap();
/// assert!(ledger.hold_soon(&[claim], Cost::from_nanos(600)).await.is_err());
///
/// hold.settle(Settlement::Known(Cost::from_nanos(250)));
/// assert!(ledger.hold_soon(&[claim], Cost::from_nanos(600)).await.is_ok());
/// # });
/// ```
#[derive(Clone)]
pub struct Ledger {
    desk: Arc<Desk>,
    options: Arc<Options>,
}

/// What clones of a ledger share.
#[derive(Debug)]
struct Desk {
    bank: Bank,
    table: Table,
    journal: Option<Journal>,
    epoch: Instant,
    /// Whether a task looks after idle accounts.
    is_swept: AtomicBool,
}

impl Ledger {
    /// One that leases from this bank. It does so in tasks of the runtime that it is used in.
    #[must_use]
    pub fn new(bank: Bank) -> Self {
        Self::of(Desk::new(bank))
    }

    fn of(desk: Desk) -> Self {
        Self {
            desk: Arc::new(desk),
            options: Arc::default(),
        }
    }

    /// One whose memory ends with the process: whoever restarts it has the whole budget again.
    #[must_use]
    pub fn volatile() -> Self {
        Self::new(Bank::new(MemoryAuthority::new()))
    }

    /// Sets how many accounts are kept; a million by default. Idle ones are evicted once they have given back, and none
    /// forgives what was spent. If none is idle, there is no place for another: it is refused.
    ///
    /// A sixteenth of them, but at least 65,536, can be in use at once: held, or waiting for a bank that does not answer.
    #[must_use]
    pub fn max_accounts(mut self, max: usize) -> Self {
        Arc::make_mut(&mut self.options).max_accounts = max;
        self
    }

    /// Sets how long [`hold_soon`](Self::hold_soon) waits for the bank; 50 ms by default.
    #[must_use]
    pub fn patience(mut self, patience: Duration) -> Self {
        Arc::make_mut(&mut self.options).patience = patience;
        self
    }

    /// Sets at how many percent of a limit is warned; 80 by default.
    #[must_use]
    pub fn warn_at(mut self, percent: u8) -> Self {
        Arc::make_mut(&mut self.options).warn_at = percent;
        self
    }

    /// Calls this when so much of a budget is used that a warning is due: once a window.
    ///
    /// It is called in the midst of things, also while holds of a layer's open calls are raised: it must not wait, call
    /// [`reprice`](crate::QuotaLayer::reprice), or let go of a request or its answer. What takes longer goes to a task.
    #[must_use]
    pub fn on_warning(mut self, hook: impl Fn(&Warning<'_>) + Send + Sync + 'static) -> Self {
        Arc::make_mut(&mut self.options).on_warning = Some(Arc::new(hook));
        self
    }

    /// Holds this much in each of the budgets, or nothing, without waiting for anything. What is short is asked of the
    /// bank for the next one.
    ///
    /// # Errors
    /// If one of them has too little here.
    pub fn hold(&self, claims: &[Claim<'_>], amount: Cost) -> Result<Hold, Short> {
        let now = self.desk.now();
        let (mut shares, mut number, mut lifetime) = (Shares::new(), 0, None);
        for (index, claim) in claims.iter().enumerate() {
            for key in claim.keys() {
                let held = match self.entry(&key, now) {
                    Some(entry) => {
                        let named = (|| key.text().into(), claim.budget);
                        self.hold_in(&entry, named, number, (amount, now), &mut shares)
                    }
                    None => Err(Short::full()),
                };
                if let Err(short) = held {
                    self.settle(shares, 0);
                    return Err(Short { index, ..short });
                }
                number += 1;
            }
            lifetime = self.desk.shorter(lifetime, claim.budget, now);
        }
        Ok(Hold::new(self.clone(), shares, amount, lifetime))
    }

    /// Holds this much in each of the budgets, or nothing. If it is not here, the bank is asked, and waited for a little.
    /// The first try is made now, not when it is polled.
    pub fn hold_soon(&self, claims: &[Claim<'_>], amount: Cost) -> Holding {
        match self.hold(claims, amount) {
            Err(short) if short.why == Why::Unavailable => {}
            result => return Holding::now(result),
        }
        let now = self.desk.now();
        // They are kept, so that they are not evicted while the bank is asked.
        let mut accounts: SmallVec<[Sought; 4]> = SmallVec::new();
        for (index, claim) in claims.iter().enumerate() {
            for key in claim.keys() {
                let Some(entry) = self.entry(&key, now) else {
                    return Holding::now(Err(Short {
                        index,
                        ..Short::full()
                    }));
                };
                accounts.push(Sought {
                    entry,
                    text: key.text().into(),
                    budget: claim.budget.clone(),
                    index,
                });
            }
        }
        let ledger = self.clone();
        let deadline = Instant::now() + self.options.patience;
        Holding::later(async move {
            loop {
                // Heard from here on, so that no answer comes unheard between the try and the wait.
                let changes: SmallVec<[_; 4]> = accounts
                    .iter()
                    .map(|sought| sought.entry.lock().changed().cloned())
                    .map(|changed| changed.map(Notify::notified_owned))
                    .collect();
                let (number, short) = match ledger.hold_all(&accounts, amount) {
                    Ok(hold) => return Ok(hold),
                    Err((number, short)) if short.why == Why::Unavailable => (number, short),
                    Err((_, short)) => return Err(short),
                };
                let is_late = match changes.into_iter().nth(number).flatten() {
                    Some(change) => timeout_at(deadline, change).await.is_err(),
                    // It rested. Now it is in use, and there is something to wait for.
                    None => Instant::now() >= deadline,
                };
                if is_late {
                    return Err(short);
                }
            }
        })
    }

    /// What is known of a budget; nothing if it was not used here lately.
    #[must_use]
    pub fn snapshot(&self, claim: &Claim<'_>) -> Option<State> {
        let now = self.desk.now();
        // What is between two windows closes before the window of the other account.
        let figures = claim.keys().filter_map(|key| {
            let entry = self.desk.table.find(&key)?;
            Some(entry.lock().figures(&key, claim.budget, now))
        });
        let figures = figures.min_by_key(|figures| (figures.left, Reverse(figures.closes)))?;
        Some(State::new(figures, now))
    }

    /// Holds in all, or tells which of them is short.
    fn hold_all(&self, accounts: &[Sought], amount: Cost) -> Result<Hold, (usize, Short)> {
        let now = self.desk.now();
        let (mut shares, mut lifetime) = (Shares::new(), None);
        for (number, sought) in accounts.iter().enumerate() {
            let Sought {
                entry,
                text,
                budget,
                index,
            } = sought;
            let named = (|| Arc::clone(text), budget);
            if let Err(short) = self.hold_in(entry, named, number, (amount, now), &mut shares) {
                self.settle(shares, 0);
                let index = *index;
                return Err((number, Short { index, ..short }));
            }
            lifetime = self.desk.shorter(lifetime, budget, now);
        }
        Ok(Hold::new(self.clone(), shares, amount, lifetime))
    }

    fn hold_in(
        &self,
        entry: &Arc<Entry>,
        (text, budget): (impl FnOnce() -> Arc<str>, &Budget),
        number: usize,
        (amount, now): (Cost, u64),
        shares: &mut Shares,
    ) -> Result<(), Short> {
        let mut state = entry.lock();
        if state.awake().is_none() {
            drop(state);
            if !self.has_place() {
                return Err(Short::full());
            }
            state = entry.lock();
        }
        let with_reserve = self.desk.bank.reserve.is_some();
        let (account, rested) = state.wake(text, budget, with_reserve);
        let held = account.hold(budget, amount.nanos(), now, |part| {
            shares.push(Share {
                entry: Arc::clone(entry),
                part,
                number,
            });
        });
        let held = held.map_err(|why| {
            let figures = account.figures(now);
            let resets_in = figures.ends_in(now);
            let left = account
                .is_known(now)
                .then(|| Cost::from_nanos(figures.left));
            Short {
                index: 0, // told by who knows the claims
                why,
                left,
                resets_in,
            }
        });
        // Before anything can be sent that is paid from it.
        let is_noted = held.is_err() || self.desk.note(&mut state);
        let held = held.and_then(|()| match is_noted {
            true => Ok(()),
            false => Err(Short::full()),
        });
        let begins = Teller::hire(&mut state, now);
        let awake = rested.then(|| self.desk.table.put_last([Arc::clone(entry)]));
        drop(state);
        if let Some(awake) = awake {
            teller::ease(&self.desk, &self.options, awake);
        }
        if begins || self.desk.journal.is_some() {
            teller::sweep(&self.desk, &self.options);
        }
        if begins {
            self.teller(entry).spawn();
        }
        held
    }

    fn entry(&self, key: &Key<'_>, now: u64) -> Option<Arc<Entry>> {
        let table = &self.desk.table;
        let max = self.options.max_accounts;
        table
            .find(key)
            .or_else(|| self.has_place().then(|| table.entry(key, max, now))?)
    }

    /// Whether one more account can be in use.
    fn has_place(&self) -> bool {
        let awake = self.desk.table.awake();
        let has_place = awake < self.options.max_awake();
        if !has_place {
            teller::ease(&self.desk, &self.options, awake);
        }
        has_place
    }

    fn teller(&self, entry: &Arc<Entry>) -> Teller {
        Teller::new(
            Arc::clone(&self.desk),
            Arc::clone(&self.options),
            Arc::clone(entry),
        )
    }
}

/// An account that is waited for, and for which of the claims.
struct Sought {
    entry: Arc<Entry>,
    /// Its name in the bank.
    text: Arc<str>,
    budget: Budget,
    index: usize,
}

impl fmt::Debug for Ledger {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Ledger")
            .field("desk", &self.desk)
            .finish_non_exhaustive()
    }
}

impl Desk {
    fn new(bank: Bank) -> Self {
        Self {
            bank,
            table: Table::new(),
            journal: None,
            epoch: Instant::now(),
            is_swept: AtomicBool::new(false),
        }
    }

    /// In milliseconds since the ledger began.
    fn now(&self) -> u64 {
        u64::try_from(self.epoch.elapsed().as_millis()).unwrap_or(u64::MAX)
    }

    /// How long a call may live that was held for now, if this budget pays for it, too.
    fn shorter(&self, other: Option<Lifetime>, budget: &Budget, now: u64) -> Option<Lifetime> {
        let Some(strict) = budget.strictness() else {
            return other;
        };
        let now = self.instant(now);
        let end_by = now.checked_add(strict.longest_call).unwrap_or(now);
        let own = Lifetime {
            send_by: end_by.min(now + GUARD),
            end_by,
        };
        Some(other.map_or(own, |other| other.and(own)))
    }

    fn instant(&self, millis: u64) -> Instant {
        self.epoch + Duration::from_millis(millis)
    }
}
