use serde_json::Value;
use tollgate_llm::{EventBoundary, sse::parse_event};

use super::ask::Front;

/// What a caller's SDK makes of an answer.
#[derive(Debug, Default, Eq, PartialEq)]
pub(crate) struct Said {
    pub(crate) text: String,
    /// Names and arguments.
    pub(crate) calls: Vec<(String, Value)>,
    /// It has come to its end.
    pub(crate) complete: bool,
    /// It tells of an error, in the dialect's own form.
    pub(crate) error: Option<String>,
}

impl Said {
    pub(crate) fn plain(front: Front, body: &str) -> Self {
        let value: Value = serde_json::from_str(body).unwrap_or_else(|_| panic!("{body}"));
        let mut said = Self::default();
        match front {
            Front::Chat => said.chat(&value["choices"][0]["message"], &value["choices"][0]),
            Front::Responses => said.response(&value),
            Front::Messages => said.message(&value),
            Front::Gemini | Front::Array => said.content(&value),
        }
        said
    }

    pub(crate) fn stream(front: Front, body: &str) -> Self {
        let mut said = Self::default();
        if front == Front::Array {
            let elements: Vec<Value> =
                serde_json::from_str(body).unwrap_or_else(|_| panic!("{body}"));
            elements.iter().for_each(|it| said.content(it));
            return said;
        }
        assert!(body.ends_with("\n\n"), "half an event: {body}");
        let mut blocks: Vec<(String, String)> = Vec::new();
        let mut rest = body.as_bytes();
        while let Some(length) = EventBoundary::new().next(rest) {
            let (event, after) = rest.split_at(length);
            rest = after;
            let Some(data) = parse_event(event).data else {
                continue;
            };
            if *data == *b"[DONE]" {
                said.complete = true;
                continue;
            }
            let value: Value = serde_json::from_slice(&data).unwrap_or_else(|_| panic!("{body}"));
            match front {
                Front::Chat => said.chunk(&value, &mut blocks),
                Front::Responses => said.event(&value),
                Front::Messages => said.block(&value, &mut blocks),
                Front::Gemini | Front::Array => said.content(&value),
            }
        }
        let calls = blocks
            .into_iter()
            .map(|(name, arguments)| (name, json(&arguments)));
        said.calls.extend(calls);
        said
    }

    fn chat(&mut self, message: &Value, choice: &Value) {
        self.text += message["content"].as_str().unwrap_or_default();
        for call in list(&message["tool_calls"]) {
            let function = &call["function"];
            self.calls
                .push((text(&function["name"]), json(&text(&function["arguments"]))));
        }
        self.complete = choice["finish_reason"].is_string();
    }

    fn chunk(&mut self, chunk: &Value, blocks: &mut Vec<(String, String)>) {
        self.error(&chunk["error"]);
        let delta = &chunk["choices"][0]["delta"];
        self.text += delta["content"].as_str().unwrap_or_default();
        for call in list(&delta["tool_calls"]) {
            if call["id"].is_string() {
                blocks.push((text(&call["function"]["name"]), String::new()));
            }
            let last = blocks.last_mut().expect("a call has begun");
            last.1 += call["function"]["arguments"].as_str().unwrap_or_default();
        }
    }

    fn response(&mut self, response: &Value) {
        for item in list(&response["output"]) {
            match item["type"].as_str() {
                Some("message") => {
                    let parts = list(&item["content"]).iter();
                    self.text.extend(parts.map(|part| text(&part["text"])));
                }
                Some("function_call") => {
                    self.calls
                        .push((text(&item["name"]), json(&text(&item["arguments"]))));
                }
                _ => {}
            }
        }
        self.complete |= response["status"] == "completed";
    }

    fn event(&mut self, event: &Value) {
        match event["type"].as_str() {
            Some("response.output_text.delta") => self.text += &text(&event["delta"]),
            Some("response.completed") => {
                self.text.clear(); // All of it is said again.
                self.response(&event["response"]);
            }
            // The provider itself says it flat.
            Some("error") if event["error"].is_null() => self.error(event),
            Some("error") => self.error(&event["error"]),
            _ => {}
        }
    }

    fn message(&mut self, message: &Value) {
        for block in list(&message["content"]) {
            match block["type"].as_str() {
                Some("text") => self.text += &text(&block["text"]),
                Some("tool_use") => self
                    .calls
                    .push((text(&block["name"]), block["input"].clone())),
                _ => {}
            }
        }
        self.complete = message["stop_reason"].is_string();
    }

    fn block(&mut self, event: &Value, blocks: &mut Vec<(String, String)>) {
        let delta = &event["delta"];
        match event["type"].as_str() {
            Some("content_block_start") if event["content_block"]["type"] == "tool_use" => {
                blocks.push((text(&event["content_block"]["name"]), String::new()));
            }
            Some("content_block_delta") => {
                self.text += delta["text"].as_str().unwrap_or_default();
                if let Some(piece) = delta["partial_json"].as_str() {
                    blocks.last_mut().expect("a call has begun").1 += piece;
                }
            }
            Some("message_stop") => self.complete = true,
            Some("error") => self.error(&event["error"]),
            _ => {}
        }
    }

    fn content(&mut self, content: &Value) {
        self.error(&content["error"]);
        let candidate = &content["candidates"][0];
        for part in list(&candidate["content"]["parts"]) {
            self.text += part["text"].as_str().unwrap_or_default();
            let call = &part["functionCall"];
            if call.is_object() {
                self.calls.push((text(&call["name"]), call["args"].clone()));
            }
        }
        self.complete |= candidate["finishReason"].is_string();
    }

    fn error(&mut self, error: &Value) {
        if error.is_object() {
            let known =
                error["code"].is_string() || error["code"].is_u64() || error["type"].is_string();
            assert!(known && error["message"].is_string(), "{error}");
            self.error = Some(text(&error["message"]));
        }
    }
}

fn text(value: &Value) -> String {
    value.as_str().unwrap_or_default().to_owned()
}

fn json(text: &str) -> Value {
    serde_json::from_str(text).unwrap_or_else(|_| panic!("no JSON: {text}"))
}

fn list(value: &Value) -> &[Value] {
    value.as_array().map_or(&[], Vec::as_slice)
}
