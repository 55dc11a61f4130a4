use std::{collections::BTreeMap, path::PathBuf, time::Duration};

use serde::Deserialize;
use tollgate::{
    core::fact::{Mode, Terms},
    quota::bank::calendar::window_end,
};

use super::ConfigError;

/// Limits by whose they are.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct Quotas {
    /// For each key that has no terms of its own.
    pub(crate) default: Terms,
    pub(crate) users: BTreeMap<String, Terms>,
    pub(crate) teams: BTreeMap<String, Terms>,
    pub(crate) orgs: BTreeMap<String, Terms>,
    pub(crate) tags: BTreeMap<String, Terms>,
    pub(crate) models: BTreeMap<String, Terms>,
    pub(crate) targets: BTreeMap<String, Terms>,
    /// For each end user that callers name.
    pub(crate) end_user: Terms,
    /// Lowers `max_tokens` to what the budgets still hold, in the place of a refusal.
    pub(crate) clamp: bool,
    /// The status of a refusal for want of money: 429 or 402.
    pub(crate) budget_status: u16,
    pub(crate) on_disconnect: OnDisconnect,
    /// What holds for rates while Redis is away.
    pub(crate) when_away: WhenAway,
    /// How many gateways share the limits, for `when_away = "local_share"`.
    pub(crate) replicas: u32,
    /// Keeps hard budgets in memory only.
    pub(crate) volatile: bool,
    /// What a gateway that was killed had left of its leases. Beside an embedded database if nothing is said.
    pub(crate) journal: Option<PathBuf>,
    /// How long a request waits for a lease of its budget.
    #[serde(with = "humantime_serde")]
    pub(crate) patience: Duration,
    /// At which share of a budget a warning is given, in percent.
    pub(crate) warn_at: u8,
    /// How many tokens of output a rate expects of calls that say no maximum.
    pub(crate) expect_output: u64,
}

impl Default for Quotas {
    fn default() -> Self {
        Self {
            default: Terms::default(),
            users: BTreeMap::new(),
            teams: BTreeMap::new(),
            orgs: BTreeMap::new(),
            tags: BTreeMap::new(),
            models: BTreeMap::new(),
            targets: BTreeMap::new(),
            end_user: Terms::default(),
            clamp: false,
            budget_status: 429,
            on_disconnect: OnDisconnect::Cancel,
            when_away: WhenAway::Deny,
            replicas: 1,
            volatile: false,
            journal: None,
            patience: Duration::from_millis(50),
            warn_at: 80,
            expect_output: 1000,
        }
    }
}

impl Quotas {
    /// All terms, with what they are for.
    pub(crate) fn all(&self) -> impl Iterator<Item = (String, &Terms)> {
        let named = [
            ("users", &self.users),
            ("teams", &self.teams),
            ("orgs", &self.orgs),
            ("tags", &self.tags),
            ("models", &self.models),
            ("targets", &self.targets),
        ];
        let named = named.into_iter().flat_map(|(kind, terms)| {
            let terms = terms.iter();
            terms.map(move |(name, terms)| (format!("quota.{kind}.{name}"), terms))
        });
        let general = [
            ("quota.default", &self.default),
            ("quota.end_user", &self.end_user),
        ];
        let general = general
            .into_iter()
            .map(|(name, terms)| (name.into(), terms));
        general.chain(named)
    }

    /// Checks the terms, and that hard budgets have a place where they are safe.
    pub(super) fn validate(&self, has_database: bool) -> Result<(), ConfigError> {
        let say = |what: String| Err(ConfigError::Invalid(what));
        for (name, terms) in self.all() {
            check(&name, terms)?;
            let is_hard = terms.budgets.iter().any(|it| it.mode == Mode::Hard);
            if is_hard && !has_database && !self.volatile {
                return Err(homeless(&name));
            }
        }
        if !matches!(self.budget_status, 402 | 429) {
            return say("`quota.budget_status` is 402 or 429".into());
        }
        if self.replicas == 0 {
            return say("`quota.replicas` is at least 1".into());
        }
        if !(1..=100).contains(&self.warn_at) {
            return say("`quota.warn_at` is 1 to 100 percent".into());
        }
        Ok(())
    }
}

/// A hard budget without a place where it is safe.
pub(super) fn homeless(name: &str) -> ConfigError {
    ConfigError::Invalid(format!(
        "`{name}` has a hard budget, which needs a [database] that remembers what was spent; \
         or set `quota.volatile = true` if it may be forgotten at each start"
    ))
}

/// Checks terms, which are called by this name.
pub(crate) fn check(name: &str, terms: &Terms) -> Result<(), ConfigError> {
    for rate in &terms.rates {
        let burst = rate.burst.unwrap_or(rate.limit).get();
        // A burst is saved within a hundred years.
        let seconds = u128::from(burst) * u128::from(rate.window.as_secs());
        if seconds / u128::from(rate.limit.get()) > CENTURY {
            return Err(ConfigError::Invalid(format!(
                "`{name}` has a burst that takes more than a hundred years to save"
            )));
        }
    }
    for budget in &terms.budgets {
        if let Err(error) = window_end(budget.every, &budget.zone, 0) {
            return Err(ConfigError::Invalid(format!(
                "`{name}` has a budget whose zone is not known: {error}"
            )));
        }
    }
    Ok(())
}

/// What happens to a call whose caller leaves.
#[derive(Clone, Copy, Debug, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum OnDisconnect {
    /// It is broken off, and what was held for it is spent.
    Cancel,
    /// It is read to its end, and settled to what it used.
    Drain,
}

/// What holds for rates while their store is away.
#[derive(Clone, Copy, Debug, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum WhenAway {
    Deny,
    LocalShare,
    Allow,
}

const CENTURY: u128 = 100 * 365 * 24 * 60 * 60;
