use http::StatusCode;
use serde::Deserialize;
use serde_json::value::RawValue;
use tollgate_core::Rejection;

use super::{
    Edit, Peek,
    fields::{Fields, Generation, integer, is_bound},
    malformed, span,
};
use crate::{dialect::Api, quick};

impl Peek {
    /// What makes the request ask for no more output than is allowed. Where the caller asks for less, nothing does.
    ///
    /// `legacy` says that the server knows `max_tokens` only, where OpenAI has a newer name.
    pub(crate) fn limit(
        &self,
        api: Api,
        allowed: u64,
        legacy: bool,
    ) -> Result<Vec<Edit>, Rejection> {
        let fields: Fields<'_> = quick::read(&self.body).map_err(|error| malformed(&error))?;
        match api {
            Api::Chat | Api::Completions | Api::Responses | Api::Messages => {
                let limits = fields.limits(api);
                let is_said = |field: Option<&RawValue>| field.is_some_and(is_value);
                let wanted = match limits {
                    // A server that does not know the newer field passes over it.
                    [_, (name, field)] if legacy && !is_said(field) => Some((name, field)),
                    [(name, field), (_, other)] if !is_said(field) && !is_said(other) => {
                        Some((name, field))
                    }
                    _ => None,
                };
                let mut edits = self.lowered(api, limits.map(|(_, limit)| limit), allowed);
                edits.extend(wanted.map(|(name, field)| match field {
                    Some(null) => (span(&self.body, null), allowed.to_string().into()),
                    None => self.added(&self.body, 0, &format!(r#""{name}":{allowed}"#)),
                }));
                if !edits.is_empty() && api == Api::Messages {
                    leave_room(&fields, allowed)?;
                }
                Ok(edits)
            }
            Api::Generate | Api::StreamGenerate { .. } => {
                self.limit_generation(api, fields.generation, allowed)
            }
            _ => Ok(Vec::new()),
        }
    }

    fn limit_generation(
        &self,
        api: Api,
        raw: Option<&RawValue>,
        allowed: u64,
    ) -> Result<Vec<Edit>, Rejection> {
        let limit = format!(r#""maxOutputTokens":{allowed}"#);
        let Some(raw) = raw else {
            let whole = format!(r#""generationConfig":{{{limit}}}"#);
            return Ok(vec![self.added(&self.body, 0, &whole)]);
        };
        let at = span(&self.body, raw);
        if raw.get() == "null" {
            return Ok(vec![(at, format!("{{{limit}}}").into())]);
        }
        let known: Option<Generation<'_>> = Some(raw.get())
            .filter(|raw| raw.starts_with('{'))
            .and_then(|raw| serde_json::from_str(raw).ok());
        let known = known.ok_or_else(no_generation)?;
        Ok(match known.max_output {
            None => vec![self.added(raw.get().as_bytes(), at.start, &limit)],
            Some(raw) if !is_value(raw) => {
                vec![(span(&self.body, raw), allowed.to_string().into())]
            }
            limit => self.lowered(api, [limit, None], allowed),
        })
    }

    /// What lowers these limits. What is no number may be one to the provider.
    fn lowered(&self, api: Api, limits: [Option<&RawValue>; 2], allowed: u64) -> Vec<Edit> {
        let is_higher = |limit: &&RawValue| {
            integer(Some(limit)).is_none_or(|it| it > allowed || !is_bound(api, it))
        };
        let said = limits.into_iter().flatten().filter(|limit| is_value(limit));
        let higher = said.filter(is_higher);
        higher
            .map(|limit| (span(&self.body, limit), allowed.to_string().into()))
            .collect()
    }

    /// What adds a field at the end of an object that begins at `start` in the body.
    fn added(&self, object: &[u8], start: usize, field: &str) -> Edit {
        let end = object.iter().rposition(|&byte| byte == b'}').unwrap_or(0);
        let is_first = object[..end].trim_ascii_end().ends_with(b"{");
        let comma = if is_first { "" } else { "," };
        (start + end..start + end, format!("{comma}{field}").into())
    }
}

fn is_value(raw: &RawValue) -> bool {
    raw.get() != "null"
}

/// Anthropic takes no budget of thinking that is not below the maximum. One that the caller itself has so is another
/// matter: then it is for a whole turn of several calls.
fn leave_room(fields: &Fields<'_>, allowed: u64) -> Result<(), Rejection> {
    let thinking = fields.thinking.map(|raw| serde_json::from_str(raw.get()));
    let Some(Ok(Thinking {
        budget_tokens: Some(budget),
    })) = thinking
    else {
        return Ok(());
    };
    let asked = fields.max_output(Api::Messages);
    if allowed > budget || asked.is_some_and(|asked| asked <= budget) {
        return Ok(());
    }
    let message = format!(
        "the {allowed} tokens of output that the budget allows leave no room beside `thinking.budget_tokens`, {budget}"
    );
    let rejection = Rejection::new(StatusCode::BAD_REQUEST, "allowance_too_small", message);
    Err(rejection.with_detail("param", "thinking.budget_tokens"))
}

#[derive(Deserialize)]
struct Thinking {
    #[serde(default)]
    budget_tokens: Option<u64>,
}

fn no_generation() -> Rejection {
    let message = "`generationConfig` is not an object with each field once";
    Rejection::new(StatusCode::BAD_REQUEST, "invalid_json", message)
        .with_detail("param", "generationConfig")
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;
    use http::Uri;

    use crate::{dialect::Api, peek::Peek};

    const CONTENTS: &str = "/v1/models/m:generateContent";

    fn limited(api: Api, body: &str, legacy: bool) -> Result<String, String> {
        let body = Bytes::from(body.to_owned());
        let (_, peek) = Peek::at(api, &Uri::from_static(CONTENTS), &body).unwrap();
        let edits = peek.limit(api, 9, legacy);
        let edits = edits.map_err(|rejection| rejection.code().to_owned())?;
        let (body, _) = peek.rewrite("", true, edits);
        Ok(String::from_utf8(body.to_vec()).unwrap())
    }

    #[test]
    fn the_limit_is_set_in_the_callers_own_words_and_all_else_stays() {
        const CHAT: Api = Api::Chat;
        const GENERATE: Api = Api::Generate;
        for (api, sent, expected) in [
            (
                CHAT,
                r#"{ "model":"m" } "#,
                r#"{ "model":"m" ,"max_completion_tokens":9} "#,
            ),
            (
                CHAT,
                r#"{"model":"m","max_tokens":9}"#,
                r#"{"model":"m","max_tokens":9}"#,
            ),
            (
                CHAT,
                r#"{"model":"m","max_tokens": 10}"#,
                r#"{"model":"m","max_tokens": 9}"#,
            ),
            (
                CHAT,
                r#"{"model":"m","max_tokens":3,"max_completion_tokens":99}"#,
                r#"{"model":"m","max_tokens":3,"max_completion_tokens":9}"#,
            ),
            (
                CHAT,
                r#"{"max_completion_tokens":null,"model":"m","max_tokens":null}"#,
                r#"{"max_completion_tokens":9,"model":"m","max_tokens":null}"#,
            ),
            (
                Api::Messages,
                r#"{"model":"m","max_tokens":null}"#,
                r#"{"model":"m","max_tokens":9}"#,
            ),
            (
                CHAT,
                r#"{"model":"m","max_tokens":"100"}"#,
                r#"{"model":"m","max_tokens":9}"#,
            ),
            (
                CHAT,
                r#"{"model":"m","stream":true}"#,
                r#"{"model":"m","stream":true,"stream_options":{"include_usage":true},"max_completion_tokens":9}"#,
            ),
            (
                Api::Responses,
                r#"{"model":"m"}"#,
                r#"{"model":"m","max_output_tokens":9}"#,
            ),
            (
                Api::Messages,
                r#"{"model":"m","max_tokens":1e3,"thinking":{"type":"adaptive"}}"#,
                r#"{"model":"m","max_tokens":9,"thinking":{"type":"adaptive"}}"#,
            ),
            (
                GENERATE,
                "{}",
                r#"{"generationConfig":{"maxOutputTokens":9}}"#,
            ),
            (
                GENERATE,
                r#"{"generationConfig":null}"#,
                r#"{"generationConfig":{"maxOutputTokens":9}}"#,
            ),
            (
                GENERATE,
                r#"{"generation_config":{ },"x":1}"#,
                r#"{"generation_config":{ "maxOutputTokens":9},"x":1}"#,
            ),
            (
                GENERATE,
                r#"{"generationConfig":{"topK":1,"max_output_tokens":70}}"#,
                r#"{"generationConfig":{"topK":1,"max_output_tokens":9}}"#,
            ),
            (
                GENERATE,
                r#"{"generationConfig":{"maxOutputTokens":null}}"#,
                r#"{"generationConfig":{"maxOutputTokens":9}}"#,
            ),
            (
                GENERATE,
                r#"{"generationConfig":{"maxOutputTokens":0}}"#,
                r#"{"generationConfig":{"maxOutputTokens":9}}"#,
            ),
            (
                CHAT,
                r#"{"model":"m","max_tokens":0}"#,
                r#"{"model":"m","max_tokens":9}"#,
            ),
            (
                Api::Messages,
                r#"{"model":"m","max_tokens":0}"#,
                r#"{"model":"m","max_tokens":0}"#,
            ),
            (
                GENERATE,
                r#"{"generationConfig":{"maxOutputTokens":7}}"#,
                r#"{"generationConfig":{"maxOutputTokens":7}}"#,
            ),
            (Api::Embeddings, r#"{"model":"m"}"#, r#"{"model":"m"}"#),
        ] {
            assert_eq!(limited(api, sent, false).unwrap(), expected, "{sent}");
        }
    }

    #[test]
    fn a_server_of_the_older_form_is_told_in_its_own_field() {
        for (sent, expected) in [
            (r#"{"model":"m"}"#, r#"{"model":"m","max_tokens":9}"#),
            (
                r#"{"model":"m","max_completion_tokens":5}"#,
                r#"{"model":"m","max_completion_tokens":5,"max_tokens":9}"#,
            ),
        ] {
            assert_eq!(limited(Api::Chat, sent, true).unwrap(), expected);
        }
    }

    #[test]
    fn what_cannot_be_limited_is_refused() {
        let thinks = |most: &str, budget: u64| {
            format!(r#"{{"model":"m"{most},"thinking":{{"budget_tokens":{budget}}}}}"#)
        };
        for (api, body, code) in [
            (
                Api::Messages,
                thinks(r#","max_tokens":50"#, 9),
                "allowance_too_small",
            ),
            (Api::Messages, thinks("", 20), "allowance_too_small"),
            (
                Api::Generate,
                r#"{"generationConfig":[9]}"#.to_owned(),
                "invalid_json",
            ),
            (
                Api::Generate,
                r#"{"generationConfig":{"maxOutputTokens":1,"max_output_tokens":99}}"#.to_owned(),
                "invalid_json",
            ),
        ] {
            assert_eq!(limited(api, &body, false).unwrap_err(), code, "{body}");
        }
        for (most, budget) in [
            (r#","max_tokens":50"#, 8),
            (r#","max_tokens":7"#, 20),
            (r#","max_tokens":15"#, 20),
        ] {
            assert!(limited(Api::Messages, &thinks(most, budget), false).is_ok());
        }
    }
}
