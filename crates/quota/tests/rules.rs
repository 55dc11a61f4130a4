//! Rules: what they measure, of whom, several at once, and the terms that principals bring.

use std::{convert::Infallible, num::NonZeroU64, sync::Arc, time::Duration};

use bytes::Bytes;
use http::{Request, Response, StatusCode, request::Parts};
use http_body_util::Full;
use tokio::time::advance;
use tollgate_core::{
    Limits, Payload, Rejection, Trail,
    fact::{
        Allotment, CacheStatus, Call, Dispatch, Measure, Mode, Operation, Principal, RateTerm,
        Scope, Target, Terms, Usage,
    },
};
use tollgate_quota::{Measures, Quota, QuotaLayer, Rule};
use tower::{Layer, ServiceExt, service_fn};

#[tokio::test(start_paused = true)]
async fn each_scope_has_accounts_of_its_own() {
    let named = |name: &str| -> Vec<(Scope, Request<()>)> {
        let principal = || Principal::new("key");
        let mut call = call();
        call.end_user = Some(name.into());
        let with_end_user = with(principal(), call);
        vec![
            (Scope::Org, with(principal().with_org(name), ())),
            (Scope::Team, with(principal().with_team(name), ())),
            (Scope::User, with(principal().with_user(name), ())),
            (Scope::Key, with(Principal::new(name), ())),
            (Scope::Tag, with(principal().with_tags(["x", name]), ())),
            (Scope::EndUser, with_end_user),
            (
                Scope::Model,
                with(principal(), Call::new(Operation::Chat, name)),
            ),
            (Scope::Target, with(principal(), Target::new(name))),
        ]
    };
    for index in 0..8 {
        let of = |name| named(name).swap_remove(index);
        let scope = of("a").0;
        let layer = QuotaLayer::unlimited().rule(Rule::requests(Quota::per_day(1)).of(scope));

        assert_eq!(ask(&layer, of("a").1).await.status(), 200, "{scope:?}");
        assert_eq!(ask(&layer, of("a").1).await.status(), 429, "{scope:?}");
        let other = ask(&layer, of("b").1).await.status();
        // Each tag pays, also the one that both have.
        assert_eq!(other == 200, scope != Scope::Tag, "{scope:?}");
        let nobody = with(Principal::new("c"), ());
        for _ in 0..2 {
            let status = ask(&layer, nobody.clone()).await.status();
            if scope != Scope::Key {
                assert_eq!(status, 200, "{scope:?} does not apply");
            }
        }
    }
}

#[tokio::test(start_paused = true)]
async fn end_users_of_one_name_are_others_with_another_tenant() {
    let of = |org: &str, end_user: &str| {
        let mut call = call();
        call.end_user = Some(end_user.into());
        with(Principal::new("key").with_org(org), call)
    };
    let terms: Terms =
        serde_json::from_str(r#"{ "concurrency": 9, "requests_per_day": 1 }"#).unwrap();
    let named = Rule::terms(Scope::EndUser, [("1", terms)]);
    for rule in [Rule::requests(Quota::per_day(1)).of(Scope::EndUser), named] {
        let layer = QuotaLayer::unlimited().rule(rule);

        assert_eq!(ask(&layer, of("acme", "1")).await.status(), 200);
        assert_eq!(ask(&layer, of("acme", "1")).await.status(), 429);
        assert_eq!(ask(&layer, of("other", "1")).await.status(), 200);
    }
}

#[tokio::test(start_paused = true)]
async fn a_function_names_one_account_or_none_or_several() {
    let by = |parts: &Parts| match parts.uri.path() {
        "/none" => None,
        "/both" => Some(vec!["a", "b"]),
        "/a" => Some(vec!["a"]),
        _ => Some(vec!["b"]),
    };
    let layer = QuotaLayer::new(Quota::per_day(1)).by(by);
    let path = |path: &str| Request::builder().uri(path).body(()).unwrap();

    for _ in 0..3 {
        assert_eq!(ask(&layer, path("/none")).await.status(), 200);
    }
    assert_eq!(ask(&layer, path("/a")).await.status(), 200);
    assert_eq!(ask(&layer, path("/both")).await.status(), 429);
    assert_eq!(
        ask(&layer, path("/b")).await.status(),
        200,
        "b had paid nothing"
    );
}

#[tokio::test(start_paused = true)]
async fn refused_by_one_rule_a_request_costs_nothing_of_the_others() {
    let layer = QuotaLayer::unlimited()
        .rule(Rule::requests(Quota::per_day(10)).name("day"))
        .rule(Rule::requests(Quota::per_minute(1)).name("minute"))
        .rule(Rule::requests(Quota::per_hour(2)).name("hour"));
    ask(&layer, signed("a")).await;

    for _ in 0..5 {
        let refused = ask(&layer, signed("a")).await;
        assert_eq!(refused.headers()["retry-after"], "60");
    }
    advance(Duration::from_secs(60)).await;
    let second = ask(&layer, signed("a")).await;
    assert_eq!(remaining(&second), [("day", 8), ("minute", 0), ("hour", 0)]);

    let refused = ask(&layer, signed("a")).await;
    let rejection = refused.extensions().get::<Rejection>().unwrap();
    assert!(rejection.message().contains("\"hour\""), "{rejection}");
    let wait = rejection.retry_after().unwrap();
    advance(wait - Duration::from_nanos(1)).await;
    assert_eq!(ask(&layer, signed("a")).await.status(), 429);
    advance(Duration::from_nanos(1)).await;
    assert_eq!(ask(&layer, signed("a")).await.status(), 200);
}

#[tokio::test(start_paused = true)]
async fn a_function_says_what_a_request_costs() {
    let cost = |parts: &Parts| parts.uri.path().len() as u64 - 1;
    let layer = QuotaLayer::new(Quota::per_minute(10)).cost(cost);
    let ask = |path: &str| {
        let mut request = signed("a");
        *request.uri_mut() = path.parse().unwrap();
        let service = layer.layer(service_fn(answer));
        async { service.oneshot(request).await.unwrap() }
    };

    assert_eq!(remaining(&ask("/1234567").await), [("units", 3)]);
    let refused = ask("/12345").await;
    assert_eq!(refused.headers()["retry-after"], "12");
    let never = ask("/12345678901").await;
    assert_eq!(never.status(), StatusCode::BAD_REQUEST);
    assert!(!never.headers().contains_key("retry-after"));
    let rejection = never.extensions().get::<Rejection>().unwrap();
    assert_eq!(rejection.code(), "request_exceeds_limit");
    assert_eq!(ask("/123").await.status(), 200);
}

/// 400 tokens of input by the bytes, 500 of output by the caller's word; 10,000 in all.
#[tokio::test(start_paused = true)]
async fn tokens_are_reserved_and_settled_to_what_was_used() {
    let usage = Usage {
        input: 30,
        output: 50,
        ..Usage::default()
    };
    let estimate = Usage {
        estimated: true,
        ..usage
    };
    let nothing = |_: &Trail| {};
    let used = |usage: Usage| move |trail: &Trail| trail.set(usage);
    let sent = |sent| move |trail: &Trail| trail.set(sent);
    let cases: [(&str, Box<dyn Fn(&Trail) + Send + Sync>, bool, u64); 7] = [
        ("told by the provider", Box::new(used(usage)), false, 80),
        ("estimated", Box::new(used(estimate)), false, 80),
        ("unknown", Box::new(nothing), false, 900),
        ("sent, unknown", Box::new(sent(Dispatch::Yes)), true, 900),
        ("not sent", Box::new(sent(Dispatch::No)), false, 0),
        ("refused further in", Box::new(nothing), true, 0),
        (
            "a cache's answer",
            Box::new(|trail: &Trail| trail.set(CacheStatus::Hit)),
            false,
            0,
        ),
    ];
    for (case, tell, refused, expected) in cases {
        for deep in [false, true] {
            if deep && case == "a cache's answer" {
                continue;
            }
            let rule = Rule::tokens(Measure::Tokens, Quota::per_day(10_000));
            let layer = QuotaLayer::unlimited().rule(rule);
            let first = request_of_tokens(500);
            let service = layer.layer(service_fn(|mut request: Request<()>| {
                let trail = Trail::in_extensions(request.extensions_mut());
                tell(&if deep { trail.child() } else { trail });
                async move {
                    let mut response = Response::new(Full::<Bytes>::default());
                    if refused {
                        let rejection =
                            Rejection::new(StatusCode::BAD_GATEWAY, "scripted", "scripted");
                        response.extensions_mut().insert(rejection);
                    }
                    Ok::<_, Infallible>(response)
                }
            }));

            let answer = service.oneshot(first).await.unwrap();
            assert_eq!(remaining(&answer), [("tokens", 9_100)], "{case}");
            drop(answer);

            let second = ask(&layer, request_of_tokens(500)).await;
            let left = remaining(&second)[0].1;
            assert_eq!(9_100 - left, expected, "{case} {deep}");
        }
    }
}

#[tokio::test(start_paused = true)]
async fn input_and_output_have_limits_of_their_own() {
    let layer = QuotaLayer::unlimited()
        .rule(Rule::tokens(Measure::InputTokens, Quota::per_minute(1_000)))
        .rule(Rule::tokens(
            Measure::OutputTokens,
            Quota::per_minute(2_000),
        ))
        .expect_output(700);

    let mut request = request_of_tokens(500);
    let call = Call {
        choices: 2,
        ..call()
    };
    request.extensions_mut().insert(call);
    let answer = ask(&layer, request).await;

    let left = [("input-tokens", 600), ("output-tokens", 600)];
    assert_eq!(remaining(&answer), left);
    let policies: Vec<_> = answer
        .headers()
        .get_all("ratelimit-policy")
        .iter()
        .collect();
    assert_eq!(
        policies[0],
        r#""input-tokens";q=1000;w=60;qu="input-tokens""#
    );
    drop(answer);
    let refused = ask(&layer, request_of_tokens(2_001)).await;
    let rejection = refused.extensions().get::<Rejection>().unwrap();
    assert_eq!(rejection.code(), "request_exceeds_limit");
}

#[tokio::test(start_paused = true)]
async fn an_observed_limit_refuses_nothing_and_tells() {
    let rule = |rule: Rule| rule.mode(Mode::Observe);
    let layer = QuotaLayer::unlimited()
        .rule(rule(Rule::requests(Quota::per_minute(1))))
        .rule(rule(Rule::cost(Quota::per_minute(1), |_| 5)));

    for expected in ["units", "requests"] {
        let mut request = signed("a");
        let trail = Trail::in_extensions(request.extensions_mut());
        assert_eq!(ask(&layer, request).await.status(), 200);
        let notes = trail.notes();
        if expected == "requests" {
            assert_eq!(notes[0].0, "would_refuse");
        }
    }
}

#[tokio::test(start_paused = true)]
async fn models_can_have_accounts_of_their_own() {
    let layer = QuotaLayer::unlimited().rule(Rule::requests(Quota::per_day(1)).per_model());
    let of = |model: &str| with(Principal::new("a"), Call::new(Operation::Chat, model));

    for model in ["small", "large"] {
        assert_eq!(ask(&layer, of(model)).await.status(), 200);
        assert_eq!(ask(&layer, of(model)).await.status(), 429);
    }
    assert_eq!(ask(&layer, signed("a")).await.status(), 200);
}

#[tokio::test(start_paused = true)]
async fn a_principal_brings_the_terms_of_its_accounts() {
    let layer = QuotaLayer::allotted();
    let team = |rate| allotment(Scope::Team, "search", requests(rate));
    let key = |name: &str, rate| {
        let principal = Principal::new(name).with_allotment(team(rate));
        let own = allotment(Scope::Key, name, requests(2));
        with(principal.with_allotment(own), ())
    };

    let answer = ask(&layer, key("a", 3)).await;
    assert_eq!(remaining(&answer), [("team-requests", 2), ("requests", 1)]);
    ask(&layer, key("a", 3)).await;
    let refused = ask(&layer, key("a", 3)).await;
    assert_eq!(refused.headers()["ratelimit"], r#""requests";r=0;t=30"#);
    assert_eq!(ask(&layer, key("b", 3)).await.status(), 200);
    let refused = ask(&layer, key("b", 3)).await;
    assert_eq!(
        refused.headers()["ratelimit"],
        r#""team-requests";r=0;t=20"#
    );

    // What was used stays used when the terms change: half of a limit that is twice as high.
    let answer = ask(&layer, key("c", 6)).await;
    assert_eq!(answer.status(), 429);
    advance(Duration::from_secs(20)).await;
    let answer = ask(&layer, key("c", 6)).await;
    assert_eq!(remaining(&answer)[0], ("team-requests", 1));
}

#[tokio::test(start_paused = true)]
async fn defaults_hold_for_keys_without_terms_of_the_kind() {
    let mut defaults = requests(5);
    defaults.concurrency = Some(2.try_into().unwrap());
    let layer = QuotaLayer::allotted().defaults(defaults);

    let answer = ask(&layer, signed("a")).await;
    assert_eq!(remaining(&answer), [("concurrency", 1), ("requests", 4)]);

    let own = allotment(Scope::Key, "b", requests(9));
    let team = allotment(Scope::Team, "t", requests(100));
    let principal = Principal::new("b").with_allotment(own).with_allotment(team);
    let answer = ask(&layer, with(principal, ())).await;
    let left = [("requests", 8), ("team-requests", 99), ("concurrency", 1)];
    assert_eq!(remaining(&answer), left);
    assert_eq!(
        ask(&layer, Request::new(())).await.status(),
        StatusCode::INTERNAL_SERVER_ERROR
    );
    let answer = ask(&layer.anonymous(), Request::new(())).await;
    assert_eq!(remaining(&answer)[1], ("requests", 4));
}

#[tokio::test(start_paused = true)]
async fn two_layers_share_the_rules_and_each_looks_after_its_own() {
    let layer = QuotaLayer::new(Quota::per_minute(10))
        .and_concurrency(3)
        .rule(Rule::tokens(
            Measure::OutputTokens,
            Quota::per_minute(3_000),
        ));
    let outer = layer.clone().only(Measures::ARRIVAL);
    let inner = layer.only(Measures::SPENDING);
    let service = (outer, inner).layer(service_fn(answer));

    let answer = service.oneshot(request_of_tokens(500)).await.unwrap();

    let left = [
        ("output-tokens", 2_500),
        ("requests", 9),
        ("concurrency", 2),
    ];
    assert_eq!(remaining(&answer), left);
}

fn call() -> Call {
    Call::new(Operation::Chat, "model")
}

fn request_of_tokens(output: u64) -> Request<()> {
    let mut call = call();
    call.max_output_tokens = Some(output);
    let mut request = with(Principal::new("a"), call);
    let payload = Payload::new(vec![b'x'; 1_600]);
    request.extensions_mut().insert(payload);
    request
}

fn requests(limit: u64) -> Terms {
    Terms {
        rates: vec![RateTerm {
            measure: Measure::Requests,
            limit: NonZeroU64::new(limit).unwrap(),
            window: Duration::from_secs(60),
            burst: None,
        }],
        ..Terms::default()
    }
}

fn allotment(scope: Scope, account: &str, terms: Terms) -> Allotment {
    Allotment {
        scope,
        account: account.into(),
        terms: Arc::new(terms),
    }
}

fn signed(key: &str) -> Request<()> {
    with(Principal::new(key), ())
}

fn with<T: Clone + Send + Sync + 'static>(principal: Principal, fact: T) -> Request<()> {
    let mut request = Request::new(());
    request.extensions_mut().insert(principal);
    request.extensions_mut().insert(fact);
    request
}

fn remaining<B>(answer: &Response<B>) -> Vec<(&str, u64)> {
    let limits = answer.extensions().get::<Limits>().unwrap();
    let limits = limits.iter();
    limits
        .map(|limit| (&*limit.name, limit.remaining))
        .collect()
}

async fn ask(
    layer: &QuotaLayer,
    request: Request<()>,
) -> Response<impl http_body::Body<Data = Bytes, Error = Infallible> + use<>> {
    let service = layer.layer(service_fn(answer));
    service.oneshot(request).await.unwrap()
}

async fn answer(_: Request<()>) -> Result<Response<Full<Bytes>>, Infallible> {
    Ok(Response::new(Full::default()))
}
