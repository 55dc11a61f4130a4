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
use crate::{dialect::Api, tariff::Tariff};

/// Counts what a call uses while its answer passes, and writes it into the trail when it is dropped: whatever ended
/// the answer, those outside find the usage so far, and what it costs.
#[derive(Debug)]
pub(crate) struct Meter {
    trail: Trail,
    /// In whose words the answer is read.
    api: Api,
    tariff: Tariff,
    /// The request's body.
    sent: Bytes,
    told: Option<Usage>,
    /// What was told stands in the provider's terminal message, or came after it.
    is_last: bool,
    /// Something was told that cannot be.
    is_absurd: bool,
    /// The most input and output that were ever told.
    peak: (u64, u64),
    /// Since the provider told: parts that gave something, and their texts.
    chunks: u64,
    text: Estimate,
    /// All parts that gave something, whatever the provider told.
    parts: u64,
    /// Parts with a text that is not empty and no thought: each has a token of output at least.
    given: u64,
    /// Something was given at all.
    gave: bool,
    /// The most tokens of output that may be given.
    allowed: Option<u64>,
    /// What is read is a stream, which may break off before its end.
    streams: bool,
    finished: bool,
    free: bool,
}

impl Meter {
    /// Counts for this trail; this is the request's body.
    pub(crate) fn new(trail: Trail, api: Api, sent: Bytes) -> Self {
        Self {
            trail,
            api,
            tariff: None.into(),
            sent,
            told: None,
            is_last: false,
            is_absurd: false,
            peak: (0, 0),
            chunks: 0,
            text: Estimate::default(),
            parts: 0,
            given: 0,
            gave: false,
            allowed: None,
            streams: false,
            finished: false,
            free: false,
        }
    }

    /// Says what it costs, too.
    pub(crate) fn priced(mut self, tariff: impl Into<Tariff>) -> Self {
        self.tariff = tariff.into();
        self
    }

    /// Sets the most tokens of output that may be given.
    pub(crate) fn allowed(mut self, allowed: Option<u64>) -> Self {
        self.allowed = allowed;
        self
    }

    /// Whether more was given than is allowed, of which there is no doubt, and more may come.
    pub(crate) fn exceeds(&self) -> bool {
        let given = self.given.max(self.peak.1);
        !self.finished && self.allowed.is_some_and(|allowed| given > allowed)
    }

    /// A whole answer said what was used.
    pub(crate) fn tell_whole(&mut self, usage: Usage, answer: &[u8]) {
        self.tell(usage, true);
        if usage.output == 0 || usage.total_input() == 0 {
            // It is nonsense if there is something in the answer.
            self.count_texts(answer);
        }
    }

    /// The provider said what was used. The last word counts, and of the words in mid-stream only the very last is the
    /// provider's own sum. What nobody can use is no word.
    fn tell(&mut self, usage: Usage, is_last: bool) {
        if usage.total() > ABSURD || usage.reasoning > ABSURD {
            self.is_absurd = true;
            return;
        }
        let (input, output) = self.peak;
        self.peak = (input.max(usage.total_input()), output.max(usage.output));
        self.told = Some(usage);
        self.is_last = is_last;
        self.chunks = 0;
        self.text = Estimate::default();
    }

    /// The provider may have said what was used, as of now. What only repeats what was known tells nothing of what came
    /// since. Says whether it is news.
    fn heard(&mut self, usage: Option<Usage>, is_last: bool) -> bool {
        let news = usage.filter(|_| usage != self.told);
        if let Some(usage) = news {
            self.tell(usage, is_last);
        }
        news.is_some()
    }

    /// It is known to cost nothing, as what is refused and what is only counted.
    pub(crate) fn waive(&mut self) {
        self.free = true;
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
        if self.free {
            return Usage::default();
        }
        // The whole text may have fewer tokens than its pieces; that counts too much rather than too little.
        let streamed = self.text.tokens().max(self.chunks);
        let Some(told) = self.told else {
            return Usage {
                input: self.sent(),
                output: streamed,
                estimated: true,
                ..Usage::default()
            };
        };
        if self.is_word(&told) {
            return told;
        }
        // A word before the end is out of date: the provider may have gone on, unread.
        let (input, output) = self.peak;
        let input = if input == 0 { self.sent() } else { input };
        let missing = input.saturating_sub(told.total_input());
        Usage {
            input: told.input.saturating_add(missing),
            output: output.saturating_add(streamed).max(self.parts),
            estimated: true,
            ..told
        }
    }

    /// Whether this is what the provider will bill: said at the end, and no less than was said before, or was given.
    fn is_word(&self, told: &Usage) -> bool {
        let (input, output) = self.peak;
        let is_end = self.is_last && (self.finished || !self.streams);
        let is_less = told.output < output || told.total_input() < input;
        let is_nothing = match self.api.gives_vectors() {
            true => told.total_input() == 0,
            false => self.gave && (told.output == 0 || told.total_input() == 0),
        };
        is_end && !is_less && !is_nothing && !self.is_absurd
    }

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
        if self.free {
            self.trail.set(Cost::default()); // A price can have a fee that is not for this.
        } else if let Some(cost) = self.tariff.cost(&usage) {
            match cost {
                Ok(cost) => self.trail.set::<Cost>(cost),
                Err(error) => tracing::debug!(%error, "a call's cost is not known"),
            }
        }
    }
}

/// No call has as many tokens.
const ABSURD: u64 = 1_000_000_000_000;

#[cfg(test)]
mod words_told;

#[cfg(test)]
mod tests;
