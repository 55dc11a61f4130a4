//! The crates stand on floors: each uses only those below its own, and those on one floor do not know each other.

use std::{collections::BTreeSet, process::Command};

use serde_json::Value;

#[test]
fn every_crate_uses_only_floors_below_its_own() {
    let metadata = metadata();

    let mut broken = Vec::new();
    for package in packages(&metadata) {
        let name = name(package);
        let Some(floor) = floor(name) else {
            broken.push(format!(
                "{name}: say in tests/floors.rs which floor it is on"
            ));
            continue;
        };
        for dependency in normal_dependencies(package) {
            if dependency.starts_with("tollgate") && self::floor(dependency) >= Some(floor) {
                broken.push(format!("{name} (floor {floor}) uses {dependency}"));
            }
        }
    }

    assert!(broken.is_empty(), "{}", broken.join("\n"));
}

#[test]
fn core_depends_on_little() {
    const ALLOWED: [&str; 15] = [
        "blake3",
        "bytes",
        "http",
        "http-body",
        "http-body-util",
        "humantime-serde",
        "ipnet",
        "pin-project-lite",
        "serde",
        "serde_json",
        "sha2",
        "tokio",
        "tower-layer",
        "tower-service",
        "tracing",
    ];
    let metadata = metadata();
    let core = packages(&metadata).find(|package| name(package) == "tollgate-core");

    let found: BTreeSet<_> = dependencies(core.expect("tollgate-core is a member"))
        .filter(|dependency| dependency["kind"].is_null() && dependency["optional"] == false)
        .map(name)
        .collect();

    assert_eq!(found, BTreeSet::from(ALLOWED));
}

#[test]
fn a_layer_without_features_stays_under_sixty_crates() {
    let metadata = metadata();
    let layers = packages(&metadata)
        .map(name)
        .filter(|name| floor(name) == Some(1));

    for layer in layers {
        // Not from the metadata: there, features are unified over the whole workspace.
        let tree = cargo(&[
            "tree",
            "--package",
            layer,
            "--edges=normal",
            "--no-default-features",
            "--prefix=none",
            "--no-dedupe",
            "--format={p}",
        ]);
        let crates: BTreeSet<_> = tree
            .lines()
            .skip(1)
            .filter(|line| !line.is_empty())
            .collect();

        assert!(
            crates.len() < 60,
            "{layer} brings {} crates:\n{tree}",
            crates.len()
        );
    }
}

/// The floor of a member, from the bottom. Who stands on the top may use anything below.
fn floor(member: &str) -> Option<u8> {
    Some(match member {
        "tollgate-core" => 0,
        "tollgate-auth" | "tollgate-quota" | "tollgate-cache" | "tollgate-breaker"
        | "tollgate-balance" | "tollgate-audit" | "tollgate-observe" | "tollgate-llm" => 1,
        "tollgate-redis" | "tollgate-sql" => 2,
        "tollgate" => 3,
        "tollgate-gateway" | "axum-service" | "hyper-proxy" | "tonic-service"
        | "tollgate-tests" => 4,
        _ => return None,
    })
}

fn metadata() -> Value {
    let json = cargo(&["metadata", "--format-version=1", "--no-deps"]);
    serde_json::from_str(&json).expect("cargo writes JSON")
}

fn packages(metadata: &Value) -> impl Iterator<Item = &Value> {
    metadata["packages"].as_array().into_iter().flatten()
}

fn dependencies(package: &Value) -> impl Iterator<Item = &Value> {
    package["dependencies"].as_array().into_iter().flatten()
}

/// Optional ones too, but not those for tests and benchmarks.
fn normal_dependencies(package: &Value) -> impl Iterator<Item = &str> {
    dependencies(package)
        .filter(|dependency| dependency["kind"].is_null())
        .map(name)
}

fn name(value: &Value) -> &str {
    value["name"].as_str().expect("everything has a name")
}

fn cargo(arguments: &[&str]) -> String {
    let output = Command::new(env!("CARGO"))
        .args(arguments)
        .args(["--locked", "--offline"])
        .current_dir(concat!(env!("CARGO_MANIFEST_DIR"), "/.."))
        .output()
        .expect("cargo runs");
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "cargo {arguments:?}: {errors}");
    String::from_utf8(output.stdout).expect("cargo writes UTF-8")
}
