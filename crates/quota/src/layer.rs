use std::sync::Arc;

use http::{StatusCode, request::Parts};
use tollgate_core::{
    GateLayer, GateService, Rejection,
    fact::{Cost, Scope, Terms},
};
use tower_layer::Layer;

use crate::{
    Account, Away, Bound, Ledger, Measures, Quota, QuotaGate, RateStore, Rule,
    accounts::Accounts,
    gate::Config,
    rule::{Source, Weight},
    shared::SharedRates,
};

/// Limits how much callers may use; all services of a layer, and of its clones, share the accounts.
///
/// It is a list of [`Rule`]s. A request takes of all that apply to it, or of none.
///
/// ```
/// use http::request::Parts;
/// use tollgate_quota::{Quota, QuotaLayer};
///
/// let by_principal = QuotaLayer::new(Quota::per_minute(60)).and_concurrency(20);
/// let by_path = QuotaLayer::concurrency(100).by(|parts: &Parts| parts.uri.path().to_owned());
/// # let _ = (by_principal, by_path);
/// ```
#[derive(Clone, Debug)]
pub struct QuotaLayer {
    gate: QuotaGate,
}

impl QuotaLayer {
    /// Limits the rate of each caller's requests.
    #[must_use]
    pub fn new(quota: Quota) -> Self {
        Self::unlimited().rule(Rule::requests(quota))
    }

    /// Limits how many requests of each caller may be in flight. One is in flight until its answer's body has ended.
    ///
    /// # Panics
    /// When `limit` is zero.
    #[must_use]
    pub fn concurrency(limit: u32) -> Self {
        Self::unlimited().rule(Rule::concurrency(limit))
    }

    /// Limits by the terms that each `Principal` brings; see [`Rule::allotted`].
    #[must_use]
    pub fn allotted() -> Self {
        Self::unlimited().rule(Rule::allotted())
    }

    /// Limits nothing, for where limits are a matter of configuration and none are set.
    #[must_use]
    pub fn unlimited() -> Self {
        Self {
            gate: QuotaGate {
                config: Arc::new(Config {
                    rules: Vec::new(),
                    source: Source::Scope(Scope::Key),
                    anonymous: false,
                    only: Measures::ALL,
                    defaults: Terms::default(),
                    expected_output: 1_000,
                    max_keys: 1_000_000,
                    shared: None,
                    away: Away::default(),
                    ledger: None,
                    worst: None,
                    clamp: None,
                    spent: StatusCode::TOO_MANY_REQUESTS,
                }),
                accounts: Arc::new(Accounts::new()),
            },
        }
    }

    /// Adds a limit.
    #[must_use]
    pub fn rule(mut self, rule: Rule) -> Self {
        self.config().rules.push(rule);
        self
    }

    /// Also limits how many requests of each caller may be in flight.
    ///
    /// # Panics
    /// When `limit` is zero.
    #[must_use]
    pub fn and_concurrency(self, limit: u32) -> Self {
        self.rule(Rule::concurrency(limit))
    }

    /// Says on whose account a request is counted, in the place of its principal's key. It holds for all rules that do not
    /// say it themselves, and their accounts begin anew.
    #[must_use]
    pub fn by<F, A>(mut self, account: F) -> Self
    where
        F: Fn(&Parts) -> A + Send + Sync + 'static,
        A: Account,
    {
        let config = self.config();
        config.source = Source::by(account);
        let rules = config.rules.drain(..).map(Rule::anew);
        config.rules = rules.collect();
        self
    }

    /// Lets all callers without a principal share one account; by default, they are answered with `500`.
    #[must_use]
    pub fn anonymous(mut self) -> Self {
        self.config().anonymous = true;
        self
    }

    /// Names the first limit in headers and refusals.
    #[must_use]
    pub fn name(self, name: impl Into<Arc<str>>) -> Self {
        self.change_first(|rule| rule.name(name))
    }

    /// Says what a request takes of the first limit, in the place of one; see [`Rule::cost`].
    #[must_use]
    pub fn cost<F>(self, cost: F) -> Self
    where
        F: Fn(&Parts) -> u64 + Send + Sync + 'static,
    {
        self.change_first(|rule| rule.weighed_by(Weight::Of(Arc::new(cost))))
    }

    /// What [`Rule::allotted`] grants each principal's key of which it has no terms of its own: rates, requests in flight,
    /// budgets.
    #[must_use]
    pub fn defaults(mut self, terms: Terms) -> Self {
        self.config().defaults = terms;
        self
    }

    /// Looks after some of the limits only. Clones still share the accounts.
    #[must_use]
    pub fn only(mut self, measures: Measures) -> Self {
        self.config().only = measures;
        self
    }

    /// Says how many tokens of output to reserve where the caller does not bound them; 1,000 by default.
    #[must_use]
    pub fn expect_output(mut self, tokens: u64) -> Self {
        self.config().expected_output = tokens;
        self
    }

    /// Keeps the rates in a store that several processes share.
    #[must_use]
    pub fn store(mut self, store: impl RateStore) -> Self {
        self.config().shared = Some(Arc::new(SharedRates::new(Arc::new(store))));
        self
    }

    /// Says what becomes of shared rates while their store is away, where they do not say it themselves. By default,
    /// requests are refused.
    #[must_use]
    pub fn when_away(mut self, away: Away) -> Self {
        self.config().away = away;
        self
    }

    /// Keeps budgets by this ledger.
    #[must_use]
    pub fn ledger(mut self, ledger: Ledger) -> Self {
        self.config().ledger = Some(ledger);
        self
    }

    /// Says what a request may cost at most, and how many tokens of output, for each answer, that pays for. Hard budgets
    /// hold this, and tell the upstream by an `Allowance`. Where the function is given a number, the output is no more.
    #[must_use]
    pub fn worst<F>(self, worst: F) -> Self
    where
        F: Fn(&Parts, Option<u64>) -> Result<(Cost, u64), Rejection> + Send + Sync + 'static,
    {
        self.bound(move |parts, output| {
            let (cost, output) = worst(parts, output)?;
            Ok(Bound::new(cost, output))
        })
    }

    /// The same, for bounds that can be [priced again](Bound::again) while the call is open.
    #[must_use]
    pub fn bound<F>(mut self, bound: F) -> Self
    where
        F: Fn(&Parts, Option<u64>) -> Result<Bound, Rejection> + Send + Sync + 'static,
    {
        self.config().worst = Some(Arc::new(bound));
        self
    }

    /// Lowers the output of a request to what its budgets have left, unless that is under the least that is of use. By
    /// default, what may not fit is refused.
    #[must_use]
    pub fn clamp(mut self, least: u64) -> Self {
        self.config().clamp = Some(least);
        self
    }

    /// Sets the status of the answer when a budget is spent: `429` by default, or `402`.
    #[must_use]
    pub fn spent_status(mut self, status: StatusCode) -> Self {
        self.config().spent = status;
        self
    }

    /// Says that what calls cost has changed, or was read again. For calls that are open and have become dearer more is held;
    /// what a budget has not left is charged to it all the same. For those that have become cheaper nothing changes.
    ///
    /// Targets that were blocked, since they billed more than their bound, are paid for again by hard budgets.
    pub fn reprice(&self) {
        self.gate.accounts.open.reprice();
        // After that: a call that ended in between was settled at a price that nothing had been held for.
        self.gate.accounts.blocked.clear();
    }

    /// The targets that have billed more than their bound, so that hard budgets do not pay for them.
    #[must_use]
    pub fn blocked(&self) -> Vec<Arc<str>> {
        self.gate.accounts.blocked.names()
    }

    /// Lets hard budgets pay again for targets that were blocked, for whoever knows why they billed more than their bound.
    /// If the prices were wrong, [`reprice`](Self::reprice) does it.
    pub fn unblock(&self) {
        self.gate.accounts.blocked.clear();
    }

    /// Bounds how many callers' rates are kept. While so many have something to get back, new ones are answered with
    /// `503` and `quota_overloaded`: to forget one of them would forgive what it has spent.
    #[must_use]
    pub fn max_keys(mut self, max: usize) -> Self {
        self.config().max_keys = max;
        self
    }

    /// How many callers' rates are kept just now.
    #[must_use]
    pub fn keys(&self) -> usize {
        self.gate.accounts.rates.len()
    }

    /// How many requests are in flight, of all callers, counted once for each limit of concurrency.
    #[must_use]
    pub fn in_flight(&self) -> usize {
        self.gate.accounts.slots.held()
    }

    fn config(&mut self) -> &mut Config {
        Arc::make_mut(&mut self.gate.config)
    }

    fn change_first(mut self, change: impl FnOnce(Rule) -> Rule) -> Self {
        let rules = &mut self.config().rules;
        if !rules.is_empty() {
            let rule = change(rules.remove(0));
            rules.insert(0, rule);
        }
        self
    }
}

impl<S> Layer<S> for QuotaLayer {
    type Service = GateService<S, QuotaGate>;

    fn layer(&self, inner: S) -> Self::Service {
        GateLayer::new(self.gate.clone()).layer(inner)
    }
}
