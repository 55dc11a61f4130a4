use serde_json::{Map, Value};
use tollgate_core::Rejection;

use super::Input;
use crate::{
    canon::Part,
    json::{self, Path},
    openai::responses::seal,
};

impl Input<'_> {
    /// Reads a `reasoning` item.
    pub(super) fn reasoning(
        &mut self,
        fields: Map<String, Value>,
        index: usize,
        at: Path<'_>,
    ) -> Result<(), Rejection> {
        let (mut summary, mut content, mut sealed) = (String::new(), String::new(), None);
        for (key, value) in fields {
            let at = at.key(&key);
            match key.as_str() {
                "type" | "id" | "status" => {}
                _ if value.is_null() => {}
                "summary" => summary = texts(value, at)?,
                "content" => content = texts(value, at)?,
                "encrypted_content" => sealed = Some(json::text(value, at)?),
                _ => self.ask.losses.field(at.to_string()),
            }
        }
        let shown = if content.is_empty() { summary } else { content };
        let shown = (!shown.is_empty()).then_some(shown);
        let part = match (sealed, shown) {
            (Some(sealed), shown) => {
                let (text, signature) = seal::open(&sealed, shown);
                Part::thought(text, signature)
            }
            (None, Some(text)) => Part::Thinking {
                text,
                signature: None,
            },
            (None, None) => return Ok(()), // A model that thought, and does not say what.
        };
        let signed = !matches!(&part, Part::Thinking { signature, .. } if signature.is_none());
        self.said(index).push(part);
        self.signed |= signed;
        Ok(())
    }
}

/// The texts of a list of `{"type": .., "text": ..}`, with an empty line between them.
fn texts(value: Value, at: Path<'_>) -> Result<String, Rejection> {
    let mut all = String::new();
    for (index, value) in json::list(value, at)?.into_iter().enumerate() {
        let at = at.index(index);
        let mut fields = json::object(value, at)?;
        let at = at.key("text");
        let text = fields.shift_remove("text");
        let text = json::text(text.ok_or_else(|| json::missing(at))?, at)?;
        if !all.is_empty() {
            all.push_str("\n\n");
        }
        all.push_str(&text);
    }
    Ok(all)
}
