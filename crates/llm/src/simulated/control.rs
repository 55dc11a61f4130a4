use std::collections::BTreeMap;

use bytes::Bytes;
use http::{Method, Response, StatusCode, Uri};
use serde::Deserialize;
use serde_json::{Value, json};

use super::{Prices, Simulated, Step, body::Answering, respond, route::query};

/// What a test asks of the provider, from outside.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Call {
    Stats,
    Script,
    Bill,
    Requests,
    Prices,
    Reset,
    Unknown,
}

impl Call {
    pub(crate) fn of(method: &Method, path: &str) -> Option<Self> {
        if path == "/stats" && method == Method::GET {
            return Some(Self::Stats);
        }
        let call = path.strip_prefix("/_control/")?;
        Some(match (method, call) {
            (&Method::POST, "script") => Self::Script,
            (&Method::GET, "bill") => Self::Bill,
            (&Method::GET, "requests") => Self::Requests,
            (&Method::POST, "prices") => Self::Prices,
            (&Method::POST, "reset") => Self::Reset,
            _ => Self::Unknown,
        })
    }
}

/// Steps, bare or under a name.
#[derive(Deserialize)]
#[serde(untagged)]
enum Steps {
    Bare(Vec<Step>),
    Named { steps: Vec<Step> },
}

pub(crate) fn answer(
    provider: &Simulated,
    call: Call,
    uri: &Uri,
    body: &Bytes,
) -> Response<Answering> {
    match call {
        Call::Stats => {
            respond::json(&serde_json::to_value(provider.stats().read()).unwrap_or_default())
        }
        Call::Bill => respond::json(&serde_json::to_value(provider.bill()).unwrap_or_default()),
        Call::Requests => {
            let all = provider.requests();
            let last = query(uri, "last")
                .and_then(|last| last.parse().ok())
                .unwrap_or(all.len());
            let last = &all[all.len() - last.min(all.len())..];
            respond::json(&serde_json::to_value(last).unwrap_or_default())
        }
        Call::Script => match serde_json::from_slice(body) {
            Ok(Steps::Bare(steps) | Steps::Named { steps }) => {
                respond::json(&json!({ "queued": provider.script.add(steps) }))
            }
            // An untagged enum cannot say which field is wrong; a list alone can.
            Err(_) => wrong(&serde_json::from_slice::<Vec<Step>>(body).map(|_| ())),
        },
        Call::Prices => match serde_json::from_slice::<BTreeMap<String, Prices>>(body) {
            Ok(prices) => {
                prices
                    .iter()
                    .for_each(|(model, prices)| provider.meter.set_prices(model, *prices));
                respond::json(&json!({ "models": prices.len() }))
            }
            Err(error) => wrong::<()>(&Err(error)),
        },
        Call::Reset => {
            provider.reset();
            respond::json(&json!({}))
        }
        Call::Unknown => said(StatusCode::NOT_FOUND, &json!("there is no such control")),
    }
}

fn wrong<T>(read: &Result<T, serde_json::Error>) -> Response<Answering> {
    let error = read.as_ref().err().map(ToString::to_string);
    said(
        StatusCode::BAD_REQUEST,
        &json!(error.unwrap_or_else(|| "steps are missing".into())),
    )
}

fn said(status: StatusCode, error: &Value) -> Response<Answering> {
    let mut response = respond::json(&json!({ "error": error }));
    *response.status_mut() = status;
    response
}
