use std::net::IpAddr;

use ipnet::IpNet;
use serde::{Deserialize, Serialize};

use super::pattern::matches;

/// What a caller may do. A list that is there restricts, be it empty; one that is absent does not.
///
/// A [`Principal`](super::Principal) can have several, one for each place that restricts it (its key, that key's parent,
/// its user, team and organisation): all of them must allow a thing, so that nobody can have more than whoever is above.
#[derive(Clone, Debug, Default, Eq, PartialEq, Deserialize, Serialize)]
#[serde(default, deny_unknown_fields)]
pub struct Permissions {
    /// Patterns of models; a `*` stands for any run of characters.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub models: Option<Vec<String>>,
    /// Patterns of routes: a path, or a method, a space and a path, such as `POST /v1/chat/*`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub routes: Option<Vec<String>>,
    /// Where requests may come from.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub networks: Option<Vec<IpNet>>,
}

impl Permissions {
    /// Whether a model may be called.
    #[must_use]
    pub fn allow_model(&self, model: &str) -> bool {
        allow(self.models.as_deref(), |pattern| matches(pattern, model))
    }

    /// Whether a path may be asked for by a method.
    #[must_use]
    pub fn allow_route(&self, method: &str, path: &str) -> bool {
        allow(self.routes.as_deref(), |pattern| {
            match pattern.split_once(' ') {
                Some((known, pattern)) => known == method && matches(pattern, path),
                None => matches(pattern, path),
            }
        })
    }

    /// Whether a request may come from this address. An IPv4 address is the same when it is written as an IPv6 one.
    #[must_use]
    pub fn allow_address(&self, address: IpAddr) -> bool {
        let address = address.to_canonical();
        allow(self.networks.as_deref(), |network| {
            network.contains(&address)
        })
    }
}

fn allow<T>(list: Option<&[T]>, covers: impl Fn(&T) -> bool) -> bool {
    list.is_none_or(|list| list.iter().any(covers))
}
