use serde_json::Value;
use tollgate_core::Rejection;

use crate::{
    canon::Losses,
    json::{self, Path},
};

/// What a caller wants to have told besides.
#[derive(Debug, Default)]
pub(super) struct Include {
    pub(super) logprobs: bool,
}

impl Include {
    pub(super) fn read(value: Value, at: Path<'_>, losses: &mut Losses) -> Result<Self, Rejection> {
        let mut include = Self::default();
        for (index, value) in json::list(value, at)?.into_iter().enumerate() {
            let at = at.index(index);
            match json::text(value, at)?.as_str() {
                "message.output_text.logprobs" => include.logprobs = true,
                "reasoning.encrypted_content" => {} // It is there unasked.
                _ => losses.field(at.to_string()),
            }
        }
        Ok(include)
    }
}
