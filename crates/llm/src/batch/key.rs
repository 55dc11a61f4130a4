use bytes::{BufMut, BytesMut};
use http::{HeaderName, header, request::Parts};
use tollgate_core::{Digest, fact::Target};

use super::fields::Fields;

/// A digest of all that requests of one batch have in common. Each part goes in with its length, so that no two lists of
/// parts look the same.
pub(super) fn of(tenant: Option<&str>, parts: &Parts, fields: &Fields<'_>, tokens: bool) -> Digest {
    let mut text = BytesMut::with_capacity(512);
    let mut add = |part: &[u8]| {
        text.put_u64(part.len() as u64);
        text.put_slice(part);
    };
    let target = parts.extensions.get::<Target>();
    let shape = [tenant.is_some(), target.is_some(), tokens];
    add(&shape.map(u8::from));
    add(tenant.unwrap_or_default().as_bytes());
    for name in target
        .map(|it| [&it.name, &it.provider, &it.model])
        .into_iter()
        .flatten()
    {
        add(name.as_bytes());
    }
    add(parts
        .uri
        .path_and_query()
        .map_or("", |it| it.as_str())
        .as_bytes());
    let mut headers: Vec<_> = parts
        .headers
        .iter()
        .filter(|(name, _)| matters(name, tenant.is_some()))
        .collect();
    // Stable: the values of one name keep their order, which has a meaning.
    headers.sort_by_key(|(name, _)| name.as_str());
    add(&headers.len().to_be_bytes());
    for (name, value) in headers {
        add(name.as_str().as_bytes());
        add(value.as_bytes());
    }
    for (name, value) in fields.sorted_without("input") {
        add(name.as_bytes());
        add(value.get().as_bytes());
    }
    Digest::of(&text)
}

/// Whether a header may change the answer, or whose it is. What is not known does.
fn matters(name: &HeaderName, in_tenant: bool) -> bool {
    let text = name.as_str();
    !(STANDARD.contains(name)
        || OTHERS.contains(&text)
        || PREFIXES.iter().any(|prefix| text.starts_with(prefix))
        || (!in_tenant && CREDENTIALS.contains(name)))
}

/// Across tenants these stay behind. Within one, two keys may be billed apart by whoever reads them.
pub(super) const CREDENTIALS: [HeaderName; 6] = [
    header::AUTHORIZATION,
    header::COOKIE,
    header::PROXY_AUTHORIZATION,
    HeaderName::from_static("x-api-key"),
    HeaderName::from_static("api-key"),
    HeaderName::from_static("x-goog-api-key"),
];
/// What differs from request to request, or client to client, and says nothing about the answer.
const STANDARD: [HeaderName; 9] = [
    header::ACCEPT_ENCODING,
    header::ACCEPT_LANGUAGE,
    header::CONNECTION,
    header::CONTENT_LENGTH,
    header::DATE,
    header::HOST,
    header::TE,
    header::TRANSFER_ENCODING,
    header::USER_AGENT,
];
const OTHERS: [&str; 6] = [
    "b3",
    "baggage",
    "keep-alive",
    "traceparent",
    "tracestate",
    "x-request-id",
];
const PREFIXES: [&str; 4] = ["x-b3-", "x-forwarded-", "x-stainless-", "sec-"];
