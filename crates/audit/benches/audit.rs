//! What a record costs: `cargo bench -p tollgate-audit`.
//!
//! `audit` is what the request's thread pays, with a writer that has to keep up on another core.
//! `writing_a_record` is what the writer's thread does: collect, digest, serialise.

use std::{
    convert::Infallible,
    fmt::Debug,
    future::{Ready, ready},
    io,
    sync::{Arc, Mutex},
};

use bytes::Bytes;
use divan::{Bencher, black_box, counter::ItemsCount};
use http::{Request, Response};
use http_body::Body;
use http_body_util::Full;
use tollgate_audit::{AuditLayer, Log};
use tollgate_core::{
    Payload, Trail,
    fact::{Call, Cost, Operation, Principal, Usage},
    testing::drive,
};
use tower::service_fn;
use tower_layer::Layer;
use tower_service::Service;

fn main() {
    divan::main();
}

#[divan::bench]
fn bare_service(bencher: Bencher) {
    run(bencher, noop());
}

#[divan::bench]
fn audit(bencher: Bencher) {
    let log = Log::to_writer(io::sink()).capacity(10_000_000);
    run(bencher, AuditLayer::new(log).layer(noop()));
}

#[divan::bench]
fn audit_refused(bencher: Bencher) {
    let log = Log::to_writer(io::sink()).capacity(0);
    run(bencher, AuditLayer::new(log).layer(noop()));
}

#[divan::bench(args = [0, 2048], sample_count = 20)]
fn writing_a_record(bencher: Bencher, body: usize) {
    const MANY: usize = 20_000;
    let gate = Arc::new(Mutex::new(()));
    let log = Log::to_writer(Gated(Arc::clone(&gate))).capacity(2 * MANY);
    let body = Bytes::from(vec![b'x'; body]);
    let mut service = AuditLayer::new(log.clone()).layer(service_fn({
        let body = body.clone();
        move |mut request: Request<Full<Bytes>>| {
            let trail = Trail::in_extensions(request.extensions_mut());
            trail.set(Principal::new("key-1").with_team("search"));
            trail.set(Call::new(Operation::Chat, "gpt-4o-mini"));
            trail.set(Payload::new(body.clone()));
            trail.set(Usage::default());
            trail.set(Cost::from_nanos(1200));
            ready(Ok::<_, Infallible>(Response::new(request.into_body())))
        }
    }));
    bencher
        .counter(ItemsCount::new(MANY))
        .with_inputs(|| {
            let closed = gate.lock().unwrap();
            for _ in 0..MANY {
                drive(&mut service, request(&body));
            }
            closed
        })
        .bench_local_values(|closed| {
            drop(closed);
            log.flush().unwrap();
        });
}

/// Takes nothing while another holds the lock.
struct Gated(Arc<Mutex<()>>);

impl io::Write for Gated {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let _open = self.0.lock().unwrap();
        Ok(black_box(bytes).len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

fn run<S, B>(bencher: Bencher, mut service: S)
where
    S: Service<Request<Full<Bytes>>, Response = Response<B>, Error = Infallible>,
    B: Body<Data = Bytes, Error: Debug>,
{
    let body = Bytes::from(vec![b'x'; 2048]);
    bencher
        .counter(ItemsCount::new(1_usize))
        .with_inputs(|| request(&body))
        .bench_local_values(|request| drive(&mut service, request));
}

fn request(body: &Bytes) -> Request<Full<Bytes>> {
    Request::post("/v1/things?secret=1")
        .header("content-type", "application/json")
        .header("x-request-id", "0123456789abcdef0123456789abcdef")
        .body(Full::new(body.clone()))
        .unwrap()
}

fn noop() -> impl Service<
    Request<Full<Bytes>>,
    Response = Response<Full<Bytes>>,
    Error = Infallible,
    Future = Ready<Result<Response<Full<Bytes>>, Infallible>>,
> + Clone {
    service_fn(|request: Request<Full<Bytes>>| ready(Ok(Response::new(request.into_body()))))
}
