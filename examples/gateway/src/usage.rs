use std::{
    convert::Infallible,
    pin::Pin,
    task::{Context, Poll},
};

use futures_util::future::{BoxFuture, Either, FutureExt, Map};
use http::{HeaderValue, Method, Request, Response, StatusCode, header::CONTENT_TYPE};
use jiff::{Timestamp, ToSpan, civil::Date, tz::Offset};
use serde_json::json;
use tollgate::{
    core::{Rejection, Reply, Wire, fact::Principal},
    quota::usage::{RollUp, UsageField, UsageQuery, UsageRow},
};
use tower::{Layer, Service};

/// Answers callers who ask for what they have used themselves, at `GET /v1/usage`.
#[derive(Clone, Debug)]
pub(crate) struct OwnUsageLayer(pub(crate) RollUp);

impl<S> Layer<S> for OwnUsageLayer {
    type Service = OwnUsage<S>;

    fn layer(&self, inner: S) -> Self::Service {
        OwnUsage {
            inner,
            usage: self.0.clone(),
        }
    }
}

/// A service behind an [`OwnUsageLayer`].
#[derive(Clone, Debug)]
pub(crate) struct OwnUsage<S> {
    inner: S,
    usage: RollUp,
}

type Answer<B> = Result<Response<Reply<B>>, Infallible>;
type Passed<F, B> = Map<F, fn(Result<Response<B>, Infallible>) -> Answer<B>>;

impl<S, ReqBody, B> Service<Request<ReqBody>> for OwnUsage<S>
where
    S: Service<Request<ReqBody>, Response = Response<B>, Error = Infallible> + Clone,
    B: Send + 'static,
{
    type Response = Response<Reply<B>>;
    type Error = Infallible;
    type Future = Either<Passed<S::Future, B>, BoxFuture<'static, Answer<B>>>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        self.inner.poll_ready(cx)
    }

    fn call(&mut self, request: Request<ReqBody>) -> Self::Future {
        if request.uri().path() != "/v1/usage" || request.method() != Method::GET {
            let pass: fn(_) -> _ =
                |answer: Result<Response<B>, _>| answer.map(|response| response.map(Reply::inner));
            return Either::Left(self.inner.call(request).map(pass));
        }
        self.inner = self.inner.clone(); // Gives readiness back.
        let (parts, _) = request.into_parts();
        let query = match parts.extensions.get::<Principal>() {
            Some(principal) => parse(parts.uri.query().unwrap_or_default())
                .map(|query| query.of(UsageField::Key, principal.key())),
            None => Err("it is not known who asks".into()),
        };
        let (usage, wire) = (self.usage.clone(), Wire::of(&parts));
        let answer: Pin<Box<dyn Future<Output = _> + Send>> = Box::pin(async move {
            Ok(match read(&usage, query).await {
                Ok(text) => {
                    let mut response = Response::new(Reply::full(text));
                    response.headers_mut().insert(CONTENT_TYPE, JSON);
                    response
                }
                Err(rejection) => rejection.into_response(wire),
            })
        });
        Either::Right(answer)
    }
}

/// Reads sums as a page of JSON.
pub(crate) async fn read(
    usage: &RollUp,
    query: Result<UsageQuery, String>,
) -> Result<String, Rejection> {
    let query =
        query.map_err(|why| Rejection::new(StatusCode::BAD_REQUEST, "invalid_query", why))?;
    let (from, to) = (query.from, query.to);
    let rows = usage.query(query).await.map_err(|error| {
        tracing::warn!(error = crate::chain(&error), "usage cannot be read");
        let message = "usage cannot be read now";
        Rejection::new(
            StatusCode::SERVICE_UNAVAILABLE,
            "usage_unavailable",
            message,
        )
    })?;
    Ok(json!({ "object": "list", "from": from.to_string(), "to": to.to_string(), "data": page(&rows) }).to_string())
}

fn page(rows: &[UsageRow]) -> serde_json::Value {
    serde_json::to_value(rows).expect("sums are JSON")
}

/// Reads a query such as `from=2026-11-01&to=2026-11-30&group_by=day,model&team=search`. Without days, it is about the last
/// thirty.
pub(crate) fn parse(query: &str) -> Result<UsageQuery, String> {
    let today = Offset::UTC.to_datetime(Timestamp::now()).date();
    let mut asked = UsageQuery::new(today.saturating_sub(29.days()), today);
    let mut groups = "day,model";
    let pairs = query.split('&').filter(|pair| !pair.is_empty());
    for pair in pairs {
        let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
        match name {
            "from" => asked.from = day(value)?,
            "to" => asked.to = day(value)?,
            "group_by" => groups = value,
            "limit" => {
                let limit = value.parse().map_err(|_| "`limit` is a number")?;
                asked = asked.limit(std::cmp::min(limit, MOST_ROWS));
            }
            _ => {
                let field = field(name)?;
                if asked.filters.iter().any(|(known, _)| *known == field) {
                    return Err(format!("`{name}` is asked for twice"));
                }
                asked = asked.of(field, decoded(value)?);
            }
        }
    }
    let groups = decoded(groups)?;
    for name in groups.split(',').filter(|name| !name.is_empty()) {
        asked = asked.by(field(name)?);
    }
    Ok(asked)
}

fn day(text: &str) -> Result<Date, String> {
    let day = text.parse();
    day.map_err(|_| "a day is written as 2026-11-23".into())
}

fn field(name: &str) -> Result<UsageField, String> {
    let field = UsageField::ALL
        .into_iter()
        .find(|field| field.as_str() == name);
    field.ok_or_else(|| {
        let known = UsageField::ALL.map(UsageField::as_str).join(", ");
        format!("sums can be told apart by {known} only")
    })
}

fn decoded(text: &str) -> Result<String, String> {
    let text = text.replace('+', " ");
    let decoded = percent_encoding::percent_decode_str(&text).decode_utf8();
    decoded
        .map(Into::into)
        .map_err(|_| "the query is not text".into())
}

const JSON: HeaderValue = HeaderValue::from_static("application/json");
const MOST_ROWS: u32 = 10_000;
