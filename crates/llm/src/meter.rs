mod estimate;
mod event;
mod text;
mod words;

use bytes::Bytes;
use tollgate_core::{
    Trail,
    fact::{Cost, Dispatch, Usage},
};

use self::estimate::Estimate;
pub(crate) use self::event::Event;
use crate::{Price, dialect::Api};

/// Counts what a call uses while its answer passes, and writes it into the trail when it is dropped: whatever ended
/// the answer, those outside find the usage so far, and what it costs.
#[derive(Debug)]
pub(crate) struct Meter {
    trail: Trail,
    /// In whose words the answer is read.
    api: Api,
    price: Option<Price>,
    /// The request's body.
    sent: Bytes,
    told: Option<Usage>,
    /// Since the provider told: parts that gave something, and their texts.
    chunks: u64,
    text: Estimate,
    finished: bool,
}

impl Meter {
    /// Counts for this trail; this is the request's body.
    pub(crate) fn new(trail: Trail, api: Api, sent: Bytes) -> Self {
        Self {
            trail,
            api,
            price: None,
            sent,
            told: None,
            chunks: 0,
            text: Estimate::default(),
            finished: false,
        }
    }

    /// Says what it costs, too.
    pub(crate) fn priced(mut self, price: Option<Price>) -> Self {
        self.price = price;
        self
    }

    /// The provider said what was used. The last word counts.
    pub(crate) fn tell(&mut self, usage: Usage) {
        self.told = Some(usage);
        self.chunks = 0;
        self.text = Estimate::default();
    }

    /// So much text was given, where the provider does not say what was used.
    pub(crate) fn give(&mut self, text: usize) {
        self.text.add_bytes(text);
    }

    /// Whether a part gave a reason why the answer ends, or the end mark has come.
    pub(crate) const fn has_finished(&self) -> bool {
        self.finished
    }

    /// What was used, as far as is known now.
    fn usage(&self) -> Usage {
        // The whole text may have fewer tokens than its pieces; that counts too much rather than too little.
        let streamed = self.text.tokens().max(self.chunks);
        match self.told {
            Some(told) if self.finished || streamed == 0 => told,
            Some(told) => Usage {
                output: told.output.saturating_add(streamed),
                estimated: true,
                ..told
            },
            None => Usage {
                input: self.sent(),
                output: streamed,
                estimated: true,
                ..Usage::default()
            },
        }
    }
}

impl Meter {
    /// An estimate of the input.
    fn sent(&self) -> u64 {
        let mut sent = Estimate::default();
        sent.add(&self.sent);
        sent.tokens()
    }
}

impl Drop for Meter {
    fn drop(&mut self) {
        // What was not sent used nothing.
        if self.trail.get() == Some(Dispatch::No) {
            return;
        }
        let usage = self.usage();
        self.trail.set(usage);
        if let Some(price) = &self.price {
            match price.cost(&usage) {
                Ok(cost) => self.trail.set::<Cost>(cost),
                Err(error) => tracing::debug!(%error, "a call's cost is not known"),
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;
    use tollgate_core::{Trail, fact::Usage};

    use super::{Event, Meter};
    use crate::dialect::Api;

    #[test]
    fn the_providers_word_counts_and_its_last_one() {
        let trail = Trail::new();
        let mut meter = Meter::new(trail.clone(), Api::Chat, Bytes::from("x".repeat(300)));
        assert_eq!(
            meter.read(br#"{"choices":[{"delta":{"content":"a \"usage\""}}],"usage":null}"#),
            Event::Part
        );
        assert_eq!(
            meter.read(br#"{"choices":[{}],"usage":{"prompt_tokens":9,"completion_tokens":1}}"#),
            Event::Part
        );
        assert_eq!(
            meter.read(br#"{"choices":[],"usage": {"prompt_tokens":9,"completion_tokens":2}}"#),
            Event::Usage
        );
        assert_eq!(meter.read(b"[DONE]"), Event::Done);
        drop(meter);

        let expected = Usage {
            input: 9,
            output: 2,
            ..Usage::default()
        };
        assert_eq!(trail.get::<Usage>(), Some(expected));
    }

    #[test]
    fn without_a_word_the_estimate_is_not_under_what_was_streamed() {
        let trail = Trail::new();
        let mut meter = Meter::new(trail.clone(), Api::Chat, Bytes::from("x".repeat(300)));
        for _ in 0..5 {
            meter.read(br#"{"choices":[{"delta":{"content":"twelve \"bytes"}}]}"#);
        }
        drop(meter);

        let usage = trail.get::<Usage>().unwrap();
        assert!(usage.estimated);
        let by_length = (100, 24);
        let counted = (38, 20);
        let expected = if cfg!(feature = "exact-tokens") {
            counted
        } else {
            by_length
        };
        assert_eq!((usage.input, usage.output), expected);
    }

    #[test]
    fn an_error_in_mid_stream_is_told_from_a_part() {
        let mut meter = Meter::new(Trail::new(), Api::Chat, Bytes::new());
        assert_eq!(
            meter.read(br#"{"error":{"message":"overloaded"}}"#),
            Event::Error
        );
        assert_eq!(meter.read(br#"{"choices":[],"error":null}"#), Event::Part);
    }
}
