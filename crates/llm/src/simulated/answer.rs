use http::HeaderMap;
use serde_json::{Value, json};

use super::{
    Fault, Step, anthropic,
    asked::Asked,
    body::Pace,
    exchange::{Exchange, now},
    fault::Faults,
    gemini,
    meter::{Meter, Tokens},
    mind::Thought,
    openai,
    refusal::Refusal,
    route::{Call, Route, Wire},
    wire::{Event, Framing, Kind},
};

/// A request, and all that decides how it is answered.
#[derive(Debug)]
pub(crate) struct Work<'a> {
    pub(crate) number: u64,
    pub(crate) route: &'a Route,
    pub(crate) headers: &'a HeaderMap,
    pub(crate) model: &'a str,
    pub(crate) step: &'a Step,
    pub(crate) faults: Faults,
    pub(crate) pace: Pace,
    pub(crate) meter: &'a Meter,
}

/// What is answered, before it is cut into pieces.
#[derive(Debug)]
pub(crate) enum Answered {
    /// JSON at once, and what it costs.
    Plain(Value, Tokens),
    /// Events; the prompt is billed when they begin, the rest as they are given.
    Stream(Vec<Event>, Framing, Tokens),
    /// No answer at all.
    Nonsense,
}

impl Work<'_> {
    /// Answers as the dialect, the script and the model's name say.
    pub(crate) fn answer(&self, body: &Value) -> Result<Answered, Refusal> {
        self.refused()?;
        if self.faults.has(Fault::Nonsense) {
            return Ok(Answered::Nonsense);
        }
        let embeds = |(answer, read)| {
            Answered::Plain(
                answer,
                Tokens {
                    embedding: read,
                    ..Tokens::default()
                },
            )
        };
        match self.route.call {
            Call::Chat => {
                let named = self.with_model(body);
                let exchange = self.exchange(openai::messages(&named)?);
                let usage = body["stream_options"]["include_usage"] == true;
                let azure = self.route.wire == Wire::Azure;
                let chat = openai::Chat {
                    exchange: &exchange,
                    usage,
                    azure,
                };
                Ok(given(
                    &exchange,
                    Framing::Events,
                    || chat.plain(),
                    || chat.events(),
                ))
            }
            Call::Completion => {
                let exchange = self.exchange(openai::prompt(&self.with_model(body))?);
                let usage = body["stream_options"]["include_usage"] == true;
                let completion = openai::Completion {
                    exchange: &exchange,
                    usage,
                };
                Ok(given(
                    &exchange,
                    Framing::Events,
                    || completion.plain(),
                    || completion.events(),
                ))
            }
            Call::Responses => {
                let exchange = self.exchange(openai::items(body)?);
                let responses = openai::Responses {
                    exchange: &exchange,
                    body,
                };
                Ok(given(
                    &exchange,
                    Framing::Events,
                    || responses.plain(),
                    || responses.events(),
                ))
            }
            Call::Embeddings => openai::embeddings(&self.with_model(body)).map(embeds),
            Call::Messages => {
                let version = anthropic::version(self.headers)?;
                let exchange = self.exchange(anthropic::messages(body, version, false)?);
                let messages = anthropic::Messages {
                    exchange: &exchange,
                };
                Ok(given(
                    &exchange,
                    Framing::Events,
                    || messages.plain(),
                    || messages.events(),
                ))
            }
            Call::CountMessages => {
                let version = anthropic::version(self.headers)?;
                let asked = anthropic::messages(body, version, true)?;
                Ok(Answered::Plain(
                    json!({ "input_tokens": asked.input() }),
                    Tokens::default(),
                ))
            }
            Call::Generate | Call::Stream { .. } => {
                let body = gemini::normal(body, gemini::Shape::Request)?;
                let stream = self.route.streams();
                let exchange = self.exchange(gemini::contents(&body, self.model, stream)?);
                let thoughts =
                    body["generationConfig"]["thinkingConfig"]["includeThoughts"] == true;
                let generate = gemini::Generate {
                    exchange: &exchange,
                    thoughts,
                };
                let framing = match self.route.call {
                    Call::Stream { events: false } => Framing::Array,
                    _ => Framing::Events,
                };
                Ok(given(
                    &exchange,
                    framing,
                    || generate.plain(),
                    || generate.events(),
                ))
            }
            Call::Count => {
                let body = gemini::normal(body, gemini::Shape::Count)?;
                let asked = match &body["generateContentRequest"] {
                    Value::Null => &body,
                    whole => whole,
                };
                let tokens = gemini::contents(asked, self.model, false)?.input();
                let details = json!([{ "modality": "TEXT", "tokenCount": tokens }]);
                let count = json!({ "totalTokens": tokens, "promptTokensDetails": details });
                Ok(Answered::Plain(count, Tokens::default()))
            }
            Call::Embed => gemini::embed(&gemini::normal(body, gemini::Shape::Embed)?).map(embeds),
            Call::EmbedBatch => {
                gemini::batch(&gemini::normal(body, gemini::Shape::Batch)?).map(embeds)
            }
            Call::Models | Call::Model | Call::Unknown => Err(unknown(self.route.wire)),
        }
    }

    /// Refuses what is to be refused whatever it asks.
    fn refused(&self) -> Result<(), Refusal> {
        let google = self.route.wire == Wire::Gemini;
        let status = match self.step.status {
            Some(status) => status,
            None if self.faults.has(Fault::InsufficientQuota) => 429,
            None if self.faults.has(Fault::Overloaded) && self.route.wire == Wire::Anthropic => 529,
            None if self.faults.has(Fault::Overloaded) => 503,
            None => return Ok(()),
        };
        let spent = self.faults.has(Fault::InsufficientQuota);
        let message = match status {
            _ if spent => {
                "You exceeded your current quota, please check your plan and billing details."
            }
            401 => "Incorrect API key provided.",
            404 => "The model does not exist or you do not have access to it.",
            429 => "Rate limit reached, please try again later.",
            503 | 529 => "The model is overloaded. Please try again later.",
            _ => "This error was asked for.",
        };
        let code = self
            .step
            .code
            .clone()
            .or_else(|| match (status, spent, google) {
                (_, true, false) => Some("insufficient_quota".into()),
                (404, _, false) => Some("model_not_found".into()),
                _ => None,
            });
        Err(Refusal {
            status,
            code,
            message: self.step.message.clone().unwrap_or_else(|| message.into()),
            retry_after: self.step.retry_after,
            ..Refusal::default()
        })
    }

    /// The body with the model that the path names, as Azure has it.
    fn with_model(&self, body: &Value) -> Value {
        let mut body = body.clone();
        if self.route.wire == Wire::Azure && body.is_object() {
            body["model"] = json!(self.model);
        }
        body
    }

    fn exchange(&self, asked: Asked) -> Exchange {
        let thought = Thought::of(&asked, self.step, self.faults);
        let input = asked.input();
        let caching = asked.caching.map(|mut caching| {
            caching.tokens = caching.tokens.min(input);
            caching
        });
        let mut tokens = self.meter.keep(caching);
        tokens.input = input - tokens.prompt();
        Exchange {
            number: self.number,
            created: now(),
            asked,
            thought,
            tokens,
            faults: self.faults,
        }
    }

    /// How a stream in this dialect tells of an error.
    pub(crate) fn error_event(&self) -> Event {
        let refusal = Refusal::new(529, self.step.message.as_deref().unwrap_or("Overloaded"));
        match (self.route.wire, self.route.call) {
            (_, Call::Responses) => {
                let error = json!({
                    "type": "error", "code": "server_error", "message": refusal.message, "param": null, "sequence_number": 99,
                });
                Event::named(Kind::End, "error", error)
            }
            (Wire::OpenAi | Wire::Azure, _) => {
                let refusal = Refusal {
                    status: 500,
                    code: Some("server_error".into()),
                    ..refusal
                };
                Event::new(Kind::End, openai::error(&refusal))
            }
            (Wire::Anthropic, _) => {
                Event::named(Kind::End, "error", anthropic::error(&refusal, self.number))
            }
            (Wire::Gemini, _) => Event::new(
                Kind::End,
                gemini::error(&Refusal {
                    status: 503,
                    ..refusal
                }),
            ),
        }
    }
}

fn given(
    exchange: &Exchange,
    framing: Framing,
    plain: impl FnOnce() -> Value,
    events: impl FnOnce() -> Vec<Event>,
) -> Answered {
    if exchange.asked.stream {
        return Answered::Stream(events(), framing, exchange.tokens);
    }
    let (output, reasoning) = (exchange.output(), exchange.reasoning());
    Answered::Plain(
        plain(),
        Tokens {
            output,
            reasoning,
            ..exchange.tokens
        },
    )
}

fn unknown(wire: Wire) -> Refusal {
    match wire {
        Wire::OpenAi => Refusal::new(404, "Unknown request URL.").code("unknown_url"),
        Wire::Azure => Refusal::new(404, "Resource not found").code("404"),
        Wire::Anthropic => Refusal::new(404, "Not found"),
        Wire::Gemini => Refusal::new(404, "The requested URL was not found on this server."),
    }
}
