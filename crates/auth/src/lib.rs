#![doc = include_str!("../README.md")]

mod api_keys;
mod challenge;
mod credential;
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
