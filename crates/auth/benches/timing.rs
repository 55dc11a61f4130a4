//! Whether time tells a wrong key that begins like a right one from any other: `cargo bench -p tollgate-auth --bench timing`.
//!
//! Prints Welch's t of two samples, taken in random order, of the fastest calls up to several quantiles. Beyond 4.5 in
//! either direction there would be something to see.

use std::{hint::black_box, time::Instant};

use http::HeaderValue;
use tollgate_auth::{
    Credential, KeyRecord, KeyRing, KeyStore, MemoryKeys, Pepper, RingPolicy, Verifier,
};

fn main() {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(1)
        .enable_time()
        .build()
        .expect("a runtime starts");
    let _entered = runtime.enter();
    let (store, pepper) = (MemoryKeys::new(), Pepper::new("pepper"));
    let known: Vec<String> = (0..KEYS)
        .map(|_| format!("tg-{}_{}", random(8), random(43)))
        .collect();
    for (n, key) in known.iter().enumerate() {
        drop(store.put_key(KeyRecord::new(n.to_string(), pepper.digest(key))));
    }
    let ring = KeyRing::watch(store, pepper, RingPolicy::new());
    runtime.block_on(ring.reached(KEYS as u64));

    let decoys: Vec<String> = known
        .iter()
        .map(|_| format!("tg-{}_{}", random(8), random(43)))
        .collect();

    for (name, right) in [("public part", 12), ("all but the last four", 51)] {
        let [like, unlike] = sample(&ring, [&known, &decoys], right);
        for quantile in [0.5, 0.9, 0.99] {
            let (one, other) = (fastest(&like, quantile), fastest(&unlike, quantile));
            let (t, nanos) = welch(one, other);
            println!("right prefix: {name}; fastest {quantile}: t = {t:.2}, {nanos:.2} ns apart");
        }
    }
}

/// How long each of many calls took, in nanoseconds, with keys that begin like those of either kind. No key comes twice: or
/// their places in the table would make a difference, and not their prefixes.
fn sample(ring: &KeyRing, kinds: [&[String]; 2], right: usize) -> [Vec<f64>; 2] {
    let mut taken = [Vec::with_capacity(CALLS), Vec::with_capacity(CALLS)];
    let mut state = 0x9e37_79b9_7f4a_7c15_u64;
    let mut next = || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        state >> 8
    };
    for _ in 0..CALLS {
        let (kind, n) = ((next() & 1) as usize, next() as usize % KEYS);
        let mut key = kinds[kind][n].clone().into_bytes();
        for byte in &mut key[right..] {
            *byte = b'a' + (next() % 26) as u8;
        }
        let value = HeaderValue::from_bytes(&key).expect("it is ASCII");
        let credential = Credential::new(&value).expect("it is a credential");
        let started = Instant::now();
        black_box(ring.verify(black_box(&credential)));
        taken[kind].push(started.elapsed().as_nanos() as f64);
    }
    for taken in &mut taken {
        taken.sort_by(f64::total_cmp);
    }
    taken
}

fn fastest(taken: &[f64], quantile: f64) -> &[f64] {
    &taken[..(taken.len() as f64 * quantile) as usize]
}

/// Welch's t, and the difference of the means.
fn welch(one: &[f64], other: &[f64]) -> (f64, f64) {
    let [(mean, error), (other_mean, other_error)] = [one, other].map(|sample| {
        let count = sample.len() as f64;
        let mean = sample.iter().sum::<f64>() / count;
        let squares = sample
            .iter()
            .map(|nanos| (nanos - mean).powi(2))
            .sum::<f64>();
        (mean, squares / (count - 1.0) / count)
    });
    let difference = mean - other_mean;
    (difference / (error + other_error).sqrt(), difference)
}

fn random(length: usize) -> String {
    let mut bytes = vec![0; length];
    getrandom::fill(&mut bytes).expect("the system has random numbers");
    bytes
        .iter()
        .map(|byte| char::from(b'a' + byte % 26))
        .collect()
}

const KEYS: usize = 10_000;
const CALLS: usize = 2_000_000;
