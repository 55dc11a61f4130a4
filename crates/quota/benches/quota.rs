//! What a quota costs: the layer over a no-op service with a body of 2 KB, beside the bare service.

use std::{convert::Infallible, hint::black_box, task::Context};

use bytes::Bytes;
use divan::Bencher;
use http::{HeaderValue, Request, Response, header::CONTENT_TYPE, request::Parts};
use http_body::Body;
use http_body_util::Full;
use tollgate_core::{GateLayer, fact::Principal, gate_fn};
use tollgate_quota::{Quota, QuotaLayer};
use tower::{Layer, Service, service_fn};

fn main() {
    divan::main();
}

#[divan::bench]
fn bare(bencher: Bencher) {
    run(bencher, |service| service);
}

#[divan::bench]
fn gate_that_does_nothing(bencher: Bencher) {
    run(bencher, |service| {
        GateLayer::new(gate_fn(|_| Ok(()))).layer(service)
    });
}

#[divan::bench]
fn rate(bencher: Bencher) {
    run(bencher, |service| QuotaLayer::new(QUOTA).layer(service));
}

#[divan::bench]
fn concurrency(bencher: Bencher) {
    run(bencher, |service| {
        QuotaLayer::concurrency(20).layer(service)
    });
}

#[divan::bench]
fn both(bencher: Bencher) {
    run(bencher, |service| {
        QuotaLayer::new(QUOTA).and_concurrency(20).layer(service)
    });
}

#[divan::bench]
fn both_by_a_number(bencher: Bencher) {
    run(bencher, |service| {
        QuotaLayer::new(QUOTA)
            .and_concurrency(20)
            .by(|_: &Parts| 7_u64)
            .layer(service)
    });
}

#[divan::bench]
fn refused(bencher: Bencher) {
    run(bencher, |service| {
        QuotaLayer::new(Quota::per_day(1)).layer(service)
    });
}

/// One call, to the end of the answer's body.
fn run<S, B>(bencher: Bencher, wrap: impl FnOnce(Bare) -> S)
where
    S: Service<Request<Full<Bytes>>, Response = Response<B>, Error = Infallible> + Clone,
    B: Body<Data = Bytes>,
{
    fn answer(_: Request<Full<Bytes>>) -> Answer {
        let mut response = Response::new(Full::new(BODY));
        response.headers_mut().insert(CONTENT_TYPE, TEXT);
        std::future::ready(Ok(response))
    }
    let mut service = wrap(service_fn(answer as fn(Request<Full<Bytes>>) -> Answer));
    let principal = Principal::new("key-1");
    bencher
        .with_inputs(|| {
            let mut request = Request::new(Full::new(BODY));
            request.extensions_mut().insert(principal.clone());
            request
        })
        .bench_local_values(|request| {
            let mut cx = Context::from_waker(std::task::Waker::noop());
            let _ = service.poll_ready(&mut cx);
            let mut future = std::pin::pin!(service.call(request));
            let std::task::Poll::Ready(Ok(response)) = future.as_mut().poll(&mut cx) else {
                unreachable!("the service answers at once");
            };
            let (head, body) = response.into_parts();
            let mut body = std::pin::pin!(body);
            while !body.is_end_stream() {
                let _ = black_box(body.as_mut().poll_frame(&mut cx));
            }
            black_box(&head);
        });
}

type Answer = std::future::Ready<Result<Response<Full<Bytes>>, Infallible>>;
type Bare = tower::util::ServiceFn<fn(Request<Full<Bytes>>) -> Answer>;

const QUOTA: Quota = Quota::per_second(1_000_000_000);
const TEXT: HeaderValue = HeaderValue::from_static("text/plain");
const BODY: Bytes = Bytes::from_static(&[b'x'; 2048]);
