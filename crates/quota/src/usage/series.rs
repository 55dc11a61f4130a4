use std::{
    hash::{Hash, Hasher},
    sync::Arc,
    time::{SystemTime, UNIX_EPOCH},
};

use jiff::{Span, civil::Date};
use sha2::{Digest, Sha256};
use tollgate_core::fact::{Principal, Target};

use super::UsageKey;

/// A [`UsageKey`] as it is at hand when a request ends: to count one copies no text.
#[derive(Clone, Debug, Default)]
pub(super) struct Series {
    pub(super) day: Day,
    pub(super) principal: Option<Principal>,
    pub(super) model: Option<Arc<str>>,
    pub(super) target: Option<Target>,
}

impl Series {
    /// Where those of a day are counted that are too many to be told apart.
    pub(super) fn other(day: Day) -> Self {
        Self {
            day,
            model: Some(OTHER.into()),
            ..Self::default()
        }
    }

    pub(super) fn key(&self) -> UsageKey {
        let [org, team, user, key, model, provider, served] = self.names().map(bounded);
        UsageKey {
            day: self.day.date(),
            org,
            team,
            user,
            key,
            model,
            provider,
            served,
        }
    }

    fn names(&self) -> [&str; 7] {
        let principal = self.principal.as_ref();
        let of = |name: fn(&Principal) -> Option<&str>| principal.and_then(name).unwrap_or("");
        let target = self.target.as_ref();
        [
            of(Principal::org),
            of(Principal::team),
            of(Principal::user),
            of(|principal| Some(principal.key())),
            self.model.as_deref().unwrap_or(""),
            target.map_or("", |target| &target.provider),
            target.map_or("", |target| &target.model),
        ]
    }
}

impl PartialEq for Series {
    fn eq(&self, other: &Self) -> bool {
        self.day == other.day && self.names() == other.names()
    }
}

impl Eq for Series {}

impl Hash for Series {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.day.hash(state);
        self.names().hash(state);
    }
}

/// A day in UTC, since 1970.
#[derive(Clone, Copy, Debug, Default, Eq, Hash, PartialEq)]
pub(super) struct Day(u64);

impl Day {
    pub(super) fn today() -> Self {
        let since = SystemTime::now().duration_since(UNIX_EPOCH);
        Self(since.map_or(0, |since| since.as_secs() / (24 * 60 * 60)))
    }

    fn date(self) -> Date {
        let days = Span::new().try_days(i64::try_from(self.0).unwrap_or(i64::MAX));
        let date = days.and_then(|days| EPOCH.checked_add(days));
        date.unwrap_or(Date::MAX)
    }
}

/// A name that any store takes: of bounded length, and without NUL, which Postgres refuses. Of one that has to be changed a
/// digest is a part, or one caller could read what another has used whose name begins in the same way.
pub(super) fn bounded(name: &str) -> String {
    if name.len() <= MOST_BYTES && !name.contains('\0') {
        return name.to_owned();
    }
    let digest = hex::encode(&Sha256::digest(name)[..8]);
    let end = name.floor_char_boundary(MOST_BYTES - 1 - digest.len());
    // What stands in the place of NUL is as short.
    format!("{}~{digest}", name[..end].replace('\0', "?"))
}

/// All seven have to fit into an entry of an index.
const MOST_BYTES: usize = 128;
const OTHER: &str = "(other)";
const EPOCH: Date = jiff::civil::date(1970, 1, 1);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_is_cut_between_characters_and_has_no_nul() {
        let (even, odd) = ("ä".repeat(100), format!("a{}", "ä".repeat(100)));

        assert!(bounded("a\0b").starts_with("a?b~"));
        assert!(bounded(&even).starts_with(&"ä".repeat(55)));
        assert!(bounded(&odd).starts_with(&odd[..111]));
        assert_eq!(bounded(&odd).len(), MOST_BYTES);
        assert_eq!(bounded(&"a".repeat(MOST_BYTES)), "a".repeat(MOST_BYTES));
    }

    #[test]
    fn two_long_names_that_begin_alike_stay_two() {
        let long = "a".repeat(MOST_BYTES);

        assert_ne!(bounded(&format!("{long}1")), bounded(&format!("{long}2")));
        assert_ne!(bounded("a\0"), bounded("a?"));
    }

    #[test]
    fn a_day_is_a_date() {
        assert_eq!(Day(0).date(), EPOCH);
        assert_eq!(Day(20_780).date(), jiff::civil::date(2026, 11, 23));
        assert_eq!(Day(u64::MAX).date(), Date::MAX);
    }
}
