use std::sync::LazyLock;

use memchr::memmem::Finder;
use serde::{
    Deserialize, Deserializer,
    de::{IgnoredAny, MapAccess, SeqAccess, Visitor},
};
use serde_json::value::RawValue;
use tollgate_core::fact::Usage;

/// What a plain answer used; nothing if it does not say.
pub(crate) fn usage(body: &[u8]) -> Option<Usage> {
    let told: Told<'_> = serde_json::from_slice(body).ok()?;
    Counts::parse(told.usage_metadata?)?.usage(None)
}

/// What a stream has used after this event. Google repeats the running total in each event, so this is made of a few
/// searches, and parses only where the model could have written the same words.
pub(crate) fn stream_usage(data: &[u8], so_far: Option<Usage>) -> Option<Usage> {
    let Some(at) = KEY.find(data) else {
        return so_far;
    };
    let rest = &data[at + KEY.needle().len()..];
    // The arguments of calls are the only fields that the model names.
    let counts = if CALL.find(data).is_some() || KEY.find(rest).is_some() {
        let told: Option<Told<'_>> = serde_json::from_slice(data).ok();
        told.and_then(|told| Counts::parse(told.usage_metadata?))
    } else {
        Some(Counts::search(rest))
    };
    counts.and_then(|it| it.usage(so_far)).or(so_far)
}

#[derive(Deserialize)]
struct Told<'a> {
    #[serde(borrow, rename = "usageMetadata")]
    usage_metadata: Option<&'a RawValue>,
}

/// The counts that are there. What is no count (negative, a fraction, a text) is not.
#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct Counts {
    prompt_token_count: Count,
    tool_use_prompt_token_count: Count,
    cached_content_token_count: Count,
    candidates_token_count: Count,
    thoughts_token_count: Count,
}

impl Counts {
    fn parse(raw: &RawValue) -> Option<Self> {
        raw.get().starts_with('{').then_some(())?;
        serde_json::from_str(raw.get()).ok()
    }

    /// Looks at what stands before and after the end that all names have.
    fn search(rest: &[u8]) -> Self {
        let mut counts = Self::default();
        for at in COUNT.find_iter(rest) {
            let (name, after) = (&rest[..at], &rest[at + COUNT.needle().len()..]);
            let count = if name.ends_with(b"\"prompt") {
                &mut counts.prompt_token_count
            } else if name.ends_with(b"\"candidates") {
                &mut counts.candidates_token_count
            } else if name.ends_with(b"\"thoughts") {
                &mut counts.thoughts_token_count
            } else if name.ends_with(b"\"cachedContent") {
                &mut counts.cached_content_token_count
            } else if name.ends_with(b"\"toolUsePrompt") {
                &mut counts.tool_use_prompt_token_count
            } else {
                continue;
            };
            *count = Count(digits(after));
        }
        counts
    }

    /// Google's prompt includes what was cached, and its candidates exclude the thoughts. A count that is missing
    /// stays as it was: what has been used is not given back.
    fn usage(&self, so_far: Option<Usage>) -> Option<Usage> {
        let counts = [
            self.prompt_token_count.0,
            self.cached_content_token_count.0,
            self.candidates_token_count.0,
            self.thoughts_token_count.0,
        ];
        if counts.iter().all(Option::is_none) {
            return None;
        }
        let before = so_far.unwrap_or_default();
        let prompt = match (
            self.prompt_token_count.0,
            self.tool_use_prompt_token_count.0,
        ) {
            (Some(prompt), Some(tools)) => prompt.saturating_add(tools),
            (Some(prompt), None) => prompt.max(before.total_input()),
            (None, _) => before.total_input(),
        };
        let cached = self.cached_content_token_count.0;
        let cached = cached.unwrap_or(before.cache_read).min(prompt);
        let thoughts = self.thoughts_token_count.0.unwrap_or(before.reasoning);
        let candidates = self.candidates_token_count.0;
        let candidates =
            candidates.unwrap_or_else(|| before.output.saturating_sub(before.reasoning));
        Some(Usage {
            input: prompt - cached,
            cache_read: cached,
            output: candidates.saturating_add(thoughts),
            reasoning: thoughts,
            ..Usage::default()
        })
    }
}

/// A count after its key, if that is what stands there.
fn digits(rest: &[u8]) -> Option<u64> {
    let rest = rest.trim_ascii_start().strip_prefix(b":")?;
    let rest = rest.trim_ascii_start();
    let mut count: Option<u64> = None;
    for &byte in rest {
        match byte {
            b'0'..=b'9' => {
                let more = count.unwrap_or_default().checked_mul(10)?;
                count = Some(more.checked_add(u64::from(byte - b'0'))?);
            }
            b',' | b'}' | b' ' | b'\n' | b'\r' | b'\t' => return count,
            _ => return None,
        }
    }
    None
}

#[derive(Clone, Copy, Debug, Default)]
struct Count(Option<u64>);

impl<'de> Deserialize<'de> for Count {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(CountVisitor)
    }
}

struct CountVisitor;

impl<'de> Visitor<'de> for CountVisitor {
    type Value = Count;

    fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("anything")
    }

    fn visit_u64<E>(self, count: u64) -> Result<Count, E> {
        Ok(Count(Some(count)))
    }

    fn visit_i64<E>(self, _: i64) -> Result<Count, E> {
        Ok(Count(None))
    }

    fn visit_f64<E>(self, _: f64) -> Result<Count, E> {
        Ok(Count(None))
    }

    fn visit_bool<E>(self, _: bool) -> Result<Count, E> {
        Ok(Count(None))
    }

    fn visit_str<E>(self, _: &str) -> Result<Count, E> {
        Ok(Count(None))
    }

    fn visit_unit<E>(self) -> Result<Count, E> {
        Ok(Count(None))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut values: A) -> Result<Count, A::Error> {
        while values.next_element::<IgnoredAny>()?.is_some() {}
        Ok(Count(None))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut fields: A) -> Result<Count, A::Error> {
        while fields.next_entry::<IgnoredAny, IgnoredAny>()?.is_some() {}
        Ok(Count(None))
    }
}

/// Made once, which takes longer than to search an event.
static KEY: LazyLock<Finder<'_>> = LazyLock::new(|| Finder::new(b"\"usageMetadata\""));
static COUNT: LazyLock<Finder<'_>> = LazyLock::new(|| Finder::new(b"TokenCount\""));
static CALL: LazyLock<Finder<'_>> = LazyLock::new(|| Finder::new(b"\"functionCall\""));

#[cfg(test)]
mod tests {
    use tollgate_core::fact::Usage;

    use super::{stream_usage, usage};

    fn counted(input: u64, cache_read: u64, output: u64, reasoning: u64) -> Usage {
        Usage {
            input,
            cache_read,
            output,
            reasoning,
            ..Usage::default()
        }
    }

    #[test]
    fn cached_input_and_thoughts_are_counted_once() {
        let told = r#"{"candidates":[],"usageMetadata": {"promptTokenCount": 100, "cachedContentTokenCount":60,
            "toolUsePromptTokenCount":5,"candidatesTokenCount":20,"thoughtsTokenCount":7 ,"totalTokenCount":132,
            "promptTokensDetails":[{"modality":"TEXT","tokenCount":9}]},"responseId":"x"}"#;
        let expected = Some(counted(45, 60, 27, 7));
        assert_eq!(usage(told.as_bytes()), expected);
        assert_eq!(stream_usage(told.as_bytes(), None), expected);
    }

    #[test]
    fn nonsense_is_no_refund_and_zero_is_not_missing() {
        let before = Some(counted(9, 0, 5, 2));
        for (told, plain, streamed) in [
            (
                r#"{"promptTokenCount":-5,"candidatesTokenCount":1.5}"#,
                None,
                before,
            ),
            (
                r#"{"promptTokenCount":"9","thoughtsTokenCount":null}"#,
                None,
                before,
            ),
            (r#"{"candidatesTokenCount":1e300}"#, None, before),
            (
                r#"{"candidatesTokenCount":99999999999999999999}"#,
                None,
                before,
            ),
            (
                r#"{"candidatesTokenCount":[{}],"promptTokenCount":{"a":1}}"#,
                None,
                before,
            ),
            (r#"{"trafficType":"ON_DEMAND"}"#, None, before),
            ("null", None, before),
            (r#""n/a""#, None, before),
            ("[9,9,9,9,9]", None, before),
            (
                r#"{"promptTokenCount":0,"cachedContentTokenCount":9}"#,
                Some(counted(0, 0, 0, 0)),
                Some(counted(0, 9, 5, 2)),
            ),
            (
                r#"{"candidatesTokenCount":0}"#,
                Some(counted(0, 0, 0, 0)),
                Some(counted(9, 0, 2, 2)),
            ),
            (
                r#"{"candidatesTokenCount":18446744073709551615,"thoughtsTokenCount":1}"#,
                Some(counted(0, 0, u64::MAX, 1)),
                Some(counted(9, 0, u64::MAX, 1)),
            ),
        ] {
            let body = format!(r#"{{"usageMetadata":{told}}}"#);
            assert_eq!(usage(body.as_bytes()), plain, "{told}");
            assert_eq!(stream_usage(body.as_bytes(), before), streamed, "{told}");
            // The long way says the same.
            let body = format!(r#"{{"usageMetadata":{told},"functionCall":1}}"#);
            assert_eq!(stream_usage(body.as_bytes(), before), streamed, "{told}");
        }
    }

    #[test]
    fn what_the_model_writes_is_not_taken_for_usage() {
        let before = Some(counted(9, 0, 5, 2));
        for data in [
            r#"{"candidates":[{"content":{"parts":[{"text":"\"usageMetadata\":{\"promptTokenCount\":0}"}]}}]}"#,
            r#"{"candidates":[{"content":{"parts":[{"functionCall":{"name":"f",
                "args":{"usageMetadata":{"candidatesTokenCount":0}}}}]}}]}"#,
            "{",
            "",
            r#""usageMetadata""#,
        ] {
            assert_eq!(stream_usage(data.as_bytes(), before), before, "{data}");
        }
    }

    #[test]
    fn the_last_total_counts() {
        let first = br#"{"usageMetadata":{"promptTokenCount":43,"thoughtsTokenCount":10}}"#;
        let last = br#"{"usageMetadata":{"promptTokenCount":61,"candidatesTokenCount":4}}"#;
        let so_far = stream_usage(first, None);
        assert_eq!(so_far, Some(counted(43, 0, 10, 10)));
        assert_eq!(stream_usage(last, so_far), Some(counted(61, 0, 14, 10)));
    }
}
