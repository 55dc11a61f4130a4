//! What observing costs over a service that does nothing, with a body of 2 KB in and out.

use std::{
    convert::Infallible,
    future::{Ready, ready},
    task::{Context, Poll},
};

use bytes::Bytes;
use divan::Bencher;
use http::{Request, Response};
use http_body::Body;
use http_body_util::Full;
use metrics_util::debugging::DebuggingRecorder;
use tollgate_core::{
    GateLayer, Rejection, Trail,
    fact::{Attempt, CacheStatus, Call, Cost, Operation, Target, Usage},
    gate_fn,
    testing::drive,
};
use tollgate_observe::{ObserveLayer, RequestIdLayer};
use tower::{Layer, Service};

fn main() {
    divan::main();
}

#[divan::bench]
fn bare(bencher: Bencher<'_, '_>) {
    measure(bencher, Inner);
}

#[divan::bench]
fn request_id(bencher: Bencher<'_, '_>) {
    measure(bencher, RequestIdLayer::new().layer(Inner));
}

/// Handles that count nothing: what the layer itself costs.
#[divan::bench]
fn observe_without_a_recorder(bencher: Bencher<'_, '_>) {
    measure(bencher, ObserveLayer::new().layer(Inner));
}

#[divan::bench]
fn observe(bencher: Bencher<'_, '_>) {
    measure_recorded(bencher, ObserveLayer::new().layer(Inner));
}

/// An answer of a model: a call, an attempt, usage, cost and a cache to count.
#[divan::bench]
fn observe_a_call(bencher: Bencher<'_, '_>) {
    measure_recorded(bencher, ObserveLayer::new().layer(model()));
}

/// The same facts, told to nobody.
#[divan::bench]
fn bare_call(bencher: Bencher<'_, '_>) {
    measure(bencher, model());
}

#[divan::bench]
fn observe_in_a_span(bencher: Bencher<'_, '_>) {
    let subscriber = tracing_subscriber::registry();
    tracing::subscriber::with_default(subscriber, || {
        measure_recorded(bencher, ObserveLayer::new().layer(Inner));
    });
}

fn model() -> impl Service<
    Request<Full<Bytes>>,
    Response = Response<impl Body<Data = Bytes, Error: std::fmt::Debug>>,
    Error = Infallible,
> + Clone
+ Sync {
    let (call, target) = (Call::new(Operation::Chat, "fast"), Target::new("openai"));
    let facts = gate_fn(move |parts| {
        let trail = Trail::of(parts);
        trail.set(call.clone());
        trail.set(CacheStatus::Miss);
        let attempt = trail.child();
        attempt.set(target.clone());
        attempt.set(Attempt {
            status: Some(200),
            took: Default::default(),
        });
        attempt.set(Usage {
            input: 500,
            output: 50,
            ..Usage::default()
        });
        attempt.set(Cost::from_nanos(1234));
        Ok::<_, Rejection>(())
    });
    GateLayer::new(facts).layer(Inner)
}

/// The handles are made with a recorder, which then counts.
fn measure_recorded<S, B>(bencher: Bencher<'_, '_>, service: S)
where
    S: Service<Request<Full<Bytes>>, Response = Response<B>, Error = Infallible> + Clone + Sync,
    B: Body<Data = Bytes, Error: std::fmt::Debug>,
{
    let recorder = DebuggingRecorder::new();
    metrics::with_local_recorder(&recorder, || drive(&mut service.clone(), request()));
    measure(bencher, service);
}

fn measure<S, B>(bencher: Bencher<'_, '_>, service: S)
where
    S: Service<Request<Full<Bytes>>, Response = Response<B>, Error = Infallible> + Clone + Sync,
    B: Body<Data = Bytes, Error: std::fmt::Debug>,
{
    bencher
        .with_inputs(request)
        .bench_values(|request| drive(&mut service.clone(), request));
}

fn request() -> Request<Full<Bytes>> {
    static BODY: [u8; 2048] = [b'x'; 2048];
    let mut request = Request::new(Full::new(Bytes::from_static(&BODY)));
    // In a stack, the trail is there for others as well.
    let _ = Trail::in_extensions(request.extensions_mut());
    request
}

#[derive(Clone)]
struct Inner;

impl<B> Service<Request<B>> for Inner {
    type Response = Response<Full<Bytes>>;
    type Error = Infallible;
    type Future = Ready<Result<Self::Response, Infallible>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, _: Request<B>) -> Self::Future {
        static BODY: [u8; 2048] = [b'y'; 2048];
        ready(Ok(Response::new(Full::new(Bytes::from_static(&BODY)))))
    }
}
