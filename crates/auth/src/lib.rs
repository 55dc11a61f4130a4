#![doc = include_str!("../README.md")]

mod api_keys;
#[cfg(feature = "certificates")]
mod certificate;
mod challenge;
mod credential;
mod hygiene;
#[cfg(feature = "jwt")]
mod jwks;
#[cfg(feature = "jwt")]
mod jwt;
mod keys;
mod layer;
mod pepper;
mod permit;
pub mod permits;
mod table;
mod verifier;

pub use self::{
    api_keys::{ApiKeys, InvalidDigest, KeyDigest},
    credential::Credential,
    hygiene::{ClientAddress, HygieneLayer},
    keys::{
        Changes, Clock, GroupKind, GroupRecord, KeyPatch, KeyRecord, KeyRing, KeyStore,
        KeyStoreError, Keys, KeysError, MemoryKeys, NewKey, Page, PreviousDigest, RingPolicy,
        RingStatus, Stored,
    },
    layer::{AuthFuture, AuthLayer},
    pepper::Pepper,
    permit::{Permission, PermitLayer},
    verifier::{Check, Or, OrFuture, Verdict, Verifier, VerifyFn, Within, WithinFuture, verify_fn},
};

#[cfg(feature = "certificates")]
pub use self::certificate::Subject;
#[cfg(feature = "jwt")]
pub use self::{
    jwks::{FetchError, FetchFuture, Fetched, KeySource},
    jwt::{Algorithm, InvalidIssuer, Issuer, Jwt, JwtFuture},
};
