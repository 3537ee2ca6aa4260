# Where builds and parts lie. Sourced by .ci/run and tests/run; a caller's own settings win.

cache="${XDG_CACHE_HOME:-$HOME/.cache}/headwater"
export CARGO_TARGET_DIR="${CARGO_TARGET_DIR:-$cache/target}"
export HEADWATER_TOOLS="${HEADWATER_TOOLS:-$cache/tools}"
export CARGO_TERM_COLOR="${CARGO_TERM_COLOR:-never}"
export PIP_DISABLE_PIP_VERSION_CHECK=1
