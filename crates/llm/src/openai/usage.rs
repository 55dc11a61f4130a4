use std::sync::LazyLock;

use memchr::memmem::Finder;
use serde::{Deserialize, Deserializer, de::IgnoredAny};
use serde_json::{Value, value::RawValue};
use tollgate_core::fact::Usage;

use super::write::Object;
use crate::quick;

/// A plain answer, as far as the meter reads it.
#[derive(Deserialize)]
pub(crate) struct Answer<'a> {
    #[serde(borrow)]
    usage: Option<&'a RawValue>,
}

impl<'a> Answer<'a> {
    /// Reads a whole answer; nothing if it is not a JSON object.
    pub(crate) fn read(body: &'a [u8]) -> Option<Self> {
        quick::read(body).ok()
    }

    pub(crate) fn usage(&self) -> Option<Usage> {
        let counts: Option<Counts> = serde_json::from_str(self.usage?.get()).ok();
        counts?.usage(None)
    }
}

/// A chunk of a stream, as far as the meter reads it.
#[derive(Deserialize)]
pub(crate) struct Chunk {
    #[serde(default, deserialize_with = "if_fit")]
    choices: Option<Vec<IgnoredAny>>,
    #[serde(default, deserialize_with = "if_fit")]
    usage: Option<Counts>,
}

impl Chunk {
    /// A chunk that says something of usage. Most say nothing, and are not parsed.
    pub(crate) fn with_usage(data: &[u8]) -> Option<Self> {
        let mut places = KEY.find_iter(data);
        if !places.any(|at| !is_null(&data[at + KEY.needle().len()..])) {
            return None;
        }
        // A model's own words could hold a key of this name, so it must be the chunk's.
        serde_json::from_slice(data).ok()
    }

    /// What is known to be used with it, on top of what was known before.
    pub(crate) fn usage(&self, so_far: Option<Usage>) -> Option<Usage> {
        self.usage.as_ref()?.usage(so_far)
    }

    /// Whether it is the extra chunk that only `include_usage` brings.
    pub(crate) fn is_only_usage(&self) -> bool {
        self.choices.as_ref().is_none_or(Vec::is_empty) && self.usage.is_some()
    }
}

/// What a plain answer says was used.
pub(crate) fn usage(body: &[u8]) -> Option<Usage> {
    Answer::read(body)?.usage()
}

/// What a `usage` says, where something is said; on what it does not say, an earlier one stands.
pub(crate) fn of(value: &Value, so_far: Option<Usage>) -> Option<Usage> {
    let fields = value.as_object()?;
    Counts::deserialize(fields).ok()?.usage(so_far).or(so_far)
}

/// Writes the fields of a `usage`.
pub(crate) fn write(usage: &Usage, object: &mut Object<'_>) {
    object.field("prompt_tokens", usage.total_input());
    object.field("completion_tokens", usage.output);
    object.field("total_tokens", usage.total());
    let mut input = object.object("prompt_tokens_details");
    input.field("cached_tokens", usage.cache_read);
    let written = usage.cache_write.saturating_add(usage.cache_write_1h);
    input.field("cache_write_tokens", written);
    drop(input);
    let mut output = object.object("completion_tokens_details");
    output.field("reasoning_tokens", usage.reasoning);
}

/// Counts that are no counts (negative, fractions, text) are as good as missing, never a refund.
#[derive(Deserialize)]
struct Counts {
    #[serde(default, deserialize_with = "count")]
    prompt_tokens: Option<u64>,
    #[serde(default, deserialize_with = "count")]
    completion_tokens: Option<u64>,
    #[serde(default, deserialize_with = "count")]
    total_tokens: Option<u64>,
    #[serde(default, deserialize_with = "if_fit")]
    prompt_tokens_details: Option<InputDetails>,
    #[serde(default, deserialize_with = "if_fit")]
    completion_tokens_details: Option<OutputDetails>,
    /// DeepSeek's older name for what was cached.
    #[serde(default, deserialize_with = "count")]
    prompt_cache_hit_tokens: Option<u64>,
}

#[derive(Default, Deserialize)]
struct InputDetails {
    #[serde(default, deserialize_with = "count")]
    cached_tokens: Option<u64>,
    #[serde(default, deserialize_with = "count")]
    cache_write_tokens: Option<u64>,
}

#[derive(Default, Deserialize)]
struct OutputDetails {
    #[serde(default, deserialize_with = "count")]
    reasoning_tokens: Option<u64>,
}

impl Counts {
    /// OpenAI's input includes what was cached; ours does not. Without a count of the output nothing is said, unless it
    /// was said before.
    fn usage(&self, so_far: Option<Usage>) -> Option<Usage> {
        let details = self.completion_tokens_details.as_ref();
        let reasoning = details.and_then(|details| details.reasoning_tokens);
        let output = self.output(reasoning);
        let output = output.or(so_far.map(|before| before.output))?;
        let so_far = so_far.unwrap_or_default();
        let none = InputDetails::default();
        let details = self.prompt_tokens_details.as_ref().unwrap_or(&none);
        let read = details.cached_tokens.or(self.prompt_cache_hit_tokens);
        let read = read.unwrap_or(so_far.cache_read);
        let write = details.cache_write_tokens.unwrap_or(so_far.cache_write);
        let input = match self.prompt_tokens {
            Some(prompt) => prompt.saturating_sub(read.saturating_add(write)),
            None => so_far.input,
        };
        Some(Usage {
            input,
            cache_read: read,
            cache_write: write,
            output,
            reasoning: reasoning.unwrap_or(so_far.reasoning),
            ..Usage::default()
        })
    }

    /// OpenAI's output includes the reasoning; xAI's does not, which its total shows. Embeddings have the total alone.
    fn output(&self, reasoning: Option<u64>) -> Option<u64> {
        let Some(output) = self.completion_tokens else {
            return self.total_tokens?.checked_sub(self.prompt_tokens?);
        };
        let with = output.saturating_add(reasoning.unwrap_or_default());
        let prompt = self.prompt_tokens.unwrap_or_default();
        let apart = self.total_tokens == Some(prompt.saturating_add(with));
        Some(if apart { with } else { output })
    }
}

/// Whether this follows a key that says nothing.
fn is_null(rest: &[u8]) -> bool {
    let rest = rest.trim_ascii_start();
    let value = rest.strip_prefix(b":").unwrap_or(rest);
    value.trim_ascii_start().starts_with(b"null")
}

/// A count; nothing for what is none, which spoils no answer.
fn count<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<u64>, D::Error> {
    if_fit(deserializer)
}

/// What is of another shape than expected is as good as missing: it spoils no answer.
fn if_fit<'de, D: Deserializer<'de>, T: Deserialize<'de>>(
    deserializer: D,
) -> Result<Option<T>, D::Error> {
    #[derive(Deserialize)]
    #[serde(untagged)]
    enum Fit<T> {
        Yes(T),
        No(IgnoredAny),
    }
    Ok(match Fit::deserialize(deserializer)? {
        Fit::Yes(value) => Some(value),
        Fit::No(_) => None,
    })
}

/// Inside a text it would be escaped. Made once, which takes longer than to search an event.
static KEY: LazyLock<Finder<'_>> = LazyLock::new(|| Finder::new("\"usage\""));

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};
    use tollgate_core::fact::Usage;

    use super::{Answer, Chunk, of, write};
    use crate::openai::write::Object;

    fn stream_usage(data: &[u8], so_far: Option<Usage>) -> Option<Usage> {
        let told = Chunk::with_usage(data).and_then(|chunk| chunk.usage(so_far));
        told.or(so_far)
    }

    #[test]
    fn cached_input_is_counted_once() {
        let answer = Answer::read(
            br#"{"id":"x","choices":[{}],"usage":{"prompt_tokens":100,"completion_tokens":20,"total_tokens":120,
                "prompt_tokens_details":{"cached_tokens":60,"cache_write_tokens":10},
                "completion_tokens_details":{"reasoning_tokens":5,"audio_tokens":0}}}"#,
        );
        let expected = Usage {
            input: 30,
            cache_read: 60,
            cache_write: 10,
            output: 20,
            reasoning: 5,
            ..Usage::default()
        };
        assert_eq!(answer.unwrap().usage(), Some(expected));
    }

    #[test]
    fn nonsense_is_no_refund_and_zero_is_not_missing() {
        for (usage, expected) in [
            (r#"{"prompt_tokens":-5,"completion_tokens":1.5}"#, None),
            (r#"{"prompt_tokens":"9","completion_tokens":null}"#, None),
            ("{}", None),
            (r#"{"prompt_tokens":0,"completion_tokens":0}"#, Some(0)),
            (r#"{"prompt_tokens":7,"total_tokens":7}"#, Some(0)),
            (r#"{"prompt_tokens":7,"total_tokens":9}"#, Some(2)),
            (r#"{"prompt_tokens":7,"total_tokens":6}"#, None),
            (
                r#"{"completion_tokens":18446744073709551615}"#,
                Some(u64::MAX),
            ),
            (
                r#"{"completion_tokens":3,"completion_tokens_details":"n/a"}"#,
                Some(3),
            ),
            ("null", None),
            (r#""n/a""#, None),
        ] {
            let answer = format!(r#"{{"usage":{usage}}}"#);
            let answer = Answer::read(answer.as_bytes()).unwrap();
            assert_eq!(
                answer.usage().map(|usage| usage.output),
                expected,
                "{usage}"
            );
        }
    }

    #[test]
    fn a_later_word_corrects_an_earlier_one_only_where_it_says_something() {
        let so_far = of(
            &json!({"prompt_tokens": 9, "completion_tokens": 5, "prompt_tokens_details": {"cached_tokens": 4}}),
            None,
        );
        for (usage, expected) in [
            (json!({"completion_tokens": 7}), (5, 4, 7)),
            (json!({"completion_tokens": 0}), (5, 4, 0)),
            (
                json!({"completion_tokens": -1, "prompt_tokens": "x"}),
                (5, 4, 5),
            ),
            (
                json!({"completion_tokens": 1e30, "prompt_tokens": 19}),
                (15, 4, 5),
            ),
        ] {
            let data = json!({"choices": [], "usage": usage}).to_string();
            let usage = stream_usage(data.as_bytes(), so_far).unwrap();
            assert_eq!(
                (usage.input, usage.cache_read, usage.output),
                expected,
                "{data}"
            );
        }
    }

    #[test]
    fn only_the_chunks_own_usage_counts() {
        let so_far = Some(Usage::default());
        for data in [
            r#"{"choices":[{"delta":{"content":"\"usage\":{\"completion_tokens\":1}"}}],"usage":null}"#,
            r#"{"choices":[{"delta":{"tool_calls":[{"function":{"arguments":{"usage":{"completion_tokens":1}}}}]}}]}"#,
            r#"{"choices":[],"usage":"n/a"}"#,
            "[DONE]",
            r#"{"usage""#,
        ] {
            assert_eq!(stream_usage(data.as_bytes(), so_far), so_far, "{data}");
            assert_eq!(stream_usage(data.as_bytes(), None), None, "{data}");
        }
    }

    #[test]
    fn reasoning_that_a_server_counts_apart_is_output_too() {
        for (total, output) in [(513, 222), (317, 26), (0, 26)] {
            let usage = json!({"prompt_tokens": 291, "completion_tokens": 26, "total_tokens": total,
                "completion_tokens_details": {"reasoning_tokens": 196}});
            assert_eq!(of(&usage, None).unwrap().output, output);
        }
    }

    #[test]
    fn what_is_written_reads_the_same() {
        let usage = Usage {
            input: 30,
            cache_read: 60,
            cache_write: 10,
            output: 20,
            reasoning: 5,
            ..Usage::default()
        };
        let mut out = Vec::new();
        write(&usage, &mut Object::new(&mut out));
        let value: Value = serde_json::from_slice(&out).unwrap();
        assert_eq!(of(&value, None), Some(usage));
    }

    #[test]
    fn the_extra_chunk_is_told_from_others() {
        let is_extra = |data: &str| {
            Chunk::with_usage(data.as_bytes()).is_some_and(|chunk| chunk.is_only_usage())
        };
        assert!(is_extra(r#"{"choices":[],"usage":{"prompt_tokens":1}}"#));
        assert!(is_extra(r#"{"choices":null,"usage":{"prompt_tokens":1}}"#));
        assert!(!is_extra(
            r#"{"choices":[{"delta":{}}],"usage":{"prompt_tokens":1}}"#
        ));
        assert!(
            !is_extra(r#"{"choices":[],"usage":null}"#),
            "Azure begins its streams with such a chunk"
        );
    }
}
