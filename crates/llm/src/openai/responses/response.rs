use std::{
    hash::{BuildHasher, RandomState},
    time::SystemTime,
};

use serde::Serialize;
use tollgate_core::fact::Usage;

use super::{echo::echo, item::Item};
use crate::canon::{Ask, Finish};

/// What all accounts of one response have in common.
#[derive(Debug)]
pub(super) struct Response {
    /// Without the prefix that tells what it names. Only letters that stand in JSON as they are.
    id: String,
    created: u64,
    model: String,
    /// What the request said, as the last fields of an object.
    echo: Vec<u8>,
}

/// How a response stands.
#[derive(Clone, Copy, Debug)]
pub(super) enum State<'a> {
    InProgress,
    Ended(Option<&'a Finish>),
    Failed { code: &'a str, message: &'a str },
}

impl Response {
    /// A response to this; the answer's own name and time come later, or never.
    pub(super) fn to(ask: &Ask) -> Self {
        Self {
            id: String::new(),
            created: 0,
            model: String::new(),
            echo: echo(ask),
        }
    }

    /// Names it as the provider did, and anew where the provider did not.
    pub(super) fn name(&mut self, id: &str, model: &str, created: u64) {
        let id = id.strip_prefix("resp_").unwrap_or(id);
        let plain = |letter: &char| letter.is_ascii_alphanumeric() || "_-".contains(*letter);
        self.id = id.chars().filter(plain).take(LONGEST_ID).collect();
        if self.id.is_empty() {
            self.id = format!("{:016x}", RandomState::new().hash_one(id));
        }
        self.created = match created {
            0 => now(),
            created => created,
        };
        model.clone_into(&mut self.model);
    }

    /// A name for an item; the index tells it from its siblings.
    pub(super) fn item_id(&self, prefix: &str, index: usize) -> String {
        format!("{prefix}_{}_{index}", self.id)
    }

    /// The whole object.
    pub(super) fn write(
        &self,
        state: State<'_>,
        output: &[Item<'_>],
        usage: Option<Usage>,
        out: &mut Vec<u8>,
    ) {
        let incomplete = match state {
            State::Ended(finish) => finish.and_then(incomplete),
            _ => None,
        };
        let known = Known {
            id: format!("resp_{}", self.id),
            object: "response",
            created_at: self.created,
            status: match state {
                State::InProgress => "in_progress",
                State::Ended(_) if incomplete.is_some() => "incomplete",
                State::Ended(_) => "completed",
                State::Failed { .. } => "failed",
            },
            background: false,
            error: match state {
                State::Failed { code, message } => Some(Error { code, message }),
                _ => None,
            },
            incomplete_details: incomplete.map(|reason| Incomplete { reason }),
            model: &self.model,
            output,
            usage: usage.map(Counts::from),
        };
        json(out, &known);
        out.pop(); // The object goes on.
        out.extend_from_slice(&self.echo);
    }
}

/// Why a response is no complete one.
pub(super) const fn incomplete(finish: &Finish) -> Option<&'static str> {
    match finish {
        Finish::Length | Finish::ContextWindow => Some("max_output_tokens"),
        Finish::Filtered => Some("content_filter"),
        Finish::Stop | Finish::StopSequence(_) | Finish::ToolCalls | Finish::Pause => None,
    }
}

/// A value as JSON.
pub(super) fn json(out: &mut Vec<u8>, value: &(impl Serialize + ?Sized)) {
    let written = serde_json::to_writer(out, value);
    debug_assert!(written.is_ok(), "values with text keys can be written");
}

/// In Unix seconds, for providers that do not say it.
fn now() -> u64 {
    let since = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH);
    since.map_or(0, |since| since.as_secs())
}

#[derive(Serialize)]
struct Known<'a> {
    id: String,
    object: &'static str,
    created_at: u64,
    status: &'static str,
    background: bool,
    error: Option<Error<'a>>,
    incomplete_details: Option<Incomplete>,
    model: &'a str,
    output: &'a [Item<'a>],
    #[serde(skip_serializing_if = "Option::is_none")]
    usage: Option<Counts>,
}

#[derive(Serialize)]
struct Error<'a> {
    code: &'a str,
    message: &'a str,
}

#[derive(Serialize)]
struct Incomplete {
    reason: &'static str,
}

#[derive(Serialize)]
struct Counts {
    input_tokens: u64,
    input_tokens_details: InputDetails,
    output_tokens: u64,
    output_tokens_details: OutputDetails,
    total_tokens: u64,
}

#[derive(Serialize)]
struct InputDetails {
    cached_tokens: u64,
    cache_write_tokens: u64,
}

#[derive(Serialize)]
struct OutputDetails {
    reasoning_tokens: u64,
}

/// OpenAI's input includes what was cached; ours does not.
impl From<Usage> for Counts {
    fn from(usage: Usage) -> Self {
        Self {
            input_tokens: usage.total_input(),
            input_tokens_details: InputDetails {
                cached_tokens: usage.cache_read,
                cache_write_tokens: usage.cache_write.saturating_add(usage.cache_write_1h),
            },
            output_tokens: usage.output,
            output_tokens_details: OutputDetails {
                reasoning_tokens: usage.reasoning,
            },
            total_tokens: usage.total(),
        }
    }
}

/// Enough for every provider's; it is repeated in each event.
const LONGEST_ID: usize = 64;
