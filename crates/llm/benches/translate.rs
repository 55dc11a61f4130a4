//! What it costs to put calls into other words: `cargo bench -p tollgate-llm --bench translate --features fuzzing`.

use bytes::Bytes;
use divan::{AllocProfiler, Bencher, black_box};
use serde_json::Value;
use tollgate_llm::fuzzing::measure::{
    Answers,
    Form::{self, Chat, Contents, Messages, Responses},
    Metering, peek, request,
};

#[global_allocator]
static COUNTED: AllocProfiler = AllocProfiler::system();

fn main() {
    divan::main();
}

/// The floor of each translation: a tree of values, and its text again.
#[divan::bench(args = [Chat, Responses, Messages, Contents])]
fn request_to_values_and_back(bencher: Bencher<'_, '_>, front: Form) {
    let body = asked(front);
    bencher.bench(|| {
        let value: Value = serde_json::from_str(black_box(&body)).expect("it is JSON");
        serde_json::to_vec(&value)
    });
}

#[divan::bench(args = PAIRS)]
fn request_translated(bencher: Bencher<'_, '_>, (front, behind): (Form, Form)) {
    let body = asked(front);
    bencher.bench(|| request(front, behind, black_box(body.as_bytes())));
}

#[divan::bench(args = [Chat, Messages, Contents])]
fn answer_to_values_and_back(bencher: Bencher<'_, '_>, behind: Form) {
    let body = answered(behind);
    bencher.bench(|| {
        let value: Value = serde_json::from_str(black_box(&body)).expect("it is JSON");
        serde_json::to_vec(&value)
    });
}

#[divan::bench(args = PAIRS)]
fn answer_translated(bencher: Bencher<'_, '_>, (front, behind): (Form, Form)) {
    let (answers, body) = (Answers::new(front, behind), answered(behind));
    bencher.bench(|| answers.plain(black_box(body.as_bytes())));
}

#[divan::bench(args = [Chat, Messages, Contents])]
fn event_to_values_and_back(bencher: Bencher<'_, '_>, behind: Form) {
    let [_, event] = events(behind);
    bencher.bench(|| {
        let value: Value = serde_json::from_str(black_box(event)).expect("it is JSON");
        serde_json::to_vec(&value)
    });
}

#[divan::bench(args = PAIRS)]
fn event_translated(bencher: Bencher<'_, '_>, (front, behind): (Form, Form)) {
    let [first, event] = events(behind);
    let mut stream = Answers::new(front, behind).stream();
    stream.read(first.as_bytes());
    bencher.bench_local(|| stream.read(black_box(event.as_bytes())).len());
}

/// As it passes where nothing is translated.
#[divan::bench(args = [Chat, Responses, Messages, Contents])]
fn event_metered(bencher: Bencher<'_, '_>, form: Form) {
    let [first, event] = events(form);
    let mut meter = Metering::new(form);
    meter.read(first.as_bytes());
    bencher.bench_local(|| meter.read(black_box(event.as_bytes())));
}

#[divan::bench]
fn peeked(bencher: Bencher<'_, '_>) {
    let body = Bytes::from(asked(Chat));
    bencher.bench(|| peek(black_box(&body)));
}

/// A conversation of about 2 KB with a few turns.
fn asked(front: Form) -> String {
    let text = "a question with a few words in it, ".repeat(9);
    let said = |role: &str, part: &str| match front {
        Chat | Messages => format!(r#"{{"role":"{role}","content":"{text}"}}"#),
        Responses => {
            format!(r#"{{"role":"{role}","content":[{{"type":"{part}","text":"{text}"}}]}}"#)
        }
        Contents => format!(r#"{{"role":"{role}","parts":[{{"text":"{text}"}}]}}"#),
    };
    let model = if front == Contents {
        "model"
    } else {
        "assistant"
    };
    let turns = [
        said("user", "input_text"),
        said(model, "output_text"),
        said("user", "input_text"),
        said(model, "output_text"),
        said("user", "input_text"),
    ]
    .join(",");
    match front {
        Chat => format!(
            r#"{{"model":"gpt-4o-mini","messages":[{{"role":"system","content":"Be brief."}},{turns}],"temperature":0.2,"max_tokens":256}}"#
        ),
        Responses => format!(
            r#"{{"model":"gpt-4o-mini","instructions":"Be brief.","input":[{turns}],"temperature":0.2,"max_output_tokens":256}}"#
        ),
        Messages => format!(
            r#"{{"model":"claude-sonnet-4-5","system":"Be brief.","messages":[{turns}],"temperature":0.2,"max_tokens":256}}"#
        ),
        Contents => format!(
            r#"{{"systemInstruction":{{"parts":[{{"text":"Be brief."}}]}},"contents":[{turns}],"generationConfig":{{"temperature":0.2,"maxOutputTokens":256}}}}"#
        ),
    }
}

/// An answer of about 1 KB.
fn answered(behind: Form) -> String {
    let text = "an answer with a few words in it, ".repeat(20);
    match behind {
        Chat | Responses => format!(
            r#"{{"id":"chatcmpl-1","object":"chat.completion","created":1700000000,"model":"gpt-4o-mini","choices":[{{"index":0,"message":{{"role":"assistant","content":"{text}","refusal":null,"annotations":[]}},"logprobs":null,"finish_reason":"stop"}}],"usage":{{"prompt_tokens":9,"completion_tokens":12,"total_tokens":21,"prompt_tokens_details":{{"cached_tokens":0,"audio_tokens":0}},"completion_tokens_details":{{"reasoning_tokens":0}}}},"system_fingerprint":"fp_1"}}"#
        ),
        Messages => format!(
            r#"{{"id":"msg_1","type":"message","role":"assistant","model":"claude-sonnet-4-5","content":[{{"type":"text","text":"{text}"}}],"stop_reason":"end_turn","stop_sequence":null,"usage":{{"input_tokens":9,"cache_creation_input_tokens":0,"cache_read_input_tokens":0,"output_tokens":12}}}}"#
        ),
        Contents => format!(
            r#"{{"candidates":[{{"content":{{"parts":[{{"text":"{text}"}}],"role":"model"}},"finishReason":"STOP","index":0}}],"usageMetadata":{{"promptTokenCount":9,"candidatesTokenCount":12,"totalTokenCount":21}},"modelVersion":"gemini-2.5-flash","responseId":"r1"}}"#
        ),
    }
}

/// How a stream begins, and a piece of its text.
const fn events(behind: Form) -> [&'static str; 2] {
    match behind {
        Chat => [
            r#"{"id":"chatcmpl-1","object":"chat.completion.chunk","created":1700000000,"model":"gpt-4o-mini","system_fingerprint":"fp_1","choices":[{"index":0,"delta":{"role":"assistant","content":"","refusal":null},"logprobs":null,"finish_reason":null}],"usage":null}"#,
            r#"{"id":"chatcmpl-1","object":"chat.completion.chunk","created":1700000000,"model":"gpt-4o-mini","system_fingerprint":"fp_1","choices":[{"index":0,"delta":{"content":" word"},"logprobs":null,"finish_reason":null}],"usage":null}"#,
        ],
        Responses => [
            r#"{"type":"response.created","response":{"id":"resp_1"},"sequence_number":0}"#,
            r#"{"type":"response.output_text.delta","item_id":"msg_1","output_index":0,"content_index":0,"delta":" word","logprobs":[],"sequence_number":7}"#,
        ],
        Messages => [
            r#"{"type":"message_start","message":{"id":"msg_1","type":"message","role":"assistant","model":"claude-sonnet-4-5","content":[],"stop_reason":null,"stop_sequence":null,"usage":{"input_tokens":9,"output_tokens":1}}}"#,
            r#"{"type":"content_block_delta","index":0,"delta":{"type":"text_delta","text":" word"}}"#,
        ],
        Contents => [
            r#"{"candidates":[{"content":{"parts":[{"text":"a"}],"role":"model"},"index":0}],"usageMetadata":{"promptTokenCount":9,"candidatesTokenCount":1,"totalTokenCount":10},"modelVersion":"gemini-2.5-flash","responseId":"r1"}"#,
            r#"{"candidates":[{"content":{"parts":[{"text":" word"}],"role":"model"},"index":0}],"usageMetadata":{"promptTokenCount":9,"candidatesTokenCount":1,"totalTokenCount":10},"modelVersion":"gemini-2.5-flash","responseId":"r1"}"#,
        ],
    }
}

/// In front, and behind.
const PAIRS: [(Form, Form); 9] = [
    (Chat, Messages),
    (Chat, Contents),
    (Responses, Chat),
    (Responses, Messages),
    (Responses, Contents),
    (Messages, Chat),
    (Messages, Contents),
    (Contents, Chat),
    (Contents, Messages),
];
