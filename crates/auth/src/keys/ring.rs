mod watch;

use std::{
    fmt,
    future::Ready,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    time::Duration,
};

use arc_swap::ArcSwap;
use http::StatusCode;
use tokio::{
    sync::{Notify, watch as channel},
    task::AbortHandle,
    time::Instant,
};
use tollgate_core::{Rejection, fact::Principal};

use super::{Clock, KeyStore, groups::Groups, system_clock};
use crate::{Check, Credential, Pepper, Verdict, Verifier, table::Table};

/// The keys of a [`KeyStore`], in memory, and never long behind it.
///
/// A request reads memory only. A task reads what has changed in the store, and puts a new set of keys in the place of the
/// old one as a whole; it ends with the last clone of the ring.
///
/// | | while the store answers | while it does not |
/// |---|---|---|
/// | a valid key | goes in | goes in, for [`max_stale`](RingPolicy::max_stale); then 503 `keys_unavailable` |
/// | any other key | 401 `invalid_api_key` | 503 `keys_unavailable`: it may have been made just now |
/// | whoever is [bound](Self::bind), and names a group | by the group | the same, for `max_stale`; then 503 `keys_unavailable` |
///
/// ```
/// use tollgate_auth::{AuthLayer, KeyRing, Keys, MemoryKeys, NewKey, Pepper, RingPolicy};
///
/// # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let (store, pepper) = (MemoryKeys::new(), Pepper::new("from the operator's vault"));
/// let keys = Keys::new(store.clone(), pepper.clone());
/// let (record, key) = keys.create(NewKey { name: "ci".into(), ..NewKey::default() }).await?;
///
/// let ring = KeyRing::watch(store, pepper, RingPolicy::new());
/// ring.reached(record.version).await;
/// let layer = AuthLayer::new(ring);
/// # let _ = (key, layer); Ok(()) }
/// ```
#[derive(Clone)]
pub struct KeyRing {
    shared: Arc<Shared>,
    _watch: Arc<Watch>,
}

struct Shared {
    pepper: Pepper,
    policy: RingPolicy,
    table: ArcSwap<Table>,
    groups: ArcSwap<Groups>,
    /// The version that table and groups are made of; nothing before the first time.
    version: channel::Sender<Option<u64>>,
    /// Somebody knows of a change that is not in force yet.
    awaited: Notify,
    started: Instant,
    /// When the store has answered last, in milliseconds from `started`; [`NEVER`] before the first time.
    answered: AtomicU64,
    failing: AtomicBool,
}

impl KeyRing {
    /// Watches a store from now on. Until it has been read for the first time, all keys are refused with 503.
    ///
    /// # Panics
    /// Outside a Tokio runtime.
    pub fn watch(store: impl KeyStore, pepper: Pepper, policy: RingPolicy) -> Self {
        let shared = Arc::new(Shared {
            pepper,
            policy,
            table: ArcSwap::default(),
            groups: ArcSwap::default(),
            version: channel::Sender::new(None),
            awaited: Notify::new(),
            started: Instant::now(),
            answered: AtomicU64::new(NEVER),
            failing: AtomicBool::new(false),
        });
        let task = tokio::spawn(watch::watch(Arc::clone(&shared), store));
        Self {
            shared,
            _watch: Arc::new(Watch(task.abort_handle())),
        }
    }

    /// Resolves when everything up to this version of the store is in force; with 0, when the store has been read once. The
    /// store is asked at once: so a key that was made just now works as soon as this has resolved.
    pub async fn reached(&self, version: u64) {
        let mut known = self.shared.version.subscribe();
        if known.borrow().is_none_or(|known| known < version) {
            self.shared.awaited.notify_one();
        }
        let reached = known.wait_for(|known| known.is_some_and(|known| known >= version));
        // It cannot fail: the sender is the ring's.
        let _ = reached.await;
    }

    /// Binds a principal that has no key of the store to the organisation, team and user that it names, as keys are bound:
    /// it may do what all of them allow, they all pay for what it uses, and it belongs to those above them.
    ///
    /// It is unknown when one of them is disabled or deleted, or when it names two of one kind: a team, and another
    /// organisation than the team's. A group without a record restricts nothing. Who names no group is as before, whatever
    /// becomes of the store; and who is bound already is not bound twice.
    #[must_use]
    pub fn bind(&self, principal: Principal) -> Verdict {
        self.shared.bind(principal)
    }

    /// How the ring is, for health checks.
    #[must_use]
    pub fn status(&self) -> RingStatus {
        RingStatus {
            version: *self.shared.version.borrow(),
            digests: self.shared.table.load().len(),
            reachable: self.shared.is_fresh(self.shared.age()),
            age: self.shared.age(),
        }
    }
}

impl Verifier for KeyRing {
    type Later = Ready<Verdict>; // decides at once

    fn verify(&self, credential: &Credential<'_>) -> Check<Self::Later> {
        Check::Now(self.shared.verify(credential.secret()))
    }
}

impl fmt::Debug for KeyRing {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("KeyRing")
            .field("status", &self.status())
            .finish_non_exhaustive()
    }
}

impl Shared {
    /// Does the same for every wrong key: one digest, one look-up.
    fn verify(&self, key: &str) -> Verdict {
        if !key.starts_with(self.policy.prefix) {
            return Verdict::Unknown;
        }
        let digest = self.pepper.digest(key);
        let table = self.table.load();
        let found = table.get(&digest);
        // What is not found has ended long ago: so it takes the time that an expired key does.
        let until = found.map_or(0, |(_, until)| until);
        let valid = until == i64::MAX || (self.policy.clock)() < until;
        let age = self.age();
        match found.filter(|_| valid) {
            Some((principal, _)) if self.is_trusted(age) => Verdict::Known(principal.clone()),
            None if self.is_fresh(age) => Verdict::Unknown,
            _ => Verdict::Refused(unavailable()),
        }
    }

    fn bind(&self, principal: Principal) -> Verdict {
        let names_none = principal
            .user()
            .or(principal.team())
            .or(principal.org())
            .is_none();
        if names_none {
            return Verdict::Known(principal);
        }
        if !self.is_trusted(self.age()) {
            return Verdict::Refused(unavailable());
        }
        match self.groups.load().bind(principal) {
            Ok(principal) => Verdict::Known(principal),
            Err(why) => {
                tracing::debug!(why, "somebody is not let in for its groups");
                Verdict::Unknown
            }
        }
    }

    /// For how long the store has not answered.
    fn age(&self) -> Option<Duration> {
        let answered = self.answered.load(Ordering::Acquire);
        let age = self.started.elapsed();
        (answered != NEVER).then(|| age.saturating_sub(Duration::from_millis(answered)))
    }

    /// Whether what is known here still counts.
    fn is_trusted(&self, age: Option<Duration>) -> bool {
        age.is_some_and(|age| age <= self.policy.max_stale)
    }

    /// Whether a key that is not known here is known nowhere.
    fn is_fresh(&self, age: Option<Duration>) -> bool {
        let patience = self.policy.refresh * 4;
        !self.failing.load(Ordering::Acquire) && age.is_some_and(|age| age <= patience)
    }
}

/// How a [`KeyRing`] follows its store.
///
/// | option | what it does | default |
/// |---|---|---|
/// | [`max_stale`](Self::max_stale) | for how long known keys and groups count while the store does not answer | 15 minutes |
/// | [`refresh`](Self::refresh) | how often the store is asked, though it tells of no change | 500 ms |
/// | [`deadline`](Self::deadline) | how long the store may take | 5 s |
/// | [`prefix`](Self::prefix) | how keys begin; what begins otherwise is left to the next verifier | `tg-` |
/// | [`clock`](Self::clock) | where the time comes from | the system's clock |
#[derive(Clone, Copy, Debug)]
pub struct RingPolicy {
    max_stale: Duration,
    refresh: Duration,
    deadline: Duration,
    prefix: &'static str,
    clock: Clock,
}

impl RingPolicy {
    /// The defaults.
    #[must_use]
    pub const fn new() -> Self {
        Self {
            max_stale: Duration::from_secs(15 * 60),
            refresh: Duration::from_millis(500),
            deadline: Duration::from_secs(5),
            prefix: "tg-",
            clock: system_clock,
        }
    }

    /// Sets for how long known keys and groups count while the store does not answer.
    #[must_use]
    pub const fn max_stale(self, max_stale: Duration) -> Self {
        Self { max_stale, ..self }
    }

    /// Sets how often the store is asked, though it tells of no change. A revoked key can be valid for so long.
    #[must_use]
    pub const fn refresh(self, refresh: Duration) -> Self {
        Self { refresh, ..self }
    }

    /// Sets how long the store may take to answer.
    #[must_use]
    pub const fn deadline(self, deadline: Duration) -> Self {
        Self { deadline, ..self }
    }

    /// Sets how keys begin. What begins otherwise is not refused but left to the next verifier, also while the store does not
    /// answer.
    #[must_use]
    pub const fn prefix(self, prefix: &'static str) -> Self {
        Self { prefix, ..self }
    }

    /// Sets where the time comes from, in milliseconds since 1970.
    #[must_use]
    pub const fn clock(self, clock: Clock) -> Self {
        Self { clock, ..self }
    }
}

impl Default for RingPolicy {
    fn default() -> Self {
        Self::new()
    }
}

/// How a [`KeyRing`] is.
#[derive(Clone, Copy, Debug)]
#[non_exhaustive]
pub struct RingStatus {
    /// The store's version that is in force; none before the first one.
    pub version: Option<u64>,
    /// How many digests are known: of keys, and of those that were rotated.
    pub digests: usize,
    /// Whether the store answers.
    pub reachable: bool,
    /// For how long the store has not answered.
    pub age: Option<Duration>,
}

/// Ends the task with the ring.
struct Watch(AbortHandle);

impl Drop for Watch {
    fn drop(&mut self) {
        self.0.abort();
    }
}

fn unavailable() -> Rejection {
    Rejection::new(
        StatusCode::SERVICE_UNAVAILABLE,
        "keys_unavailable",
        "keys and groups cannot be checked at the moment",
    )
    .with_retry_after(Duration::from_secs(1))
}

const NEVER: u64 = u64::MAX;
