//! What layers tell each other of a request: plain data, in a [`Trail`](crate::Trail) or in extensions.
//!
//! Facts that are needed on the way in go down in the request's extensions; those that are needed at the end are read
//! from the trail. So no layer knows another.

mod call;
mod dollars;
mod pattern;
mod peer;
mod permissions;
mod principal;
mod spending;
mod target;
mod terms;

pub use self::{
    call::{Abilities, Call, Operation},
    dollars::{Dollars, DollarsError},
    peer::{Certificate, Peer},
    permissions::Permissions,
    principal::{Clearance, Principal},
    spending::{Allowance, Cost, Lifetime, TotalCost, Usage},
    target::{Attempt, Dispatch, Superseded, Target},
    terms::{Allotment, BudgetTerm, Measure, Mode, Period, RateTerm, Scope, Strict, Terms},
};

use std::borrow::Cow;

use serde::Serialize;
use tokio::time::Instant;

/// What a cache did for a request.
#[derive(Clone, Copy, Debug, Eq, PartialEq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum CacheStatus {
    /// The answer was known.
    Hit,
    /// It was not, and the request went on.
    Miss,
    /// The cache did not look.
    Bypass,
}

impl CacheStatus {
    /// The status as a label: `hit`, `miss` or `bypass`.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Hit => "hit",
            Self::Miss => "miss",
            Self::Bypass => "bypass",
        }
    }
}

/// Why a request or an attempt came to nothing, where its status does not say it.
#[derive(Clone, Debug, Eq, PartialEq, Serialize)]
pub struct Failure {
    /// Stable, in `snake_case`, such as `connect_failed`.
    pub code: Cow<'static, str>,
    /// How far it had come.
    pub phase: Phase,
}

/// How far an exchange with a target had come.
#[derive(Clone, Copy, Debug, Eq, PartialEq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Phase {
    /// Before a connection was there.
    Connect,
    /// Before the head of the answer.
    Head,
    /// In mid-body.
    Body,
}

/// Something that a detector found in what goes in or out.
#[derive(Clone, Debug, Eq, PartialEq, Serialize)]
pub struct Finding {
    /// What was found, such as `email`.
    pub kind: Cow<'static, str>,
    /// What was done about it, such as `redacted`.
    pub action: Cow<'static, str>,
    /// How often.
    pub count: u64,
}

/// All that was found.
#[derive(Clone, Debug, Default, Eq, PartialEq, Serialize)]
pub struct Findings(pub Vec<Finding>);

/// When things happened.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Timing {
    /// The request's head came in.
    pub started: Instant,
    /// The first byte of the answer's body went out.
    pub first_byte: Option<Instant>,
    /// The answer ended.
    pub last_byte: Option<Instant>,
}
