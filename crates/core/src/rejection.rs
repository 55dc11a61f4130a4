mod grpc;

use std::{borrow::Cow, fmt, time::Duration};

use http::{
    HeaderMap, HeaderName, HeaderValue, Response, StatusCode,
    header::{CONTENT_TYPE, RETRY_AFTER},
};
use serde::Serialize;
use serde_json::{Map, Value, json};

use crate::{Limits, Reply, Wire};

/// What a *caller* is told when a layer answers for itself.
///
/// It is a response, never a service's error, and renders as RFC 9457 problem details, or for a gRPC caller as a
/// trailers-only status. It also rides in the response's extensions, so that a layer further out can count it or word
/// it anew.
///
/// ```
/// use std::time::Duration;
/// use http::StatusCode;
/// use tollgate_core::{Rejection, Wire};
///
/// let rejection = Rejection::new(StatusCode::TOO_MANY_REQUESTS, "quota_exceeded", "60 requests a minute are spent")
///     .with_retry_after(Duration::from_millis(1500));
///
/// let response = rejection.into_response::<()>(Wire::default());
/// assert_eq!(response.headers()["retry-after"], "2");
/// assert_eq!(response.headers()["content-type"], "application/problem+json");
/// assert_eq!(response.extensions().get::<Rejection>().unwrap().code(), "quota_exceeded");
/// ```
#[derive(Clone)]
pub struct Rejection(Box<Inner>);

#[derive(Clone, Debug)]
struct Inner {
    status: StatusCode,
    code: Cow<'static, str>,
    message: Cow<'static, str>,
    about: About,
    retry_after: Option<Duration>,
    details: Map<String, Value>,
    headers: HeaderMap,
    limits: Option<Limits>,
}

impl Rejection {
    /// A refusal about the caller. `code` is stable and in `snake_case`; the message is for people, and may change.
    pub fn new(
        status: StatusCode,
        code: impl Into<Cow<'static, str>>,
        message: impl Into<Cow<'static, str>>,
    ) -> Self {
        Self(Box::new(Inner {
            status,
            code: code.into(),
            message: message.into(),
            about: About::Caller,
            retry_after: None,
            details: Map::new(),
            headers: HeaderMap::new(),
            limits: None,
        }))
    }

    /// Says that the refusal is about the target and not the caller: another target may serve.
    #[must_use]
    pub fn about_target(mut self) -> Self {
        self.0.about = About::Target;
        self
    }

    /// Says when asking again can help; goes out as `Retry-After`, in whole seconds, rounded up, at least one.
    #[must_use]
    pub fn with_retry_after(mut self, wait: Duration) -> Self {
        self.0.retry_after = Some(wait);
        self
    }

    /// Adds a member to the problem details. `type`, `title` and `detail` take the place of ours.
    #[must_use]
    pub fn with_detail(mut self, name: impl Into<String>, value: impl Into<Value>) -> Self {
        self.0.details.insert(name.into(), value.into());
        self
    }

    /// Adds a header to the response, such as `WWW-Authenticate`.
    #[must_use]
    pub fn with_header(mut self, name: HeaderName, value: HeaderValue) -> Self {
        self.0.headers.append(name, value);
        self
    }

    /// Adds the limits that refused, which go out as `RateLimit` fields.
    #[must_use]
    pub fn with_limits(mut self, limits: Limits) -> Self {
        self.0.limits = Some(limits);
        self
    }

    /// The HTTP status.
    #[must_use]
    pub fn status(&self) -> StatusCode {
        self.0.status
    }

    /// The stable code, such as `quota_exceeded`.
    #[must_use]
    pub fn code(&self) -> &str {
        &self.0.code
    }

    /// The words for people.
    #[must_use]
    pub fn message(&self) -> &str {
        &self.0.message
    }

    /// Whom the refusal is about.
    #[must_use]
    pub fn about(&self) -> About {
        self.0.about
    }

    /// When asking again can help.
    #[must_use]
    pub fn retry_after(&self) -> Option<Duration> {
        self.0.retry_after
    }

    /// Further members of the problem details.
    #[must_use]
    pub fn details(&self) -> &Map<String, Value> {
        &self.0.details
    }

    /// The limits that refused.
    #[must_use]
    pub fn limits(&self) -> Option<&Limits> {
        self.0.limits.as_ref()
    }

    /// The refusal as a response to a caller of this kind.
    #[must_use]
    pub fn into_response<B>(mut self, wire: Wire) -> Response<Reply<B>> {
        let mut response = if wire.is_grpc() {
            grpc::response(&self)
        } else {
            let mut response = Response::new(Reply::full(self.problem()));
            *response.status_mut() = self.0.status;
            response.headers_mut().insert(CONTENT_TYPE, PROBLEM_JSON);
            response
        };
        if let Some(wait) = self.0.retry_after {
            let value = HeaderValue::from(seconds(wait));
            response.headers_mut().insert(RETRY_AFTER, value);
        }
        response
            .headers_mut()
            .extend(std::mem::take(&mut self.0.headers));
        if let Some(limits) = self.limits() {
            limits.write(response.headers_mut());
            let limits = limits.clone();
            response.extensions_mut().insert(limits);
        }
        response.extensions_mut().insert(self);
        response
    }

    /// The members of RFC 9457, as bytes.
    fn problem(&self) -> Vec<u8> {
        let mut problem = Map::new();
        let status = self.0.status;
        problem.insert("type".into(), json!("about:blank"));
        problem.insert(
            "title".into(),
            json!(status.canonical_reason().unwrap_or("Refused")),
        );
        problem.insert("status".into(), json!(status.as_u16()));
        problem.insert("detail".into(), json!(self.0.message));
        problem.insert("code".into(), json!(self.0.code));
        problem.extend(self.0.details.clone());
        Value::Object(problem).to_string().into_bytes()
    }
}

impl fmt::Debug for Rejection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Rejection")
            .field("status", &self.0.status.as_u16())
            .field("code", &self.0.code)
            .field("message", &self.0.message)
            .field("about", &self.0.about)
            .finish_non_exhaustive()
    }
}

impl fmt::Display for Rejection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} ({})", self.0.message, self.0.code)
    }
}

impl std::error::Error for Rejection {}

/// Whom a [`Rejection`] is about.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum About {
    /// The caller: what it sent, who it is, or what it may use.
    #[default]
    Caller,
    /// The target: it is failing, saturated or too slow. Another may serve.
    Target,
}

/// Whole seconds, rounded up, at least one (RFC 9110, 10.2.3).
fn seconds(wait: Duration) -> u64 {
    let up = u64::from(wait.subsec_nanos() > 0);
    wait.as_secs().saturating_add(up).max(1)
}

const PROBLEM_JSON: HeaderValue = HeaderValue::from_static("application/problem+json");
