//! What is known of a call, and what is refused before anybody is asked.

use bytes::Bytes;
use http::{Method, Request, Response};
use http_body_util::{BodyExt, Full};
use serde_json::Value;
use tollgate_core::{
    PayloadLayer, Rejection, Trail,
    fact::{Call, Operation, Principal, Target},
};
use tollgate_llm::{Catalog, CatalogLayer, InspectLayer, Model};
use tower::{ServiceBuilder, ServiceExt, service_fn};

/// The call that those inside see, or why they see none.
async fn inspected(
    request: Request<Full<Bytes>>,
) -> Result<Call, Response<impl http_body::Body<Data = Bytes>>> {
    let trail = Trail::new();
    let mut request = request;
    request.extensions_mut().insert(trail.clone());
    let catalog: Catalog = [
        Model::new("known", [Target::new("t")]),
        Model::new("other", [Target::new("t")]),
    ]
    .into_iter()
    .collect();
    let service = ServiceBuilder::new()
        .layer(PayloadLayer::new())
        .layer(InspectLayer::new())
        .layer(CatalogLayer::new(catalog))
        .service(service_fn(async |request: Request<Full<Bytes>>| {
            let mut response = Response::new(Full::<Bytes>::default());
            let call = request.extensions().get::<Call>().unwrap().clone();
            response.extensions_mut().insert(call);
            Ok::<_, std::convert::Infallible>(response)
        }));
    let response = service.oneshot(request).await.unwrap();
    match response.extensions().get::<Call>() {
        Some(call) => {
            assert_eq!(trail.get::<Call>().as_ref(), Some(call));
            Ok(call.clone())
        }
        None => Err(response),
    }
}

fn post(path: &str, content_type: &str, body: &'static str) -> Request<Full<Bytes>> {
    let request = Request::post(path).header("content-type", content_type);
    request.body(Full::from(body)).unwrap()
}

#[tokio::test]
async fn the_call_is_read_from_path_and_body() {
    let body = r#"{"model":"known","stream":true,"max_tokens":9}"#;
    for (path, operation, said) in [
        ("/v1/chat/completions", Operation::Chat, (true, Some(9))),
        (
            "/v1/completions",
            Operation::TextCompletion,
            (true, Some(9)),
        ),
        ("/v1/messages", Operation::Chat, (true, Some(9))),
        ("/v1/responses", Operation::Chat, (true, None)),
        ("/v1/embeddings", Operation::Embeddings, (false, None)),
    ] {
        let call = inspected(post(path, "Application/JSON; charset=utf-8", body)).await;
        let call = call.unwrap_or_else(|_| panic!("{path} is known"));
        assert_eq!((call.operation, &*call.model), (operation, "known"));
        assert_eq!((call.stream, call.max_output_tokens), said, "{path}");
    }
}

#[tokio::test]
async fn what_no_provider_could_serve_is_refused() {
    let chat = "/v1/chat/completions";
    let known = r#"{"model":"known"}"#;
    let mut get = post(chat, "application/json", known);
    *get.method_mut() = Method::GET;
    for (request, status, code) in [
        (
            post("/v1/nowhere", "application/json", known),
            404,
            "unknown_url",
        ),
        (post("/", "application/json", known), 404, "unknown_url"),
        (get, 405, "method_not_allowed"),
        (
            post(chat, "text/plain", known),
            415,
            "unsupported_media_type",
        ),
        (
            post(chat, "application/x-www-form-urlencoded", known),
            415,
            "unsupported_media_type",
        ),
        (post(chat, "application/json", "{"), 400, "invalid_json"),
        (
            post(chat, "application/json", "{}"),
            400,
            "missing_required_parameter",
        ),
        (
            post(chat, "application/json", r#"{"model":"unknown"}"#),
            404,
            "model_not_found",
        ),
    ] {
        let refused = inspected(request).await.expect_err(code);
        assert_eq!(refused.status(), status);
        let rejection = refused.extensions().get::<Rejection>().unwrap();
        assert_eq!(rejection.code(), code);
        if code == "model_not_found" {
            assert!(rejection.message().contains("`unknown`"));
        }
    }
}

#[tokio::test]
async fn a_caller_sees_the_models_that_it_may_call() {
    for (path, principal, status, expected) in [
        ("/v1/models", None, 200, "known other"),
        (
            "/v1/models",
            Some(Principal::new("k").with_models(["kn*"])),
            200,
            "known",
        ),
        (
            "/v1/models/other",
            Some(Principal::new("k").with_models(["kn*"])),
            404,
            "",
        ),
        ("/v1/models/other", None, 200, "other"),
        ("/v1/models/un/known", None, 404, ""),
    ] {
        let mut request = Request::get(path).body(Full::default()).unwrap();
        if let Some(principal) = principal {
            request.extensions_mut().insert(principal);
        }

        let response = inspected(request)
            .await
            .expect_err("models are listed without those inside");

        assert_eq!(response.status(), status);
        let body = response
            .into_body()
            .collect()
            .await
            .map_err(|_| ())
            .unwrap()
            .to_bytes();
        let body: Value = serde_json::from_slice(&body).unwrap();
        let one = vec![body.clone()];
        let models = body["data"].as_array().unwrap_or(&one).iter();
        let names: Vec<_> = models.filter_map(|model| model["id"].as_str()).collect();
        assert_eq!(names.join(" "), expected);
    }
}
