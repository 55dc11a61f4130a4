use serde_json::{Value, json};

use super::Responses;
use crate::simulated::wire::{Event, Kind};

impl Responses<'_> {
    pub(crate) fn events(&self) -> Vec<Event> {
        let mut stream = Stream::default();
        for (kind, name) in [
            (Kind::Start, "response.created"),
            (Kind::Start, "response.in_progress"),
        ] {
            let response = self.response("in_progress", json!([]), false);
            stream.push(kind, name, json!({ "response": response }), None);
        }
        let items = self.output();
        for (index, item) in items.iter().enumerate() {
            stream.item = index;
            match item["type"].as_str() {
                Some("reasoning") => self.reasoning(item, &mut stream),
                Some("message") => self.message(item, &mut stream),
                _ => self.call(item, &mut stream),
            }
        }
        let last = match self.status() {
            "incomplete" => "response.incomplete",
            _ => "response.completed",
        };
        let response = self.response(self.status(), items.into_iter().collect(), true);
        stream.push(Kind::End, last, json!({ "response": response }), None);
        stream.events
    }

    fn reasoning(&self, item: &Value, stream: &mut Stream) {
        let id = &item["id"];
        let begun = json!({ "id": id, "type": "reasoning", "summary": [] });
        stream.push(
            Kind::Content,
            "response.output_item.added",
            json!({ "output_index": stream.item, "item": begun }),
            None,
        );
        let at = json!({ "item_id": id, "output_index": stream.item, "summary_index": 0 });
        if !item["summary"][0].is_object() {
            // What is not shown is billed all the same.
            if let Some(event) = stream.events.last_mut() {
                event.cost.output = self.exchange.reasoning();
                event.cost.reasoning = self.exchange.reasoning();
            }
        } else {
            let empty = json!({ "type": "summary_text", "text": "" });
            stream.push(
                Kind::Content,
                "response.reasoning_summary_part.added",
                with(&at, json!({ "part": empty })),
                None,
            );
            for word in &self.exchange.thought.reasoning {
                let delta = with(&at, json!({ "delta": word }));
                stream.push(
                    Kind::Content,
                    "response.reasoning_summary_text.delta",
                    delta,
                    Some(true),
                );
            }
            let text = json!({ "text": item["summary"][0]["text"] });
            stream.push(
                Kind::Content,
                "response.reasoning_summary_text.done",
                with(&at, text),
                None,
            );
            let part = json!({ "part": item["summary"][0] });
            stream.push(
                Kind::Content,
                "response.reasoning_summary_part.done",
                with(&at, part),
                None,
            );
        }
        stream.push(
            Kind::Content,
            "response.output_item.done",
            json!({ "output_index": stream.item, "item": item }),
            None,
        );
    }

    fn message(&self, item: &Value, stream: &mut Stream) {
        let id = &item["id"];
        let begun = json!({ "id": id, "type": "message", "status": "in_progress", "role": "assistant", "content": [] });
        stream.push(
            Kind::Content,
            "response.output_item.added",
            json!({ "output_index": stream.item, "item": begun }),
            None,
        );
        let at = json!({ "item_id": id, "output_index": stream.item, "content_index": 0 });
        let part = &item["content"][0];
        if part["type"] == "refusal" {
            let empty = json!({ "part": { "type": "refusal", "refusal": "" } });
            stream.push(
                Kind::Content,
                "response.content_part.added",
                with(&at, empty),
                None,
            );
            let delta = json!({ "delta": part["refusal"] });
            stream.push(
                Kind::Content,
                "response.refusal.delta",
                with(&at, delta),
                None,
            );
            let done = json!({ "refusal": part["refusal"] });
            stream.push(Kind::End, "response.refusal.done", with(&at, done), None);
        } else {
            self.text(part, &at, stream);
        }
        stream.push(
            Kind::End,
            "response.content_part.done",
            with(&at, json!({ "part": part })),
            None,
        );
        stream.push(
            Kind::End,
            "response.output_item.done",
            json!({ "output_index": stream.item, "item": item }),
            None,
        );
    }

    fn text(&self, part: &Value, at: &Value, stream: &mut Stream) {
        let empty = json!({ "type": "output_text", "text": "", "annotations": [], "logprobs": [] });
        stream.push(
            Kind::Content,
            "response.content_part.added",
            with(at, json!({ "part": empty })),
            None,
        );
        for word in &self.exchange.thought.text {
            let delta = with(at, json!({ "delta": word, "logprobs": [] }));
            stream.push(
                Kind::Content,
                "response.output_text.delta",
                delta,
                Some(false),
            );
        }
        let done = json!({ "text": part["text"], "logprobs": [] });
        stream.push(Kind::End, "response.output_text.done", with(at, done), None);
    }

    fn call(&self, item: &Value, stream: &mut Stream) {
        let mut begun = item.clone();
        begun["status"] = json!("in_progress");
        begun["arguments"] = json!("");
        stream.push(
            Kind::Content,
            "response.output_item.added",
            json!({ "output_index": stream.item, "item": begun }),
            None,
        );
        let at = json!({ "item_id": item["id"], "output_index": stream.item });
        let before = self.output().len() - self.exchange.thought.calls.len();
        for piece in &self.exchange.thought.calls[stream.item - before].arguments {
            let delta = with(&at, json!({ "delta": piece }));
            stream.push(
                Kind::Content,
                "response.function_call_arguments.delta",
                delta,
                Some(false),
            );
        }
        let done = with(
            &at,
            json!({ "name": item["name"], "arguments": item["arguments"] }),
        );
        stream.push(
            Kind::Content,
            "response.function_call_arguments.done",
            done,
            None,
        );
        stream.push(
            Kind::Content,
            "response.output_item.done",
            json!({ "output_index": stream.item, "item": item }),
            None,
        );
    }
}

/// Events, numbered.
#[derive(Debug, Default)]
struct Stream {
    events: Vec<Event>,
    item: usize,
}

impl Stream {
    /// Adds an event; if it is a token, `token` says whether it is one of reasoning.
    fn push(&mut self, kind: Kind, name: &'static str, mut data: Value, token: Option<bool>) {
        data["type"] = json!(name);
        data["sequence_number"] = json!(self.events.len());
        let event = Event::named(kind, name, data);
        self.events.push(match token {
            Some(reasoning) => event.token(reasoning),
            None => event,
        });
    }
}

fn with(at: &Value, mut more: Value) -> Value {
    if let (Some(at), Some(more)) = (at.as_object(), more.as_object_mut()) {
        more.extend(at.clone());
    }
    more
}
