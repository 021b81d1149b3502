# shellcheck shell=bash disable=SC2034,SC2154 # variables of the sourcing script, and for it
# What the scripts of this folder share that run jobs over a Soft-RoCE device: each check prints `PASS what` or
# `FAIL what: why` after whatever explains it, each part its time. The sourcing script sets `programs`, the folder of
# the compiled Tests/Programs, and `placement`, the options of `merino run` that say where the nodes run.

device=${SOFTROCE_DEVICE:?run this by ci/softroce}
counters=/sys/class/infiniband/$device/ports/1/hw_counters
merino=out/bin/merino
stress=.build-static/release/MerinoStress
failed=0
# Registered at joining, with the control memory that goes with it.
export MERINO_CAPACITY=256M MERINO_DEVICE=$device MERINO_FABRIC=verbs MERINO_JOIN_TIMEOUT=150
# A backtrace takes minutes to make under emulation.
export SWIFT_BACKTRACE=enable=no

pass() {
  echo "PASS $1"
}

# fail WHAT WHY
fail() {
  echo "FAIL $1: $2"
  failed=1
}

# part NAME FUNCTION: prints what it took.
part() {
  local began=$SECONDS
  echo "-- $1"
  "$2"
  echo "-- $1: $((SECONDS - began)) s"
}

# timed SECONDS COMMAND...: sets `output` and `status`.
timed() {
  local seconds=$1
  shift
  status=0
  output=$(timeout --kill-after=10 "$seconds" "$@" 2>&1) || status=$?
}

# passes WHAT SECONDS NAME COMMAND...: a job that ends with 0 and says "PASS NAME" once; what it says is shown.
passes() {
  local what=$1 seconds=$2 name=$3 began=$SECONDS
  shift 3
  timed "$seconds" "$merino" run "${placement[@]}" -- "$@"
  printf '%s\n' "$output" | sed 's/^PASS /  said: PASS /; s/^FAIL /  said: FAIL /'
  if [ "$status" -ne 0 ] || [ "$(grep -c "^PASS $name" <<<"$output")" -ne 1 ]; then
    fail "$what" "exit code $status after $((SECONDS - began)) s"
  else
    pass "$what ($((SECONDS - began)) s)"
  fi
}

# program WHAT SECONDS NAME ARGS...: one of Tests/Programs, whose every CHECK is a check here.
program() {
  local what=$1 seconds=$2 name=$3 began=$SECONDS
  shift 3
  timed "$seconds" "$merino" run "${placement[@]}" -- "$programs/$name" "$@"
  sed -n "s|^PASS |PASS $what: |p" <<<"$output"
  if [ "$status" -ne 0 ] || ! grep -q '^PASS ' <<<"$output" || grep -q '^FAIL ' <<<"$output"; then
    grep -v '^PASS ' <<<"$output" | sed "s|^FAIL |FAIL $what: |" || true
    fail "$what" "exit code $status after $((SECONDS - began)) s"
  else
    pass "$what ($((SECONDS - began)) s)"
  fi
}

# ends WHAT SECONDS CODE PATTERN COMMAND...: ends with this exit code, in words that match.
ends() {
  local what=$1 seconds=$2 code=$3 pattern=$4
  shift 4
  timed "$seconds" "$@"
  if [ "$status" -ne "$code" ] || ! grep -Eq -- "$pattern" <<<"$output"; then
    printf '%s\n' "$output" | sed 's/^PASS /  said: PASS /; s/^FAIL /  said: FAIL /'
    fail "$what" "exit code $status, not $code, or nothing matches $pattern"
  else
    pass "$what"
  fi
}

# above WHAT NUMBER LEAST
above() {
  if [ "$2" -lt "$3" ]; then
    fail "$1" "$2, and it should be at least $3"
  else
    pass "$1 ($2)"
  fi
}

# counter NAME: one of this guest's device.
counter() {
  cat "$counters/$1"
}
