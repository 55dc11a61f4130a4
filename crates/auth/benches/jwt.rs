//! What a token costs, remembered or not: `cargo bench -p tollgate-auth --features jwt --bench jwt`.

#[allow(dead_code, reason = "not all of it is needed here")]
#[path = "../tests/support/signer.rs"]
mod signer;

use divan::{Bencher, black_box};
use http::HeaderValue;
use jsonwebtoken::Algorithm as Signature;
use serde_json::json;
use tollgate_auth::{Algorithm, Check, Credential, Issuer, Jwt, Verdict, Verifier};

use self::signer::{AUDIENCE, ED25519, ISSUER, Object, P256, RSA, jwks};

fn main() {
    divan::main();
}

const ALL: [&str; 3] = ["RS256", "ES256", "EdDSA"];

#[divan::bench(args = ALL)]
fn remembered(bencher: Bencher, algorithm: &str) {
    verify(bencher, algorithm, 4096);
}

#[divan::bench(args = ALL)]
fn not_remembered(bencher: Bencher, algorithm: &str) {
    verify(bencher, algorithm, 0);
}

fn verify(bencher: Bencher, name: &str, remember: usize) {
    let (signer, algorithm, signature) = match name {
        "RS256" => (&*RSA, Algorithm::Rs256, Signature::RS256),
        "ES256" => (&*P256, Algorithm::Es256, Signature::ES256),
        _ => (&*ED25519, Algorithm::EdDsa, Signature::EdDSA),
    };
    let issuer = Issuer::new(ISSUER, [AUDIENCE])
        .keys(jwks(&[signer.jwk(json!({"kid": "key"}))]))
        .algorithms([algorithm]);
    let jwt = Jwt::new([issuer]).unwrap().remember(remember);
    let header = Object::header(name, "key").text();
    let token = signer.token(signature, &header, &Object::claims().text());
    let value = HeaderValue::from_str(&token).unwrap();
    let credential = Credential::new(&value).unwrap();
    assert!(matches!(
        jwt.verify(&credential),
        Check::Now(Verdict::Known(_))
    ));
    bencher.bench_local(|| jwt.verify(black_box(&credential)));
}
