mod stream;

use serde_json::{Value, json};

use super::items::repeated;
use crate::simulated::{
    exchange::{Exchange, signature},
    mind::Finish,
};

/// Writes responses.
#[derive(Debug)]
pub(crate) struct Responses<'a> {
    pub(crate) exchange: &'a Exchange,
    pub(crate) body: &'a Value,
}

impl Responses<'_> {
    pub(crate) fn plain(&self) -> Value {
        let output: Value = self.output().into_iter().collect();
        self.response(self.status(), output, true)
    }

    fn output(&self) -> Vec<Value> {
        let thought = &self.exchange.thought;
        let mut items = Vec::new();
        if !thought.reasoning.is_empty() {
            let text = thought.reasoning();
            let shown = self.body["reasoning"]["summary"].is_string();
            let summary = if shown {
                json!([{ "type": "summary_text", "text": text }])
            } else {
                json!([])
            };
            let mut item =
                json!({ "id": self.exchange.id("rs_"), "type": "reasoning", "summary": summary });
            let include = self.body["include"].as_array().into_iter().flatten();
            if include
                .into_iter()
                .any(|it| it == "reasoning.encrypted_content")
            {
                item["encrypted_content"] = json!(signature(&text));
            }
            items.push(item);
        }
        if thought.finish == Finish::Blocked || !thought.text.is_empty() {
            let content = match thought.finish {
                Finish::Blocked => {
                    json!([{ "type": "refusal", "refusal": "I cannot help with that." }])
                }
                _ => {
                    json!([{ "type": "output_text", "text": thought.text(), "annotations": [], "logprobs": [] }])
                }
            };
            items.push(json!({
                "id": self.exchange.id("msg_"), "type": "message", "status": self.status(),
                "role": "assistant", "content": content,
            }));
        }
        for (index, call) in thought.calls.iter().enumerate() {
            items.push(json!({
                "id": self.exchange.nth("fc_", index), "type": "function_call", "status": self.status(),
                "call_id": self.exchange.nth("call_", index), "name": call.name, "arguments": call.arguments.concat(),
            }));
        }
        items
    }

    fn status(&self) -> &'static str {
        match self.exchange.thought.finish {
            Finish::Length => "incomplete",
            _ => "completed",
        }
    }

    fn response(&self, status: &str, output: Value, done: bool) -> Value {
        let tokens = self.exchange.tokens;
        let output_tokens = self.exchange.thought.tokens();
        let mut response = repeated(self.body);
        let reason = json!({ "reason": "max_output_tokens" });
        response["id"] = json!(self.exchange.id("resp_"));
        response["object"] = json!("response");
        response["created_at"] = json!(self.exchange.created);
        response["completed_at"] = if status == "completed" {
            json!(self.exchange.created)
        } else {
            Value::Null
        };
        response["status"] = json!(status);
        response["error"] = Value::Null;
        response["incomplete_details"] = if status == "incomplete" {
            reason
        } else {
            Value::Null
        };
        response["model"] = json!(self.exchange.asked.model);
        response["output"] = output;
        response["usage"] = match done {
            false => Value::Null,
            true => json!({
                "input_tokens": tokens.prompt(),
                "input_tokens_details": { "cached_tokens": tokens.cached, "cache_write_tokens": tokens.cache_write },
                "output_tokens": output_tokens,
                "output_tokens_details": { "reasoning_tokens": self.exchange.thought.reasoning.len() },
                "total_tokens": tokens.prompt() + output_tokens,
            }),
        };
        response
    }
}
