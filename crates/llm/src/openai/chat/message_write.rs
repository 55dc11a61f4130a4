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
mod tests;
