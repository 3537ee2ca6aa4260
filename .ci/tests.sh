# Every test of the project, in steps. Sourced by .ci/run and tests/run.
#
# Every call selects the whole workspace: a selection of its own would give the dependencies other features, and so build them again.

every_test() {
  step "parts" .ci/install
  step "build" cargo build --release --workspace --lib --bins --tests
  tests "unit and house" cargo test --release --workspace --lib --bins --test engine --test conformance --bench memory --no-fail-fast
  tests "whole way" way --skip stores:: --skip retail::
  tests "stores" cargo test --release --workspace --test stores --no-fail-fast
  tests "stores, whole way" way stores::
  tests "retail" way retail::
  tests "shop of five services" live ecommerce:: table::
  step "live software, installed" install_live
  if [ "${#live_names[@]}" -gt 0 ]; then tests "live software" live "${live_names[@]}"; fi
  step "embedded" embedded
  step "power bi" powerbi
  step "bench, small" "$CARGO_TARGET_DIR/release/headwater-benches" --records 20000
  step "engine's bench, small" "$CARGO_TARGET_DIR/release/headwater-benches" engine --records 20000
}

embedded() { # Crates outside the workspace compile against ours: one goes the whole way, one reads without a lake
  (cd examples/embed && cargo run --release --locked)
  (cd examples/read && cargo run --locked)
}

powerbi() { # Exports the retail star; Microsoft's own parsers read it, and find every break that is made in it.
  local work
  work="$(mktemp -d)"
  cp -r examples/retail/. "$work"
  "$CARGO_TARGET_DIR/release/headwater" -C "$work" powerbi export --star retail --out "$work/pbip"
  tests/powerbi/prove.sh "$work/pbip"
  rm -rf "$work"
}

live_names=()
install_live() { # The three that every run proves, a shop among them; what cannot be had on this machine is said, with why.
  local name said code
  for name in datasette prometheus medusa; do
    code=0
    said="$(tests/live/software/drive "$name" install 2>&1)" || code=$?
    case "$code" in
      0) echo "$said" && live_names+=("proof::$name") ;;
      *) skip "live $name: it cannot be installed: $(grep -im 1 error <<<"$said" || tail -n 1 <<<"$said")" ;;
    esac
  done
}

live() { # NAME...: tests of the crate that runs connectors against real software; tests/live/run runs that
  cargo test --release --workspace --test live --no-fail-fast -- --test-threads 2 "$@"
}

one_live() { # NAME: one test, alone
  cargo test --release --workspace --test live --no-fail-fast -- --exact "$1"
}

way() { # ARGUMENTS OF THE TEST BINARY: two at a time, each starts servers of its own
  cargo test --release --workspace --test way --no-fail-fast -- --test-threads 2 "$@"
}

one_way() { # NAME: one test, alone
  cargo test --release --workspace --test way --no-fail-fast -- --exact "$1"
}
