use memchr::memmem;
use serde::Deserialize;
use serde_json::Value;
use tollgate_core::fact::Usage;

use super::fields::Fields;

/// What a plain answer says was used.
pub(crate) fn usage(body: &[u8]) -> Option<Usage> {
    let answer: Answer = serde_json::from_slice(body).ok()?;
    read(&answer.usage, None)
}

/// What was used after this event of a stream. Counts are totals: what an event repeats takes the place of what was
/// said before, and what it leaves out stays.
pub(crate) fn stream_usage(data: &[u8], so_far: Option<Usage>) -> Option<Usage> {
    if memmem::find(data, b"\"usage\"").is_none() {
        return so_far;
    }
    let Ok(event) = serde_json::from_slice::<Event>(data) else {
        return so_far;
    };
    // Elsewhere the word is somebody's own, such as in a tool's input.
    let counts = match (&*event.kind, &event.message) {
        ("message_start", Some(start)) => &start.usage,
        ("message_delta", _) => &event.usage,
        _ => return so_far,
    };
    read(counts, so_far)
}

/// Reads a `usage` object on top of what was known. What is no count is as good as missing.
/// Whether an event says how much output there is, where it is the sum.
pub(crate) fn tells_output(data: &[u8]) -> bool {
    let event = serde_json::from_slice::<Event>(data).ok();
    event.is_some_and(|event| {
        let output = event.usage.get("output_tokens");
        event.kind == "message_delta" && output.is_some_and(Value::is_u64)
    })
}

pub(super) fn read(counts: &Value, so_far: Option<Usage>) -> Option<Usage> {
    let Value::Object(counts) = counts else {
        return so_far;
    };
    let said = ["input_tokens", "output_tokens"];
    let says = said
        .iter()
        .any(|name| counts.get(*name).is_some_and(Value::is_u64));
    if !says && so_far.is_none() {
        return None;
    }
    let before = so_far.unwrap_or_default();
    let count = |name: &str| counts.get(name).and_then(Value::as_u64);
    if count("input_tokens").or(count("output_tokens")).is_none() {
        return so_far; // What says nothing that can be read is no word of the provider's, least of all that it was free.
    }
    let inside = |name: &str, part: &str| counts.get(name)?.get(part)?.as_u64();
    let written = inside("cache_creation", "ephemeral_5m_input_tokens");
    let hour = inside("cache_creation", "ephemeral_1h_input_tokens");
    let hour = hour.unwrap_or(before.cache_write_1h);
    // The total has both.
    let total = count("cache_creation_input_tokens");
    let written = total.map(|total| total.saturating_sub(hour)).or(written);
    let top = Usage {
        input: count("input_tokens").unwrap_or(before.input),
        cache_read: count("cache_read_input_tokens").unwrap_or(before.cache_read),
        cache_write: written.unwrap_or(before.cache_write),
        cache_write_1h: hour,
        output: count("output_tokens").unwrap_or(before.output),
        reasoning: inside("output_tokens_details", "thinking_tokens").unwrap_or(before.reasoning),
        estimated: false,
    };
    // To compact the conversation is paid for, but not in the counts above.
    let compactions = counts.get("iterations").and_then(Value::as_array);
    let compactions = compactions.into_iter().flatten().filter_map(|iteration| {
        let is_one = iteration.get("type").and_then(Value::as_str) == Some("compaction");
        read(iteration, None).filter(|_| is_one)
    });
    Some(std::iter::once(top).chain(compactions).sum())
}

/// Writes a `usage` object.
pub(super) fn write(out: &mut Vec<u8>, usage: &Usage) {
    let written = usage.cache_write.saturating_add(usage.cache_write_1h);
    let mut counts = Fields::begin(out);
    counts.put("input_tokens", &usage.input);
    counts.put("cache_creation_input_tokens", &written);
    counts.put("cache_read_input_tokens", &usage.cache_read);
    if usage.cache_write_1h > 0 {
        let mut split = Fields::begin(counts.key("cache_creation"));
        split.put("ephemeral_5m_input_tokens", &usage.cache_write);
        split.put("ephemeral_1h_input_tokens", &usage.cache_write_1h);
        split.end();
    }
    counts.put("output_tokens", &usage.output);
    if usage.reasoning > 0 {
        let mut details = Fields::begin(counts.key("output_tokens_details"));
        details.put("thinking_tokens", &usage.reasoning);
        details.end();
    }
    counts.end();
}

#[derive(Deserialize)]
struct Answer {
    #[serde(default)]
    usage: Value,
}

#[derive(Deserialize)]
struct Event {
    #[serde(rename = "type")]
    kind: String,
    message: Option<Answer>,
    #[serde(default)]
    usage: Value,
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};
    use tollgate_core::fact::Usage;

    use super::{read, stream_usage, usage, write};

    fn event(kind: &str, usage: &Value) -> Vec<u8> {
        let event = match kind {
            "message_start" => json!({ "type": kind, "message": { "id": "m", "usage": usage } }),
            _ => json!({ "type": kind, "delta": {}, "usage": usage }),
        };
        event.to_string().into_bytes()
    }

    #[test]
    fn counts_that_cannot_be_read_say_nothing() {
        assert_eq!(
            usage(br#"{"usage":{"input_tokens":"9","output_tokens":-2}}"#),
            None
        );
        assert_eq!(usage(br#"{"usage":{"input_tokens":9}}"#).unwrap().input, 9);
    }

    #[test]
    fn the_parts_of_a_prompt_are_counted_once() {
        let answer = json!({ "content": [{ "type": "text", "text": "\"usage\"" }], "usage": {
            "input_tokens": 10, "cache_read_input_tokens": 20, "cache_creation_input_tokens": 70,
            "cache_creation": { "ephemeral_5m_input_tokens": 30, "ephemeral_1h_input_tokens": 40 },
            "output_tokens": 50, "output_tokens_details": { "thinking_tokens": 5 },
        } });
        let expected = Usage {
            input: 10,
            cache_read: 20,
            cache_write: 30,
            cache_write_1h: 40,
            output: 50,
            reasoning: 5,
            estimated: false,
        };

        assert_eq!(usage(answer.to_string().as_bytes()), Some(expected));

        let mut written = Vec::new();
        write(&mut written, &expected);
        let written = serde_json::from_slice(&written).unwrap();
        assert_eq!(read(&written, None), Some(expected));
    }

    #[test]
    fn later_counts_correct_earlier_ones_and_missing_ones_do_not() {
        let start = event(
            "message_start",
            &json!({ "input_tokens": 43, "cache_creation_input_tokens": 9, "output_tokens": 1,
                "cache_creation": { "ephemeral_1h_input_tokens": 4 } }),
        );
        let so_far = stream_usage(&start, None);
        assert_eq!(so_far.unwrap().cache_write, 5);

        let end = event(
            "message_delta",
            &json!({ "input_tokens": 61, "output_tokens": 0, "cache_creation_input_tokens": 9 }),
        );
        let expected = Usage {
            input: 61,
            cache_write: 5,
            cache_write_1h: 4,
            ..Usage::default()
        };
        assert_eq!(stream_usage(&end, so_far), Some(expected), "zero is said");

        for nonsense in [json!(-1), json!("0"), json!(0.5), json!(null), json!([0])] {
            let event = event(
                "message_delta",
                &json!({ "output_tokens": nonsense, "input_tokens": nonsense }),
            );
            assert_eq!(
                stream_usage(&event, so_far),
                so_far,
                "{nonsense} is no refund"
            );
        }
        for usage in [json!(null), json!("none"), json!([])] {
            assert_eq!(
                stream_usage(&event("message_delta", &usage), so_far),
                so_far
            );
        }
    }

    #[test]
    fn only_a_messages_own_usage_counts() {
        let so_far = Some(Usage::default());
        for data in [
            &br#"{"type":"content_block_start","content_block":{"input":{}},"usage":{"output_tokens":9}}"#[..],
            br#"{"type":"content_block_delta","delta":{"text":"usage"}}"#,
            br#"{"type":"message_delta","delta":{"usage":{"output_tokens":9}}}"#,
            br#"{"type":"message_delta","usage":{"output_tokens":9}"#,
        ] {
            assert_eq!(stream_usage(data, so_far), so_far);
        }
    }

    #[test]
    fn compacting_is_paid_for_as_well() {
        let counts = json!({ "input_tokens": 612, "output_tokens": 20, "iterations": [
            { "type": "compaction", "input_tokens": 60000, "output_tokens": 500 },
            { "type": "message", "input_tokens": 612, "output_tokens": 20 },
            "nonsense",
        ] });
        let usage = read(&counts, None).unwrap();
        assert_eq!((usage.input, usage.output), (60612, 520));
    }
}
