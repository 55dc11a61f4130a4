# Everything that CI runs, on this machine.
test *args:
    ./tests/run {{args}}

# The gateway, with a simulated provider.
run *args:
    cargo run --release -p tollgate-gateway -- {{args}}

fmt:
    cargo fmt --all --check

clippy:
    cargo clippy --workspace --all-targets --all-features -- -D warnings

doc:
    RUSTDOCFLAGS="-D warnings" cargo doc --workspace --no-deps --all-features

bench crate:
    cargo bench -p tollgate-{{crate}}

# Budgets in simulated systems with all that goes wrong, by night.
model runs="100000":
    TOLLGATE_MODEL_RUNS={{runs}} cargo test -p tollgate-quota --release --test model -- --include-ignored --nocapture

features:
    cargo hack check --workspace --each-feature --no-dev-deps

deny:
    cargo deny --locked check bans licenses sources

advisories:
    cargo deny check advisories
