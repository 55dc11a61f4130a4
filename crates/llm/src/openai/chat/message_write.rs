use super::{call::fitting_id, part_write};
use crate::{
    canon::{Ask, Losses, Media, Part, Role, Turn},
    openai::write::{List, Object},
};

/// Writes the instructions and the turns as messages.
pub(super) fn write(ask: &Ask, list: &mut List<'_>, losses: &mut Losses) {
    system(ask, list, losses);
    let mut messages = Messages {
        ask,
        list,
        losses,
        held: Vec::new(),
    };
    for turn in &ask.turns {
        match turn.role {
            Role::User => messages.user(turn),
            Role::Assistant => messages.assistant(turn),
        }
    }
    messages.show_held();
}

/// One message with one text: many servers' templates know no other.
fn system(ask: &Ask, list: &mut List<'_>, losses: &mut Losses) {
    let texts: Vec<&str> = texts(&ask.system).collect();
    if texts.is_empty() {
        return;
    }
    let mut message = list.object();
    message.field("role", "system");
    match texts[..] {
        [text] => message.field("content", text),
        _ => message.field("content", texts.join("\n\n")),
    }
    if ask.system.iter().any(part_write::is_cached) {
        losses.hint(format!("{}.cache_control", ask.names.system));
    }
}

struct Messages<'a, 'b, 'out> {
    ask: &'a Ask,
    list: &'b mut List<'out>,
    losses: &'b mut Losses,
    /// What tools found that is no text.
    held: Vec<&'a Media>,
}

impl<'a> Messages<'a, '_, '_> {
    /// A caller's turn. Results come first: no other message may stand between a call and its result.
    fn user(&mut self, turn: &'a Turn) {
        for part in &turn.parts {
            self.note_mark(turn, part);
            if let Part::ToolResult {
                id,
                content,
                is_error,
                ..
            } = part
            {
                self.result(turn, id, content, *is_error);
            }
        }
        let said: Vec<&Part> = turn
            .parts
            .iter()
            .filter(|part| self.can_be_said(turn, part))
            .collect();
        if said.is_empty() {
            return;
        }
        self.show_held();
        let mut message = self.list.object();
        message.field("role", "user");
        match said[..] {
            [Part::Text { text, .. }] => message.field("content", text),
            _ => {
                let mut list = message.list("content");
                for part in said {
                    match part {
                        Part::Text { text, .. } => part_write::text(text, &mut list),
                        Part::Media(media) => part_write::media(media, &mut list),
                        _ => {}
                    }
                }
            }
        }
    }

    /// A model's turn. Its thinking is for nobody but its provider, and OpenAI's does not leave OpenAI.
    fn assistant(&mut self, turn: &'a Turn) {
        self.show_held();
        let mut begun = false;
        for part in &turn.parts {
            self.note_mark(turn, part);
            match part {
                Part::Text { .. } | Part::Refusal(_) | Part::ToolCall { .. } => begun = true,
                Part::Media(_) => self.losses.field(self.ask.names.turn(turn)),
                _ => {}
            }
        }
        if !begun {
            return;
        }
        let mut message = self.list.object();
        message.field("role", "assistant");
        content(&turn.parts, &mut message);
        let refusals: String = refusals(&turn.parts).collect();
        if !refusals.is_empty() {
            message.field("refusal", refusals);
        }
        if turn.parts.iter().any(is_call) {
            let mut calls = message.list("tool_calls");
            for part in &turn.parts {
                write_call(part, &mut calls);
            }
        }
    }

    fn result(&mut self, turn: &Turn, id: &str, content: &'a [Part], is_error: bool) {
        let mut text: String = texts(content).collect::<Vec<_>>().join("\n");
        if is_error {
            text.insert_str(0, "Error: "); // There is no field for it.
        }
        for part in content {
            match part {
                Part::Media(media) if part_write::can_hold(media) => {
                    if text.is_empty() {
                        text.push_str("The result follows.");
                    }
                    self.held.push(media);
                }
                Part::Media(_) => self.losses.field(self.ask.names.turn(turn)),
                _ => {}
            }
        }
        let mut message = self.list.object();
        message.field("role", "tool");
        message.field("tool_call_id", fitting_id(id));
        message.field("content", text);
    }

    /// Only a user can show more than text, so what tools found that is no text follows their results.
    fn show_held(&mut self) {
        if self.held.is_empty() {
            return;
        }
        let mut message = self.list.object();
        message.field("role", "user");
        let mut list = message.list("content");
        part_write::text("What the tools returned:", &mut list);
        for media in self.held.drain(..) {
            part_write::media(media, &mut list);
        }
    }

    fn can_be_said(&mut self, turn: &Turn, part: &Part) -> bool {
        match part {
            Part::Text { .. } => true,
            Part::Media(media) if part_write::can_hold(media) => true,
            Part::Media(_) => {
                self.losses.field(self.ask.names.turn(turn));
                false
            }
            _ => false,
        }
    }

    fn note_mark(&mut self, turn: &Turn, part: &Part) {
        if part_write::is_cached(part) {
            self.losses
                .hint(format!("{}.cache_control", self.ask.names.turn(turn)));
        }
    }
}

/// An assistant's texts, null if there are none.
fn content(parts: &[Part], message: &mut Object<'_>) {
    let texts: Vec<&str> = texts(parts).collect();
    match texts[..] {
        [] => message.field("content", ()),
        [text] => message.field("content", text),
        _ => {
            let mut list = message.list("content");
            for text in texts {
                part_write::text(text, &mut list);
            }
        }
    }
}

fn write_call(part: &Part, calls: &mut List<'_>) {
    if let Part::ToolCall {
        id,
        name,
        arguments,
        ..
    } = part
    {
        let mut call = calls.object();
        call.field("id", fitting_id(id));
        call.field("type", "function");
        let mut function = call.object("function");
        function.field("name", name);
        let empty = arguments.is_empty();
        function.field("arguments", if empty { "{}" } else { arguments });
    }
}

fn texts(parts: &[Part]) -> impl Iterator<Item = &str> {
    parts.iter().filter_map(|part| match part {
        Part::Text { text, .. } => Some(text.as_str()),
        _ => None,
    })
}

fn refusals(parts: &[Part]) -> impl Iterator<Item = &str> {
    parts.iter().filter_map(|part| match part {
        Part::Refusal(text) => Some(text.as_str()),
        _ => None,
    })
}

const fn is_call(part: &Part) -> bool {
    matches!(part, Part::ToolCall { .. })
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use crate::{
        Dialect,
        canon::{Ask, Losses, Media, Part, Role, Signature, Source, Target, Turn},
        openai::chat::{NAMES, write_ask},
    };

    fn write(turns: Vec<(Role, Vec<Part>)>, system: Vec<Part>) -> (Value, Vec<String>) {
        let mut ask = Ask::new(&NAMES);
        ask.system = system;
        let turns = turns.into_iter().enumerate();
        ask.turns = turns
            .map(|(at, (role, parts))| Turn { role, parts, at })
            .collect();
        let target = Target {
            model: "m",
            max_output: 9,
            version: "",
            legacy_max_tokens: false,
        };
        let mut losses = Losses::default();
        let body = write_ask(&ask, &target, &mut losses);
        let mut body: Value = serde_json::from_slice(&body).unwrap();
        (
            body["messages"].take(),
            losses.all().map(str::to_owned).collect(),
        )
    }

    fn result(id: &str, content: Vec<Part>, is_error: bool) -> Part {
        Part::ToolResult {
            id: id.to_owned(),
            name: "f".to_owned(),
            content,
            is_error,
            cached: false,
        }
    }

    fn image() -> Part {
        Part::Media(Media {
            source: Source::Base64("AAAA".to_owned()),
            media_type: "image/png".to_owned(),
            detail: None,
            name: None,
            cached: false,
        })
    }

    #[test]
    fn instructions_are_one_text_above() {
        let (messages, _) = write(vec![], vec![Part::text("a"), Part::text("b")]);
        assert_eq!(messages, json!([{"role": "system", "content": "a\n\nb"}]));
    }

    #[test]
    fn results_come_first_and_their_images_after_the_last_of_them() {
        let (messages, lost) = write(
            vec![
                (
                    Role::User,
                    vec![Part::text("x"), result("c1", vec![image()], false)],
                ),
                (
                    Role::User,
                    vec![result("c2", vec![Part::text("bad")], true)],
                ),
            ],
            vec![],
        );
        let shown =
            json!({"type": "image_url", "image_url": {"url": "data:image/png;base64,AAAA"}});
        let found = json!({"type": "text", "text": "What the tools returned:"});
        let expected = json!([
            {"role": "tool", "tool_call_id": "c1", "content": "The result follows."},
            {"role": "user", "content": [found, shown]},
            {"role": "user", "content": "x"},
            {"role": "tool", "tool_call_id": "c2", "content": "Error: bad"},
        ]);
        assert_eq!((messages, lost.len()), (expected, 0));

        let (messages, _) = write(
            vec![
                (Role::User, vec![result("c1", vec![image()], false)]),
                (Role::User, vec![result("c2", vec![Part::text("7")], false)]),
                (Role::Assistant, vec![Part::text("done")]),
            ],
            vec![],
        );
        let roles: Vec<&Value> = (0..4).map(|index| &messages[index]["role"]).collect();
        assert_eq!(roles, ["tool", "tool", "user", "assistant"]);
    }

    #[test]
    fn thinking_and_signatures_stay_behind() {
        let signature = Signature {
            origin: Dialect::Anthropic,
            value: "s".to_owned(),
        };
        let thinking = Part::Thinking {
            text: "hm".to_owned(),
            signature: Some(signature.clone()),
        };
        let call = Part::ToolCall {
            id: "c".repeat(50),
            name: "f".to_owned(),
            arguments: String::new(),
            signature: Some(signature.clone()),
            cached: false,
        };
        let (messages, lost) = write(
            vec![
                (
                    Role::Assistant,
                    vec![thinking.clone(), Part::Redacted(signature), call],
                ),
                (Role::User, vec![result(&"c".repeat(50), vec![], false)]),
                (Role::Assistant, vec![thinking]),
            ],
            vec![],
        );
        let id = messages[0]["tool_calls"][0]["id"].clone();
        let expected = json!([
            {"role": "assistant", "content": null, "tool_calls": [
                {"id": id, "type": "function", "function": {"name": "f", "arguments": "{}"}}]},
            {"role": "tool", "tool_call_id": id, "content": ""},
        ]);
        assert_eq!((messages, lost.len()), (expected, 0));
        assert!(id.as_str().unwrap().len() <= 40);
    }

    #[test]
    fn what_a_message_cannot_hold_is_named() {
        let video = Part::Media(Media {
            source: Source::Url("https://h/v".to_owned()),
            media_type: "video/mp4".to_owned(),
            detail: None,
            name: None,
            cached: false,
        });
        let marked = Part::Text {
            text: "a".to_owned(),
            cached: true,
        };
        let (messages, lost) = write(
            vec![
                (Role::User, vec![marked.clone()]),
                (Role::User, vec![video.clone()]),
                (Role::Assistant, vec![Part::text("a"), image()]),
            ],
            vec![marked],
        );
        assert_eq!(messages.as_array().unwrap().len(), 3);
        let expected = [
            "messages[1]",
            "messages[2]",
            "messages.cache_control",
            "messages[0].cache_control",
        ];
        assert_eq!(lost, expected);
    }
}
