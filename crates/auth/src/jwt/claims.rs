use serde_json::Value;
use tollgate_core::fact::Principal;

/// Which claims make a [`Principal`], each by its name or as a JSON pointer such as `/realm_access/roles`.
#[derive(Clone, Debug)]
pub(super) struct Claims {
    pub(super) key: String,
    pub(super) user: Option<String>,
    pub(super) team: Option<String>,
    pub(super) org: Option<String>,
    pub(super) roles: Option<String>,
    pub(super) tags: Option<String>,
    pub(super) models: Option<String>,
}

impl Claims {
    /// The principal of whom the claims speak, if they say all that they must.
    ///
    /// Who the caller is and what restricts it must be there: without it, the limits of its team would not hold for it.
    /// Roles and tags only add.
    pub(super) fn principal(&self, issuer: &str, claims: &Value) -> Option<Principal> {
        let key = name(claims, &self.key)?;
        // Two issuers may have given the same name to different people.
        let mut principal = Principal::new(format!("{issuer}:{key}"));
        if let Some(path) = &self.user {
            principal = principal.with_user(name(claims, path)?);
        }
        if let Some(path) = &self.team {
            principal = principal.with_team(name(claims, path)?);
        }
        if let Some(path) = &self.org {
            principal = principal.with_org(name(claims, path)?);
        }
        if let Some(path) = &self.models {
            principal = principal.with_models(names(find(claims, path)?)?);
        }
        if let Some(roles) = self.roles.as_deref().and_then(|path| find(claims, path)) {
            principal = principal.with_roles(names(roles)?);
        }
        if let Some(tags) = self.tags.as_deref().and_then(|path| find(claims, path)) {
            principal = principal.with_tags(names(tags)?);
        }
        Some(principal)
    }
}

impl Default for Claims {
    fn default() -> Self {
        Self {
            key: "sub".to_owned(),
            user: None,
            team: None,
            org: None,
            roles: None,
            tags: None,
            models: None,
        }
    }
}

fn find<'a>(claims: &'a Value, path: &str) -> Option<&'a Value> {
    if path.starts_with('/') {
        claims.pointer(path)
    } else {
        claims.get(path)
    }
}

fn name<'a>(claims: &'a Value, path: &str) -> Option<&'a str> {
    find(claims, path)?
        .as_str()
        .filter(|name| can_be_name(name))
}

/// A list of names, or a text of names with spaces between them, as `scope` is.
fn names(value: &Value) -> Option<Vec<&str>> {
    let names: Option<Vec<&str>> = match value {
        Value::String(text) => Some(text.split(' ').filter(|name| !name.is_empty()).collect()),
        Value::Array(list) => list.iter().map(Value::as_str).collect(),
        _ => None,
    };
    names.filter(|names| names.iter().all(|name| can_be_name(name)))
}

/// Names end up in records and in the keys of stores.
fn can_be_name(name: &str) -> bool {
    (1..=LONGEST).contains(&name.len()) && !name.chars().any(char::is_control)
}

/// As long as a `sub` may be (OpenID Connect Core, 2).
const LONGEST: usize = 255;
