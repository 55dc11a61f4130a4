use std::{
    pin::Pin,
    task::{Context, Poll, Waker},
};

use bytes::Bytes;
use http::{HeaderValue, StatusCode, Uri, request::Parts};
use http_body::Body;
use http_body_util::Full;
use tollgate_core::{
    Payload, Rejection,
    fact::{Allowance, Call, Target},
};

use super::Endpoint;
#[cfg(feature = "bedrock")]
use crate::bedrock;
use crate::{
    canon::Losses,
    dialect::Api,
    peek::Peek,
    translate::{Translation, lost, untranslated},
};

/// What goes to an endpoint, and how the answer comes back.
pub(super) struct Plan {
    /// What is asked for there; nothing if nobody inspected the request.
    pub(super) form: Option<Api>,
    pub(super) uri: Result<Uri, http::Error>,
    pub(super) body: Bytes,
    pub(super) way: Way,
    /// Whether the caller wants the answer as it comes.
    pub(super) streams: bool,
    /// What could not be said there.
    pub(super) dropped: Option<HeaderValue>,
    /// The most tokens of output that it may give, all answers together, if that is limited.
    pub(super) allowed: Option<u64>,
}

/// How an answer comes back.
pub(super) enum Way {
    /// As it is, but for an extra chunk that the caller did not ask for.
    Same { hides_usage: bool },
    /// The events of a stream become the elements of an array.
    Array,
    /// In other words.
    Translated(Box<Translation>),
    /// By ourselves: the endpoint has no such thing, but the answer can be estimated.
    Count(Api),
}

impl Plan {
    /// Decides how a request goes on. Without those outside who read and inspect it, it does as it is. `max_output` is
    /// what the model can give, if that is known.
    pub(super) fn new(
        endpoint: &Endpoint,
        max_output: Option<u64>,
        parts: &Parts,
        body: Full<Bytes>,
    ) -> Result<Self, Rejection> {
        let body = bytes(body);
        let extensions = &parts.extensions;
        let as_it_is = |form: Option<Api>, body| Self {
            form,
            uri: endpoint.uri(form.unwrap_or(Api::Chat), "", false, Some(&parts.uri)),
            body,
            way: Way::Same { hides_usage: false },
            streams: false,
            dropped: None,
            allowed: None,
        };
        // Bedrock has another path for each model, and for streams.
        let unknown = |form, body| match endpoint.is_bedrock() {
            true => Err(no_path()),
            false => Ok(as_it_is(form, body)),
        };
        let Some(target) = extensions.get::<Target>() else {
            return unknown(None, body);
        };
        let (Some(payload), Some(front)) = (extensions.get::<Payload>(), Api::of(parts)) else {
            return unknown(None, body);
        };
        if matches!(front, Api::Models(_)) {
            return unknown(Some(front), body);
        }
        let again;
        let (call, peek) = match (extensions.get::<Call>(), extensions.get::<Peek>()) {
            (Some(call), Some(peek)) if peek.is_of(payload.bytes()) => (call, peek),
            // A layer in between has changed the body since it was inspected, or nobody inspected it.
            _ => {
                again = Peek::at(front, &parts.uri, payload.bytes())?;
                (&again.0, &again.1)
            }
        };
        let model = if target.model.is_empty() {
            &*call.model
        } else {
            &*target.model
        };
        let Some(form) = endpoint.form(front, call.stream) else {
            return match front {
                Api::CountTokens | Api::CountContents => Ok(Self {
                    way: Way::Count(front),
                    ..as_it_is(Some(front), body)
                }),
                _ => Err(untranslated(front, endpoint.speaks())),
            };
        };
        let allowance = extensions.get::<Allowance>().filter(|_| form.gives_text());
        let each = allowance.map(|allowance| allowance.output);
        let allowed = each.map(|each| each.saturating_mul(call.choices.into()));
        if form.is_like(front) {
            let limits = match each {
                Some(each) => peek.limit(front, each, endpoint.knows_max_tokens_only())?,
                None => Vec::new(),
            };
            let (bytes, hides_usage) = peek.rewrite(model, endpoint.wants_usage(), limits);
            #[cfg(feature = "bedrock")]
            let bytes = match endpoint.is_bedrock() {
                true => {
                    let betas = bedrock::betas(&parts.headers);
                    bedrock::wrap(&bytes, endpoint.target(model, None).version, &betas)
                        .ok_or_else(no_path)?
                }
                false => bytes,
            };
            return Ok(Self {
                form: Some(form),
                uri: endpoint.uri(form, model, call.stream, Some(&parts.uri)),
                body: bytes,
                way: match front {
                    Api::StreamGenerate { array: true } => Way::Array,
                    _ => Way::Same { hides_usage },
                },
                streams: call.stream,
                dropped: None,
                allowed,
            });
        }
        let mut translation = Translation::read(front, form, &call.model, payload.bytes())?;
        if let Some(each) = each {
            translation.limit(each);
        }
        let (bytes, losses) = translation.request(&endpoint.target(model, max_output));
        if !losses.fields().is_empty() && !endpoint.is_lenient() {
            return Err(lost(&losses, endpoint.speaks()));
        }
        Ok(Self {
            form: Some(form),
            uri: endpoint.uri(form, model, call.stream, None),
            body: bytes.into(),
            way: Way::Translated(Box::new(translation)),
            streams: call.stream,
            dropped: dropped(&losses),
            allowed,
        })
    }
}

/// What a whole body holds.
fn bytes(mut body: Full<Bytes>) -> Bytes {
    let mut cx = Context::from_waker(Waker::noop());
    match Pin::new(&mut body).poll_frame(&mut cx) {
        Poll::Ready(Some(Ok(frame))) => frame.into_data().unwrap_or_default(),
        _ => Bytes::new(),
    }
}

/// The names of what was dropped.
fn dropped(losses: &Losses) -> Option<HeaderValue> {
    let names: Vec<&str> = losses.all().collect();
    if names.is_empty() {
        return None;
    }
    // Field names are the caller's own text, and may be anything.
    let safe = names
        .join(", ")
        .replace(|it: char| !(' '..='~').contains(&it), "?");
    HeaderValue::try_from(safe).ok()
}

/// What cannot be reached by any path.
pub(super) fn no_path() -> Rejection {
    let message = "the path cannot be sent on";
    Rejection::new(StatusCode::BAD_GATEWAY, "unknown_url", message).about_target()
}
