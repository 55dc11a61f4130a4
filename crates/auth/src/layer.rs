use std::{
    fmt,
    future::Future,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll, ready},
};

use http::{HeaderMap, HeaderName, header::AUTHORIZATION, request::Parts};
use pin_project_lite::pin_project;
use tollgate_core::{
    Admission, Gate, GateLayer, GateService, Rejection, Trail,
    fact::{Certificate, Peer, Principal},
};
use tower_layer::Layer;

use crate::{Check, Verdict, Verifier, challenge::Challenge, credential::Presented};

/// Lets in whom its [`Verifier`] knows, and tells all layers further in who it is.
///
/// They find a [`Principal`] among the request's extensions and in its [`Trail`]. Clones share the verifier.
///
/// | option | what it does | default |
/// |---|---|---|
/// | [`headers`](Self::headers) | which headers may carry a key, beside `Authorization: Bearer` | `x-api-key` |
/// | [`realm`](Self::realm) | what `WWW-Authenticate` calls this place | `tollgate` |
/// | [`anonymous`](Self::anonymous) | who is everybody that sends no credential | nobody: 401 |
/// | [`certificates`](Self::certificates) | who is it that shows a certificate and sends no credential | not looked at |
/// | [`credential_over_certificate`](Self::credential_over_certificate) | whether who shows a certificate may send a credential too | no: 400 |
pub struct AuthLayer<V> {
    verifier: Arc<V>,
    names: Arc<[HeaderName]>,
    challenge: Arc<Challenge>,
    anonymous: Option<Principal>,
    certificates: Option<Arc<WhoseCertificate>>,
    credential_over_certificate: bool,
}

type WhoseCertificate = dyn Fn(&Certificate) -> Verdict + Send + Sync;

impl<V> AuthLayer<V> {
    /// A layer that asks `verifier`.
    pub fn new(verifier: V) -> Self {
        Self {
            verifier: Arc::new(verifier),
            names: Arc::new([AUTHORIZATION, X_API_KEY]),
            challenge: Arc::new(Challenge::new("tollgate")),
            anonymous: None,
            certificates: None,
            credential_over_certificate: false,
        }
    }

    /// Sets the headers that may carry a key as they are, such as `x-api-key`, `x-goog-api-key` or `api-key`.
    #[must_use]
    pub fn headers(self, names: impl IntoIterator<Item = HeaderName>) -> Self {
        let mut all = vec![AUTHORIZATION];
        for name in names {
            // A name twice over would be two credentials.
            if !all.contains(&name) {
                all.push(name);
            }
        }
        Self {
            names: all.into(),
            ..self
        }
    }

    /// Sets what `WWW-Authenticate` calls this place.
    #[must_use]
    pub fn realm(self, realm: &str) -> Self {
        Self {
            challenge: Arc::new(Challenge::new(realm)),
            ..self
        }
    }

    /// Lets in who sends no credential at all, as this principal. A wrong one is still refused.
    #[must_use]
    pub fn anonymous(self, principal: Principal) -> Self {
        Self {
            anonymous: Some(principal),
            ..self
        }
    }

    /// Finds out whose certificate it is that a [`Peer`] has shown and that its connection's acceptor has verified. It
    /// counts as a credential, so who sends another one beside it is refused, and a certificate of nobody is a wrong one.
    ///
    /// The closure returns an `Option<Principal>`, or a [`Verdict`] such as that of [`KeyRing::bind`](crate::KeyRing::bind).
    #[must_use]
    pub fn certificates<T: Into<Verdict>>(
        self,
        whose: impl Fn(&Certificate) -> T + Send + Sync + 'static,
    ) -> Self {
        Self {
            certificates: Some(Arc::new(move |shown| whose(shown).into())),
            ..self
        }
    }

    /// Lets who shows a certificate send a credential too, which then decides alone: as behind a proxy that has a
    /// certificate of its own.
    #[must_use]
    pub fn credential_over_certificate(self) -> Self {
        Self {
            credential_over_certificate: true,
            ..self
        }
    }

    /// Whom the certificate of a request's connection names, if one was shown and any are looked at.
    fn certified(&self, parts: &Parts) -> Option<Verdict> {
        let whose = self.certificates.as_ref()?;
        Some(whose(certificate(parts)?))
    }

    /// Whether a credential that was sent is the second one, beside a certificate.
    fn is_one_too_many(&self, parts: &Parts) -> bool {
        let counts = self.certificates.is_some() && !self.credential_over_certificate;
        counts && certificate(parts).is_some()
    }
}

impl<S, V> Layer<S> for AuthLayer<V> {
    type Service = GateService<S, Self>;

    fn layer(&self, inner: S) -> Self::Service {
        GateLayer::new(self.clone()).layer(inner)
    }
}

impl<V: Verifier> Gate for AuthLayer<V> {
    type Observer = ();
    type Later = AuthFuture<V::Later>;

    fn admit(&self, mut parts: Parts) -> Admission<(), Self::Later> {
        remove_internal(&mut parts.headers);
        let (name, check) = match Presented::in_headers(&parts.headers, &self.names) {
            Presented::One(..) if self.is_one_too_many(&parts) => {
                let why = "a credential was sent beside a certificate";
                return Admission::Now(Err(self.challenge.unclear(why)));
            }
            Presented::One(name, credential) => (name, self.verifier.verify(&credential)),
            Presented::Nothing => {
                return Admission::Now(match (self.certified(&parts), &self.anonymous) {
                    (Some(verdict), _) => conclude(verdict, parts, &self.challenge),
                    (None, Some(principal)) => Ok(admitted(parts, principal.clone())),
                    (None, None) => Err(self.challenge.missing()),
                });
            }
            // RFC 6750, 3.1: a scheme that is not served counts as nothing sent, but it is not anonymous.
            Presented::OtherScheme => return Admission::Now(Err(self.challenge.missing())),
            Presented::Invalid(why) => return Admission::Now(Err(self.challenge.unclear(why))),
        };
        if let Some(value) = parts.headers.get_mut(name) {
            value.set_sensitive(true);
        }
        match check {
            Check::Now(verdict) => Admission::Now(conclude(verdict, parts, &self.challenge)),
            Check::Later(later) => Admission::Later(AuthFuture {
                later,
                parts: Some(parts),
                challenge: Arc::clone(&self.challenge),
            }),
        }
    }
}

impl<V> Clone for AuthLayer<V> {
    fn clone(&self) -> Self {
        Self {
            verifier: Arc::clone(&self.verifier),
            names: Arc::clone(&self.names),
            challenge: Arc::clone(&self.challenge),
            anonymous: self.anonymous.clone(),
            certificates: self.certificates.clone(),
            credential_over_certificate: self.credential_over_certificate,
        }
    }
}

// A verifier may know secrets, and need not have a redacted `Debug`.
impl<V> fmt::Debug for AuthLayer<V> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("AuthLayer")
            .field("headers", &self.names)
            .field("anonymous", &self.anonymous)
            .finish_non_exhaustive()
    }
}

pin_project! {
    /// The later decision of an [`AuthLayer`].
    pub struct AuthFuture<F> {
        #[pin]
        later: F,
        parts: Option<Parts>,
        challenge: Arc<Challenge>,
    }
}

impl<F: Future<Output = Verdict>> Future for AuthFuture<F> {
    type Output = Result<(Parts, ()), Rejection>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let this = self.project();
        let verdict = ready!(this.later.poll(cx));
        let parts = this.parts.take().expect("polled after completion");
        Poll::Ready(conclude(verdict, parts, this.challenge))
    }
}

impl<F> fmt::Debug for AuthFuture<F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("AuthFuture").finish_non_exhaustive()
    }
}

fn conclude(
    verdict: Verdict,
    parts: Parts,
    challenge: &Challenge,
) -> Result<(Parts, ()), Rejection> {
    match verdict {
        Verdict::Known(principal) => Ok(admitted(parts, principal)),
        Verdict::Unknown => Err(challenge.wrong()),
        Verdict::Refused(rejection) => Err(rejection),
    }
}

fn certificate(parts: &Parts) -> Option<&Certificate> {
    parts.extensions.get::<Peer>()?.certificate.as_ref()
}

fn admitted(mut parts: Parts, principal: Principal) -> (Parts, ()) {
    Trail::of(&mut parts).set(principal.clone());
    parts.extensions.insert(principal);
    (parts, ())
}

/// `x-tollgate-…` is how we speak among ourselves: from outside it would be a lie.
fn remove_internal(headers: &mut HeaderMap) {
    let internal = |name: &&HeaderName| name.as_str().starts_with("x-tollgate-");
    let names: Vec<HeaderName> = headers.keys().filter(internal).cloned().collect();
    for name in names {
        headers.remove(name);
    }
}

const X_API_KEY: HeaderName = HeaderName::from_static("x-api-key");
