# shellcheck shell=bash
# What the scripts of this folder share that run jobs over a Soft-RoCE device: each check prints `PASS name`
# or `FAIL name: why` after whatever explains it (ci/lib/tally.sh), each part its time. The sourcing script
# sets CI_WORK, the folder of the compiled programs.
source ci/lib/tally.sh
source ci/lib/table.sh

DEVICE=${SOFTROCE_DEVICE:?run this by ci/softroce}
STRESS=.build-static/release/MerinoStress
export PROGRAMS_RUN=out/bin/merino
# Registered at joining, with the control memory that goes with it.
export MERINO_CAPACITY=256M MERINO_DEVICE=$DEVICE MERINO_FABRIC=verbs MERINO_JOIN_TIMEOUT=150
# A backtrace takes minutes to make under emulation.
export SWIFT_BACKTRACE=enable=no

# part NAME COMMAND...: prints what it took.
part() {
  local name=$1 began=$SECONDS
  shift
  echo "-- $name"
  "$@"
  echo "-- $name: $((SECONDS - began)) s"
}

# above NAME NUMBER LEAST
above() {
  if [ "$2" -lt "$3" ]; then
    failed "$1" "$2, and it should be at least $3"
  else
    passed "$1"
    echo "  ($1: $2)"
  fi
}

# counter NAME: one of this guest's device.
counter() {
  cat "/sys/class/infiniband/$DEVICE/ports/1/hw_counters/$1"
}
