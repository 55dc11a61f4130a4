use std::{net::IpAddr, sync::Arc};

use serde::{Deserialize, Serialize};

use super::{Allotment, Permissions};

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
    #[serde(skip_serializing_if = "<[_]>::is_empty")]
    tags: Arc<[Arc<str>]>,
    #[serde(skip)]
    permissions: Vec<Arc<Permissions>>,
    #[serde(skip)]
    allotments: Vec<Allotment>,
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
            tags: Arc::default(),
            permissions: Vec::new(),
            allotments: Vec::new(),
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
        Arc::make_mut(&mut self.0).roles = shared(roles);
        self
    }

    /// Sets the tags, for limits and reports.
    #[must_use]
    pub fn with_tags<T: Into<Arc<str>>>(mut self, tags: impl IntoIterator<Item = T>) -> Self {
        Arc::make_mut(&mut self.0).tags = shared(tags);
        self
    }

    /// Restricts the models that may be called; without it, all may. A `*` stands for any run of characters.
    #[must_use]
    pub fn with_models<M: Into<String>>(self, models: impl IntoIterator<Item = M>) -> Self {
        self.with_permissions(Permissions {
            models: Some(models.into_iter().map(Into::into).collect()),
            ..Permissions::default()
        })
    }

    /// Restricts what the caller may do, beyond what restricts it already.
    #[must_use]
    pub fn with_permissions(mut self, permissions: impl Into<Arc<Permissions>>) -> Self {
        let permissions = permissions.into();
        Arc::make_mut(&mut self.0).permissions.push(permissions);
        self
    }

    /// Adds what one of the accounts may use that the caller belongs to.
    #[must_use]
    pub fn with_allotment(mut self, allotment: Allotment) -> Self {
        Arc::make_mut(&mut self.0).allotments.push(allotment);
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

    /// The tags.
    #[must_use]
    pub fn tags(&self) -> &[Arc<str>] {
        &self.0.tags
    }

    /// What restricts the caller. All must allow a thing.
    #[must_use]
    pub fn permissions(&self) -> &[Arc<Permissions>] {
        &self.0.permissions
    }

    /// What the accounts may use that the caller belongs to. All of them pay for a call.
    #[must_use]
    pub fn allotments(&self) -> &[Allotment] {
        &self.0.allotments
    }

    /// Whether a model may be called.
    #[must_use]
    pub fn may_call(&self, model: &str) -> bool {
        self.all(|permissions| permissions.allow_model(model))
    }

    /// Whether a path may be asked for by a method.
    #[must_use]
    pub fn may_use(&self, method: &str, path: &str) -> bool {
        self.all(|permissions| permissions.allow_route(method, path))
    }

    /// Whether the caller may call from this address.
    #[must_use]
    pub fn may_come_from(&self, address: IpAddr) -> bool {
        self.all(|permissions| permissions.allow_address(address))
    }

    /// Whether some address would be refused.
    #[must_use]
    pub fn is_bound_to_networks(&self) -> bool {
        let mut permissions = self.0.permissions.iter();
        permissions.any(|permissions| permissions.networks.is_some())
    }

    fn all(&self, allow: impl Fn(&Permissions) -> bool) -> bool {
        self.0
            .permissions
            .iter()
            .all(|permissions| allow(permissions))
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

/// Most have none, and then nothing of their own: there may be very many principals.
fn shared<T: Into<Arc<str>>>(texts: impl IntoIterator<Item = T>) -> Arc<[Arc<str>]> {
    let texts: Vec<_> = texts.into_iter().map(Into::into).collect();
    match texts.is_empty() {
        true => Arc::default(),
        false => texts.into(),
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
