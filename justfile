# Short names for the commands of CONTRIBUTING.md; `just` lists them. Each is one plain command, so nobody needs `just`.

_list:
    @just --list

# Prove one primitive, by its name in the text form: just primitive argsort
primitive NAME:
    PRIMITIVE={{NAME}} cargo test --locked --test it -- the_rule_of_every_primitive every_primitive_computes_what

# Every test, doc tests included
test:
    cargo test --locked

# Take the present texts as the expected ones; read them in `git diff` before committing
snapshots:
    INSTA_UPDATE=always cargo test --locked --test it

# Test the crate of images and subword tokenizers
data:
    cargo test --locked -p pullback-data --all-features

# Test the command line
cli:
    cargo test --locked -p pullback-cli

# Test the tool of the benchmark GradBench
gradbench:
    cargo test --locked -p pullback-gradbench

# Train by MPI on 1 to 8 processes and compare their bits
mpi:
    bash crates/pullback-mpi/run
# Open the pages of reports in headless Chromium and compare their tables with the profile
browser:
    bash tests/browser/report

# Programs as StableHLO under XLA
xla:
    bash tests/xla/run

# Run the lecture's claims and draw their figures
figures:
    cargo run --release --locked --example lecture -- all

# Time one workload, W1 to W13
bench WORKLOAD:
    cargo run --release --locked --example workload -- --workload {{WORKLOAD}}

# Print what a pass of planning leaves of a workload: just pass W1 "fusion groups"
pass WORKLOAD PASS:
    cargo run --release --locked --example workload -- --workload {{WORKLOAD}} --pass "{{PASS}}"

# Feed mutated graphs and files to every reader and to the whole compiler
fuzz SECONDS:
    cargo run --release --locked --manifest-path fuzz/Cargo.toml --target-dir target --bin mutate -- --seconds {{SECONDS}}

# The documentation, as strictly as the gate builds it
docs:
    RUSTDOCFLAGS="-D warnings" cargo doc --no-deps --locked --all-features

# Format and lints
lint:
    cargo fmt --all -- --check
    cargo clippy --all-targets --locked -- -D warnings

# Everything that must hold before a change lands
gate:
    bash .ci/run

# Unsafe code under Miri, by the name of a unit test: just miri pool
miri TEST:
    MIRIFLAGS="-Zmiri-ignore-leaks -Zmiri-strict-provenance" cargo +nightly miri test --locked --lib -- {{TEST}}

# Record the public surface again; read what changed in `git diff` before committing
api:
    cargo +nightly public-api --all-features -sss > docs/reference/public-api.txt

# Make the crate as it would be published, and build it from that
package:
    cargo package --locked

# Licences of all dependencies against deny.toml
licences:
    cargo deny --all-features check licenses
