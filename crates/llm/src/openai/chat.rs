//! OpenAI's chat completions, as OpenAI and the many servers compatible with it speak them.

mod answer_read;
mod answer_write;
mod ask_read;
mod ask_write;
mod call;
mod finish;
mod format_read;
mod message_read;
mod message_write;
mod part_read;
mod part_write;
mod piece;
mod stream_read;
mod stream_write;
mod take;
#[cfg(test)]
mod tests;
mod tool_read;
mod tool_write;

use std::borrow::Cow;

pub(crate) use self::{
    answer_read::read_answer,
    answer_write::write_answer,
    ask_read::{NAMES, read_ask},
    ask_write::write_ask,
    call::new_id,
    finish::finish_reason,
    stream_read::StreamReader,
    stream_write::StreamWriter,
};
use crate::canon::Part;

/// The texts that `which` finds among the parts, as one; none if there is none.
pub(crate) fn text_of<'a>(
    parts: &'a [Part],
    which: impl Fn(&'a Part) -> Option<&'a String>,
) -> Option<Cow<'a, str>> {
    let mut texts = parts.iter().filter_map(which);
    let mut all = Cow::Borrowed(texts.next()?.as_str());
    for text in texts {
        all.to_mut().push_str(text);
    }
    Some(all)
}
