use serde::{Deserialize, Serialize};

macro_rules! faults {
    ($($(#[$doc:meta])* $fault:ident = $name:literal,)*) => {
        /// What can go wrong with an answer; each has the name by which models and scripts ask for it.
        #[derive(Clone, Copy, Debug, Deserialize, Eq, PartialEq, Serialize)]
        #[non_exhaustive]
        pub enum Fault {
            $($(#[$doc])* #[serde(rename = $name)] $fault,)*
        }

        impl Fault {
            /// All there are.
            pub const ALL: &[Self] = &[$(Self::$fault,)*];

            /// The name by which models and scripts ask for it.
            #[must_use]
            pub const fn name(self) -> &'static str {
                match self {
                    $(Self::$fault => $name,)*
                }
            }
        }
    };
}

faults! {
    /// The connection breaks between two events, in the middle of the answer.
    Cut = "cut",
    /// The connection breaks before the first event.
    CutAtStart = "cut-at-start",
    /// The connection breaks within an event.
    CutInEvent = "cut-in-event",
    /// The connection breaks after the last content, before anything that marks the end.
    CutBeforeEnd = "cut-before-end",
    /// What is cut ends as if it were complete, without an error of the connection.
    Clean = "clean",
    /// Falls silent in the middle of the answer.
    Stall = "stall",
    /// Sends a head, and then nothing.
    StallAtStart = "stall-at-start",
    /// Never sends even a head.
    Silent = "silent",
    /// Waits ten paces before it begins.
    Slow = "slow",
    /// Answers with a page of HTML.
    Nonsense = "nonsense",
    /// Refuses since it has too much to do: 529, or 503 where that is unknown.
    Overloaded = "overloaded",
    /// Refuses since the account is empty.
    InsufficientQuota = "insufficient-quota",
    /// Breaks a stream off with an event that tells of an error.
    ErrorEvent = "error-event",
    /// Blocks the question, in the provider's own way.
    Blocked = "blocked",
    /// Never says what was used.
    NoUsage = "no-usage",
    /// Says that less than nothing was used.
    NegativeUsage = "negative-usage",
    /// Says that as much was used as 64 bits can say.
    HugeUsage = "huge-usage",
    /// Writes the numbers of its usage as strings.
    TextUsage = "text-usage",
    /// Says too little until the end, and there the truth.
    LateUsage = "late-usage",
    /// Sends every byte by itself.
    Bytes = "bytes",
    /// Cuts within characters, and between CR and LF.
    Splits = "splits",
    /// Ends lines with CR and LF.
    Crlf = "crlf",
    /// Puts comments between events.
    Comments = "comments",
    /// Begins with a byte order mark.
    Bom = "bom",
    /// Sends a character outside of the basic plane as two halves, in two deltas.
    Surrogates = "surrogates",
    /// Numbers every tool call 0.
    IndexZero = "index-zero",
    /// Gives tool calls no ids.
    NoIds = "no-ids",
    /// Sends arguments whole, in the first piece of a call.
    WholeArguments = "whole-arguments",
    /// Sends arguments that are no JSON.
    BrokenArguments = "broken-arguments",
    /// Says `stop` after tool calls.
    StopWithTools = "stop-with-tools",
    /// Leaves out `[DONE]`.
    NoDone = "no-done",
    /// Sends usage together with choices, in the last chunk of an answer.
    UsageWithChoices = "usage-with-choices",
    /// Repeats the role in each delta.
    Roles = "roles",
    /// Shows its reasoning as `reasoning_content`.
    ReasoningContent = "reasoning-content",
    /// All that servers that are only compatible with OpenAI are known for.
    Quirky = "quirky",
    /// Pings before the message has started, as Anthropic may.
    EarlyPing = "early-ping",
}

/// A set of faults.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub(crate) struct Faults(u64);

impl Faults {
    pub(crate) fn has(self, fault: Fault) -> bool {
        self.0 & (1 << fault as u64) != 0
    }

    pub(crate) fn with(self, fault: Fault) -> Self {
        let one = Self(self.0 | 1 << fault as u64);
        match fault {
            Fault::Quirky => [
                Fault::IndexZero,
                Fault::NoIds,
                Fault::WholeArguments,
                Fault::StopWithTools,
                Fault::NoDone,
                Fault::UsageWithChoices,
                Fault::Roles,
            ]
            .into_iter()
            .fold(one, Self::with),
            _ => one,
        }
    }

    /// Those that a model's name ends with; `+` joins several.
    pub(crate) fn named(model: &str) -> Self {
        let fault = |piece: &str| {
            let named = Fault::ALL.iter().copied();
            named
                .filter(|fault| piece.ends_with(fault.name()))
                .max_by_key(|fault| fault.name().len())
        };
        model.split('+').filter_map(fault).collect()
    }
}

impl FromIterator<Fault> for Faults {
    fn from_iter<I: IntoIterator<Item = Fault>>(faults: I) -> Self {
        faults.into_iter().fold(Self::default(), Self::with)
    }
}

impl std::ops::BitOr for Faults {
    type Output = Self;

    fn bitor(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_models_name_asks_for_faults_by_its_end_and_by_what_follows_a_plus() {
        let faults = Faults::named("sim-cut-in-event+crlf+bytes");

        assert!(faults.has(Fault::CutInEvent) && faults.has(Fault::Crlf));
        assert!(faults.has(Fault::Bytes) && !faults.has(Fault::Cut));
        assert_eq!(Faults::named("gpt-4o-mini"), Faults::default());
        assert!(Faults::named("quirky").has(Fault::NoDone));
    }

    #[test]
    fn there_are_fewer_faults_than_bits() {
        assert!(Fault::ALL.len() < 64);
    }
}
