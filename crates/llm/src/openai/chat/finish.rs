use crate::canon::{Fault, Finish, Kind};

/// Reads a reason why an answer ends; servers have their own words for the same.
pub(super) fn read(reason: &str) -> Result<Finish, Fault> {
    Ok(match reason.to_ascii_lowercase().as_str() {
        "stop" | "stop_sequence" | "eos" | "eos_token" | "end_turn" | "complete" => Finish::Stop,
        "length" | "max_tokens" | "model_length" => Finish::Length,
        "tool_calls" | "tool_call" | "tool_use" | "function_call" => Finish::ToolCalls,
        "content_filter" | "safety" | "sensitive" | "refusal" => Finish::Filtered,
        "insufficient_system_resource" => return Err(broken(Kind::Overloaded, reason)),
        _ => return Err(broken(Kind::Internal, reason)),
    })
}

/// OpenAI's word for it.
pub(crate) const fn finish_reason(finish: &Finish) -> &'static str {
    match finish {
        Finish::Stop | Finish::StopSequence(_) | Finish::Pause => "stop",
        Finish::Length | Finish::ContextWindow => "length",
        Finish::ToolCalls => "tool_calls",
        Finish::Filtered => "content_filter",
    }
}

/// What the whole answer says about its end: servers say `stop` also with tool calls, and which text stopped it apart.
pub(super) fn settle(finish: Finish, called: bool, stopped_by: Option<String>) -> Finish {
    match (finish, stopped_by) {
        (Finish::Stop, _) if called => Finish::ToolCalls,
        (Finish::Stop, Some(text)) => Finish::StopSequence(Some(text)),
        (finish, _) => finish,
    }
}

fn broken(kind: Kind, reason: &str) -> Fault {
    Fault {
        kind,
        code: "answer_broken_off".to_owned(),
        message: format!("the provider broke its answer off ({reason:.64})"),
        param: None,
        retry_after: None,
    }
}
