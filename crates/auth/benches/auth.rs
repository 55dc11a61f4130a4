//! What authentication adds to a service that does nothing: `cargo bench -p tollgate-auth`.

use std::{
    convert::Infallible,
    future::{Future, Ready, ready},
    pin::pin,
    task::{Context, Poll, Waker},
};

use bytes::Bytes;
use divan::{Bencher, black_box, counter::ItemsCount};
use http::{HeaderValue, Request, Response};
use http_body_util::Full;
use tollgate_auth::{
    ApiKeys, AuthLayer, Credential, KeyRecord, KeyRing, KeyStore, MemoryKeys, Pepper, PermitLayer,
    RingPolicy, Verifier,
};
use tollgate_core::fact::Principal;
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
fn auth(bencher: Bencher) {
    run(
        bencher,
        AuthLayer::new(keys(10, ApiKeys::new())).layer(noop()),
    );
}

#[divan::bench]
fn auth_peppered(bencher: Bencher) {
    let keys = keys(10, ApiKeys::peppered("pepper"));
    run(bencher, AuthLayer::new(keys).layer(noop()));
}

#[divan::bench]
fn permit(bencher: Bencher) {
    let layer = PermitLayer::new(|parts| parts.headers.contains_key("authorization"));
    run(bencher, layer.layer(noop()));
}

#[divan::bench(args = [10, 100_000], sample_count = 2000, sample_size = 100)]
fn a_right_key(bencher: Bencher, count: usize) {
    look_up(bencher, &keys(count, ApiKeys::new()), count, key);
}

#[divan::bench(args = [10, 100_000], sample_count = 2000, sample_size = 100)]
fn a_wrong_key(bencher: Bencher, count: usize) {
    let keys = keys(count, ApiKeys::new());
    look_up(bencher, &keys, count, |n| key(count + n));
}

#[divan::bench(args = [10, 100_000], sample_count = 2000, sample_size = 100)]
fn a_right_key_peppered(bencher: Bencher, count: usize) {
    let keys = keys(count, ApiKeys::peppered("pepper"));
    look_up(bencher, &keys, count, key);
}

#[divan::bench(args = [10, 100_000], sample_count = 2000, sample_size = 100)]
fn a_right_key_of_a_ring(bencher: Bencher, count: usize) {
    with_ring(count, |ring| look_up(bencher, ring, count, key));
}

/// The ring has 100,000 keys, and so many of them call.
#[divan::bench(args = [100, 1_000, 10_000], sample_count = 2000, sample_size = 100)]
fn a_right_key_of_some_of_a_ring(bencher: Bencher, callers: usize) {
    let spread = 100_000 / callers;
    with_ring(100_000, |ring| {
        look_up(bencher, ring, callers, |n| key(n * spread));
    });
}

#[divan::bench(args = [10, 100_000], sample_count = 2000, sample_size = 100)]
fn a_wrong_key_of_a_ring(bencher: Bencher, count: usize) {
    with_ring(count, |ring| {
        look_up(bencher, ring, count, |n| key(count + n));
    });
}

/// What one changed key costs, of so many: from the store until the ring has it, with its pause of 20 ms.
#[divan::bench(args = [10, 100_000], sample_count = 20, sample_size = 1)]
fn a_change_of_one_key(bencher: Bencher, count: usize) {
    let store = store(count);
    let runtime = runtime();
    let _entered = runtime.enter();
    let ring = KeyRing::watch(store.clone(), pepper(), RingPolicy::new());
    runtime.block_on(ring.reached(count as u64));
    bencher.bench_local(|| {
        runtime.block_on(async {
            let mut record = store.key("key-7").await.unwrap().unwrap();
            record.disabled = !record.disabled;
            ring.reached(store.put_key(record).await.unwrap()).await;
        });
    });
}

/// The digest alone, with a pepper.
#[divan::bench(sample_count = 2000, sample_size = 100)]
fn the_digest_of_a_key(bencher: Bencher) {
    let (pepper, key) = (pepper(), key(7));
    bencher
        .counter(ItemsCount::new(1_usize))
        .bench_local(|| pepper.digest(black_box(&key)));
}

fn with_ring(count: usize, run: impl FnOnce(&KeyRing)) {
    let runtime = runtime();
    let _entered = runtime.enter();
    let ring = KeyRing::watch(store(count), pepper(), RingPolicy::new());
    runtime.block_on(ring.reached(count as u64));
    run(&ring);
}

fn runtime() -> tokio::runtime::Runtime {
    let mut runtime = tokio::runtime::Builder::new_multi_thread();
    runtime.worker_threads(1).enable_time().build().unwrap()
}

fn store(count: usize) -> MemoryKeys {
    let (store, pepper) = (MemoryKeys::new(), pepper());
    for n in 0..count {
        let mut record = KeyRecord::new(format!("key-{n}"), pepper.digest(&key(n)));
        record.team = Some(format!("team-{}", n % 100).into());
        // A put is done when it returns.
        drop(store.put_key(record));
    }
    store
}

fn pepper() -> Pepper {
    Pepper::new("pepper")
}

/// Looks up one key after another, by chance, so that what is known of them is not in the processor's cache. Their texts are:
/// a service has just read them from a socket.
fn look_up(bencher: Bencher, keys: &impl Verifier, count: usize, key: impl Fn(usize) -> String) {
    let texts: Vec<_> = (0..count).map(key).collect();
    let mut state = 0x9e37_79b9_7f4a_7c15_u64;
    bencher
        .counter(ItemsCount::new(1_usize))
        .with_inputs(|| {
            state ^= state << 13;
            state ^= state >> 7;
            state ^= state << 17;
            let text = &texts[(state >> 11) as usize % count];
            let copy = HeaderValue::try_from(text).unwrap();
            Credential::new(&copy).unwrap().into_owned()
        })
        .bench_local_refs(|credential| keys.verify(black_box(credential)));
}

fn run<S>(bencher: Bencher, mut service: S)
where
    S: Service<Request<Full<Bytes>>, Error = Infallible>,
{
    let body = Bytes::from(vec![b'x'; 2048]);
    let authorization = HeaderValue::try_from(format!("Bearer {}", key(7))).unwrap();
    bencher
        .counter(ItemsCount::new(1_usize))
        .with_inputs(|| {
            Request::post("/v1/things")
                .header("authorization", authorization.clone())
                .header("content-type", "application/json")
                .body(Full::new(body.clone()))
                .unwrap()
        })
        .bench_local_values(|request| {
            let future = pin!(service.call(request));
            match future.poll(&mut Context::from_waker(Waker::noop())) {
                Poll::Ready(Ok(response)) => response,
                _ => unreachable!("the service answers at once"),
            }
        });
}

fn noop() -> impl Service<
    Request<Full<Bytes>>,
    Response = Response<Full<Bytes>>,
    Error = Infallible,
    Future = Ready<Result<Response<Full<Bytes>>, Infallible>>,
> + Clone {
    service_fn(|request: Request<Full<Bytes>>| ready(Ok(Response::new(request.into_body()))))
}

fn keys(count: usize, keys: ApiKeys) -> ApiKeys {
    (0..count).fold(keys, |keys, n| {
        keys.with_key(key(n), Principal::new(format!("key-{n}")))
    })
}

fn key(n: usize) -> String {
    format!("tg-{n:08}_0123456789abcdefghijABCDEFGHIJ0123456789abc")
}
