# Runs steps and prints what each took. Sourced by .ci/run and tests/run; of what the steps do it knows how to run one test of servers
# and processes again (`one_way`, `one_live`).

step_names=()
step_minutes=()
passed=0
failed=0
skipped=()
AGAIN_AT_MOST=3 # failed tests that are tried again; more of them are no accident

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
  local name="$1" start=$SECONDS output code=0 counts test again
  shift
  printf '\n== %s\n' "$name"
  output="$(mktemp)"
  "$@" 2>&1 | tee "$output" || code=$?
  # Counts as cargo-nextest prints them ("12 tests run: 11 passed, 1 failed") or as cargo test does ("11 passed; 1 failed").
  counts="$(awk '
    function number_before(word) { return match($0, "[0-9]+ " word) ? substr($0, RSTART, RLENGTH) + 0 : 0 }
    /tests? run:|^test result:/ { good += number_before("passed"); bad += number_before("failed") + number_before("timed out") }
    END { print good + 0, bad + 0 }' "$output")"
  # A machine that chokes for a moment fails a test of servers and processes; what is wrong fails again, alone and undisturbed.
  if [ "$code" -ne 0 ] && [[ "$1" =~ ^(way|live)$ ]] && [ "${counts#* }" -gt 0 ] && [ "${counts#* }" -le "$AGAIN_AT_MOST" ]; then
    again="$(awk '/^failures:$/ { names = 1 } names && /^    [a-z_0-9:]+$/ { print $1 }' "$output" | sort -u)"
    printf '\nagain, each alone: %s\n' "$(echo $again)"
    code=0
    for test in $again; do "one_$1" "$test" >"$output" 2>&1 || { code=1; cat "$output"; }; done
    if [ "$code" -eq 0 ]; then
      printf 'passed alone: %s\n' "$(echo $again)"
      counts="$((${counts% *} + ${counts#* })) 0"
    fi
  fi
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

skip() { # WHAT AND WHY: said now, and again at the end
  skipped+=("$1")
  echo "skipped: $1"
}

print_minutes() {
  local at
  printf '\nminutes\n'
  for at in "${!step_names[@]}"; do printf '  %6s  %s\n' "${step_minutes[$at]}" "${step_names[$at]}"; done
}

close() { # Prints the minutes, what was skipped and, as the last line, the sum of all counts; fails when a test did.
  print_minutes
  if [ "${#skipped[@]}" -eq 0 ]; then
    printf '\n%s passed, %s failed\n' "$passed" "$failed"
  else
    printf '\nskipped: %s' "${skipped[@]}"
    printf '\n\n%s passed, %s failed, %s skipped\n' "$passed" "$failed" "${#skipped[@]}"
  fi
  [ "$failed" -eq 0 ]
}
