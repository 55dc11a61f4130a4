#![doc = include_str!("../README.md")]

mod api_keys;
mod challenge;
mod credential;
mod keys;
mod layer;
mod pepper;
mod permit;
mod table;
mod verifier;

pub use self::{
    api_keys::{ApiKeys, InvalidDigest, KeyDigest},
    credential::Credential,
    keys::{
        Changes, Clock, GroupKind, GroupRecord, KeyPatch, KeyRecord, KeyRing, KeyStore,
        KeyStoreError, Keys, KeysError, MemoryKeys, NewKey, Page, PreviousDigest, RingPolicy,
        RingStatus, Stored,
    },
    layer::{AuthFuture, AuthLayer},
    pepper::Pepper,
    permit::{Permission, PermitLayer},
    verifier::{Check, Or, OrFuture, Verdict, Verifier, VerifyFn, verify_fn},
};
