//! Who can serve what, and what callers are shown of it.

use bytes::Bytes;
use http::{Request, Response, StatusCode};
use http_body_util::{BodyExt, Full};
use serde_json::{Value, json};
use tollgate_core::fact::{Abilities, Call, Operation, Principal, Target};
use tollgate_llm::{Candidate, Catalog, CatalogLayer, Model, ModelInfo, ModelKind, Prices};
use tower::{ServiceBuilder, ServiceExt, service_fn};

/// What a catalogue answers; 204 if it lets the request pass.
async fn send(catalog: &Catalog, request: Request<()>) -> (StatusCode, Value) {
    let service = ServiceBuilder::new()
        .layer(CatalogLayer::new(catalog.clone()))
        .service(service_fn(async |_: Request<()>| {
            let mut response = Response::new(Full::<Bytes>::default());
            *response.status_mut() = StatusCode::NO_CONTENT;
            Ok::<_, std::convert::Infallible>(response)
        }));
    let response = service.oneshot(request).await.unwrap();
    let status = response.status();
    let body = response.into_body().collect().await.unwrap().to_bytes();
    (status, serde_json::from_slice(&body).unwrap_or_default())
}

async fn call(catalog: &Catalog, call: Call) -> (StatusCode, Value) {
    let request = Request::post("/v1/chat/completions").extension(call);
    send(catalog, request.body(()).unwrap()).await
}

/// Asks for models with a header of one provider's SDK.
async fn list(catalog: &Catalog, header: &str, path: &str) -> (StatusCode, Value) {
    let request = Request::get(path).header(header, "x");
    let request = request.extension(Call::new(Operation::Models, ""));
    send(catalog, request.body(()).unwrap()).await
}

fn known(window: u64, output: u64) -> ModelInfo {
    ModelInfo {
        context_window: Some(window),
        max_output: Some(output),
        ..ModelInfo::default()
    }
}

fn candidate(name: &str, abilities: Option<Abilities>) -> Candidate {
    Candidate::new(Target::model(name, "m")).with_info(ModelInfo {
        abilities,
        ..ModelInfo::default()
    })
}

fn numbered(count: usize) -> Catalog {
    let models = (1..=count).map(|n| Model::new(format!("m{n}"), [Target::new("t")]));
    models.collect()
}

const ANTHROPIC: &str = "anthropic-version";
const GEMINI: &str = "x-goog-api-key";
const OPENAI: &str = "x-stainless-lang";

const TOOLS: Abilities = Abilities {
    tools: true,
    images: false,
    json_schema: false,
};
const IMAGES: Abilities = Abilities {
    tools: false,
    images: true,
    json_schema: false,
};

#[tokio::test]
async fn models_are_listed_in_the_dialect_of_the_caller() {
    let near = Candidate::new(Target::model("near", "m")).with_info(known(1000, 100));
    let far = Candidate::new(Target::model("far", "m")).with_info(known(2000, 50));
    let vectors = Candidate::new(Target::model("near", "e")).with_info(ModelInfo {
        kind: Some(ModelKind::Embeddings),
        ..ModelInfo::default()
    });
    let catalog: Catalog = [
        Model::new("a/b", [near, far]).with_created(951_782_400),
        Model::new("v", [vectors]).with_created(0),
        Model::new("many/*", [Target::model("near", "*")]),
    ]
    .into_iter()
    .collect();

    let openai =
        json!({ "id": "a/b", "object": "model", "created": 951_782_400, "owned_by": "tollgate" });
    let anthropic = json!({
        "type": "model", "id": "a/b", "display_name": "a/b", "created_at": "2000-02-29T00:00:00Z",
        "lifecycle": "active", "max_input_tokens": 1000, "max_tokens": 50,
    });
    let gemini = json!({
        "name": "models/a/b", "displayName": "a/b", "inputTokenLimit": 1000, "outputTokenLimit": 50,
        "supportedGenerationMethods": ["generateContent", "streamGenerateContent"],
    });
    let vectors = json!({
        "name": "models/v", "displayName": "v", "supportedGenerationMethods": ["embedContent"],
    });
    let all = list(&catalog, OPENAI, "/v1/models").await.1;
    assert_eq!((&all["object"], &all["data"][0]), (&json!("list"), &openai));
    assert_eq!(
        all["data"].as_array().unwrap().len(),
        2,
        "a pattern is no model"
    );
    let all = list(&catalog, ANTHROPIC, "/v1/models").await.1;
    assert_eq!(all["data"][0], anthropic);
    assert_eq!(all["has_more"], json!(false));
    assert_eq!(
        (&all["first_id"], &all["last_id"]),
        (&json!("a/b"), &json!("v"))
    );
    for (header, path) in [
        (GEMINI, "/v1/models"),
        (GEMINI, "/v1beta/models"),
        (OPENAI, "/v1beta/models"),
    ] {
        let all = list(&catalog, header, path).await.1;
        assert_eq!(all, json!({ "models": [&gemini, &vectors] }));
    }
    for (header, path, expected) in [
        (OPENAI, "/v1/models/a/b", &openai),
        (OPENAI, "/v1/models/a%2Fb", &openai),
        (ANTHROPIC, "/v1/models/a%2fb", &anthropic),
        (GEMINI, "/v1beta/models/a/b", &gemini),
    ] {
        assert_eq!(
            list(&catalog, header, path).await,
            (StatusCode::OK, expected.clone()),
            "{path}"
        );
    }
    assert_eq!(
        list(&catalog, OPENAI, "/v1/models/many%2Fx").await.1["id"],
        "many/x"
    );
    for path in [
        "/v1/models/many/*",
        "/v1/models/*",
        "/v1/models/",
        "/v1/models/%ff",
        "/v1/models/a%252Fb",
    ] {
        let (status, error) = list(&catalog, OPENAI, path).await;
        assert_eq!(
            (status.as_u16(), &error["code"]),
            (404, &json!("model_not_found")),
            "{path}"
        );
    }
}

#[tokio::test]
async fn a_caller_is_shown_what_it_may_call_and_nothing_else() {
    let catalog = numbered(12);
    for (header, path, names) in [
        (OPENAI, "/v1/models", "/data"),
        (ANTHROPIC, "/v1/models?limit=5", "/data"),
        (GEMINI, "/v1beta/models", "/models"),
    ] {
        let ask = async |path: &str| {
            let request = Request::get(path)
                .header(header, "x")
                .extension(Principal::new("k").with_models(["m1*"]))
                .extension(Call::new(Operation::Models, ""));
            send(&catalog, request.body(()).unwrap()).await
        };

        let (_, all) = ask(path).await;

        let shown = all.pointer(names).unwrap().as_array().unwrap();
        assert_eq!(shown.len(), 4, "m1, m10, m11 and m12");
        let one = path.split('?').next().unwrap();
        assert_eq!(ask(&format!("{one}/m10")).await.0, StatusCode::OK);
        assert_eq!(ask(&format!("{one}/m2")).await.0, StatusCode::NOT_FOUND);
    }
    let request = Request::get("/v1/models?after_id=m2")
        .header(ANTHROPIC, "x")
        .extension(Principal::new("k").with_models(["m1*"]))
        .extension(Call::new(Operation::Models, ""));
    let hidden = send(&catalog, request.body(()).unwrap()).await;
    assert_eq!(
        hidden.0,
        StatusCode::BAD_REQUEST,
        "nor is it a mark to page by"
    );
}

#[tokio::test]
async fn anthropics_pages_go_both_ways() {
    let catalog = numbered(25);
    for (query, expected) in [
        ("", "m1..m20 more"),
        ("?limit=1000", "m1..m25"),
        ("?limit=25", "m1..m25"),
        ("?limit=3", "m1..m3 more"),
        ("?limit=3&after_id=m3", "m4..m6 more"),
        ("?after_id=m20", "m21..m25"),
        ("?after_id=m%320&limit=", "m21..m25"),
        ("?limit=2&after_id=m25", "-"),
        ("?limit=3&before_id=m7", "m4..m6 more"),
        ("?limit=3&before_id=m5", "m2..m4 more"),
        ("?limit=3&before_id=m4", "m1..m3"),
        ("?before_id=m1", "-"),
    ] {
        let (status, page) = list(&catalog, ANTHROPIC, &format!("/v1/models{query}")).await;

        assert_eq!(status, StatusCode::OK, "{query}");
        let data = page["data"].as_array().unwrap();
        let mut seen = match (page["first_id"].as_str(), page["last_id"].as_str()) {
            (Some(first), Some(last)) => format!("{first}..{last}"),
            _ => "-".to_owned(),
        };
        if page["has_more"] == true {
            seen += " more";
        }
        assert_eq!(seen, expected, "{query}");
        assert_eq!(
            data.first().map(|it| &it["id"]),
            Some(&page["first_id"]).filter(|it| !it.is_null())
        );
        assert_eq!(
            data.last().map(|it| &it["id"]),
            Some(&page["last_id"]).filter(|it| !it.is_null())
        );
    }
}

#[tokio::test]
async fn geminis_tokens_lead_through_all_models() {
    let catalog = numbered(120);
    for (size, pages) in [
        ("", 3),
        ("&pageSize=0", 3),
        ("&pageSize=40", 3),
        ("&pageSize=7", 18),
        ("&pageSize=99999", 1),
    ] {
        let (mut seen, mut token, mut asked) = (Vec::new(), String::new(), 0);
        loop {
            let path = format!("/v1beta/models?pageToken={token}{size}");
            let (status, page) = list(&catalog, GEMINI, &path).await;
            assert_eq!(status, StatusCode::OK, "{path}");
            let models = page["models"].as_array().unwrap().iter();
            seen.extend(models.map(|model| model["name"].as_str().unwrap().to_owned()));
            asked += 1;
            match page.get("nextPageToken") {
                Some(next) => token = next.as_str().unwrap().to_owned(),
                None => break,
            }
        }
        let all: Vec<_> = (1..=120).map(|n| format!("models/m{n}")).collect();
        assert_eq!(seen, all);
        assert_eq!(asked, pages, "{size}");
    }
}

#[tokio::test]
async fn pages_that_there_are_not_are_refused() {
    let catalog = numbered(3);
    for (header, query, param) in [
        (ANTHROPIC, "limit=0", "limit"),
        (ANTHROPIC, "limit=1001", "limit"),
        (ANTHROPIC, "limit=-1", "limit"),
        (ANTHROPIC, "limit=99999999999999999999999", "limit"),
        (ANTHROPIC, "after_id=m4", "after_id"),
        (ANTHROPIC, "before_id=m4", "before_id"),
        (ANTHROPIC, "after_id=m1&before_id=m3", "before_id"),
        (GEMINI, "pageSize=-1", "pageSize"),
        (GEMINI, "pageSize=x", "pageSize"),
        (GEMINI, "pageToken=m4", "pageToken"),
    ] {
        let (status, error) = list(&catalog, header, &format!("/v1/models?{query}")).await;
        assert_eq!(status, StatusCode::BAD_REQUEST, "{query}");
        assert_eq!(
            (&error["code"], &error["param"]),
            (&json!("invalid_parameter"), &json!(param))
        );
    }
}

#[tokio::test]
async fn a_call_that_no_candidate_can_serve_is_refused_with_the_ability() {
    let vectors = Candidate::new(Target::new("t")).with_info(ModelInfo {
        kind: Some(ModelKind::Embeddings),
        ..ModelInfo::default()
    });
    let catalog: Catalog = [
        Model::new("plain", [candidate("a", Some(Abilities::default()))]),
        Model::new(
            "split",
            [candidate("a", Some(TOOLS)), candidate("b", Some(IMAGES))],
        ),
        Model::new("unknown", [candidate("a", None)]),
        Model::new("open", [candidate("a", Some(TOOLS)), candidate("b", None)]),
        Model::new("vectors", [vectors]),
        Model::new("empty", Vec::<Target>::new()),
    ]
    .into_iter()
    .collect();
    let both = TOOLS.or(IMAGES);
    for (model, needs, expected) in [
        ("plain", Abilities::default(), None),
        ("plain", TOOLS, Some(json!(["tools"]))),
        ("plain", both, Some(json!(["tools", "images"]))),
        ("split", TOOLS, None),
        ("split", both, Some(json!(["tools", "images"]))),
        (
            "split",
            Abilities {
                json_schema: true,
                ..TOOLS
            },
            Some(json!(["json_schema"])),
        ),
        ("unknown", both, None),
        ("open", both, None),
        ("empty", both, None),
        ("vectors", Abilities::default(), Some(json!([]))),
    ] {
        let mut chat = Call::new(Operation::Chat, model);
        chat.abilities = needs;

        let (status, error) = call(&catalog, chat).await;

        let Some(lacks) = expected else {
            assert_eq!(status, StatusCode::NO_CONTENT, "{model} {needs:?}");
            continue;
        };
        assert_eq!(
            (status, &error["code"]),
            (StatusCode::BAD_REQUEST, &json!("model_unable")),
            "{model}"
        );
        for name in lacks.as_array().unwrap() {
            assert!(
                error["detail"]
                    .as_str()
                    .unwrap()
                    .contains(name.as_str().unwrap())
            );
        }
        assert_eq!(error["lacks"], lacks, "{model}");
    }
    let embed = |model| call(&catalog, Call::new(Operation::Embeddings, model));
    assert_eq!(embed("vectors").await.0, StatusCode::NO_CONTENT);
    assert_eq!(embed("nobody").await.0, StatusCode::NOT_FOUND);
}

#[test]
fn only_those_who_can_serve_are_candidates_and_their_order_stays() {
    let model = Model::new(
        "m",
        [
            candidate("a", Some(IMAGES)),
            candidate("b", None),
            candidate("c", Some(TOOLS)),
        ],
    );
    let mut call = Call::new(Operation::Chat, "m");
    call.abilities = TOOLS;

    let names: Vec<_> = model
        .candidates_for(&call)
        .map(|it| it.target.provider.to_string())
        .collect();

    assert_eq!(names, ["b", "c"]);
}

#[test]
fn a_pattern_passes_on_what_its_star_stands_for() {
    let prices = Prices::built_in();
    let openai = |model| Candidate::new(Target::model("o", model)).listed_in(&prices, "openai");
    let catalog: Catalog = [
        Model::new("*", [openai("")]),
        Model::new(
            "openai/*",
            [openai("*"), openai("gpt-4o-mini"), openai("ft:*:x")],
        ),
        Model::new("openai/gpt-5*", [openai("gpt-5*")]),
        Model::new("openai/own", [openai("gpt-4o")]),
        Model::new(
            "gpt-4o",
            [Candidate::new(Target::new("t")).listed_in(&prices, "openai")],
        ),
    ]
    .into_iter()
    .collect();
    for (asked, expected) in [
        (
            "openai/gpt-4o",
            "gpt-4o:128000 gpt-4o-mini:128000 ft:gpt-4o:x:0",
        ),
        ("openai/gpt-5-mini", "gpt-5-mini:272000"),
        ("openai/own", "gpt-4o:128000"),
        ("gpt-4.1", "gpt-4.1:1047576"),
        ("gpt-4o", "gpt-4o:128000"),
        ("anything/at-all", "anything/at-all:0"),
        ("openai/*", ""),
    ] {
        let call = Call::new(Operation::Chat, asked);
        let candidates = catalog
            .get(asked)
            .into_iter()
            .flat_map(|model| model.candidates_for(&call));
        let found: Vec<_> = candidates
            .map(|it| {
                format!(
                    "{}:{}",
                    it.target.model,
                    it.info.context_window.unwrap_or(0)
                )
            })
            .collect();
        assert_eq!(found.join(" "), expected, "{asked}");
    }
}

#[test]
fn of_two_models_with_one_name_the_later_counts_in_the_place_of_the_first() {
    let catalog: Catalog = [
        Model::new("a", [Target::new("old")]),
        Model::new("b", [Target::new("t")]),
        Model::new("a", [Target::new("new")]),
        Model::new("c", [Target::new("t")]),
    ]
    .into_iter()
    .collect();

    let names: Vec<_> = catalog.iter().map(Model::name).collect();

    assert_eq!(names, ["a", "b", "c"]);
    assert_eq!(
        &*catalog.get("a").unwrap().candidates()[0].target.name,
        "new"
    );
    assert_eq!(catalog.get("c").unwrap().name(), "c");
}
