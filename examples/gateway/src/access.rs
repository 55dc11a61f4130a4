use std::fs;

use http::HeaderName;
use tollgate::{
    auth::{ApiKeys, AuthLayer, Issuer, Jwt, KeyRing, Or, Subject, Verdict, Verifier, Within},
    core::fact::{Certificate, Principal},
};

use crate::{
    Error,
    config::{self, CertificateName, Config},
};

/// Whoever may know a credential: the configured keys, those in the database, and the issuers of tokens. Keys of the
/// database are bound to its groups already.
pub(crate) type Verifiers = Or<Or<Within<ApiKeys>, Option<KeyRing>>, Within<Option<Jwt>>>;

/// How callers are known.
pub(crate) fn auth(config: &Config, ring: Option<KeyRing>) -> Result<AuthLayer<Verifiers>, Error> {
    let mut keys = ApiKeys::new();
    for key in &config.keys {
        keys = keys.with_digest(key.digest()?, key.principal());
    }
    let tokens = tokens(&config.auth.issuers)?.within(ring.clone());
    let verifiers = keys.within(ring.clone()).or(ring.clone()).or(tokens);
    // Each SDK sends its key in a header of its own.
    let mut layer = AuthLayer::new(verifiers).headers(KEY_HEADERS);
    if let Some(certificates) = &config.auth.certificates {
        let (identity, team, org) = (
            certificates.identity,
            certificates.team.clone(),
            certificates.org.clone(),
        );
        layer = layer
            .certificates(move |shown| {
                let holder = holder(shown, identity, team.as_deref(), org.as_deref());
                match (holder, &ring) {
                    (Some(holder), Some(ring)) => ring.bind(holder),
                    (holder, _) => Verdict::from(holder),
                }
            })
            // A client may show a certificate to the network, and a key to us.
            .credential_over_certificate();
    }
    Ok(if config.auth.anonymous {
        layer.anonymous(Principal::new("anonymous"))
    } else {
        layer
    })
}

/// Who believes tokens, if any are to be believed.
pub(crate) fn tokens(issuers: &[config::Issuer]) -> Result<Option<Jwt>, Error> {
    if issuers.is_empty() {
        return Ok(None);
    }
    let mut all = Vec::new();
    for configured in issuers {
        let mut issuer = Issuer::new(&*configured.issuer, configured.audience.as_slice())
            .algorithms(configured.algorithms.iter().copied())
            .leeway(configured.leeway);
        if let Some(url) = &configured.jwks_url {
            issuer = issuer.jwks_url(url);
        }
        if let Some(path) = &configured.jwks_file {
            let text = fs::read_to_string(path)
                .map_err(|error| format!("cannot read {}: {error}", path.display()))?;
            issuer = issuer.keys(text);
        }
        if let Some(name) = &configured.name {
            issuer = issuer.named(name);
        }
        if configured.without_nbf {
            issuer = issuer.without_nbf();
        }
        let claims = &configured.claims;
        let set: [(&Option<String>, fn(Issuer, &str) -> Issuer); 7] = [
            (&claims.key, |issuer, claim| issuer.key(claim)),
            (&claims.user, |issuer, claim| issuer.user(claim)),
            (&claims.team, |issuer, claim| issuer.team(claim)),
            (&claims.org, |issuer, claim| issuer.org(claim)),
            (&claims.roles, |issuer, claim| issuer.roles(claim)),
            (&claims.tags, |issuer, claim| issuer.tags(claim)),
            (&claims.models, |issuer, claim| issuer.models(claim)),
        ];
        for (claim, set) in set {
            if let Some(claim) = claim {
                issuer = set(issuer, claim);
            }
        }
        // Of one alone it is known which one is wrong.
        Jwt::new([issuer.clone()]).map_err(|error| {
            format!("the issuer `{}` cannot be used: {error}", configured.issuer)
        })?;
        all.push(issuer);
    }
    Ok(Some(Jwt::new(all)?))
}

/// Whose certificate it is, by one of its names.
fn holder(
    shown: &Certificate,
    identity: CertificateName,
    team: Option<&str>,
    org: Option<&str>,
) -> Option<Principal> {
    let subject = Subject::of(shown)?;
    let name = match identity {
        CertificateName::CommonName => subject.common_name(),
        CertificateName::Dns => only(subject.dns_names()),
        CertificateName::Uri => only(subject.uris()),
    }?;
    // Not to be mistaken for a key of that name.
    let mut principal = Principal::new(format!("certificate {name}")).with_user(name);
    if let Some(team) = team {
        principal = principal.with_team(team);
    }
    if let Some(org) = org {
        principal = principal.with_org(org);
    }
    Some(principal)
}

/// The one name that there is. Of several, or of a `*`, nobody knows whose it is.
fn only<'a>(mut names: impl Iterator<Item = &'a str>) -> Option<&'a str> {
    let name = names.next().filter(|name| !name.contains('*'))?;
    names.next().is_none().then_some(name)
}

/// Where the SDKs of Anthropic, Gemini and Azure put their keys; OpenAI's is `Authorization`.
const KEY_HEADERS: [HeaderName; 3] = [
    HeaderName::from_static("x-api-key"),
    HeaderName::from_static("x-goog-api-key"),
    HeaderName::from_static("api-key"),
];
