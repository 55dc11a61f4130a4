use std::{collections::BTreeMap, ops::Add};

use serde::{Deserialize, Serialize, Serializer};

/// Tokens by how they are billed: each is counted once.
#[derive(Clone, Copy, Debug, Default, Deserialize, Eq, PartialEq, Serialize)]
#[serde(default)]
#[non_exhaustive]
pub struct Tokens {
    /// Of the prompt, neither read from nor written to what is kept of prompts.
    pub input: u64,
    /// Of the prompt, read from what is kept.
    pub cached: u64,
    /// Of the prompt, written to what is kept for minutes.
    pub cache_write: u64,
    /// Of the prompt, written to what is kept for an hour.
    pub cache_write_1h: u64,
    /// Of the answer, reasoning included.
    pub output: u64,
    /// Of the answer, reasoning alone.
    pub reasoning: u64,
    /// Of texts that became vectors.
    pub embedding: u64,
}

impl Tokens {
    /// The whole prompt.
    #[must_use]
    pub fn prompt(&self) -> u64 {
        self.input + self.cached + self.cache_write + self.cache_write_1h
    }
}

impl Add for Tokens {
    type Output = Self;

    fn add(self, other: Self) -> Self {
        Self {
            input: self.input + other.input,
            cached: self.cached + other.cached,
            cache_write: self.cache_write + other.cache_write,
            cache_write_1h: self.cache_write_1h + other.cache_write_1h,
            output: self.output + other.output,
            reasoning: self.reasoning + other.reasoning,
            embedding: self.embedding + other.embedding,
        }
    }
}

/// What a million tokens of each kind cost, in billionths of a dollar.
#[derive(Clone, Copy, Debug, Default, Deserialize, Eq, PartialEq, Serialize)]
#[serde(default, deny_unknown_fields)]
pub struct Prices {
    /// Of the prompt.
    pub input: u64,
    /// Of the prompt, read from what is kept.
    pub cached: u64,
    /// Of the prompt, written to what is kept for minutes.
    pub cache_write: u64,
    /// Of the prompt, written to what is kept for an hour.
    pub cache_write_1h: u64,
    /// Of the answer.
    pub output: u64,
    /// Of the reasoning, where it costs something else than the rest of the answer.
    pub reasoning: Option<u64>,
    /// Of texts that become vectors.
    pub embedding: u64,
}

impl Prices {
    /// What tokens cost in billionths of a dollar, rounded up.
    #[must_use]
    pub fn cost(&self, tokens: &Tokens) -> u128 {
        let said = tokens.output - tokens.reasoning.min(tokens.output);
        let items = [
            (tokens.input, self.input),
            (tokens.cached, self.cached),
            (tokens.cache_write, self.cache_write),
            (tokens.cache_write_1h, self.cache_write_1h),
            (said, self.output),
            (tokens.reasoning, self.reasoning.unwrap_or(self.output)),
            (tokens.embedding, self.embedding),
        ];
        let cost = |(tokens, price)| u128::from(tokens) * u128::from(price);
        items
            .into_iter()
            .map(cost)
            .sum::<u128>()
            .div_ceil(1_000_000)
    }
}

/// All that was billed.
#[derive(Clone, Debug, Serialize)]
#[non_exhaustive]
pub struct Bill {
    /// All together.
    pub total: Total,
    /// By the model's name; beyond a thousand names, `others`.
    pub models: BTreeMap<String, Total>,
    /// The last ten thousand requests, oldest first.
    pub requests: Vec<Entry>,
}

impl Bill {
    /// The request with this number, if it is among the last.
    #[must_use]
    pub fn request(&self, number: u64) -> Option<&Entry> {
        self.requests.iter().find(|entry| entry.number == number)
    }
}

/// What was billed for some requests.
#[derive(Clone, Debug, Default, Serialize)]
#[non_exhaustive]
pub struct Total {
    /// How many there were, those that were refused included.
    pub requests: u64,
    /// Their tokens.
    pub tokens: Tokens,
    /// Their price; a string in JSON.
    #[serde(serialize_with = "string")]
    pub nano_dollars: u128,
}

/// What was billed for a request.
#[derive(Clone, Debug, Serialize)]
#[non_exhaustive]
pub struct Entry {
    /// The request's number, from 1 on.
    pub number: u64,
    /// What the answer's head names the request: the number again, in the provider's manner.
    pub id: String,
    /// The path that was called.
    pub path: String,
    /// The model that was asked for.
    pub model: String,
    /// Whether a stream was asked for.
    pub stream: bool,
    /// The answer's status.
    pub status: u16,
    /// Whether the answer is still being given.
    pub open: bool,
    /// Whether all of the answer was given.
    pub complete: bool,
    /// What was generated until now.
    pub tokens: Tokens,
    /// What it costs; a string in JSON.
    #[serde(serialize_with = "string")]
    pub nano_dollars: u128,
}

/// What was counted at a moment.
#[derive(Clone, Copy, Debug, Default, Deserialize, Eq, PartialEq, Serialize)]
pub struct Billed {
    /// Requests of models.
    pub requests: u64,
    /// Streams that were begun.
    pub streams: u64,
    /// Streams that were given whole.
    pub finished: u64,
    /// Streams that nobody read to their end.
    pub cancelled: u64,
    /// Tokens of input.
    pub input: u64,
    /// Tokens of output, those of a stream as they were given.
    pub output: u64,
}

/// JSON's readers lose what is over 53 bits.
fn string<S: Serializer>(number: &u128, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_str(number)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cost_is_rounded_up_once_and_reasoning_has_its_own_price() {
        let tokens = Tokens {
            input: 3,
            output: 10,
            reasoning: 4,
            ..Tokens::default()
        };
        let prices = Prices {
            input: 100_000,
            output: 1_000_000,
            ..Prices::default()
        };

        assert_eq!(prices.cost(&tokens), 11);
        assert_eq!(
            Prices {
                reasoning: Some(0),
                ..prices
            }
            .cost(&tokens),
            7
        );
        assert_eq!(
            Prices {
                input: u64::MAX,
                ..Prices::default()
            }
            .cost(&Tokens {
                input: u64::MAX,
                ..tokens
            }),
            (u128::from(u64::MAX) * u128::from(u64::MAX)).div_ceil(1_000_000)
        );
    }
}
