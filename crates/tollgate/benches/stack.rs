//! What the layers cost together, in process, over a service that does nothing: a chat of 2 KB that the cache does not
//! know, answered with 600 bytes. Each line adds layers to the one before: `cargo bench -p tollgate --features full`.

use std::{
    convert::Infallible,
    fmt::Debug,
    pin::Pin,
    sync::atomic::{AtomicU64, Ordering::Relaxed},
    task::{Context, Poll},
};

use bytes::Bytes;
use divan::{AllocProfiler, Bencher};
use http::{Request, Response, request::Parts};
use http_body::{Body, Frame};
use http_body_util::Full;
use tollgate::{
    audit::{AuditLayer, Log},
    auth::{ApiKeys, AuthLayer},
    balance::{BalanceLayer, Pool},
    breaker::{BreakerLayer, BreakerPolicy},
    cache::{CacheLayer, CachePolicy},
    core::{
        BoxError, PayloadLayer, TimeoutLayer,
        fact::{Principal, Target},
        testing::drive,
    },
    llm::{InspectLayer, RenderLayer},
    observe::{ObserveLayer, RequestIdLayer},
    quota::{Quota, QuotaLayer},
};
use tower::{Layer, Service, service_fn};

#[global_allocator]
static ALLOC: AllocProfiler = AllocProfiler::system();

fn main() {
    divan::main();
}

const KEY: &str = "tg-0123456789abcdef0123456789abcdef";

/// Each body differs, so that no answer is known.
fn request() -> Request<Full<Bytes>> {
    static NUMBER: AtomicU64 = AtomicU64::new(0);
    let number = NUMBER.fetch_add(1, Relaxed);
    let text = "a question with a few words in it, ".repeat(54);
    let body = format!(
        r#"{{"model":"gpt-4o-mini","messages":[{{"role":"user","content":"{number} {text}"}}],"temperature":0.2,"max_tokens":256}}"#
    );
    Request::post("/v1/chat/completions")
        .header("host", "localhost:8080")
        .header("user-agent", "bench")
        .header("accept", "*/*")
        .header("content-type", "application/json")
        .header("content-length", body.len())
        .header("authorization", format!("Bearer {KEY}"))
        .body(Full::from(body))
        .expect("the request is valid")
}

fn bare()
-> impl Service<Request<Full<Bytes>>, Response = Response<Full<Bytes>>, Error = Infallible, Future: Send>
+ Clone {
    service_fn(|_: Request<Full<Bytes>>| {
        let answer = Response::builder().header("content-type", "application/json");
        std::future::ready(Ok(answer
            .body(Full::from(Bytes::from_static(&[b' '; 600])))
            .expect("the answer is valid")))
    })
}

fn measure<S, B>(bencher: Bencher<'_, '_>, mut service: S)
where
    S: Service<Request<Full<Bytes>>, Response = Response<B>, Error = Infallible>,
    B: Body<Data = Bytes, Error: Debug>,
{
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_time()
        .build();
    let runtime = runtime.expect("a runtime without I/O can be built");
    let _guard = runtime.enter();
    bencher
        .with_inputs(request)
        .bench_local_values(|request| drive(&mut service, request));
}

fn auth() -> AuthLayer<ApiKeys> {
    AuthLayer::new(ApiKeys::new().with_key(KEY, Principal::new("bench")))
}

fn quota() -> QuotaLayer {
    QuotaLayer::new(Quota::per_second(u32::MAX as u64)).and_concurrency(100)
}

fn cache() -> CacheLayer {
    CacheLayer::new(CachePolicy::new().max_bytes(4 << 20))
}

/// What is outside of the cache.
fn front() -> (AuthLayer<ApiKeys>, QuotaLayer, PayloadLayer) {
    (auth(), quota(), PayloadLayer::new())
}

fn balance() -> BalanceLayer<impl Fn(&Parts) -> Option<Pool> + Clone> {
    BalanceLayer::new(["a", "b"].map(|name| Target::model(name, "gpt-4o-mini")))
}

fn breaker() -> BreakerLayer {
    BreakerLayer::new(BreakerPolicy::new())
}

fn audit() -> AuditLayer {
    AuditLayer::new(Log::to_writer(std::io::sink()))
}

#[divan::bench]
fn a_bare_service(bencher: Bencher<'_, '_>) {
    measure(bencher, bare());
}

#[divan::bench]
fn b_with_auth(bencher: Bencher<'_, '_>) {
    measure(bencher, auth().layer(bare()));
}

#[divan::bench]
fn c_with_quota(bencher: Bencher<'_, '_>) {
    measure(bencher, (auth(), quota()).layer(bare()));
}

#[divan::bench]
fn d_with_payload(bencher: Bencher<'_, '_>) {
    measure(bencher, front().layer(bare()));
}

#[divan::bench]
fn e_with_cache_miss(bencher: Bencher<'_, '_>) {
    measure(bencher, (front(), cache()).layer(bare()));
}

#[divan::bench]
fn f_with_balance(bencher: Bencher<'_, '_>) {
    measure(bencher, (front(), cache(), balance()).layer(bare()));
}

#[divan::bench]
fn g_with_breaker(bencher: Bencher<'_, '_>) {
    let stack = (front(), cache(), balance(), breaker());
    measure(bencher, stack.layer(bare()));
}

/// The six layers, and the reader of the body that two of them need.
#[divan::bench]
fn h_six_layers(bencher: Bencher<'_, '_>) {
    let stack = (audit(), front(), cache(), balance(), breaker());
    measure(bencher, stack.layer(bare()));
}

/// All layers of the gateway but its upstream.
#[divan::bench]
fn i_whole_stack(bencher: Bencher<'_, '_>) {
    measure(bencher, whole(bare()));
}

/// The same, with an answer of 50 events in the place of one piece.
#[divan::bench]
fn j_stream(bencher: Bencher<'_, '_>) {
    measure(bencher, whole(streaming()));
}

fn whole<S, B>(
    service: S,
) -> impl Service<Request<Full<Bytes>>, Response = Response<impl Events>, Error = Infallible>
where
    S: Service<Request<Full<Bytes>>, Response = Response<B>, Error = Infallible> + Clone,
    B: Events,
{
    let outside = (
        RequestIdLayer::new(),
        ObserveLayer::new(),
        RenderLayer::new(),
    );
    let timeout = TimeoutLayer::new().total(std::time::Duration::from_secs(600));
    let inside = (cache(), balance(), breaker(), timeout);
    (outside, audit(), front(), InspectLayer::new(), inside).layer(service)
}

fn streaming()
-> impl Service<Request<Full<Bytes>>, Response = Response<Stream>, Error = Infallible> + Clone {
    service_fn(|_: Request<Full<Bytes>>| {
        let answer = Response::builder().header("content-type", "text/event-stream");
        std::future::ready(Ok(answer.body(Stream(50)).expect("the answer is valid")))
    })
}

/// So many events.
struct Stream(u32);

impl Body for Stream {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        _: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        let left = self.0.checked_sub(1);
        self.0 = left.unwrap_or(0);
        Poll::Ready(left.map(|_| Ok(Frame::data(Bytes::from_static(EVENT)))))
    }
}

/// What all bodies here are.
trait Events: Body<Data = Bytes, Error: Into<BoxError> + Debug> {}

impl<B: Body<Data = Bytes, Error: Into<BoxError> + Debug>> Events for B {}

const EVENT: &[u8] = br#"data: {"id":"chatcmpl-1","object":"chat.completion.chunk","created":1700000000,"model":"mock","choices":[{"index":0,"delta":{"content":" word"},"finish_reason":null}]}

"#;
