use http::StatusCode;
use serde_json::{Map, Value};

use super::{fault, finish, signature, usage};
use crate::{
    canon::{Answer, Choice, Fault, Finish, Part},
    halves::{self, Halves},
};

/// Reads a whole answer.
///
/// # Errors
/// If it is none, or ends for a reason that nobody knows.
pub(crate) fn read_answer(body: &[u8]) -> Result<Answer, Fault> {
    let mut message: Map<String, Value> =
        halves::read(body).ok_or_else(|| fault::broken("the answer is not a JSON object"))?;
    if message.get("type").is_some_and(|it| it == "error") {
        return Err(fault::read_error(StatusCode::INTERNAL_SERVER_ERROR, body));
    }
    let Some(Value::Array(blocks)) = message.remove("content") else {
        return Err(fault::broken("the answer has no content"));
    };
    let mut parts: Vec<_> = blocks.into_iter().filter_map(part).collect();
    let reason = text(&mut message, "stop_reason");
    let finish = if reason.is_empty() {
        unsaid(&parts)
    } else {
        let sequence = message.remove("stop_sequence");
        let sequence = sequence.and_then(|it| it.as_str().map(str::to_owned));
        finish::read(&reason, sequence).ok_or_else(|| unknown(&reason))?
    };
    parts.extend(explanation(message.get("stop_details")).map(Part::Refusal));
    let counts = message.remove("usage").unwrap_or_default();
    Ok(Answer {
        id: text(&mut message, "id"),
        model: text(&mut message, "model"),
        created: 0,
        choices: vec![Choice {
            parts,
            finish,
            logprobs: None,
        }],
        usage: usage::read(&counts, None),
    })
}

/// A block of an answer; nothing if it tells of the provider's own tools, which nobody asked for in this form.
pub(super) fn part(block: Value) -> Option<Part> {
    let Value::Object(mut block) = block else {
        return None;
    };
    Some(match &*text(&mut block, "type") {
        "text" => Part::text(text(&mut block, "text")),
        "thinking" => Part::Thinking {
            text: text(&mut block, "thinking"),
            signature: Some(text(&mut block, "signature"))
                .filter(|it| !it.is_empty())
                .map(signature::own),
        },
        "redacted_thinking" => Part::Redacted(signature::own(text(&mut block, "data"))),
        "tool_use" => Part::ToolCall {
            id: text(&mut block, "id"),
            name: text(&mut block, "name"),
            arguments: match block.remove("input") {
                None | Some(Value::Null) => EMPTY.to_owned(),
                Some(Value::String(json)) if json.is_empty() => EMPTY.to_owned(),
                Some(Value::String(json)) => json, // Some servers leave it in the form of others.
                Some(input) => whole(input.to_string()),
            },
            signature: None,
            cached: false,
        },
        _ => return None,
    })
}

/// Why the model refused, if the provider says so.
pub(super) fn explanation(details: Option<&Value>) -> Option<String> {
    let explanation = details?.get("explanation")?.as_str()?;
    (!explanation.is_empty()).then(|| explanation.to_owned())
}

pub(super) fn unknown(reason: &str) -> Fault {
    let reason: String = reason.chars().take(64).collect();
    fault::broken(format!("the answer ends for an unknown reason, `{reason}`"))
}

/// A whole answer without a reason is complete.
fn unsaid(parts: &[Part]) -> Finish {
    if parts
        .iter()
        .any(|part| matches!(part, Part::ToolCall { .. }))
    {
        Finish::ToolCalls
    } else {
        Finish::Stop
    }
}

fn text(fields: &mut Map<String, Value>, name: &str) -> String {
    match fields.remove(name) {
        Some(Value::String(text)) => whole(text),
        _ => String::new(),
    }
}

/// Without halves of characters, of which the other half cannot come any more.
fn whole(mut text: String) -> String {
    let mut halves = Halves::default();
    halves.join(&mut text);
    text.extend(halves.finish());
    text
}

const EMPTY: &str = "{}";

#[cfg(test)]
mod tests {
    use super::read_answer;
    use crate::canon::{Finish, Kind, Part};

    fn finish(stop: &str) -> Result<Finish, Kind> {
        let body = format!(r#"{{"content":[{{"type":"tool_use"}}],{stop}}}"#);
        let answer = read_answer(body.as_bytes()).map_err(|fault| fault.kind)?;
        Ok(answer.choices[0].finish.clone())
    }

    #[test]
    fn each_stop_reason_has_its_meaning() {
        let sequence = Finish::StopSequence(Some("x".to_owned()));
        for (stop, expected) in [
            (r#""stop_reason":"end_turn""#, Finish::Stop),
            (
                r#""stop_reason":"stop_sequence","stop_sequence":"x""#,
                sequence,
            ),
            (r#""stop_reason":"max_tokens""#, Finish::Length),
            (
                r#""stop_reason":"model_context_window_exceeded""#,
                Finish::ContextWindow,
            ),
            (r#""stop_reason":"tool_use""#, Finish::ToolCalls),
            (r#""stop_reason":"refusal""#, Finish::Filtered),
            (r#""stop_reason":"pause_turn""#, Finish::Pause),
            (r#""stop_reason":null"#, Finish::ToolCalls),
        ] {
            assert_eq!(finish(stop), Ok(expected), "{stop}");
        }
        assert_eq!(finish(r#""stop_reason":"made_up""#), Err(Kind::Internal));
    }

    #[test]
    fn a_refusal_is_explained_and_foreign_blocks_are_passed_over() {
        let answer = read_answer(
            br#"{"id":"m","content":[{"type":"server_tool_use","id":"s"},{"type":"text","text":"a\ud83c"},7],
                "stop_reason":"refusal","stop_details":{"explanation":"no"},"usage":null}"#,
        );
        let answer = answer.unwrap();
        assert_eq!(
            answer.choices[0].parts,
            [Part::text("a\u{fffd}"), Part::Refusal("no".to_owned())]
        );
        assert_eq!(answer.usage, None);
    }

    #[test]
    fn what_is_no_answer_is_a_fault() {
        for (body, kind) in [
            (&b""[..], Kind::Internal),
            (b"[]", Kind::Internal),
            (br#"{"content":"text"}"#, Kind::Internal),
            (
                br#"{"type":"error","error":{"type":"overloaded_error"}}"#,
                Kind::Overloaded,
            ),
        ] {
            assert_eq!(read_answer(body).unwrap_err().kind, kind);
        }
    }
}
