# shellcheck shell=bash
# Counts what passed and what failed, over all stages. Stages run in subshells, so the counts are lines of
# the file CI_TALLY: "passed COUNT STAGE: NAME" or "failed COUNT STAGE: NAME". In a guest CI_TALLY is not
# set: each check is a line "PASS NAME" or "FAIL NAME: WHY" there, which the host counts (tally_stream).
# CI_FAILED is 1 after a check of this shell failed.
CI_FAILED=0

# tally passed|failed COUNT NAME
tally() {
  echo "$1 $2 ${CI_STAGE:+$CI_STAGE: }$3" >>"$CI_TALLY"
}

tally_count() {
  awk -v kind="$1" '$1 == kind { sum += $2 } END { print sum + 0 }' "$CI_TALLY"
}

# passed NAME [NOTE]
passed() {
  if [ -z "${CI_TALLY:-}" ]; then
    echo "PASS $1"
  else
    echo "  passed: $1${2:+ ($2)}"
    tally passed 1 "$1"
  fi
}

# failed NAME WHY
failed() {
  CI_FAILED=1
  if [ -z "${CI_TALLY:-}" ]; then
    echo "FAIL $1: $2"
  else
    echo "  FAILED: $1: $2"
    tally failed 1 "$1"
  fi
}

# tally_lines NAME FILE: each line PASS or FAIL of a program of many checks is one.
tally_lines() {
  if [ -z "${CI_TALLY:-}" ]; then
    awk -v name="$1" '/^(PASS|FAIL) / { print substr($0, 1, 5) name ": " substr($0, 6) }' "$2"
  else
    awk -v name="${CI_STAGE:+$CI_STAGE: }$1" '
      /^(PASS|FAIL) / {
        print (/^PASS/ ? "passed" : "failed") " 1 " name ": " substr($0, 6)
      }' "$2" >>"$CI_TALLY"
  fi
}

# tally_stream NAME COMMAND...: counts the lines PASS and FAIL of COMMAND; what it says besides is shown as
# it comes. An exit code that no FAIL explains is a failure, too.
tally_stream() {
  local name=$1 log status=0
  shift
  log=$(mktemp -t merino-stream.XXXXXX)
  "$@" 2>&1 | tee "$log" | { grep --line-buffered -v '^PASS ' || true; } | sed -u 's/^/  /' || status=$?
  tally_lines "$name" "$log"
  if [ "$status" -ne 0 ] && ! grep -q '^FAIL ' "$log" || ! grep -q '^PASS ' "$log"; then
    failed "$name" "it ended with $status after $(grep -c '^PASS ' "$log") checks"
  elif [ "$status" -eq 0 ]; then
    passed "$name" "$(grep -c '^PASS ' "$log") checks"
  fi
  rm -f "$log"
}

# check NAME COMMAND ARGS...: one test; its output is shown only when it fails.
check() {
  local name=$1 output status=0
  shift
  output=$("$@" 2>&1) || status=$?
  if [ "$status" -eq 0 ]; then
    passed "$name"
  else
    printf '%s\n' "$output" | sed 's/^/  | /'
    failed "$name" "exit code $status"
  fi
}

# check_fails NAME PATTERN COMMAND ARGS...: one test that COMMAND finds a fault and says so in words that
# match PATTERN; how a check is shown able to fail.
check_fails() {
  local name=$1 pattern=$2 output
  shift 2
  if output=$("$@" 2>&1); then
    failed "$name" "nothing was found"
  elif ! grep -Eq -- "$pattern" <<<"$output"; then
    printf '%s\n' "$output" | sed 's/^/  | /'
    failed "$name" "the message does not match $pattern"
  else
    passed "$name"
  fi
}

# run_stage NAME: runs the function stage_NAME, with a folder CI_WORK of its own, and prints its time. A
# stage that breaks off counts as a failure.
run_stage() {
  local name=$1 began=$SECONDS status=0
  echo "== $name"
  CI_WORK=$(mktemp -d -t "merino-$name.XXXXXX")
  export CI_WORK
  # Not in a condition: there `set -e` would be off inside.
  set +e
  (
    set -euo pipefail
    export CI_STAGE=$name
    "stage_$name"
  )
  status=$?
  set -e
  rm -rf "$CI_WORK"
  [ "$status" -eq 0 ] || failed "stage $name" "it broke off with status $status"
  echo "== $name: $((SECONDS - began)) s"
}
