use std::borrow::Cow;

use http::{StatusCode, request::Parts};
use serde_json::Value;
use tollgate_core::{
    Rejection,
    fact::{Call, Operation, Principal},
};

use super::{Catalog, Model, anthropic, gemini, openai, query::Query};
use crate::Dialect;

impl Catalog {
    /// The answer to a request that goes no further.
    pub(super) fn answer(&self, parts: &Parts) -> Option<Result<Value, Rejection>> {
        let call = parts.extensions.get::<Call>()?;
        if call.operation != Operation::Models {
            return self.refusal(call).map(Err);
        }
        let principal = parts.extensions.get::<Principal>();
        let dialect = Dialect::of(parts);
        Some(match asked(parts.uri.path()) {
            Some(name) => self.one(dialect, &name, principal),
            None => {
                let models = self.iter().filter(|model| model.is_visible(principal));
                let query = Query::of(parts);
                match dialect {
                    Dialect::OpenAi => Ok(openai::list(models)),
                    Dialect::Anthropic => anthropic::list(&models.collect::<Vec<_>>(), &query),
                    Dialect::Gemini => gemini::list(&models.collect::<Vec<_>>(), &query),
                }
            }
        })
    }

    fn one(
        &self,
        dialect: Dialect,
        name: &str,
        principal: Option<&Principal>,
    ) -> Result<Value, Rejection> {
        let model = self
            .get(name)
            .filter(|_| principal.is_none_or(|it| it.may_call(name)))
            .ok_or_else(|| unknown(name))?;
        Ok(match dialect {
            Dialect::OpenAi => openai::model(name, model),
            Dialect::Anthropic => anthropic::model(name, model),
            Dialect::Gemini => gemini::model(name, model),
        })
    }

    /// Why nobody can serve the call.
    fn refusal(&self, call: &Call) -> Option<Rejection> {
        let Some(model) = self.get(&call.model) else {
            return Some(unknown(&call.model));
        };
        // Of a model without candidates nothing is known.
        let served = model.candidates().is_empty() || model.candidates_for(call).next().is_some();
        (!served).then(|| unable(model, call))
    }
}

/// The name of the one model that is asked for. Names may contain slashes.
fn asked(path: &str) -> Option<Cow<'_, str>> {
    let name = ["/v1/models/", "/v1beta/models/"]
        .iter()
        .find_map(|before| path.strip_prefix(before))?;
    Some(super::query::decoded(name))
}

fn unknown(model: &str) -> Rejection {
    Rejection::new(
        StatusCode::NOT_FOUND,
        "model_not_found",
        format!(
            "the model `{}` does not exist, or you have no access to it",
            shown(model)
        ),
    )
    .with_detail("param", "model")
}

fn unable(model: &Model, call: &Call) -> Rejection {
    let lacks: Vec<_> = model.lacks(call).names().collect();
    let what = match (&*lacks, call.operation) {
        ([], Operation::Embeddings) => "embeddings".to_owned(),
        ([], _) => "this kind of request".to_owned(),
        (lacks, _) => lacks.join(", "),
    };
    Rejection::new(
        StatusCode::BAD_REQUEST,
        "model_unable",
        format!("the model `{}` does not serve {what}", shown(&call.model)),
    )
    .with_detail("param", "model")
    .with_detail("lacks", lacks)
}

/// A name is the caller's own text, so only its beginning is repeated.
fn shown(model: &str) -> &str {
    &model[..model.floor_char_boundary(128)]
}
