use std::borrow::Cow;

use bytes::Bytes;
use http::{
    HeaderMap, HeaderName, Request, Response, StatusCode, Version,
    header::{CONTENT_LENGTH, CONTENT_TYPE},
    request::Parts,
};
use http_body::Body;
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use tollgate_core::{
    Gather, Payload, Rejection, Reply, Trail,
    fact::{Call, Dispatch, Failure, Operation, Phase, Target, Usage},
};

use super::{Endpoint, HttpClient, UpstreamBody, body::Sent, events::Events, headers};
use crate::{dialect::Api, meter::Meter, openai::Answer, peek::Peek};

/// One request on its way to an endpoint.
pub(super) struct Sending {
    request: Result<Request<Sent>, http::Error>,
    trail: Trail,
    meter: Meter,
    operation: Option<Operation>,
    hides_usage: bool,
    max_answer: usize,
}

impl Sending {
    pub(super) fn new(
        endpoint: &Endpoint,
        mut parts: Parts,
        body: Full<Bytes>,
        max_answer: usize,
    ) -> Self {
        let trail = Trail::of(&mut parts);
        trail.set(Dispatch::No);
        let (body, hides_usage) = rewrite(endpoint, &parts, body);
        headers::forward(&mut parts.headers);
        for (name, value) in endpoint.headers() {
            parts.headers.insert(name, value.clone());
        }
        let length = body.size_hint().lower();
        let meter = Meter::new(trail.clone(), usize::try_from(length).unwrap_or(usize::MAX));
        let request = endpoint.uri(&parts.uri).map(|uri| {
            let mut request = Request::new(Sent::new(body, trail.clone()));
            *request.method_mut() = parts.method;
            *request.uri_mut() = uri;
            *request.headers_mut() = parts.headers;
            request
        });
        Self {
            request,
            meter,
            operation: parts.extensions.get::<Call>().map(|call| call.operation),
            trail,
            hides_usage,
            max_answer,
        }
    }

    /// Sends the request and reads the answer, plain ones to their end.
    pub(super) async fn run(
        self,
        client: &HttpClient,
    ) -> Result<Response<Reply<UpstreamBody>>, Rejection> {
        let Self {
            request,
            trail,
            mut meter,
            operation,
            hides_usage,
            max_answer,
        } = self;
        let Ok(request) = request else {
            return Err(fail(
                &trail,
                "unknown_url",
                Phase::Connect,
                "the path cannot be sent on",
            ));
        };
        let response = match client.request(request).await {
            Ok(response) => response,
            Err(error) => {
                tracing::warn!(
                    error = &error as &dyn std::error::Error,
                    "an endpoint failed"
                );
                return Err(unanswered(&trail, &error));
            }
        };
        let (mut head, body) = response.into_parts();
        headers::back(&mut head.headers);
        if let Some(id) = head.headers.remove(REQUEST_ID) {
            // The gateway's own name for the request stands in its records; the provider's is for its support.
            trail.note(
                "upstream_request_id",
                String::from_utf8_lossy(id.as_bytes()),
            );
            head.headers.insert(UPSTREAM_REQUEST_ID, id);
        }
        head.version = Version::default(); // What the provider speaks is no matter of the client's.
        if matches!(
            head.status,
            StatusCode::UNAUTHORIZED | StatusCode::PROXY_AUTHENTICATION_REQUIRED
        ) {
            // Said to the client, it would be about the client's key, and it can show a part of ours.
            meter.tell(Usage::default());
            let message = "the provider does not accept the gateway's credential";
            return Err(fail(&trail, "upstream_unauthorized", Phase::Head, message));
        }
        if head.status.is_success() && is(&head.headers, "text/event-stream") {
            head.headers.remove(CONTENT_LENGTH); // A hidden chunk makes the stream shorter.
            let events = Events::new(body, trail, meter, hides_usage);
            return Ok(Response::from_parts(
                head,
                Reply::inner(UpstreamBody::events(events)),
            ));
        }
        let cut = "the provider's answer ended early";
        let answer = match whole(body, max_answer).await {
            Ok(answer) => answer,
            Err(Unread::Cut) => return Err(fail(&trail, "answer_cut", Phase::Body, cut)),
            Err(Unread::TooLarge) => {
                meter.give(max_answer);
                let message = "the provider's answer is larger than the gateway reads";
                return Err(fail(&trail, "answer_too_large", Phase::Body, message));
            }
        };
        if !head.status.is_success() {
            meter.tell(Usage::default()); // An error without output is known to cost nothing.
            if is(&head.headers, "application/json")
                && serde_json::from_slice::<serde::de::IgnoredAny>(&answer).is_ok()
            {
                return Ok(Response::from_parts(
                    head,
                    Reply::inner(UpstreamBody::whole(answer)),
                ));
            }
            return Err(foreign(&trail, head.status, &head.headers));
        }
        let Some(read) = Answer::read(&answer).filter(|_| is(&head.headers, "application/json"))
        else {
            meter.give(answer.len());
            let message = "the provider's answer is not what it should be";
            return Err(fail(&trail, "answer_invalid", Phase::Body, message));
        };
        match read.usage() {
            Some(usage) => meter.tell(usage),
            None if operation == Some(Operation::Embeddings) => {}
            None => meter.give(answer.len()),
        }
        drop(meter);
        Ok(Response::from_parts(
            head,
            Reply::inner(UpstreamBody::whole(answer)),
        ))
    }
}

/// The body for the endpoint: the same bytes, but for the model's name there and the option that brings the usage. Says
/// whether the option was set. Without those outside who read and inspect it, the body goes on as it is.
fn rewrite(endpoint: &Endpoint, parts: &Parts, body: Full<Bytes>) -> (Full<Bytes>, bool) {
    let extensions = &parts.extensions;
    let (Some(payload), Some(target)) = (extensions.get::<Payload>(), extensions.get::<Target>())
    else {
        return (body, false);
    };
    // A layer in between may have changed the body since it was inspected.
    let seen = extensions.get::<Peek>();
    let seen = seen.filter(|peek| peek.is_of(payload.bytes())).cloned();
    let look = || Api::of(parts).and_then(|api| Peek::at(api, &parts.uri, payload.bytes()).ok());
    let Some(peek) = seen.or_else(|| look().map(|(_, peek)| peek)) else {
        return (body, false);
    };
    let (bytes, hides_usage) = peek.rewrite(&target.model, endpoint.wants_usage());
    (Full::new(bytes), hides_usage)
}

enum Unread {
    Cut,
    TooLarge,
}

/// Reads a plain answer.
async fn whole(mut body: Incoming, limit: usize) -> Result<Bytes, Unread> {
    let mut gathered = Gather::expecting(body.size_hint().lower());
    while let Some(frame) = body.frame().await {
        let Ok(data) = frame.map_err(|_| Unread::Cut)?.into_data() else {
            continue; // trailers
        };
        if data.len() > limit - gathered.len() {
            return Err(Unread::TooLarge);
        }
        gathered.push(data);
    }
    Ok(gathered.finish())
}

fn is(headers: &HeaderMap, essence: &str) -> bool {
    headers.get(CONTENT_TYPE).is_some_and(|value| {
        let value = value.as_bytes();
        value.len() >= essence.len()
            && value[..essence.len()].eq_ignore_ascii_case(essence.as_bytes())
            && matches!(value.get(essence.len()), None | Some(b';' | b' '))
    })
}

/// There is no answer.
fn unanswered(trail: &Trail, error: &hyper_util::client::legacy::Error) -> Rejection {
    if error.is_connect() {
        return fail(
            trail,
            "connect_failed",
            Phase::Connect,
            "the provider cannot be reached",
        );
    }
    fail(
        trail,
        "upstream_failed",
        Phase::Head,
        "the provider broke off before it answered",
    )
}

fn fail(trail: &Trail, code: &'static str, phase: Phase, message: &'static str) -> Rejection {
    trail.set(Failure {
        code: Cow::Borrowed(code),
        phase,
    });
    Rejection::new(StatusCode::BAD_GATEWAY, code, message).about_target()
}

/// An error that is no JSON, such as a proxy's page on the way, in words that the client's SDK understands.
fn foreign(trail: &Trail, status: StatusCode, headers: &HeaderMap) -> Rejection {
    trail.set(Failure {
        code: Cow::Borrowed("upstream_error"),
        phase: Phase::Head,
    });
    let message = format!("the provider answered with status {}", status.as_u16());
    let status = match status.as_u16() {
        429 | 503 | 504 | 529 => status,
        _ => StatusCode::BAD_GATEWAY,
    };
    let rejection = Rejection::new(status, "upstream_error", message).about_target();
    let wait = headers
        .get(http::header::RETRY_AFTER)
        .and_then(|wait| wait.to_str().ok()?.parse().ok());
    match wait {
        Some(seconds) => rejection.with_retry_after(std::time::Duration::from_secs(seconds)),
        None => rejection,
    }
}

const REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");
const UPSTREAM_REQUEST_ID: HeaderName = HeaderName::from_static("x-upstream-request-id");
