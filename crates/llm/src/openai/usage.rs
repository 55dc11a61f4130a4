use serde::{Deserialize, Deserializer, de::IgnoredAny};
use tollgate_core::fact::Usage;

/// A plain answer, as far as the meter reads it.
#[derive(Deserialize)]
pub(crate) struct Answer {
    #[serde(default, deserialize_with = "if_fit")]
    usage: Option<Counts>,
}

impl Answer {
    /// Reads a whole answer; nothing if it is not a JSON object.
    pub(crate) fn read(body: &[u8]) -> Option<Self> {
        serde_json::from_slice(body).ok()
    }

    pub(crate) fn usage(&self) -> Option<Usage> {
        self.usage.as_ref().map(Counts::usage)
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
    pub(crate) fn read(data: &[u8]) -> Option<Self> {
        serde_json::from_slice(data).ok()
    }

    pub(crate) fn usage(&self) -> Option<Usage> {
        self.usage.as_ref().map(Counts::usage)
    }

    /// Whether it is the extra chunk that only `include_usage` brings.
    pub(crate) fn is_only_usage(&self) -> bool {
        self.choices.as_ref().is_none_or(Vec::is_empty) && self.usage.is_some()
    }
}

/// Counts that are no counts (negative, fractions, text) are taken for zero, never for a refund.
#[derive(Deserialize)]
struct Counts {
    #[serde(default, deserialize_with = "count")]
    prompt_tokens: u64,
    #[serde(default, deserialize_with = "count")]
    completion_tokens: u64,
    #[serde(default, deserialize_with = "if_fit")]
    prompt_tokens_details: Option<InputDetails>,
    #[serde(default, deserialize_with = "if_fit")]
    completion_tokens_details: Option<OutputDetails>,
}

#[derive(Deserialize)]
struct InputDetails {
    #[serde(default, deserialize_with = "count")]
    cached_tokens: u64,
    #[serde(default, deserialize_with = "count")]
    cache_write_tokens: u64,
}

#[derive(Deserialize)]
struct OutputDetails {
    #[serde(default, deserialize_with = "count")]
    reasoning_tokens: u64,
}

impl Counts {
    /// OpenAI's input includes what was cached; ours does not.
    fn usage(&self) -> Usage {
        let (read, write) = match &self.prompt_tokens_details {
            Some(details) => (details.cached_tokens, details.cache_write_tokens),
            None => (0, 0),
        };
        let cached = read.saturating_add(write);
        let reasoning = self.completion_tokens_details.as_ref();
        Usage {
            input: self.prompt_tokens.saturating_sub(cached),
            cache_read: read,
            cache_write: write,
            output: self.completion_tokens,
            reasoning: reasoning.map_or(0, |details| details.reasoning_tokens),
            ..Usage::default()
        }
    }
}

fn count<'de, D: Deserializer<'de>>(deserializer: D) -> Result<u64, D::Error> {
    if_fit(deserializer).map(Option::unwrap_or_default)
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

#[cfg(test)]
mod tests {
    use tollgate_core::fact::Usage;

    use super::{Answer, Chunk};

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
            (r#"{"prompt_tokens":-5,"completion_tokens":1.5}"#, Some(0)),
            (r#"{"prompt_tokens":"9","completion_tokens":null}"#, Some(0)),
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
            let answer = Answer::read(format!(r#"{{"usage":{usage}}}"#).as_bytes()).unwrap();
            assert_eq!(
                answer.usage().map(|usage| usage.output),
                expected,
                "{usage}"
            );
        }
    }

    #[test]
    fn the_extra_chunk_is_told_from_others() {
        let is_extra = |data: &str| Chunk::read(data.as_bytes()).unwrap().is_only_usage();
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
