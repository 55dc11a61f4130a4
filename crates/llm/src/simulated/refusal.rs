use serde_json::{Value, json};

/// Why a request is not answered; each dialect words it in its own way.
#[derive(Clone, Debug, Default)]
pub(crate) struct Refusal {
    pub(crate) status: u16,
    /// The code (OpenAI), type (Anthropic), or status (Gemini), if not the one that goes with the status.
    pub(crate) code: Option<String>,
    pub(crate) message: String,
    pub(crate) param: Option<String>,
    pub(crate) retry_after: Option<u64>,
    /// What else Gemini tells.
    pub(crate) details: Vec<Value>,
}

impl Refusal {
    pub(crate) fn new(status: u16, message: impl Into<String>) -> Self {
        Self {
            status,
            message: message.into(),
            ..Self::default()
        }
    }

    /// What was asked is wrong.
    pub(crate) fn bad(message: impl Into<String>) -> Self {
        Self::new(400, message)
    }

    pub(crate) fn code(mut self, code: impl Into<String>) -> Self {
        self.code = Some(code.into());
        self
    }

    pub(crate) fn param(mut self, param: impl Into<String>) -> Self {
        self.param = Some(param.into());
        self
    }

    pub(crate) fn detail(mut self, kind: &str, mut detail: Value) -> Self {
        detail["@type"] = json!(format!("type.googleapis.com/google.rpc.{kind}"));
        self.details.push(detail);
        self
    }
}
