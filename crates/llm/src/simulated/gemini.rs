mod contents;
mod embed;
mod error;
mod fields;
mod generate;
mod rules;

pub(crate) use self::{
    contents::contents,
    embed::{batch, embed},
    error::{error, headers, model, models, no_key, wrong_key},
    fields::{Shape, normal},
    generate::Generate,
};
