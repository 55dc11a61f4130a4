mod http_source;
mod key;
mod key_set;
mod key_source;

use std::{
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use arc_swap::ArcSwap;
use tokio::{
    runtime::Handle,
    sync::watch,
    time::{Instant, timeout},
};

use self::key_set::{Age, KeySet};
use crate::jwt::Algorithm;

pub use self::key_source::{FetchError, FetchFuture, Fetched, KeySource};
pub(crate) use self::{http_source::HttpSource, key::Key};

/// An issuer's keys, fetched when they are needed, by one at a time.
///
/// No fetch begins sooner than [`INTERVAL`] after the last one, whatever callers send, so nothing has to be remembered
/// about keys that are not there.
pub(crate) struct Jwks(Arc<Shared>);

struct Shared {
    /// Whose keys they are, for those who read logs.
    issuer: Arc<str>,
    source: Option<Arc<dyn KeySource>>,
    algorithms: Vec<Algorithm>,
    stale_for: Duration,
    set: ArcSwap<KeySet>,
    fetching: Mutex<Fetching>,
}

#[derive(Default)]
struct Fetching {
    began: Option<Instant>,
    failed: bool,
    running: Option<Refresh>,
}

impl Jwks {
    /// Keys that stay as they are; [`None`] when none of them can be used.
    pub(crate) fn fixed(json: &str, algorithms: Vec<Algorithm>) -> Option<Self> {
        let keys = Key::all(json.as_bytes(), &algorithms).filter(|keys| !keys.is_empty())?;
        Some(Self(Arc::new(Shared {
            issuer: Arc::default(),
            source: None,
            algorithms,
            stale_for: Duration::ZERO,
            set: ArcSwap::from_pointee(KeySet::forever(keys)),
            fetching: Mutex::default(),
        })))
    }

    /// Keys to be fetched, and good for so long beyond their time when they cannot be.
    pub(crate) fn fetched(
        issuer: Arc<str>,
        source: Arc<dyn KeySource>,
        algorithms: Vec<Algorithm>,
        stale_for: Duration,
    ) -> Self {
        Self(Arc::new(Shared {
            issuer,
            source: Some(source),
            algorithms,
            stale_for,
            set: ArcSwap::from_pointee(KeySet::none()),
            fetching: Mutex::default(),
        }))
    }

    /// The key of this name, or without a name the only one of the algorithm.
    pub(crate) fn find(
        &self,
        kid: Option<&str>,
        algorithm: Algorithm,
        patience: Patience,
    ) -> Found {
        let may_wait = patience == Patience::Some;
        let now = Instant::now();
        let set = self.0.set.load();
        match set.age(now) {
            Age::Fresh => {}
            Age::Ripe => {
                self.refresh(now);
            }
            // Who comes first after their time waits, and nobody does while fetching fails.
            Age::Stale => match self.refresh(now) {
                Some(refresh) if may_wait && !self.has_failed() => return Found::After(refresh),
                _ => {}
            },
            Age::Gone => {
                return match self.refresh(now) {
                    Some(refresh) if may_wait => Found::After(refresh),
                    _ => Found::Unavailable(self.next(now)),
                };
            }
        }
        match set.find(kid, algorithm) {
            Some(key) => Found::Key(key),
            None if may_wait && kid.is_some_and(|kid| !set.has(kid)) => {
                self.refresh(now).map_or(Found::Nothing, Found::After)
            }
            None => Found::Nothing,
        }
    }

    /// The refresh that is on its way, or one that begins, unless it is too soon for that.
    fn refresh(&self, now: Instant) -> Option<Refresh> {
        let source = self.0.source.as_ref()?;
        let mut fetching = self.fetching();
        if let Some(running) = fetching.running.as_ref().filter(|it| it.is_running()) {
            return Some(running.clone());
        }
        if fetching.began.is_some_and(|began| now < began + INTERVAL) {
            return None;
        }
        let handle = Handle::try_current().ok()?;
        let (ended, refresh) = watch::channel(());
        let refresh = Refresh(refresh);
        fetching.began = Some(now);
        fetching.running = Some(refresh.clone());
        let (jwks, source) = (Self(Arc::clone(&self.0)), Arc::clone(source));
        // In a task of its own: whoever asked first may leave, and the others still wait for it.
        handle.spawn(async move {
            let fetched = timeout(TIMEOUT, async { source.fetch().await }).await;
            let fetched = fetched.unwrap_or(Err(FetchError::Timeout));
            jwks.install(fetched);
            drop(ended);
        });
        Some(refresh)
    }

    fn install(&self, fetched: Result<Fetched, FetchError>) {
        let shared = &*self.0;
        let set = fetched.and_then(|fetched| {
            let keys = Key::all(&fetched.json, &shared.algorithms).ok_or(FetchError::Malformed)?;
            let before = shared.set.load();
            Ok(before.followed_by(keys, Instant::now(), fetched.max_age, shared.stale_for))
        });
        self.fetching().failed = set.is_err();
        match set {
            Ok(set) => shared.set.store(Arc::new(set)),
            Err(error) => {
                let error: &dyn std::error::Error = &error;
                tracing::warn!(
                    error,
                    issuer = &*shared.issuer,
                    "the keys of an issuer of tokens could not be fetched"
                );
            }
        }
    }

    fn has_failed(&self) -> bool {
        self.fetching().failed
    }

    /// When keys may be asked for again.
    fn next(&self, now: Instant) -> Duration {
        let began = self.fetching().began;
        began.map_or(INTERVAL, |began| {
            (began + INTERVAL).saturating_duration_since(now)
        })
    }

    fn fetching(&self) -> std::sync::MutexGuard<'_, Fetching> {
        self.0
            .fetching
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }
}

/// Whether a caller may wait for keys.
#[derive(Clone, Copy, Eq, PartialEq)]
pub(crate) enum Patience {
    None,
    Some,
}

/// What is known of a key.
pub(crate) enum Found {
    Key(Arc<Key>),
    /// Nobody has such a key.
    Nothing,
    /// It may be there after this.
    After(Refresh),
    /// No keys can be had, and it is no use to ask again sooner.
    Unavailable(Duration),
}

/// A fetch that is on its way. It has ended when its other end is gone, be it by a panic.
#[derive(Clone)]
pub(crate) struct Refresh(watch::Receiver<()>);

impl Refresh {
    pub(crate) async fn ended(mut self) {
        while self.0.changed().await.is_ok() {}
    }

    fn is_running(&self) -> bool {
        self.0.has_changed().is_ok()
    }
}

/// How far apart fetches are at least.
const INTERVAL: Duration = Duration::from_secs(30);

/// How long a fetch may take, discovery and all.
const TIMEOUT: Duration = Duration::from_secs(5);
