use proptest::{collection::vec, option, prelude::*, sample::select};
use serde_json::{Value, json};
use tollgate_core::fact::Usage;

use crate::{
    anthropic::{NAMES, signature::own},
    canon::{
        Answer, Ask, Choice, Effort, Finish, Format, Media, Part, Reasoning, Role, Sampling,
        Source, Tool, ToolChoice, Turn,
    },
};

/// Letters, and what must be escaped; never blank, and without room for a mark of ours.
fn words() -> impl Strategy<Value = String> {
    "[a-z\"\\\\\n\u{e9}\u{1f30d} ]{0,8}[a-z]"
}

fn ids() -> impl Strategy<Value = String> {
    "[a-zA-Z0-9-]{1,12}"
}

fn text() -> impl Strategy<Value = Part> {
    (words(), any::<bool>()).prop_map(|(text, cached)| Part::Text { text, cached })
}

fn media() -> impl Strategy<Value = Part> {
    let url = || "https://[a-z]{1,8}/[a-z]{1,8}".prop_map(Source::Url);
    let data = || "[a-zA-Z0-9+/]{8}".prop_map(Source::Base64);
    let kind = |kind: &'static str| Just(kind.to_owned());
    let image = prop_oneof![(url(), kind("")), (data(), kind("image/png"))];
    let image = image.prop_map(|it| (it, None));
    let document = (prop_oneof![url(), data()], kind("application/pdf"));
    let document = (document, option::of(words()));
    (prop_oneof![image, document], any::<bool>()).prop_map(
        |(((source, media_type), name), cached)| {
            Part::Media(Media {
                source,
                media_type,
                detail: None,
                name,
                cached,
            })
        },
    )
}

fn objects() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        any::<i64>().prop_map(Value::from),
        words().prop_map(Value::from),
        Just(Value::Null)
    ];
    vec((words(), leaf), 0..3).prop_map(|fields| Value::Object(fields.into_iter().collect()))
}

fn call() -> impl Strategy<Value = Part> {
    (ids(), ids(), objects(), any::<bool>()).prop_map(|(id, name, input, cached)| Part::ToolCall {
        id: format!("call-{id}"),
        name,
        arguments: input.to_string(),
        signature: None,
        cached,
    })
}

fn thought() -> impl Strategy<Value = Part> {
    let signed = (words(), ids()).prop_map(|(text, signature)| Part::Thinking {
        text,
        signature: Some(own(signature)),
    });
    prop_oneof![signed, ids().prop_map(|data| Part::Redacted(own(data)))]
}

fn result() -> impl Strategy<Value = Part> {
    let content = vec(prop_oneof![text(), media()], 0..3);
    (ids(), content, any::<bool>(), any::<bool>()).prop_map(|(id, content, is_error, cached)| {
        // The name of a call that is not there is not known.
        Part::ToolResult {
            id: format!("other-{id}"),
            name: String::new(),
            content,
            is_error,
            cached,
        }
    })
}

fn turns() -> impl Strategy<Value = Vec<Turn>> {
    let user = (vec(result(), 0..3), vec(prop_oneof![text(), media()], 1..3));
    let user = user.prop_map(|(results, others)| [results, others].concat());
    let assistant = vec(prop_oneof![text(), thought(), call()], 1..4);
    vec((user, assistant), 1..3).prop_map(|pairs| {
        let mut turns = Vec::new();
        for (user, assistant) in pairs {
            for (role, parts) in [(Role::User, user), (Role::Assistant, assistant)] {
                let at = turns.len();
                turns.push(Turn { role, parts, at });
            }
        }
        turns
    })
}

fn schemas() -> impl Strategy<Value = Value> {
    ids().prop_map(|name| {
        json!({ "type": "object", "properties": { &name: { "type": "string" } }, "required": [name],
            "additionalProperties": false })
    })
}

fn tools() -> impl Strategy<Value = Vec<Tool>> {
    let strict = prop_oneof![Just(None), Just(Some(true))];
    let tool = (
        ids(),
        option::of(words()),
        option::of((schemas(), strict)),
        any::<bool>(),
    );
    let tool = tool.prop_map(|(name, description, schema, cached)| {
        let (parameters, strict) = schema.unzip();
        Tool {
            name,
            description,
            parameters,
            strict: strict.flatten(),
            cached,
        }
    });
    vec(tool, 0..3)
}

/// Coarse, as the last bit of a float may be read otherwise.
fn fraction() -> impl Strategy<Value = Option<f64>> {
    option::of((0..64_u8).prop_map(|it| f64::from(it) / 64.0))
}

/// Effort and sampling exclude each other.
fn reasoning() -> impl Strategy<Value = (Option<Reasoning>, Sampling)> {
    let efforts = [
        Effort::Low,
        Effort::Medium,
        Effort::High,
        Effort::XHigh,
        Effort::Max,
        Effort::Adaptive,
    ];
    let on = (select(efforts.to_vec()), any::<Option<bool>>());
    let on = on.prop_map(|(effort, shown)| {
        let reasoning = Reasoning {
            effort: Some(effort),
            budget: None,
            shown,
        };
        (Some(reasoning), Sampling::default())
    });
    let off = (any::<bool>(), fraction(), fraction(), any::<Option<u64>>());
    let off = off.prop_map(|(disabled, temperature, top_p, top_k)| {
        let none = Reasoning {
            effort: Some(Effort::None),
            ..Reasoning::default()
        };
        let sampling = Sampling {
            temperature,
            top_p,
            top_k,
            ..Sampling::default()
        };
        (disabled.then_some(none), sampling)
    });
    prop_oneof![on, off]
}

pub(super) fn asks() -> impl Strategy<Value = Ask> {
    let format = prop_oneof![
        Just(Format::Text),
        schemas().prop_map(|schema| Format::Schema {
            name: None,
            description: None,
            schema,
            strict: Some(true)
        })
    ];
    let rest = (
        any::<u64>(),
        vec(words(), 0..3),
        format,
        option::of(words()),
        any::<bool>(),
        0..6,
    );
    let asks = (
        ids(),
        vec(text(), 0..3),
        turns(),
        tools(),
        reasoning(),
        rest,
    );
    asks.prop_map(
        |(model, system, turns, tools, (reasoning, sampling), rest)| {
            let (max_output, stop, format, user, stream, choice) = rest;
            let mut ask = Ask {
                system,
                turns,
                sampling,
                max_output: Some(max_output),
                stop,
                format,
                reasoning,
                user,
                stream,
                stream_usage: true,
                model: format!("m-{model}"),
                ..Ask::new(&NAMES)
            };
            if let Some(first) = tools.first() {
                let (tool_choice, parallel_tools) = match choice {
                    0 => (None, None),
                    1 => (Some(ToolChoice::None), None),
                    2 => (Some(ToolChoice::Auto), Some(false)),
                    3 => (Some(ToolChoice::Auto), None),
                    4 => (Some(ToolChoice::Required(Vec::new())), None),
                    _ => (
                        Some(ToolChoice::Required(vec![first.name.clone()])),
                        Some(false),
                    ),
                };
                (ask.tool_choice, ask.parallel_tools) = (tool_choice, parallel_tools);
            }
            ask.tools = tools;
            ask
        },
    )
}

fn finishes() -> impl Strategy<Value = Finish> {
    let fixed = [
        Finish::Stop,
        Finish::Length,
        Finish::ContextWindow,
        Finish::ToolCalls,
        Finish::Filtered,
        Finish::Pause,
    ];
    prop_oneof![
        select(fixed.to_vec()),
        option::of(words()).prop_map(Finish::StopSequence)
    ]
}

fn usages() -> impl Strategy<Value = Usage> {
    any::<[u32; 6]>().prop_map(
        |[
            input,
            cache_read,
            cache_write,
            cache_write_1h,
            output,
            reasoning,
        ]| Usage {
            input: input.into(),
            cache_read: cache_read.into(),
            cache_write: cache_write.into(),
            cache_write_1h: cache_write_1h.into(),
            output: output.into(),
            reasoning: reasoning.into(),
            estimated: false,
        },
    )
}

pub(super) fn answers() -> impl Strategy<Value = Answer> {
    let uncached = text().prop_map(|part| match part {
        Part::Text { text, .. } => Part::text(text),
        part => part,
    });
    let call = call().prop_map(|part| match part {
        Part::ToolCall {
            id,
            name,
            arguments,
            signature,
            ..
        } => Part::ToolCall {
            id,
            name,
            arguments,
            signature,
            cached: false,
        },
        part => part,
    });
    let parts = vec(prop_oneof![uncached, call, thought()], 0..5);
    (ids(), ids(), parts, finishes(), usages()).prop_map(|(id, model, parts, finish, usage)| {
        let mut parts = parts;
        // In a stream two texts without anything in between are one.
        parts.dedup_by(|a, b| matches!((a, b), (Part::Text { .. }, Part::Text { .. })));
        Answer {
            id,
            model,
            created: 0,
            choices: vec![Choice {
                parts,
                finish,
                logprobs: None,
            }],
            usage: Some(usage),
        }
    })
}
