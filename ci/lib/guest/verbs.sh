#!/usr/bin/env bash
# Jobs over RDMA on one Soft-RoCE device: the programs, the stress jobs, the examples, the ways to connect,
# wrong settings, and the tests of `Verbs` on a real device. As root, where everything is built
# (stage_verbs.sh does it):
#
#   ci/softroce -- ci/lib/guest/verbs.sh DIRECTORY-OF-THE-PROGRAMS [PART...]
#
# A part is a section of ci/tables/verbs, or `packets`, `death`, `tests of Verbs`, `doctor`. Prints PASS or
# FAIL for each check.
set -euo pipefail
cd "$(dirname "$0")/../../.."
export CI_WORK=$1
shift
source ci/lib/guest/jobs.sh
source ci/lib/deaths.sh

# Traffic passes the device, and only then: a request and its answer for each page, at least; both ends are
# this device.
packets() {
  local sent received fetched output
  sent=$(counter sent_pkts)
  check "jacobi over the host fabric" env MERINO_FABRIC=host "$PROGRAMS_RUN" run -n 2 -- out/examples/jacobi \
    60 5
  above "the host fabric sends no packet" "$((sent - $(counter sent_pkts)))" 0
  sent=$(counter sent_pkts)
  received=$(counter rcvd_pkts)
  output=$(timeout --kill-after=10 120 "$PROGRAMS_RUN" run -n 2 -- out/examples/jacobi 200 30 2>&1) || true
  printf '%s\n' "$output" | sed 's/^/  | /'
  fetched=$(sed -n 's/^jacobi: \([0-9]*\) pages fetched.*/\1/p' <<<"$output")
  above "a job fetches pages" "${fetched:-0}" 1
  above "at least two packets sent for each of them" "$(($(counter sent_pkts) - sent))" $((2 * ${fetched:-1}))
  above "at least two packets received for each of them" "$(($(counter rcvd_pkts) - received))" \
    $((2 * ${fetched:-1}))
}

# In the middle of everything.
death() {
  check "a node killed in the middle of everything, and nothing is left" run_death all 120 120000 "$DEVICE"
}

# The bundle of all tests, started as SwiftPM does; those of the fake device run beside the real one, too.
tests_of_verbs() {
  local output status=0
  output=$(NO_COLOR=1 timeout --kill-after=10 300 .build/debug/MerinoPackageTests.xctest \
    --testing-library swift-testing --no-parallel --filter VerbsTests 2>&1) || status=$?
  sed -nE 's/^. Test ([^ ]+) .*passed after.*/PASS Verbs: \1/p' <<<"$output"
  if [ "$status" -ne 0 ] || ! grep -Eq 'Suite RealDeviceTests passed' <<<"$output"; then
    printf '%s\n' "$output" | grep -vE ' started\.$| passed after ' | sed 's/^/  | /' || true
    failed "the tests of Verbs, on the real device too" "exit code $status"
  else
    passed "the tests of Verbs, on the real device too"
  fi
}

parts=("$@")
[ $# -gt 0 ] || parts=(choice packets "programs of two" "forks and leaving" "programs of others" stress death
  examples Fortran compatibility "System V" connections settings "tests of Verbs" doctor)
for name in "${parts[@]}"; do
  case $name in
    packets | death) part "$name" "$name" ;;
    "tests of Verbs") part "$name" tests_of_verbs ;;
    doctor) part "$name" ci/lib/guest/doctor.sh "$PROGRAMS_RUN" || CI_FAILED=1 ;;
    Fortran) [ ! -x out/examples/cg-f90 ] || part "$name" run_table verbs:Fortran ;;
    *) part "$name" run_table "verbs:$name" device="$DEVICE" stress="$STRESS" \
      user="setpriv --reuid 65534 --regid 65534 --clear-groups --" \
      limited="prlimit --memlock=8388608:8388608" ;;
  esac
done
exit "$CI_FAILED"
