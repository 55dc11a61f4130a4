use serde_json::{Value, json};

use crate::simulated::{
    exchange::{Exchange, signature},
    mind::{Finish, object},
    wire::{Event, Kind},
};

/// Writes content.
#[derive(Debug)]
pub(crate) struct Generate<'a> {
    pub(crate) exchange: &'a Exchange,
    /// Whether thoughts are shown.
    pub(crate) thoughts: bool,
}

impl Generate<'_> {
    pub(crate) fn plain(&self) -> Value {
        let thought = &self.exchange.thought;
        if thought.finish == Finish::Blocked {
            return self.blocked();
        }
        let mut parts = Vec::new();
        if self.thoughts && !thought.reasoning.is_empty() {
            parts.push(json!({ "text": thought.reasoning(), "thought": true }));
        }
        if !thought.text.is_empty() {
            parts.push(json!({ "text": thought.text() }));
        }
        parts.extend((0..thought.calls.len()).map(|index| self.call(index)));
        if self.signs() && thought.calls.is_empty() && !parts.is_empty() {
            let last = parts.len() - 1;
            parts[last]["thoughtSignature"] = json!(signature(&thought.text()));
        }
        let candidate = |index: u64| {
            let mut candidate = self.candidate(index, parts.clone());
            candidate["finishReason"] = json!(self.finish());
            if let Some(most) = self.exchange.asked.logprobs {
                candidate["avgLogprobs"] = json!(-0.25);
                candidate["logprobsResult"] = logprobs(&thought.text, most);
            }
            candidate
        };
        let candidates: Vec<_> = (0..self.exchange.choices()).map(candidate).collect();
        self.answer(
            candidates,
            self.exchange.output() - self.exchange.reasoning(),
            self.exchange.reasoning(),
        )
    }

    pub(crate) fn events(&self) -> Vec<Event> {
        let thought = &self.exchange.thought;
        if thought.finish == Finish::Blocked {
            return vec![Event::new(Kind::End, self.blocked())];
        }
        let mut events = Vec::new();
        let (mut said, mut reasoned) = (0, 0);
        // What is not shown is billed with what is said first.
        let mut hidden = 0;
        for index in 0..self.exchange.choices() {
            for word in &thought.reasoning {
                reasoned += 1;
                if self.thoughts {
                    let part = json!({ "text": word, "thought": true });
                    let chunk = self.chunk(index, part, said, reasoned);
                    events.push(Event::new(Kind::Content, chunk).token(true));
                } else {
                    hidden += 1;
                }
            }
            let mut push = |events: &mut Vec<Event>, part: Value, tokens: u64| {
                said += tokens;
                let mut event = Event::new(Kind::Content, self.chunk(index, part, said, reasoned));
                event.cost.output = tokens + hidden;
                event.cost.reasoning = hidden;
                hidden = 0;
                events.push(event);
            };
            for word in &thought.text {
                push(&mut events, json!({ "text": word }), 1);
            }
            for (at, call) in thought.calls.iter().enumerate() {
                push(&mut events, self.call(at), call.arguments.len() as u64);
            }
            let mut part = json!({ "text": "" });
            if self.signs() && thought.calls.is_empty() {
                part["thoughtSignature"] = json!(signature(&thought.text()));
            }
            let mut last = self.chunk(index, part, said, reasoned);
            last["candidates"][0]["finishReason"] = json!(self.finish());
            let mut last = Event::new(Kind::End, last);
            last.cost.output = hidden;
            last.cost.reasoning = hidden;
            hidden = 0;
            events.push(last);
        }
        events
    }

    fn chunk(&self, index: u64, part: Value, said: u64, reasoned: u64) -> Value {
        self.answer(vec![self.candidate(index, vec![part])], said, reasoned)
    }

    fn candidate(&self, index: u64, parts: Vec<Value>) -> Value {
        json!({ "content": { "role": "model", "parts": parts }, "index": index })
    }

    fn call(&self, index: usize) -> Value {
        let call = &self.exchange.thought.calls[index];
        let mut part = json!({ "functionCall": { "name": call.name, "args": object(&call.arguments.concat()) } });
        if self.newer() {
            part["functionCall"]["id"] = json!(self.exchange.nth("call_", index));
        }
        // Of calls at one time, the first alone is signed.
        if self.signs() && index == 0 {
            part["thoughtSignature"] = json!(signature(&call.name));
        }
        part
    }

    fn answer(&self, candidates: Vec<Value>, said: u64, reasoned: u64) -> Value {
        let mut answer = self.bare();
        answer["candidates"] = json!(candidates);
        let usage = &mut answer["usageMetadata"];
        usage["candidatesTokenCount"] = json!(said);
        if reasoned > 0 {
            usage["thoughtsTokenCount"] = json!(reasoned);
        }
        usage["totalTokenCount"] = json!(self.exchange.tokens.prompt() + said + reasoned);
        answer
    }

    fn blocked(&self) -> Value {
        let mut answer = self.bare();
        answer["promptFeedback"] = json!({ "blockReason": "PROHIBITED_CONTENT" });
        answer
    }

    fn bare(&self) -> Value {
        let tokens = self.exchange.tokens;
        let prompt = tokens.prompt();
        let mut usage = json!({
            "promptTokenCount": prompt, "totalTokenCount": prompt,
            "promptTokensDetails": [{ "modality": "TEXT", "tokenCount": prompt }],
        });
        if tokens.cached > 0 {
            usage["cachedContentTokenCount"] = json!(tokens.cached);
            usage["cacheTokensDetails"] =
                json!([{ "modality": "TEXT", "tokenCount": tokens.cached }]);
        }
        json!({
            "usageMetadata": usage, "modelVersion": self.exchange.asked.model, "responseId": self.exchange.id(""),
        })
    }

    fn finish(&self) -> &'static str {
        match self.exchange.thought.finish {
            Finish::Length => "MAX_TOKENS",
            Finish::Blocked => "PROHIBITED_CONTENT",
            _ => "STOP",
        }
    }

    fn newer(&self) -> bool {
        self.exchange.asked.model.contains("gemini-3")
    }

    fn signs(&self) -> bool {
        self.newer() || !self.exchange.thought.reasoning.is_empty()
    }
}

fn logprobs(words: &[String], most: u64) -> Value {
    let candidate = |word: &String| json!({ "token": word, "tokenId": 1, "logProbability": -0.25 });
    let chosen: Vec<_> = words.iter().map(candidate).collect();
    let top = |word: &String| json!({ "candidates": vec![candidate(word); usize::try_from(most).unwrap_or(0)] });
    let top: Vec<_> = words.iter().map(top).collect();
    json!({ "chosenCandidates": chosen, "topCandidates": top })
}
