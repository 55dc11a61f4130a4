//! The kit, run against the layers.

use http::{Request, StatusCode, request::Parts};
use tollgate_core::{
    GateLayer, Payload, Rejection,
    fact::{Call, Operation, Target},
    gate_fn,
    testing::{Contract, Recorder, Script},
};
use tollgate_llm::{Catalog, CatalogLayer, InspectLayer, Model, RenderLayer};
use tower::Layer;

fn chat(model: &str) -> Request<Script> {
    Request::post("/v1/chat/completions")
        .extension(Payload::new(format!(r#"{{"model":"{model}"}}"#)))
        .extension(Call::new(Operation::Chat, model))
        .body(Script::empty())
        .unwrap()
}

#[test]
fn inspection_keeps_the_contract() {
    let recorder = Recorder::new();
    let gate = GateLayer::new(recorder.clone());

    Contract::new(move |inner| InspectLayer::new().layer(gate.layer(inner)))
        .request(|| {
            // The kit also asks by HEAD, which is no method of a path here.
            let mut request = chat("m");
            *request.uri_mut() = "/v1/models".parse().unwrap();
            *request.method_mut() = http::Method::GET;
            request
        })
        .refused(|request| *request.uri_mut() = "/nowhere".parse().unwrap())
        .settled(move || recorder.open() == 0)
        .check();
}

#[test]
fn the_catalogue_keeps_the_contract() {
    let catalog: Catalog = [Model::new("m", [Target::new("t")])].into_iter().collect();

    Contract::new(move |inner| CatalogLayer::new(catalog.clone()).layer(inner))
        .request(|| chat("m"))
        .refused(|request| *request = chat("unknown"))
        .check();
}

#[test]
fn rendering_keeps_the_contract() {
    let closed = gate_fn(|parts: &mut Parts| match parts.uri.path() {
        "/closed" => Err(Rejection::new(
            StatusCode::FORBIDDEN,
            "closed",
            "nobody may pass",
        )),
        _ => Ok(()),
    });

    for path in [
        "/",
        "/v1/chat/completions",
        "/v1/responses",
        "/v1/messages",
        "/v1beta/models/m:streamGenerateContent?alt=sse",
        "/v1beta/models/m:streamGenerateContent",
    ] {
        Contract::new(move |inner| RenderLayer::new().layer(GateLayer::new(closed).layer(inner)))
            .request(move || Request::post(path).body(Script::empty()).unwrap())
            .refused(|request| *request.uri_mut() = "/closed".parse().unwrap())
            .check();
    }
}
