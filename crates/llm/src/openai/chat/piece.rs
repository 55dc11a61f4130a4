use serde_json::Value;

/// What a message or a delta says, in whatever form a server says it.
#[derive(Debug)]
pub(super) enum Piece {
    Thinking(String),
    Text(String),
    Refusal(String),
    Call(Call),
}

/// A tool call, or a piece of one. What is not said is empty.
#[derive(Debug)]
pub(super) struct Call {
    pub(super) index: Option<u64>,
    pub(super) id: String,
    pub(super) name: String,
    pub(super) arguments: String,
}

/// Takes a message or a delta apart: thoughts first, calls last.
pub(super) fn pieces(message: &mut Value) -> Vec<Piece> {
    let mut pieces = Vec::new();
    for name in ["reasoning_content", "reasoning"] {
        if let Some(text) = take_text(message, name) {
            pieces.push(Piece::Thinking(text));
            break; // Some servers say it by both names.
        }
    }
    match take(message, "content") {
        Value::Array(parts) => pieces.extend(parts.into_iter().filter_map(part)),
        content => pieces.extend(some_text(content).map(Piece::Text)),
    }
    pieces.extend(take_text(message, "refusal").map(Piece::Refusal));
    if let Value::Array(calls) = take(message, "tool_calls") {
        pieces.extend(calls.into_iter().map(|call| Piece::Call(read_call(call))));
    }
    pieces
}

/// The field's value; null if there is none.
pub(super) fn take(value: &mut Value, name: &str) -> Value {
    value.get_mut(name).map(Value::take).unwrap_or_default()
}

/// The field's text, if it says something.
pub(super) fn take_text(value: &mut Value, name: &str) -> Option<String> {
    some_text(take(value, name))
}

fn some_text(value: Value) -> Option<String> {
    match value {
        Value::String(text) if !text.is_empty() => Some(text),
        _ => None,
    }
}

/// Mistral's content is a list where the model thinks.
fn part(mut part: Value) -> Option<Piece> {
    match take(&mut part, "type").as_str()? {
        "text" => take_text(&mut part, "text").map(Piece::Text),
        "refusal" => take_text(&mut part, "refusal").map(Piece::Refusal),
        "thinking" => match take(&mut part, "thinking") {
            Value::Array(texts) => {
                let texts = texts.into_iter();
                let text: String = texts
                    .filter_map(|mut text| take_text(&mut text, "text"))
                    .collect();
                (!text.is_empty()).then_some(Piece::Thinking(text))
            }
            text => some_text(text).map(Piece::Thinking),
        },
        _ => None,
    }
}

fn read_call(mut call: Value) -> Call {
    let mut function = take(&mut call, "function");
    Call {
        index: take(&mut call, "index").as_u64(),
        id: take_text(&mut call, "id").unwrap_or_default(),
        name: take_text(&mut function, "name").unwrap_or_default(),
        arguments: match take(&mut function, "arguments") {
            Value::Null => String::new(),
            Value::String(text) => text,
            // Ollama's are the object itself.
            value => value.to_string(),
        },
    }
}
