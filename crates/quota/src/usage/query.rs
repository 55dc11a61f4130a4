use std::collections::BTreeMap;

use jiff::civil::Date;
use serde::{Serialize, Serializer};

use super::{UsageField, UsageKey, UsageSums, series::bounded};

/// Which sums to read.
///
/// ```
/// use jiff::civil::date;
/// use tollgate_quota::usage::{UsageField, UsageQuery};
///
/// let november = UsageQuery::new(date(2026, 11, 1), date(2026, 11, 30))
///     .by(UsageField::Day)
///     .by(UsageField::Model)
///     .of(UsageField::Team, "search");
/// # let _ = november;
/// ```
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct UsageQuery {
    /// The first day, in UTC.
    pub from: Date,
    /// The last day.
    pub to: Date,
    /// What each row is the sum for, each once; without any, there is one row.
    pub group_by: Vec<UsageField>,
    /// What must be so, all of it.
    pub filters: Vec<(UsageField, String)>,
    /// The most rows.
    pub limit: u32,
}

impl UsageQuery {
    /// The sum of these days, both included.
    #[must_use]
    pub const fn new(from: Date, to: Date) -> Self {
        Self {
            from,
            to,
            group_by: Vec::new(),
            filters: Vec::new(),
            limit: 1_000,
        }
    }

    /// Also tells it apart by this.
    #[must_use]
    pub fn by(mut self, field: UsageField) -> Self {
        if !self.group_by.contains(&field) {
            self.group_by.push(field);
        }
        self
    }

    /// Only what has this value there. A long name is cut as it is in a [`UsageKey`].
    #[must_use]
    pub fn of(mut self, field: UsageField, value: impl Into<String>) -> Self {
        self.filters.push((field, bounded(&value.into())));
        self
    }

    /// Sets how many rows there are at most; 1000 by default.
    #[must_use]
    pub const fn limit(mut self, rows: u32) -> Self {
        self.limit = rows;
        self
    }

    /// The answer, from all there is.
    pub(super) fn run<'a>(
        &self,
        rows: impl Iterator<Item = (&'a UsageKey, &'a UsageSums)>,
    ) -> Vec<UsageRow> {
        let mut groups = BTreeMap::<Vec<String>, UsageSums>::new();
        for (key, sums) in rows.filter(|(key, _)| self.covers(key)) {
            let group = self.group_by.iter().map(|field| key.field(*field));
            groups.entry(group.collect()).or_default().add(sums);
        }
        let rows = groups.into_iter().take(self.limit as usize);
        rows.map(|(group, sums)| UsageRow {
            by: self.group_by.iter().copied().zip(group).collect(),
            sums,
        })
        .collect()
    }

    fn covers(&self, key: &UsageKey) -> bool {
        let mut filters = self.filters.iter();
        (self.from..=self.to).contains(&key.day)
            && filters.all(|(field, value)| key.field(*field) == *value)
    }
}

/// The sum for one group. It is written flat: `{"day":"2026-11-23","requests":7,…}`.
#[derive(Clone, Debug, Eq, PartialEq, Serialize)]
pub struct UsageRow {
    /// What it is the sum for, in the order of [`UsageQuery::group_by`].
    #[serde(flatten, serialize_with = "flat")]
    pub by: Vec<(UsageField, String)>,
    /// The sums.
    #[serde(flatten)]
    pub sums: UsageSums,
}

fn flat<S: Serializer>(by: &[(UsageField, String)], serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_map(by.iter().map(|(field, value)| (field.as_str(), value)))
}
