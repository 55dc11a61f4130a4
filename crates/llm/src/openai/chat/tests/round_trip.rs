use proptest::prelude::*;
use serde_json::json;
use tollgate_core::fact::Usage;

use super::gather::{gather, read};
use crate::{
    Dialect,
    canon::{
        Answer, Ask, Carried, Choice, Delta, Effort, Finish, Format, Losses, Media, Part,
        Reasoning, Role, Sampling, Signature, Source, Target, Tool, ToolChoice, Turn, WriteStream,
    },
    openai::chat::{NAMES, StreamWriter, read_answer, read_ask, write_answer, write_ask},
};

fn text() -> impl Strategy<Value = String> {
    "\\PC{1,12}"
}

fn name() -> impl Strategy<Value = String> {
    "[a-zA-Z0-9_-]{1,12}"
}

fn decimal() -> impl Strategy<Value = Option<f64>> {
    prop::option::of((1..=200_i32).prop_map(|it| f64::from(it) / 100.0))
}

fn texts() -> impl Strategy<Value = Part> {
    text().prop_map(Part::text)
}

fn media() -> impl Strategy<Value = Part> {
    let image = (
        prop_oneof![
            "[A-Za-z0-9+/]{4}".prop_map(|data| (Source::Base64(data), "image/png")),
            "https://[a-z]{1,8}".prop_map(|url| (Source::Url(url), "")),
        ],
        prop::option::of(Just("high".to_owned())),
    );
    let image = image.prop_map(|((source, kind), detail)| Media {
        source,
        media_type: kind.to_owned(),
        detail,
        name: None,
        cached: false,
    });
    let other = prop::sample::select(vec![
        ("audio/mpeg", None),
        ("audio/wav", None),
        ("application/pdf", Some("a.pdf")),
    ]);
    let other = other.prop_map(|(kind, name)| Media {
        source: Source::Base64("AAAA".to_owned()),
        media_type: kind.to_owned(),
        detail: None,
        name: name.map(str::to_owned),
        cached: false,
    });
    prop_oneof![image, other].prop_map(Part::Media)
}

fn call() -> impl Strategy<Value = Part> {
    (name(), name(), text()).prop_map(|(id, name, value)| Part::ToolCall {
        id,
        name,
        arguments: json!({"a": value}).to_string(),
        signature: None,
        cached: false,
    })
}

/// A turn as a message holds it; results get their tool's name from the call.
fn turn() -> impl Strategy<Value = Vec<(Role, Vec<Part>)>> {
    let user = prop::collection::vec(prop_oneof![texts(), media()], 1..4)
        .prop_map(|parts| vec![(Role::User, parts)]);
    let assistant = (
        prop::collection::vec(texts(), 1..3),
        prop::option::of(text()),
    )
        .prop_map(|(mut parts, refusal)| {
            parts.extend(refusal.map(Part::Refusal));
            vec![(Role::Assistant, parts)]
        });
    let tool = (prop::option::of(texts()), call(), prop::option::of(texts())).prop_map(
        |(text, call, content)| {
            let Part::ToolCall { id, name, .. } = &call else {
                unreachable!("it is a call");
            };
            let result = Part::ToolResult {
                id: id.clone(),
                name: name.clone(),
                content: content.into_iter().collect(),
                is_error: false,
                cached: false,
            };
            let parts = text.into_iter().chain([call]).collect();
            vec![(Role::Assistant, parts), (Role::User, vec![result])]
        },
    );
    prop_oneof![user, assistant, tool]
}

fn tool_choice() -> impl Strategy<Value = Option<ToolChoice>> {
    prop::option::of(prop_oneof![
        Just(ToolChoice::Auto),
        Just(ToolChoice::None),
        prop::collection::vec(name(), 0..3).prop_map(ToolChoice::Required),
        prop::collection::vec(name(), 1..3).prop_map(ToolChoice::Among),
    ])
}

fn tools() -> impl Strategy<Value = Vec<Tool>> {
    let tool = (
        name(),
        prop::option::of(text()),
        any::<Option<bool>>(),
        any::<bool>(),
    );
    let tool = tool.prop_map(|(name, description, strict, takes)| Tool {
        name,
        description,
        parameters: takes.then(|| json!({"type": "object", "properties": {"b": {}, "a": {}}})),
        strict,
        cached: false,
    });
    prop::collection::vec(tool, 1..3)
}

fn format() -> impl Strategy<Value = Format> {
    prop_oneof![
        Just(Format::Text),
        Just(Format::Json),
        (name(), prop::option::of(text()), any::<Option<bool>>()).prop_map(
            |(name, description, strict)| Format::Schema {
                name: Some(name),
                description,
                schema: json!({"type": "object"}),
                strict,
            }
        ),
    ]
}

fn sampling() -> impl Strategy<Value = Sampling> {
    (
        decimal(),
        decimal(),
        any::<Option<i64>>(),
        decimal(),
        decimal(),
    )
        .prop_map(
            |(temperature, top_p, seed, presence_penalty, frequency_penalty)| Sampling {
                temperature,
                top_p,
                top_k: None,
                seed,
                presence_penalty,
                frequency_penalty,
            },
        )
}

fn effort() -> impl Strategy<Value = Option<Reasoning>> {
    let efforts = vec![Effort::None, Effort::Low, Effort::XHigh, Effort::Max];
    let effort = prop::sample::select(efforts).prop_map(|effort| Reasoning {
        effort: Some(effort),
        ..Reasoning::default()
    });
    prop::option::of(effort)
}

prop_compose! {
    fn ask()(
        system in prop::option::of(texts()),
        turns in prop::collection::vec(turn(), 1..5),
        tools in prop::option::of((tools(), tool_choice(), any::<Option<bool>>())),
        format in format(),
        sampling in sampling(),
        reasoning in effort(),
        stop in prop::collection::vec(text(), 0..=4),
        (max_output, choices, logprobs) in (any::<Option<u64>>(), 1..=128_u32, prop::option::of(0..=20_u32)),
        (user, stream) in (prop::option::of(text()), any::<bool>()),
    ) -> Ask {
        let (tools, tool_choice, parallel_tools) = tools.unwrap_or_default();
        let first = usize::from(system.is_some());
        let turns = turns.into_iter().flatten().enumerate();
        Ask {
            model: "m".to_owned(),
            system: system.into_iter().collect(),
            turns: turns.map(|(at, (role, parts))| Turn { role, parts, at: at + first }).collect(),
            tools,
            tool_choice,
            parallel_tools,
            max_output,
            sampling,
            stop,
            choices,
            logprobs,
            format,
            reasoning,
            user,
            stream,
            stream_usage: stream,
            ..Ask::new(&NAMES)
        }
    }
}

fn answer() -> impl Strategy<Value = Answer> {
    let parts = (
        prop::option::of(text()),
        prop::option::of(texts()),
        prop::option::of(text()),
        prop::collection::vec(call(), 0..3),
    );
    let choice = parts.prop_map(|(thought, text, refusal, calls)| {
        let finish = if calls.is_empty() {
            Finish::Length
        } else {
            Finish::ToolCalls
        };
        let thinking = thought.map(|text| Part::Thinking {
            text,
            signature: None,
        });
        let parts = thinking.into_iter().chain(text);
        let parts = parts.chain(refusal.map(Part::Refusal)).chain(calls);
        Choice {
            parts: parts.collect(),
            finish,
            logprobs: None,
        }
    });
    let usage = any::<[u32; 4]>().prop_map(|[input, cache_read, cache_write, output]| Usage {
        input: input.into(),
        cache_read: cache_read.into(),
        cache_write: cache_write.into(),
        output: output.into(),
        ..Usage::default()
    });
    let choices = prop::collection::vec(choice, 1..4);
    (choices, prop::option::of(usage), 1..u64::MAX).prop_map(|(choices, usage, created)| Answer {
        id: "x".to_owned(),
        model: "m".to_owned(),
        created,
        choices,
        usage,
    })
}

/// An answer as a provider would stream it, each text in two pieces.
fn deltas(answer: &Answer) -> Vec<Delta> {
    let mut deltas = vec![Delta::Start {
        id: answer.id.clone(),
        model: answer.model.clone(),
        created: answer.created,
    }];
    for (choice, content) in (0..).zip(&answer.choices) {
        let mut calls = 0..;
        for part in &content.parts {
            match part.clone() {
                Part::Text { text, .. } => {
                    let (text, more) = halves(&text);
                    deltas.extend([text, more].map(|text| Delta::Text { choice, text }));
                }
                Part::Thinking { text, .. } => {
                    let (text, more) = halves(&text);
                    deltas.extend([text, more].map(|text| Delta::Thinking { choice, text }));
                }
                Part::Refusal(text) => deltas.push(Delta::Refusal { choice, text }),
                Part::ToolCall {
                    id,
                    name,
                    arguments,
                    signature,
                    ..
                } => {
                    let index = calls.next().unwrap();
                    deltas.push(Delta::ToolCall {
                        choice,
                        index,
                        id,
                        name,
                        signature,
                    });
                    let (json, more) = halves(&arguments);
                    deltas.extend([json, more].map(|json| Delta::Arguments {
                        choice,
                        index,
                        json,
                    }));
                }
                part => unreachable!("{part:?}"),
            }
        }
        deltas.push(Delta::Finish {
            choice,
            finish: content.finish.clone(),
        });
    }
    deltas.extend(answer.usage.map(Delta::Usage));
    deltas.push(Delta::Done);
    deltas
}

fn halves(text: &str) -> (String, String) {
    let (first, second) = text.split_at(text.floor_char_boundary(text.len() / 2));
    (first.to_owned(), second.to_owned())
}

proptest! {
    #[test]
    fn a_request_that_is_written_reads_the_same(ask in ask(), legacy_max_tokens in any::<bool>()) {
        let target = Target { model: "m", max_output: 9, version: "", legacy_max_tokens };
        let mut losses = Losses::default();
        let body = write_ask(&ask, &target, &mut losses);
        prop_assert!(losses.is_empty());
        let again = read_ask(&body).unwrap();
        // Results whose ids are alike get the name of the last call.
        prop_assert_eq!(unnamed(again), unnamed(ask));
    }

    #[test]
    fn an_answer_that_is_written_reads_the_same(answer in answer()) {
        let body = write_answer(&answer, &Ask::new(&NAMES));
        prop_assert_eq!(read_answer(&body).unwrap(), answer);
    }

    #[test]
    fn a_stream_that_is_written_reads_the_same(answer in answer()) {
        let mut ask = Ask::new(&NAMES);
        ask.stream_usage = true;
        let mut writer = StreamWriter::new(&ask);
        let mut out = Vec::new();
        for delta in deltas(&answer) {
            writer.write(delta, &mut out);
        }
        let out = String::from_utf8(out).unwrap();
        let events = out.split_terminator("\n\n").map(|event| event.strip_prefix("data: ").unwrap());
        prop_assert_eq!(gather(&read(events).unwrap()), Some(answer));
    }

    #[test]
    fn what_a_caller_sends_back_holds_the_signatures_that_it_got(
        id in name(), thought in text(), value in text(), own in prop::option::of(text()),
    ) {
        let signature = |value: String| Signature { origin: Dialect::Gemini, value };
        let parts = vec![
            Part::Thinking { text: thought, signature: Some(signature(value)) },
            Part::ToolCall {
                id,
                name: "f".to_owned(),
                arguments: "{}".to_owned(),
                signature: own.map(signature),
                cached: false,
            },
        ];
        let choice = Choice { parts: parts.clone(), finish: Finish::ToolCalls, logprobs: None };
        let answer = Answer {
            id: "x".to_owned(),
            model: "m".to_owned(),
            created: 1,
            choices: vec![choice],
            usage: None,
        };
        let body = write_answer(&answer, &Ask::new(&NAMES));
        let mut body: serde_json::Value = serde_json::from_slice(&body).unwrap();
        let message = body["choices"][0]["message"].take();
        let ask = read_ask(json!({"model": "m", "messages": [message]}).to_string().as_bytes()).unwrap();
        prop_assert!(ask.losses.is_empty());
        prop_assert_eq!(&ask.turns[0].parts, &parts);
        prop_assert_eq!(Carried::before_call(&ask.turns[0].parts), Carried::before_call(&parts));
    }
}

fn unnamed(mut ask: Ask) -> Ask {
    for part in ask.turns.iter_mut().flat_map(|turn| &mut turn.parts) {
        if let Part::ToolResult { name, .. } = part {
            name.clear();
        }
    }
    ask
}
