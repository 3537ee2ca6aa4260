#!/usr/bin/env bash
# Checks an exported PBIP folder, then breaks a copy of it in one place at a time: each break must be found. A check that cannot
# fail is none.
#
# usage: prove.sh PBIP_FOLDER
set -euo pipefail

readonly PROJECT=${1:?usage: prove.sh PBIP_FOLDER}
readonly HERE=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)

scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT

"$HERE/validate.sh" "$PROJECT"

# must_fail NAME FILE SED REASON: applies SED to the first file that matches FILE in a copy; the copy must fail for REASON.
must_fail() {
    local copy=$scratch/$1 file before
    cp -r "$PROJECT" "$copy"
    file=$(find "$copy" -path "*/$2" | sort | head -1)
    [[ -n $file ]] || { echo "prove: no file $2" >&2; exit 1; }
    before=$(sha256sum <"$file")
    sed -i "$3" "$file"
    [[ $before != "$(sha256sum <"$file")" ]] || { echo "prove: $1 changed nothing in $2" >&2; exit 1; }
    if "$HERE/validate.sh" "$copy" >"$scratch/out" 2>&1; then
        echo "prove: $1 was not found" >&2
        exit 1
    fi
    grep -qE "$4" "$scratch/out" || { cat "$scratch/out" >&2; echo "prove: $1 was found for another reason" >&2; exit 1; }
    echo "prove: $1: $(grep -m1 -E "$4" "$scratch/out" | sed "s|$copy/||g" | cut -c1-140)"
}

must_fail relationship-to-nowhere 'definition/relationships.tmdl' '0,/toColumn: .*/s//toColumn: Nothing.at_all/' \
    'Cannot resolve all the paths'
must_fail unknown-type 'tables/*.tmdl' '0,/dataType: int64/s//dataType: int65/' "convert the value 'int65'"
must_fail unknown-property 'tables/*.tmdl' '0,/summarizeBy: none/s//summariseBy: none/' "summariseBy"
must_fail broken-query 'tables/*.tmdl' 's/Selected = Table.SelectColumns(/Selected = Table.SelectColumns((/' 'query table'
must_fail broken-function 'definition/expressions.tmdl' 's/DeltaLake.Table(Folder)/DeltaLake.Table(Folder/' 'query expression'
must_fail page-with-unknown-key 'page.json' 's/"displayOption"/"displayOptions"/' "'displayOption' is a required"
must_fail page-that-is-not-there 'pages.json' '0,/"pageOrder": \[/s//"pageOrder": ["gone",/' 'no page gone'
must_fail report-without-model 'definition.pbir' 's/SemanticModel/SemanticModels/' 'no model at'
echo "prove: every break was found"
