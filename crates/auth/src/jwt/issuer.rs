use std::{fmt, sync::Arc, time::Duration};

use rustls::RootCertStore;
use serde_json::Value;
use tollgate_core::fact::Principal;

use super::{
    Algorithm,
    claims::Claims,
    lifetime::{Lifetime, Span},
    token::Token,
};
use crate::jwks::KeySource;

/// An issuer whose tokens are believed, and what of them.
///
/// Its keys come from where its discovery document says (`/.well-known/openid-configuration`), unless it is told
/// otherwise.
///
/// ```
/// use tollgate_auth::{Algorithm, Issuer, Jwt};
///
/// let corp = Issuer::new("https://login.example.com", ["https://llm.example.com"])
///     .algorithms([Algorithm::Rs256, Algorithm::Es256])
///     .named("corp")
///     .without_nbf()
///     .team("department")
///     .roles("/realm_access/roles");
/// let jwt = Jwt::new([corp]).unwrap();
/// # let _ = jwt;
/// ```
///
/// | option | what it does | default |
/// |---|---|---|
/// | [`keys`](Self::keys) | the keys themselves, as a JWK set | discovered |
/// | [`jwks_url`](Self::jwks_url) | where the JWK set is | discovered |
/// | [`source`](Self::source) | whom to ask for the JWK set | HTTPS |
/// | [`plain_http`](Self::plain_http) | whether keys may come over HTTP from other machines | no |
/// | [`roots`](Self::roots) | whose certificates the server of the keys may have | the web's |
/// | [`stale_for`](Self::stale_for) | how long keys are good that cannot be fetched again | 1 h |
/// | [`algorithms`](Self::algorithms) | how it signs | RS256 |
/// | [`typ`](Self::typ) | which `typ` its tokens must have | `JWT`, `at+jwt` or none |
/// | [`leeway`](Self::leeway) | how far clocks may be apart | 30 s |
/// | [`max_lifetime`](Self::max_lifetime) | how long a token may be good | 24 h |
/// | [`without_nbf`](Self::without_nbf) | whether tokens may lack `nbf` | no |
/// | [`named`](Self::named) | what it is called in the names of its callers | its `iss` |
/// | [`key`](Self::key) | the claim that names the caller | `sub` |
/// | [`user`](Self::user), [`team`](Self::team), [`org`](Self::org), [`models`](Self::models) | claims that a token must then have | none |
/// | [`roles`](Self::roles), [`tags`](Self::tags) | claims that a token may then have | none |
#[derive(Clone)]
pub struct Issuer {
    pub(super) iss: Arc<str>,
    pub(super) audiences: Vec<String>,
    pub(super) algorithms: Vec<Algorithm>,
    pub(super) keys: KeysFrom,
    pub(super) plain_http: bool,
    pub(super) roots: Option<Arc<RootCertStore>>,
    pub(super) stale_for: Duration,
    name: Option<String>,
    typ: Option<String>,
    lifetime: Lifetime,
    claims: Claims,
}

impl Issuer {
    /// The issuer of exactly this `iss`, whose tokens must be meant for one of these audiences.
    pub fn new<A: Into<String>>(
        iss: impl Into<Arc<str>>,
        audiences: impl IntoIterator<Item = A>,
    ) -> Self {
        Self {
            iss: iss.into(),
            audiences: audiences.into_iter().map(Into::into).collect(),
            algorithms: vec![Algorithm::Rs256],
            keys: KeysFrom::Discovery,
            plain_http: false,
            roots: None,
            stale_for: Duration::from_secs(60 * 60),
            name: None,
            typ: None,
            lifetime: Lifetime::default(),
            claims: Claims::default(),
        }
    }

    /// Sets the keys, as the text of a JWK set; nothing is fetched then.
    #[must_use]
    pub fn keys(mut self, json: impl Into<String>) -> Self {
        self.keys = KeysFrom::Text(json.into());
        self
    }

    /// Sets where the JWK set is.
    #[must_use]
    pub fn jwks_url(mut self, url: impl Into<String>) -> Self {
        self.keys = KeysFrom::Url(url.into());
        self
    }

    /// Sets whom to ask for the JWK set.
    #[must_use]
    pub fn source(mut self, source: impl KeySource) -> Self {
        self.keys = KeysFrom::Source(Arc::new(source));
        self
    }

    /// Lets keys come over plain HTTP from anywhere. Without it, only from this machine: whoever can change them on the
    /// way can be anybody.
    #[must_use]
    pub fn plain_http(mut self) -> Self {
        self.plain_http = true;
        self
    }

    /// Sets whose certificates the server of the keys may have, such as a company's own.
    #[must_use]
    pub fn roots(mut self, roots: impl Into<Arc<RootCertStore>>) -> Self {
        self.roots = Some(roots.into());
        self
    }

    /// Sets how long keys are good beyond their time while they cannot be fetched again. Then everybody with a token is
    /// told 503 `issuer_unavailable`.
    #[must_use]
    pub fn stale_for(mut self, time: Duration) -> Self {
        self.stale_for = time;
        self
    }

    /// Sets how the issuer signs. A key that does not say what it is for is for the first of these that it fits.
    #[must_use]
    pub fn algorithms(mut self, algorithms: impl IntoIterator<Item = Algorithm>) -> Self {
        self.algorithms = algorithms.into_iter().collect();
        self
    }

    /// Sets which `typ` tokens must have, such as `at+jwt` (RFC 9068).
    #[must_use]
    pub fn typ(mut self, typ: impl Into<String>) -> Self {
        self.typ = Some(typ.into());
        self
    }

    /// Sets how far the clocks may be apart.
    #[must_use]
    pub fn leeway(mut self, leeway: Duration) -> Self {
        self.lifetime.leeway = leeway;
        self
    }

    /// Sets how long a token may be good, from its `iat`, else its `nbf`, else now.
    #[must_use]
    pub fn max_lifetime(mut self, lifetime: Duration) -> Self {
        self.lifetime.max = lifetime;
        self
    }

    /// Lets tokens lack `nbf`, as those of many issuers do. One that is there still counts.
    #[must_use]
    pub fn without_nbf(mut self) -> Self {
        self.lifetime.needs_nbf = false;
        self
    }

    /// Sets what stands before the colon in the names of callers, instead of the `iss`.
    #[must_use]
    pub fn named(mut self, name: impl Into<String>) -> Self {
        self.name = Some(name.into());
        self
    }

    /// Sets the claim that names the caller, which is then known as `issuer:name`. A claim is given by its name, or as
    /// a JSON pointer such as `/realm_access/roles`.
    #[must_use]
    pub fn key(mut self, claim: impl Into<String>) -> Self {
        self.claims.key = claim.into();
        self
    }

    /// Sets the claim that names the user. Users, teams and organisations are the same whichever issuer names them.
    #[must_use]
    pub fn user(mut self, claim: impl Into<String>) -> Self {
        self.claims.user = Some(claim.into());
        self
    }

    /// Sets the claim that names the team.
    #[must_use]
    pub fn team(mut self, claim: impl Into<String>) -> Self {
        self.claims.team = Some(claim.into());
        self
    }

    /// Sets the claim that names the organisation.
    #[must_use]
    pub fn org(mut self, claim: impl Into<String>) -> Self {
        self.claims.org = Some(claim.into());
        self
    }

    /// Sets the claim that lists the roles, as a list or as one text with spaces between.
    #[must_use]
    pub fn roles(mut self, claim: impl Into<String>) -> Self {
        self.claims.roles = Some(claim.into());
        self
    }

    /// Sets the claim that lists the tags.
    #[must_use]
    pub fn tags(mut self, claim: impl Into<String>) -> Self {
        self.claims.tags = Some(claim.into());
        self
    }

    /// Sets the claim that lists patterns of the models that may be called.
    #[must_use]
    pub fn models(mut self, claim: impl Into<String>) -> Self {
        self.claims.models = Some(claim.into());
        self
    }

    pub(super) fn name(&self) -> &str {
        self.name.as_deref().unwrap_or(&self.iss)
    }

    /// Whether a caller of the one can have the name of a caller of the other: `a:b` and `c`, or `a` and `b:c`.
    pub(super) fn could_name(&self, other: &Self) -> bool {
        let begins = |long: &str, short: &str| {
            let rest = long.strip_prefix(short);
            rest.is_some_and(|rest| rest.starts_with(':'))
        };
        begins(self.name(), other.name()) || begins(other.name(), self.name())
    }

    /// Whom a token is about and when it is good, if it was signed by a key of this issuer.
    pub(super) fn accept(&self, token: &Token<'_>, now: i64) -> Option<(Principal, Span)> {
        let claims = &token.claims;
        let fits = self.algorithms.contains(&token.algorithm)
            && self.is_our_typ(token.typ.as_deref())
            && self.is_our_audience(claims.get("aud")?)
            // It is bound to a key of the caller's (RFC 7800) that nobody here has seen.
            && claims.get("cnf").is_none();
        let span = self.lifetime.span(claims, now)?;
        if !fits || !span.covers(now) {
            return None;
        }
        Some((self.claims.principal(self.name(), claims)?, span))
    }

    fn is_our_typ(&self, typ: Option<&str>) -> bool {
        // RFC 7515, 4.1.9: what goes without saying, and in any case of letters.
        let typ = typ.map(|typ| typ.to_ascii_lowercase());
        let typ = typ
            .as_deref()
            .map(|typ| typ.strip_prefix("application/").unwrap_or(typ));
        match &self.typ {
            Some(ours) => typ.is_some_and(|typ| typ.eq_ignore_ascii_case(ours)),
            None => matches!(typ, None | Some("jwt" | "at+jwt")),
        }
    }

    fn is_our_audience(&self, aud: &Value) -> bool {
        let ours = |aud: &str| self.audiences.iter().any(|ours| ours == aud);
        match aud {
            Value::String(aud) => ours(aud),
            Value::Array(list) => {
                list.iter().all(Value::is_string) && list.iter().filter_map(Value::as_str).any(ours)
            }
            _ => false,
        }
    }
}

// A source may know secrets, and need not have a redacted `Debug`.
impl fmt::Debug for Issuer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Issuer")
            .field("iss", &self.iss)
            .field("audiences", &self.audiences)
            .field("algorithms", &self.algorithms)
            .field("claims", &self.claims)
            .finish_non_exhaustive()
    }
}

/// Where the keys come from.
#[derive(Clone)]
pub(super) enum KeysFrom {
    Discovery,
    Source(Arc<dyn KeySource>),
    Text(String),
    Url(String),
}
