use http::{
    HeaderValue, StatusCode,
    header::{ALLOW, CONTENT_TYPE},
    request::Parts,
};
use tollgate_core::{
    Admission, Gate, GateLayer, GateService, Never, Payload, Rejection, Trail,
    fact::{Call, Operation},
};
use tower_layer::Layer;

use crate::{dialect::Api, peek::Peek};

/// Tells from a request's path and [`Payload`] what is asked of a model, and leaves it as a [`Call`] in the extensions
/// and the trail.
///
/// What no provider could serve is refused here: an unknown path (404), another method (405), a body that is not JSON
/// (400, 415), a missing `model` (400). What a provider may judge differently goes on unchanged.
///
/// Place it inside [`PayloadLayer`](tollgate_core::PayloadLayer). The body is looked at, not copied.
#[derive(Clone, Debug)]
pub struct InspectLayer(GateLayer<Inspect>);

impl InspectLayer {
    /// A layer that knows all dialects.
    #[must_use]
    pub fn new() -> Self {
        Self(GateLayer::new(Inspect(())))
    }
}

impl Default for InspectLayer {
    fn default() -> Self {
        Self::new()
    }
}

impl<S> Layer<S> for InspectLayer {
    type Service = GateService<S, Inspect>;

    fn layer(&self, inner: S) -> Self::Service {
        self.0.layer(inner)
    }
}

/// The gate of an [`InspectLayer`].
#[derive(Debug)]
pub struct Inspect(());

impl Gate for Inspect {
    type Observer = ();
    type Later = Never<()>;

    fn admit(&self, mut parts: Parts) -> Admission<(), Self::Later> {
        Admission::Now(match call(&parts) {
            Ok((call, peek)) => {
                Trail::of(&mut parts).set(call.clone());
                parts.extensions.insert(call);
                if let Some(peek) = peek {
                    parts.extensions.insert(peek);
                }
                Ok((parts, ()))
            }
            Err(rejection) => Err(rejection),
        })
    }
}

fn call(parts: &Parts) -> Result<(Call, Option<Peek>), Rejection> {
    let api = Api::of(parts).ok_or_else(unknown_path)?;
    let (method, operation) = (api.method(), api.operation());
    if parts.method != method {
        let allow = HeaderValue::try_from(method.as_str()).map_err(|_| unknown_path())?;
        return Err(wrong_method().with_header(ALLOW, allow));
    }
    if operation == Operation::Models {
        return Ok((Call::new(operation, ""), None));
    }
    if !is_json(parts) {
        return Err(wrong_type());
    }
    let payload = parts.extensions.get::<Payload>().ok_or_else(no_payload)?;
    let (call, peek) = Peek::at(api, &parts.uri, payload.bytes())?;
    Ok((call, Some(peek)))
}

/// A body without a type is taken at its word.
fn is_json(parts: &Parts) -> bool {
    parts.headers.get(CONTENT_TYPE).is_none_or(|value| {
        let essence = value.as_bytes().split(|&byte| byte == b';').next();
        let essence = essence.unwrap_or_default().trim_ascii();
        essence.eq_ignore_ascii_case(b"application/json")
    })
}

fn unknown_path() -> Rejection {
    Rejection::new(
        StatusCode::NOT_FOUND,
        "unknown_url",
        "there is nothing at this path",
    )
}

fn wrong_method() -> Rejection {
    Rejection::new(
        StatusCode::METHOD_NOT_ALLOWED,
        "method_not_allowed",
        "this path does not take this method",
    )
}

fn wrong_type() -> Rejection {
    Rejection::new(
        StatusCode::UNSUPPORTED_MEDIA_TYPE,
        "unsupported_media_type",
        "the body must be JSON, sent with `content-type: application/json`",
    )
}

fn no_payload() -> Rejection {
    Rejection::new(
        StatusCode::INTERNAL_SERVER_ERROR,
        "payload_missing",
        "the service reads no bodies before it inspects them",
    )
}
