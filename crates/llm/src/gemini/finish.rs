use crate::canon::{Fault, Finish, Kind};

/// Why an answer ends, by Google's name. Calls end with `STOP` as well.
///
/// # Errors
/// If the model or Google failed; that is no end of an answer.
pub(super) fn read(reason: &str, called: bool, message: Option<String>) -> Result<Finish, Fault> {
    Ok(match reason {
        "STOP" | "FUNCTION_CALL" if called => Finish::ToolCalls,
        "STOP" => Finish::Stop,
        "MAX_TOKENS" => Finish::Length,
        "SAFETY"
        | "RECITATION"
        | "LANGUAGE"
        | "BLOCKLIST"
        | "PROHIBITED_CONTENT"
        | "SPII"
        | "MODEL_ARMOR"
        | "IMAGE_SAFETY"
        | "IMAGE_PROHIBITED_CONTENT"
        | "IMAGE_RECITATION" => Finish::Filtered,
        _ => return Err(fault(reason, message)),
    })
}

/// Google's name for why an answer ends.
pub(super) const fn write(finish: &Finish) -> &'static str {
    match finish {
        Finish::Stop | Finish::StopSequence(_) | Finish::ToolCalls | Finish::Pause => "STOP",
        Finish::Length | Finish::ContextWindow => "MAX_TOKENS",
        Finish::Filtered => "SAFETY",
    }
}

fn fault(reason: &str, message: Option<String>) -> Fault {
    let reason: String = reason.chars().take(64).collect();
    let said = message.filter(|message| !message.is_empty());
    Fault {
        kind: Kind::Internal,
        message: said.unwrap_or_else(|| format!("the model's answer ended with {reason}")),
        code: reason,
        param: None,
        retry_after: None,
    }
}

/// For arguments that are no object, as Google calls it.
pub(super) const MALFORMED: &str = "MALFORMED_FUNCTION_CALL";

#[cfg(test)]
mod tests {
    use super::{read, write};
    use crate::canon::Finish;

    #[test]
    fn reasons_are_told_from_faults() {
        for (reason, called, expected) in [
            ("STOP", false, Some(Finish::Stop)),
            ("STOP", true, Some(Finish::ToolCalls)),
            ("FUNCTION_CALL", true, Some(Finish::ToolCalls)),
            ("MAX_TOKENS", true, Some(Finish::Length)),
            ("SAFETY", false, Some(Finish::Filtered)),
            ("SPII", true, Some(Finish::Filtered)),
            ("MALFORMED_FUNCTION_CALL", false, None),
            ("MISSING_THOUGHT_SIGNATURE", true, None),
            ("OTHER", false, None),
            ("FINISH_REASON_UNSPECIFIED", false, None),
            ("SOMETHING_NEW", false, None),
        ] {
            assert_eq!(read(reason, called, None).ok(), expected, "{reason}");
        }
        let fault = read("OTHER", false, Some("why".to_owned())).unwrap_err();
        assert_eq!((&*fault.code, &*fault.message), ("OTHER", "why"));
    }

    #[test]
    fn every_end_has_a_reason() {
        for (finish, reason) in [
            (Finish::StopSequence(None), "STOP"),
            (Finish::ToolCalls, "STOP"),
            (Finish::Pause, "STOP"),
            (Finish::ContextWindow, "MAX_TOKENS"),
            (Finish::Filtered, "SAFETY"),
        ] {
            assert_eq!(write(&finish), reason);
        }
    }
}
