use crate::canon::Finish;

/// Reads a `stop_reason`; nothing if it is unknown.
pub(super) fn read(reason: &str, sequence: Option<String>) -> Option<Finish> {
    Some(match reason {
        "end_turn" => Finish::Stop,
        "stop_sequence" => Finish::StopSequence(sequence),
        "max_tokens" => Finish::Length,
        "model_context_window_exceeded" => Finish::ContextWindow,
        "tool_use" => Finish::ToolCalls,
        "refusal" => Finish::Filtered,
        "pause_turn" => Finish::Pause,
        _ => return None,
    })
}

/// The `stop_reason`, and the `stop_sequence` if there is one.
pub(super) fn write(finish: &Finish) -> (&'static str, Option<&str>) {
    let reason = match finish {
        Finish::Stop => "end_turn",
        Finish::StopSequence(sequence) => return ("stop_sequence", sequence.as_deref()),
        Finish::Length => "max_tokens",
        Finish::ContextWindow => "model_context_window_exceeded",
        Finish::ToolCalls => "tool_use",
        Finish::Filtered => "refusal",
        Finish::Pause => "pause_turn",
    };
    (reason, None)
}
