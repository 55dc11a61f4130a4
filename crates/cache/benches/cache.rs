//! What the cache costs over a service that does nothing, with a body of 2 KB in and out.

use std::{
    convert::Infallible,
    future::{Ready, ready},
    sync::atomic::{AtomicU64, Ordering},
    task::{Context, Poll},
};

use bytes::Bytes;
use divan::Bencher;
use http::{Request, Response};
use http_body::Body;
use http_body_util::Full;
use tollgate_cache::{CacheLayer, CachePolicy};
use tollgate_core::{Payload, testing::drive};
use tower::{Layer, Service};

fn main() {
    divan::main();
}

#[divan::bench]
fn bare(bencher: Bencher<'_, '_>) {
    measure(bencher, Inner);
}

#[divan::bench]
fn bypass(bencher: Bencher<'_, '_>) {
    measure(
        bencher,
        CacheLayer::new(CachePolicy::new())
            .when(|_| false)
            .layer(Inner),
    );
}

/// The payload's digest is computed once a request, by whoever asks first: it is part of `hit` and `miss`.
#[divan::bench]
fn digest(bencher: Bencher<'_, '_>) {
    bencher
        .with_inputs(request)
        .bench_values(|request| request.extensions().get::<Payload>().map(Payload::digest));
}

#[divan::bench]
fn hit(bencher: Bencher<'_, '_>) {
    let service = CacheLayer::new(CachePolicy::new()).layer(Inner);
    drive(&mut service.clone(), request_of(0));
    bencher
        .with_inputs(|| request_of(0))
        .bench_values(|request| drive(&mut service.clone(), request));
}

/// Each request is another one, and each answer is kept; the store is full, so that one goes for each that comes.
#[divan::bench]
fn miss_and_insert(bencher: Bencher<'_, '_>) {
    measure(
        bencher,
        CacheLayer::new(CachePolicy::new().max_bytes(4 << 20)).layer(Inner),
    );
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
    static NEXT: AtomicU64 = AtomicU64::new(1);
    request_of(NEXT.fetch_add(1, Ordering::Relaxed))
}

fn request_of(number: u64) -> Request<Full<Bytes>> {
    let mut body = vec![b'x'; 2048];
    body[..8].copy_from_slice(&number.to_le_bytes());
    let mut request = Request::post("/v1/chat/completions")
        .body(Full::default())
        .unwrap();
    let headers = request.headers_mut();
    headers.insert("host", "gateway.example".parse().unwrap());
    headers.insert("content-type", "application/json".parse().unwrap());
    headers.insert("accept", "*/*".parse().unwrap());
    Payload::replace(&mut request, body.into());
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
        let response = Response::builder()
            .header("content-type", "application/json")
            .header("content-length", "2048")
            .body(Full::new(Bytes::from_static(&BODY)));
        ready(Ok(response.expect("the head is right")))
    }
}
