//! The contract of every layer, with `GET` and with a body that `PayloadLayer` has read.

use http::{HeaderValue, Method, Request, header::CACHE_CONTROL};
use tollgate_cache::{CacheLayer, CachePolicy};
use tollgate_core::{
    GateLayer, PayloadLayer,
    testing::{Contract, Recorder, Script, Step},
};
use tower::Layer;

fn only_if_cached(request: &mut Request<Script>) {
    *request.uri_mut() = "/never-asked-for".parse().unwrap();
    let directive = HeaderValue::from_static("only-if-cached");
    request.headers_mut().insert(CACHE_CONTROL, directive);
}

#[test]
fn a_read_keeps_the_contract() {
    let recorder = Recorder::new();
    let inside = recorder.clone();

    Contract::new(move |inner| {
        let inner = GateLayer::new(inside.clone()).layer(inner);
        CacheLayer::new(CachePolicy::new()).layer(inner)
    })
    .refused(only_if_cached)
    .settled(move || recorder.open() == 0)
    .check();
}

#[test]
fn a_post_keeps_the_contract() {
    let recorder = Recorder::new();
    let inside = recorder.clone();

    Contract::new(move |inner| {
        let inner = GateLayer::new(inside.clone()).layer(inner);
        PayloadLayer::new().layer(CacheLayer::new(CachePolicy::new()).layer(inner))
    })
    .request(|| {
        let mut request = Request::new(Script::known([Step::Data(b"body")]));
        *request.method_mut() = Method::POST;
        request
    })
    .refused(only_if_cached)
    .settled(move || recorder.open() == 0)
    .check();
}

#[test]
fn a_bypass_keeps_the_contract() {
    Contract::new(|inner| {
        CacheLayer::new(CachePolicy::new())
            .when(|_| false)
            .layer(inner)
    })
    .refused(only_if_cached)
    .check();
}
