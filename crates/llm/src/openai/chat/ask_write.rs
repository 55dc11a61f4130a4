use super::{message_write, tool_write};
use crate::{
    canon::{Ask, Effort, Losses, Reasoning, Target},
    openai::write::Object,
};

/// Writes a request for a chat completion.
pub(crate) fn write_ask(ask: &Ask, target: &Target<'_>, losses: &mut Losses) -> Vec<u8> {
    let mut out = Vec::with_capacity(2048);
    let mut body = Object::new(&mut out);
    body.field("model", target.model);
    message_write::write(ask, &mut body.list("messages"), losses);
    tool_write::tools(ask, &mut body, losses);
    tool_write::format(&ask.format, &mut body);
    let limit = if target.legacy_max_tokens {
        "max_tokens"
    } else {
        "max_completion_tokens"
    };
    body.maybe(limit, ask.max_output);
    sampling(ask, &mut body, losses);
    if let Some(reasoning) = &ask.reasoning {
        body.maybe("reasoning_effort", effort(reasoning));
        if reasoning.budget.is_some() || reasoning.shown == Some(true) {
            losses.hint(ask.names.reasoning);
        }
    }
    body.maybe("user", ask.user.as_ref());
    if ask.stream {
        body.field("stream", true);
        // Whatever the caller wants to see, what was used must be known.
        body.object("stream_options").field("include_usage", true);
    }
    drop(body);
    out
}

fn sampling(ask: &Ask, body: &mut Object<'_>, losses: &mut Losses) {
    let sampling = &ask.sampling;
    body.maybe("temperature", sampling.temperature);
    body.maybe("top_p", sampling.top_p);
    body.maybe("seed", sampling.seed);
    body.maybe("presence_penalty", sampling.presence_penalty);
    body.maybe("frequency_penalty", sampling.frequency_penalty);
    if sampling.top_k.is_some() {
        losses.field(ask.names.top_k);
    }
    if !ask.stop.is_empty() {
        body.field("stop", &ask.stop[..ask.stop.len().min(MOST_STOPS)]);
    }
    if ask.stop.len() > MOST_STOPS {
        losses.field(ask.names.stop);
    }
    if ask.choices > 1 {
        body.field("n", ask.choices);
    }
    if let Some(alternatives) = ask.logprobs {
        body.field("logprobs", true);
        body.maybe(
            "top_logprobs",
            Some(alternatives).filter(|count| *count > 0),
        );
    }
}

/// The word that is nearest to what is asked; none where that is the model's own choice.
fn effort(reasoning: &Reasoning) -> Option<&'static str> {
    match (reasoning.effort, reasoning.budget) {
        (Some(Effort::Adaptive), _) | (None, None) => None,
        (Some(effort), _) => Some(effort.as_str()),
        (None, Some(0)) => Some("none"),
        (None, Some(..=2048)) => Some("low"),
        (None, Some(..=8192)) => Some("medium"),
        (None, Some(_)) => Some("high"),
    }
}

/// The most that OpenAI takes.
const MOST_STOPS: usize = 4;

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::write_ask;
    use crate::{
        canon::{
            Ask, Effort, Format, Losses, Names, Part, Reasoning, Role, Target, Tool, ToolChoice,
            Turn,
        },
        openai::chat::NAMES,
    };

    const TARGET: Target<'static> = Target {
        model: "m",
        max_output: 9,
        version: "",
        legacy_max_tokens: false,
    };

    static OTHERS: Names = Names {
        top_k: "k",
        stop: "stop_sequences",
        reasoning: "thinking",
        tool_choice: "choice",
        ..NAMES
    };

    fn write(change: impl FnOnce(&mut Ask)) -> (Value, Vec<String>) {
        let mut ask = Ask::new(&OTHERS);
        ask.turns.push(Turn {
            role: Role::User,
            parts: vec![Part::text("hi")],
            at: 0,
        });
        change(&mut ask);
        let mut losses = Losses::default();
        let body = write_ask(&ask, &TARGET, &mut losses);
        let lost = losses.all().map(str::to_owned).collect();
        (serde_json::from_slice(&body).unwrap(), lost)
    }

    #[test]
    fn no_more_is_written_than_is_asked() {
        let (body, lost) = write(|_| {});
        let expected = json!({"model": "m", "messages": [{"role": "user", "content": "hi"}]});
        assert_eq!((body, lost.len()), (expected, 0));
    }

    #[test]
    fn a_stream_is_always_asked_for_its_usage() {
        let (body, _) = write(|ask| ask.stream = true);
        assert_eq!(
            (&body["stream"], &body["stream_options"]),
            (&json!(true), &json!({"include_usage": true}))
        );
    }

    #[test]
    fn the_limit_has_the_name_that_the_server_knows() {
        let mut ask = Ask::new(&OTHERS);
        ask.max_output = Some(7);
        for (legacy_max_tokens, name) in [(false, "max_completion_tokens"), (true, "max_tokens")] {
            let target = Target {
                legacy_max_tokens,
                ..TARGET
            };
            let body = write_ask(&ask, &target, &mut Losses::default());
            let body: Value = serde_json::from_slice(&body).unwrap();
            assert_eq!(body[name], 7);
        }
    }

    #[test]
    fn what_openai_cannot_be_told_is_named_as_the_caller_named_it() {
        let (body, lost) = write(|ask| {
            ask.sampling.top_k = Some(3);
            ask.stop = (0..5).map(|it| it.to_string()).collect();
            ask.tool_choice = Some(ToolChoice::Required(vec![]));
        });
        assert_eq!(lost, ["choice", "k", "stop_sequences"]);
        assert_eq!(body["stop"], json!(["0", "1", "2", "3"]));
    }

    #[test]
    fn thinking_is_told_by_the_nearest_word() {
        for (effort, budget, word, hint) in [
            (Some(Effort::Max), None, json!("max"), false),
            (Some(Effort::Low), Some(9000), json!("low"), true),
            (Some(Effort::Adaptive), None, Value::Null, false),
            (None, Some(0), json!("none"), true),
            (None, Some(1024), json!("low"), true),
            (None, Some(4096), json!("medium"), true),
            (None, Some(32_000), json!("high"), true),
        ] {
            let (body, lost) = write(|ask| {
                ask.reasoning = Some(Reasoning {
                    effort,
                    budget,
                    shown: None,
                });
            });
            assert_eq!(body["reasoning_effort"], word);
            assert_eq!(!lost.is_empty(), hint, "{effort:?} {budget:?}");
        }
    }

    #[test]
    fn tools_and_choices_are_written() {
        let tool = |name: &str| Tool {
            name: name.to_owned(),
            description: Some("d".to_owned()),
            parameters: Some(json!({"type": "object"})),
            strict: Some(true),
            cached: false,
        };
        let names = |names: &[&str]| {
            names
                .iter()
                .map(|&name| name.to_owned())
                .collect::<Vec<_>>()
        };
        let function = |name: &str| json!({"type": "function", "function": {"name": name}});
        let allowed = |mode: &str| json!({"type": "allowed_tools", "allowed_tools": {"mode": mode, "tools": [function("f"), function("g")]}});
        for (choice, expected) in [
            (ToolChoice::Auto, json!("auto")),
            (ToolChoice::None, json!("none")),
            (ToolChoice::Among(vec![]), json!("none")),
            (ToolChoice::Required(vec![]), json!("required")),
            (ToolChoice::Required(names(&["f"])), function("f")),
            (
                ToolChoice::Required(names(&["f", "g"])),
                allowed("required"),
            ),
            (ToolChoice::Among(names(&["f", "g"])), allowed("auto")),
        ] {
            let (body, lost) = write(|ask| {
                ask.tools = vec![tool("f"), tool("g")];
                ask.tool_choice = Some(choice.clone());
                ask.parallel_tools = Some(false);
            });
            assert_eq!(
                (&body["tool_choice"], lost.len()),
                (&expected, 0),
                "{choice:?}"
            );
            assert_eq!(body["parallel_tool_calls"], false);
            let expected = json!({"type": "function", "function": {
                "name": "f", "description": "d", "parameters": {"type": "object"}, "strict": true}});
            assert_eq!(body["tools"][0], expected);
        }
    }

    #[test]
    fn formats_are_written() {
        let (body, _) = write(|ask| ask.format = Format::Json);
        assert_eq!(body["response_format"], json!({"type": "json_object"}));
        let (body, _) = write(|ask| {
            ask.format = Format::Schema {
                name: None,
                description: None,
                schema: json!({"type": "object"}),
                strict: Some(true),
            };
        });
        let expected = json!({"type": "json_schema", "json_schema": {
            "name": "response", "schema": {"type": "object"}, "strict": true}});
        assert_eq!(body["response_format"], expected);
    }
}
