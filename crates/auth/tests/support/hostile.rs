//! Tokens that nobody may believe, each with what is wrong about it.

use base64::{
    Engine,
    engine::general_purpose::{STANDARD_NO_PAD, URL_SAFE, URL_SAFE_NO_PAD},
};
use jsonwebtoken::{Algorithm, EncodingKey, crypto};
use serde_json::{Value, json};

use crate::signer::{ED25519, ISSUER, Object, P256, P384, RSA, Signer, encode, header, now, token};

/// All of them, by what is wrong.
pub(crate) fn all() -> Vec<(String, String)> {
    let mut all = Vec::new();
    all.extend(named("algorithm", algorithms()));
    all.extend(named("header", headers()));
    all.extend(named("time", times()));
    all.extend(named("claim", claims()));
    all.extend(named("twice", duplicates()));
    all.extend(named("signature", signatures()));
    all.extend(named("shape", shapes()));
    all
}

type Cases = Vec<(String, String)>;

fn named(kind: &str, cases: Cases) -> impl Iterator<Item = (String, String)> + '_ {
    cases
        .into_iter()
        .map(move |(name, token)| (format!("{kind}: {name}"), token))
}

fn good() -> String {
    token(&header(), &Object::claims())
}

/// The signature is another algorithm's, or none.
fn algorithms() -> Cases {
    let mut cases = Vec::new();
    let claims = Object::claims().text();
    for name in [
        "none",
        "None",
        "NONE",
        "nOnE",
        "",
        "null",
        "ES256 ",
        "es256",
        "HS256",
        "HS384",
        "HS512",
        "ES256K",
        "ES512",
        "RS1",
        "RSA-OAEP",
        "dir",
        "A128KW",
        "Ed448",
        "\\u0000none",
    ] {
        let header = header().set("alg", &format!("\"{name}\"")).text();
        let unsigned = format!("{}.{}.", encode(&header), encode(&claims));
        cases.push((format!("`{name}` without a signature"), unsigned));
        let signed = P256.token(Algorithm::ES256, &header, &claims);
        cases.push((format!("`{name}` with one"), signed));
    }
    // The public key, in every form that might be taken for a shared secret.
    let public = RSA.public.to_string();
    let n = RSA.public["n"].as_str().unwrap();
    let raw = URL_SAFE_NO_PAD.decode(n).unwrap();
    for (form, secret) in [
        ("JWK", public.into_bytes()),
        ("modulus", n.as_bytes().to_vec()),
        ("bytes", raw),
        ("nothing", vec![0]),
    ] {
        let header = Object::header("HS256", "rsa").text();
        let message = format!("{}.{}", encode(header), encode(&claims));
        let secret = EncodingKey::from_secret(&secret);
        let signature = crypto::sign(message.as_bytes(), &secret, Algorithm::HS256).unwrap();
        cases.push((
            format!("HS256 by the public key ({form})"),
            format!("{message}.{signature}"),
        ));
    }
    for (name, algorithm, kid) in [
        ("PS256", Algorithm::PS256, "rsa"), // the key is for RS256
        ("RS384", Algorithm::RS384, "rsa"),
        ("RS512", Algorithm::RS512, "rsa"),
    ] {
        let header = Object::header(name, kid).text();
        let signed = RSA.token(algorithm, &header, &claims);
        cases.push((format!("{name} by a key for RS256"), signed));
    }
    for (name, algorithm) in [("RS256", Algorithm::PS256), ("RS256", Algorithm::RS384)] {
        let header = Object::header(name, "rsa").text();
        let signed = RSA.token(algorithm, &header, &claims);
        cases.push((format!("{name} in name, {algorithm:?} in truth"), signed));
    }
    for (name, kid) in [
        ("RS256", "ec"),
        ("ES256", "rsa"),
        ("ES256", "ed"),
        ("EdDSA", "ec"),
    ] {
        let header = Object::header(name, kid).text();
        let signed = P256.token(Algorithm::ES256, &header, &claims);
        cases.push((format!("{name} with the key `{kid}`"), signed));
    }
    let header = Object::header("ES384", "ec").text();
    let signed = P384.token(Algorithm::ES384, &header, &claims);
    cases.push(("ES384 where it is not configured".to_owned(), signed));
    for value in ["null", "1", "[\"ES256\"]", "{\"ES256\":1}", "true"] {
        let header = self::header().set("alg", value);
        cases.push((format!("alg is {value}"), token(&header, &Object::claims())));
    }
    let without = token(&self::header().without("alg"), &Object::claims());
    cases.push(("no alg".to_owned(), without));
    cases
}

/// The header names a key that is not the issuer's, or asks for something.
fn headers() -> Cases {
    let own = Signer::p256();
    let jwk = own.jwk(json!({"kid": "ec", "alg": "ES256"}));
    let mut cases = Vec::new();
    for (name, value) in [
        ("jku", json!("https://attacker.example/jwks.json")),
        ("jku", json!(format!("{ISSUER}/jwks.json"))),
        ("x5u", json!("https://attacker.example/chain.pem")),
        ("jwk", jwk),
        ("jwk", Value::Null),
        ("x5c", json!(["MIIB"])),
        ("crit", json!(["exp"])),
        ("crit", json!([])),
        ("crit", json!(["b64"])),
        ("b64", json!(false)),
        ("b64", json!(true)),
        ("cty", json!("JWT")),
        ("typ", json!("logout+jwt")),
        ("typ", json!("dpop+jwt")),
        ("typ", json!(1)),
        ("typ", json!(null)),
    ] {
        let header = header().set(name, &value.to_string()).text();
        let claims = Object::claims().text();
        for (whose, signer) in [("its own", &own), ("the right", &P256)] {
            let signed = signer.token(Algorithm::ES256, &header, &claims);
            cases.push((format!("{name} is {value}, by {whose} key"), signed));
        }
    }
    for value in [
        "\"../../../../dev/null\"",
        "\"/proc/sys/kernel/randomize_va_space\"",
        "\"' UNION SELECT 'secret' --\"",
        "\"ec'; DROP TABLE keys; --\"",
        "\"$(id)\"",
        "\"ec\\u0000\"",
        "\"EC\"",
        "\"\"",
        "null",
        "0",
        "[\"ec\"]",
        "{\"$ne\":null}",
    ] {
        let header = header().set("kid", value).text();
        let claims = Object::claims().text();
        for (whose, signer) in [("its own", &own), ("the right", &P256)] {
            let signed = signer.token(Algorithm::ES256, &header, &claims);
            cases.push((format!("kid is {value}, by {whose} key"), signed));
        }
    }
    cases
}

/// The time is over, not come, or no time.
fn times() -> Cases {
    let now = now();
    let (past, far) = ((now - 3600).to_string(), (now + 100_000_000).to_string());
    let (float, text) = (format!("{}.0", now + 600), format!("\"{}\"", now + 600));
    let power = format!("{}e1", (now + 600) / 10);
    let mut cases = Vec::new();
    for (name, value) in [
        ("exp", past.as_str()),
        ("exp", &(now - 31).to_string()),
        ("exp", &far),
        ("exp", "0"),
        ("exp", "-1"),
        ("exp", "9223372036854775807"),
        ("exp", "18446744073709551615"),
        ("exp", "18446744073709551616"),
        ("exp", "99999999999999999999999999"),
        ("exp", "1e400"),
        ("exp", "1e308"),
        ("exp", &power),
        ("exp", &float),
        ("exp", &text),
        ("exp", "null"),
        ("exp", "true"),
        ("exp", "[4102444800]"),
        ("exp", "{\"$gt\":0}"),
        ("exp", "\"\u{661}\u{662}\u{663}\""),
        ("exp", "\u{661}\u{662}\u{663}"),
        ("exp", "NaN"),
        ("exp", "Infinity"),
        ("exp", "0x7fffffff"),
        ("nbf", &(now + 3600).to_string()),
        ("nbf", &(now + 60).to_string()),
        ("nbf", &far),
        ("nbf", &text),
        ("nbf", &float),
        ("nbf", "null"),
        ("nbf", "-1"),
        ("nbf", "[]"),
        ("iat", &(now + 3600).to_string()),
        ("iat", &text),
        ("iat", "null"),
        ("iat", "1"),
    ] {
        let claims = Object::claims().set(name, value);
        cases.push((format!("{name} is {value}"), token(&header(), &claims)));
    }
    for name in ["exp", "nbf"] {
        let claims = Object::claims().without(name);
        cases.push((format!("no {name}"), token(&header(), &claims)));
    }
    cases
}

/// It is from somebody else, for somebody else, or about nobody.
fn claims() -> Cases {
    let long = format!("\"{}\"", "a".repeat(256));
    let mut cases = Vec::new();
    for (name, value) in [
        ("iss", "\"https://attacker.example\""),
        ("iss", "\"https://issuer.example/\""),
        ("iss", "\"https://issuer.example.attacker.example\""),
        ("iss", "\"HTTPS://issuer.example\""),
        ("iss", "\"https://issuer.example \""),
        ("iss", "\"\""),
        ("iss", "[\"https://issuer.example\"]"),
        ("iss", "{\"https://issuer.example\":1}"),
        ("iss", "null"),
        ("iss", "1"),
        ("aud", "\"other\""),
        ("aud", "\"llm \""),
        ("aud", "\"LLM\""),
        ("aud", "\"llm2\""),
        ("aud", "\"\""),
        ("aud", "[]"),
        ("aud", "[\"other\"]"),
        ("aud", "[\"llm\",1]"),
        ("aud", "[[\"llm\"]]"),
        ("aud", "{\"llm\":true}"),
        ("aud", "1"),
        ("aud", "true"),
        ("aud", "null"),
        ("sub", "\"\""),
        ("sub", "null"),
        ("sub", "1"),
        ("sub", "[\"alice\"]"),
        ("sub", "\"alice\\r\\nx-admin: 1\""),
        ("sub", "\"alice\\u0000\""),
        ("sub", "\"\\ud800\""),
        ("sub", &long),
        (
            "cnf",
            "{\"jkt\":\"0ZcOCORZNYy-DWpqq30jZyJGHTN0d2HglBV3uiguA4I\"}",
        ),
    ] {
        let claims = Object::claims().set(name, value);
        cases.push((format!("{name} is {value}"), token(&header(), &claims)));
    }
    for name in ["iss", "aud", "sub"] {
        let claims = Object::claims().without(name);
        cases.push((format!("no {name}"), token(&header(), &claims)));
    }
    cases
}

/// A name stands twice, so that two readers may believe two things.
fn duplicates() -> Cases {
    let mut cases = Vec::new();
    let later = (now() + 900).to_string();
    for (name, value) in [
        ("exp", later.as_str()),
        ("nbf", "1"),
        ("iss", "\"https://issuer.example\""),
        ("aud", "\"llm\""),
        ("sub", "\"alice\""),
        ("s\\u0075b", "\"admin\""),
        ("extra", "1,\"extra\":2"),
        ("nested", "{\"a\":1,\"a\":2}"),
        ("list", "[{\"a\":1,\"a\":2}]"),
    ] {
        let claims = Object::claims().with(name, value);
        cases.push((name.to_owned(), token(&header(), &claims)));
    }
    for (name, value) in [
        ("alg", "\"ES256\""),
        ("alg", "\"none\""),
        ("\\u0061lg", "\"ES256\""),
        ("kid", "\"ec\""),
        ("typ", "\"JWT\""),
    ] {
        let header = header().with(name, value);
        cases.push((
            format!("{name} in the header"),
            token(&header, &Object::claims()),
        ));
    }
    cases
}

/// The signature is no signature of this message by this key.
fn signatures() -> Cases {
    let good = good();
    let (message, signature) = good.rsplit_once('.').unwrap();
    let other = token(&header(), &Object::claims().set("sub", "\"mallory\""));
    let (other_message, _) = other.rsplit_once('.').unwrap();
    let signed = |bytes: &[u8]| format!("{message}.{}", encode(bytes));
    let raw = URL_SAFE_NO_PAD.decode(signature).unwrap();
    let stranger = |algorithm, name: &str, kid: &str, signer: &Signer| {
        let header = Object::header(name, kid).text();
        signer.token(algorithm, &header, &Object::claims().text())
    };
    let order = [
        0xff, 0xff, 0xff, 0xff, 0, 0, 0, 0, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xbc,
        0xe6, 0xfa, 0xad, 0xa7, 0x17, 0x9e, 0x84, 0xf3, 0xb9, 0xca, 0xc2, 0xfc, 0x63, 0x25, 0x51,
    ];
    let one = [&[0; 31][..], &[1]].concat();
    let cases = vec![
        ("of zeros", signed(&[0; 64])),
        ("r is zero", signed(&[&[0; 32], &raw[32..]].concat())),
        ("s is zero", signed(&[&raw[..32], &[0; 32]].concat())),
        ("r and s are the order", signed(&[order, order].concat())),
        ("r and s are one", signed(&[&one[..], &one].concat())),
        ("of ones", signed(&[0xff; 64])),
        ("in DER", signed(&der(&raw))),
        ("too short", signed(&raw[..63])),
        ("too long", signed(&[&raw[..], &[0]].concat())),
        ("twice as long", signed(&[&raw[..], &raw].concat())),
        ("turned around", signed(&[&raw[32..], &raw[..32]].concat())),
        ("empty", format!("{message}.")),
        ("of another message", format!("{other_message}.{signature}")),
        ("for P-384", signed(&[0; 96])),
        (
            "a stranger's",
            stranger(Algorithm::ES256, "ES256", "ec", &Signer::p256()),
        ),
        (
            "a stranger's RSA",
            stranger(Algorithm::RS256, "RS256", "rsa", &Signer::rsa()),
        ),
        (
            "of the other issuer's key",
            stranger(Algorithm::ES384, "ES384", "other", &P384),
        ),
        ("EdDSA of zeros", {
            let header = Object::header("EdDSA", "ed").text();
            let message = format!("{}.{}", encode(header), encode(Object::claims().text()));
            format!("{message}.{}", encode([0; 64]))
        }),
        ("EdDSA with s above the order", {
            let token = stranger(Algorithm::EdDSA, "EdDSA", "ed", &ED25519);
            let (message, signature) = token.rsplit_once('.').unwrap();
            let raw = URL_SAFE_NO_PAD.decode(signature).unwrap();
            format!(
                "{message}.{}",
                encode([&raw[..32], &plus_order(&raw[32..])].concat())
            )
        }),
        ("RSA of zeros", {
            let header = Object::header("RS256", "rsa").text();
            let message = format!("{}.{}", encode(header), encode(Object::claims().text()));
            format!("{message}.{}", encode([0; 256]))
        }),
        ("RSA of one", {
            let header = Object::header("RS256", "rsa").text();
            let message = format!("{}.{}", encode(header), encode(Object::claims().text()));
            format!("{message}.{}", encode([&[0; 255][..], &[1]].concat()))
        }),
    ];
    let named = cases.into_iter();
    named
        .map(|(name, token)| (name.to_owned(), token))
        .collect()
}

/// It is no token at all, or not written as one must be.
fn shapes() -> Cases {
    let good = good();
    let parts: Vec<&str> = good.split('.').collect();
    let [header, claims, signature] = parts[..] else {
        unreachable!("a token has three parts")
    };
    let claims_text = Object::claims().text();
    let header_text = self::header().text();
    // Signed as they stand, so that only their form is wrong.
    let sign = |message: &str| P256.sign(Algorithm::ES256, message);
    let formed = |head: &str, body: &str| sign(&format!("{head}.{body}"));
    let json = |head: &str, body: &str| formed(&encode(head), &encode(body));
    let last = |text: &str, with: char| format!("{}{with}", &text[..text.len() - 1]);
    let cases: Vec<(&str, String)> = vec![
        ("one part", header.to_owned()),
        ("two parts", format!("{header}.{claims}")),
        ("four parts", format!("{good}.{signature}")),
        (
            "five parts, as if encrypted",
            format!("{header}..{claims}.{signature}.{signature}"),
        ),
        ("a dot before", format!(".{good}")),
        ("a dot behind", format!("{good}.")),
        ("dots alone", "..".to_owned()),
        ("no header", sign(&format!(".{claims}"))),
        ("no claims", sign(&format!("{header}."))),
        (
            "a header without its end",
            format!("{}.{claims}.{signature}", &header[..header.len() - 1]),
        ),
        (
            "claims without their end",
            format!("{header}.{}.{signature}", &claims[..claims.len() - 1]),
        ),
        ("without its end", good[..good.len() - 1].to_owned()),
        ("something behind", format!("{good}A")),
        ("itself again", format!("{good}{good}")),
        ("padding", format!("{good}==")),
        (
            "padding in the claims",
            formed(header, &padded(&claims_text)),
        ),
        (
            "padding in the header",
            formed(&padded(&header_text), claims),
        ),
        (
            "the alphabet of plain base64",
            formed(header, &plain(&claims_text)),
        ),
        (
            "bits beyond the last byte",
            format!("{header}.{claims}.{}", last(signature, next_bit(signature))),
        ),
        ("percent-encoded", good.replace('.', "%2E")),
        ("a blank before", format!(" {good}")),
        ("a blank behind", format!("{good} ")),
        ("a blank within", good.replacen('.', ". ", 1)),
        ("a tab within", good.replacen('.', ".\t", 1)),
        (
            "a letter that looks alike",
            good.replacen('e', "\u{435}", 1),
        ),
        ("quoted", format!("\"{good}\"")),
        ("as a parameter", format!("token={good}")),
        ("a comma and another", format!("{good},{good}")),
        (
            "in JSON serialization",
            format!("{{\"payload\":\"{claims}\",\"signature\":\"{signature}\"}}"),
        ),
        ("the header is a list", json("[]", &claims_text)),
        ("the header is text", json("\"ES256\"", &claims_text)),
        ("the header is null", json("null", &claims_text)),
        ("the header is empty", json("{}", &claims_text)),
        ("the header is not JSON", json("alg=ES256", &claims_text)),
        (
            "something behind the header",
            json(&format!("{header_text}{{}}"), &claims_text),
        ),
        (
            "a BOM before the header",
            json(&format!("\u{feff}{header_text}"), &claims_text),
        ),
        (
            "a NUL behind the header",
            json(&format!("{header_text}\0"), &claims_text),
        ),
        (
            "a comment in the header",
            json(&format!("/**/{header_text}"), &claims_text),
        ),
        (
            "the claims are a list",
            json(&header_text, &format!("[{claims_text}]")),
        ),
        ("the claims are text", json(&header_text, "\"alice\"")),
        ("the claims are null", json(&header_text, "null")),
        ("the claims are empty", json(&header_text, "{}")),
        ("the claims are not JSON", json(&header_text, "sub=alice")),
        (
            "something behind the claims",
            json(&header_text, &format!("{claims_text},")),
        ),
        (
            "a BOM before the claims",
            json(&header_text, &format!("\u{feff}{claims_text}")),
        ),
        (
            "a NUL behind the claims",
            json(&header_text, &format!("{claims_text}\0")),
        ),
        (
            "a comma too many",
            json(&header_text, &claims_text.replace('}', ",}")),
        ),
        (
            "names without quotes",
            json(&header_text, &claims_text.replace("\"sub\"", "sub")),
        ),
        ("a token within", json(&header_text, &good)),
        ("claims in UTF-16", {
            let wide: Vec<u8> = claims_text
                .encode_utf16()
                .flat_map(u16::to_le_bytes)
                .collect();
            formed(header, &encode(wide))
        }),
        ("claims that are not UTF-8", {
            let text = claims_text.replace("alice", "\u{1}");
            let bytes: Vec<u8> = text
                .bytes()
                .map(|b| if b == 1 { 0xff } else { b })
                .collect();
            formed(header, &encode(bytes))
        }),
        ("deep as a well", {
            let deep = format!("{}{}", "[".repeat(1000), "]".repeat(1000));
            token(&self::header(), &Object::claims().with("deep", &deep))
        }),
        ("too large", {
            let large = format!("\"{}\"", "a".repeat(8 << 10));
            token(&self::header(), &Object::claims().with("large", &large))
        }),
        ("far too large", "eyJh.".repeat(10_000)),
    ];
    let named = cases.into_iter();
    named
        .map(|(name, token)| (name.to_owned(), token))
        .collect()
}

/// An object in base64url with the padding that tokens do not have.
fn padded(object: &str) -> String {
    let ends = ["", " ", "  "].map(|blank| URL_SAFE.encode(format!("{object}{blank}")));
    let mut padded = ends.into_iter().filter(|text| text.ends_with('='));
    padded.next().unwrap()
}

/// Claims in base64 of the other alphabet, and with a letter of it.
fn plain(claims: &str) -> String {
    let names = ["???", " ???", "  ???"].map(|name| claims.replace("alice", name));
    let mut plain = names
        .into_iter()
        .map(|claims| STANDARD_NO_PAD.encode(claims));
    plain.find(|text| text.contains('/')).unwrap()
}

/// A signature of ECDSA as DER has it.
fn der(raw: &[u8]) -> Vec<u8> {
    let integer = |bytes: &[u8]| {
        let zeros = bytes.iter().take_while(|byte| **byte == 0).count();
        let sign: &[u8] = if bytes[zeros] >= 0x80 { &[0] } else { &[] };
        let value = [sign, &bytes[zeros..]].concat();
        [&[2, value.len() as u8], &value[..]].concat()
    };
    let both = [integer(&raw[..32]), integer(&raw[32..])].concat();
    [&[0x30, both.len() as u8], &both[..]].concat()
}

/// The same number modulo the order of Ed25519, written as a larger one.
fn plus_order(s: &[u8]) -> Vec<u8> {
    const ORDER: [u8; 32] = [
        0xed, 0xd3, 0xf5, 0x5c, 0x1a, 0x63, 0x12, 0x58, 0xd6, 0x9c, 0xf7, 0xa2, 0xde, 0xf9, 0xde,
        0x14, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0x10,
    ];
    let mut carry = 0;
    let sums = s.iter().zip(ORDER).map(|(a, b)| {
        let sum = u16::from(*a) + u16::from(b) + carry;
        carry = sum >> 8;
        sum as u8
    });
    sums.collect()
}

/// A last character that means the same byte to whoever does not look at the bits behind it.
fn next_bit(text: &str) -> char {
    const ALPHABET: &str = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
    let at = ALPHABET.find(text.chars().last().unwrap()).unwrap();
    ALPHABET.chars().nth(at + 1).unwrap()
}
