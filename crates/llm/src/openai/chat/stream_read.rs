mod call;
mod choice;

use serde::{Deserialize, de::IgnoredAny};
use serde_json::Value;
use tollgate_core::fact::Usage;

use self::choice::{Choice, Said};
use super::piece::{self, Piece};
use crate::{
    canon::{Delta, Fault, ReadStream},
    halves,
    openai::{error, fields::MOST_CHOICES, usage},
};

/// Reads a stream of chat completion chunks, as OpenAI, Azure and compatible servers send it.
#[derive(Debug, Default)]
pub(crate) struct StreamReader {
    started: bool,
    ended: bool,
    choices: Vec<Choice>,
    usage: Option<Usage>,
}

impl StreamReader {
    /// What most chunks are, a piece of one text, without a tree of values. Says whether it was one.
    fn quick(&mut self, data: &[u8], out: &mut Vec<Delta>) -> bool {
        let Ok(chunk) = serde_json::from_slice::<Quick>(data) else {
            return false;
        };
        let [choice] = chunk.choices;
        if chunk.usage.is_some() || chunk.error.is_some() || choice.holds_more() {
            return false;
        }
        let Some(state) = self.choices.get_mut(choice.index as usize) else {
            return false;
        };
        let (said, text) = match (choice.delta.content, choice.delta.reasoning_content) {
            (Some(text), None) => (Said::Text, text),
            (None, Some(text)) => (Said::Thinking, text),
            _ => return false,
        };
        state.text(said, text, out);
        true
    }

    fn chunk(&mut self, data: &[u8], out: &mut Vec<Delta>) -> Result<(), Fault> {
        let mut chunk: Value = halves::read(data).ok_or_else(error::invalid)?;
        if let Some(fault) = error::in_stream(&chunk) {
            self.ended = true;
            out.push(Delta::Failed(fault));
            return Ok(());
        }
        if let Some(usage) = usage::of(&chunk["usage"], self.usage) {
            self.usage = Some(usage);
            out.push(Delta::Usage(usage));
        }
        // Azure begins with a chunk about the prompt, which has no choices and no id.
        let Value::Array(choices) = piece::take(&mut chunk, "choices") else {
            return Ok(());
        };
        for choice in choices {
            if !self.started {
                self.started = true;
                out.push(Delta::Start {
                    id: piece::take_text(&mut chunk, "id").unwrap_or_default(),
                    model: piece::take_text(&mut chunk, "model").unwrap_or_default(),
                    created: chunk["created"].as_u64().unwrap_or_default(),
                });
            }
            self.choice(choice, out)?;
        }
        Ok(())
    }

    fn choice(&mut self, mut value: Value, out: &mut Vec<Delta>) -> Result<(), Fault> {
        if let Some(fault) = error::in_stream(&value) {
            return Err(fault);
        }
        let number = value["index"].as_u64().unwrap_or_default();
        let number = u32::try_from(number).ok().filter(|it| *it < MOST_CHOICES);
        let number = number.ok_or_else(error::invalid)?;
        while self.choices.len() <= number as usize {
            let next = u32::try_from(self.choices.len()).unwrap_or(u32::MAX);
            self.choices.push(Choice::new(next));
        }
        let choice = &mut self.choices[number as usize];
        choice.begin();
        for piece in piece::pieces(&mut piece::take(&mut value, "delta")) {
            match piece {
                Piece::Thinking(text) => choice.text(Said::Thinking, text, out),
                Piece::Text(text) => choice.text(Said::Text, text, out),
                Piece::Refusal(text) => choice.text(Said::Refusal, text, out),
                Piece::Call(call) => choice.call(call, out)?,
            }
        }
        choice.logprobs(piece::take(&mut value, "logprobs"), out);
        if let Some(reason) = piece::take_text(&mut value, "finish_reason") {
            let stopped_by = piece::take_text(&mut value, "stop_reason");
            choice.finish(&reason, stopped_by, out)?;
        }
        Ok(())
    }

    fn end(&mut self, out: &mut Vec<Delta>) {
        self.ended = true;
        out.push(Delta::Done);
    }
}

impl ReadStream for StreamReader {
    fn read(&mut self, data: &[u8], out: &mut Vec<Delta>) -> Result<(), Fault> {
        let data = data.trim_ascii();
        if self.ended || data.is_empty() {
            return Ok(());
        }
        if data == b"[DONE]" {
            if !self.started {
                return Err(error::invalid());
            }
            for choice in &mut self.choices {
                choice.complete(out);
            }
            self.end(out);
            return Ok(());
        }
        if self.started && self.quick(data, out) {
            return Ok(());
        }
        self.chunk(data, out)
    }

    fn finish(&mut self, out: &mut Vec<Delta>) {
        // Some servers send no end mark; then a reason for each choice is one.
        if !self.ended && self.started && self.choices.iter().all(Choice::has_finished) {
            self.end(out);
        }
    }
}

#[derive(Deserialize)]
struct Quick {
    choices: [QuickChoice; 1],
    usage: Option<IgnoredAny>,
    error: Option<IgnoredAny>,
}

#[derive(Deserialize)]
struct QuickChoice {
    index: u32,
    delta: QuickDelta,
    logprobs: Option<IgnoredAny>,
    finish_reason: Option<IgnoredAny>,
    error: Option<IgnoredAny>,
}

#[derive(Deserialize)]
struct QuickDelta {
    content: Option<String>,
    reasoning_content: Option<String>,
    reasoning: Option<IgnoredAny>,
    refusal: Option<IgnoredAny>,
    tool_calls: Option<IgnoredAny>,
}

impl QuickChoice {
    /// Whether it says more than a text.
    const fn holds_more(&self) -> bool {
        self.logprobs.is_some()
            || self.finish_reason.is_some()
            || self.error.is_some()
            || self.delta.reasoning.is_some()
            || self.delta.refusal.is_some()
            || self.delta.tool_calls.is_some()
    }
}
