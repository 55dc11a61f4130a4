//! What is found, for whom, and for how long.

#[path = "support/origin.rs"]
mod origin;

use std::time::Duration;

use bytes::Bytes;
use http::{HeaderName, Method, Request};
use http_body_util::Full;
use origin::{get, hello, layer, origin, post, send, tenant, twice, with};
use proptest::prelude::*;
use tokio::time::advance;
use tollgate_cache::{CacheLayer, CachePolicy, Tenant};
use tollgate_core::{
    Rejection, Trail,
    fact::{CacheStatus, Principal},
};
use tower::{Layer, Service, ServiceExt, limit::ConcurrencyLimit};

#[tokio::test(start_paused = true)]
async fn a_hit_replays_head_and_body_with_its_age() {
    let (service, calls) = origin(|_| {
        let mut response = hello();
        let headers = response.headers_mut();
        headers.insert("content-type", "text/plain".parse().unwrap());
        headers.append("link", "</a>".parse().unwrap());
        headers.append("link", "</b>".parse().unwrap());
        response
    });
    let service = layer().layer(service);

    let miss = send(&service, get("/a?b=c")).await;
    advance(Duration::from_millis(2900)).await;
    let hit = send(&service, get("/a?b=c")).await;

    assert_eq!((&*miss.cache, &*hit.cache), ("miss", "hit"));
    assert!(!miss.headers.contains_key("age"));
    assert_eq!(hit.headers["age"], "2");
    assert_eq!(hit.headers["content-type"], "text/plain");
    assert_eq!(hit.headers.get_all("link").iter().count(), 2);
    assert_eq!(hit.body.unwrap(), "hello");
    assert_eq!(calls.count(), 1);
}

#[tokio::test]
async fn an_event_stream_is_replayed_whole_despite_its_no_cache() {
    let events = |_: &Request<Full<Bytes>>| {
        let mut response = hello();
        let headers = response.headers_mut();
        headers.insert(
            "content-type",
            "text/event-stream; charset=utf-8".parse().unwrap(),
        );
        headers.insert("cache-control", "no-cache".parse().unwrap());
        response
    };

    assert_eq!(twice(events, || post("/", "x")).await, ("hit".into(), 1));
}

#[tokio::test(start_paused = true)]
async fn an_answer_is_used_until_its_time_is_over() {
    let (service, calls) = origin(|_| hello());
    let policy = CachePolicy::new().ttl(Duration::from_secs(60));
    let service = CacheLayer::new(policy).layer(service);
    send(&service, get("/")).await;

    advance(Duration::from_millis(59_999)).await;
    assert_eq!(send(&service, get("/")).await.cache, "hit");
    advance(Duration::from_millis(1)).await;
    assert_eq!(send(&service, get("/")).await.cache, "miss");

    assert_eq!(calls.count(), 2);
    assert_eq!(send(&service, get("/")).await.cache, "hit");
}

#[tokio::test(start_paused = true)]
async fn an_answers_own_lifetime_shortens_ours_and_its_age_counts() {
    let (service, _) = origin(|_| {
        let mut response = hello();
        let headers = response.headers_mut();
        headers.insert("cache-control", "max-age=100, s-maxage=10".parse().unwrap());
        headers.insert("age", "4".parse().unwrap());
        response
    });
    let service = layer().layer(service);
    send(&service, get("/")).await;

    advance(Duration::from_secs(5)).await;
    assert_eq!(send(&service, get("/")).await.headers["age"], "9");
    advance(Duration::from_secs(1)).await;
    assert_eq!(send(&service, get("/")).await.cache, "miss");
}

/// Whatever is taken out of the key makes one of these fail.
#[tokio::test]
async fn a_request_that_differs_in_anything_is_not_given_the_answer() {
    let base = || {
        with(
            with(post("/a?b", "body"), "host", "one"),
            "x-api-version",
            "1",
        )
    };
    let tenants = || {
        layer()
            .vary([HeaderName::from_static("x-api-version")])
            .by(|parts| {
                Some(match parts.headers.get("x-tenant") {
                    Some(name) => Tenant::named(name.to_str().unwrap()),
                    None => Tenant::Anonymous,
                })
            })
    };
    let to = |uri: &'static str| {
        let mut request = base();
        *request.uri_mut() = uri.parse().unwrap();
        request
    };
    let mut by_get = base();
    *by_get.method_mut() = Method::GET;
    let set = |name: &'static str, value| {
        let mut request = base();
        request
            .headers_mut()
            .insert(name, http::HeaderValue::from_static(value));
        request
    };
    let others = [
        ("tenant", with(base(), "x-tenant", "a")),
        ("nameless tenant", with(base(), "x-tenant", "")),
        ("method", by_get),
        ("path", to("/b?b")),
        ("query", to("/a?c")),
        ("no query", to("/a")),
        ("empty query", to("/a?")),
        ("scheme and authority", to("http://one/a?b")),
        (
            "body",
            with(
                with(post("/a?b", "other"), "host", "one"),
                "x-api-version",
                "1",
            ),
        ),
        (
            "long body",
            with(
                with(post("/a?b", &"b".repeat(5000)), "host", "one"),
                "x-api-version",
                "1",
            ),
        ),
        ("host", set("host", "two")),
        ("a chosen header", set("x-api-version", "2")),
        ("a second value", with(base(), "x-api-version", "1")),
        ("accept", with(base(), "accept", "text/html")),
        ("accept-encoding", with(base(), "accept-encoding", "gzip")),
        ("accept-language", with(base(), "accept-language", "de")),
        ("content-encoding", with(base(), "content-encoding", "gzip")),
        ("content-type", with(base(), "content-type", "text/plain")),
        ("origin", with(base(), "origin", "https://a.example")),
    ];
    for (what, other) in others {
        let (service, _) = origin(|_| hello());
        let service = tenants().layer(service);
        send(&service, base()).await;

        assert_eq!(send(&service, base()).await.cache, "hit", "{what}");
        assert_eq!(send(&service, other).await.cache, "miss", "{what}");
    }
}

#[tokio::test]
async fn a_principal_shares_with_its_tenant_only() {
    let (service, _) = origin(|_| hello());
    let service = layer().layer(service);
    let of = |key: &str, org: &str| {
        let mut request = with(get("/"), "authorization", &format!("Bearer {key}"));
        let principal = Principal::new(key).with_org(org);
        request.extensions_mut().insert(principal);
        request
    };

    assert_eq!(send(&service, of("1", "acme")).await.cache, "miss");
    assert_eq!(send(&service, of("2", "acme")).await.cache, "hit");
    assert_eq!(send(&service, of("3", "other")).await.cache, "miss");
    assert_eq!(send(&service, get("/")).await.cache, "miss");
}

#[tokio::test]
async fn credentials_without_a_principal_bypass_the_cache() {
    for name in [
        "authorization",
        "x-api-key",
        "api-key",
        "x-goog-api-key",
        "cookie",
        "proxy-authorization",
    ] {
        let seen = twice(|_| hello(), || with(get("/"), name, "secret")).await;
        assert_eq!(seen, ("bypass".into(), 2), "{name}");
    }
}

#[tokio::test]
async fn what_is_not_a_plain_read_bypasses_the_cache() {
    let of = |method: Method| {
        let mut request = post("/", "x");
        *request.method_mut() = method;
        request
    };
    for method in [
        Method::HEAD,
        Method::PUT,
        Method::DELETE,
        Method::PATCH,
        Method::OPTIONS,
    ] {
        let seen = twice(|_| hello(), || of(method.clone())).await;
        assert_eq!(seen, ("bypass".into(), 2), "{method}");
    }
    for (name, value) in [
        ("range", "bytes=0-1"),
        ("if-match", "\"a\""),
        ("if-none-match", "\"a\""),
        ("if-modified-since", "Sat, 29 Oct 1994 19:43:31 GMT"),
        ("if-unmodified-since", "Sat, 29 Oct 1994 19:43:31 GMT"),
        ("upgrade", "websocket"),
        ("content-type", "application/grpc-web+proto"),
        ("cache-control", "no-store"),
    ] {
        let seen = twice(|_| hello(), || with(get("/"), name, value)).await;
        assert_eq!(seen, ("bypass".into(), 2), "{name}");
    }
    for method in [Method::GET, Method::POST] {
        let unknown = || {
            let mut request = Request::new(Full::from("not read"));
            *request.method_mut() = method.clone();
            request
        };
        assert_eq!(
            twice(|_| hello(), unknown).await,
            ("bypass".into(), 2),
            "{method}"
        );
    }
}

#[tokio::test]
async fn when_chooses_the_requests() {
    let (service, calls) = origin(|_| hello());
    let service = layer()
        .when(|parts| parts.uri.path() == "/yes")
        .layer(service);

    for _ in 0..2 {
        assert_eq!(send(&service, get("/no")).await.cache, "bypass");
        send(&service, get("/yes")).await;
    }

    assert_eq!(calls.count(), 3);
}

#[tokio::test(start_paused = true)]
async fn the_callers_cache_control_counts() {
    let (service, calls) = origin(|_| hello());
    let service = layer().layer(service);
    let asking = |directive: &str| with(get("/"), "cache-control", directive);

    let refused = send(&service, asking("only-if-cached")).await;
    assert_eq!((refused.status, calls.count()), (504, 0));
    send(&service, get("/")).await;
    assert_eq!(send(&service, asking("only-if-cached")).await.cache, "hit");
    assert_eq!(
        send(&service, asking("no-store, only-if-cached"))
            .await
            .status,
        504
    );

    advance(Duration::from_secs(10)).await;
    assert_eq!(send(&service, asking("max-age=10")).await.cache, "hit");
    assert_eq!(send(&service, asking("max-age=9")).await.cache, "miss");
    assert_eq!(send(&service, get("/")).await.headers["age"], "0");

    advance(Duration::from_secs(10)).await;
    assert_eq!(send(&service, asking("no-cache")).await.cache, "miss");
    assert_eq!(send(&service, get("/")).await.headers["age"], "0");
}

#[tokio::test]
async fn a_refusal_has_a_code_and_the_trail_knows_the_status() {
    let (service, _) = origin(|_| hello());
    let service = layer().layer(service);
    for (request, expected) in [
        (get("/"), CacheStatus::Miss),
        (get("/"), CacheStatus::Hit),
        (with(get("/"), "range", "bytes=0-1"), CacheStatus::Bypass),
    ] {
        let trail = Trail::new();
        let mut request = request;
        request.extensions_mut().insert(trail.clone());
        send(&service, request).await;
        assert_eq!(trail.get::<CacheStatus>(), Some(expected));
    }

    let request = with(get("/new"), "cache-control", "only-if-cached");
    let response = service.oneshot(request).await.unwrap();

    let rejection = response.extensions().get::<Rejection>().unwrap();
    assert_eq!(rejection.code(), "not_cached");
    assert_eq!(response.headers()["x-tollgate-cache"], "miss");
}

#[tokio::test]
async fn all_services_of_a_layer_share() {
    let (service, calls) = origin(|_| hello());
    let layer = layer();
    send(&layer.layer(service.clone()), get("/")).await;
    send(&layer.clone().layer(service), get("/")).await;

    assert_eq!(calls.count(), 1);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]
    #[test]
    fn tenants_never_cross(
        requests in prop::collection::vec(("[ab]{1,2}", "/[ab]{0,2}", prop::option::of("[ab]{0,2}")), 1..40)
    ) {
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        // Each answer says whom it was made for, and what they asked for.
        let (service, calls) = origin(|request| {
            let tenant = request.headers()["x-tenant"].to_str().unwrap();
            let body = request.extensions().get::<tollgate_core::Payload>();
            let mut response = hello();
            let mark = format!("{tenant} {} {body:?}", request.uri());
            let mark = format!("{mark} {:?}", body.map(|body| body.bytes().clone()));
            response.headers_mut().insert("x-mark", mark.parse().unwrap());
            response
        });
        let service = layer().by(tenant).layer(service);
        let mut distinct = std::collections::HashSet::new();
        for (tenant, path, body) in requests {
            let request = || match &body {
                None => with(get(&path), "x-tenant", &tenant),
                Some(body) => with(post(&path, body), "x-tenant", &tenant),
            };
            let seen = runtime.block_on(send(&service, request()));
            let body = body.as_ref().map(|body| Bytes::from(body.clone()));
            let mark = seen.headers["x-mark"].to_str().unwrap();
            let start = format!("{tenant} {path} ");
            let end = format!(" {body:?}");
            prop_assert!(mark.starts_with(&start) && mark.ends_with(&end));
            let fresh = distinct.insert((tenant, path, body));
            prop_assert_eq!(seen.cache, if fresh { "miss" } else { "hit" });
        }
        prop_assert_eq!(calls.count(), distinct.len());
    }
}

#[tokio::test]
async fn a_panic_in_a_users_function_costs_one_request() {
    let (inner, calls) = origin(|_| hello());
    let layer = layer().when(|parts| match parts.uri.path() {
        "/panic" => panic!("a user's mistake"),
        _ => true,
    });
    let service = layer.layer(ConcurrencyLimit::new(inner, 1));
    let mut unlucky = service.clone();
    unlucky.ready().await.unwrap();

    let call = std::panic::AssertUnwindSafe(|| drop(unlucky.call(get("/panic"))));
    assert!(std::panic::catch_unwind(call).is_err());
    drop(unlucky);

    assert_eq!(send(&service, get("/")).await.cache, "miss");
    assert_eq!(calls.count(), 1);
}

/// Over `ConcurrencyLimit(1)`, a clone gets ready while the one that was given a hit is still alive.
#[tokio::test]
async fn a_hit_gives_readiness_back() {
    let (inner, calls) = origin(|_| hello());
    let service = layer().layer(ConcurrencyLimit::new(inner, 1));
    send(&service, get("/")).await;

    let mut first = service.clone();
    let hit = first.ready().await.unwrap().call(get("/")).await.unwrap();
    let mut second = service.clone();
    second.ready().await.unwrap();

    assert_eq!(hit.headers()["x-tollgate-cache"], "hit");
    assert_eq!(calls.count(), 1);
    drop(first);
}

#[tokio::test]
async fn the_services_error_passes_through() {
    let failing = tower::service_fn(async |_: Request<Full<Bytes>>| {
        Err::<http::Response<Full<Bytes>>, _>("broken")
    });

    let error = layer().layer(failing).oneshot(get("/")).await.unwrap_err();

    assert_eq!(error, "broken");
}
