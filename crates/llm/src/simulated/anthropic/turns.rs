use crate::simulated::{
    asked::{Asked, Part},
    refusal::Refusal,
};

/// Refuses calls that are not answered at once, and answers to what was not called.
pub(crate) fn turns(asked: &Asked, thinks: bool) -> Result<(), Refusal> {
    let mut called: Vec<&str> = Vec::new();
    for (index, message) in asked.messages.iter().enumerate() {
        let mut left = called.clone();
        let mut other = false;
        for (at, part) in message.parts.iter().enumerate() {
            let Part::Result { id, .. } = part else {
                other |= !matches!(part, Part::Media(..));
                continue;
            };
            if !called.contains(&id.as_str()) {
                return Err(Refusal::bad(format!(
                    "messages.{index}.content.{at}: unexpected `tool_use_id` found in `tool_result` blocks: {id}. Each `tool_result` block must have a corresponding `tool_use` block in the previous message."
                )));
            }
            let Some(place) = left.iter().position(|it| it == id) else {
                return Err(Refusal::bad(format!(
                    "messages.{index}.content.{at}: each tool_use must have a single result. Found multiple `tool_result` blocks with id: {id}"
                )));
            };
            // A result that stands behind a text is not seen.
            if !other {
                left.remove(place);
            }
        }
        if !left.is_empty() {
            return Err(Refusal::bad(format!(
                "messages.{}: `tool_use` ids were found without `tool_result` blocks immediately after: {}. Each `tool_use` block must have a corresponding `tool_result` block in the next message.",
                index.saturating_sub(1),
                left.join(", ")
            )));
        }
        called.clear();
        for part in &message.parts {
            let Part::Call { id, .. } = part else {
                continue;
            };
            if called.contains(&id.as_str()) {
                return Err(Refusal::bad("messages: `tool_use` ids must be unique"));
            }
            called.push(id);
        }
        let unthought =
            !called.is_empty() && !matches!(message.parts.first(), Some(Part::Thinking { .. }));
        if thinks && unthought && index + 2 >= asked.messages.len() {
            return Err(Refusal::bad(format!(
                "messages.{index}.content.0.type: Expected `thinking` or `redacted_thinking`, but found `tool_use`. When `thinking` is enabled, a final `assistant` message must start with a thinking block."
            )));
        }
    }
    match called.is_empty() {
        true => Ok(()),
        false => Err(Refusal::bad(format!(
            "messages.{}: `tool_use` ids were found without `tool_result` blocks immediately after: {}. Each `tool_use` block must have a corresponding `tool_result` block in the next message.",
            asked.messages.len() - 1,
            called.join(", ")
        ))),
    }
}
