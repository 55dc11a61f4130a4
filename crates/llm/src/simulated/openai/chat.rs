use serde_json::{Map, Value, json};

use crate::simulated::{
    Fault,
    exchange::Exchange,
    mind::Finish,
    wire::{Event, Kind},
};

/// Writes chat completions.
#[derive(Debug)]
pub(crate) struct Chat<'a> {
    pub(crate) exchange: &'a Exchange,
    /// Whether the request says to end with the usage.
    pub(crate) usage: bool,
    pub(crate) azure: bool,
}

impl Chat<'_> {
    pub(crate) fn plain(&self) -> Value {
        let thought = &self.exchange.thought;
        let text = match thought.text.is_empty() {
            true => Value::Null,
            false => json!(thought.text()),
        };
        let mut message =
            json!({ "role": "assistant", "content": text, "refusal": null, "annotations": [] });
        if !thought.calls.is_empty() {
            let calls = (0..thought.calls.len()).map(|index| self.call(index, true));
            message["tool_calls"] = calls.collect();
        }
        if self.exchange.faults.has(Fault::ReasoningContent) && !thought.reasoning.is_empty() {
            message["reasoning_content"] = json!(thought.reasoning());
        }
        let choice = |index: u64| {
            let mut choice = json!({
                "index": index, "message": message, "finish_reason": self.finish(), "logprobs": self.logprobs(&thought.text),
            });
            self.filtered(&mut choice);
            choice
        };
        let mut answer = self.head("chat.completion");
        answer["choices"] = (0..self.exchange.choices()).map(choice).collect();
        answer["usage"] = usage(self.exchange);
        if self.azure {
            answer["prompt_filter_results"] = prompt_filtered();
        }
        answer
    }

    pub(crate) fn events(&self) -> Vec<Event> {
        let thought = &self.exchange.thought;
        let faults = self.exchange.faults;
        let mut events = Vec::new();
        if self.azure {
            let first = json!({
                "choices": [], "created": 0, "id": "", "model": "", "object": "", "prompt_filter_results": prompt_filtered(),
            });
            events.push(Event::new(Kind::Start, first));
        }
        for choice in 0..self.exchange.choices() {
            let say =
                |kind, delta| Event::new(kind, self.chunk(choice, delta, Value::Null, Value::Null));
            let first = say(
                Kind::Start,
                json!({ "role": "assistant", "content": "", "refusal": null }),
            );
            // OpenAI does not show what its models think, and bills it all the same.
            if faults.has(Fault::ReasoningContent) {
                events.push(first);
                let delta = |word| json!({ "reasoning_content": word });
                let thoughts = thought
                    .reasoning
                    .iter()
                    .map(|it| say(Kind::Content, delta(it)).token(true));
                events.extend(thoughts);
            } else {
                events.push(first.tokens(thought.reasoning.len() as u64, true));
            }
            for word in &thought.text {
                let logprobs = self.logprobs(std::slice::from_ref(word));
                let chunk = self.chunk(choice, json!({ "content": word }), Value::Null, logprobs);
                events.push(Event::new(Kind::Content, chunk).token(false));
            }
            for index in 0..thought.calls.len() {
                self.call_events(index, |delta| say(Kind::Content, delta), &mut events);
            }
            let finish = json!(self.finish());
            let mut last = self.chunk(choice, json!({}), finish, Value::Null);
            if faults.has(Fault::UsageWithChoices) && choice + 1 == self.exchange.choices() {
                last["usage"] = usage(self.exchange);
            }
            events.push(Event::new(Kind::End, last));
        }
        if self.usage && !faults.has(Fault::UsageWithChoices) {
            let mut last = self.head("chat.completion.chunk");
            last["choices"] = json!([]);
            last["usage"] = usage(self.exchange);
            events.push(Event::new(Kind::End, last));
        }
        if !faults.has(Fault::NoDone) {
            events.push(Event::new(Kind::Done, json!("[DONE]")));
        }
        events
    }

    fn call_events(&self, index: usize, say: impl Fn(Value) -> Event, events: &mut Vec<Event>) {
        let pieces = &self.exchange.thought.calls[index].arguments;
        if self.exchange.faults.has(Fault::WholeArguments) {
            let mut call = self.call(index, true);
            call["index"] = json!(self.index(index));
            let event = say(json!({ "tool_calls": [call] }));
            events.push(event.tokens(pieces.len() as u64, false));
            return;
        }
        let mut call = self.call(index, false);
        call["index"] = json!(self.index(index));
        events.push(say(json!({ "tool_calls": [call] })));
        for piece in pieces {
            let call = json!({ "index": self.index(index), "function": { "arguments": piece } });
            events.push(say(json!({ "tool_calls": [call] })).token(false));
        }
    }

    fn index(&self, index: usize) -> usize {
        if self.exchange.faults.has(Fault::IndexZero) {
            0
        } else {
            index
        }
    }

    fn call(&self, index: usize, whole: bool) -> Value {
        let call = &self.exchange.thought.calls[index];
        let arguments = if whole {
            call.arguments.concat()
        } else {
            String::new()
        };
        let mut value = json!({ "type": "function", "function": { "name": call.name, "arguments": arguments } });
        if !self.exchange.faults.has(Fault::NoIds) {
            value["id"] = json!(self.exchange.nth("call_", index));
        }
        value
    }

    fn chunk(&self, index: u64, mut delta: Value, finish: Value, logprobs: Value) -> Value {
        if self.exchange.faults.has(Fault::Roles) {
            delta["role"] = json!("assistant");
        }
        let mut choice = json!({ "index": index, "delta": delta, "logprobs": logprobs, "finish_reason": finish });
        self.filtered(&mut choice);
        let mut chunk = self.head("chat.completion.chunk");
        chunk["choices"] = json!([choice]);
        if self.usage {
            chunk["usage"] = Value::Null;
        }
        chunk
    }

    fn head(&self, object: &str) -> Value {
        let model = &self.exchange.asked.model;
        // Azure is asked for a deployment, and answers with the model behind it.
        let model = if self.azure {
            format!("{model}-2026-08-01")
        } else {
            model.clone()
        };
        json!({
            "id": self.exchange.id("chatcmpl-"), "object": object, "created": self.exchange.created,
            "model": model, "service_tier": "default", "system_fingerprint": "fp_simulated",
        })
    }

    fn finish(&self) -> &'static str {
        match self.exchange.thought.finish {
            Finish::Stop | Finish::Sequence(_) => "stop",
            Finish::Length => "length",
            Finish::Tools if self.exchange.faults.has(Fault::StopWithTools) => "stop",
            Finish::Tools => "tool_calls",
            Finish::Blocked => "content_filter",
        }
    }

    fn filtered(&self, choice: &mut Value) {
        if self.azure {
            choice["content_filter_results"] = filter_results();
        }
    }

    fn logprobs(&self, words: &[String]) -> Value {
        match self.exchange.asked.logprobs {
            Some(most) if !words.is_empty() => {
                json!({ "content": words.iter().map(|it| logprob(it, most)).collect::<Vec<_>>(), "refusal": null })
            }
            _ => Value::Null,
        }
    }
}

/// What is said of a token's probability, with so many alternatives.
pub(crate) fn logprob(word: &str, most: u64) -> Value {
    let token = |word: &str, logprob: f64| json!({ "token": word, "logprob": logprob, "bytes": word.as_bytes() });
    let mut value = token(word, -0.25);
    let others = (0..most).map(|rank| match rank {
        0 => token(word, -0.25),
        _ => token(&format!("{word}{rank}"), -2.0 - rank as f64),
    });
    value["top_logprobs"] = others.collect();
    value
}

/// Usage as chat completions and completions say it.
pub(crate) fn usage(exchange: &Exchange) -> Value {
    let tokens = exchange.tokens;
    let prompt = tokens.prompt();
    let mut details = Map::new();
    details.insert("cached_tokens".into(), json!(tokens.cached));
    details.insert("audio_tokens".into(), json!(0));
    if tokens.cache_write > 0 {
        details.insert("cache_write_tokens".into(), json!(tokens.cache_write));
    }
    json!({
        "prompt_tokens": prompt,
        "completion_tokens": exchange.output(),
        "total_tokens": prompt + exchange.output(),
        "prompt_tokens_details": details,
        "completion_tokens_details": {
            "reasoning_tokens": exchange.reasoning(), "audio_tokens": 0,
            "accepted_prediction_tokens": 0, "rejected_prediction_tokens": 0,
        },
    })
}

fn prompt_filtered() -> Value {
    json!([{ "prompt_index": 0, "content_filter_results": filter_results() }])
}

fn filter_results() -> Value {
    let safe = json!({ "filtered": false, "severity": "safe" });
    json!({ "hate": safe, "self_harm": safe, "sexual": safe, "violence": safe })
}
