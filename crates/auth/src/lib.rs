#![doc = include_str!("../README.md")]

mod api_keys;
#[cfg(feature = "certificates")]
mod certificate;
mod challenge;
mod credential;
#[cfg(feature = "jwt")]
mod jwks;
#[cfg(feature = "jwt")]
mod jwt;
mod layer;
mod permit;
mod verifier;

pub use self::{
    api_keys::{ApiKeys, InvalidDigest, KeyDigest},
    credential::Credential,
    layer::{AuthFuture, AuthLayer},
    permit::{Permission, PermitLayer},
    verifier::{Check, Or, OrFuture, Verdict, Verifier, VerifyFn, verify_fn},
};

#[cfg(feature = "certificates")]
pub use self::certificate::Subject;
#[cfg(feature = "jwt")]
pub use self::{
    jwks::{FetchError, FetchFuture, Fetched, KeySource},
    jwt::{Algorithm, InvalidIssuer, Issuer, Jwt, JwtFuture},
};
