use std::sync::Arc;

use serde::{Deserialize, Serialize};

/// Who is calling, as authentication found out.
///
/// ```
/// use tollgate_core::fact::Principal;
///
/// let principal = Principal::new("key-1").with_team("search").with_org("acme");
/// assert_eq!(principal.tenant(), "acme");
/// ```
#[derive(Clone, Debug, Eq, PartialEq, Serialize)]
#[serde(transparent)]
pub struct Principal(Arc<Identity>);

#[derive(Clone, Debug, Eq, PartialEq, Serialize)]
struct Identity {
    key: Arc<str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    user: Option<Arc<str>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    team: Option<Arc<str>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    org: Option<Arc<str>>,
    #[serde(skip_serializing_if = "<[_]>::is_empty")]
    roles: Arc<[Arc<str>]>,
    #[serde(skip)]
    models: Option<Arc<[Arc<str>]>>,
    #[serde(skip)]
    clearance: Option<Clearance>,
}

impl Principal {
    /// The holder of a credential, by the credential's public name; never the secret itself.
    pub fn new(key: impl Into<Arc<str>>) -> Self {
        Self(Arc::new(Identity {
            key: key.into(),
            user: None,
            team: None,
            org: None,
            roles: Arc::default(),
            models: None,
            clearance: None,
        }))
    }

    /// Names the user.
    #[must_use]
    pub fn with_user(mut self, user: impl Into<Arc<str>>) -> Self {
        Arc::make_mut(&mut self.0).user = Some(user.into());
        self
    }

    /// Names the team.
    #[must_use]
    pub fn with_team(mut self, team: impl Into<Arc<str>>) -> Self {
        Arc::make_mut(&mut self.0).team = Some(team.into());
        self
    }

    /// Names the organisation.
    #[must_use]
    pub fn with_org(mut self, org: impl Into<Arc<str>>) -> Self {
        Arc::make_mut(&mut self.0).org = Some(org.into());
        self
    }

    /// Sets the roles.
    #[must_use]
    pub fn with_roles<R: Into<Arc<str>>>(mut self, roles: impl IntoIterator<Item = R>) -> Self {
        Arc::make_mut(&mut self.0).roles = roles.into_iter().map(Into::into).collect();
        self
    }

    /// Restricts the models that may be called; without it, all may. A `*` stands for any run of characters.
    #[must_use]
    pub fn with_models<M: Into<Arc<str>>>(mut self, models: impl IntoIterator<Item = M>) -> Self {
        Arc::make_mut(&mut self.0).models = Some(models.into_iter().map(Into::into).collect());
        self
    }

    /// Says how confidential the caller's data is.
    #[must_use]
    pub fn with_clearance(mut self, clearance: Clearance) -> Self {
        Arc::make_mut(&mut self.0).clearance = Some(clearance);
        self
    }

    /// The credential's public name.
    #[must_use]
    pub fn key(&self) -> &str {
        &self.0.key
    }

    /// The user.
    #[must_use]
    pub fn user(&self) -> Option<&str> {
        self.0.user.as_deref()
    }

    /// The team.
    #[must_use]
    pub fn team(&self) -> Option<&str> {
        self.0.team.as_deref()
    }

    /// The organisation.
    #[must_use]
    pub fn org(&self) -> Option<&str> {
        self.0.org.as_deref()
    }

    /// The roles.
    #[must_use]
    pub fn roles(&self) -> &[Arc<str>] {
        &self.0.roles
    }

    /// The patterns of models that may be called; all if there are none.
    #[must_use]
    pub fn models(&self) -> Option<&[Arc<str>]> {
        self.0.models.as_deref()
    }

    /// Whether a model may be called.
    #[must_use]
    pub fn may_call(&self, model: &str) -> bool {
        self.models()
            .is_none_or(|patterns| patterns.iter().any(|pattern| matches(pattern, model)))
    }

    /// How confidential the caller's data is.
    #[must_use]
    pub fn clearance(&self) -> Option<Clearance> {
        self.0.clearance
    }

    /// Whose data it is: the organisation's, else the team's, the user's, the key's.
    #[must_use]
    pub fn tenant(&self) -> &str {
        self.tenant_arc()
    }

    /// The same as [`tenant`](Self::tenant), to keep.
    #[must_use]
    pub fn tenant_arc(&self) -> &Arc<str> {
        let it = &*self.0;
        let named = it.org.as_ref().or(it.team.as_ref()).or(it.user.as_ref());
        named.unwrap_or(&it.key)
    }
}

/// How confidential data is, or may be at a place, in rising order.
#[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd, Deserialize, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Clearance {
    /// Anybody may read it.
    Public,
    /// For those inside.
    Internal,
    /// For those who need it.
    Confidential,
    /// For those who are named.
    Restricted,
}

/// Whether a pattern with `*` covers a name, in time linear in both for each `*` but the last.
fn matches(pattern: &str, name: &str) -> bool {
    let Some((head, rest)) = pattern.split_once('*') else {
        return pattern == name;
    };
    let Some(mut name) = name.strip_prefix(head) else {
        return false;
    };
    let mut pieces = rest.split('*').peekable();
    while let Some(piece) = pieces.next() {
        if pieces.peek().is_none() {
            return name.ends_with(piece);
        }
        match name.find(piece) {
            Some(at) => name = &name[at + piece.len()..],
            None => return false,
        }
    }
    true
}

#[cfg(test)]
mod tests {
    use super::matches;

    #[test]
    fn a_star_stands_for_any_run_of_characters() {
        for (pattern, name, expected) in [
            ("gpt-4o", "gpt-4o", true),
            ("gpt-4o", "gpt-4o-mini", false),
            ("gpt-*", "gpt-4o", true),
            ("gpt-*", "gpt-", true),
            ("*-mini", "gpt-4o-mini", true),
            ("*-mini", "mini", false),
            ("a*b*c", "a-b-b-c", true),
            ("a*b*c", "a-c-b", false),
            ("ab*ba", "aba", false),
            ("*", "", true),
        ] {
            assert_eq!(matches(pattern, name), expected, "{pattern} {name}");
        }
    }
}
