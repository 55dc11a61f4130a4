mod algorithm;
mod claims;
mod invalid_issuer;
mod issuer;
mod lifetime;
mod token;
mod verified;

use std::{
    fmt,
    future::Future,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use http::StatusCode;
use tollgate_core::Rejection;

use self::{
    issuer::KeysFrom,
    token::Token,
    verified::{Entry, Verified},
};
use crate::{
    Check, Credential, Verdict, Verifier,
    jwks::{Found, HttpSource, Jwks, KeySource, Patience, Refresh},
};

pub use self::{algorithm::Algorithm, invalid_issuer::InvalidIssuer, issuer::Issuer};

/// Believes the signed tokens (JWT, RFC 7519) of some issuers, such as those of OpenID Connect.
///
/// Whatever is wrong with a token, the verdict is the same: it is unknown. Only when an issuer's keys cannot be had at
/// all it is 503 `issuer_unavailable`. Clones share the keys and what was verified.
///
/// ```
/// use tollgate_auth::{ApiKeys, AuthLayer, Issuer, Jwt, Verifier};
///
/// let keys = ApiKeys::new();
/// let jwt = Jwt::new([Issuer::new("https://login.example.com", ["llm"])])?;
/// let layer = AuthLayer::new(keys.or(jwt));
/// # let _ = layer;
/// # Ok::<_, tollgate_auth::InvalidIssuer>(())
/// ```
#[derive(Clone)]
pub struct Jwt(Arc<Shared>);

impl Jwt {
    /// Believes these issuers. Their keys are fetched when the first token comes.
    ///
    /// # Errors
    /// When an issuer can have no good token, two have the same `iss` or name, callers of two could have the same name, or keys
    /// would come from where they may not.
    pub fn new(issuers: impl IntoIterator<Item = Issuer>) -> Result<Self, InvalidIssuer> {
        let mut trusted: Vec<Trusted> = Vec::new();
        for issuer in issuers {
            // Of one name, the caller `a` of one would be the caller `a` of the other.
            let is_same = |known: &Issuer| known.iss == issuer.iss || known.name() == issuer.name();
            if trusted.iter().any(|known| is_same(&known.issuer)) {
                return Err(InvalidIssuer::Twice);
            }
            if trusted.iter().any(|known| known.issuer.could_name(&issuer)) {
                return Err(InvalidIssuer::Names);
            }
            trusted.push(Trusted::new(issuer)?);
        }
        Ok(Self(Arc::new(Shared {
            trusted: trusted.into(),
            verified: Arc::new(Verified::new(4096)),
            clock: Arc::new(SystemTime::now),
        })))
    }

    /// Sets how many verified tokens are remembered; with none, each signature is checked at each request.
    #[must_use]
    pub fn remember(mut self, tokens: usize) -> Self {
        Arc::make_mut(&mut self.0).verified = Arc::new(Verified::new(tokens));
        self
    }

    /// Sets what tells the time, against which tokens begin and expire.
    #[must_use]
    pub fn clock(mut self, clock: impl Fn() -> SystemTime + Send + Sync + 'static) -> Self {
        Arc::make_mut(&mut self.0).clock = Arc::new(clock);
        self
    }
}

impl Verifier for Jwt {
    type Later = JwtFuture;

    fn verify(&self, credential: &Credential<'_>) -> Check<JwtFuture> {
        match self.0.judge(credential.secret(), Patience::Some) {
            Judgement::Verdict(verdict) => Check::Now(verdict),
            Judgement::After(refresh) => {
                let shared = Arc::clone(&self.0);
                let credential = credential.clone().into_owned();
                Check::Later(JwtFuture(Box::pin(async move {
                    refresh.ended().await;
                    match shared.judge(credential.secret(), Patience::None) {
                        Judgement::Verdict(verdict) => verdict,
                        Judgement::After(_) => Verdict::Unknown,
                    }
                })))
            }
        }
    }
}

impl fmt::Debug for Jwt {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let issuers: Vec<_> = self.0.trusted.iter().map(|it| &it.issuer).collect();
        f.debug_struct("Jwt")
            .field("issuers", &issuers)
            .finish_non_exhaustive()
    }
}

/// The later verdict of [`Jwt`]: keys are being fetched.
pub struct JwtFuture(Pin<Box<dyn Future<Output = Verdict> + Send>>);

impl Future for JwtFuture {
    type Output = Verdict;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Verdict> {
        self.0.as_mut().poll(cx)
    }
}

impl fmt::Debug for JwtFuture {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("JwtFuture").finish_non_exhaustive()
    }
}

#[derive(Clone)]
struct Shared {
    trusted: Arc<[Trusted]>,
    verified: Arc<Verified>,
    clock: Arc<dyn Fn() -> SystemTime + Send + Sync>,
}

impl Shared {
    fn judge(&self, text: &str, patience: Patience) -> Judgement {
        if !Token::is_like(text) {
            return Judgement::UNKNOWN;
        }
        let now = self.now();
        let digest = Verified::digest(text);
        if let Some(entry) = self.verified.find(&digest)
            && self.is_still_good(&entry, now, patience)
        {
            return Judgement::Verdict(Verdict::Known(entry.principal.clone()));
        }
        let Some(token) = Token::parse(text) else {
            return Judgement::UNKNOWN;
        };
        let iss = token.claims.get("iss").and_then(|iss| iss.as_str());
        let issuer = self
            .trusted
            .iter()
            .position(|it| Some(&*it.issuer.iss) == iss);
        let Some((issuer, trusted)) = issuer.and_then(|at| Some((at, self.trusted.get(at)?)))
        else {
            return Judgement::UNKNOWN;
        };
        // The claims go first: they cost less than a signature, and what they refuse fetches no keys.
        let Some((principal, span)) = trusted.issuer.accept(&token, now) else {
            return Judgement::UNKNOWN;
        };
        let kid = token.kid.as_deref();
        let key = match trusted.keys.find(kid, token.algorithm, patience) {
            Found::Key(key) => key,
            Found::Nothing => return Judgement::UNKNOWN,
            Found::After(refresh) => return Judgement::After(refresh),
            Found::Unavailable(wait) => return Judgement::Verdict(unavailable(wait)),
        };
        if !key.has_signed(token.message, token.signature) {
            return Judgement::UNKNOWN;
        }
        self.verified.keep(Entry {
            digest,
            issuer,
            algorithm: token.algorithm,
            kid: token.kid,
            key,
            span,
            principal: principal.clone(),
        });
        Judgement::Verdict(Verdict::Known(principal))
    }

    /// Whether the token is in its time, and its issuer has not given up the key since.
    fn is_still_good(&self, entry: &Entry, now: i64, patience: Patience) -> bool {
        let Some(trusted) = self.trusted.get(entry.issuer) else {
            return false;
        };
        let found = trusted
            .keys
            .find(entry.kid.as_deref(), entry.algorithm, patience);
        entry.span.covers(now) && matches!(found, Found::Key(key) if Arc::ptr_eq(&key, &entry.key))
    }

    /// Seconds since 1970; a clock before that finds no token good.
    fn now(&self) -> i64 {
        let since = (self.clock)().duration_since(UNIX_EPOCH);
        since.map_or(-1, |since| {
            i64::try_from(since.as_secs()).unwrap_or(i64::MAX)
        })
    }
}

struct Trusted {
    issuer: Issuer,
    keys: Jwks,
}

impl Trusted {
    fn new(issuer: Issuer) -> Result<Self, InvalidIssuer> {
        if issuer.iss.is_empty() || issuer.audiences.is_empty() || issuer.algorithms.is_empty() {
            return Err(InvalidIssuer::Incomplete);
        }
        let algorithms = issuer.algorithms.clone();
        let (plain, roots) = (issuer.plain_http, issuer.roots.clone());
        let http = |source: Option<HttpSource>| match source {
            Some(source) => Ok(Arc::new(source) as Arc<dyn KeySource>),
            None => Err(InvalidIssuer::Url),
        };
        let source = match &issuer.keys {
            KeysFrom::Text(json) => {
                let keys = Jwks::fixed(json, algorithms).ok_or(InvalidIssuer::Keys)?;
                return Ok(Self { issuer, keys });
            }
            KeysFrom::Source(source) => Arc::clone(source),
            KeysFrom::Url(url) => http(HttpSource::of_keys(url, plain, roots))?,
            KeysFrom::Discovery => http(HttpSource::of_issuer(&issuer.iss, plain, roots))?,
        };
        let iss = Arc::clone(&issuer.iss);
        let keys = Jwks::fetched(iss, source, algorithms, issuer.stale_for);
        Ok(Self { issuer, keys })
    }
}

enum Judgement {
    Verdict(Verdict),
    /// When the keys are there, it is to be judged again.
    After(Refresh),
}

impl Judgement {
    const UNKNOWN: Self = Self::Verdict(Verdict::Unknown);
}

fn unavailable(wait: Duration) -> Verdict {
    let rejection = Rejection::new(
        StatusCode::SERVICE_UNAVAILABLE,
        "issuer_unavailable",
        "the keys of the token's issuer cannot be had at the moment",
    );
    Verdict::Refused(rejection.with_retry_after(wait))
}
