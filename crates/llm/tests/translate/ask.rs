use bytes::Bytes;
use http::{Method, Request};
use serde_json::{Value, json};

/// How a caller asks.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Front {
    Chat,
    Responses,
    Messages,
    Gemini,
    /// Gemini, whose streams are JSON arrays.
    Array,
}

pub(crate) const FRONTS: [Front; 5] = [
    Front::Chat,
    Front::Responses,
    Front::Messages,
    Front::Gemini,
    Front::Array,
];

/// What is asked.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum What {
    Text,
    Tools,
    Image,
    Schema,
}

pub(crate) const WHAT: [What; 4] = [What::Text, What::Tools, What::Image, What::Schema];

impl Front {
    pub(crate) fn ask(self, model: &str, what: What, stream: bool) -> Request<Bytes> {
        let question = match what {
            What::Tools => "look at the weather",
            _ => "h\u{e9}llo",
        };
        let schema = json!({
            "type": "object", "additionalProperties": false, "required": ["city"],
            "properties": { "city": { "type": "string" } },
        });
        let describes = "tells the weather";
        let mut body = match self {
            Self::Chat => {
                json!({ "model": model, "messages": [{ "role": "user", "content": [{ "type": "text", "text": question }] }] })
            }
            Self::Responses => {
                json!({ "model": model, "store": false,
                    "input": [{ "role": "user", "content": [{ "type": "input_text", "text": question }] }] })
            }
            Self::Messages => {
                json!({ "model": model, "max_tokens": 500,
                    "messages": [{ "role": "user", "content": [{ "type": "text", "text": question }] }] })
            }
            Self::Gemini | Self::Array => {
                json!({ "contents": [{ "role": "user", "parts": [{ "text": question }] }] })
            }
        };
        if stream && !matches!(self, Self::Gemini | Self::Array) {
            body["stream"] = json!(true);
        }
        match (what, self) {
            (What::Text, _) => {}
            (What::Tools, Self::Chat) => {
                body["tools"] = json!([{ "type": "function",
                    "function": { "name": "weather", "description": describes, "parameters": schema } }]);
            }
            (What::Tools, Self::Responses) => {
                body["tools"] = json!([{ "type": "function", "name": "weather", "description": describes, "parameters": schema }]);
            }
            (What::Tools, Self::Messages) => {
                body["tools"] = json!([{ "name": "weather", "description": describes, "input_schema": schema }]);
            }
            (What::Tools, _) => {
                body["tools"] = json!([{ "functionDeclarations": [
                    { "name": "weather", "description": describes, "parametersJsonSchema": schema }] }]);
            }
            (What::Image, Self::Chat) => push(
                &mut body["messages"][0]["content"],
                json!({ "type": "image_url", "image_url": { "url": IMAGE } }),
            ),
            (What::Image, Self::Responses) => push(
                &mut body["input"][0]["content"],
                json!({ "type": "input_image", "image_url": IMAGE }),
            ),
            (What::Image, Self::Messages) => push(
                &mut body["messages"][0]["content"],
                json!({ "type": "image", "source": { "type": "base64", "media_type": "image/png", "data": DATA } }),
            ),
            (What::Image, _) => push(
                &mut body["contents"][0]["parts"],
                json!({ "inlineData": { "mimeType": "image/png", "data": DATA } }),
            ),
            (What::Schema, Self::Chat) => {
                body["response_format"] = json!({ "type": "json_schema",
                    "json_schema": { "name": "s", "strict": true, "schema": schema } });
            }
            (What::Schema, Self::Responses) => {
                body["text"] = json!({ "format": { "type": "json_schema", "name": "s", "strict": true, "schema": schema } });
            }
            (What::Schema, Self::Messages) => {
                body["output_config"] =
                    json!({ "format": { "type": "json_schema", "schema": schema } });
            }
            (What::Schema, _) => {
                body["generationConfig"] =
                    json!({ "responseMimeType": "application/json", "responseJsonSchema": schema });
            }
        }
        self.send(model, stream, &body)
    }

    /// A request with this body, where its dialect sends it.
    pub(crate) fn send(self, model: &str, stream: bool, body: &Value) -> Request<Bytes> {
        let path = match (self, stream) {
            (Self::Chat, _) => "/v1/chat/completions".to_owned(),
            (Self::Responses, _) => "/v1/responses".to_owned(),
            (Self::Messages, _) => "/v1/messages".to_owned(),
            (_, false) => format!("/v1beta/models/{model}:generateContent"),
            (Self::Array, true) => format!("/v1beta/models/{model}:streamGenerateContent"),
            (_, true) => format!("/v1beta/models/{model}:streamGenerateContent?alt=sse"),
        };
        post(&path, body)
    }
}

pub(crate) fn post(path: &str, body: &Value) -> Request<Bytes> {
    Request::builder()
        .method(Method::POST)
        .uri(path)
        .header("content-type", "application/json")
        .header("anthropic-version", "2023-06-01")
        .body(Bytes::from(body.to_string()))
        .unwrap()
}

fn push(list: &mut Value, part: Value) {
    list.as_array_mut().unwrap().push(part);
}

const IMAGE: &str = "data:image/png;base64,iVBORw0KGgo=";
const DATA: &str = "iVBORw0KGgo=";
