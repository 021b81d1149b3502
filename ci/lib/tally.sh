# Counts what passed and what failed, over all stages. Stages run in subshells, so the counts are lines of a
# file: "passed COUNT WHAT" or "failed COUNT WHAT".

tally_file=$(mktemp -t merino-tally.XXXXXX)
trap 'rm -f "$tally_file"' EXIT

# tally passed|failed COUNT WHAT
tally() {
  echo "$1 $2 $3" >>"$tally_file"
}

# With CI_CHECKS=FILE the name of every check goes there, too, a line each: what ci/compare-checks compares.
# list_check NAME
list_check() {
  [ -z "${CI_CHECKS:-}" ] || printf '%s\t%s\n' "${CI_STAGE:-none}" "$1" >>"$CI_CHECKS"
}

tally_count() {
  awk -v kind="$1" '$1 == kind { sum += $2 } END { print sum + 0 }' "$tally_file"
}

# check WHAT COMMAND ARGS...: one test; its output is shown only when it fails.
check() {
  local what=$1 output
  shift
  if output=$("$@" 2>&1); then
    echo "  passed: $what"
    tally passed 1 "$what"
    list_check "$what"
  else
    printf '%s\n' "$output"
    echo "  FAILED: $what"
    tally failed 1 "$what"
  fi
}

# check_fails WHAT PATTERN COMMAND ARGS...: one test that COMMAND finds a fault and says so in words that
# match PATTERN; how a check is shown able to fail.
check_fails() {
  local what=$1 pattern=$2 output
  shift 2
  if output=$("$@" 2>&1); then
    echo "  FAILED: $what: nothing was found"
    tally failed 1 "$what"
  elif ! grep -Eq -- "$pattern" <<<"$output"; then
    printf '%s\n' "$output"
    echo "  FAILED: $what: the message does not match $pattern"
    tally failed 1 "$what"
  else
    echo "  passed: $what"
    tally passed 1 "$what"
    list_check "$what"
  fi
}

# run_stage NAME: runs the function stage_NAME and prints its time. A stage that breaks off counts as a failure.
run_stage() {
  local name=$1 began=$SECONDS status=0
  echo "== $name"
  # Not in a condition: there `set -e` would be off inside.
  set +e
  (
    set -euo pipefail
    export CI_STAGE=$name
    "stage_$name"
  )
  status=$?
  set -e
  if [ "$status" -ne 0 ]; then
    echo "  FAILED: stage $name broke off with status $status"
    tally failed 1 "stage $name"
  fi
  echo "== $name: $((SECONDS - began)) s"
}
