use std::{num::NonZeroU32, sync::Arc, time::Duration};

use tollgate_core::{
    Rejection,
    fact::{BudgetTerm, Call, Measure, Mode, Principal, RateTerm, Scope, Terms},
};

use crate::{
    Budget, Measures, Rate,
    account::Subject,
    gather::{Due, Gather, each},
    policy::Policy,
    refusal,
    rule::{Rule, Source, TermsBook, Weight, name_of, unit},
};

/// A limit that a principal brings.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub(crate) enum Term {
    Rate(Scope, RateTerm),
    Concurrency(Scope, NonZeroU32),
}

impl Term {
    /// What its accounts are kept by: they stay when the numbers change.
    fn identity(self) -> (Scope, Option<(Measure, Duration)>) {
        match self {
            Self::Rate(scope, term) => (scope, Some((term.measure, term.window))),
            Self::Concurrency(scope, _) => (scope, None),
        }
    }

    pub(crate) fn policy(self) -> Arc<Policy> {
        let (scope, term) = match self {
            Self::Rate(scope, term) => (scope, term),
            Self::Concurrency(scope, slots) => {
                let name = name_of(scope, "concurrency");
                return Policy::of_concurrency(name.into(), slots.get());
            }
        };
        let unit = unit(term.measure);
        let name = name_of(scope, unit);
        let name = match term.window.as_secs() {
            60 => name,
            1 => name + "-per-second",
            3_600 => name + "-per-hour",
            86_400 => name + "-per-day",
            seconds => format!("{name}-per-{seconds}s"),
        };
        let rate = Rate {
            limit: term.limit.get(),
            window: term.window,
            burst: term.burst.unwrap_or(term.limit).get(),
        };
        Policy::of_rate(name.into(), unit, rate)
    }
}

impl Gather<'_> {
    /// The terms of each account that the caller belongs to; and for its key, those defaults of a kind that it has none of.
    pub(crate) fn allotted(&mut self, rule: &Rule) -> Result<(), Rejection> {
        let defaults = &self.config.defaults;
        let Some(principal) = self.principal else {
            if !self.config.anonymous {
                return Err(refusal::principal_missing());
            }
            return self.terms(rule, Scope::Key, None, defaults, None);
        };
        for it in principal.allotments() {
            self.terms(rule, it.scope, Some(&it.account), &it.terms, None)?;
        }
        let of_key = |terms: fn(&Terms) -> bool| {
            let mut own = principal.allotments().iter();
            own.any(|it| it.scope == Scope::Key && terms(&it.terms))
        };
        let hidden = Hidden {
            rates: of_key(|terms| !terms.rates.is_empty()),
            concurrency: of_key(|terms| terms.concurrency.is_some()),
            budgets: of_key(|terms| !terms.budgets.is_empty()),
        };
        let key = Some(principal.key());
        self.terms(rule, Scope::Key, key, defaults, Some(hidden))
    }

    /// The terms that a rule has for each account of its kind that the request is counted on.
    pub(crate) fn booked(&mut self, rule: &Rule, book: &TermsBook) -> Result<(), Rejection> {
        let (parts, scope) = (self.parts, book.scope);
        let allotments = self.principal.map_or(&[][..], Principal::allotments);
        let brought = |account: &str| {
            let mut allotments = allotments.iter();
            allotments.any(|it| it.scope == scope && *it.account == *account)
        };
        let mut result = Ok(());
        each(
            parts,
            &Source::Scope(scope),
            self.config.anonymous,
            &mut |account| {
                let terms = book.of(account.unwrap_or_default());
                if result.is_ok() && !terms.is_empty() && !account.is_some_and(brought) {
                    result = self.terms(rule, scope, account, terms, None);
                }
            },
        )?;
        result
    }

    fn terms(
        &mut self,
        rule: &Rule,
        scope: Scope,
        account: Option<&str>,
        terms: &Terms,
        hidden: Option<Hidden>,
    ) -> Result<(), Rejection> {
        let hidden = hidden.unwrap_or_default();
        let only = self.config.only;
        let subject = Subject {
            within: self.within(Some(scope)),
            account,
            model: None,
        };
        if let Some(slots) = terms.concurrency
            && only.contain(Measures::CONCURRENCY)
            && !hidden.concurrency
        {
            let term = Term::Concurrency(scope, slots);
            let policy = self.accounts.policy(term);
            self.slot(term.identity(), policy, slots.get(), subject, rule.mode);
        }
        for rate in terms.rates.iter().filter(|_| !hidden.rates) {
            let weight = Weight::of(rate.measure);
            if only.contain(weight.measures()) {
                let term = Term::Rate(scope, *rate);
                let policy = self.accounts.policy(term);
                let whose = (Some(scope), subject);
                self.rate(term.identity(), policy, &weight, whose, rule)?;
            }
        }
        if only.contain(Measures::MONEY) && !hidden.budgets {
            self.budgets(rule, scope, subject, &terms.budgets)?;
        }
        Ok(())
    }

    fn budgets(
        &mut self,
        rule: &Rule,
        scope: Scope,
        subject: Subject<'_>,
        terms: &[BudgetTerm],
    ) -> Result<(), Rejection> {
        let call = self.parts.extensions.get::<Call>();
        for term in terms {
            let pays = match call {
                Some(call) => term.pays_for(&call.model),
                None => term.models.is_none(),
            };
            if !pays {
                continue;
            }
            let mut budget = Budget::from(term);
            if rule.mode == Mode::Observe {
                budget.mode = Mode::Observe;
            }
            let budget = Arc::new(budget);
            let name: Arc<str> = budget_name(term).into();
            self.due(Due {
                policy: Policy::of_budget(name_of(scope, &name).into(), &budget),
                scope: scope.as_str(),
                account: subject.text(),
                name,
                budget,
            })?;
        }
        Ok(())
    }
}

/// What an account's budget is kept by: its name, or without one its models, as they are written. Neither its numbers nor its
/// place among others, so that an edit of those forgives nothing; another name or pattern is another budget. Another period
/// takes effect when the running window ends.
fn budget_name(term: &BudgetTerm) -> String {
    match (&term.name, &term.models) {
        // Two ways of writing it, as one's name may be another's model.
        (Some(name), _) => format!("budget:{name}"),
        (None, Some(models)) => format!("budget {models}"),
        (None, None) => "budget".to_owned(),
    }
}

/// Defaults that do not apply, for a key has its own of the kind.
#[derive(Clone, Copy, Default)]
struct Hidden {
    rates: bool,
    concurrency: bool,
    budgets: bool,
}
