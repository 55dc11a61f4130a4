#![doc = include_str!("../README.md")]

mod api_keys;
mod challenge;
mod credential;
mod keys;
mod layer;
mod permit;
mod verifier;

pub use self::{
    api_keys::{ApiKeys, InvalidDigest, KeyDigest},
    credential::Credential,
    keys::{
        Changes, GroupKind, GroupRecord, KeyRecord, KeyStore, KeyStoreError, MemoryKeys, Page,
        PreviousDigest, Stored,
    },
    layer::{AuthFuture, AuthLayer},
    permit::{Permission, PermitLayer},
    verifier::{Check, Or, OrFuture, Verdict, Verifier, VerifyFn, verify_fn},
};
