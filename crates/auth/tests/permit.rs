//! What may be done, and what the others are told.

use axum::{Router, body::Body, extract::Request, routing::get};
use http::{StatusCode, request::Parts};
use tollgate_auth::{ClientAddress, PermitLayer, permits};
use tollgate_core::{
    Rejection,
    fact::{Call, Clearance, Operation, Peer, Permissions, Principal, Target},
    testing::Contract,
};
use tower::ServiceExt;
use tower_layer::Layer;

async fn ask<F, P>(layer: PermitLayer<F>, path: &str) -> (StatusCode, String)
where
    F: Fn(&Parts) -> P + Clone + Send + Sync + 'static,
    P: tollgate_auth::Permission,
{
    let app: Router = Router::new()
        .route("/open", get(|| async { "welcome" }))
        .route("/closed", get(|| async { StatusCode::IM_A_TEAPOT }))
        .layer(layer);
    let request = Request::get(path).body(Body::empty()).unwrap();
    let response = app.oneshot(request).await.unwrap();
    let code = response
        .extensions()
        .get::<Rejection>()
        .map(Rejection::code);
    (response.status(), code.unwrap_or_default().to_owned())
}

fn is_open(parts: &Parts) -> bool {
    parts.uri.path() == "/open"
}

#[tokio::test]
async fn a_plain_no_is_permission_denied() {
    let layer = PermitLayer::new(is_open);

    assert_eq!(ask(layer, "/open").await, (StatusCode::OK, String::new()));
    let denied = (StatusCode::FORBIDDEN, "permission_denied".to_owned());
    assert_eq!(ask(layer, "/closed").await, denied);
}

#[tokio::test]
async fn a_closure_may_choose_the_words() {
    let layer = PermitLayer::new(|parts: &Parts| match is_open(parts) {
        true => Ok(()),
        false => Err(Rejection::new(
            StatusCode::NOT_FOUND,
            "no_such_model",
            "nothing to see here",
        )),
    });

    let hidden = (StatusCode::NOT_FOUND, "no_such_model".to_owned());
    assert_eq!(ask(layer, "/closed").await, hidden);
}

#[tokio::test]
async fn a_panic_in_the_closure_costs_one_request() {
    let layer = PermitLayer::new(|parts: &Parts| {
        assert!(is_open(parts), "a scripted panic");
        true
    });

    assert!(tokio::spawn(ask(layer, "/closed")).await.is_err());
    assert_eq!(ask(layer, "/open").await.0, StatusCode::OK);
}

#[test]
fn it_keeps_the_contract() {
    Contract::new(|inner| PermitLayer::new(|parts| parts.uri.path() == "/").layer(inner))
        .refused(|request| *request.uri_mut() = "/closed".parse().unwrap())
        .check();
}

/// The answer to a request of this principal, with these facts.
fn permitted(
    permit: impl Fn(&Parts) -> Result<(), Rejection>,
    principal: Option<Principal>,
    change: impl FnOnce(&mut Parts),
) -> String {
    let mut parts = http::Request::new(()).into_parts().0;
    if let Some(principal) = principal {
        parts.extensions.insert(principal);
    }
    change(&mut parts);
    let rejection = permit(&parts).err();
    rejection.map_or_else(|| "yes".to_owned(), |rejection| rejection.code().to_owned())
}

fn restricted(json: &str) -> Option<Principal> {
    let permissions: Permissions = serde_json::from_str(json).unwrap();
    Some(Principal::new("a").with_permissions(permissions))
}

#[test]
fn a_route_has_to_be_permitted_however_the_path_is_read() {
    let chat = r#"{"routes":["POST /v1/chat/*","/v1/models","/v1/x%2Fy","/v1/z/y"]}"#;
    for (method, path, expected) in [
        ("POST", "/v1/chat/completions", "yes"),
        ("GET", "/v1/chat/completions", "route_not_permitted"),
        ("GET", "/v1/models", "yes"),
        ("GET", "/v1/models/", "route_not_permitted"),
        ("GET", "/V1/models", "route_not_permitted"),
        ("POST", "/v1/chat/../admin", "ambiguous_path"),
        ("POST", "/v1/chat/%2e%2e/admin", "ambiguous_path"),
        ("POST", "//v1/chat/completions", "ambiguous_path"),
        ("POST", "/v1/chat/;x", "ambiguous_path"),
        ("GET", "/v1/x%2Fy", "route_not_permitted"),
        ("GET", "/v1/z%2Fy", "route_not_permitted"),
        ("POST", "/v1/chat/a%2Fb", "yes"),
    ] {
        let answer = permitted(permits::route, restricted(chat), |parts| {
            parts.method = method.parse().unwrap();
            parts.uri = path.parse().unwrap();
        });
        assert_eq!(answer, expected, "{method} {path}");
    }
    let anything = permitted(permits::route, restricted("{}"), |parts| {
        parts.uri = "/v1/models/a%2Fb?x=//..".parse().unwrap();
    });
    assert_eq!(anything, "yes");
    let ambiguous = permitted(permits::route, restricted("{}"), |parts| {
        parts.uri = "//admin".parse().unwrap();
    });
    assert_eq!(ambiguous, "ambiguous_path", "for everybody");
    assert_eq!(
        permitted(permits::route, None, |_| ()),
        "route_not_permitted"
    );
}

#[test]
fn who_is_bound_to_networks_comes_from_there() {
    let office = r#"{"networks":["192.0.2.0/24","2001:db8::/32"]}"#;
    let peer = |address: &str| Peer::new(address.parse().unwrap());
    for (address, expected) in [
        ("192.0.2.7:1", "yes"),
        ("[::ffff:192.0.2.7]:1", "yes"),
        ("[2001:db8::1]:1", "yes"),
        ("198.51.100.1:1", "address_not_permitted"),
        ("[2001:db9::1]:1", "address_not_permitted"),
    ] {
        let answer = permitted(permits::address, restricted(office), |parts| {
            parts.extensions.insert(peer(address));
        });
        assert_eq!(answer, expected, "{address}");
    }
    let nowhere = "address_not_permitted";
    assert_eq!(
        permitted(permits::address, restricted(office), |_| ()),
        nowhere
    );
    assert_eq!(permitted(permits::address, restricted("{}"), |_| ()), "yes");
    assert_eq!(permitted(permits::address, None, |_| ()), nowhere);
    for (client, expected) in [
        (Some("198.51.100.1"), nowhere),
        (Some("192.0.2.7"), "yes"),
        (None, nowhere),
    ] {
        let answer = permitted(permits::address, restricted(office), |parts| {
            // The proxy itself is in the office, but whoever is behind it counts.
            parts.extensions.insert(peer("192.0.2.1:1"));
            let client = client.map(|address| address.parse().unwrap());
            parts.extensions.insert(ClientAddress(client));
        });
        assert_eq!(answer, expected, "{client:?}");
    }
}

#[test]
fn a_model_has_to_be_permitted_and_known() {
    let gpt = r#"{"models":["gpt-*"]}"#;
    let call = |model: &'static str| {
        move |parts: &mut Parts| {
            parts.extensions.insert(Call::new(Operation::Chat, model));
        }
    };
    let refused = "model_not_permitted";

    assert_eq!(
        permitted(permits::model, restricted(gpt), call("gpt-4o")),
        "yes"
    );
    assert_eq!(
        permitted(permits::model, restricted(gpt), call("claude")),
        refused
    );
    assert_eq!(permitted(permits::model, restricted(gpt), |_| ()), refused);
    assert_eq!(permitted(permits::model, None, call("gpt-4o")), refused);
}

#[test]
fn confidential_data_goes_to_no_place_of_a_lower_class() {
    let classes = [
        None,
        Some(Clearance::Public),
        Some(Clearance::Internal),
        Some(Clearance::Restricted),
    ];
    for data in classes {
        for place in classes {
            let mut principal = Principal::new("a");
            if let Some(data) = data {
                principal = principal.with_clearance(data);
            }
            let answer = permitted(permits::clearance, Some(principal), |parts| {
                let mut target = Target::new("a target");
                if let Some(place) = place {
                    target = target.with_clearance(place);
                }
                parts.extensions.insert(target);
            });
            let place = place.unwrap_or(Clearance::Public);
            let expected = if data.is_none_or(|data| data <= place) {
                "yes"
            } else {
                "target_not_permitted"
            };
            assert_eq!(answer, expected, "{data:?} to {place:?}");
        }
    }
}

#[tokio::test]
async fn the_principals_own_permit_asks_for_route_and_address() {
    let ask = |principal: Option<Principal>, path: &str| {
        let mut request = Request::get(path).body(Body::empty()).unwrap();
        if let Some(principal) = principal {
            request.extensions_mut().insert(principal);
        }
        let app: Router = Router::new()
            .route("/open", get(|| async {}))
            .layer(PermitLayer::principal());
        async { app.oneshot(request).await.unwrap().status() }
    };

    assert_eq!(ask(restricted("{}"), "/open").await, StatusCode::OK);
    assert_eq!(
        ask(restricted(r#"{"routes":[]}"#), "/open").await,
        StatusCode::FORBIDDEN
    );
    assert_eq!(
        ask(restricted(r#"{"networks":[]}"#), "/open").await,
        StatusCode::FORBIDDEN
    );
    assert_eq!(
        ask(restricted("{}"), "//open").await,
        StatusCode::BAD_REQUEST
    );
    assert_eq!(ask(None, "/open").await, StatusCode::FORBIDDEN);
}
