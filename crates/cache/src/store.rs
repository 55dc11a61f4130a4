use moka::sync::Cache;

use std::{hash::BuildHasherDefault, time::Duration};

use crate::{
    CachePolicy,
    answer::Answer,
    key::{AsItIs, Key},
};

/// Where answers are kept: in memory, bounded by bytes; what is seldom asked for goes first.
pub(crate) struct Store {
    answers: Cache<Key, Answer, BuildHasherDefault<AsItIs>>,
    pub(crate) policy: CachePolicy,
}

impl Store {
    pub(crate) fn new(policy: CachePolicy) -> Self {
        let answers = Cache::builder()
            .weigher(|_: &Key, answer: &Answer| answer.weight())
            .max_capacity(policy.max_bytes)
            // Frees memory. Whether an answer may still be used is asked of the answer, by tokio's clock.
            .time_to_live(policy.ttl.min(LONGEST))
            .build_with_hasher(BuildHasherDefault::default());
        Self { answers, policy }
    }

    pub(crate) fn get(&self, key: &Key) -> Option<Answer> {
        self.answers.get(key)
    }

    pub(crate) fn put(&self, key: Key, answer: Answer) {
        self.answers.insert(key, answer);
    }
}

/// Moka accepts up to 1,000 years.
const LONGEST: Duration = Duration::from_secs(100 * 365 * 24 * 60 * 60);
