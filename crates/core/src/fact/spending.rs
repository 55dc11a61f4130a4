use std::iter::Sum;

use serde::Serialize;
use tokio::time::Instant;

use crate::Glance;

/// What a call used, in tokens. The parts do not overlap, but for `reasoning`.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq, Serialize)]
pub struct Usage {
    /// Input that was neither read from nor written to the provider's cache.
    pub input: u64,
    /// Input read from the provider's cache.
    pub cache_read: u64,
    /// Input written to the provider's cache, to be kept for minutes.
    pub cache_write: u64,
    /// Input written to the provider's cache, to be kept for an hour.
    pub cache_write_1h: u64,
    /// Output, reasoning included.
    pub output: u64,
    /// The part of the output that was reasoning.
    pub reasoning: u64,
    /// Whether it is our estimate and not the provider's word.
    pub estimated: bool,
}

impl Usage {
    /// All input, cached or not.
    #[must_use]
    pub const fn total_input(&self) -> u64 {
        self.input
            .saturating_add(self.cache_read)
            .saturating_add(self.cache_write)
            .saturating_add(self.cache_write_1h)
    }

    /// Input and output.
    #[must_use]
    pub const fn total(&self) -> u64 {
        self.total_input().saturating_add(self.output)
    }
}

/// Attempts add up; an estimate among them makes the sum one.
impl Sum for Usage {
    fn sum<I: Iterator<Item = Self>>(usages: I) -> Self {
        usages.fold(Self::default(), |sum, usage| Self {
            input: sum.input.saturating_add(usage.input),
            cache_read: sum.cache_read.saturating_add(usage.cache_read),
            cache_write: sum.cache_write.saturating_add(usage.cache_write),
            cache_write_1h: sum.cache_write_1h.saturating_add(usage.cache_write_1h),
            output: sum.output.saturating_add(usage.output),
            reasoning: sum.reasoning.saturating_add(usage.reasoning),
            estimated: sum.estimated || usage.estimated,
        })
    }
}

/// Money, in integer nano-dollars.
#[derive(Clone, Copy, Debug, Default, Eq, Ord, PartialEq, PartialOrd, Serialize)]
#[serde(transparent)]
pub struct Cost(i64);

impl Cost {
    /// So many billionths of a dollar.
    #[must_use]
    pub const fn from_nanos(nanos: i64) -> Self {
        Self(nanos)
    }

    /// In billionths of a dollar.
    #[must_use]
    pub const fn nanos(self) -> i64 {
        self.0
    }

    /// The sum, unless it cannot be held.
    #[must_use]
    pub const fn checked_add(self, other: Self) -> Option<Self> {
        match self.0.checked_add(other.0) {
            Some(nanos) => Some(Self(nanos)),
            None => None,
        }
    }
}

/// What cannot be held counts as the most that can.
impl Sum for Cost {
    fn sum<I: Iterator<Item = Self>>(costs: I) -> Self {
        costs.fold(Self(0), |sum, cost| Self(sum.0.saturating_add(cost.0)))
    }
}

/// What all attempts of a request cost together. In a record, what is unknown is `null`: neither nothing nor missing.
#[derive(Clone, Copy, Debug, Eq, PartialEq, Serialize)]
#[serde(untagged)]
pub enum TotalCost {
    /// It is known of each.
    Known(Cost),
    /// One of them used something that has no price. The others' sum would pass for the whole.
    Unknown,
}

impl TotalCost {
    /// Of a node and all below it; nothing if nothing was used or paid there.
    #[must_use]
    pub fn of(node: &Glance<'_>) -> Option<Self> {
        if !is_priced(node) {
            return Some(Self::Unknown);
        }
        node.sum().map(Self::Known)
    }
}

/// Whether all that was used here and below has a cost.
fn is_priced(node: &Glance<'_>) -> bool {
    let is_open = node.get::<Usage>().is_some() && node.get::<Cost>().is_none();
    !is_open && node.children().all(|child| is_priced(&child))
}

/// What may still be spent on this request: an upstream clamps what it asks for, and cuts a stream that passes it.
#[derive(Clone, Copy, Debug, Eq, PartialEq, Serialize)]
pub struct Allowance {
    /// The most tokens of output.
    pub output: u64,
}

/// How long a request may live, for the sake of who pays for it: whoever sends it sends no later, and ends it in time.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Lifetime {
    /// After this it is not sent any more.
    pub send_by: Instant,
    /// What was sent is cut off.
    pub end_by: Instant,
}

impl Lifetime {
    /// What keeps to both.
    #[must_use]
    pub fn and(self, other: Self) -> Self {
        Self {
            send_by: self.send_by.min(other.send_by),
            end_by: self.end_by.min(other.end_by),
        }
    }
}
