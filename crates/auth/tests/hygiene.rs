//! What of a request's head is believed.

use std::{convert::Infallible, future::ready, net::SocketAddr};

use axum::body::Body;
use http::{HeaderMap, HeaderName, HeaderValue, Request, Response, StatusCode};
use proptest::prelude::*;
use tollgate_auth::{ApiKeys, AuthLayer, ClientAddress, HygieneLayer};
use tollgate_core::{
    Rejection,
    fact::{Peer, Principal},
    testing::Contract,
};
use tower::{ServiceExt, service_fn};
use tower_layer::Layer;

const PROXY: &str = "10.0.0.1:1";
const STRANGER: &str = "192.0.2.1:1";

/// What comes through, or the code of the refusal.
fn through(peer: Option<&str>, headers: HeaderMap) -> Result<http::request::Parts, String> {
    let (sent, seen) = std::sync::mpsc::channel();
    let layer = HygieneLayer::new().trusted_proxies(["10.0.0.0/8".parse().unwrap()]);
    let service = layer.layer(service_fn(move |request: Request<Body>| {
        sent.send(request.into_parts().0).unwrap();
        ready(Ok::<_, Infallible>(Response::new(Body::empty())))
    }));
    let mut request = Request::new(Body::empty());
    *request.headers_mut() = headers;
    if let Some(peer) = peer {
        let peer = Peer::new(peer.parse::<SocketAddr>().unwrap());
        request.extensions_mut().insert(peer);
    }
    let runtime = tokio::runtime::Builder::new_current_thread()
        .build()
        .unwrap();
    let response = runtime.block_on(service.oneshot(request)).unwrap();
    match response.extensions().get::<Rejection>() {
        None => Ok(seen.try_recv().unwrap()),
        Some(rejection) => {
            assert_eq!(rejection.status(), StatusCode::BAD_REQUEST);
            assert!(
                seen.try_recv().is_err(),
                "a refusal never reaches the inner service"
            );
            Err(rejection.code().to_owned())
        }
    }
}

fn headers(list: &[(&str, &str)]) -> HeaderMap {
    let mut headers = HeaderMap::new();
    for (name, value) in list {
        let name = HeaderName::from_bytes(name.as_bytes()).unwrap();
        headers.append(name, HeaderValue::from_str(value).unwrap());
    }
    headers
}

fn client(peer: Option<&str>, list: &[(&str, &str)]) -> Option<String> {
    let parts = through(peer, headers(list)).unwrap();
    let client = parts.extensions.get::<ClientAddress>().unwrap();
    client.0.map(|address| address.to_string())
}

#[test]
fn what_a_proxy_says_is_believed_of_trusted_ones_only() {
    for name in [
        "forwarded",
        "x-forwarded-for",
        "x-forwarded-proto",
        "x-forwarded-client-cert",
        "x-real-ip",
        "client-cert",
        "x-client-cert",
        "x-client-cert-chain",
        "x-client-ip",
        "true-client-ip",
        "cf-connecting-ip",
        "x-original-url",
        "x-rewrite-url",
        "x-ssl-client-dn",
        "ssl-client-cert",
    ] {
        let sent = headers(&[(name, "192.0.2.9"), ("accept", "*/*")]);

        for peer in [None, Some(STRANGER)] {
            let parts = through(peer, sent.clone()).unwrap();
            assert!(!parts.headers.contains_key(name), "{name} of {peer:?}");
            assert!(parts.headers.contains_key("accept"));
        }
        let parts = through(Some(PROXY), sent.clone()).unwrap();
        assert!(parts.headers.contains_key(name), "{name}");
    }
}

#[test]
fn what_layers_tell_each_other_and_what_is_disguised_is_believed_of_nobody() {
    for name in [
        "x-tollgate-tenant",
        "x_tollgate_tenant",
        "x_forwarded_for",
        "x-forwarded_for",
        "x.forwarded.for",
        "x_real_ip",
        "x_client_cert",
        "true_client_ip",
        "remote_addr",
    ] {
        for peer in [None, Some(STRANGER), Some(PROXY)] {
            let parts = through(peer, headers(&[(name, "x")])).unwrap();
            assert!(parts.headers.is_empty(), "{name} of {peer:?}");
        }
    }
}

#[test]
fn what_looks_like_a_credential_or_frames_a_request_is_refused() {
    for name in [
        "x_api_key",
        "x-api_key",
        "api_key",
        "x.api.key",
        "x_goog_api_key",
        "proxy_authorization",
        "content_length",
        "transfer_encoding",
        "transfer.encoding",
    ] {
        for peer in [None, Some(PROXY)] {
            let refused = through(peer, headers(&[(name, "x")]));
            assert_eq!(refused.unwrap_err(), "ambiguous_headers", "{name}");
        }
    }
    for name in ["session_id", "x_custom", "x-api-key", "x.y"] {
        let parts = through(None, headers(&[(name, "x")])).unwrap();
        assert!(parts.headers.contains_key(name), "{name}");
    }
}

#[test]
fn no_proxy_is_made_to_take_out_what_has_to_go_on() {
    for value in [
        "authorization",
        "close, Authorization",
        "X-Api-Key",
        "keep-alive,x-forwarded-for",
        "x-tollgate-tenant",
        "cookie",
        "content-length",
        "host",
        "close;authorization",
        "close authorization",
    ] {
        let refused = through(
            None,
            headers(&[("connection", "close"), ("connection", value)]),
        );
        assert_eq!(refused.unwrap_err(), "ambiguous_headers", "{value}");
    }
    for value in [
        "close",
        "Keep-Alive",
        "Upgrade, HTTP2-Settings",
        "te, trailer",
        "",
        " , close",
    ] {
        assert!(
            through(None, headers(&[("connection", value)])).is_ok(),
            "{value}"
        );
    }
}

#[test]
fn the_client_is_the_last_hop_that_is_no_proxy_of_ours() {
    let forwarded = "x-forwarded-for";
    let cases: &[(Option<&str>, &[(&str, &str)], Option<&str>)] = &[
        (None, &[(forwarded, "192.0.2.9")], None),
        (Some(STRANGER), &[], Some("192.0.2.1")),
        (
            Some(STRANGER),
            &[(forwarded, "192.0.2.9")],
            Some("192.0.2.1"),
        ),
        (Some(PROXY), &[], Some("10.0.0.1")),
        (Some(PROXY), &[(forwarded, "192.0.2.9")], Some("192.0.2.9")),
        (
            Some(PROXY),
            &[(forwarded, "1.1.1.1, 192.0.2.9")],
            Some("192.0.2.9"),
        ),
        (
            Some(PROXY),
            &[(forwarded, "1.1.1.1,192.0.2.9, 10.0.0.7")],
            Some("192.0.2.9"),
        ),
        (
            Some(PROXY),
            &[(forwarded, "1.1.1.1"), (forwarded, "192.0.2.9")],
            Some("192.0.2.9"),
        ),
        (
            Some(PROXY),
            &[(forwarded, "192.0.2.9"), (forwarded, "10.0.0.7")],
            Some("192.0.2.9"),
        ),
        (
            Some(PROXY),
            &[(forwarded, "10.0.0.8, 10.0.0.7")],
            Some("10.0.0.8"),
        ),
        (
            Some(PROXY),
            &[(forwarded, "rubbish, 192.0.2.9")],
            Some("192.0.2.9"),
        ),
        (Some(PROXY), &[(forwarded, "192.0.2.9, rubbish")], None),
        (Some(PROXY), &[(forwarded, "192.0.2.9,")], None),
        (
            Some(PROXY),
            &[(forwarded, "192.0.2.9:4711")],
            Some("192.0.2.9"),
        ),
        (
            Some(PROXY),
            &[(forwarded, "2001:db8::1")],
            Some("2001:db8::1"),
        ),
        (
            Some(PROXY),
            &[(forwarded, "[2001:db8::1]:4711")],
            Some("2001:db8::1"),
        ),
        (
            Some(PROXY),
            &[(forwarded, "[2001:db8::1]")],
            Some("2001:db8::1"),
        ),
        (
            Some(PROXY),
            &[(forwarded, "192.0.2.9, ::ffff:10.0.0.7")],
            Some("192.0.2.9"),
        ),
        (
            Some("[::ffff:10.0.0.1]:1"),
            &[(forwarded, "192.0.2.9")],
            Some("192.0.2.9"),
        ),
    ];
    for (peer, sent, expected) in cases {
        assert_eq!(
            client(*peer, sent).as_deref(),
            *expected,
            "{peer:?} {sent:?}"
        );
    }
}

#[test]
fn a_proxy_that_names_more_hops_than_anybody_has_says_nothing() {
    let hops = ["10.0.0.7"; 100].join(",");

    assert_eq!(
        client(
            Some(PROXY),
            &[("x-forwarded-for", &format!("192.0.2.9,{hops}"))]
        ),
        None
    );
}

#[test]
fn it_keeps_the_contract() {
    Contract::new(|inner| HygieneLayer::new().layer(inner))
        .refused(|request| {
            let value = HeaderValue::from_static("authorization");
            request.headers_mut().insert("connection", value);
        })
        .check();
}

proptest! {
    #[test]
    fn nothing_that_is_ours_to_say_comes_through(
        sent in prop::collection::vec(
            ("(x[-_.])?(tollgate|forwarded|real|api|custom|client|connection|authorization)([-_.](for|key|ip|cert|id))?", "[ -~]{0,40}"),
            0..12,
        ),
        proxy in any::<bool>(),
    ) {
        let mut headers = HeaderMap::new();
        for (name, value) in &sent {
            let name = HeaderName::from_bytes(name.as_bytes()).unwrap();
            headers.append(name, HeaderValue::from_str(value).unwrap());
        }
        if let Ok(parts) = through(Some(if proxy { PROXY } else { STRANGER }), headers) {
            for name in parts.headers.keys() {
                let plain = name.as_str().replace(['_', '.'], "-");
                let disguised = plain != name.as_str();
                prop_assert!(!plain.starts_with("x-tollgate-"), "{name}");
                let forwarding = ["forwarded", "x-forwarded", "x-real-", "x-client-", "client-cert", "client-ip"];
                if forwarding.iter().any(|prefix| plain.starts_with(prefix)) {
                    prop_assert!(proxy && !disguised, "{name}");
                }
                prop_assert!(!disguised || plain != "x-api-key", "{name}");
            }
        }
    }

    #[test]
    fn auth_believes_at_most_one_credential(
        sent in prop::collection::vec(
            ("authorization|x-api-key|x_api_key|connection|accept", "(Bearer )?(tg-right|tg-wrong|authorization|close)?"),
            0..5,
        ),
    ) {
        let mut request = Request::new(Body::empty());
        for (name, value) in &sent {
            let name = HeaderName::from_bytes(name.as_bytes()).unwrap();
            request.headers_mut().append(name, HeaderValue::from_str(value).unwrap());
        }
        let keys = ApiKeys::new().with_key("tg-right", Principal::new("alice"));
        let inner = service_fn(|_: Request<Body>| ready(Ok::<_, Infallible>(Response::new(Body::empty()))));
        let service = HygieneLayer::new().layer(AuthLayer::new(keys).layer(inner));
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();

        let passed = runtime.block_on(service.oneshot(request)).unwrap().status().is_success();

        let count = sent.iter().filter(|(name, _)| name != "accept" && name != "connection").count();
        let right = sent.iter().any(|(name, value)| match &**name {
            "authorization" => value == "Bearer tg-right",
            name => name == "x-api-key" && value == "tg-right",
        });
        let smuggled = sent.iter().any(|(name, value)| name == "connection" && !["", "close"].contains(&&**value));
        prop_assert_eq!(passed, count == 1 && right && !smuggled);
    }
}
