use http::request::Parts;
use tollgate_core::fact::{Call, Target, Usage};
use tracing::{Span, field::Empty, info_span};

use crate::{request_id::RequestId, series::Ended};

/// Opens a request's span, named as in OpenTelemetry's conventions. It has no query and no headers: secrets stand there.
pub(crate) fn open(parts: &Parts) -> Span {
    let span = info_span!(
        "request",
        otel.name = Empty,
        otel.kind = "server",
        http.request.method = parts.method.as_str(),
        url.path = short(parts.uri.path()),
        request_id = Empty,
        http.response.status_code = Empty,
        outcome = Empty,
        error.type = Empty,
        gen_ai.operation.name = Empty,
        gen_ai.request.model = Empty,
        gen_ai.provider.name = Empty,
        gen_ai.usage.input_tokens = Empty,
        gen_ai.usage.output_tokens = Empty,
    );
    if !span.is_disabled()
        && let Some(id) = RequestId::of(&parts.headers)
    {
        span.record("request_id", id.as_str());
    }
    span
}

/// Writes what is known at the end.
pub(crate) fn close(
    span: &Span,
    ended: &Ended,
    call: Option<&Call>,
    target: Option<&Target>,
    usage: Option<Usage>,
) {
    span.record("outcome", ended.outcome.as_str());
    if let Some(status) = ended.status {
        span.record("http.response.status_code", status.as_u16());
    }
    if !ended.code.is_empty() {
        span.record("error.type", &*ended.code);
    } else if let Some(status) = ended.status.filter(|status| status.is_server_error()) {
        span.record("error.type", status.as_str());
    }
    if let Some(call) = call {
        let (operation, model) = (call.operation.as_str(), short(&call.model));
        span.record("otel.name", format!("{operation} {model}"));
        span.record("gen_ai.operation.name", operation);
        span.record("gen_ai.request.model", model);
    }
    if let Some(target) = target {
        span.record("gen_ai.provider.name", &*target.provider);
    }
    if let Some(usage) = usage {
        span.record("gen_ai.usage.input_tokens", usage.total_input());
        span.record("gen_ai.usage.output_tokens", usage.output);
    }
}

/// What a caller chose may be long.
fn short(text: &str) -> &str {
    &text[..text.floor_char_boundary(MOST)]
}

const MOST: usize = 256;
