use std::hash::{Hash, Hasher};

use http::{HeaderName, header::HOST, request::Parts};
use sha2::{Digest as _, Sha256};
use tollgate_core::Digest;

/// Everything that can change an answer, as one digest.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) struct Key([u8; 32]);

impl Key {
    pub(crate) const LENGTH: usize = 32;

    pub(crate) fn of(fields: Fields<'_>) -> Self {
        let mut list = Fieldwise(Vec::with_capacity(USUAL));
        list.field(DOMAIN);
        list.field(&fields.epoch.to_le_bytes());
        list.maybe(fields.tenant.map(str::as_bytes));
        let Parts {
            method,
            uri,
            headers,
            ..
        } = fields.parts;
        list.field(method.as_str().as_bytes());
        list.maybe(uri.scheme_str().map(str::as_bytes));
        list.maybe(
            uri.authority()
                .map(|authority| authority.as_str().as_bytes()),
        );
        list.maybe(headers.get(HOST).map(|host| host.as_bytes()));
        list.field(uri.path().as_bytes());
        list.maybe(uri.query().map(str::as_bytes));
        list.maybe(fields.digest.as_ref().map(|digest| &digest.as_bytes()[..]));
        for name in fields.vary {
            list.field(name.as_str().as_bytes());
            for value in headers.get_all(name) {
                list.maybe(Some(value.as_bytes()));
            }
            list.maybe(None);
        }
        Self(Sha256::digest(&list.0).into())
    }
}

/// A digest is as good as random, and needs no further hashing: see [`AsItIs`].
impl Hash for Key {
    fn hash<H: Hasher>(&self, state: &mut H) {
        let [a, b, c, d, e, f, g, h, ..] = self.0;
        state.write_u64(u64::from_le_bytes([a, b, c, d, e, f, g, h]));
    }
}

/// The hasher of [`Key`]s.
#[derive(Default)]
pub(crate) struct AsItIs(u64);

impl Hasher for AsItIs {
    fn write(&mut self, _: &[u8]) {
        unreachable!("a key hashes itself as one integer")
    }

    fn write_u64(&mut self, prefix: u64) {
        self.0 = prefix;
    }

    fn finish(&self) -> u64 {
        self.0
    }
}

/// What a [`Key`] is made of.
#[derive(Clone, Copy)]
pub(crate) struct Fields<'a> {
    pub(crate) epoch: u64,
    /// Nothing for those who are nobody.
    pub(crate) tenant: Option<&'a str>,
    pub(crate) parts: &'a Parts,
    /// Nothing if there is no body.
    pub(crate) digest: Option<Digest>,
    pub(crate) vary: &'a [HeaderName],
}

/// A list to be digested: each field's length stands before it, so that no two lists are written alike. It is written
/// down first, since a digest takes in one long piece faster than many short ones.
struct Fieldwise(Vec<u8>);

impl Fieldwise {
    fn field(&mut self, bytes: &[u8]) {
        self.0
            .extend_from_slice(&(bytes.len() as u64).to_le_bytes());
        self.0.extend_from_slice(bytes);
    }

    fn maybe(&mut self, bytes: Option<&[u8]>) {
        self.0.push(u8::from(bytes.is_some()));
        if let Some(bytes) = bytes {
            self.field(bytes);
        }
    }
}

/// Longer than most lists are.
const USUAL: usize = 1024;
/// To be changed with the order or the meaning of the fields.
const DOMAIN: &[u8] = b"tollgate-cache/1";

#[cfg(test)]
mod tests {
    use super::*;
    use http::{HeaderValue, Request, Uri};
    use proptest::prelude::*;

    type Tuple = (
        u64,
        Option<String>,
        String,
        Option<Vec<u8>>,
        Vec<String>,
        Vec<String>,
    );

    fn key((epoch, tenant, path, body, accept, language): &Tuple) -> Key {
        let uri = Uri::try_from(format!("/{path}")).unwrap();
        let (mut parts, ()) = Request::post(uri).body(()).unwrap().into_parts();
        for (name, values) in [("accept", accept), ("accept-language", language)] {
            for value in values {
                let value = HeaderValue::try_from(value).unwrap();
                parts.headers.append(name, value);
            }
        }
        Key::of(Fields {
            epoch: *epoch,
            tenant: tenant.as_deref(),
            parts: &parts,
            digest: body.as_deref().map(Digest::of),
            vary: &[http::header::ACCEPT, http::header::ACCEPT_LANGUAGE],
        })
    }

    /// From a small alphabet, so that neighbours are often written alike.
    fn tuple() -> impl Strategy<Value = Tuple> {
        let word = "[ab]{0,3}";
        let words = prop::collection::vec(word, 0..3);
        (
            0..2_u64,
            prop::option::of(word.prop_map(String::from)),
            "[ab?]{0,4}",
            prop::option::of(prop::collection::vec(0..2_u8, 0..3)),
            words.clone(),
            words,
        )
    }

    /// Takes some parts of the other, so that most pairs differ in little.
    fn mixed(one: &Tuple, other: Tuple, mask: u8) -> Tuple {
        let from = |bit: u8| mask & (1 << bit) != 0;
        let mut mixed = one.clone();
        if from(0) {
            mixed.0 = other.0;
        }
        if from(1) {
            mixed.1 = other.1;
        }
        if from(2) {
            mixed.2 = other.2;
        }
        if from(3) {
            mixed.3 = other.3;
        }
        if from(4) {
            mixed.4 = other.4;
        }
        if from(5) {
            mixed.5 = other.5;
        }
        mixed
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(2000))]
        #[test]
        fn distinct_requests_have_distinct_keys(one in tuple(), other in tuple(), mask in 0..64_u8) {
            let other = mixed(&one, other, mask);
            prop_assert_eq!(one == other, key(&one) == key(&other), "{:?} {:?}", one, other);
        }
    }

    #[test]
    fn each_part_of_an_address_counts() {
        let addresses = [
            "/a",
            "/a?",
            "/b",
            "http://a/a",
            "https://a/a",
            "https://b/a",
            "https://a:8443/a",
        ];
        let keys = addresses.map(|uri| {
            let (parts, ()) = Request::get(uri).body(()).unwrap().into_parts();
            Key::of(Fields {
                epoch: 0,
                tenant: None,
                parts: &parts,
                digest: None,
                vary: &[],
            })
        });

        for (at, key) in keys.iter().enumerate() {
            assert!(!keys[..at].contains(key), "{}", addresses[at]);
        }
    }
}
