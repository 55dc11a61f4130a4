use std::sync::{Arc, Mutex};

use tollgate_audit::{AuditLayer, Log};
use tollgate_core::testing::Contract;
use tower_layer::Layer;

use crate::support::{Disk, Memory};

#[test]
fn it_keeps_the_contract() {
    let current = Arc::new(Mutex::new(Memory::default().log()));
    let (made, refused, settled) = (current.clone(), current.clone(), current);
    Contract::new(move |inner| {
        let log = Memory::default().log();
        *made.lock().unwrap() = log.clone();
        AuditLayer::new(log).layer(inner)
    })
    .refused(move |_| refused.lock().unwrap().close().unwrap())
    .settled(move || {
        let log = settled.lock().unwrap();
        log.flush().is_ok() && log.pending() == 0 && log.lost() == 0
    })
    .check();
}

#[test]
fn it_keeps_the_contract_without_a_place_in_the_log() {
    let open = || Log::to_writer(Disk::of(0)).capacity(0).fail_open();

    Contract::new(move |inner| AuditLayer::new(open()).layer(inner)).check();
}
