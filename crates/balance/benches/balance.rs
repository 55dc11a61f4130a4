//! What balancing costs over the service behind it: `cargo bench -p tollgate-balance`.

use std::convert::Infallible;

use bytes::Bytes;
use divan::Bencher;
use http::{Request, Response};
use http_body::Body;
use http_body_util::Full;
use tollgate_balance::BalanceLayer;
use tollgate_core::{Trail, fact::Target, testing::drive};
use tower::{Layer, Service, service_fn};

fn main() {
    divan::main();
}

fn request() -> Request<Full<Bytes>> {
    Request::post("http://localhost/v1/chat/completions")
        .header("content-type", "application/json")
        .header("authorization", "Bearer tg-0123456789")
        .extension(Trail::new())
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

#[divan::bench(args = [1, 3])]
fn targets(bencher: Bencher<'_, '_>, targets: usize) {
    let targets = (0..targets).map(|index| Target::new(index.to_string()));
    measure(bencher, BalanceLayer::new(targets).layer(bare()));
}
