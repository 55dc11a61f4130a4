use std::borrow::Cow;

use serde_json::{Map, Value};

use crate::json::Path;

/// What a request says that the target cannot be told.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub(crate) struct Losses {
    fields: Vec<Cow<'static, str>>,
    hints: Vec<Cow<'static, str>>,
}

impl Losses {
    /// Without this field the answer could be another: an error, unless the operator says that it may be dropped.
    pub(crate) fn field(&mut self, name: impl Into<Cow<'static, str>>) {
        add(&mut self.fields, name.into());
    }

    /// Names the fields of an object that nobody has taken.
    pub(crate) fn rest(&mut self, fields: Map<String, Value>, at: Path<'_>) {
        for (name, value) in fields {
            if !value.is_null() {
                self.field(at.key(&name).to_string());
            }
        }
    }

    /// Without this one the answer is as good; it may cost more or come later. Dropped, and named in the response.
    pub(crate) fn hint(&mut self, name: impl Into<Cow<'static, str>>) {
        add(&mut self.hints, name.into());
    }

    pub(crate) fn fields(&self) -> &[Cow<'static, str>] {
        &self.fields
    }

    #[cfg(test)]
    pub(crate) fn is_empty(&self) -> bool {
        self.fields.is_empty() && self.hints.is_empty()
    }

    /// All that is dropped, for a header.
    pub(crate) fn all(&self) -> impl Iterator<Item = &str> {
        self.fields.iter().chain(&self.hints).map(AsRef::as_ref)
    }
}

fn add(names: &mut Vec<Cow<'static, str>>, name: Cow<'static, str>) {
    if names.len() < MOST && !names.contains(&name) {
        names.push(name);
    }
}

/// So many are named; a body can have a million unknown fields.
const MOST: usize = 32;
