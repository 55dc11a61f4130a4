use bytes::Bytes;
use http::{
    HeaderMap, HeaderValue, Response, StatusCode,
    header::{CONTENT_TYPE, RETRY_AFTER},
};
use serde_json::Value;

use super::{
    Fault,
    answer::{Answered, Work},
    anthropic,
    body::{Answering, Pace, Piece},
    gemini,
    meter::Ticket,
    openai,
    refusal::Refusal,
    route::Wire,
    wire::{self, Framing},
};

impl Answered {
    pub(crate) fn response(self, work: &Work<'_>, mut ticket: Ticket) -> Response<Answering> {
        let (pieces, kind, pace) = match self {
            Self::Nonsense => {
                ticket.whole();
                return nonsense();
            }
            Self::Plain(value, tokens) => {
                // A plain answer exists before any of it is sent, whoever still listens.
                ticket.spend(tokens);
                let pace = Pace {
                    first: if work.faults.has(Fault::Slow) {
                        work.pace.first
                    } else {
                        Pace::default().first
                    },
                    ..Pace::default()
                };
                (wire::plain(value, work.faults), JSON, pace)
            }
            Self::Stream(events, framing, tokens) => {
                ticket.spend(tokens);
                ticket.streams();
                let kind = match framing {
                    Framing::Events => EVENTS,
                    Framing::Array => JSON,
                };
                (
                    wire::pieces(events, framing, work.faults, work.error_event()),
                    kind,
                    work.pace,
                )
            }
        };
        let body = match <[_; 1]>::try_from(Vec::from(pieces)) {
            Ok([Piece::Bytes(bytes, cost)])
                if kind == JSON && pace.first.is_zero() && cost.output == 0 =>
            {
                Answering::whole(bytes, Some(ticket))
            }
            Ok([piece]) => Answering::pieces([piece].into(), pace, Some(ticket)),
            Err(pieces) => Answering::pieces(pieces.into(), pace, Some(ticket)),
        };
        let mut response = Response::new(body);
        response.headers_mut().insert(CONTENT_TYPE, kind);
        response
    }
}

/// The list of models, or one of them.
pub(crate) fn models(wire: Wire, model: Option<&str>) -> Result<Value, Refusal> {
    let known = model.is_none_or(|model| super::MODELS.contains(&model));
    if !known {
        let model = model.unwrap_or_default();
        return Err(match wire {
            Wire::Gemini => Refusal::new(
                404,
                format!("models/{model} is not found for API version v1beta."),
            ),
            Wire::Anthropic => Refusal::new(404, format!("model: {model}")),
            _ => {
                let message = format!("The model '{model}' does not exist");
                Refusal::new(404, message)
                    .code("model_not_found")
                    .param("model")
            }
        });
    }
    Ok(match (wire, model) {
        (Wire::Gemini, None) => gemini::models(),
        (Wire::Gemini, Some(model)) => gemini::model(model),
        (Wire::Anthropic, None) => anthropic::models(),
        (Wire::Anthropic, Some(model)) => anthropic::model(model),
        (_, None) => openai::models(),
        (_, Some(model)) => openai::model(model),
    })
}

/// A refusal in the dialect's own words.
pub(crate) fn refusal(refusal: &Refusal, wire: Wire, number: u64) -> Response<Answering> {
    let mut response = json(&match wire {
        Wire::OpenAi => openai::error(refusal),
        Wire::Azure => openai::azure(refusal),
        Wire::Anthropic => anthropic::error(refusal, number),
        Wire::Gemini => gemini::error(refusal),
    });
    *response.status_mut() =
        StatusCode::from_u16(refusal.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    // Google says in the body when to come again.
    if let Some(seconds) = refusal.retry_after.filter(|_| wire != Wire::Gemini) {
        response
            .headers_mut()
            .insert(RETRY_AFTER, HeaderValue::from(seconds));
    }
    response
}

/// The fields that an answer in this dialect has in its head.
pub(crate) fn head(headers: &mut HeaderMap, wire: Wire, number: u64) {
    match wire {
        Wire::OpenAi => openai::headers(headers, number, false),
        Wire::Azure => openai::headers(headers, number, true),
        Wire::Anthropic => anthropic::headers(headers, number),
        Wire::Gemini => gemini::headers(headers),
    }
}

pub(crate) fn json(value: &Value) -> Response<Answering> {
    let bytes = Bytes::from(value.to_string());
    let mut response = Response::new(Answering::whole(bytes, None));
    response.headers_mut().insert(CONTENT_TYPE, JSON);
    response
}

/// What a provider answers that has gone mad.
fn nonsense() -> Response<Answering> {
    let page = Bytes::from_static(b"<html><body>It works!</body></html>");
    let mut response = Response::new(Answering::whole(page, None));
    response
        .headers_mut()
        .insert(CONTENT_TYPE, HeaderValue::from_static("text/html"));
    response
}

const JSON: HeaderValue = HeaderValue::from_static("application/json");
const EVENTS: HeaderValue = HeaderValue::from_static("text/event-stream; charset=utf-8");
