//! Requests for embeddings go together, and nobody can tell from the answer.

use std::{
    convert::Infallible,
    sync::{Arc, Mutex},
};

use bytes::Bytes;
use http::{HeaderValue, Request, Response, StatusCode, request::Parts};
use http_body_util::{BodyExt, Full};
use proptest::prelude::*;
use serde_json::{Value, json};
use tollgate_core::{
    Batch, BatchLayer, Digest, Payload, Trail,
    fact::{Principal, Target, Usage},
};
use tollgate_llm::EmbeddingsBatch;
use tower::{Layer, Service, ServiceExt, service_fn};

fn request(tenant: &str, body: &str) -> Request<Full<Bytes>> {
    let body = Bytes::copy_from_slice(body.as_bytes());
    Request::post("/v1/embeddings")
        .header("content-type", "application/json")
        .extension(Principal::new("key").with_org(tenant))
        .extension(Payload::new(body.clone()))
        .extension(Trail::new())
        .body(Full::new(body))
        .unwrap()
}

/// The key of a request, by the whole of it.
fn key_of(policy: EmbeddingsBatch, request: Request<Full<Bytes>>) -> Option<Digest> {
    let (parts, _) = request.into_parts();
    let body = parts.extensions.get::<Payload>().unwrap().bytes().clone();
    policy.read(&parts, &body).map(|(key, _)| key)
}

fn key(body: &str) -> Option<Digest> {
    key_of(EmbeddingsBatch::new(), request("acme", body))
}

/// A provider whose vectors tell what was embedded, and that counts a token for each byte.
fn provider(
    asked: Arc<Mutex<Vec<String>>>,
) -> impl Service<Request<Full<Bytes>>, Response = Response<String>, Error = Infallible, Future: Send>
+ Clone
+ Send
+ 'static {
    service_fn(move |request: Request<Full<Bytes>>| {
        let asked = Arc::clone(&asked);
        async move {
            let (parts, body) = request.into_parts();
            let body = body.collect().await.unwrap().to_bytes();
            asked
                .lock()
                .unwrap()
                .push(String::from_utf8(body.to_vec()).unwrap());
            let answer = embed(&serde_json::from_slice(&body).unwrap());
            if let Some(tokens) = answer["usage"]["prompt_tokens"].as_u64() {
                let usage = Usage {
                    input: tokens,
                    ..Usage::default()
                };
                parts.extensions.get::<Trail>().unwrap().set(usage);
            }
            let mut response = Response::new(answer.to_string());
            if answer.get("error").is_some() {
                *response.status_mut() = StatusCode::BAD_REQUEST;
            }
            let json = HeaderValue::from_static("application/json");
            response.headers_mut().insert("content-type", json);
            Ok(response)
        }
    })
}

fn embed(asked: &Value) -> Value {
    let inputs = match &asked["input"] {
        Value::Array(inputs) if inputs[0].is_number() => vec![asked["input"].clone()],
        Value::Array(inputs) => inputs.clone(),
        input => vec![input.clone()],
    };
    if inputs.contains(&json!("")) {
        return json!({"error": {"message": "an input is empty"}});
    }
    let tokens: usize = inputs.iter().map(|input| input.to_string().len()).sum();
    let vector = |(index, input): (usize, &Value)| json!({"object": "embedding", "embedding": input.to_string(), "index": index});
    let data: Vec<Value> = inputs.iter().enumerate().map(vector).collect();
    json!({"object": "list", "data": data, "model": asked["model"], "usage": {"prompt_tokens": tokens, "total_tokens": tokens}})
}

async fn ask(
    layer: &BatchLayer<EmbeddingsBatch>,
    requests: Vec<Request<Full<Bytes>>>,
) -> (Vec<Value>, Vec<String>) {
    let asked = Arc::default();
    let service = layer.layer(provider(Arc::clone(&asked)));
    let answers = requests.into_iter().map(|request| {
        let service = service.clone();
        async move {
            let body = service.oneshot(request).await.unwrap().into_body();
            serde_json::from_slice(&body.collect().await.unwrap().to_bytes()).unwrap()
        }
    });
    let answers = futures_util::future::join_all(answers).await;
    let asked = asked.lock().unwrap().clone();
    (answers, asked)
}

#[tokio::test(start_paused = true)]
async fn inputs_of_every_shape_go_together_and_vectors_come_back_to_whom_they_belong() {
    let layer = BatchLayer::new(EmbeddingsBatch::new());
    let bodies = [
        r#"{"model":"e","input":"a \"text\" \u00e9"}"#,
        r#"{"input" : ["b", "c"], "model":"e"}"#,
        r#"{"model":"e","input":[ "d" ]}"#,
        r#"{"model":"e","input":[1,2,3]}"#,
        r#"{"model":"e","input":[[4,5],[6]]}"#,
    ];

    let (answers, asked) = ask(&layer, bodies.map(|body| request("acme", body)).into()).await;

    assert_eq!(
        asked,
        [
            r#"{"model":"e","input":["a \"text\" \u00e9","b", "c", "d" ]}"#,
            r#"{"model":"e","input":[[1,2,3],[4,5],[6]]}"#,
        ]
    );
    for (body, answer) in bodies.iter().zip(answers) {
        let alone = embed(&serde_json::from_str(body).unwrap());
        assert_eq!(answer["data"], alone["data"], "{body}");
        assert_eq!(
            (&answer["model"], &answer["object"]),
            (&alone["model"], &alone["object"])
        );
    }
}

#[tokio::test(start_paused = true)]
async fn the_shares_in_the_answers_and_in_the_trails_are_the_same_and_sum_up() {
    let layer = BatchLayer::new(EmbeddingsBatch::new());
    let bodies = ["short", "a longer one", "and one that is longer still"];
    let requests =
        bodies.map(|text| request("acme", &json!({"input": text, "model": "e"}).to_string()));
    let trails = requests
        .each_ref()
        .map(|it| it.extensions().get::<Trail>().unwrap().clone());

    let (answers, asked) = ask(&layer, requests.into()).await;

    let whole = embed(&serde_json::from_str(&asked[0]).unwrap());
    let told: Vec<u64> = answers
        .iter()
        .map(|it| it["usage"]["prompt_tokens"].as_u64().unwrap())
        .collect();
    assert_eq!(
        told,
        trails.map(|trail| trail.get::<Usage>().unwrap().input)
    );
    assert_eq!(
        told.iter().sum::<u64>(),
        whole["usage"]["prompt_tokens"].as_u64().unwrap()
    );
    assert!(
        answers
            .iter()
            .all(|it| it["usage"]["total_tokens"] == it["usage"]["prompt_tokens"])
    );
}

#[tokio::test(start_paused = true)]
async fn one_bad_input_fails_alone() {
    let layer = BatchLayer::new(EmbeddingsBatch::new());
    let bodies = [
        r#"{"model":"e","input":"good"}"#,
        r#"{"model":"e","input":""}"#,
    ];

    let (answers, asked) = ask(&layer, bodies.map(|body| request("acme", body)).into()).await;

    assert_eq!(answers[0]["data"][0]["embedding"], "\"good\"");
    assert_eq!(answers[1]["error"]["message"], "an input is empty");
    assert_eq!(&asked[1..], bodies, "byte for byte");
}

#[tokio::test(start_paused = true)]
async fn tenants_are_apart_unless_the_operator_says_otherwise() {
    let body = r#"{"model":"e","input":"a"}"#;
    let requests = || ["acme", "umbra"].map(|tenant| request(tenant, body)).into();

    let (_, apart) = ask(&BatchLayer::new(EmbeddingsBatch::new()), requests()).await;
    let (_, together) = ask(
        &BatchLayer::new(EmbeddingsBatch::new().across_tenants()),
        requests(),
    )
    .await;

    assert_eq!(apart, [body, body]);
    assert_eq!(together, [r#"{"model":"e","input":["a","a"]}"#]);
}

#[test]
fn without_a_principal_a_request_goes_alone() {
    let anonymous = || {
        let mut request = request("acme", r#"{"model":"e","input":"a"}"#);
        request.extensions_mut().remove::<Principal>();
        request
    };
    assert_eq!(key_of(EmbeddingsBatch::new(), anonymous()), None);
    assert!(key_of(EmbeddingsBatch::new().across_tenants(), anonymous()).is_some());
}

#[test]
fn across_tenants_nobodys_credentials_go_along() {
    let policy = EmbeddingsBatch::new().across_tenants();
    let mut with_key = request("acme", r#"{"model":"e","input":"a"}"#);
    with_key
        .headers_mut()
        .insert("authorization", HeaderValue::from_static("Bearer x"));
    let other = request("umbra", r#"{"model":"e","input":"b"}"#);
    let (parts, _) = with_key.into_parts();
    let payload = parts.extensions.get::<Payload>().unwrap().bytes().clone();

    let (key, member) = policy.read(&parts, &payload).unwrap();
    assert_eq!(Some(key), key_of(policy, other));
    let (head, _) = policy.join(parts, &[member.clone(), member]);

    assert!(!head.headers.contains_key("authorization"));
    assert!(head.extensions.get::<Principal>().is_none());
}

#[test]
fn whatever_may_change_the_answer_makes_another_batch() {
    let plain = key(r#"{"model":"e","input":"a"}"#).unwrap();
    for same in [
        r#"{"model":"e","input":"b"}"#,
        r#"{"input":["b"],"model":"e"}"#,
        r#" { "model" : "e" , "input" : [ "b" , "c" ] } "#,
    ] {
        assert_eq!(key(same), Some(plain), "{same}");
    }
    for other in [
        r#"{"model":"f","input":"a"}"#,
        r#"{"model":"e","input":[1]}"#,
        r#"{"model":"e","input":"a","dimensions":3}"#,
        r#"{"model":"e","input":"a","encoding_format":"base64"}"#,
        r#"{"model":"e","input":"a","user":"u"}"#,
        r#"{"model":"e","input":"a","unknown":null}"#,
    ] {
        assert!(key(other).is_some_and(|other| other != plain), "{other}");
    }

    let changed = |change: fn(&mut Parts)| {
        let (mut parts, body) = request("acme", r#"{"model":"e","input":"a"}"#).into_parts();
        change(&mut parts);
        key_of(EmbeddingsBatch::new(), Request::from_parts(parts, body))
    };
    assert_eq!(changed(|_| ()), Some(plain));
    assert_eq!(
        changed(|parts| {
            parts
                .headers
                .insert("x-request-id", HeaderValue::from_static("x"));
        }),
        Some(plain)
    );
    let others: [fn(&mut Parts); 6] = [
        |parts| {
            parts.extensions.insert(Target::model("openai", "e"));
        },
        |parts| {
            parts.extensions.insert(Target::model("azure", "e"));
        },
        |parts| parts.uri = "/v1/embeddings?api-version=2".parse().unwrap(),
        |parts| {
            parts
                .headers
                .insert("authorization", HeaderValue::from_static("x"));
        },
        |parts| {
            parts
                .headers
                .insert("openai-project", HeaderValue::from_static("x"));
        },
        |parts| {
            parts
                .headers
                .insert("idempotency-key", HeaderValue::from_static("x"));
        },
    ];
    let keys: std::collections::HashSet<_> = others.map(|change| changed(change).unwrap()).into();
    assert_eq!(keys.len(), others.len());
    assert!(!keys.contains(&plain));
}

#[test]
fn what_is_not_understood_goes_alone() {
    let long = json!({"model": "e", "input": vec!["a"; 2049]}).to_string();
    for body in [
        "",
        "[]",
        r#"{"model":"e"}"#,
        r#"{"model":"e","input":null}"#,
        r#"{"model":"e","input":[]}"#,
        r#"{"model":"e","input":{}}"#,
        r#"{"model":"e","input":["a",1]}"#,
        r#"{"model":"e","input":[["a"]]}"#,
        r#"{"model":"e","input":[[]]}"#,
        r#"{"model":"e","input":[1,-2]}"#,
        r#"{"model":"e","input":"a","input":"b"}"#,
        r#"{"model":"e","\u0069nput":"a","input":"b"}"#,
        r#"{"model":"e","input":"a"} x"#,
        &long,
    ] {
        assert_eq!(key(body), None, "{body:.80}");
    }
    let elsewhere = Request::post("/v1/chat/completions").extension(Principal::new("k"));
    let (parts, ()) = elsewhere.body(()).unwrap().into_parts();
    let body = Bytes::from_static(br#"{"model":"e","input":"a"}"#);
    assert!(EmbeddingsBatch::new().read(&parts, &body).is_none());
}

/// Two members, with one input and with two.
fn split(answer: &str) -> Option<Vec<String>> {
    let policy = EmbeddingsBatch::new();
    let members: Vec<_> = [r#"{"input":"four"}"#, r#"{"input":["four","four"]}"#]
        .map(|body| {
            let (parts, _) = request("acme", body).into_parts();
            policy.read(&parts, &Bytes::from(body)).unwrap().1
        })
        .into();
    let (head, ()) = Response::new(()).into_parts();
    let bodies = policy.split(&head, &Bytes::copy_from_slice(answer.as_bytes()), &members)?;
    Some(
        bodies
            .iter()
            .map(|body| String::from_utf8(body.to_vec()).unwrap())
            .collect(),
    )
}

#[test]
fn an_answer_is_taken_apart_by_index_and_kept_byte_for_byte() {
    let answer = r#"{ "object":"list", "data": [ {"embedding":[0.10, 1e-3, 0.12345678901234567890],"index":2}, {"index":0 ,"embedding":"AAA="}, {"embedding":[9],"index": 1, "x":1.50} ],
        "usage":{"prompt_tokens":7,"total_tokens": 8,"note":"x"}, "id":1.0 }"#;

    let bodies = split(answer).unwrap();

    assert_eq!(
        bodies,
        [
            r#"{ "object":"list", "data": [{"index":0 ,"embedding":"AAA="}],
        "usage":{"prompt_tokens":2,"total_tokens": 3,"note":"x"}, "id":1.0 }"#,
            r#"{ "object":"list", "data": [{"embedding":[9],"index": 0, "x":1.50},{"embedding":[0.10, 1e-3, 0.12345678901234567890],"index":1}],
        "usage":{"prompt_tokens":5,"total_tokens": 5,"note":"x"}, "id":1.0 }"#,
        ]
    );
}

#[test]
fn an_answer_that_does_not_fit_is_not_guessed_at() {
    let data = |data: &str| format!(r#"{{"data":{data}}}"#);
    let wide = format!(
        r#"{{"data":[{{"index":0}},{{"index":1}},{{"index":2}}],"x":"{}"}}"#,
        "x".repeat(1 << 17)
    );
    assert!(split(&data(r#"[{"index":0},{"index":1},{"index":2}]"#)).is_some());
    for answer in [
        "no json".to_owned(),
        "{}".to_owned(),
        data("null"),
        data(r#"[{"index":0},{"index":1}]"#),
        data(r#"[{"index":0},{"index":1},{"index":2},{"index":3}]"#),
        data(r#"[{"index":0},{"index":1},{"index":1}]"#),
        data(r#"[{"index":0},{"index":1},{"index":3}]"#),
        data(r#"[{"index":0},{"index":1},{"index":-2}]"#),
        data(r#"[{"index":0},{"index":1},{"index":2,"index":2}]"#),
        data(r#"[{"index":0},{"index":1},[2]]"#),
        data(r#"[{"index":0},{"index":1},{}]"#),
        r#"{"data":[],"data":[{"index":0},{"index":1},{"index":2}]}"#.to_owned(),
        wide,
    ] {
        assert_eq!(split(&answer), None, "{answer:.80}");
    }
}

fn inputs() -> impl Strategy<Value = Value> {
    let text = prop_oneof![".{0,8}", Just("\"\\\u{0}[,]".to_owned())];
    prop_oneof![
        text.clone().prop_map(Value::from),
        prop::collection::vec(text, 1..4).prop_map(Value::from)
    ]
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 200, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn joined_inputs_are_those_of_each_in_order(inputs in prop::collection::vec(inputs(), 2..6)) {
        let policy = EmbeddingsBatch::new();
        let (head, ()) = Request::new(()).into_parts();
        let members: Vec<_> = inputs.iter().map(|input| {
            let (parts, _) = request("acme", "").into_parts();
            policy.read(&parts, &json!({"input": input, "model": "e"}).to_string().into()).unwrap().1
        }).collect();

        let (_, joined) = policy.join(head, &members);

        let joined: Value = serde_json::from_slice(&joined).unwrap();
        let each = inputs.iter().flat_map(|input| match input {
            Value::Array(texts) => texts.clone(),
            text => vec![text.clone()],
        });
        prop_assert_eq!(&joined["input"], &Value::from(each.collect::<Vec<_>>()));
        prop_assert_eq!(&joined["model"], "e");
    }
}
