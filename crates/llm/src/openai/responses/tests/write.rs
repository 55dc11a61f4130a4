use proptest::prelude::*;
use serde_json::json;
use tollgate_core::fact::Usage;

use super::{
    ask,
    events::{accumulated, events, order},
    parse,
    parts::{answer, deltas},
};
use crate::{
    Dialect,
    canon::{Delta, Finish, Part, Role, Signature, WriteStream},
    openai::{
        response_error_event as error_event,
        responses::{StreamWriter, read_ask, write_answer},
    },
};

fn streamed(deltas: impl IntoIterator<Item = Delta>) -> Vec<u8> {
    let mut writer = StreamWriter::new(&ask());
    let mut out = Vec::new();
    for delta in deltas {
        writer.write(delta, &mut out);
    }
    out
}

fn text(text: &str) -> Delta {
    Delta::Text {
        choice: 0,
        text: text.to_owned(),
    }
}

fn call(index: u32, id: &str, signature: Option<Signature>) -> Delta {
    Delta::ToolCall {
        choice: 0,
        index,
        id: id.to_owned(),
        name: "f".to_owned(),
        signature,
    }
}

fn arguments(index: u32, json: &str) -> Delta {
    Delta::Arguments {
        choice: 0,
        index,
        json: json.to_owned(),
    }
}

fn finish(finish: Finish) -> Delta {
    Delta::Finish { choice: 0, finish }
}

proptest! {
    #[test]
    fn a_stream_ends_with_the_plain_answer_and_its_deltas_make_it_up(answer in answer()) {
        let events = events(&streamed(deltas(&answer)));
        let plain = parse(&write_answer(&answer, &ask()));

        prop_assert_eq!(&events.last().unwrap()["response"], &plain);
        prop_assert_eq!(&accumulated(&events), plain["output"].as_array().unwrap());
        prop_assert_eq!(&events[0]["response"]["status"], "in_progress");
    }

    #[test]
    fn an_answer_that_is_sent_back_is_read_as_it_was(answer in answer()) {
        let plain = parse(&write_answer(&answer, &ask()));
        let next = json!({"model": "m", "input": plain["output"]});
        let ask = read_ask(next.to_string().as_bytes()).unwrap();

        let parts = &answer.choices[0].parts;
        prop_assert!(ask.losses.is_empty());
        prop_assert_eq!(ask.turns.len(), usize::from(!parts.is_empty()));
        for turn in &ask.turns {
            prop_assert_eq!(turn.role, Role::Assistant);
            prop_assert_eq!(&turn.parts, parts);
        }
    }

    #[test]
    fn a_stream_that_is_cut_is_not_completed(answer in answer(), keep in any::<proptest::sample::Index>()) {
        let all = deltas(&answer);
        let cut = all[..keep.index(all.len())].to_vec();
        let events = events(&streamed(cut));
        let ended = |event: &serde_json::Value| super::super::ends(event.to_string().as_bytes()) != super::super::Ends::No;
        prop_assert!(!events.iter().any(ended));
    }
}

#[test]
fn text_is_told_in_the_order_that_sdks_expect() {
    let stream = streamed([text("a"), text("\"b\n"), finish(Finish::Stop), Delta::Done]);

    assert_eq!(
        order(&events(&stream)),
        [
            "response.created",
            "response.in_progress",
            "response.output_item.added",
            "response.content_part.added",
            "response.output_text.delta",
            "response.output_text.done",
            "response.content_part.done",
            "response.output_item.done",
            "response.completed",
        ]
    );
}

#[test]
fn thinking_is_told_as_a_summary() {
    let thinking = Delta::Thinking {
        choice: 0,
        text: "hm".to_owned(),
    };
    let stream = streamed([thinking, text("a"), finish(Finish::Stop), Delta::Done]);

    assert_eq!(
        order(&events(&stream))[2..8],
        [
            "response.output_item.added",
            "response.reasoning_summary_part.added",
            "response.reasoning_summary_text.delta",
            "response.reasoning_summary_text.done",
            "response.reasoning_summary_part.done",
            "response.output_item.done",
        ]
    );
}

#[test]
fn parallel_calls_may_interleave() {
    let events = events(&streamed([
        call(0, "a", None),
        call(1, "b", None),
        arguments(1, "{\"x\""),
        arguments(0, "{}"),
        text("meanwhile"),
        arguments(1, ":1}"),
        finish(Finish::ToolCalls),
        Delta::Done,
    ]));

    let output = accumulated(&events);
    assert_eq!(output[0]["arguments"], "{}");
    assert_eq!(output[1]["arguments"], "{\"x\":1}");
    assert_eq!(output[2]["content"][0]["text"], "meanwhile");
    assert_eq!(events.last().unwrap()["response"]["output"], json!(output));
}

#[test]
fn calls_of_one_index_follow_each_other() {
    let events = events(&streamed([
        call(0, "a", None),
        arguments(0, "1"),
        call(0, "b", None),
        arguments(0, "2"),
        finish(Finish::ToolCalls),
        Delta::Done,
    ]));

    let told: Vec<_> = accumulated(&events)
        .iter()
        .map(|call| json!([call["call_id"], call["arguments"], call["status"]]))
        .collect();
    assert_eq!(
        told,
        [
            json!(["a", "1", "completed"]),
            json!(["b", "2", "completed"])
        ]
    );
}

#[test]
fn a_call_without_arguments_has_an_empty_object() {
    let events = events(&streamed([
        call(0, "a", None),
        finish(Finish::ToolCalls),
        Delta::Done,
    ]));
    assert_eq!(accumulated(&events)[0]["arguments"], "{}");
}

#[test]
fn a_calls_signature_rides_in_its_id() {
    let signature = Signature {
        origin: Dialect::Gemini,
        value: "c2ln".to_owned(),
    };
    let stream = streamed([
        call(0, "", Some(signature.clone())),
        finish(Finish::ToolCalls),
        Delta::Done,
    ]);
    let output = accumulated(&events(&stream));
    let result =
        json!({"type": "function_call_output", "call_id": output[0]["call_id"], "output": "x"});
    let body = json!({"model": "m", "input": [output[0], result]}).to_string();

    let turns = read_ask(body.as_bytes()).unwrap().turns;

    let Part::ToolCall {
        id,
        signature: read,
        ..
    } = &turns[0].parts[0]
    else {
        panic!("{turns:?}");
    };
    assert_eq!(
        (read, id),
        (
            &Some(signature),
            &output[0]["id"].as_str().unwrap().to_owned()
        )
    );
    let Part::ToolResult { id: of, name, .. } = &turns[1].parts[0] else {
        panic!("{turns:?}");
    };
    assert_eq!((of, name.as_str()), (id, "f"));
}

#[test]
fn what_cuts_an_answer_is_its_reason_to_be_incomplete() {
    for (why, status, reason) in [
        (Finish::Stop, "completed", json!(null)),
        (Finish::StopSequence(None), "completed", json!(null)),
        (Finish::ToolCalls, "completed", json!(null)),
        (Finish::Pause, "completed", json!(null)),
        (
            Finish::Length,
            "incomplete",
            json!({"reason": "max_output_tokens"}),
        ),
        (
            Finish::ContextWindow,
            "incomplete",
            json!({"reason": "max_output_tokens"}),
        ),
        (
            Finish::Filtered,
            "incomplete",
            json!({"reason": "content_filter"}),
        ),
    ] {
        let events = events(&streamed([text("a"), finish(why), Delta::Done]));
        let last = events.last().unwrap();
        assert_eq!(last["type"], format!("response.{status}"));
        assert_eq!(last["response"]["status"], status);
        assert_eq!(last["response"]["incomplete_details"], reason);
        assert_eq!(last["response"]["output"][0]["status"], status);
    }
}

#[test]
fn a_failure_tells_how_far_the_response_came() {
    let mut writer = StreamWriter::new(&ask());
    let mut out = Vec::new();
    writer.write(text("half an ans"), &mut out);
    writer.fail("gone", "upstream_failed", &mut out);
    let length = out.len();
    writer.write(text("wer"), &mut out);
    writer.write(Delta::Done, &mut out);
    writer.fail("again", "again", &mut out);

    assert_eq!(out.len(), length, "nothing follows a failure");
    let events = events(&out);
    let [.., error, failed] = &events[..] else {
        panic!("{events:?}");
    };
    assert_eq!(error["error"]["code"], "upstream_failed");
    assert_eq!(
        (&error["message"], &error["code"]),
        (&json!("gone"), &json!("upstream_failed"))
    );
    assert_eq!(failed["response"]["status"], "failed");
    assert_eq!(
        failed["response"]["error"],
        json!({"code": "server_error", "message": "gone"})
    );
    assert_eq!(failed["response"]["output"][0]["status"], "incomplete");
    let alone = error_event("gone", "upstream_failed");
    assert_eq!(super::events::events(&alone)[0]["error"], error["error"]);
}

#[test]
fn a_response_that_is_too_long_fails() {
    let many = Delta::Logprobs {
        choice: 0,
        logprobs: json!({"content": vec![(); 50_000]}),
    };
    let told = |deltas: Vec<Delta>| {
        let last = events(&streamed(deltas)).pop().unwrap();
        last["type"].as_str().unwrap().to_owned()
    };
    let done = || vec![text("a"), finish(Finish::Stop), Delta::Done];

    let within = [vec![many.clone()], done()].concat();
    let beyond = [vec![many.clone(), many], done()].concat();

    assert_eq!(told(within), "response.completed");
    assert_eq!(told(beyond), "response.failed");
}

#[test]
fn a_response_repeats_what_was_asked() {
    let stream = streamed([text("a"), Delta::Usage(Usage::default()), Delta::Done]);
    let response = &events(&stream).pop().unwrap()["response"];

    for (field, expected) in [
        ("instructions", json!("Be brief.")),
        ("metadata", json!({"a": "b"})),
        ("user", json!("u")),
        ("top_p", json!(0.5)),
        ("temperature", json!(1.0)),
        ("tool_choice", json!("required")),
        ("reasoning", json!({"effort": "low", "summary": "auto"})),
        ("max_output_tokens", json!(100)),
        ("parallel_tool_calls", json!(false)),
        ("store", json!(false)),
    ] {
        assert_eq!(response[field], expected, "{field}");
    }
    assert_eq!(response["text"]["format"]["name"], "n");
    assert_eq!(
        response["tools"][0]["parameters"],
        json!({"type": "object"})
    );
    assert!(
        response["id"].as_str().unwrap().len() > "resp_".len(),
        "a name of our own"
    );
    assert!(response["created_at"].as_u64().unwrap() > 1_700_000_000);
}

#[test]
fn cached_input_is_part_of_the_input() {
    let usage = Usage {
        input: 30,
        cache_read: 60,
        cache_write: 7,
        cache_write_1h: 3,
        output: 20,
        reasoning: 5,
        estimated: false,
    };
    let stream = streamed([Delta::Usage(usage), Delta::Done]);
    assert_eq!(
        events(&stream).pop().unwrap()["response"]["usage"],
        json!({
            "input_tokens": 100,
            "input_tokens_details": {"cached_tokens": 60, "cache_write_tokens": 10},
            "output_tokens": 20,
            "output_tokens_details": {"reasoning_tokens": 5},
            "total_tokens": 120,
        })
    );
}

#[test]
fn log_probabilities_stand_with_the_text() {
    let told = |token: &str| Delta::Logprobs {
        choice: 0,
        logprobs: json!({"content": [{"token": token, "logprob": -0.5, "bytes": [97], "top_logprobs": []}]}),
    };
    let stream = streamed([told("a"), text("a"), text("b"), told("b"), Delta::Done]);
    let output = accumulated(&events(&stream));
    let logprobs = output[0]["content"][0]["logprobs"].as_array().unwrap();
    let tokens: Vec<_> = logprobs.iter().map(|it| &it["token"]).collect();
    assert_eq!(tokens, ["a", "b"]);
}

#[test]
fn a_providers_id_is_kept_as_far_as_it_may_stand_in_one() {
    let start = |id: &str| Delta::Start {
        id: id.to_owned(),
        model: "m".to_owned(),
        created: 1,
    };
    for (id, expected) in [
        ("chatcmpl-1", "resp_chatcmpl-1"),
        ("resp_1", "resp_1"),
        ("a\"b\n/c", "resp_abc"),
    ] {
        let events = events(&streamed([start(id), text("x"), Delta::Done]));
        assert_eq!(events[0]["response"]["id"], expected);
        let item = expected.replacen("resp", "msg", 1) + "_0";
        assert_eq!(events[2]["item"]["id"], item);
    }
}

#[test]
fn an_image_is_an_item_of_its_own() {
    let image = crate::canon::Media {
        source: crate::canon::Source::Base64("aGk=".to_owned()),
        media_type: "image/png".to_owned(),
        detail: None,
        name: None,
        cached: false,
    };
    let answer = crate::canon::Answer {
        id: "1".to_owned(),
        model: "m".to_owned(),
        created: 1,
        choices: vec![crate::canon::Choice {
            parts: vec![Part::Media(image)],
            finish: Finish::Stop,
            logprobs: None,
        }],
        usage: None,
    };
    let response = parse(&write_answer(&answer, &ask()));
    let expected = json!({"type": "image_generation_call", "id": "ig_1_0", "status": "completed", "result": "aGk="});
    assert_eq!(response["output"][0], expected);
    assert_eq!(response["usage"], json!(null));
}
