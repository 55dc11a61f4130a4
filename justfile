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

features:
    cargo hack check --workspace --each-feature --no-dev-deps

deny:
    cargo deny --locked check bans licenses sources

advisories:
    cargo deny check advisories
