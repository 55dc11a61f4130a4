use serde_json::Value;

use super::call::CallReader;
use crate::{
    canon::{Delta, Fault, Finish},
    halves::Halves,
    openai::{
        chat::{finish, piece::Call},
        error,
    },
};

/// One choice of a stream.
#[derive(Debug)]
pub(super) struct Choice {
    number: u32,
    begun: bool,
    finished: bool,
    /// What was said last, of which half a character may be held.
    said: Option<Said>,
    halves: Halves,
    calls: Vec<CallReader>,
}

/// What kind of text is said.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Said {
    Thinking,
    Text,
    Refusal,
}

impl Choice {
    pub(super) fn new(number: u32) -> Self {
        Self {
            number,
            begun: false,
            finished: false,
            said: None,
            halves: Halves::default(),
            calls: Vec::new(),
        }
    }

    /// The provider has said something of it, be it nothing yet.
    pub(super) const fn begin(&mut self) {
        self.begun = true;
    }

    pub(super) fn text(&mut self, said: Said, mut text: String, out: &mut Vec<Delta>) {
        if self.finished {
            return;
        }
        self.begun = true;
        if self.said != Some(said) {
            self.close_text(out);
            self.said = Some(said);
        }
        self.halves.join(&mut text);
        if !text.is_empty() {
            out.push(said.delta(self.number, text));
        }
    }

    pub(super) fn call(&mut self, call: Call, out: &mut Vec<Delta>) -> Result<(), Fault> {
        if self.finished {
            return Ok(());
        }
        self.close_text(out);
        let at = match self.known(&call) {
            Some(at) => at,
            None if self.calls.len() < MOST_CALLS => {
                let index = u32::try_from(self.calls.len()).unwrap_or(u32::MAX);
                self.calls.push(CallReader::new(self.number, index, &call));
                self.calls.len() - 1
            }
            None => return Err(error::invalid()),
        };
        self.calls[at].read(call, out)
    }

    pub(super) fn logprobs(&self, logprobs: Value, out: &mut Vec<Delta>) {
        let says_something = |value: &Value| value.as_array().is_some_and(|list| !list.is_empty());
        let fields = logprobs.as_object();
        if !self.finished && fields.is_some_and(|fields| fields.values().any(says_something)) {
            out.push(Delta::Logprobs {
                choice: self.number,
                logprobs,
            });
        }
    }

    /// The provider gives a reason why it ends; the first one counts.
    pub(super) fn finish(
        &mut self,
        reason: &str,
        stopped_by: Option<String>,
        out: &mut Vec<Delta>,
    ) -> Result<(), Fault> {
        if !self.finished {
            let finish = finish::read(reason)?;
            self.close(finish, stopped_by, out);
        }
        Ok(())
    }

    /// The provider says that the stream is complete, so this choice is, also if it gave no reason.
    pub(super) fn complete(&mut self, out: &mut Vec<Delta>) {
        if self.begun && !self.finished {
            self.close(Finish::Stop, None, out);
        }
    }

    pub(super) const fn has_finished(&self) -> bool {
        self.finished || !self.begun
    }

    fn close(&mut self, finish: Finish, stopped_by: Option<String>, out: &mut Vec<Delta>) {
        self.close_text(out);
        for call in &mut self.calls {
            call.close(out);
        }
        self.finished = true;
        out.push(Delta::Finish {
            choice: self.number,
            finish: finish::settle(finish, !self.calls.is_empty(), stopped_by),
        });
    }

    /// Says what half of a character was held back.
    fn close_text(&mut self, out: &mut Vec<Delta>) {
        if let Some(said) = self.said.take()
            && let Some(half) = self.halves.finish()
        {
            out.push(said.delta(self.number, half.to_string()));
        }
    }

    /// Which call a piece belongs to; none if it begins one.
    fn known(&self, piece: &Call) -> Option<usize> {
        let last = |which: &dyn Fn(&CallReader) -> bool| self.calls.iter().rposition(which);
        let at = match piece.index {
            Some(index) => last(&|call| call.has_index(index)),
            None if !piece.id.is_empty() => last(&|call| call.has_id(&piece.id)),
            // Servers that do not number calls send each whole, with its name.
            None if !piece.name.is_empty() => None,
            None => self.calls.len().checked_sub(1),
        }?;
        (!self.calls[at].is_followed_by(piece)).then_some(at)
    }
}

impl Said {
    fn delta(self, choice: u32, text: String) -> Delta {
        match self {
            Self::Thinking => Delta::Thinking { choice, text },
            Self::Text => Delta::Text { choice, text },
            Self::Refusal => Delta::Refusal { choice, text },
        }
    }
}

/// More than any provider allows in one answer.
const MOST_CALLS: usize = 256;
