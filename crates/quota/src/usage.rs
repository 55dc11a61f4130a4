//! What was used, added up by day, caller, model and target: for people, not for limits.
//!
//! A [`UsageLayer`] counts each request when it has ended, a [`RollUp`] adds up in memory and hands a batch to a
//! [`UsageStore`] every second, and a [`UsageQuery`] reads the sums. No raw rows are kept, and none are read.

mod layer;
mod memory;
mod query;
mod roll_up;
mod series;

use std::{error::Error, fmt, future::Future, pin::Pin, sync::Arc};

use jiff::civil::Date;
use serde::Serialize;

pub use self::{
    layer::{UsageLayer, UsageObserver},
    memory::MemoryUsage,
    query::{UsageQuery, UsageRow},
    roll_up::RollUp,
};

/// A store's answer on its way.
pub type Storing<A> = Pin<Box<dyn Future<Output = Result<A, UsageError>> + Send>>;

/// Where the sums are kept.
pub trait UsageStore: fmt::Debug + Send + Sync + 'static {
    /// Adds a batch to what is there, all or nothing, and once: a batch that was added before changes nothing.
    fn add(&self, batch: Arc<UsageBatch>) -> Storing<()>;

    /// Reads sums, in the order of what they are grouped by.
    fn query(&self, query: UsageQuery) -> Storing<Vec<UsageRow>>;
}

/// What a process has counted since its last batch.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct UsageBatch {
    /// Which process counted: 128 random bits, drawn when it began.
    pub reporter: u128,
    /// Ascends with each batch of a reporter, from 1; a repetition has the same, and the same content.
    pub number: u64,
    /// In ascending order, each key once.
    pub rows: Vec<(UsageKey, UsageSums)>,
}

/// What sums are kept for. A name that is not known is empty, and one that is longer than 128 bytes is cut and ends with a
/// digest.
#[derive(Clone, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub struct UsageKey {
    /// The day on which the requests ended, in UTC.
    pub day: Date,
    /// The caller's organisation.
    pub org: String,
    /// The caller's team.
    pub team: String,
    /// The caller.
    pub user: String,
    /// The credential's public name.
    pub key: String,
    /// The model, as the caller named it; empty if no target was found for it.
    pub model: String,
    /// Who served.
    pub provider: String,
    /// What the model is called there.
    pub served: String,
}

impl UsageKey {
    /// One of its parts, as text.
    #[must_use]
    pub fn field(&self, field: UsageField) -> String {
        match field {
            UsageField::Day => self.day.to_string(),
            UsageField::Org => self.org.clone(),
            UsageField::Team => self.team.clone(),
            UsageField::User => self.user.clone(),
            UsageField::Key => self.key.clone(),
            UsageField::Model => self.model.clone(),
            UsageField::Provider => self.provider.clone(),
            UsageField::Served => self.served.clone(),
        }
    }
}

/// A part of a [`UsageKey`].
#[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub enum UsageField {
    /// The day.
    Day,
    /// The organisation.
    Org,
    /// The team.
    Team,
    /// The user.
    User,
    /// The key.
    Key,
    /// The model that was asked for.
    Model,
    /// The provider that served.
    Provider,
    /// The model that served.
    Served,
}

impl UsageField {
    /// All of them, in the order of a [`UsageKey`].
    pub const ALL: [Self; 8] = [
        Self::Day,
        Self::Org,
        Self::Team,
        Self::User,
        Self::Key,
        Self::Model,
        Self::Provider,
        Self::Served,
    ];

    /// The part as a word, such as `team`.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Day => "day",
            Self::Org => "org",
            Self::Team => "team",
            Self::User => "user",
            Self::Key => "key",
            Self::Model => "model",
            Self::Provider => "provider",
            Self::Served => "served",
        }
    }
}

/// Sums. What cannot be held counts as the most that can.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq, Serialize)]
pub struct UsageSums {
    /// Requests, counted where they were served in the end.
    pub requests: u64,
    /// Those of them that were refused, failed, or left by their caller.
    pub failed: u64,
    /// Tokens of input, neither read from nor written to a cache.
    pub input: u64,
    /// Tokens of input read from the provider's cache.
    pub cache_read: u64,
    /// Tokens of input written to the provider's cache.
    pub cache_write: u64,
    /// Tokens of output, reasoning included.
    pub output: u64,
    /// Tokens of reasoning.
    pub reasoning: u64,
    /// Money, in billionths of a dollar.
    pub cost_nanos: u64,
    /// Attempts that used something without a price.
    pub unpriced: u64,
    /// Attempts whose usage is an estimate, since the provider did not come to say it.
    pub estimated: u64,
}

impl UsageSums {
    /// Adds to each.
    pub const fn add(&mut self, other: &Self) {
        self.requests = self.requests.saturating_add(other.requests);
        self.failed = self.failed.saturating_add(other.failed);
        self.input = self.input.saturating_add(other.input);
        self.cache_read = self.cache_read.saturating_add(other.cache_read);
        self.cache_write = self.cache_write.saturating_add(other.cache_write);
        self.output = self.output.saturating_add(other.output);
        self.reasoning = self.reasoning.saturating_add(other.reasoning);
        self.cost_nanos = self.cost_nanos.saturating_add(other.cost_nanos);
        self.unpriced = self.unpriced.saturating_add(other.unpriced);
        self.estimated = self.estimated.saturating_add(other.estimated);
    }
}

/// The store did not answer: it may have done what it was asked to, or not.
#[derive(Debug)]
#[non_exhaustive]
pub struct UsageError {
    source: Box<dyn Error + Send + Sync>,
}

impl UsageError {
    /// For this reason.
    pub fn new(source: impl Into<Box<dyn Error + Send + Sync>>) -> Self {
        Self {
            source: source.into(),
        }
    }
}

impl fmt::Display for UsageError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the store of usage did not answer")
    }
}

impl Error for UsageError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        Some(&*self.source)
    }
}
