use http::{HeaderMap, HeaderName, HeaderValue, header};

use super::Endpoint;
use crate::{Dialect, dialect::ANTHROPIC_VERSION};

/// Leaves what a provider should see of a client's headers: no hop-by-hop fields, none of the client's credentials,
/// nothing of ours or of dialects that it does not speak, and no encodings, so that the answer can be metered.
pub(super) fn forward(headers: &mut HeaderMap, speaks: Dialect) {
    let foreign = match speaks {
        Dialect::OpenAi => ["anthropic-", "x-goog-"],
        Dialect::Anthropic => ["openai-", "x-goog-"],
        Dialect::Gemini => ["openai-", "anthropic-"],
    };
    remove(headers, |name| {
        is_hop_by_hop(name)
            || foreign.iter().any(|own| name.as_str().starts_with(own))
            || IN_REQUESTS.contains(name)
            || OWN_IN_REQUESTS.contains(&name.as_str())
            || OWN_BEGIN.iter().any(|own| name.as_str().starts_with(own))
    });
}

/// Leaves what a client should see of a provider's headers: no hop-by-hop fields, no cookies, and nothing of the
/// account that all callers share.
pub(super) fn back(headers: &mut HeaderMap) {
    remove(headers, |name| {
        is_hop_by_hop(name)
            || IN_ANSWERS.contains(name)
            || OWN_IN_ANSWERS
                .iter()
                .any(|own| name.as_str().starts_with(own))
    });
}

/// Leaves of a client's headers what makes sense in another dialect.
pub(super) fn translate(headers: &mut HeaderMap, endpoint: &Endpoint) {
    remove(headers, |name| {
        DIALECTS.iter().any(|own| name.as_str().starts_with(own))
    });
    headers.insert(header::CONTENT_TYPE, JSON);
    headers.remove(header::ACCEPT);
    if endpoint.speaks() == Dialect::Anthropic {
        headers.insert(ANTHROPIC_VERSION, endpoint.version().clone());
    }
}

/// Leaves of a provider's headers what makes sense in the caller's dialect.
pub(super) fn translated(headers: &mut HeaderMap) {
    remove(headers, |name| {
        DIALECTS.iter().any(|own| name.as_str().starts_with(own))
    });
}

/// Leaves of a client's headers what Bedrock takes: there, what Anthropic's say stands in the body, and the path says
/// what to accept.
pub(super) fn bedrock(headers: &mut HeaderMap) {
    remove(headers, |name| {
        name.as_str().starts_with("anthropic-") || name.as_str().starts_with("x-amz-")
    });
    headers.insert(header::CONTENT_TYPE, JSON);
    headers.remove(header::ACCEPT);
}

/// The provider's own name for a request.
pub(super) fn take_request_id(headers: &mut HeaderMap) -> Option<HeaderValue> {
    let anthropics = headers.remove("request-id");
    let amazons = headers.remove("x-amzn-requestid");
    headers.remove("x-request-id").or(anthropics).or(amazons)
}

/// Whether this is the type of the content.
pub(super) fn is(headers: &HeaderMap, essence: &str) -> bool {
    headers.get(header::CONTENT_TYPE).is_some_and(|value| {
        let value = value.as_bytes();
        value.len() >= essence.len()
            && value[..essence.len()].eq_ignore_ascii_case(essence.as_bytes())
            && matches!(value.get(essence.len()), None | Some(b';' | b' '))
    })
}

fn remove(headers: &mut HeaderMap, unwanted: impl Fn(&HeaderName) -> bool) {
    // What `Connection` names belongs to the hop as well (RFC 9110, 7.6.1).
    let connection = headers.get_all(header::CONNECTION).iter();
    let named: Vec<HeaderName> = connection
        .filter_map(|value| value.to_str().ok())
        .flat_map(|value| value.split(','))
        .filter_map(|name| name.trim().parse().ok())
        .filter(|name| *name != header::CONTENT_TYPE)
        .collect();
    let unwanted: Vec<HeaderName> = headers
        .keys()
        .filter(|name| unwanted(name))
        .cloned()
        .collect();
    for name in named.iter().chain(&unwanted) {
        headers.remove(name);
    }
}

fn is_hop_by_hop(name: &HeaderName) -> bool {
    HOP_BY_HOP.contains(name)
        || name.as_str() == "keep-alive"
        || name.as_str() == "proxy-connection"
}

const HOP_BY_HOP: [HeaderName; 7] = [
    header::CONNECTION,
    header::PROXY_AUTHENTICATE,
    header::PROXY_AUTHORIZATION,
    header::TE,
    header::TRAILER,
    header::TRANSFER_ENCODING,
    header::UPGRADE,
];
const IN_REQUESTS: [HeaderName; 6] = [
    header::HOST,
    header::CONTENT_LENGTH,
    header::ACCEPT_ENCODING,
    header::EXPECT,
    header::AUTHORIZATION,
    header::COOKIE,
];
const OWN_IN_REQUESTS: [&str; 8] = [
    "x-api-key",
    "x-goog-api-key",
    "x-goog-user-project",
    "x-real-ip",
    "forwarded",
    "api-key",
    "openai-organization",
    "openai-project",
];
/// By how they begin: what is ours, what proxies say of who the client is, and what chooses a dearer service than the
/// configured one.
const OWN_BEGIN: [&str; 4] = ["x-tollgate-", "x-forwarded-", "x-vertex-", "x-amzn-"];
const IN_ANSWERS: [HeaderName; 4] = [
    header::SET_COOKIE,
    header::WWW_AUTHENTICATE,
    header::ALT_SVC,
    header::STRICT_TRANSPORT_SECURITY,
];
/// By how they begin.
const OWN_IN_ANSWERS: [&str; 6] = [
    "x-ratelimit-",
    "x-tollgate-",
    "openai-organization",
    "openai-project",
    "anthropic-ratelimit-",
    "anthropic-organization-id",
];

/// How the names of headers begin that only one dialect knows.
const DIALECTS: [&str; 5] = [
    "openai-",
    "anthropic-",
    "x-goog-",
    "x-stainless-",
    "user-agent",
];
pub(super) const JSON: HeaderValue = HeaderValue::from_static("application/json");

#[cfg(test)]
mod tests {
    use http::{HeaderMap, HeaderName};

    use crate::Dialect;

    fn map(names: &[&str]) -> HeaderMap {
        let header = |name: &&str| (name.parse::<HeaderName>().unwrap(), "x".parse().unwrap());
        names.iter().map(header).collect()
    }

    fn left(headers: &HeaderMap) -> Vec<&str> {
        let mut names: Vec<_> = headers.keys().map(HeaderName::as_str).collect();
        names.sort_unstable();
        names
    }

    #[test]
    fn credentials_and_what_belongs_to_the_hop_stay_behind() {
        let mut headers = map(&[
            "authorization",
            "x-api-key",
            "api-key",
            "x-goog-api-key",
            "cookie",
            "host",
            "te",
            "upgrade",
            "keep-alive",
            "transfer-encoding",
            "content-length",
            "accept-encoding",
            "openai-organization",
            "x-tollgate-anything",
            "x-forwarded-for",
            "forwarded",
            "x-real-ip",
            "x-goog-user-project",
            "x-vertex-ai-llm-shared-request-type",
            "x-amzn-bedrock-service-tier",
            "x-amzn-bedrock-performanceconfig-latency",
            "content-type",
            "accept",
            "user-agent",
            "x-stainless-lang",
            "traceparent",
            "x-named",
        ]);
        headers.insert(
            "connection",
            "close, X-Named, content-type".parse().unwrap(),
        );

        super::forward(&mut headers, Dialect::OpenAi);

        let expected = [
            "accept",
            "content-type",
            "traceparent",
            "user-agent",
            "x-stainless-lang",
        ];
        assert_eq!(left(&headers), expected);
    }

    #[test]
    fn nothing_of_the_shared_account_comes_back() {
        let mut headers = map(&[
            "set-cookie",
            "alt-svc",
            "strict-transport-security",
            "www-authenticate",
            "anthropic-ratelimit-requests-limit",
            "anthropic-organization-id",
            "connection",
            "transfer-encoding",
            "x-ratelimit-remaining-requests",
            "openai-organization",
            "x-request-id",
            "content-type",
            "retry-after",
            "openai-processing-ms",
        ]);

        super::back(&mut headers);

        let expected = [
            "content-type",
            "openai-processing-ms",
            "retry-after",
            "x-request-id",
        ];
        assert_eq!(left(&headers), expected);
    }
}
