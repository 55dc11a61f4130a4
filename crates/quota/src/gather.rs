use std::{hash::Hash, sync::Arc};

use http::request::Parts;
use tollgate_core::{
    Rejection,
    fact::{Call, Mode, Principal, Scope, Target},
};

use crate::{
    Budget, RateAccount,
    account::Subject,
    accounts::Accounts,
    estimate::Estimate,
    gate::Config,
    policy::Policy,
    refusal,
    rule::{Rule, Source, Weight, What},
    want::{Kind, Shared, Taken, Want, Wants},
};

/// Money that is to be spent on an account.
#[derive(Clone)]
pub(crate) struct Due {
    pub(crate) policy: Arc<Policy>,
    pub(crate) scope: &'static str,
    pub(crate) account: Arc<str>,
    /// The budget's own name: an account can have several.
    pub(crate) name: Arc<str>,
    pub(crate) budget: Arc<Budget>,
}

/// Finds out which limits apply to a request, and what it wants of them.
pub(crate) struct Gather<'a> {
    pub(crate) config: &'a Config,
    pub(crate) accounts: &'a Accounts,
    pub(crate) parts: &'a Parts,
    pub(crate) principal: Option<&'a Principal>,
    estimate: Option<Estimate>,
    pub(crate) wants: Wants,
    pub(crate) dues: Vec<Due>,
}

impl<'a> Gather<'a> {
    pub(crate) fn new(config: &'a Config, accounts: &'a Accounts, parts: &'a Parts) -> Self {
        Self {
            config,
            accounts,
            parts,
            principal: parts.extensions.get(),
            estimate: None,
            wants: Wants::new(),
            dues: Vec::new(),
        }
    }

    pub(crate) fn run(&mut self) -> Result<(), Rejection> {
        let config = self.config;
        for rule in config.rules.iter() {
            match &rule.what {
                What::Allotted => self.allotted(rule)?,
                What::Terms(book) if book.is_empty() => {}
                What::Terms(book) => self.booked(rule, book)?,
                _ if config.only.contain(rule.measures()) => self.rule(rule)?,
                _ => {}
            }
        }
        Ok(())
    }

    fn rule(&mut self, rule: &Rule) -> Result<(), Rejection> {
        let model = match (rule.per_model, self.parts.extensions.get::<Call>()) {
            (false, _) => None,
            (true, Some(call)) => Some(&*call.model),
            (true, None) => return Ok(()),
        };
        let source = rule.source.as_ref().unwrap_or(&self.config.source);
        let (parts, anonymous) = (self.parts, self.config.anonymous);
        let scope = match source {
            Source::Scope(scope) => Some(*scope),
            Source::By(_) => None,
        };
        let within = self.within(scope);
        let mut result = Ok(());
        each(parts, source, anonymous, &mut |account| {
            let subject = Subject {
                within,
                account,
                model,
            };
            if result.is_ok() {
                result = self.want(rule, scope, subject);
            }
        })?;
        result
    }

    /// Callers name their end users as they like, so the same name is somebody else with another tenant.
    pub(crate) fn within(&self, scope: Option<Scope>) -> Option<&'a str> {
        let tenant = || self.principal.map_or("", Principal::tenant);
        (scope == Some(Scope::EndUser)).then(tenant)
    }

    fn want(
        &mut self,
        rule: &Rule,
        scope: Option<Scope>,
        subject: Subject<'_>,
    ) -> Result<(), Rejection> {
        let policy = || Arc::clone(&rule.policy);
        match &rule.what {
            What::Rate(_, weight) => self.rate(rule.id, policy(), weight, (scope, subject), rule),
            What::Concurrency(limit) => {
                self.slot(rule.id, policy(), *limit, subject, rule.mode);
                Ok(())
            }
            What::Budget(budget) => {
                let due = Due {
                    policy: policy(),
                    scope: scope.map_or("by", Scope::as_str),
                    account: subject.text(),
                    name: Arc::clone(rule.policy.name()),
                    budget: Arc::clone(budget),
                };
                self.due(due)
            }
            What::Allotted | What::Terms(_) => Ok(()),
        }
    }

    /// Adds what is due, once. Two budgets that are kept as one would each let pass what the other refuses.
    pub(crate) fn due(&mut self, due: Due) -> Result<(), Rejection> {
        let mut dues = self.dues.iter();
        let same = dues
            .find(|it| it.scope == due.scope && it.account == due.account && it.name == due.name);
        match same {
            None => self.dues.push(due),
            Some(same) if same.budget == due.budget => {}
            Some(_) => return Err(refusal::ambiguous(&due)),
        }
        Ok(())
    }

    pub(crate) fn rate(
        &mut self,
        limit: impl Hash,
        policy: Arc<Policy>,
        weight: &Weight,
        (scope, subject): (Option<Scope>, Subject<'_>),
        rule: &Rule,
    ) -> Result<(), Rejection> {
        let burst = policy.rate.map_or(0, |rate| rate.burst);
        let (kind, cost) = match weight {
            Weight::One => (Kind::Rate, Some(1)),
            Weight::Of(cost) => (Kind::Rate, Some(cost(self.parts))),
            Weight::Tokens(measure) => {
                let expected = self.config.expected_output;
                let parts = self.parts;
                let estimate = self
                    .estimate
                    .get_or_insert_with(|| Estimate::of(parts, expected));
                (Kind::Tokens(*measure), estimate.cost(*measure, burst))
            }
        };
        let cost = match cost.filter(|cost| *cost <= burst) {
            Some(cost) => cost,
            None if rule.mode == Mode::Observe => burst,
            None => return Err(refusal::too_much(&policy)),
        };
        let shared = self.config.shared.is_some().then(|| {
            let account = subject.text();
            // A model or a target has one account for all tenants.
            let is_tenants = matches!(
                scope,
                Some(Scope::Org | Scope::Team | Scope::User | Scope::Key | Scope::EndUser)
            );
            let tenant = match self.principal.filter(|_| is_tenants) {
                Some(principal) => Arc::clone(principal.tenant_arc()),
                None => Arc::clone(&account),
            };
            Box::new(Shared {
                account: RateAccount {
                    tenant,
                    limit: Arc::clone(policy.name()),
                    account,
                },
                away: rule.away.unwrap_or(self.config.away),
            })
        });
        self.wants.push(Want {
            id: self.accounts.ids.of(limit, subject),
            policy,
            kind,
            mode: rule.mode,
            cost,
            taken: Taken::Nothing,
            left: None,
            shared,
        });
        Ok(())
    }

    pub(crate) fn slot(
        &mut self,
        limit: impl Hash,
        policy: Arc<Policy>,
        slots: u32,
        subject: Subject<'_>,
        mode: Mode,
    ) {
        self.wants.push(Want {
            id: self.accounts.ids.of(limit, subject),
            policy,
            kind: Kind::Slot(slots),
            mode,
            cost: 0,
            taken: Taken::Nothing,
            left: None,
            shared: None,
        });
    }
}

/// Tells each account that a request is counted on.
pub(crate) fn each(
    parts: &Parts,
    source: &Source,
    anonymous: bool,
    tell: &mut dyn FnMut(Option<&str>),
) -> Result<(), Rejection> {
    let scope = match source {
        Source::Scope(scope) => *scope,
        Source::By(account) => {
            account(parts, &mut |account| tell(Some(account)));
            return Ok(());
        }
    };
    let call = || parts.extensions.get::<Call>();
    let named = match scope {
        Scope::EndUser => call().and_then(|call| call.end_user.as_deref()),
        Scope::Model => call().map(|call| &*call.model),
        Scope::Target => {
            let target = parts.extensions.get::<Target>();
            target.map(|target| &*target.name)
        }
        Scope::Org | Scope::Team | Scope::User | Scope::Key | Scope::Tag => {
            let Some(principal) = parts.extensions.get::<Principal>() else {
                return match (anonymous, scope) {
                    (false, _) => Err(refusal::principal_missing()),
                    // All of them share one account.
                    (true, Scope::Key) => {
                        tell(None);
                        Ok(())
                    }
                    (true, _) => Ok(()),
                };
            };
            match scope {
                Scope::Org => principal.org(),
                Scope::Team => principal.team(),
                Scope::User => principal.user(),
                Scope::Key => Some(principal.key()),
                _ => {
                    principal.tags().iter().for_each(|tag| tell(Some(tag)));
                    None
                }
            }
        }
    };
    if let Some(account) = named {
        tell(Some(account));
    }
    Ok(())
}
