//! What looking at a call costs: `cargo bench -p tollgate-llm`.

use std::{
    convert::Infallible,
    pin::pin,
    task::{Context, Poll, Waker},
};

use bytes::Bytes;
use divan::Bencher;
use http::{Request, Response};
use http_body_util::Full;
use tollgate_core::{Payload, Trail};
use tollgate_llm::{EventBoundary, InspectLayer, RenderLayer};
use tower::{Layer, Service, service_fn};

fn main() {
    divan::main();
}

/// A chat of about so many bytes.
fn chat(bytes: usize) -> Bytes {
    let text = "a question with a few words in it, ".repeat(bytes / 35);
    let body = format!(
        r#"{{"model":"gpt-4o-mini","messages":[{{"role":"system","content":"Be brief."}},{{"role":"user","content":"{text}"}}],"temperature":0.2,"max_tokens":256}}"#
    );
    body.into()
}

fn request(body: &Bytes) -> Request<Full<Bytes>> {
    Request::post("http://localhost/v1/chat/completions")
        .header("content-type", "application/json")
        .extension(Trail::new())
        .extension(Payload::new(body.clone()))
        .body(Full::new(body.clone()))
        .expect("the request is valid")
}

fn measure<S: Service<Request<Full<Bytes>>>>(
    bencher: Bencher<'_, '_>,
    bytes: usize,
    mut service: S,
) {
    let body = chat(bytes);
    bencher
        .with_inputs(|| request(&body))
        .bench_local_values(|request| {
            let mut cx = Context::from_waker(Waker::noop());
            let _ = service.poll_ready(&mut cx);
            let Poll::Ready(response) = pin!(service.call(request)).poll(&mut cx) else {
                unreachable!("the service answers at once")
            };
            response
        });
}

fn bare()
-> impl Service<Request<Full<Bytes>>, Response = Response<Full<Bytes>>, Error = Infallible> + Clone
{
    service_fn(|request: Request<Full<Bytes>>| {
        std::future::ready(Ok(Response::new(request.into_body())))
    })
}

#[divan::bench(args = [2048, 32_768])]
fn bare_service(bencher: Bencher<'_, '_>, bytes: usize) {
    measure(bencher, bytes, bare());
}

#[divan::bench(args = [2048, 32_768])]
fn inspect(bencher: Bencher<'_, '_>, bytes: usize) {
    measure(bencher, bytes, InspectLayer::new().layer(bare()));
}

#[divan::bench(args = [2048])]
fn render(bencher: Bencher<'_, '_>, bytes: usize) {
    measure(bencher, bytes, RenderLayer::new().layer(bare()));
}

#[divan::bench]
fn one_event(bencher: Bencher<'_, '_>) {
    let event = br#"data: {"id":"chatcmpl-1","object":"chat.completion.chunk","created":1700000000,"model":"gpt-4o-mini","choices":[{"index":0,"delta":{"content":"word "},"finish_reason":null}]}

"#;
    let mut boundary = EventBoundary::new();
    bencher.bench_local(|| boundary.next(divan::black_box(event)));
}
