use std::{borrow::Cow, time::Duration};

use bytes::Bytes;
use http::{
    HeaderMap, HeaderName, HeaderValue, Response, StatusCode,
    header::{CONTENT_LENGTH, CONTENT_TYPE, RETRY_AFTER},
    response,
};
use serde::de::IgnoredAny;
use tollgate_core::{
    Rejection, Reply, Trail,
    fact::{Failure, Phase, Usage},
};

use super::{
    UpstreamBody,
    headers::{JSON, is},
    plan::Way,
};
use crate::{
    anthropic,
    canon::{Fault, Kind},
    dialect::Api,
    gemini,
    meter::Meter,
    openai,
    translate::{Translation, read_fault, write_count},
};

/// Reads an answer that came whole.
pub(super) struct Plain<'a> {
    pub(super) trail: &'a Trail,
    pub(super) form: Option<Api>,
    pub(super) way: Way,
    /// Whether the caller wants the answer as it comes.
    pub(super) streams: bool,
}

impl Plain<'_> {
    /// An answer as the caller reads it.
    pub(super) fn answer(
        &self,
        head: &mut response::Parts,
        answer: Bytes,
        meter: &mut Meter,
    ) -> Result<Bytes, Rejection> {
        if !is(&head.headers, "application/json") {
            meter.give(answer.len());
            return Err(invalid(self.trail));
        }
        let read = match &self.way {
            Way::Translated(translation) => match translation.answer(&answer) {
                Ok((written, usage)) => {
                    head.headers.remove(CONTENT_LENGTH);
                    head.headers.insert(CONTENT_TYPE, JSON);
                    Some((Bytes::from(written), usage))
                }
                Err(fault) => {
                    self.count(&answer, meter);
                    if fault.kind == Kind::Internal {
                        tracing::warn!(reason = %fault.message, "an answer cannot be translated");
                        return Err(invalid(self.trail));
                    }
                    return self.told(head, fault, translation); // Some say so with 200.
                }
            },
            _ => usage(self.form, &answer).map(|usage| (answer.clone(), usage)),
        };
        let Some((body, usage)) = read else {
            meter.give(answer.len());
            return Err(invalid(self.trail));
        };
        if self.streams && !matches!(self.way, Way::Array) {
            // What reads events would find none in it, and take it for an empty answer.
            self.count(&answer, meter);
            return Err(invalid(self.trail));
        }
        match usage {
            Some(usage) => meter.tell_whole(usage, &answer),
            None if self.form.is_some_and(Api::gives_vectors) => {}
            None => meter.give(answer.len()),
        }
        if matches!(self.form, Some(Api::CountTokens | Api::CountContents)) {
            meter.waive();
        }
        Ok(body)
    }

    /// Meters what cannot be given to the caller.
    fn count(&self, answer: &[u8], meter: &mut Meter) {
        match usage(self.form, answer).flatten() {
            Some(usage) => meter.tell_whole(usage, answer),
            None => meter.give(answer.len()),
        }
    }

    /// An error as the caller reads it.
    pub(super) fn error(
        &self,
        head: &mut response::Parts,
        answer: Bytes,
    ) -> Result<Bytes, Rejection> {
        let is_json = is(&head.headers, "application/json")
            && serde_json::from_slice::<IgnoredAny>(&answer).is_ok();
        if !is_json {
            return Err(foreign(self.trail, head.status, &head.headers));
        }
        let Some(form) = self.form else {
            return Ok(answer);
        };
        let fault = read_fault(form.dialect(), head.status, &answer);
        if let Way::Translated(translation) = &self.way {
            return self.told(head, fault, translation);
        }
        if fault.kind == Kind::Authentication {
            return Err(unauthorized(self.trail)); // Gemini says it with 400.
        }
        mark(&fault, &mut head.headers);
        Ok(answer)
    }

    /// A fault in the caller's words.
    fn told(
        &self,
        head: &mut response::Parts,
        mut fault: Fault,
        translation: &Translation,
    ) -> Result<Bytes, Rejection> {
        if fault.kind == Kind::Authentication {
            return Err(unauthorized(self.trail));
        }
        mark(&fault, &mut head.headers);
        if fault.retry_after.is_none() {
            fault.retry_after = wait(&head.headers);
        }
        let (status, body) = translation.write_fault(&fault);
        head.status = status;
        head.headers.remove(CONTENT_LENGTH);
        head.headers.insert(CONTENT_TYPE, JSON);
        Ok(body)
    }
}

/// The answer to a request for the length of a conversation whose provider does not count: an estimate.
pub(super) fn counted(front: Api, sent: u64) -> Response<Reply<UpstreamBody>> {
    let body = UpstreamBody::whole(write_count(front, sent.div_ceil(3)).into());
    let mut response = Response::new(Reply::inner(body));
    response.headers_mut().insert(CONTENT_TYPE, JSON);
    let estimated = HeaderValue::from_static("true");
    response.headers_mut().insert(ESTIMATED, estimated);
    response
}

/// What a plain answer says it used; nothing at all if it is no JSON.
#[expect(clippy::option_option)]
fn usage(form: Option<Api>, answer: &[u8]) -> Option<Option<Usage>> {
    let usage = match form.unwrap_or(Api::Chat) {
        Api::Chat | Api::Completions | Api::Embeddings | Api::Models(_) => {
            return Some(openai::Answer::read(answer)?.usage());
        }
        Api::Responses => openai::responses::usage(answer),
        Api::Messages | Api::CountTokens => anthropic::usage(answer),
        _ => gemini::usage(answer),
    };
    if usage.is_none() {
        serde_json::from_slice::<IgnoredAny>(answer).ok()?;
    }
    Some(usage)
}

/// What SDKs and layers outside read from headers stands there, where a provider says it in the body.
fn mark(fault: &Fault, headers: &mut HeaderMap) {
    if let Some(wait) = fault.retry_after
        && !headers.contains_key(RETRY_AFTER)
    {
        let seconds = wait.as_secs() + u64::from(wait.subsec_nanos() > 0);
        headers.insert(RETRY_AFTER, HeaderValue::from(seconds.max(1)));
    }
    if fault.kind == Kind::QuotaExhausted {
        headers.insert(SHOULD_RETRY, HeaderValue::from_static("false"));
    }
}

pub(super) fn fail(
    trail: &Trail,
    code: &'static str,
    phase: Phase,
    message: &'static str,
) -> Rejection {
    trail.set(Failure {
        code: Cow::Borrowed(code),
        phase,
    });
    Rejection::new(StatusCode::BAD_GATEWAY, code, message).about_target()
}

pub(super) fn invalid(trail: &Trail) -> Rejection {
    let message = "the provider's answer is not what it should be";
    fail(trail, "answer_invalid", Phase::Body, message)
}

/// The provider refuses our credential. Said to the caller as it is, it would be about the caller's, and it can show a
/// part of ours.
pub(super) fn unauthorized(trail: &Trail) -> Rejection {
    let message = "the provider does not accept the gateway's credential";
    fail(trail, "upstream_unauthorized", Phase::Head, message)
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
    match wait(headers) {
        Some(wait) => rejection.with_retry_after(wait),
        None => rejection,
    }
}

fn wait(headers: &HeaderMap) -> Option<Duration> {
    let seconds = headers.get(RETRY_AFTER)?.to_str().ok()?.parse().ok()?;
    Some(Duration::from_secs(seconds))
}

const SHOULD_RETRY: HeaderName = HeaderName::from_static("x-should-retry");
/// Says that a figure is our estimate.
const ESTIMATED: HeaderName = HeaderName::from_static("x-tollgate-estimated");
