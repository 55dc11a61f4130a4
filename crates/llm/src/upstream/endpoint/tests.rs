use http::Uri;

use super::Endpoint;
use crate::dialect::Api;

#[test]
fn the_base_url_takes_the_place_of_the_version() {
    for (base, asked, expected) in [
        (
            "https://api.openai.com/v1",
            "/v1/chat/completions",
            "https://api.openai.com/v1/chat/completions",
        ),
        (
            "http://127.0.0.1:9/v1/",
            "/v1/models/a%2Fb?x=1",
            "http://127.0.0.1:9/v1/models/a%2Fb?x=1",
        ),
        (
            "https://api.groq.com/openai/v1",
            "/v1/models",
            "https://api.groq.com/openai/v1/models",
        ),
        (
            "http://localhost:11434",
            "/v1/embeddings",
            "http://localhost:11434/embeddings",
        ),
        (
            "http://localhost/v1",
            "/v1/messages?beta=true&key=canary&x=1",
            "http://localhost/v1/messages?beta=true&x=1",
        ),
        (
            "http://localhost/x",
            "/v1/messages?key=canary&access_token",
            "http://localhost/x/messages",
        ),
    ] {
        let endpoint = Endpoint::new("x", base).unwrap();
        let asked: Uri = asked.parse().unwrap();
        let uri = endpoint.uri(Api::Chat, "m", false, Some(&asked)).unwrap();
        assert_eq!(uri.to_string(), expected);
    }
}

#[test]
fn what_is_no_plain_base_url_is_refused() {
    for base in [
        "",
        "/v1",
        "api.openai.com",
        "ftp://x/v1",
        "http://x/v1?key=1",
        "http://u:p@x/",
    ] {
        assert!(Endpoint::new("x", base).is_err(), "{base}");
    }
}

#[test]
fn a_credential_is_not_shown() {
    let endpoint = Endpoint::new("x", "http://localhost/v1").unwrap();
    let endpoint = endpoint.bearer("canary-secret".into()).unwrap();
    assert!(!format!("{endpoint:?}").contains("canary"));
    let broken = Endpoint::new("x", "http://localhost/v1")
        .unwrap()
        .bearer("canary\n".into());
    assert!(!format!("{:?}", broken.unwrap_err()).contains("canary"));
}
