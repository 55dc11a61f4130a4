use std::{
    collections::HashMap,
    fmt,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
};

use http::request::Parts;
use tollgate_core::fact::{Measure, Mode, Scope, Terms};

use crate::{Account, Away, Budget, Measures, Quota, policy::Policy};

/// One limit of a [`QuotaLayer`](crate::QuotaLayer): how much of what, and on whose account.
///
/// ```
/// use http::request::Parts;
/// use tollgate_core::fact::{Measure, Mode, Scope, Terms};
/// use tollgate_quota::{Quota, QuotaLayer, Rule};
///
/// let by_host = |parts: &Parts| parts.uri.host().map(str::to_owned);
/// let quota = QuotaLayer::unlimited()
///     .rule(Rule::tokens(Measure::Tokens, Quota::per_minute(100_000)).of(Scope::Team))
///     .rule(Rule::requests(Quota::per_second(50)).by(by_host).name("host"))
///     .rule(Rule::concurrency(4).of(Scope::EndUser).mode(Mode::Observe));
/// # let _ = quota;
/// ```
#[derive(Clone)]
pub struct Rule {
    pub(crate) id: u64,
    pub(crate) what: What,
    /// By default, it is the layer's choice.
    pub(crate) source: Option<Source>,
    pub(crate) mode: Mode,
    pub(crate) per_model: bool,
    pub(crate) away: Option<Away>,
    pub(crate) policy: Arc<Policy>,
    name: Option<Arc<str>>,
}

impl Rule {
    /// Limits the rate of requests.
    #[must_use]
    pub fn requests(quota: Quota) -> Self {
        Self::new(What::Rate(quota, Weight::One))
    }

    /// Limits the rate of tokens. While a request runs, an estimate is reserved; at its end, what it used is counted.
    #[must_use]
    pub fn tokens(measure: Measure, quota: Quota) -> Self {
        Self::new(What::Rate(quota, Weight::of(measure)))
    }

    /// Limits the rate of whatever a function counts.
    #[must_use]
    pub fn cost<F>(quota: Quota, cost: F) -> Self
    where
        F: Fn(&Parts) -> u64 + Send + Sync + 'static,
    {
        Self::new(What::Rate(quota, Weight::Of(Arc::new(cost))))
    }

    /// Limits how many requests may be in flight. One is in flight until its answer's body has ended.
    ///
    /// # Panics
    /// When `limit` is zero.
    #[must_use]
    pub fn concurrency(limit: u32) -> Self {
        assert!(limit > 0, "a concurrency of zero lets nothing pass");
        Self::new(What::Concurrency(limit))
    }

    /// Limits what may be spent; needs [`QuotaLayer::ledger`](crate::QuotaLayer::ledger).
    #[must_use]
    pub fn budget(budget: Budget) -> Self {
        let mode = budget.mode;
        Self::new(What::Budget(Arc::new(budget))).mode(mode)
    }

    /// Limits by the terms that a request's `Principal` brings, for each account that it belongs to; where its key has
    /// none, by [`QuotaLayer::defaults`](crate::QuotaLayer::defaults). Accounts are kept by the limits' names, and the
    /// numbers may change from one request to the next.
    #[must_use]
    pub fn allotted() -> Self {
        Self::new(What::Allotted)
    }

    /// Limits accounts of this kind by terms of their own: those that are named, each by its terms, and each of the others by
    /// [`others`](Self::others). An account whose terms the `Principal` brings is left to [`allotted`](Self::allotted).
    ///
    /// ```
    /// use tollgate_core::fact::{Scope, Terms};
    /// use tollgate_quota::{QuotaLayer, Rule};
    ///
    /// let terms: Terms = serde_json::from_str(r#"{ "tokens_per_minute": 100000 }"#).unwrap();
    /// let quota = QuotaLayer::unlimited().rule(Rule::terms(Scope::Team, [("search", terms)]));
    /// # let _ = quota;
    /// ```
    #[must_use]
    pub fn terms<A: Into<Arc<str>>>(
        scope: Scope,
        terms: impl IntoIterator<Item = (A, Terms)>,
    ) -> Self {
        let terms = terms.into_iter();
        Self::new(What::Terms(Arc::new(TermsBook {
            scope,
            named: terms.map(|(name, terms)| (name.into(), terms)).collect(),
            others: Terms::default(),
        })))
    }

    /// Sets the terms of each account that [`terms`](Self::terms) does not name; none by default.
    #[must_use]
    pub fn others(mut self, terms: Terms) -> Self {
        if let What::Terms(book) = &mut self.what {
            Arc::make_mut(book).others = terms;
        }
        self
    }

    /// Counts on the account that a request has of this kind. Where it has none, the limit does not apply.
    #[must_use]
    pub fn of(mut self, scope: Scope) -> Self {
        self.source = Some(Source::Scope(scope));
        self.renamed()
    }

    /// Counts on the account that a function of the request's head names; see [`Account`].
    #[must_use]
    pub fn by<F, A>(mut self, account: F) -> Self
    where
        F: Fn(&Parts) -> A + Send + Sync + 'static,
        A: Account,
    {
        self.source = Some(Source::by(account));
        self.renamed()
    }

    /// Names the limit in headers and refusals, and in shared stores: limits with the same name share their accounts
    /// there. By default it is called by what it measures, and of whom.
    #[must_use]
    pub fn name(mut self, name: impl Into<Arc<str>>) -> Self {
        self.name = Some(name.into());
        self.renamed()
    }

    /// Says what happens at the limit. By default a request is refused; a budget has its own mode.
    #[must_use]
    pub fn mode(mut self, mode: Mode) -> Self {
        if let What::Budget(budget) = &mut self.what {
            Arc::make_mut(budget).mode = mode;
        }
        self.mode = mode;
        self
    }

    /// Keeps an account for each model, as callers name them. Where there is none, the limit does not apply.
    #[must_use]
    pub fn per_model(mut self) -> Self {
        self.per_model = true;
        self
    }

    /// Says what becomes of a shared rate while its store is away; the layer's choice by default.
    #[must_use]
    pub fn when_away(mut self, away: Away) -> Self {
        self.away = Some(away);
        self
    }

    fn new(what: What) -> Self {
        let policy = what.policy(what.word().into());
        Self {
            id: NEXT.fetch_add(1, Ordering::Relaxed),
            what,
            source: None,
            mode: Mode::Hard,
            per_model: false,
            away: None,
            policy,
            name: None,
        }
    }

    /// A rule of its own, with accounts that begin anew.
    pub(crate) fn anew(mut self) -> Self {
        self.id = NEXT.fetch_add(1, Ordering::Relaxed);
        self
    }

    pub(crate) fn weighed_by(self, weight: Weight) -> Self {
        match self.what {
            What::Rate(quota, _) => Self {
                what: What::Rate(quota, weight),
                ..self
            }
            .renamed(),
            _ => self,
        }
    }

    pub(crate) fn measures(&self) -> Measures {
        match &self.what {
            What::Rate(_, weight) => weight.measures(),
            What::Concurrency(_) => Measures::CONCURRENCY,
            What::Budget(_) => Measures::MONEY,
            What::Allotted | What::Terms(_) => Measures::NONE,
        }
    }

    fn renamed(mut self) -> Self {
        let name = match (&self.name, &self.source) {
            (Some(name), _) => Arc::clone(name),
            (None, Some(Source::Scope(scope))) => name_of(*scope, self.what.word()).into(),
            (None, _) => self.what.word().into(),
        };
        self.policy = self.what.policy(name);
        self
    }
}

impl fmt::Debug for Rule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Rule")
            .field("name", self.policy.name())
            .field("what", &self.what)
            .field("mode", &self.mode)
            .finish_non_exhaustive()
    }
}

#[derive(Clone)]
pub(crate) enum What {
    Rate(Quota, Weight),
    Concurrency(u32),
    Budget(Arc<Budget>),
    Allotted,
    Terms(Arc<TermsBook>),
}

/// Terms by the accounts that they are for.
#[derive(Clone)]
pub(crate) struct TermsBook {
    pub(crate) scope: Scope,
    pub(crate) named: HashMap<Arc<str>, Terms>,
    pub(crate) others: Terms,
}

impl TermsBook {
    pub(crate) fn is_empty(&self) -> bool {
        self.named.is_empty() && self.others.is_empty()
    }

    pub(crate) fn of(&self, account: &str) -> &Terms {
        self.named.get(account).unwrap_or(&self.others)
    }
}

impl What {
    fn word(&self) -> &'static str {
        match self {
            Self::Rate(_, weight) => weight.unit(),
            Self::Concurrency(_) => "concurrency",
            Self::Budget(_) => "budget",
            Self::Allotted => "allotted",
            Self::Terms(_) => "terms",
        }
    }

    fn policy(&self, name: Arc<str>) -> Arc<Policy> {
        match self {
            Self::Rate(quota, weight) => Policy::of_rate(name, weight.unit(), (*quota).into()),
            Self::Concurrency(limit) => Policy::of_concurrency(name, *limit),
            Self::Budget(budget) => Policy::of_budget(name, budget),
            // Never shown: its terms have their own.
            Self::Allotted | Self::Terms(_) => Policy::of_concurrency(name, 0),
        }
    }
}

impl fmt::Debug for What {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Rate(quota, weight) => write!(f, "{quota:?} of {}", weight.unit()),
            Self::Concurrency(limit) => write!(f, "concurrency of {limit}"),
            Self::Budget(budget) => budget.fmt(f),
            Self::Allotted => f.write_str("allotted"),
            Self::Terms(book) => write!(f, "terms of each {}", book.scope.as_str()),
        }
    }
}

/// What a request takes of a rate.
#[derive(Clone)]
pub(crate) enum Weight {
    One,
    Tokens(Measure),
    Of(Arc<dyn Fn(&Parts) -> u64 + Send + Sync>),
}

impl Weight {
    pub(crate) fn of(measure: Measure) -> Self {
        match measure {
            Measure::Requests => Self::One,
            tokens => Self::Tokens(tokens),
        }
    }

    pub(crate) fn measures(&self) -> Measures {
        match self {
            Self::Tokens(_) => Measures::TOKENS,
            Self::One | Self::Of(_) => Measures::REQUESTS,
        }
    }

    fn unit(&self) -> &'static str {
        match self {
            Self::One => "requests",
            Self::Tokens(measure) => unit(*measure),
            Self::Of(_) => "units",
        }
    }
}

/// Where a rule's accounts come from.
#[derive(Clone)]
pub(crate) enum Source {
    Scope(Scope),
    By(Arc<dyn Fn(&Parts, &mut dyn FnMut(&str)) + Send + Sync>),
}

impl fmt::Debug for Source {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Scope(scope) => scope.fmt(f),
            Self::By(_) => f.write_str("a function"),
        }
    }
}

impl Source {
    pub(crate) fn by<F, A>(account: F) -> Self
    where
        F: Fn(&Parts) -> A + Send + Sync + 'static,
        A: Account,
    {
        Self::By(Arc::new(move |parts, tell| account(parts).each(tell)))
    }
}

/// A measure as headers call it.
pub(crate) fn unit(measure: Measure) -> &'static str {
    match measure {
        Measure::Requests => "requests",
        Measure::Tokens => "tokens",
        Measure::InputTokens => "input-tokens",
        Measure::OutputTokens => "output-tokens",
    }
}

/// A limit's name: of a key it goes without saying.
pub(crate) fn name_of(scope: Scope, word: &str) -> String {
    match scope {
        Scope::Key => word.to_owned(),
        Scope::EndUser => format!("end-user-{word}"),
        scope => format!("{}-{word}", scope.as_str()),
    }
}

static NEXT: AtomicU64 = AtomicU64::new(0);
