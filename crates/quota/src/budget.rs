use std::{fmt, sync::Arc, time::Duration};

use tollgate_core::fact::{BudgetTerm, Cost, Mode, Period, Strict};

use crate::bank::calendar::{Calendar, Half, TOLERANCE};

/// How much money may be spent in which time.
///
/// ```
/// use tollgate_core::fact::{Cost, Period};
/// use tollgate_quota::Budget;
///
/// let budget = Budget::hard(Cost::from_nanos(50_000_000_000), Period::Month).zone("Europe/Zurich");
/// # let _ = budget;
/// ```
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Budget {
    pub(crate) limit: Cost,
    pub(crate) every: Period,
    pub(crate) zone: Arc<str>,
    pub(crate) mode: Mode,
    pub(crate) strict: Option<Strict>,
}

impl Budget {
    /// A budget that is never passed.
    #[must_use]
    pub fn hard(limit: Cost, every: Period) -> Self {
        Self::new(limit, every, Mode::Hard)
    }

    /// A budget after which requests are refused; those under way may pass it a little.
    #[must_use]
    pub fn soft(limit: Cost, every: Period) -> Self {
        Self::new(limit, every, Mode::Soft)
    }

    /// A budget that refuses nothing, and is counted and told only.
    #[must_use]
    pub fn observe(limit: Cost, every: Period) -> Self {
        Self::new(limit, every, Mode::Observe)
    }

    /// Sets the IANA time zone of the calendar; `UTC` by default.
    #[must_use]
    pub fn zone(mut self, zone: impl Into<Arc<str>>) -> Self {
        self.zone = zone.into();
        self
    }

    /// Lets the limit hold for the provider's own calendar, too, if the budget is hard and not in total. What pays for a
    /// call then has a [`Hold::lifetime`](crate::Hold::lifetime), which whoever sends it must keep to.
    #[must_use]
    pub fn strict(mut self, strict: Strict) -> Self {
        self.strict = Some(strict);
        self
    }

    fn new(limit: Cost, every: Period, mode: Mode) -> Self {
        Self {
            limit,
            every,
            zone: "UTC".into(),
            mode,
            strict: None,
        }
    }

    /// The most that may be spent in a window.
    #[must_use]
    pub const fn limit(&self) -> Cost {
        self.limit
    }

    /// The window.
    #[must_use]
    pub const fn every(&self) -> Period {
        self.every
    }

    /// What happens at the limit.
    #[must_use]
    pub const fn mode(&self) -> Mode {
        self.mode
    }

    /// How strict it is, if that means anything for it: then it has two accounts.
    pub(crate) fn strictness(&self) -> Option<Strict> {
        let is_able = self.mode == Mode::Hard && self.every != Period::Total;
        self.strict.filter(|_| is_able)
    }

    /// The windows of its account, or of one of the two.
    pub(crate) fn calendar(&self, is_odd: bool) -> Calendar {
        let half = self.strictness().map(|strict| {
            let lead = strict.longest_call.saturating_add(strict.billing_lag);
            let lead = i64::try_from(lead.saturating_add(GUARD).as_millis()).unwrap_or(i64::MAX);
            let lead = lead.saturating_add(TOLERANCE);
            Half { is_odd, lead }
        });
        Calendar {
            every: self.every,
            zone: Arc::clone(&self.zone),
            half,
        }
    }
}

impl From<&BudgetTerm> for Budget {
    fn from(term: &BudgetTerm) -> Self {
        Self {
            limit: term.limit,
            every: term.every,
            zone: Arc::clone(&term.zone),
            mode: term.mode,
            strict: term.strict,
        }
    }
}

impl fmt::Display for Budget {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let dollars = self.limit.nanos().unsigned_abs();
        let dollars = tollgate_core::fact::Dollars::from_nanos(dollars);
        match self.every {
            Period::Total => write!(f, "{dollars} USD in total"),
            every => write!(f, "{dollars} USD a {}", every.as_str()),
        }
    }
}

/// So long after its hold a call is sent at the latest, and so long a process may stand still without passing a strict
/// budget.
pub(crate) const GUARD: Duration = Duration::from_secs(10);
