//! What a call can cost at most.

use std::sync::{Arc, Mutex};

use bytes::Bytes;
use http::{Request, request::Builder};
use http_body_util::Full;
use tokio::sync::watch;
use tollgate_core::{
    About, GateLayer, Payload, PayloadLayer, Rejection,
    fact::{Cost, Target},
    gate_fn,
    testing::{Answer, Inner, Script},
};
use tollgate_llm::{Dialect, InspectLayer, ModelInfo, Price, Prices, Rates, WorstCase};
use tower::{ServiceBuilder, ServiceExt};

type Bound = Result<(Cost, u64), Rejection>;

const CHAT: &str = "/v1/chat/completions";

/// A nano-dollar a token of input, ten when it is written to a cache, and a hundred a token of output.
fn price() -> Price {
    let rate = |nanos: u64| Some(tollgate_llm::Dollars::from_nanos(nanos * 1_000_000));
    Price::new(Rates {
        input: rate(1),
        cache_write: rate(10),
        output: rate(100),
        ..Rates::default()
    })
}

fn plain() -> Price {
    toml::from_str("input = 1\noutput = 2").unwrap()
}

fn prices() -> Prices {
    let info = |price, window, most| ModelInfo {
        price,
        context_window: window,
        max_output: most,
        ..ModelInfo::default()
    };
    Prices::new()
        .with("openai", "known", info(Some(price()), Some(5000), Some(7)))
        .with("openai", "endless", info(Some(price()), None, None))
        .with("openai", "priceless", info(None, Some(5000), Some(7)))
        .with("p", "own", info(Some(price()), Some(1), Some(1)))
        .with("openai", "plain", info(Some(plain()), Some(5000), Some(7)))
}

/// The bound of a request to a target, where the gate asks.
async fn bound(path: &str, model: &str, fields: &str, output: Option<u64>) -> Bound {
    let request = Request::post(path).extension(Target::model("p", model));
    bound_of(request, fields, output).await
}

async fn bound_of(request: Builder, fields: &str, output: Option<u64>) -> Bound {
    let (_sender, receiver) = watch::channel(prices());
    let worst = WorstCase::new(receiver, [("p".into(), Dialect::OpenAi)]);
    let seen: Arc<Mutex<Option<Bound>>> = Arc::default();
    let log = Arc::clone(&seen);
    let gate = gate_fn(move |parts| {
        *log.lock().unwrap() = Some(worst.of(parts, output));
        Ok(())
    });
    let service = ServiceBuilder::new()
        .layer(PayloadLayer::new())
        .layer(InspectLayer::new())
        .layer(GateLayer::new(gate))
        .service(Inner::new(Answer::ok(Script::empty())));
    let request = request
        .body(Full::from(format!(r#"{{"model":"m"{fields}}}"#)))
        .unwrap();
    service.oneshot(request).await.unwrap();
    seen.lock().unwrap().take().unwrap()
}

#[tokio::test]
async fn a_hold_is_the_dearest_input_and_all_the_output_that_there_can_be() {
    let file = r#","messages":[{"content":[{"type":"file"}]}]"#;
    let tokens = |fields: &str| (r#"{"model":"m"}"#.len() + fields.len() + 512) as i64;
    for (fields, output, each, nanos) in [
        ("", None, 7, tokens("") * 10 + 700),
        ("", Some(5), 5, tokens("") * 10 + 500),
        ("", Some(50), 7, tokens("") * 10 + 700),
        (
            r#","max_tokens":3"#,
            Some(5),
            3,
            tokens(r#","max_tokens":3"#) * 10 + 300,
        ),
        (
            r#","max_tokens":9"#,
            None,
            9,
            tokens(r#","max_tokens":9"#) * 10 + 900,
        ),
        (
            r#","max_tokens":0"#,
            None,
            7,
            tokens(r#","max_tokens":0"#) * 10 + 700,
        ),
        (r#","n":3"#, Some(5), 5, tokens(r#","n":3"#) * 10 + 1500),
        (file, None, 7, 50_700),
    ] {
        let (cost, most) = bound(CHAT, "known", fields, output).await.unwrap();
        assert_eq!((cost.nanos(), most), (nanos, each), "{fields}");
    }
    let (cost, most) = bound("/v1/embeddings", "known", "", None).await.unwrap();
    assert_eq!((cost.nanos(), most), (tokens("") * 10, 0));
    let (cost, most) = bound("/v1/messages/count_tokens", "none", "", None)
        .await
        .unwrap();
    assert_eq!((cost.nanos(), most), (0, 0));
    assert_eq!(
        bound(CHAT, "own", "", None).await.unwrap().1,
        1,
        "by the endpoint's name first"
    );
}

#[tokio::test]
async fn what_has_no_bound_is_refused_with_the_reason() {
    let file = r#","max_tokens":1,"messages":[{"content":[{"type":"file"}]}]"#;
    for (model, fields, code, about) in [
        (
            "known",
            r#","web_search_options":{}"#,
            "cost_unbounded",
            About::Caller,
        ),
        ("endless", file, "cost_unbounded", About::Caller),
        (
            "known",
            r#","n":4000000000,"max_tokens":18446744073709551615"#,
            "cost_unbounded",
            About::Caller,
        ),
        (
            "known",
            r#","max_tokens":9000000000000000000"#,
            "cost_unbounded",
            About::Caller,
        ),
        ("endless", "", "max_tokens_required", About::Caller),
        ("priceless", "", "price_unknown", About::Target),
        (
            "unheard of",
            r#","max_tokens":1"#,
            "price_unknown",
            About::Target,
        ),
    ] {
        let refused = bound(CHAT, model, fields, None).await.unwrap_err();
        assert_eq!(
            (refused.code(), refused.about()),
            (code, about),
            "{model} {fields}"
        );
        assert_eq!(refused.status(), 400);
    }
    let (cost, most) = bound(CHAT, "endless", "", Some(5)).await.unwrap();
    assert_eq!(
        (cost.nanos() > 0, most),
        (true, 5),
        "what is sent is a maximum"
    );
}

#[tokio::test]
async fn a_longer_window_that_a_beta_gives_is_held() {
    let image = r#","max_tokens":1,"messages":[{"content":[{"type":"image"}]}]"#;
    let request = || Request::post("/v1/messages").extension(Target::model("p", "known"));
    let long = "interleaved-thinking-2025-05-14,context-1m-2025-08-07";
    for (request, more, tokens) in [
        (request(), "", 5000),
        (request().header("anthropic-beta", "other"), "", 5000),
        (request().header("anthropic-beta", long), "", 1_000_000),
        (
            request(),
            r#","anthropic_beta":["context-1\u006d"]"#,
            1_000_000,
        ),
    ] {
        let bound = bound_of(request, &format!("{image}{more}"), None).await;
        assert_eq!(bound.unwrap().0.nanos(), tokens * 10 + 100, "{more}");
    }
}

#[tokio::test]
async fn many_images_to_be_embedded_are_not_bounded_by_the_window_of_one() {
    let images = r#","input":[{"image":"https://x/1"},{"image":"https://x/2"}]"#;
    let refused = bound("/v1/embeddings", "known", images, None).await;
    assert_eq!(refused.unwrap_err().code(), "cost_unbounded");
}

#[tokio::test]
async fn what_is_written_to_a_cache_at_an_unknown_price_is_refused() {
    let cached = |more: &str| {
        format!(
            r#","max_tokens":1,"messages":[{{"content":[{{"type":"text","text":"a","cache_control":{{"type":"ephemeral"{more}}}}}]}}]"#
        )
    };
    let lasting = cached(r#","\u0074tl":"1h""#);
    for (model, fields, is_known) in [
        ("plain", r#","max_tokens":1"#, true),
        ("plain", r#","max_tokens":1,"cache_control":null"#, true),
        ("plain", &cached(""), false),
        ("plain", r#","max_tokens":1,"cache\u005fcontrol":{}"#, false),
        ("known", &cached(""), true),
        ("known", &lasting, false),
    ] {
        let bound = bound("/v1/messages", model, fields, None).await;
        let code = bound.err().map(|it| (it.code().to_owned(), it.about()));
        let expected = (!is_known).then(|| ("price_unknown".to_owned(), About::Target));
        assert_eq!(code, expected, "{model} {fields}");
    }
}

#[tokio::test]
async fn other_prices_and_another_body_make_another_bound() {
    let (sender, receiver) = watch::channel(prices());
    let worst = WorstCase::new(receiver, [("p".into(), Dialect::OpenAi)]);
    let mut request = Request::post(CHAT)
        .extension(Target::model("p", "known"))
        .extension(Payload::new(Bytes::from_static(
            br#"{"model":"m","max_tokens":2}"#,
        )))
        .body(())
        .unwrap();
    let first = worst.of(&request.clone().into_parts().0, None).unwrap();
    assert_eq!(first.1, 2);

    let dearer = prices().with(
        "openai",
        "known",
        ModelInfo {
            price: Some(price().per_request("1".parse().unwrap())),
            ..ModelInfo::default()
        },
    );
    let parts = request.clone().into_parts().0;
    let (cost, size) = worst.size(&parts, None).unwrap();
    assert_eq!((cost, size.output()), first);
    assert_eq!(size.cost(&prices()), Some(cost));
    assert_eq!(size.cost(&Prices::new()), None);
    let next = size.cost(&dearer).unwrap();
    assert_eq!(next.nanos(), cost.nanos() + 1_000_000_000);
    sender.send(dearer).unwrap();
    assert_eq!(worst.of(&parts, None).unwrap(), (next, 2));

    let longer = Payload::new(Bytes::from(
        r#"{"model":"m","max_tokens":2}"#.to_owned() + "    ",
    ));
    request.extensions_mut().insert(longer);
    let longer = worst.of(&request.into_parts().0, None).unwrap();
    assert_eq!(longer.0.nanos(), next.nanos() + 40);
}

#[test]
fn without_a_target_nothing_is_priced() {
    let worst = WorstCase::new(watch::channel(prices()).1, []);
    let (parts, ()) = Request::post(CHAT).body(()).unwrap().into_parts();
    assert_eq!(worst.of(&parts, None).unwrap_err().code(), "call_missing");
}
