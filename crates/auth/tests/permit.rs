//! What may be done, and what the others are told.

use axum::{Router, body::Body, extract::Request, routing::get};
use http::{StatusCode, request::Parts};
use tollgate_auth::PermitLayer;
use tollgate_core::{Rejection, testing::Contract};
use tower::ServiceExt;
use tower_layer::Layer;

async fn ask<F, P>(layer: PermitLayer<F>, path: &str) -> (StatusCode, String)
where
    F: Fn(&Parts) -> P + Clone + Send + Sync + 'static,
    P: tollgate_auth::Permission,
{
    let app: Router = Router::new()
        .route("/open", get(|| async { "welcome" }))
        .route("/closed", get(|| async { StatusCode::IM_A_TEAPOT }))
        .layer(layer);
    let request = Request::get(path).body(Body::empty()).unwrap();
    let response = app.oneshot(request).await.unwrap();
    let code = response
        .extensions()
        .get::<Rejection>()
        .map(Rejection::code);
    (response.status(), code.unwrap_or_default().to_owned())
}

fn is_open(parts: &Parts) -> bool {
    parts.uri.path() == "/open"
}

#[tokio::test]
async fn a_plain_no_is_permission_denied() {
    let layer = PermitLayer::new(is_open);

    assert_eq!(ask(layer, "/open").await, (StatusCode::OK, String::new()));
    let denied = (StatusCode::FORBIDDEN, "permission_denied".to_owned());
    assert_eq!(ask(layer, "/closed").await, denied);
}

#[tokio::test]
async fn a_closure_may_choose_the_words() {
    let layer = PermitLayer::new(|parts: &Parts| match is_open(parts) {
        true => Ok(()),
        false => Err(Rejection::new(
            StatusCode::NOT_FOUND,
            "no_such_model",
            "nothing to see here",
        )),
    });

    let hidden = (StatusCode::NOT_FOUND, "no_such_model".to_owned());
    assert_eq!(ask(layer, "/closed").await, hidden);
}

#[tokio::test]
async fn a_panic_in_the_closure_costs_one_request() {
    let layer = PermitLayer::new(|parts: &Parts| {
        assert!(is_open(parts), "a scripted panic");
        true
    });

    assert!(tokio::spawn(ask(layer, "/closed")).await.is_err());
    assert_eq!(ask(layer, "/open").await.0, StatusCode::OK);
}

#[test]
fn it_keeps_the_contract() {
    Contract::new(|inner| PermitLayer::new(|parts| parts.uri.path() == "/").layer(inner))
        .refused(|request| *request.uri_mut() = "/closed".parse().unwrap())
        .check();
}
