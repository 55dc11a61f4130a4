//! OpenAI's embeddings.

mod answer;
mod ask;

pub(crate) use self::{
    answer::{read_embed_answer, write_embed_answer},
    ask::{Encoding, read_embed_ask, write_embed_ask},
};
