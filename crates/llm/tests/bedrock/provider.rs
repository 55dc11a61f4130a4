//! What the provider says, and a stack before it.

use std::convert::Infallible;

use axum::body::Body;
use bytes::Bytes;
use http::{Request, Response};
use http_body_util::{BodyExt, Full};
use serde_json::{Value, json};
use tollgate_core::{PayloadLayer, Trail, fact::Target};
use tollgate_llm::{AwsCredentials, Endpoint, InspectLayer, RenderLayer, Upstream};
use tower::{ServiceBuilder, ServiceExt};

use super::signature::{ID, REGION, SECRET};

pub(crate) const MODEL: &str =
    "arn:aws:bedrock:eu-west-1:123456789012:inference-profile/eu.anthropic.claude-haiku-4-5-v1:0";

pub(crate) fn json_answer(status: u16, named: &str, body: &Value) -> Response<Body> {
    let mut response = Response::builder()
        .status(status)
        .header("content-type", "application/json")
        .header("x-amzn-requestid", "aws-1");
    if !named.is_empty() {
        response = response.header("x-amzn-errortype", named);
    }
    response.body(Body::from(body.to_string())).unwrap()
}

/// A stream that comes in pieces of this size.
pub(crate) fn stream(frames: &[u8], size: usize) -> Response<Body> {
    let pieces = frames.chunks(size).map(Bytes::copy_from_slice);
    let pieces: Vec<_> = pieces.map(Ok::<_, Infallible>).collect();
    Response::builder()
        .header("content-type", "application/vnd.amazon.eventstream")
        .header("x-amzn-bedrock-content-type", "application/json")
        .body(Body::from_stream(futures_util::stream::iter(pieces)))
        .unwrap()
}

pub(crate) fn signed(url: &str) -> Endpoint {
    let credentials = AwsCredentials::new(ID, SECRET.into());
    let endpoint = Endpoint::new("aws", url).unwrap().bedrock();
    endpoint.aws_credentials(REGION, &credentials).unwrap()
}

/// What a caller gets.
pub(crate) struct Told {
    pub(crate) head: http::response::Parts,
    pub(crate) text: String,
    pub(crate) trail: Trail,
}

impl Told {
    pub(crate) fn json(&self) -> Value {
        serde_json::from_str(&self.text).unwrap()
    }
}

pub(crate) async fn send(endpoint: Endpoint, request: Request<Full<Bytes>>) -> Told {
    let service = ServiceBuilder::new()
        .layer(RenderLayer::new())
        .layer(PayloadLayer::new())
        .layer(InspectLayer::new())
        .service(Upstream::new([endpoint]));
    let trail = Trail::new();
    let mut request = request;
    request.extensions_mut().insert(trail.clone());
    request.extensions_mut().insert(Target::model("aws", MODEL));
    let response = service.oneshot(request).await.unwrap();
    let (head, body) = response.into_parts();
    let body = body.collect().await.expect("failures are told in words");
    let text = String::from_utf8(body.to_bytes().to_vec()).unwrap();
    Told { head, text, trail }
}

pub(crate) fn messages(stream: bool) -> Request<Full<Bytes>> {
    let body = json!({
        "model": "claude", "max_tokens": 9, "stream": stream,
        "messages": [{ "role": "user", "content": "hello" }],
    });
    post("/v1/messages", &body)
}

pub(crate) fn chat(stream: bool) -> Request<Full<Bytes>> {
    let body = json!({
        "model": "claude", "stream": stream, "messages": [{ "role": "user", "content": "hello" }],
    });
    post("/v1/chat/completions", &body)
}

pub(crate) fn post(path: &str, body: &Value) -> Request<Full<Bytes>> {
    Request::post(path)
        .header("content-type", "application/json")
        .body(Full::from(body.to_string()))
        .unwrap()
}
