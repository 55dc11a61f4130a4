//! What a breaker costs: the layer over a no-op service with a body of 2 KB, beside the bare service.

use std::{
    convert::Infallible,
    future::{Ready, ready},
    hint::black_box,
    pin::pin,
    task::{Context, Poll, Waker},
};

use bytes::Bytes;
use divan::Bencher;
use http::{Request, Response, StatusCode, request::Parts};
use http_body::Body;
use http_body_util::Full;
use tollgate_breaker::{BreakerLayer, BreakerPolicy};
use tollgate_core::{GateLayer, fact::Target, gate_fn};
use tower::{Layer, Service, service_fn, util::ServiceFn};

fn main() {
    divan::main();
}

#[divan::bench]
fn bare(bencher: Bencher) {
    run(bencher, StatusCode::OK, |service| service);
}

#[divan::bench]
fn gate_that_does_nothing(bencher: Bencher) {
    run(bencher, StatusCode::OK, |service| {
        GateLayer::new(gate_fn(|_| Ok(()))).layer(service)
    });
}

#[divan::bench]
fn closed(bencher: Bencher) {
    run(bencher, StatusCode::OK, |service| {
        BreakerLayer::default().layer(service)
    });
}

#[divan::bench]
fn closed_by_a_number(bencher: Bencher) {
    run(bencher, StatusCode::OK, |service| {
        BreakerLayer::default().by(|_: &Parts| 7).layer(service)
    });
}

#[divan::bench]
fn open(bencher: Bencher) {
    let policy = BreakerPolicy::new().consecutive_failures(1);
    run(bencher, StatusCode::BAD_GATEWAY, |service| {
        BreakerLayer::new(policy).layer(service)
    });
}

/// One call, to the end of the answer's body.
fn run<S, B>(bencher: Bencher, status: StatusCode, wrap: impl FnOnce(Bare) -> S)
where
    S: Service<Request<Full<Bytes>>, Response = Response<B>, Error = Infallible>,
    B: Body<Data = Bytes>,
{
    let mut service = wrap(service_fn(match status {
        StatusCode::OK => good,
        _ => bad,
    }));
    let target = Target::new("openai/gpt-4o-mini");
    bencher
        .with_inputs(|| {
            let mut request = Request::new(Full::new(BODY));
            request.extensions_mut().insert(target.clone());
            request
        })
        .bench_local_values(|request| {
            let mut cx = Context::from_waker(Waker::noop());
            let _ = service.poll_ready(&mut cx);
            let Poll::Ready(Ok(response)) = pin!(service.call(request)).poll(&mut cx) else {
                unreachable!("the service answers at once");
            };
            let (head, body) = response.into_parts();
            let mut body = pin!(body);
            while !body.is_end_stream() {
                let _ = black_box(body.as_mut().poll_frame(&mut cx));
            }
            black_box(&head);
        });
}

fn good(_: Request<Full<Bytes>>) -> Answer {
    ready(Ok(Response::new(Full::new(BODY))))
}

fn bad(_: Request<Full<Bytes>>) -> Answer {
    let mut response = Response::new(Full::new(BODY));
    *response.status_mut() = StatusCode::BAD_GATEWAY;
    ready(Ok(response))
}

type Answer = Ready<Result<Response<Full<Bytes>>, Infallible>>;
type Bare = ServiceFn<fn(Request<Full<Bytes>>) -> Answer>;

const BODY: Bytes = Bytes::from_static(&[b'x'; 2048]);
