use bytes::Bytes;
use http::Request;
use http_body_util::Full;
use serde_json::{Value, json};
use tollgate_tests::Gateway;

use crate::random::Random;

/// A call of a client's, made up at random.
#[derive(Clone, Debug)]
pub(crate) struct Call {
    /// By which it is known in the gateway's records and, in part, on the provider's bill.
    pub(crate) model: String,
    pub(crate) behind: &'static str,
    pub(crate) front: Front,
    pub(crate) stream: bool,
    /// The client leaves after so many pieces of the answer's body.
    pub(crate) leaves_after: Option<usize>,
    question: String,
    tools: bool,
}

/// What the client speaks.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Front {
    Chat,
    Responses,
    Messages,
    Gemini,
    Embeddings,
}

impl Call {
    /// The call with this number.
    pub(crate) fn random(number: usize, random: &mut Random) -> Self {
        let front = *random.one_of(&[
            Front::Chat,
            Front::Chat,
            Front::Messages,
            Front::Messages,
            Front::Gemini,
            Front::Gemini,
            Front::Responses,
            Front::Embeddings,
        ]);
        let behind = match front {
            Front::Embeddings => *random.one_of(&["openai", "gemini"]),
            _ => *random.one_of(&["openai", "anthropic", "gemini"]),
        };
        // One target that may fail; or two, of which the first does.
        let (way, fault) = match random.below(10) {
            0 => ("refused", ""),
            1 => ("broken", ""),
            2..=5 => ("via", *random.one_of(FAULTS)),
            _ => ("via", ""),
        };
        // What falls silent is never read to its end: the client leaves, which it can do in a stream only.
        let stalls = fault == "-stall";
        let front = match front {
            Front::Embeddings if stalls => Front::Chat,
            front => front,
        };
        let stream = stalls || front != Front::Embeddings && random.below(2) == 0;
        let leaves = stalls || stream && random.below(8) == 0;
        let words = 1 + random.below(12);
        let words: Vec<&str> = (0..words).map(|_| *random.one_of(WORDS)).collect();
        Self {
            model: format!("{way}-{behind}-r{number}{fault}"),
            behind,
            front,
            stream,
            // More pieces may never come.
            leaves_after: leaves.then(|| 1 + if stalls { 0 } else { random.below(4) as usize }),
            question: words.join(" "),
            // A call is said to some clients once it is whole, and nothing is before that.
            tools: !stalls && random.below(4) == 0,
        }
    }

    pub(crate) fn request(&self, gateway: &Gateway, key: &str) -> Request<Full<Bytes>> {
        let path = match (self.front, self.stream) {
            (Front::Chat, _) => "/v1/chat/completions".to_owned(),
            (Front::Responses, _) => "/v1/responses".to_owned(),
            (Front::Messages, _) => "/v1/messages".to_owned(),
            (Front::Embeddings, _) => "/v1/embeddings".to_owned(),
            (Front::Gemini, false) => format!("/v1beta/models/{}:generateContent", self.model),
            (Front::Gemini, true) => {
                format!(
                    "/v1beta/models/{}:streamGenerateContent?alt=sse",
                    self.model
                )
            }
        };
        let mut request = gateway.post(&path, key, self.body().to_string());
        if self.front == Front::Messages {
            let version = http::HeaderValue::from_static("2026-10-21");
            request.headers_mut().insert("anthropic-version", version);
        }
        request
    }

    fn body(&self) -> Value {
        let message = json!([{ "role": "user", "content": self.question }]);
        let schema = json!({ "type": "object", "properties": { "city": { "type": "string" } } });
        let (name, about) = ("get_weather", "The weather");
        let (mut body, tools) = match self.front {
            Front::Chat => (
                json!({ "messages": message }),
                json!([{ "type": "function", "function": { "name": name, "description": about, "parameters": schema } }]),
            ),
            Front::Responses => (
                json!({ "input": self.question }),
                json!([{ "type": "function", "name": name, "description": about, "parameters": schema }]),
            ),
            Front::Messages => (
                json!({ "messages": message, "max_tokens": 1000 }),
                json!([{ "name": name, "description": about, "input_schema": schema }]),
            ),
            Front::Gemini => (
                json!({ "contents": [{ "role": "user", "parts": [{ "text": self.question }] }] }),
                json!([{ "functionDeclarations": [{ "name": name, "description": about, "parametersJsonSchema": schema }] }]),
            ),
            Front::Embeddings => (json!({ "input": self.question }), Value::Null),
        };
        if self.front != Front::Gemini {
            body["model"] = json!(self.model);
            if self.stream {
                body["stream"] = json!(true);
            }
        }
        if self.tools && self.front != Front::Embeddings {
            body["tools"] = tools;
        }
        body
    }

    /// The text in an event of a stream.
    pub(crate) fn text(&self, event: &Value) -> String {
        let text = match self.front {
            Front::Chat => &event["choices"][0]["delta"]["content"],
            Front::Responses if event["type"] == "response.output_text.delta" => &event["delta"],
            Front::Messages => &event["delta"]["text"],
            Front::Gemini => &event["candidates"][0]["content"]["parts"][0]["text"],
            Front::Responses | Front::Embeddings => &Value::Null,
        };
        text.as_str().unwrap_or_default().to_owned()
    }

    /// Whether the provider keeps to itself what was used, or says it in a way that nobody can read.
    pub(crate) fn hides_usage(&self) -> bool {
        ["-no-usage", "-text-usage", "-negative-usage", "-nonsense"]
            .iter()
            .any(|fault| self.model.ends_with(fault))
    }
}

const FAULTS: &[&str] = &[
    "-cut",
    "-cut-in-event",
    "-cut-before-end",
    "-cut-at-start",
    "-cut+clean",
    "-error-event",
    "-error-429",
    "-error-500",
    "-no-usage",
    "-text-usage",
    "-negative-usage",
    "-late-usage",
    "-stall",
    "-splits",
    "-comments",
    "-crlf",
    "-blocked",
    "-nonsense",
];

const WORDS: &[&str] = &[
    "what",
    "is",
    "the",
    "weather",
    "in",
    "Zürich",
    "and",
    "how",
    "long",
    "does",
    "it",
    "take",
    "天気",
    "unquestionably",
    "🌍",
    "to",
];
