use std::time::Duration;

/// How long answers are kept, and how many.
///
/// ```
/// use std::time::Duration;
/// use tollgate_cache::CachePolicy;
///
/// let policy = CachePolicy::new().ttl(Duration::from_secs(600)).max_bytes(256 << 20);
/// # let _ = policy;
/// ```
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct CachePolicy {
    pub(crate) ttl: Duration,
    pub(crate) max_bytes: u64,
    pub(crate) max_entry: usize,
    pub(crate) epoch: u64,
}

impl CachePolicy {
    /// Keeps answers of up to 1 MiB for an hour, 64 MiB in all.
    #[must_use]
    pub const fn new() -> Self {
        Self {
            ttl: Duration::from_secs(60 * 60),
            max_bytes: 64 << 20,
            max_entry: 1 << 20,
            epoch: 0,
        }
    }

    /// Sets how long an answer is used. An answer's own `s-maxage` or `max-age` can only shorten it.
    #[must_use]
    pub const fn ttl(self, ttl: Duration) -> Self {
        Self { ttl, ..self }
    }

    /// Sets how many bytes all answers may take: keys, heads and bodies, and what it takes to keep them.
    #[must_use]
    pub const fn max_bytes(self, bytes: u64) -> Self {
        Self {
            max_bytes: bytes,
            ..self
        }
    }

    /// Sets how long a body may be to be kept. Nothing longer is held in memory while it passes.
    #[must_use]
    pub const fn max_entry(self, bytes: usize) -> Self {
        Self {
            max_entry: bytes,
            ..self
        }
    }

    /// Sets a number that is part of every key: another number, and nothing of what was kept is found again.
    #[must_use]
    pub const fn epoch(self, epoch: u64) -> Self {
        Self { epoch, ..self }
    }
}

impl Default for CachePolicy {
    fn default() -> Self {
        Self::new()
    }
}
