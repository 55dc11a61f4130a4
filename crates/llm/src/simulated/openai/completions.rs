use serde_json::{Value, json};

use super::chat::usage;
use crate::simulated::{
    Fault,
    exchange::Exchange,
    mind::Finish,
    wire::{Event, Kind},
};

/// Writes plain completions.
#[derive(Debug)]
pub(crate) struct Completion<'a> {
    pub(crate) exchange: &'a Exchange,
    /// Whether the request says to end with the usage.
    pub(crate) usage: bool,
}

impl Completion<'_> {
    pub(crate) fn plain(&self) -> Value {
        let thought = &self.exchange.thought;
        let mut answer = self.head();
        let choices = 0..self.exchange.choices();
        answer["choices"] = choices
            .map(|index| self.choice(index, &thought.text, true))
            .collect();
        answer["usage"] = usage(self.exchange);
        answer
    }

    pub(crate) fn events(&self) -> Vec<Event> {
        let thought = &self.exchange.thought;
        let mut events = Vec::new();
        for index in 0..self.exchange.choices() {
            for word in &thought.text {
                let chunk = self.chunk(json!([self.choice(
                    index,
                    std::slice::from_ref(word),
                    false
                )]));
                events.push(Event::new(Kind::Content, chunk).token(false));
            }
            let last = self.chunk(json!([self.choice(index, &[], true)]));
            events.push(Event::new(Kind::End, last));
        }
        if self.usage {
            let mut last = self.chunk(json!([]));
            last["usage"] = usage(self.exchange);
            events.push(Event::new(Kind::End, last));
        }
        if !self.exchange.faults.has(Fault::NoDone) {
            events.push(Event::new(Kind::Done, json!("[DONE]")));
        }
        events
    }

    fn chunk(&self, choices: Value) -> Value {
        let mut chunk = self.head();
        chunk["choices"] = choices;
        if self.usage {
            chunk["usage"] = Value::Null;
        }
        chunk
    }

    fn choice(&self, index: u64, words: &[String], last: bool) -> Value {
        let finish = match self.exchange.thought.finish {
            _ if !last => None,
            Finish::Length => Some("length"),
            Finish::Blocked => Some("content_filter"),
            _ => Some("stop"),
        };
        let logprobs = self.exchange.asked.logprobs.filter(|_| !words.is_empty()).map(|_| {
            json!({
                "tokens": words,
                "token_logprobs": vec![-0.25; words.len()],
                "top_logprobs": words.iter().map(|word| json!({ word: -0.25 })).collect::<Vec<_>>(),
                "text_offset": offsets(words),
            })
        });
        json!({ "index": index, "text": words.concat(), "logprobs": logprobs, "finish_reason": finish })
    }

    fn head(&self) -> Value {
        json!({
            "id": self.exchange.id("cmpl-"), "object": "text_completion", "created": self.exchange.created,
            "model": self.exchange.asked.model, "system_fingerprint": "fp_simulated",
        })
    }
}

fn offsets(words: &[String]) -> Vec<usize> {
    let mut at = 0;
    let offset = |word: &String| {
        let begins = at;
        at += word.len();
        begins
    };
    words.iter().map(offset).collect()
}
