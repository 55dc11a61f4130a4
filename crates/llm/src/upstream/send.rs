use std::time::Duration;

use bytes::Bytes;
use http::{
    HeaderName, HeaderValue, Request, Response, StatusCode, Version,
    header::{CONTENT_LENGTH, CONTENT_TYPE},
    request::Parts,
};
use http_body::Body;
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use tokio::time::timeout_at;
use tollgate_core::{
    Gather, Rejection, Reply, Trail,
    fact::{Lifetime, Phase},
};

use super::{
    Endpoint, HttpClient, UpstreamBody,
    bounded::Bounded,
    events::{Events, Output, Relay},
    headers::{self, JSON, is},
    plain::{Plain, counted, fail, unauthorized},
    plan::{Plan, Way, no_path},
    sent::{Sent, Waiting},
};
#[cfg(feature = "bedrock")]
use crate::bedrock;
use crate::{ModelInfo, dialect::Api, meter::Meter, tariff::Tariff};

/// What becomes of a request.
pub(super) enum Start {
    Send(Box<Sending>),
    /// It is answered without the endpoint.
    Known(Box<Response<Reply<UpstreamBody>>>),
    Refused(Rejection),
}

/// One request on its way to an endpoint.
pub(super) struct Sending {
    request: Request<Sent>,
    waiting: Waiting,
    trail: Trail,
    lifetime: Option<Lifetime>,
    meter: Meter,
    form: Option<Api>,
    way: Way,
    streams: bool,
    dropped: Option<HeaderValue>,
    max_answer: usize,
    #[cfg(feature = "bedrock")]
    is_bedrock: bool,
}

impl Sending {
    pub(super) fn start(
        endpoint: &Endpoint,
        (info, tariff): (ModelInfo, Tariff),
        trail: Trail,
        mut parts: Parts,
        body: Full<Bytes>,
        max_answer: usize,
    ) -> Start {
        let plan = match Plan::new(endpoint, info.max_output, &parts, body) {
            Ok(plan) => plan,
            Err(rejection) => return Start::Refused(rejection),
        };
        if let Way::Count(front) = plan.way {
            return Start::Known(Box::new(counted(front, plan.body.len() as u64)));
        }
        let Ok(uri) = plan.uri else {
            return Start::Refused(no_path());
        };
        headers::forward(&mut parts.headers, endpoint.speaks());
        if matches!(plan.way, Way::Translated(_)) {
            headers::translate(&mut parts.headers, endpoint);
        }
        if endpoint.is_bedrock() {
            headers::bedrock(&mut parts.headers);
        }
        for (name, value) in endpoint.headers() {
            parts.headers.insert(name, value.clone());
        }
        let form = plan.form;
        let meter = Meter::new(trail.clone(), form.unwrap_or(Api::Chat), plan.body.clone())
            .priced(tariff)
            .allowed(plan.allowed);
        #[cfg(feature = "bedrock")]
        let signed = plan.body.clone();
        let lifetime = parts.extensions.get::<Lifetime>().copied();
        let send_by = lifetime.map(|lifetime| lifetime.send_by);
        let (body, waiting) = Sent::new(Full::new(plan.body), trail.clone(), send_by);
        let mut request = Request::new(body);
        *request.method_mut() = parts.method;
        *request.uri_mut() = uri;
        *request.headers_mut() = parts.headers;
        #[cfg(feature = "bedrock")]
        if let Some(signer) = endpoint.signer()
            && let Err(error) = signer.sign(&mut request, &signed)
        {
            tracing::warn!(%error, "a request cannot be signed");
            return Start::Refused(no_path());
        }
        Start::Send(Box::new(Self {
            request,
            waiting,
            trail,
            lifetime,
            meter,
            form,
            way: plan.way,
            streams: plan.streams,
            dropped: plan.dropped,
            max_answer,
            #[cfg(feature = "bedrock")]
            is_bedrock: endpoint.is_bedrock(),
        }))
    }

    /// Sends the request and reads the answer, plain ones to their end, for as long as it may live.
    pub(super) async fn run(
        self: Box<Self>,
        client: &HttpClient,
    ) -> Result<Response<Reply<UpstreamBody>>, Rejection> {
        let Some(lifetime) = self.lifetime else {
            return self.exchange(client).await;
        };
        let trail = self.trail.clone();
        let answer = timeout_at(lifetime.end_by, self.exchange(client)).await;
        answer.unwrap_or_else(|_| {
            let message = "the provider did not answer for as long as a call may last";
            Err(fail(&trail, "call_too_long", Phase::Head, message))
        })
    }

    async fn exchange(
        self: Box<Self>,
        client: &HttpClient,
    ) -> Result<Response<Reply<UpstreamBody>>, Rejection> {
        let Self {
            request,
            trail,
            lifetime,
            mut meter,
            form,
            way,
            streams,
            dropped,
            max_answer,
            #[cfg(feature = "bedrock")]
            is_bedrock,
            waiting, // Last, so that it is dropped before the meter, which asks what was sent.
        } = *self;
        let response = match client.request(request).await {
            Ok(response) => response,
            Err(_) if waiting.is_late() => return Err(too_late()),
            Err(error) => {
                tracing::warn!(
                    error = &error as &dyn std::error::Error,
                    "an endpoint failed"
                );
                return Err(unanswered(&trail, &error));
            }
        };
        drop(waiting);
        let (mut head, body) = response.into_parts();
        headers::back(&mut head.headers);
        if let Some(id) = headers::take_request_id(&mut head.headers) {
            // The gateway's own name for the request stands in its records; the provider's is for its support.
            trail.note(
                "upstream_request_id",
                String::from_utf8_lossy(id.as_bytes()),
            );
            head.headers.insert(UPSTREAM_REQUEST_ID, id);
        }
        head.version = Version::default(); // What the provider speaks is no matter of the client's.
        if let Some(dropped) = dropped {
            head.headers.insert(DROPPED, dropped);
        }
        if matches!(
            head.status,
            StatusCode::UNAUTHORIZED | StatusCode::PROXY_AUTHENTICATION_REQUIRED
        ) {
            meter.waive();
            return Err(unauthorized(&trail));
        }
        if matches!(way, Way::Translated(_)) {
            headers::translated(&mut head.headers);
        }
        #[cfg(feature = "bedrock")]
        let framed = is_bedrock && is(&head.headers, bedrock::EVENT_STREAM);
        #[cfg(feature = "bedrock")]
        if framed {
            head.headers.insert(CONTENT_TYPE, EVENTS);
        }
        let output = (head.status.is_success() && is(&head.headers, "text/event-stream"))
            .then(|| Output::of(&way))
            .flatten();
        if let Some(output) = output {
            head.headers.remove(CONTENT_LENGTH); // Another number of bytes comes out.
            let relay = Relay::with(meter, output);
            #[cfg(feature = "bedrock")]
            let relay = if framed { relay.framed() } else { relay };
            if relay.writes_array() {
                head.headers.insert(CONTENT_TYPE, JSON);
            }
            let end_by = lifetime.map(|lifetime| lifetime.end_by);
            let events = Events::new(Bounded::new(body, end_by), trail, relay);
            return Ok(Response::from_parts(
                head,
                Reply::inner(UpstreamBody::events(events)),
            ));
        }
        let cut = "the provider's answer ended early";
        let answer = match whole(body, max_answer).await {
            Ok(answer) => answer,
            Err(Unread::Cut(read)) => {
                meter.give(read);
                return Err(fail(&trail, "answer_cut", Phase::Body, cut));
            }
            Err(Unread::TooLarge) => {
                meter.give(max_answer);
                let message = "the provider's answer is larger than the gateway reads";
                return Err(fail(&trail, "answer_too_large", Phase::Body, message));
            }
        };
        let plain = Plain {
            trail: &trail,
            form,
            way,
            streams,
        };
        let body = if head.status.is_success() {
            plain.answer(&mut head, answer, &mut meter)?
        } else {
            if is_free(head.status, is(&head.headers, "application/json")) {
                meter.waive();
            }
            #[cfg(feature = "bedrock")]
            let answer = match is_bedrock {
                true => bedrock::unwrap_error(&mut head, answer),
                false => answer,
            };
            plain.error(&mut head, answer)?
        };
        drop(meter);
        Ok(Response::from_parts(
            head,
            Reply::inner(UpstreamBody::whole(body)),
        ))
    }
}

enum Unread {
    /// After so many bytes.
    Cut(usize),
    TooLarge,
}

/// Reads a plain answer.
async fn whole(mut body: Incoming, limit: usize) -> Result<Bytes, Unread> {
    let mut gathered = Gather::expecting(body.size_hint().lower());
    while let Some(frame) = body.frame().await {
        let frame = frame.map_err(|_| Unread::Cut(gathered.len()))?;
        let Ok(data) = frame.into_data() else {
            continue; // trailers
        };
        if data.len() > limit - gathered.len() {
            return Err(Unread::TooLarge);
        }
        gathered.push(data);
    }
    Ok(gathered.finish())
}

/// Whether an error is known to cost nothing: a refusal does, and what the provider itself says went wrong. Where
/// somebody on the way, or the provider, was tired of waiting, the model may have been at work.
fn is_free(status: StatusCode, is_json: bool) -> bool {
    match status {
        StatusCode::REQUEST_TIMEOUT | StatusCode::GATEWAY_TIMEOUT => false,
        _ => status.as_u16() != CLIENT_LEFT && (!status.is_server_error() || is_json),
    }
}

/// It took so long to reach the provider that it was not sent. It is nobody's fault, and can be tried again.
fn too_late() -> Rejection {
    Rejection::new(
        StatusCode::SERVICE_UNAVAILABLE,
        "sent_too_late",
        "the request could not be sent while its budget allowed it",
    )
    .with_retry_after(Duration::from_secs(1))
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

/// What proxies and Google say when whoever asked has left.
const CLIENT_LEFT: u16 = 499;
#[cfg(feature = "bedrock")]
const EVENTS: HeaderValue = HeaderValue::from_static("text/event-stream");
const UPSTREAM_REQUEST_ID: HeaderName = HeaderName::from_static("x-upstream-request-id");
/// Names what a translated request could not say.
const DROPPED: HeaderName = HeaderName::from_static("x-tollgate-dropped");
