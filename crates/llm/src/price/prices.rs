use std::{cmp::Reverse, collections::BTreeMap, fmt, sync::Arc};

use super::{ModelInfo, built_in};
use crate::{Dialect, wildcard};

/// What is known of providers' models. Clones share the table.
///
/// A table does not change: whoever reloads a configuration makes a new one and swaps it.
///
/// ```
/// use tollgate_llm::Prices;
///
/// let prices = Prices::built_in();
/// let dated = prices.get("openai", "gpt-4o-2024-08-06").unwrap();
/// assert_eq!(dated, prices.get("openai", "gpt-4o").unwrap());
/// ```
#[derive(Clone, Default)]
pub struct Prices(Arc<Table>);

type Table = BTreeMap<Box<str>, Models>;

/// A provider's models.
#[derive(Clone, Default)]
struct Models {
    by_name: BTreeMap<Box<str>, ModelInfo>,
    /// The names with a `*`, the longest first.
    patterns: Vec<Box<str>>,
}

impl Prices {
    /// A table of nothing.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// The table that this crate ships, from public lists. It may be wrong, and gets old: check the figures with the
    /// provider before anybody is billed.
    #[must_use]
    pub fn built_in() -> Self {
        built_in::prices().clone()
    }

    /// The day of the built-in table, such as `2026-01-31`.
    #[must_use]
    pub fn built_in_date() -> &'static str {
        built_in::date()
    }

    /// Sets what is known of a model. What `info` leaves open stays as [`get`](Self::get) would have found it; a price
    /// is replaced whole.
    #[must_use]
    pub fn with(
        mut self,
        provider: impl Into<Box<str>>,
        model: impl Into<Box<str>>,
        info: ModelInfo,
    ) -> Self {
        let (provider, model) = (provider.into(), model.into());
        let info = match self.get(&provider, &model) {
            Some(known) => info.or(known),
            None => info,
        };
        let models = Arc::make_mut(&mut self.0).entry(provider).or_default();
        if model.contains('*') && !models.by_name.contains_key(&model) {
            models.patterns.push(model.clone());
            models.patterns.sort_by_key(|name| Reverse(name.len()));
        }
        models.by_name.insert(model, info);
        self
    }

    /// What is known of a provider's model. A model with a date at its end, as in `-20250131`, `-2025-01-31` or
    /// `@20250131`, is the one without if it is not known itself. After that, a name with a `*` stands for any run of
    /// characters, and the longest such name counts.
    #[must_use]
    pub fn get(&self, provider: &str, model: &str) -> Option<&ModelInfo> {
        let Models { by_name, patterns } = self.0.get(provider)?;
        let known = by_name.get(model).or_else(|| by_name.get(undated(model)?));
        known.or_else(|| {
            let pattern = patterns
                .iter()
                .find(|it| wildcard::run(it, model).is_some());
            by_name.get(pattern?)
        })
    }

    /// What is known of a model at an endpoint, by its name or else by what is spoken there.
    pub(crate) fn at(&self, endpoint: &str, dialect: Dialect, model: &str) -> Option<&ModelInfo> {
        let named = self.get(endpoint, model);
        named.or_else(|| self.get(dialect.as_str(), model))
    }

    /// All that is known, by provider and model, in the order of their names.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &str, &ModelInfo)> {
        let all = self.0.iter();
        all.flat_map(|(provider, models)| {
            let models = models.by_name.iter();
            models.map(move |(model, info)| (&**provider, &**model, info))
        })
    }
}

impl fmt::Debug for Prices {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let names = self.iter().map(|(provider, model, _)| (provider, model));
        f.debug_set().entries(names).finish()
    }
}

/// The name without the date at its end, if there is one.
fn undated(model: &str) -> Option<&str> {
    [10, 8].into_iter().find_map(|length| {
        let (name, date) = model.split_at_checked(model.len().checked_sub(length)?)?;
        let name = name.strip_suffix(['-', '@'])?;
        (is_date(date) && !name.is_empty()).then_some(name)
    })
}

/// Whether it looks like `20250131` or `2025-01-31`.
fn is_date(text: &str) -> bool {
    let digits = |range| {
        let digits: &str = text.get(range)?;
        let all = digits.bytes().all(|byte| byte.is_ascii_digit());
        all.then(|| digits.parse::<u16>().ok())?
    };
    let (month, day) = match (text.len(), &text.as_bytes()) {
        (8, _) => (digits(4..6), digits(6..8)),
        (10, [_, _, _, _, b'-', _, _, b'-', ..]) => (digits(5..7), digits(8..10)),
        _ => return false,
    };
    digits(0..4).is_some()
        && month.is_some_and(|month| (1..=12).contains(&month))
        && day.is_some_and(|day| (1..=31).contains(&day))
}

#[cfg(test)]
mod tests {
    use super::{Prices, undated};
    use crate::ModelInfo;

    #[test]
    fn a_star_covers_what_is_not_known_by_its_name() {
        let info = |window| ModelInfo {
            context_window: Some(window),
            ..ModelInfo::default()
        };
        let prices = Prices::new()
            .with("p", "*", info(1))
            .with("p", "large-*", info(2))
            .with("p", "large-one", info(3));
        let window = |model| prices.get("p", model).and_then(|info| info.context_window);
        for (model, expected) in [
            ("any", 1),
            ("large-two", 2),
            ("large-one", 3),
            ("large-", 2),
        ] {
            assert_eq!(window(model), Some(expected), "{model}");
        }
        assert_eq!(prices.get("q", "any"), None);
    }

    #[test]
    fn only_a_date_is_taken_off() {
        for (model, expected) in [
            ("m-20250131", Some("m")),
            ("m-2025-01-31", Some("m")),
            ("m@20250131", Some("m")),
            ("m@2025-01-31", Some("m")),
            ("m-1-20250131", Some("m-1")),
            ("m", None),
            ("", None),
            ("m20250131", None),
            ("-20250131", None),
            ("m-20251331", None),
            ("m-20250132", None),
            ("m-20250100", None),
            ("m-+2250131", None),
            ("m-2025/01/31", None),
            ("m-0613", None),
            ("m-20250131-preview", None),
            ("m-é250131", None),
            ("é-20250131", Some("é")),
        ] {
            assert_eq!(undated(model), expected, "{model}");
        }
    }
}
