use proptest::{collection::vec, option, prelude::*};
use serde_json::{Value, json};
use tollgate_core::fact::Usage;

use super::{NAMES, nobody, target};
use crate::{
    Dialect,
    canon::{
        Answer, Ask, Choice, Effort, Finish, Format, Losses, Media, Part, Reasoning, Role,
        Sampling, Signature, Source, Tool, ToolChoice, Turn,
    },
    gemini::{read_answer, read_ask, write_answer, write_ask},
};

fn text() -> impl Strategy<Value = String> {
    // The last private planes stand for halves of characters.
    r"[^\u{f0000}-\u{10ffff}]{1,12}"
}

fn word() -> impl Strategy<Value = String> {
    "[a-zA-Z][a-zA-Z0-9_-]{0,8}"
}

fn number() -> impl Strategy<Value = f64> {
    (-8_i32..8).prop_map(|it| f64::from(it) / 4.0)
}

fn own() -> impl Strategy<Value = Signature> {
    "[A-Za-z0-9+/]{8}".prop_map(|value| Signature {
        origin: Dialect::Gemini,
        value,
    })
}

fn schema() -> impl Strategy<Value = Value> {
    (word(), text()).prop_map(|(name, about)| {
        json!({"type": "object", "properties": {name: {"type": "string", "description": about}}})
    })
}

fn media() -> impl Strategy<Value = Media> {
    let source = prop_oneof![
        "[A-Za-z0-9+/]{8}".prop_map(Source::Base64),
        word().prop_map(|name| Source::Url(format!("https://example.com/{name}"))),
    ];
    (
        source,
        prop::sample::select(&["image/png", "audio/wav"][..]),
    )
        .prop_map(|(source, kind)| Media {
            source,
            media_type: kind.to_owned(),
            detail: None,
            name: None,
            cached: false,
        })
}

fn call() -> impl Strategy<Value = (String, String)> {
    (
        word(),
        (word(), text()).prop_map(|(name, value)| json!({name: value}).to_string()),
    )
}

/// What the user says; results follow their calls in a turn of their own.
fn said() -> impl Strategy<Value = Vec<Part>> {
    vec(
        prop_oneof![text().prop_map(Part::text), media().prop_map(Part::Media)],
        1..4,
    )
}

/// Some calls and what they found.
fn called() -> impl Strategy<Value = (Vec<Part>, Vec<Part>)> {
    let thinking = (text(), own()).prop_map(|(text, signature)| Part::Thinking {
        text,
        signature: Some(signature),
    });
    let call = (
        call(),
        option::of(own()),
        text(),
        any::<bool>(),
        vec(media(), 0..2),
    );
    (option::of(thinking), vec(text(), 0..2), vec(call, 1..4)).prop_map(
        |(thinking, texts, made)| {
            let mut calls: Vec<_> = thinking
                .into_iter()
                .chain(texts.into_iter().map(Part::text))
                .collect();
            let mut results = Vec::new();
            for (at, ((name, arguments), signature, found, is_error, media)) in
                made.into_iter().enumerate()
            {
                // The model insists on a signature for the first.
                let signature = match at {
                    0 => signature.or_else(|| {
                        Some(Signature {
                            origin: Dialect::Gemini,
                            value: "AAAA".to_owned(),
                        })
                    }),
                    _ => signature,
                };
                let id = format!("id{at}");
                calls.push(Part::ToolCall {
                    id: id.clone(),
                    name: name.clone(),
                    arguments,
                    signature,
                    cached: false,
                });
                let content = std::iter::once(Part::text(found))
                    .chain(media.into_iter().map(Part::Media))
                    .collect();
                results.push(Part::ToolResult {
                    id,
                    name,
                    content,
                    is_error,
                    cached: false,
                });
            }
            (calls, results)
        },
    )
}

fn turns() -> impl Strategy<Value = Vec<Turn>> {
    (said(), option::of(called())).prop_map(|(said, called)| {
        let (calls, results) =
            called.unwrap_or_else(|| (vec![Part::text("so")], vec![Part::text("and")]));
        let turns = [
            (Role::User, said),
            (Role::Assistant, calls),
            (Role::User, results),
        ];
        let turns = turns.into_iter().enumerate();
        turns
            .map(|(at, (role, parts))| Turn { role, parts, at })
            .collect()
    })
}

fn sampling() -> impl Strategy<Value = Sampling> {
    let real = || option::of(number());
    (
        real(),
        real(),
        option::of(0..100_u64),
        option::of(any::<i32>()),
        real(),
        real(),
    )
        .prop_map(
            |(temperature, top_p, top_k, seed, presence_penalty, frequency_penalty)| Sampling {
                temperature,
                top_p,
                top_k,
                seed: seed.map(i64::from),
                presence_penalty,
                frequency_penalty,
            },
        )
}

fn reasoning() -> impl Strategy<Value = Option<Reasoning>> {
    let effort =
        prop::sample::select(&[Effort::Minimal, Effort::Low, Effort::Medium, Effort::High][..]);
    (option::of(effort), option::of(any::<bool>())).prop_map(|(effort, shown)| {
        let reasoning = Reasoning {
            effort,
            budget: None,
            shown,
        };
        Some(reasoning).filter(|it| *it != Reasoning::default())
    })
}

fn format() -> impl Strategy<Value = Format> {
    prop_oneof![
        Just(Format::Text),
        Just(Format::Json),
        schema().prop_map(|schema| Format::Schema {
            name: None,
            description: None,
            schema,
            strict: None
        }),
    ]
}

fn tools() -> impl Strategy<Value = (Vec<Tool>, Option<ToolChoice>)> {
    let tool = (word(), option::of(text()), option::of(schema())).prop_map(
        |(name, description, parameters)| Tool {
            name,
            description,
            parameters,
            strict: None,
            cached: false,
        },
    );
    let choice = option::of(prop_oneof![
        Just(ToolChoice::Auto),
        Just(ToolChoice::None),
        vec(word(), 0..2).prop_map(ToolChoice::Required),
        vec(word(), 1..2).prop_map(ToolChoice::Among),
    ]);
    (vec(tool, 0..3), choice).prop_map(|(tools, choice)| {
        let choice = choice.filter(|_| !tools.is_empty());
        (tools, choice)
    })
}

fn ask() -> impl Strategy<Value = Ask> {
    let counts = (
        1..5_u32,
        option::of(0..5_u32),
        option::of(any::<u64>()),
        vec(text(), 0..5),
    );
    let rest = (
        sampling(),
        reasoning(),
        format(),
        tools(),
        counts,
        any::<bool>(),
    );
    (vec(text(), 0..2), turns(), rest).prop_map(|(system, turns, rest)| {
        let (sampling, reasoning, format, (tools, tool_choice), counts, stream) = rest;
        let (choices, logprobs, max_output, stop) = counts;
        Ask {
            model: "m".to_owned(),
            system: system.into_iter().map(Part::text).collect(),
            turns,
            tools,
            tool_choice,
            max_output,
            sampling,
            stop,
            choices,
            logprobs,
            format,
            reasoning,
            stream,
            stream_usage: stream,
            ..Ask::new(&NAMES)
        }
    })
}

fn answer() -> impl Strategy<Value = Answer> {
    let part = prop_oneof![
        text().prop_map(Part::text),
        (text(), option::of(own()))
            .prop_map(|(text, signature)| Part::Thinking { text, signature }),
        (word(), call(), option::of(own())).prop_map(|(id, (name, arguments), signature)| {
            Part::ToolCall {
                id,
                name,
                arguments,
                signature,
                cached: false,
            }
        }),
    ];
    let ends = prop::sample::select(&[Finish::Stop, Finish::Length, Finish::Filtered][..]);
    let token = (text(), number()).prop_map(|(token, logprob)| {
        let bytes = token.as_bytes().to_vec();
        json!({"token": token, "logprob": logprob, "bytes": bytes, "top_logprobs": []})
    });
    let logprobs = option::of(vec(token, 0..2).prop_map(|tokens| json!({ "content": tokens })));
    let choice = (vec(part, 0..4), ends, logprobs).prop_map(|(parts, finish, logprobs)| {
        let calls = parts
            .iter()
            .any(|part| matches!(part, Part::ToolCall { .. }));
        let finish = if calls && finish == Finish::Stop {
            Finish::ToolCalls
        } else {
            finish
        };
        Choice {
            parts,
            finish,
            logprobs,
        }
    });
    let usage = (0..1000_u64, 0..1000_u64, 0..1000_u64, 0..1000_u64).prop_map(
        |(input, cache_read, said, reasoning)| Usage {
            input,
            cache_read,
            output: said + reasoning,
            reasoning,
            ..Usage::default()
        },
    );
    (word(), word(), vec(choice, 1..3), option::of(usage)).prop_map(
        |(id, model, choices, usage)| Answer {
            id,
            model,
            created: 0,
            choices,
            usage,
        },
    )
}

proptest! {
    #[test]
    fn a_request_is_read_as_it_was_written(ask in ask()) {
        let mut losses = Losses::default();
        let body = write_ask(&ask, &target("gemini-3-flash"), &mut losses);
        prop_assert!(losses.is_empty(), "{:?}", losses);
        prop_assert_eq!(read_ask(&body, "m", ask.stream).unwrap(), ask);
    }

    #[test]
    fn an_answer_is_read_as_it_was_written(answer in answer()) {
        let body = write_answer(&answer, &nobody());
        prop_assert_eq!(read_answer(&body), Ok(answer));
    }
}
