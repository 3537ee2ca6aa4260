# Runs steps and prints what each took. Sourced by .ci/run and tests/run; knows nothing of what the steps do.

step_names=()
step_minutes=()
passed=0
failed=0

minutes_since() { # START, in seconds
  awk -v seconds="$((SECONDS - $1))" 'BEGIN { printf "%.1f", seconds / 60 }'
}

step() { # NAME COMMAND...: stops the script when the command fails
  local name="$1" start=$SECONDS
  shift
  printf '\n== %s\n' "$name"
  if ! "$@"; then
    echo "step failed: $name ($*)" >&2
    exit 1
  fi
  step_names+=("$name")
  step_minutes+=("$(minutes_since "$start")")
}

tests() { # NAME COMMAND...: counts what ran; goes on to the next tests when some fail
  local name="$1" start=$SECONDS output code=0 counts
  shift
  printf '\n== %s\n' "$name"
  output="$(mktemp)"
  "$@" 2>&1 | tee "$output" || code=$?
  # Counts as cargo-nextest prints them ("12 tests run: 11 passed, 1 failed") or as cargo test does ("11 passed; 1 failed").
  counts="$(awk '
    function number_before(word) { return match($0, "[0-9]+ " word) ? substr($0, RSTART, RLENGTH) + 0 : 0 }
    /tests? run:|^test result:/ { good += number_before("passed"); bad += number_before("failed") + number_before("timed out") }
    END { print good + 0, bad + 0 }' "$output")"
  rm -f "$output"
  passed=$((passed + ${counts% *}))
  failed=$((failed + ${counts#* }))
  # A run that dies before its summary has failed once, whatever it counted.
  if [ "$code" -ne 0 ] && [ "${counts#* }" -eq 0 ]; then failed=$((failed + 1)); fi
  if [ "$code" -eq 0 ] && [ "${counts% *}" -eq 0 ]; then
    echo "no test ran in: $name" >&2
    failed=$((failed + 1))
  fi
  step_names+=("$name")
  step_minutes+=("$(minutes_since "$start")")
}

print_minutes() {
  local at
  printf '\nminutes\n'
  for at in "${!step_names[@]}"; do printf '  %6s  %s\n' "${step_minutes[$at]}" "${step_names[$at]}"; done
}

close() { # Prints the minutes and, as the last line, the sum of all counts; fails when a test did.
  print_minutes
  printf '\n%s passed, %s failed\n' "$passed" "$failed"
  [ "$failed" -eq 0 ]
}
