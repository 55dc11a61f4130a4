use serde_json::{Value, json};

use crate::simulated::{
    Fault,
    exchange::{Exchange, signature},
    mind::{Finish, object},
    wire::{Event, Kind},
};

/// Writes messages.
#[derive(Debug)]
pub(crate) struct Messages<'a> {
    pub(crate) exchange: &'a Exchange,
}

impl Messages<'_> {
    pub(crate) fn plain(&self) -> Value {
        let thought = &self.exchange.thought;
        let mut content = Vec::new();
        if !thought.reasoning.is_empty() {
            let text = thought.reasoning();
            content.push(
                json!({ "type": "thinking", "thinking": text, "signature": signature(&text) }),
            );
        }
        if !thought.text.is_empty() {
            content.push(json!({ "type": "text", "text": thought.text() }));
        }
        for (index, call) in thought.calls.iter().enumerate() {
            let mut block = self.tool_use(index);
            block["input"] = object(&call.arguments.concat());
            content.push(block);
        }
        let (reason, sequence) = self.stop();
        let mut message = self.message();
        message["content"] = json!(content);
        message["stop_reason"] = json!(reason);
        message["stop_sequence"] = json!(sequence);
        message["usage"] = self.usage(self.exchange.output());
        message
    }

    pub(crate) fn events(&self) -> Vec<Event> {
        let thought = &self.exchange.thought;
        let ping = || Event::named(Kind::Start, "ping", json!({ "type": "ping" }));
        let mut events = Vec::new();
        if self.exchange.faults.has(Fault::EarlyPing) {
            events.push(ping());
        }
        let start = json!({ "type": "message_start", "message": self.message() });
        events.push(Event::named(Kind::Start, "message_start", start));
        let mut blocks = Blocks {
            events,
            index: 0,
            pinged: false,
        };
        if !thought.reasoning.is_empty() {
            blocks.start(json!({ "type": "thinking", "thinking": "", "signature": "" }));
            for word in &thought.reasoning {
                blocks.delta(
                    json!({ "type": "thinking_delta", "thinking": word }),
                    Some(true),
                );
            }
            let signature = signature(&thought.reasoning());
            blocks.delta(
                json!({ "type": "signature_delta", "signature": signature }),
                None,
            );
            blocks.stop();
        }
        if !thought.text.is_empty() {
            blocks.start(json!({ "type": "text", "text": "" }));
            for word in &thought.text {
                blocks.delta(json!({ "type": "text_delta", "text": word }), Some(false));
            }
            blocks.stop();
        }
        for (index, call) in thought.calls.iter().enumerate() {
            blocks.start(self.tool_use(index));
            blocks.delta(
                json!({ "type": "input_json_delta", "partial_json": "" }),
                None,
            );
            for piece in &call.arguments {
                blocks.delta(
                    json!({ "type": "input_json_delta", "partial_json": piece }),
                    Some(false),
                );
            }
            blocks.stop();
        }
        let mut events = blocks.events;
        let (reason, sequence) = self.stop();
        let mut usage = self.usage(self.exchange.output());
        for field in ["cache_creation", "service_tier", "inference_geo"] {
            usage.as_object_mut().map(|it| it.remove(field));
        }
        let delta = json!({
            "type": "message_delta", "delta": { "stop_reason": reason, "stop_sequence": sequence }, "usage": usage,
        });
        events.push(Event::named(Kind::End, "message_delta", delta));
        events.push(Event::named(
            Kind::End,
            "message_stop",
            json!({ "type": "message_stop" }),
        ));
        events
    }

    /// The message before anything is said in it.
    fn message(&self) -> Value {
        json!({
            "id": self.exchange.id("msg_"), "type": "message", "role": "assistant", "model": self.exchange.asked.model,
            "content": [], "stop_reason": null, "stop_sequence": null, "usage": self.usage(self.exchange.output().min(1)),
        })
    }

    fn tool_use(&self, index: usize) -> Value {
        let name = &self.exchange.thought.calls[index].name;
        json!({ "type": "tool_use", "id": self.exchange.nth("toolu_", index), "name": name, "input": {} })
    }

    fn stop(&self) -> (&'static str, Option<&str>) {
        match &self.exchange.thought.finish {
            Finish::Stop => ("end_turn", None),
            Finish::Sequence(sequence) => ("stop_sequence", Some(sequence)),
            Finish::Length => ("max_tokens", None),
            Finish::Tools => ("tool_use", None),
            Finish::Blocked => ("refusal", None),
        }
    }

    fn usage(&self, output: u64) -> Value {
        let tokens = self.exchange.tokens;
        json!({
            "input_tokens": tokens.input,
            "cache_creation_input_tokens": tokens.cache_write + tokens.cache_write_1h,
            "cache_read_input_tokens": tokens.cached,
            "cache_creation": {
                "ephemeral_5m_input_tokens": tokens.cache_write,
                "ephemeral_1h_input_tokens": tokens.cache_write_1h,
            },
            "output_tokens": output,
            // A part of the output; at the start of a stream there is none.
            "output_tokens_details": { "thinking_tokens": self.exchange.reasoning().min(output) },
            "service_tier": "standard",
            "inference_geo": "not_available",
        })
    }
}

/// The blocks of a stream, one after another.
struct Blocks {
    events: Vec<Event>,
    index: usize,
    pinged: bool,
}

impl Blocks {
    fn start(&mut self, block: Value) {
        let start =
            json!({ "type": "content_block_start", "index": self.index, "content_block": block });
        self.events
            .push(Event::named(Kind::Content, "content_block_start", start));
        if !std::mem::replace(&mut self.pinged, true) {
            self.events.push(Event::named(
                Kind::Content,
                "ping",
                json!({ "type": "ping" }),
            ));
        }
    }

    /// Adds a piece; if it is a token, `token` says whether it is one of reasoning.
    fn delta(&mut self, delta: Value, token: Option<bool>) {
        let delta = json!({ "type": "content_block_delta", "index": self.index, "delta": delta });
        let event = Event::named(Kind::Content, "content_block_delta", delta);
        self.events.push(match token {
            Some(reasoning) => event.token(reasoning),
            None => event,
        });
    }

    fn stop(&mut self) {
        let stop = json!({ "type": "content_block_stop", "index": self.index });
        self.events
            .push(Event::named(Kind::Content, "content_block_stop", stop));
        self.index += 1;
    }
}
