//! What is too long or too much: whatever is stored is held in memory by every replica.

use std::sync::Arc;

use serde_json::{Map, Value};
use tollgate_core::fact::{Permissions, Terms};

use super::KeysError;
use crate::{GroupRecord, KeyRecord, Page};

pub(super) fn key(record: &KeyRecord) -> Result<(), KeysError> {
    let above = [&record.parent, &record.user, &record.team, &record.org];
    let named = above
        .into_iter()
        .flatten()
        .chain(&record.roles)
        .chain(&record.tags);
    names(named.chain([&record.id]))?;
    check(
        record.roles.len() <= MANY && record.tags.len() <= MANY,
        "there are too many roles or tags",
    )?;
    common(
        &record.name,
        &record.permissions,
        &record.terms,
        &record.metadata,
    )
}

pub(super) fn group(record: &GroupRecord) -> Result<(), KeysError> {
    names(record.parent.iter().chain([&record.id]))?;
    common(
        &record.name,
        &record.permissions,
        &record.terms,
        &record.metadata,
    )
}

pub(super) fn page(page: Page) -> Page {
    Page {
        limit: page.limit.min(LONGEST_PAGE),
        ..page
    }
}

/// Names are in headers, logs and the keys of other stores.
fn names<'a>(mut names: impl Iterator<Item = &'a Arc<str>>) -> Result<(), KeysError> {
    let fits = |name: &Arc<str>| {
        (1..=LONGEST_NAME).contains(&name.len()) && !name.chars().any(char::is_control)
    };
    check(
        names.all(fits),
        "a name is empty, too long, or has control characters",
    )
}

fn common(
    name: &str,
    permissions: &Permissions,
    terms: &Terms,
    metadata: &Map<String, Value>,
) -> Result<(), KeysError> {
    let Permissions {
        models,
        routes,
        networks,
    } = permissions;
    let patterns = models.iter().chain(routes).flatten();
    let lists = [models, routes].into_iter().flatten().map(Vec::len);
    let metadata_size = serde_json::to_string(metadata).map_or(usize::MAX, |text| text.len());
    check(name.len() <= LONGEST_NAME, "its name is too long")?;
    check(
        lists
            .chain(networks.iter().map(Vec::len))
            .all(|length| length <= MANY),
        "a list of its permissions is too long",
    )?;
    check(
        patterns
            .map(String::len)
            .all(|length| length <= LONGEST_PATTERN),
        "a pattern is too long",
    )?;
    check(terms.budgets.len() <= MANY, "there are too many budgets")?;
    terms.check().map_err(KeysError::Invalid)?;
    check(
        metadata_size <= LARGEST_METADATA,
        "its metadata are too large",
    )
}

fn check(fits: bool, else_why: &'static str) -> Result<(), KeysError> {
    fits.then_some(()).ok_or(KeysError::Invalid(else_why))
}

const MANY: usize = 100;
const LONGEST_NAME: usize = 200;
const LONGEST_PATTERN: usize = 500;
const LARGEST_METADATA: usize = 8 << 10;
const LONGEST_PAGE: usize = 1000;
