use http::request::Parts;
use tollgate_core::{
    Payload,
    fact::{Call, Measure, Operation, Usage},
};

/// How many tokens a request may use, as far as its head tells.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) struct Estimate {
    /// A guess.
    input: u64,
    output: u64,
    /// Whether the caller has asked for so much output.
    is_asked: bool,
}

impl Estimate {
    /// Four bytes are about a token. A bound that counts each byte as one would refuse what fits.
    pub(crate) fn of(parts: &Parts, expected_output: u64) -> Self {
        let call = parts.extensions.get::<Call>();
        let bound = call.and_then(|call| call.max_input_tokens);
        let guess = parts.extensions.get::<Payload>();
        let guess = guess.map(|payload| payload.bytes().len().div_ceil(4) as u64);
        let input = match (guess, bound) {
            (Some(guess), Some(bound)) => guess.min(bound),
            (guess, bound) => guess.or(bound).unwrap_or(0),
        };
        let has_output = call.is_none_or(|call| {
            matches!(call.operation, Operation::Chat | Operation::TextCompletion)
        });
        let asked = call.and_then(|call| call.max_output_tokens);
        let choices = call.map_or(1, |call| call.choices.max(1));
        let output = asked
            .unwrap_or(expected_output)
            .saturating_mul(choices.into());
        Self {
            input,
            output: if has_output { output } else { 0 },
            is_asked: has_output && asked.is_some(),
        }
    }

    /// How much to reserve of a rate. Nothing, if no time is long enough: what the caller has asked for is more than the
    /// burst. A guess that is more reserves all of it.
    pub(crate) fn cost(self, measure: Measure, burst: u64) -> Option<u64> {
        let (input, output) = match measure {
            Measure::Requests => (1, 0),
            Measure::InputTokens => (self.input, 0),
            Measure::OutputTokens => (0, self.output),
            Measure::Tokens => (self.input, self.output),
        };
        let is_too_much = self.is_asked && output > burst;
        (!is_too_much).then(|| input.saturating_add(output).min(burst))
    }
}

/// How much was used.
pub(crate) fn used(usage: &Usage, measure: Measure) -> u64 {
    match measure {
        Measure::Requests => 1,
        Measure::InputTokens => usage.total_input(),
        Measure::OutputTokens => usage.output,
        Measure::Tokens => usage.total(),
    }
}
