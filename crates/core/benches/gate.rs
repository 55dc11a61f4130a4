//! What a gate costs over the service behind it: `cargo bench -p tollgate-core`.

use std::convert::Infallible;

use bytes::Bytes;
use divan::{AllocProfiler, Bencher};
use http::{Request, Response};
use http_body::Body;
use http_body_util::Full;
use tollgate_core::{GateLayer, gate_fn, testing::drive};
use tower::{Layer, Service, service_fn};

#[global_allocator]
static ALLOC: AllocProfiler = AllocProfiler::system();

fn main() {
    divan::main();
}

fn request() -> Request<Full<Bytes>> {
    Request::post("http://localhost/v1/chat/completions")
        .header("content-type", "application/json")
        .header("authorization", "Bearer tg-0123456789")
        .header("content-length", "2048")
        .body(Full::new(Bytes::from_static(&[b'x'; 2048])))
        .expect("the request is valid")
}

fn bare()
-> impl Service<Request<Full<Bytes>>, Response = Response<Full<Bytes>>, Error = Infallible, Future: Send>
+ Clone {
    service_fn(|request: Request<Full<Bytes>>| {
        std::future::ready(Ok(Response::new(request.into_body())))
    })
}

/// Drives requests through to the end of their bodies; making and dropping the request is not measured.
fn measure<S, B>(bencher: Bencher<'_, '_>, mut service: S)
where
    S: Service<Request<Full<Bytes>>, Response = Response<B>, Error = Infallible>,
    B: Body<Data = Bytes, Error: std::fmt::Debug>,
{
    bencher
        .with_inputs(request)
        .bench_local_values(|request| drive(&mut service, request));
}

#[divan::bench]
fn bare_service(bencher: Bencher<'_, '_>) {
    measure(bencher, bare());
}

#[divan::bench]
fn one_gate(bencher: Bencher<'_, '_>) {
    let gate = GateLayer::new(gate_fn(|_| Ok(())));
    measure(bencher, gate.layer(bare()));
}

#[divan::bench]
fn six_gates(bencher: Bencher<'_, '_>) {
    let gate = GateLayer::new(gate_fn(|_| Ok(())));
    let three = gate.layer(gate.layer(gate.layer(bare())));
    measure(bencher, gate.layer(gate.layer(gate.layer(three))));
}
