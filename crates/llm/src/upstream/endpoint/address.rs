use std::fmt;

use http::{Uri, uri::PathAndQuery};
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};

use super::Endpoint;
use crate::dialect::Api;

impl Endpoint {
    /// The address of this form here, and of this model, where that stands in a path. `asked` is the path of a request
    /// that goes on as it is.
    pub(in crate::upstream) fn uri(
        &self,
        form: Api,
        model: &str,
        streams: bool,
        asked: Option<&Uri>,
    ) -> Result<Uri, http::Error> {
        let prefix = &*self.prefix;
        let path = match (&self.azure, form.path_of(&encoded(model)), asked) {
            _ if self.is_bedrock() => {
                let way = if streams {
                    "invoke-with-response-stream"
                } else {
                    "invoke"
                };
                format!("{prefix}/model/{}/{way}", encoded(model)).try_into()?
            }
            (Some(version), path, _) => {
                let deployment = match form {
                    Api::Responses => String::new(),
                    _ => format!("/deployments/{}", encoded(model)),
                };
                format!("{prefix}/openai{deployment}{path}?api-version={version}").try_into()?
            }
            (None, _, Some(asked)) if !form.names_model_in_path() => {
                let known = asked.path_and_query().cloned();
                let asked = known.unwrap_or_else(|| PathAndQuery::from_static("/"));
                let asked = without_keys(asked)?;
                let rest = asked.as_str().strip_prefix(VERSION);
                let rest = rest.filter(|rest| rest.starts_with('/'));
                match rest {
                    _ if prefix == VERSION => asked,
                    rest => format!("{prefix}{}", rest.unwrap_or(asked.as_str())).try_into()?,
                }
            }
            (None, path, _) => format!("{prefix}{path}").try_into()?,
        };
        Uri::builder()
            .scheme(self.scheme.clone())
            .authority(self.authority.clone())
            .path_and_query::<PathAndQuery>(path)
            .build()
    }
}

/// Without the credentials that a client may have put into its query.
fn without_keys(asked: PathAndQuery) -> Result<PathAndQuery, http::Error> {
    let is_key = |pair: &&str| KEYS.contains(&pair.split_once('=').map_or(*pair, |it| it.0));
    let Some(query) = asked.query() else {
        return Ok(asked);
    };
    if !query.split('&').any(|pair| is_key(&pair)) {
        return Ok(asked);
    }
    let mut kept = asked.path().to_owned();
    for (at, pair) in query.split('&').filter(|pair| !is_key(pair)).enumerate() {
        kept.push(if at == 0 { '?' } else { '&' });
        kept.push_str(pair);
    }
    Ok(kept.try_into()?)
}

/// A name in a path.
fn encoded(name: &str) -> impl fmt::Display + '_ {
    const PLAIN: AsciiSet = NON_ALPHANUMERIC
        .remove(b'-')
        .remove(b'.')
        .remove(b'_')
        .remove(b'~');
    utf8_percent_encode(name, &PLAIN)
}

const VERSION: &str = "/v1";
/// Under which names keys are sent in queries.
const KEYS: [&str; 5] = ["key", "access_token", "api_key", "api-key", "apikey"];
