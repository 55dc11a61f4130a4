use serde_json::{Value, json};
use tollgate_core::fact::{Failure, Phase, Usage};

use super::{
    frames::{chunks, events, exception, sse},
    provider::{chat, messages, post, send, signed, stream},
    server::server,
};

/// The data of the events in a stream.
fn data(text: &str) -> Vec<Value> {
    let lines = text.lines().filter_map(|line| line.strip_prefix("data: "));
    lines
        .filter_map(|data| serde_json::from_str(data).ok())
        .collect()
}

#[tokio::test]
async fn a_stream_is_anthropics_wherever_its_pieces_are_cut() {
    let frames = chunks(&events());
    for size in [1, 7, 64, 1000, frames.len()] {
        let frames = frames.clone();
        let (url, _) = server(move || stream(&frames, size)).await;

        let told = send(signed(&url), messages(true)).await;

        assert_eq!(told.text, sse(&events()), "{size}");
        assert_eq!(told.head.headers["content-type"], "text/event-stream");
        let used = told.trail.get::<Usage>().unwrap();
        assert_eq!((used.input, used.output, used.estimated), (11, 7, false));
        assert!(told.trail.get::<Failure>().is_none());
    }
}

#[tokio::test]
async fn callers_of_other_dialects_get_the_stream_in_their_own() {
    let frames = chunks(&events());
    let (url, _) = server(move || stream(&frames, 33)).await;

    let openai = send(signed(&url), chat(true)).await;

    let parts = data(&openai.text);
    let texts = parts
        .iter()
        .filter_map(|it| it["choices"][0]["delta"]["content"].as_str());
    assert_eq!(texts.collect::<String>(), "Grüß Gott");
    assert!(openai.text.ends_with("data: [DONE]\n\n"));
    assert_eq!(openai.trail.get::<Usage>().unwrap().output, 7);

    let body = json!({ "contents": [{ "parts": [{ "text": "hello" }] }] });
    let path = "/v1beta/models/claude:streamGenerateContent?alt=sse";
    let gemini = send(signed(&url), post(path, &body)).await;

    let parts = data(&gemini.text);
    let texts = parts
        .iter()
        .filter_map(|it| it["candidates"][0]["content"]["parts"][0]["text"].as_str());
    assert_eq!(texts.collect::<String>(), "Grüß Gott");
    assert_eq!(gemini.trail.get::<Usage>().unwrap().input, 11);
}

#[tokio::test]
async fn an_exception_in_mid_stream_is_told_in_the_callers_words() {
    for (name, kind) in [
        ("throttlingException", "rate_limit_error"),
        ("modelStreamErrorException", "api_error"),
        ("serviceUnavailableException", "overloaded_error"),
        ("modelTimeoutException", "timeout_error"),
        ("validationException", "invalid_request_error"),
    ] {
        let frames = [chunks(&events()[..3]), exception(name)].concat();
        let (url, _) = server(move || stream(&frames, 50)).await;

        let anthropic = send(signed(&url), messages(true)).await;
        let openai = send(signed(&url), chat(true)).await;

        let begun = sse(&events()[..3]);
        let error = anthropic.text.strip_prefix(&begun).unwrap();
        assert!(error.starts_with("event: error\n"), "{error}");
        assert_eq!(data(error).len(), 1, "it is told once");
        assert_eq!(data(error)[0]["error"]["type"], kind);
        let parts = data(&openai.text);
        assert_eq!(parts.last().unwrap()["error"]["message"], "not now");
        for told in [anthropic, openai] {
            let failure = told.trail.get::<Failure>().unwrap();
            assert_eq!(
                (&*failure.code, failure.phase),
                ("upstream_error", Phase::Body)
            );
            assert!(told.trail.get::<Usage>().unwrap().estimated);
        }
    }
}

#[tokio::test]
async fn a_stream_that_is_cut_or_broken_never_looks_complete() {
    let frames = chunks(&events());
    let last = chunks(&events()[6..]).len();
    let mut broken = frames.clone();
    broken[frames.len() - last + 20] ^= 1;
    let mut lying = frames.clone();
    lying[frames.len() - last] ^= 1;
    for (frames, code) in [
        (frames[..frames.len() - 1].to_vec(), "stream_cut"),
        (frames[..frames.len() - last].to_vec(), "stream_cut"),
        (frames[..5].to_vec(), "stream_cut"),
        (Vec::new(), "stream_cut"),
        (broken, "stream_broken"),
        (lying, "stream_broken"),
    ] {
        let (url, _) = server(move || stream(&frames, 50)).await;
        for request in [messages(true), chat(true)] {
            let told = send(signed(&url), request).await;

            assert_eq!(told.trail.get::<Failure>().unwrap().code, code);
            assert!(!told.text.contains("message_stop") && !told.text.contains("[DONE]"));
            assert!(data(&told.text).last().unwrap()["error"].is_object());
        }
    }
}
