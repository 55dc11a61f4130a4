use std::{
    num::{NonZeroU32, NonZeroU64},
    time::Duration,
};

use serde::{Deserialize, Serialize};

use super::{BudgetTerm, Measure, Mode, Period, RateTerm, Strict, Terms};
use crate::fact::{Cost, Dollars};

macro_rules! written {
    ($($field:ident: $measure:ident in $seconds:expr;)*) => {
        /// [`Terms`] as they are written.
        #[derive(Clone, Default, Deserialize, Serialize)]
        #[serde(default, deny_unknown_fields)]
        pub(super) struct Written {
            $(
                #[serde(skip_serializing_if = "Option::is_none")]
                $field: Option<NonZeroU64>,
            )*
            /// For rates of requests.
            #[serde(skip_serializing_if = "Option::is_none")]
            burst: Option<NonZeroU64>,
            /// For rates of tokens.
            #[serde(skip_serializing_if = "Option::is_none")]
            token_burst: Option<NonZeroU64>,
            #[serde(skip_serializing_if = "Option::is_none")]
            concurrency: Option<NonZeroU32>,
            #[serde(skip_serializing_if = "Option::is_none")]
            budget: Option<WrittenBudget>,
            #[serde(skip_serializing_if = "Vec::is_empty")]
            budgets: Vec<WrittenBudget>,
        }

        impl Written {
            fn rates(&self) -> Vec<RateTerm> {
                let mut rates = Vec::new();
                $(
                    if let Some(limit) = self.$field {
                        let measure = Measure::$measure;
                        let burst = match measure {
                            Measure::Requests => self.burst,
                            _ => self.token_burst,
                        };
                        rates.push(RateTerm { measure, limit, window: Duration::from_secs($seconds), burst });
                    }
                )*
                rates
            }

            fn set(&mut self, rate: &RateTerm) {
                $(
                    if rate.measure == Measure::$measure && rate.window.as_secs() == $seconds {
                        self.$field = Some(rate.limit);
                    }
                )*
            }
        }
    };
}

written! {
    requests_per_second: Requests in 1;
    requests_per_minute: Requests in MINUTE;
    requests_per_hour: Requests in HOUR;
    requests_per_day: Requests in DAY;
    input_tokens_per_second: InputTokens in 1;
    input_tokens_per_minute: InputTokens in MINUTE;
    input_tokens_per_hour: InputTokens in HOUR;
    input_tokens_per_day: InputTokens in DAY;
    output_tokens_per_second: OutputTokens in 1;
    output_tokens_per_minute: OutputTokens in MINUTE;
    output_tokens_per_hour: OutputTokens in HOUR;
    output_tokens_per_day: OutputTokens in DAY;
    tokens_per_second: Tokens in 1;
    tokens_per_minute: Tokens in MINUTE;
    tokens_per_hour: Tokens in HOUR;
    tokens_per_day: Tokens in DAY;
}

/// A [`BudgetTerm`] as it is written.
#[derive(Clone, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
struct WrittenBudget {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    name: Option<String>,
    usd: Dollars,
    every: Period,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    zone: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    hard: Option<bool>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    mode: Option<Mode>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    models: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    calendar: Option<WrittenCalendar>,
    /// Of a strict calendar.
    #[serde(
        default,
        with = "humantime_serde",
        skip_serializing_if = "Option::is_none"
    )]
    longest_call: Option<Duration>,
    #[serde(
        default,
        with = "humantime_serde",
        skip_serializing_if = "Option::is_none"
    )]
    billing_lag: Option<Duration>,
}

/// Whose calendar a budget's limit holds for.
#[derive(Clone, Copy, Deserialize, Serialize)]
#[serde(rename_all = "snake_case")]
enum WrittenCalendar {
    /// The gateway's.
    Lenient,
    /// The provider's, too.
    Strict,
}

impl TryFrom<Written> for Terms {
    type Error = &'static str;

    fn try_from(written: Written) -> Result<Self, Self::Error> {
        let rates = written.rates();
        let bursts = |of_requests| {
            let mut rates = rates.iter();
            rates.any(|rate| (rate.measure == Measure::Requests) == of_requests)
        };
        if written.burst.is_some() && !bursts(true) {
            return Err("`burst` needs a rate of requests, such as `requests_per_minute`");
        }
        if written.token_burst.is_some() && !bursts(false) {
            return Err("`token_burst` needs a rate of tokens, such as `tokens_per_minute`");
        }
        let budgets = written.budget.into_iter().chain(written.budgets);
        let terms = Self {
            budgets: budgets
                .map(BudgetTerm::try_from)
                .collect::<Result<_, _>>()?,
            concurrency: written.concurrency,
            rates,
        };
        terms.check()?;
        Ok(terms)
    }
}

impl From<Terms> for Written {
    fn from(terms: Terms) -> Self {
        let burst = |of_requests: bool| {
            let mut rates = terms.rates.iter();
            let rate = rates.find(|rate| (rate.measure == Measure::Requests) == of_requests)?;
            rate.burst
        };
        let mut written = Self {
            burst: burst(true),
            token_burst: burst(false),
            concurrency: terms.concurrency,
            budgets: terms.budgets.iter().map(WrittenBudget::from).collect(),
            ..Self::default()
        };
        terms.rates.iter().for_each(|rate| written.set(rate));
        written
    }
}

impl TryFrom<WrittenBudget> for BudgetTerm {
    type Error = &'static str;

    fn try_from(written: WrittenBudget) -> Result<Self, Self::Error> {
        let mode = match (written.hard, written.mode) {
            (None, mode) => mode.unwrap_or_default(),
            (Some(true), None | Some(Mode::Hard)) => Mode::Hard,
            (Some(false), None) => Mode::Soft,
            (Some(false), Some(mode)) if mode != Mode::Hard => mode,
            _ => return Err("`hard` and `mode` of a budget contradict each other"),
        };
        let nanos = i64::try_from(written.usd.nanos()).map_err(|_| "a budget is too large")?;
        if nanos == 0 {
            return Err("a budget is more than nothing");
        }
        let strict = strict(&written)?;
        if strict.is_some() && mode != Mode::Hard {
            return Err("a strict calendar needs a hard budget");
        }
        Ok(Self {
            name: written.name.map(Into::into),
            limit: Cost::from_nanos(nanos),
            every: written.every,
            zone: written.zone.map_or_else(|| "UTC".into(), Into::into),
            mode,
            models: written.models.map(Into::into),
            strict,
        })
    }
}

fn strict(written: &WrittenBudget) -> Result<Option<Strict>, &'static str> {
    let usual = Strict::default();
    let strict = Strict {
        longest_call: written.longest_call.unwrap_or(usual.longest_call),
        billing_lag: written.billing_lag.unwrap_or(usual.billing_lag),
    };
    match written.calendar {
        Some(WrittenCalendar::Strict) if written.every == Period::Total => {
            Err("a budget in total has no calendar to be strict about")
        }
        Some(WrittenCalendar::Strict) if !strict.fits(written.every) => {
            Err("`longest_call` and `billing_lag` of a budget are at most half of its window")
        }
        Some(WrittenCalendar::Strict) => Ok(Some(strict)),
        _ if written.longest_call.is_some() || written.billing_lag.is_some() => {
            Err("`longest_call` and `billing_lag` need `calendar = \"strict\"`")
        }
        _ => Ok(None),
    }
}

impl From<&BudgetTerm> for WrittenBudget {
    fn from(term: &BudgetTerm) -> Self {
        Self {
            name: term.name.as_deref().map(Into::into),
            usd: Dollars::from_nanos(u64::try_from(term.limit.nanos()).unwrap_or_default()),
            every: term.every,
            zone: Some(term.zone.to_string()),
            hard: None,
            mode: Some(term.mode),
            models: term.models.as_deref().map(Into::into),
            calendar: term.strict.map(|_| WrittenCalendar::Strict),
            longest_call: term.strict.map(|strict| strict.longest_call),
            billing_lag: term.strict.map(|strict| strict.billing_lag),
        }
    }
}

const MINUTE: u64 = 60;
const HOUR: u64 = 60 * MINUTE;
const DAY: u64 = 24 * HOUR;
