mod written;

use std::{
    num::{NonZeroU32, NonZeroU64},
    sync::Arc,
    time::Duration,
};

use serde::{Deserialize, Serialize};

use self::written::Written;
use super::{Cost, pattern::matches};

/// How much an account may use: rates, requests at once, and budgets of money.
///
/// In a configuration, and in a store, it is written flat:
///
/// ```
/// use tollgate_core::fact::{Cost, Period, Terms};
///
/// let terms: Terms = serde_json::from_str(r#"{
///     "requests_per_minute": 600, "burst": 50, "tokens_per_minute": 200000, "output_tokens_per_day": 5000000,
///     "concurrency": 20, "budget": { "usd": 50.0, "every": "month", "hard": true }
/// }"#).unwrap();
/// assert_eq!(terms.rates.len(), 3);
/// assert_eq!(terms.budgets[0].limit, Cost::from_nanos(50_000_000_000));
/// assert_eq!(terms.budgets[0].every, Period::Month);
/// ```
#[derive(Clone, Debug, Default, Eq, PartialEq, Deserialize, Serialize)]
#[serde(try_from = "Written", into = "Written")]
pub struct Terms {
    /// How much in how much time.
    pub rates: Vec<RateTerm>,
    /// How many requests at once.
    pub concurrency: Option<NonZeroU32>,
    /// How much money.
    pub budgets: Vec<BudgetTerm>,
}

impl Terms {
    /// Whether nothing is limited.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }

    /// Whether what is spent of each budget can be told from the others: no two have the same name, and no two without one
    /// are for the same models. Terms that are read have been checked.
    ///
    /// # Errors
    /// In words for whoever wrote them.
    pub fn check(&self) -> Result<(), &'static str> {
        for (index, term) in self.budgets.iter().enumerate() {
            if !term.name.as_deref().is_none_or(is_name) {
                return Err("the `name` of a budget is 1 to 64 letters, digits, `-`, `_` or `.`");
            }
            for other in &self.budgets[..index] {
                match (&term.name, &other.name) {
                    (None, None) if term.models == other.models => {
                        return Err(
                            "two budgets for the same models: give one a `name`; what is spent is kept by it",
                        );
                    }
                    (Some(name), Some(other)) if name == other => {
                        return Err("two budgets have the same `name`");
                    }
                    _ => {}
                }
            }
        }
        Ok(())
    }
}

fn is_name(name: &str) -> bool {
    let is_part = |byte: u8| byte.is_ascii_alphanumeric() || b"-_.".contains(&byte);
    (1..=LONGEST_NAME).contains(&name.len()) && name.bytes().all(is_part)
}

/// How much of one thing in how much time.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub struct RateTerm {
    /// What is counted.
    pub measure: Measure,
    /// How much of it in a window.
    pub limit: NonZeroU64,
    /// The window: a second, a minute, an hour or a day.
    pub window: Duration,
    /// How much can be saved up; one window's worth if this is absent.
    pub burst: Option<NonZeroU64>,
}

/// What a rate counts.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub enum Measure {
    /// Requests.
    Requests,
    /// Tokens of input, cached ones included.
    InputTokens,
    /// Tokens of output, reasoning included.
    OutputTokens,
    /// Tokens of input and output.
    Tokens,
}

impl Measure {
    /// All of them.
    pub const ALL: [Self; 4] = [
        Self::Requests,
        Self::InputTokens,
        Self::OutputTokens,
        Self::Tokens,
    ];

    /// The measure as a word: `requests`, `input_tokens`, `output_tokens` or `tokens`.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Requests => "requests",
            Self::InputTokens => "input_tokens",
            Self::OutputTokens => "output_tokens",
            Self::Tokens => "tokens",
        }
    }
}

/// How much money in which time.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct BudgetTerm {
    /// What tells it from an account's other budgets, and what is spent is kept by: it stays when all else is changed.
    /// Without a name, it is the one for its models.
    pub name: Option<Arc<str>>,
    /// The most that may be spent in a window.
    pub limit: Cost,
    /// The window.
    pub every: Period,
    /// Whose days and months they are: the name of an IANA time zone.
    pub zone: Arc<str>,
    /// What happens at the limit.
    pub mode: Mode,
    /// Which calls are paid from it: a pattern of models, as callers name them; all if this is absent.
    pub models: Option<Arc<str>>,
    /// Whether the limit holds for the provider's own calendar, too: of a hard budget that is not in total.
    pub strict: Option<Strict>,
}

impl BudgetTerm {
    /// Whether calls of a model are paid from it.
    #[must_use]
    pub fn pays_for(&self, model: &str) -> bool {
        let models = self.models.as_deref();
        models.is_none_or(|pattern| matches(pattern, model))
    }
}

/// A budget's window pays for the calls that begin in it. If it is strict, no calendar window's calls, each billed at
/// the time of its use, cost more than the limit either: a call that may touch two windows is paid from both.
///
/// It takes clocks that agree within two seconds.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub struct Strict {
    /// A call is cut off after so long. With the lag it is at most half of the window.
    pub longest_call: Duration,
    /// How much later than its last use a provider may date a call's bill.
    pub billing_lag: Duration,
}

impl Strict {
    /// Whether windows of this kind are long enough for it.
    #[must_use]
    pub fn fits(&self, every: Period) -> bool {
        let half = match every {
            Period::Total => return false,
            Period::Hour => HOUR / 2,
            Period::Day => 12 * HOUR,
            Period::Week => 7 * 12 * HOUR,
            Period::Month => 28 * 12 * HOUR,
        };
        let longest = self.longest_call.checked_add(self.billing_lag);
        longest.is_some_and(|longest| longest <= half)
    }
}

/// Calls of ten minutes, dated up to a minute late.
impl Default for Strict {
    fn default() -> Self {
        Self {
            longest_call: Duration::from_secs(600),
            billing_lag: Duration::from_secs(60),
        }
    }
}

/// The window of a budget, by the calendar.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq, Deserialize, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Period {
    /// From one full hour to the next.
    Hour,
    /// From midnight to midnight.
    Day,
    /// From Monday to Monday.
    Week,
    /// From the first of a month to the first of the next.
    Month,
    /// For ever.
    Total,
}

impl Period {
    /// The period as a word, such as `month`.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Hour => "hour",
            Self::Day => "day",
            Self::Week => "week",
            Self::Month => "month",
            Self::Total => "total",
        }
    }
}

/// What happens at a limit.
#[derive(Clone, Copy, Debug, Default, Eq, Hash, PartialEq, Deserialize, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Mode {
    /// It is never passed: what might pass it is refused.
    Hard,
    /// Requests are refused once it is spent; those under way may pass it a little.
    #[default]
    Soft,
    /// Nothing is refused: it is counted and told only.
    Observe,
}

impl Mode {
    /// The mode as a word: `hard`, `soft` or `observe`.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Hard => "hard",
            Self::Soft => "soft",
            Self::Observe => "observe",
        }
    }
}

/// Terms that hold for one account that a caller belongs to.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Allotment {
    /// What kind of account it is.
    pub scope: Scope,
    /// Which one, unique in its kind.
    pub account: Arc<str>,
    /// How much it may use.
    pub terms: Arc<Terms>,
}

/// The kinds of accounts that limits are kept for.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq, Deserialize, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Scope {
    /// An organisation.
    Org,
    /// A team.
    Team,
    /// A user.
    User,
    /// A key.
    Key,
    /// Whoever a caller says it calls for.
    EndUser,
    /// A model, as callers name it.
    Model,
    /// A target: a provider's model.
    Target,
    /// A tag of the key.
    Tag,
}

impl Scope {
    /// The scope as a word, such as `end_user`.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Org => "org",
            Self::Team => "team",
            Self::User => "user",
            Self::Key => "key",
            Self::EndUser => "end_user",
            Self::Model => "model",
            Self::Target => "target",
            Self::Tag => "tag",
        }
    }
}

const LONGEST_NAME: usize = 64;

const HOUR: Duration = Duration::from_secs(3_600);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn budgets_that_cannot_be_told_apart_are_refused_when_they_are_read() {
        let terms = |budgets: &[&str]| {
            let budget = |rest: &&str| format!(r#"{{ "usd": 1, "every": "day"{rest} }}"#);
            let budgets: Vec<_> = budgets.iter().map(budget).collect();
            serde_json::from_str::<Terms>(&format!(r#"{{ "budgets": [{}] }}"#, budgets.join(",")))
        };
        let [a, b] = [r#", "name": "a""#, r#", "name": "b""#];
        let large = r#", "models": "large-*""#;
        for told_apart in [&["", a][..], &["", large], &[a, b, "", large]] {
            let terms = terms(told_apart).unwrap();
            let again = serde_json::to_string(&terms).unwrap();
            assert_eq!(serde_json::from_str::<Terms>(&again).unwrap(), terms);
        }
        let long = format!(r#", "name": "{}""#, "n".repeat(65));
        for (mixed_up, why) in [
            (&["", ""][..], "give one a `name`"),
            (&[large, a, large], "give one a `name`"),
            (&[a, a], "the same `name`"),
            (
                &[a, r#", "name": "a", "models": "large-*""#],
                "the same `name`",
            ),
            (&[r#", "name": """#], "1 to 64"),
            (&[r#", "name": "a b""#], "1 to 64"),
            (&[&long], "1 to 64"),
        ] {
            let error = terms(mixed_up).unwrap_err().to_string();
            assert!(error.contains(why), "{mixed_up:?}: {error}");
        }
    }

    fn read(budget: &str) -> Result<Terms, serde_json::Error> {
        serde_json::from_str(&format!(r#"{{ "budget": {{ "usd": 1, {budget} }} }}"#))
    }

    #[test]
    fn a_strict_calendar_is_read_as_it_was_written() {
        let usual = r#""every": "day", "hard": true, "calendar": "strict""#;
        let own = r#""every": "hour", "mode": "hard", "calendar": "strict", "longest_call": "20m", "billing_lag": "0s""#;
        let lenient = r#""every": "day", "calendar": "lenient""#;
        let minutes = |minutes: u64| Duration::from_secs(60 * minutes);
        for (budget, strict) in [
            (usual, Some((minutes(10), minutes(1)))),
            (own, Some((minutes(20), minutes(0)))),
            (lenient, None),
        ] {
            let terms = read(budget).unwrap();
            let found = terms.budgets[0].strict;
            assert_eq!(found.map(|it| (it.longest_call, it.billing_lag)), strict);

            let written = serde_json::to_string(&terms).unwrap();
            assert_eq!(serde_json::from_str::<Terms>(&written).unwrap(), terms);
        }
    }

    #[test]
    fn a_strict_calendar_that_cannot_be_kept_is_refused() {
        for (budget, why) in [
            (r#""every": "day", "calendar": "strict""#, "hard"),
            (
                r#""every": "total", "hard": true, "calendar": "strict""#,
                "total",
            ),
            (
                r#""every": "hour", "hard": true, "calendar": "strict", "longest_call": "30m""#,
                "half",
            ),
            (
                r#""every": "day", "hard": true, "longest_call": "5m""#,
                "strict",
            ),
        ] {
            let error = read(budget).unwrap_err().to_string();
            assert!(error.contains(why), "{budget}: {error}");
        }
    }
}
