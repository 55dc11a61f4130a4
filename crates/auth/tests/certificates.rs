//! Whom a client's certificate names, and how it goes together with other credentials.

use std::{net::SocketAddr, sync::Arc};

use axum::body::Body;
use http::{Request, Response, StatusCode};
use rcgen::{CertificateParams, DnType, KeyPair, SanType, date_time_ymd};
use tollgate_auth::{ApiKeys, AuthLayer, Subject};
use tollgate_core::{
    Rejection,
    fact::{Certificate, Peer, Principal},
};
use tower::{ServiceExt, service_fn};
use tower_layer::Layer;

const ID: &str = "spiffe://corp.example/billing";

fn certificate(edit: impl FnOnce(&mut CertificateParams)) -> Certificate {
    let mut params = CertificateParams::default();
    params.distinguished_name = rcgen::DistinguishedName::new();
    edit(&mut params);
    let key = KeyPair::generate().unwrap();
    Certificate(params.self_signed(&key).unwrap().der().to_vec().into())
}

fn common(params: &mut CertificateParams, name: &str) {
    params.distinguished_name.push(DnType::CommonName, name);
}

fn dns(params: &mut CertificateParams, name: &str) {
    let name = SanType::DnsName(name.try_into().unwrap());
    params.subject_alt_names.push(name);
}

fn uri(params: &mut CertificateParams, uri: &str) {
    let uri = SanType::URI(uri.try_into().unwrap());
    params.subject_alt_names.push(uri);
}

fn billing() -> Certificate {
    certificate(|params| uri(params, ID))
}

fn layer() -> AuthLayer<ApiKeys> {
    let keys = ApiKeys::new().with_key("tg-key", Principal::new("ci"));
    AuthLayer::new(keys).certificates(|certificate| {
        let subject = Subject::of(certificate)?;
        Some(Principal::new(subject.spiffe_id("corp.example")?).with_team("backend"))
    })
}

/// The status, the code of a refusal, and who was let in.
async fn ask(
    layer: AuthLayer<ApiKeys>,
    certificate: Option<Certificate>,
    credential: Option<(&str, &str)>,
) -> (StatusCode, String, Option<String>) {
    let service = layer.layer(service_fn(async |request: Request<Body>| {
        let principal = request.extensions().get::<Principal>().cloned();
        let mut response = Response::new(Body::empty());
        response.extensions_mut().insert(principal.unwrap());
        Ok::<_, std::convert::Infallible>(response)
    }));
    let mut request = Request::get("/");
    if let Some((name, value)) = credential {
        request = request.header(name, value);
    }
    let mut peer = Peer::new(SocketAddr::from(([192, 0, 2, 7], 4711)));
    peer.certificate = certificate;
    let request = request.extension(peer).body(Body::empty()).unwrap();
    let response = service.oneshot(request).await.unwrap();
    let extensions = response.extensions();
    let code = extensions.get::<Rejection>().map_or("", Rejection::code);
    let who = extensions
        .get::<Principal>()
        .map(|who| who.key().to_owned());
    (response.status(), code.to_owned(), who)
}

#[tokio::test]
async fn a_certificate_names_its_caller() {
    let (status, _, who) = ask(layer(), Some(billing()), None).await;

    assert_eq!(status, StatusCode::OK);
    assert_eq!(who.as_deref(), Some(ID));
}

#[tokio::test]
async fn a_certificate_of_nobody_is_a_wrong_credential_and_not_anonymous() {
    let anybody = layer().anonymous(Principal::new("anybody"));
    for nobody in [
        certificate(|params| uri(params, "spiffe://other.example/billing")),
        certificate(|_| {}),
        Certificate(Arc::new([0x30, 0x03, 1, 2, 3])),
        Certificate(Arc::new([])),
    ] {
        let (status, code, _) = ask(anybody.clone(), Some(nobody), None).await;
        assert_eq!(status, StatusCode::UNAUTHORIZED);
        assert_eq!(code, "invalid_api_key");
    }

    let (_, _, who) = ask(anybody, None, None).await;
    assert_eq!(who.as_deref(), Some("anybody"));
    let (_, code, _) = ask(layer(), None, None).await;
    assert_eq!(code, "missing_credentials");
}

#[tokio::test]
async fn a_certificate_and_a_key_are_one_credential_too_many() {
    for header in [("x-api-key", "tg-key"), ("authorization", "Bearer tg-key")] {
        let (status, code, _) = ask(layer(), Some(billing()), Some(header)).await;
        assert_eq!(status, StatusCode::BAD_REQUEST);
        assert_eq!(code, "invalid_credentials");
    }
    let scheme = Some(("authorization", "Basic dTpw"));
    let (status, ..) = ask(layer(), Some(billing()), scheme).await;
    assert_eq!(status, StatusCode::UNAUTHORIZED);
}

#[tokio::test]
async fn a_key_decides_alone_where_it_goes_over_a_certificate() {
    let layer = layer().credential_over_certificate();
    for (key, expected) in [
        (Some("tg-key"), Some("ci")),
        (Some("guess"), None),
        (None, Some(ID)),
    ] {
        let header = key.map(|key| ("x-api-key", key));
        let (_, _, who) = ask(layer.clone(), Some(billing()), header).await;
        assert_eq!(who.as_deref(), expected, "{key:?}");
    }
}

#[tokio::test]
async fn certificates_count_for_nothing_where_they_are_not_asked_for() {
    let keys = ApiKeys::new().with_key("tg-key", Principal::new("ci"));
    let layer = AuthLayer::new(keys);

    let (_, code, _) = ask(layer.clone(), Some(billing()), None).await;
    let (_, _, who) = ask(layer, Some(billing()), Some(("x-api-key", "tg-key"))).await;

    assert_eq!(code, "missing_credentials");
    assert_eq!(who.as_deref(), Some("ci"));
}

#[test]
fn a_subject_is_what_the_certificate_says() {
    let subject = Subject::of(&certificate(|params| {
        common(params, "billing");
        dns(params, "billing.corp.example");
        dns(params, "*.corp.example");
        uri(params, "https://billing.corp.example");
        uri(params, ID);
    }))
    .unwrap();

    assert_eq!(subject.common_name(), Some("billing"));
    let names: Vec<_> = subject.dns_names().collect();
    assert_eq!(names, ["billing.corp.example", "*.corp.example"]);
    assert_eq!(subject.uris().count(), 2);
    assert_eq!(subject.spiffe_id("corp.example"), None); // with two URIs it is none
}

#[test]
fn only_an_exact_spiffe_id_of_the_trust_domain_counts() {
    for (id, expected) in [
        (ID, true),
        ("spiffe://corp.example/ns/prod/sa/billing-1_a.b", true),
        ("spiffe://corp.example", false),
        ("spiffe://corp.example/", false),
        ("spiffe://corp.example/a/", false),
        ("spiffe://corp.example//a", false),
        ("spiffe://corp.example/../other", false),
        ("spiffe://corp.example/a?b", false),
        ("spiffe://corp.example/a%2Fb", false),
        ("spiffe://corp.example.attacker.example/a", false),
        ("spiffe://attacker.example/corp.example/a", false),
        ("spiffe://corp.example@attacker.example/a", false),
        ("SPIFFE://corp.example/a", false),
        ("https://corp.example/a", false),
    ] {
        let subject = Subject::of(&certificate(|params| uri(params, id))).unwrap();
        assert_eq!(
            subject.spiffe_id("corp.example").is_some(),
            expected,
            "{id}"
        );
    }
}

#[test]
fn a_certificate_that_is_over_or_not_clean_has_no_subject() {
    let over = certificate(|params| {
        uri(params, ID);
        params.not_before = date_time_ymd(2001, 1, 1);
        params.not_after = date_time_ymd(2002, 1, 1);
    });
    let control = certificate(|params| common(params, "billing\nadmin"));
    let nul = certificate(|params| common(params, "billing\0.attacker.example"));
    let trailing = Certificate([&*billing().0, &[0]].concat().into());
    let short = Certificate(billing().0[..100].into());
    for (name, certificate) in [
        ("over", over),
        ("with a line break", control),
        ("with a NUL", nul),
        ("with something behind", trailing),
        ("cut short", short),
    ] {
        assert_eq!(Subject::of(&certificate), None, "{name}");
    }
}

#[test]
fn no_byte_of_a_certificate_can_make_reading_it_panic() {
    let certificate = certificate(|params| {
        common(params, "billing");
        dns(params, "billing.corp.example");
        uri(params, ID);
    });
    for at in 0..certificate.0.len() {
        for value in [0x00, 0x30, 0x7f, 0x80, 0x84, 0xff] {
            let mut bytes = certificate.0.to_vec();
            bytes[at] = value;
            let _ = Subject::of(&Certificate(bytes.into()));
        }
    }
}
