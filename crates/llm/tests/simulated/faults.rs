use http_body_util::BodyExt;
use serde_json::{Value, json};

use super::client::{Answer, Provider, provider};
use tollgate_llm::simulated::{Fault, Simulated};

const DIALECTS: [&str; 5] = ["chat", "responses", "messages", "gemini", "array"];

/// Asks for a stream in a dialect.
async fn stream(provider: &Provider, dialect: &str, model: &str) -> Answer {
    let messages = json!([{ "role": "user", "content": "grüße 🌍 to all" }]);
    let contents = json!({ "contents": [{ "parts": [{ "text": "grüße 🌍 to all" }] }] });
    match dialect {
        "chat" => {
            let options = json!({ "include_usage": true });
            let body = json!({ "model": model, "messages": messages, "stream": true, "stream_options": options });
            provider.openai("/v1/chat/completions", &body).await
        }
        "responses" => {
            let body = json!({ "model": model, "input": messages, "stream": true });
            provider.openai("/v1/responses", &body).await
        }
        "messages" => {
            let body =
                json!({ "model": model, "max_tokens": 100, "messages": messages, "stream": true });
            provider.anthropic("2026-10-21", &body).await
        }
        "gemini" => {
            let path = format!("/v1/models/{model}:streamGenerateContent?alt=sse");
            provider.gemini(&path, &contents).await
        }
        _ => {
            provider
                .gemini(
                    &format!("/v1/models/{model}:streamGenerateContent"),
                    &contents,
                )
                .await
        }
    }
}

#[tokio::test]
async fn a_stream_that_is_cut_in_any_dialect_breaks_off_and_shows_no_end() {
    let provider = provider().await;
    for dialect in DIALECTS {
        for fault in ["cut", "cut-at-start", "cut-in-event", "cut-before-end"] {
            let cut = stream(&provider, dialect, &format!("sim-{fault}")).await;
            let clean = stream(&provider, dialect, &format!("sim-{fault}+clean")).await;

            assert!(cut.broken && !clean.broken, "{dialect} {fault}");
            for end in [
                "[DONE]",
                "finish_reason\":\"stop",
                "message_stop",
                "response.completed",
                "finishReason",
            ] {
                assert!(
                    !clean.body.contains(end),
                    "{dialect} {fault}: {}",
                    clean.body
                );
            }
            assert_eq!(
                clean.body.is_empty(),
                fault == "cut-at-start",
                "{dialect} {fault}"
            );
            let whole = clean.body.ends_with("\n\n") || dialect == "array";
            assert_eq!(
                whole,
                fault != "cut-at-start" && fault != "cut-in-event" || dialect == "array"
            );
            let bill = provider.own.bill();
            assert!(!bill.requests[bill.requests.len() - 1].complete);
        }
    }
}

#[tokio::test]
async fn bytes_may_be_cut_and_lines_ended_anyhow_and_the_events_stay_the_same() {
    let provider = provider().await;
    for dialect in DIALECTS {
        let plain = stream(&provider, dialect, "sim").await;
        for faults in [
            "bytes",
            "splits",
            "crlf",
            "comments",
            "bom",
            "crlf+splits+comments",
        ] {
            let odd = stream(&provider, dialect, &format!("sim+{faults}")).await;

            let text = |answer: &Answer| match dialect {
                "chat" => answer.joined("/choices/0/delta/content"),
                "responses" => answer.joined("/delta"),
                "messages" => answer.joined("/delta/text"),
                "gemini" => answer.joined("/candidates/0/content/parts/0/text"),
                _ => answer.body.chars().filter(|it| !it.is_ascii()).collect(),
            };
            let shown = text(&odd);
            let expected = text(&plain);
            assert_eq!(shown, expected, "{dialect} {faults}");
            assert!(shown.contains('🌍'), "{dialect} {faults}");
            if faults == "bytes" {
                assert!(odd.pieces.iter().all(|size| *size == 1), "{dialect}");
            }
            let events = dialect != "array";
            assert_eq!(
                odd.body.contains("\r\n\r\n"),
                events && faults.contains("crlf")
            );
            assert_eq!(odd.body.starts_with('\u{feff}'), events && faults == "bom");
            assert_eq!(
                odd.body.contains("\n: "),
                events && faults.contains("comments")
            );
        }
    }
}

#[tokio::test]
async fn a_stream_can_tell_of_an_error_in_its_middle() {
    let provider = provider().await;
    let cases = [
        ("chat", "/error/type", "server_error"),
        ("responses", "/code", "server_error"),
        ("messages", "/error/type", "overloaded_error"),
        ("gemini", "/error/status", "UNAVAILABLE"),
    ];
    for (dialect, pointer, kind) in cases {
        let answer = stream(&provider, dialect, "sim-error-event").await;

        let (name, last) = answer.events().pop().unwrap();
        assert_eq!(last.pointer(pointer).unwrap(), kind, "{dialect}");
        assert_eq!(
            name == "error",
            dialect == "responses" || dialect == "messages"
        );
        assert!(answer.events().len() > 3 && !answer.broken);
        let entry = provider.own.bill().requests.pop().unwrap();
        assert!(!entry.complete && entry.tokens.output > 0, "{dialect}");
    }
}

#[tokio::test]
async fn usage_can_be_wrong_in_every_way() {
    let provider = provider().await;
    let output = async |model: &str| {
        let events = stream(&provider, "chat", model).await.events();
        events
            .iter()
            .find_map(|(_, it)| it.pointer("/usage/completion_tokens").cloned())
    };

    assert_eq!(output("sim").await, Some(json!(10)));
    assert_eq!(output("sim-no-usage").await, None);
    assert_eq!(output("sim-negative-usage").await, Some(json!(-11)));
    assert_eq!(output("sim-huge-usage").await, Some(json!(u64::MAX)));
    assert_eq!(output("sim-text-usage").await, Some(json!("10")));

    let late = stream(&provider, "messages", "sim-late-usage")
        .await
        .events();
    let right = stream(&provider, "messages", "sim").await.events();
    let input = |events: &[(String, Value)], at: usize, pointer: &str| {
        events[at].1.pointer(pointer).cloned()
    };
    let (end, start) = ("/usage/input_tokens", "/message/usage/input_tokens");
    assert_eq!(
        input(&late, late.len() - 2, end),
        input(&right, right.len() - 2, end)
    );
    assert_ne!(input(&late, 0, start), input(&right, 0, start));
}

#[tokio::test]
async fn half_a_character_may_come_as_an_escape() {
    let provider = provider().await;
    for dialect in DIALECTS {
        let answer = stream(&provider, dialect, "sim-surrogates").await;

        let halves = ["\\ud83c\"", "\"\\udf0d"].map(|half| answer.body.contains(half));
        assert_eq!(halves, [true, true], "{dialect}: {}", answer.body);
    }
}

#[tokio::test]
async fn servers_that_are_only_compatible_have_their_quirks() {
    let provider = provider().await;
    let tool = |name| json!({ "type": "function", "function": { "name": name, "parameters": { "type": "object" } } });
    let body = json!({
        "model": "sim-quirky", "stream": true, "stream_options": { "include_usage": true },
        "messages": [{ "role": "user", "content": "both" }], "tools": [tool("a"), tool("b")],
    });

    let answer = provider.openai("/v1/chat/completions", &body).await;

    let events = answer.events();
    let calls: Vec<_> = events
        .iter()
        .filter_map(|(_, it)| it["choices"][0]["delta"]["tool_calls"].get(0))
        .collect();
    assert_eq!(calls.len(), 2);
    assert!(
        calls
            .iter()
            .all(|call| call["index"] == 0 && call["id"].is_null())
    );
    assert!(
        calls
            .iter()
            .all(|call| call["function"]["arguments"] == "{}")
    );
    let last = &events[events.len() - 1].1;
    assert_eq!(last["choices"][0]["finish_reason"], "stop");
    assert!(last["usage"]["prompt_tokens"].is_u64());
    assert!(
        events
            .iter()
            .all(|(_, it)| it["choices"][0]["delta"]["role"] == "assistant")
    );
}

#[tokio::test]
async fn anthropic_may_ping_before_it_starts() {
    let provider = provider().await;

    let order = stream(&provider, "messages", "sim-early-ping")
        .await
        .order();

    assert_eq!(order[..2], ["ping", "message_start"]);
}

#[tokio::test]
async fn each_dialect_refuses_in_its_own_shape() {
    let provider = provider().await;
    let cases = [
        (
            "chat",
            "insufficient-quota",
            429,
            "/error/code",
            json!("insufficient_quota"),
        ),
        (
            "chat",
            "error-503",
            503,
            "/error/code",
            json!("server_is_overloaded"),
        ),
        (
            "chat",
            "error-429",
            429,
            "/error/code",
            json!("rate_limit_exceeded"),
        ),
        (
            "messages",
            "overloaded",
            529,
            "/error/type",
            json!("overloaded_error"),
        ),
        (
            "messages",
            "error-402",
            402,
            "/error/type",
            json!("billing_error"),
        ),
        (
            "gemini",
            "error-429",
            429,
            "/error/status",
            json!("RESOURCE_EXHAUSTED"),
        ),
        (
            "gemini",
            "error-429",
            429,
            "/error/details/1/retryDelay",
            json!("1s"),
        ),
        (
            "gemini",
            "overloaded",
            503,
            "/error/status",
            json!("UNAVAILABLE"),
        ),
    ];
    for (dialect, fault, status, pointer, code) in cases {
        let answer = stream(&provider, dialect, &format!("sim-{fault}")).await;

        assert_eq!(answer.status, status, "{dialect} {fault}");
        assert_eq!(
            answer.json().pointer(pointer),
            Some(&code),
            "{}",
            answer.body
        );
        let told = answer.headers.contains_key("retry-after");
        assert_eq!(
            told,
            fault.starts_with("error") && dialect != "gemini",
            "{dialect} {fault}"
        );
    }
    assert_eq!(provider.own.bill().total.tokens.prompt(), 0);
}

#[tokio::test]
async fn a_silent_provider_is_left_and_a_stalled_one_has_begun() {
    let provider = provider().await;
    let body = |model: &str| {
        let messages = json!([{ "role": "user", "content": "x" }]);
        json!({ "model": model, "messages": messages, "stream": true }).to_string()
    };
    let key = [("authorization", "Bearer k")];
    let path = "/v1/chat/completions";

    let mut stalled = provider
        .open("POST", path, &key, &body("sim-stall"))
        .await
        .into_body();
    let first = stalled.frame().await.unwrap().unwrap();
    let (dumb, silent) = (body("sim-stall-at-start"), body("sim-silent"));
    let head = provider.open("POST", path, &key, &dumb).await;
    let waiting = provider.open("POST", path, &key, &silent);
    let came_in = async {
        while provider.own.stats().read().requests < 3 {
            tokio::task::yield_now().await;
        }
    };
    tokio::select! {
        _ = waiting => panic!("there is an answer"),
        () = came_in => {}
    }

    assert!(first.into_data().unwrap().starts_with(b"data: "));
    assert_eq!(head.status(), 200);
    let bill = provider.own.bill();
    assert!(
        bill.requests
            .iter()
            .all(|entry| entry.open && !entry.complete)
    );
    assert!(bill.requests[0].tokens.prompt() > 0 && bill.requests[2].tokens.prompt() == 0);
}

#[tokio::test]
async fn every_fault_has_a_name_that_scripts_and_models_share() {
    for fault in Fault::ALL {
        assert_eq!(serde_json::to_value(fault).unwrap(), fault.name());
    }
    assert!(Simulated::new().requests().is_empty());
}
