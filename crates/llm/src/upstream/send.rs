use bytes::Bytes;
use http::{
    HeaderName, HeaderValue, Request, Response, StatusCode, Version,
    header::{CONTENT_LENGTH, CONTENT_TYPE},
    request::Parts,
};
use http_body::Body;
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use tollgate_core::{
    Gather, Rejection, Reply, Trail,
    fact::{Dispatch, Phase, Usage},
};

use super::{
    Endpoint, HttpClient, UpstreamBody,
    body::Sent,
    events::{Events, Relay},
    headers::{self, JSON, is},
    plain::{Plain, counted, fail, invalid, unauthorized},
    plan::{Plan, Way, no_path},
};
#[cfg(feature = "bedrock")]
use crate::bedrock;
use crate::{ModelInfo, dialect::Api, meter::Meter};

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
    trail: Trail,
    meter: Meter,
    form: Option<Api>,
    way: Way,
    dropped: Option<HeaderValue>,
    max_answer: usize,
    #[cfg(feature = "bedrock")]
    is_bedrock: bool,
}

impl Sending {
    pub(super) fn start(
        endpoint: &Endpoint,
        info: Option<&ModelInfo>,
        mut parts: Parts,
        body: Full<Bytes>,
        max_answer: usize,
    ) -> Start {
        let trail = Trail::of(&mut parts);
        trail.set(Dispatch::No);
        let plan = match Plan::new(endpoint, info, &parts, body) {
            Ok(plan) => plan,
            Err(rejection) => return Start::Refused(rejection),
        };
        if let Way::Count(front) = plan.way {
            return Start::Known(Box::new(counted(front, plan.body.len() as u64)));
        }
        let Ok(uri) = plan.uri else {
            return Start::Refused(no_path());
        };
        headers::forward(&mut parts.headers);
        if matches!(plan.way, Way::Translated(_)) {
            headers::translate(&mut parts.headers, endpoint);
        }
        if endpoint.is_bedrock() {
            headers::bedrock(&mut parts.headers);
        }
        for (name, value) in endpoint.headers() {
            parts.headers.insert(name, value.clone());
        }
        let price = info.and_then(|info| info.price.clone());
        let form = plan.form;
        let meter =
            Meter::new(trail.clone(), form.unwrap_or(Api::Chat), plan.body.clone()).priced(price);
        #[cfg(feature = "bedrock")]
        let signed = plan.body.clone();
        let mut request = Request::new(Sent::new(Full::new(plan.body), trail.clone()));
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
            trail,
            meter,
            form,
            way: plan.way,
            dropped: plan.dropped,
            max_answer,
            #[cfg(feature = "bedrock")]
            is_bedrock: endpoint.is_bedrock(),
        }))
    }

    /// Sends the request and reads the answer, plain ones to their end.
    pub(super) async fn run(
        self: Box<Self>,
        client: &HttpClient,
    ) -> Result<Response<Reply<UpstreamBody>>, Rejection> {
        let Self {
            request,
            trail,
            mut meter,
            form,
            way,
            dropped,
            max_answer,
            #[cfg(feature = "bedrock")]
            is_bedrock,
        } = *self;
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
            meter.tell(Usage::default());
            return Err(unauthorized(&trail));
        }
        #[cfg(feature = "bedrock")]
        let framed = is_bedrock && is(&head.headers, bedrock::EVENT_STREAM);
        #[cfg(feature = "bedrock")]
        if framed {
            head.headers.insert(CONTENT_TYPE, EVENTS);
        }
        if head.status.is_success() && is(&head.headers, "text/event-stream") {
            head.headers.remove(CONTENT_LENGTH); // Another number of bytes comes out.
            let relay = match way {
                Way::Translated(translation) => match translation.stream() {
                    Some(stream) => Relay::translating(meter, stream),
                    None => return Err(invalid(&trail)),
                },
                Way::Array => Relay::array(meter),
                Way::Same { hides_usage } => Relay::new(meter, hides_usage),
                Way::Count(_) => return Err(invalid(&trail)),
            };
            #[cfg(feature = "bedrock")]
            let relay = if framed { relay.framed() } else { relay };
            if relay.writes_array() {
                head.headers.insert(CONTENT_TYPE, JSON);
            }
            let events = Events::new(body, trail, relay);
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
        let plain = Plain {
            trail: &trail,
            form,
            way,
        };
        let body = if head.status.is_success() {
            plain.answer(&mut head, answer, &mut meter)?
        } else {
            meter.tell(Usage::default()); // An error without output is known to cost nothing.
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

#[cfg(feature = "bedrock")]
const EVENTS: HeaderValue = HeaderValue::from_static("text/event-stream");
const UPSTREAM_REQUEST_ID: HeaderName = HeaderName::from_static("x-upstream-request-id");
/// Names what a translated request could not say.
const DROPPED: HeaderName = HeaderName::from_static("x-tollgate-dropped");
