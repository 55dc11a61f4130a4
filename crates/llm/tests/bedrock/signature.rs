//! AWS' Signature Version 4, from its description.

use hmac::{Hmac, KeyInit, Mac};
use http::request::Parts;
use sha2::{Digest, Sha256};

pub(crate) const ID: &str = "AKIDEXAMPLE";
pub(crate) const SECRET: &str = "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY";
pub(crate) const REGION: &str = "eu-west-1";

/// The names of the signed headers, if the signature is that of this request.
pub(crate) fn verify(parts: &Parts, body: &[u8]) -> Vec<String> {
    let text = |name: &str| parts.headers[name].to_str().unwrap();
    let given = text("authorization");
    let fields = given.strip_prefix("AWS4-HMAC-SHA256 ").unwrap().split(", ");
    let fields: Vec<_> = fields.map(|field| field.split_once('=').unwrap()).collect();
    let field = |name| fields.iter().find(|(it, _)| *it == name).unwrap().1;

    let moment = text("x-amz-date");
    let scope = format!("{}/{REGION}/bedrock/aws4_request", &moment[..8]);
    assert_eq!(field("Credential"), format!("{ID}/{scope}"));

    let signed = field("SignedHeaders");
    let headers = signed
        .split(';')
        .map(|name| format!("{name}:{}\n", text(name).trim()));
    let request = [
        parts.method.as_str(),
        &encoded(parts.uri.path()),
        parts.uri.query().unwrap_or(""),
        &headers.collect::<String>(),
        signed,
        &hex::encode(Sha256::digest(body)),
    ];
    let digest = hex::encode(Sha256::digest(request.join("\n")));
    let signable = ["AWS4-HMAC-SHA256", moment, &scope, &digest].join("\n");
    let mut key = format!("AWS4{SECRET}").into_bytes();
    for part in scope.split('/') {
        key = keyed(&key, part);
    }
    assert_eq!(field("Signature"), hex::encode(keyed(&key, &signable)));
    signed.split(';').map(str::to_owned).collect()
}

/// A path as it is signed: what is encoded already is encoded again.
fn encoded(path: &str) -> String {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-._~/".contains(&byte);
    let bytes = path.bytes().map(|byte| match plain(byte) {
        true => char::from(byte).to_string(),
        false => format!("%{byte:02X}"),
    });
    bytes.collect()
}

fn keyed(key: &[u8], text: &str) -> Vec<u8> {
    let mut mac = Hmac::<Sha256>::new_from_slice(key).unwrap();
    mac.update(text.as_bytes());
    mac.finalize().into_bytes().to_vec()
}
