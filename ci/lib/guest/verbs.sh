#!/usr/bin/env bash
# Jobs over RDMA on one Soft-RoCE device: the programs, the stress jobs, the examples, the ways to connect, wrong
# settings, and the tests of `Verbs` on a real device. As root, where everything is built (stage_verbs.sh does it):
#
#   ci/softroce -- ci/lib/guest/verbs.sh DIRECTORY-OF-THE-PROGRAMS [PART...]
#
# Prints PASS or FAIL for each check; ends with 1 where one failed.
# shellcheck source-path=SCRIPTDIR source=jobs.sh disable=SC2317 # parts are called by their names
set -euo pipefail
cd "$(dirname "$0")/../../.."
programs=$1
shift
source "$PWD/ci/lib/guest/jobs.sh"
examples=out/examples
scratch=$(mktemp -d -t merino-verbs.XXXXXX)
trap 'rm -rf "$scratch"' EXIT

# nodes N: of the jobs that follow.
nodes() {
  placement=(-n "$1")
}

# Which fabric is chosen where nothing is said, and that traffic then passes the device and only then.
choice() {
  local before sent
  nodes 2
  ends "nothing demanded: verbs, since every node has a device" 120 0 \
    "fabric verbs over device $device port 1 .*\(every node has a device\), 2 nodes" \
    env -u MERINO_FABRIC MERINO_LOG=info "$merino" run -n 2 -- "$programs/join"
  ends "connected by librdmacm, whole pages in a packet" 120 0 'connected by librdmacm: path MTU 4096' \
    env MERINO_LOG=info "$merino" run -n 2 -- "$programs/join"
  before=$(counter sent_pkts)
  timed 120 env MERINO_FABRIC=host "$merino" run -n 2 -- "$examples/jacobi" 60 5
  sent=$(($(counter sent_pkts) - before))
  if [ "$status" -eq 0 ] && [ "$sent" -eq 0 ]; then
    pass "the host fabric sends no packet"
  else
    printf '%s\n' "$output"
    fail "the host fabric sends no packet" "$sent packets, exit code $status"
  fi
  pages_travel_in_packets
}

# A request and its answer for each page, at least: both ends are this device.
pages_travel_in_packets() {
  local sent_before received_before fetched
  sent_before=$(counter sent_pkts)
  received_before=$(counter rcvd_pkts)
  timed 120 "$merino" run -n 2 -- "$examples/jacobi" 200 30
  printf '%s\n' "$output" | sed 's/^PASS /  said: PASS /'
  fetched=$(sed -n 's/^jacobi: \([0-9]*\) pages fetched.*/\1/p' <<<"$output")
  above "a job fetches pages" "${fetched:-0}" 1
  above "at least two packets sent for each of them" "$(($(counter sent_pkts) - sent_before))" $((2 * ${fetched:-1}))
  above "at least two packets received for each of them" \
    "$(($(counter rcvd_pkts) - received_before))" $((2 * ${fetched:-1}))
}

programs_of_two() {
  nodes 2
  program "pins on 2 nodes" 120 pins
  program "heap on 2 nodes" 120 heap
  MERINO_LOCKS=600 program "locks on 2 nodes" 200 locks 300
  program "sync on 2 nodes" 120 sync
  program "heap_cycles on 2 nodes" 120 heap_cycles 1000
  MERINO_CAPACITY=512M MERINO_SEGMENTS=200 program "reuse on 2 nodes" 200 reuse 3
  program "lifecycle on 2 nodes" 120 lifecycle
  program "faults of the program's own on 2 nodes" 120 faults siginfo
  program "a handler installed later on 2 nodes" 120 faults later
}

# Children have none of the registered memory, and their parents keep it; a node leaves only when it may.
forks_and_leaving() {
  nodes 1
  program "fork on 1 node" 200 fork
  nodes 4
  program "fork on 4 nodes" 300 fork
  program "leaving on 4 nodes" 200 leaving
  nodes 2
  MERINO_CONNECT=exchange program "fork on 2 nodes, connected by exchange" 300 fork
}

programs_of_others() {
  nodes 4
  program "segments on 4 nodes" 200 segments
  program "atomics on 4 nodes" 200 atomics
  program "collectives on 4 nodes" 200 collectives
  nodes 3
  program "sync on 3 nodes" 200 sync
  nodes 1
  program "last_lock on 1 node" 200 last_lock
  program "lifecycle on 1 node" 120 lifecycle
  ends "a job of one node joins over verbs" 120 0 '^JOIN 0' "$programs/join"
  ends "a null dereference ends the job by SIGSEGV" 120 139 'SIGSEGV' \
    "$merino" run -n 3 -- "$programs/faults" null
  ends "merino_abort: the others are told who" 120 37 '^SAID -17 .*node 2 left' \
    "$merino" run -n 3 -- "$programs/faults" abort
  local round
  for round in 1 2 3 4; do
    ends "a node is killed while the other takes and releases a lock of its, $round" 120 137 '^SAID -17 .*node 1 left' \
      "$merino" run -n 2 -- "$programs/faults" kill 1 releases
  done
}

stress() {
  nodes 4
  passes "litmus tests on 4 nodes" 300 litmus "$stress" litmus --iterations 20
  passes "a node stopped by SIGSTOP: the device serves its pages, locks and blocks" 300 stop \
    "$stress" stop --limit 240
  passes "random programs on 4 nodes" 300 random "$stress" random --first 100 --count 2
  nodes 2
  MERINO_LOG_ENTRIES=16 passes "random programs on 2 nodes, short logs" 300 random \
    "$stress" random --first 1001 --count 80 --seconds 20 --expect-overflows
  nodes 3
  passes "segments freed in the middle of barriers" 300 retire "$stress" retire --rounds 8
  death
}

# A node is killed in the middle of everything: the job ends with its exit code, says who died, and leaves nothing, in
# the device either.
death() {
  local what="a node killed in the middle of everything" left
  mkdir "$scratch/sockets"
  timed 120 env XDG_RUNTIME_DIR="$scratch/sockets" "$merino" run -n 4 -- "$stress" death all --after 300
  printf '%s\n' "$output" | sed 's/^FAIL /  said: FAIL /'
  if [ "$status" -ne 137 ] || ! grep -q 'node 3 .* was ended by SIGKILL' <<<"$output" ||
    grep -q '^FAIL ' <<<"$output"; then
    fail "$what" "exit code $status, not 137, or nobody says who died"
  else
    pass "$what"
  fi
  # What jobs have left behind: sockets, shared memory, processes, queue pairs.
  left=$(
    ls -A "$scratch/sockets"
    find /dev/shm -name '*merino*'
    grep -lsz "^XDG_RUNTIME_DIR=$scratch/sockets\$" /proc/[0-9]*/environ || true
    rdma resource show qp link "$device" | grep -v 'comm \[' || true
  )
  if [ -z "$left" ]; then
    pass "$what: nothing is left"
  else
    fail "$what: nothing is left" "$left"
  fi
}

run_examples() {
  nodes 2
  passes "allocator on 2 nodes" 120 allocator "$examples/allocator" 2 50000 20
  passes "workqueue on 2 nodes" 120 workqueue "$examples/workqueue" 60 2
  passes "false_sharing on 2 nodes" 120 false_sharing "$examples/false_sharing" 4 100000
  passes "containers-cpp on 2 nodes" 120 containers-cpp "$examples/containers-cpp" 40
  OMP_NUM_THREADS=3 passes "openmp on 2 nodes of 3 threads" 120 openmp "$examples/openmp" 20000 2
  # Built where there is a Fortran compiler.
  [ ! -x "$examples/cg-f90" ] || passes "cg-f90 on 2 nodes" 120 cg-f90 "$examples/cg-f90" 16
  nodes 4
  passes "jacobi on 4 nodes" 200 jacobi "$examples/jacobi" 200 20
  passes "dictionary on 4 nodes" 200 dictionary "$examples/dictionary" 60 60
}

# Programs written for TreadMarks and for PARMACS: what they change reaches other nodes over the device, and created
# processes get their variables by it.
compatibility() {
  local name
  nodes 2
  program "the TreadMarks program on 2 nodes" 120 treadmarks 10
  nodes 3
  passes "the TreadMarks example on 3 nodes" 120 treadmarks "$examples/treadmarks" 8
  program "PARMACS: globals on 3 nodes" 120 parmacs-globals -p 3
  program "PARMACS: lu on 3 nodes" 120 parmacs-lu 3 48
  for name in queue pauses heap; do program "PARMACS: $name on 3 nodes" 120 "parmacs-$name" 3; done
  MERINO_PARMACS_GLOBALS=shared program "PARMACS: shared on 3 nodes" 120 parmacs-shared 3
}

# Programs that know nothing of Merino.
system_v() {
  local name
  nodes 3
  for name in memory semaphores undo ends objects habits signals; do
    SYSTEMV_PERCENT=15 program "System V: $name on 3 nodes" 200 as-node "$PWD/out/lib/libmerino-sysv.so" 0x4d0000 "$programs/systemv-$name"
  done
}

connections() {
  nodes 2
  ends "connected by exchange" 120 0 'connected by exchange: path MTU 4096' \
    env MERINO_CONNECT=exchange MERINO_LOG=info "$merino" run -n 2 -- "$programs/join"
  MERINO_CONNECT=exchange program "collectives on 2 nodes, connected by exchange" 120 collectives
  MERINO_CONNECT=exchange program "lifecycle on 1 node, connected by exchange" 120 lifecycle
  nodes 4
  MERINO_CONNECT=exchange MERINO_LANES=2 passes "jacobi, connected by exchange, two lanes" 200 jacobi \
    "$examples/jacobi" 100 10
  MERINO_LANES=2 passes "random programs, two lanes" 300 random "$stress" random --first 200 --count 1
  nodes 2
  MERINO_LANES=4 MERINO_QUEUE_LENGTH=16 passes "random programs, four lanes, short queues" 300 random \
    "$stress" random --first 300 --count 1
}

# refused WHAT CODE PATTERN COMMAND...: the program `join` says so in a sentence, and nothing of it is left in the process.
refused() {
  local what=$1 code=$2 pattern=$3
  shift 3
  timed 120 "$@"
  if ! grep -Eq -- "^JOIN $code .*$pattern" <<<"$output" || grep -q '^FAIL ' <<<"$output"; then
    printf '%s\n' "$output" | sed 's/^PASS /  said: PASS /; s/^FAIL /  said: FAIL /'
    fail "$what" "no 'JOIN $code' that matches $pattern, or something is left in the process"
  else
    pass "$what"
  fi
}

settings() {
  local join=$programs/join run=("$merino" run) as_user
  as_user=(setpriv --reuid 65534 --regid 65534 --clear-groups --)
  refused "MERINO_DEVICE=nosuch0" -19 'the device nosuch0 was demanded' env MERINO_DEVICE=nosuch0 "$join"
  refused "a port that the device does not have" -19 'port 2 was demanded' env MERINO_DEVICE="$device:2" "$join"
  refused "MERINO_DEVICE=:" -1 'MERINO_DEVICE=: names no device' env MERINO_DEVICE=: "$join"
  refused "MERINO_LANES=9" -1 'MERINO_LANES=9 is not a number from 1 to 4' env MERINO_LANES=9 "$join"
  refused "MERINO_CONNECT=pigeon" -1 'MERINO_CONNECT=pigeon is none of' env MERINO_CONNECT=pigeon "$join"
  refused "MERINO_QUEUE_LENGTH=7" -1 'MERINO_QUEUE_LENGTH=7' env MERINO_QUEUE_LENGTH=7 "$join"
  refused "MERINO_GID_INDEX=77" -1 'MERINO_GID_INDEX=77: .*no GID' \
    env MERINO_GID_INDEX=77 MERINO_CONNECT=exchange "$join"
  refused "an address of another network" -21 'could not listen at 10\.9\.9\.9 on' env MERINO_ADDRESS=10.9.9.9 "$join"
  refused "lanes differ" -18 'MERINO_LANES is 2 at node 0 and 1 at node 1' \
    "${run[@]}" -n 1 -- env MERINO_LANES=2 "$join" : -n 1 -- "$join"
  refused "one node has no device" -19 'node 0 on .*nosuch0 was demanded; node 1 on .*\.$' \
    "${run[@]}" -n 1 -- env MERINO_DEVICE=nosuch0 "$join" : -n 1 -- "$join"
  refused "fabrics differ" -18 'MERINO_FABRIC is host at node 0 and verbs at node 1' \
    "${run[@]}" -n 1 -- env MERINO_FABRIC=host "$join" : -n 1 -- "$join"
  refused "1 MiB of locked memory" -4 'limit of locked memory is 1024 KiB .*memlock.*no MERINO_CAPACITY is small enough' \
    prlimit --memlock=1048576:1048576 "${as_user[@]}" "$join"
  as_user=(prlimit --memlock=8388608:8388608 "${as_user[@]}")
  refused "8 MiB of locked memory and a large capacity" -4 'is 8192 KiB .*memlock.*; or set MERINO_CAPACITY=1G or less' \
    env MERINO_CAPACITY=64G "${as_user[@]}" "${run[@]}" -n 2 -- "$join"
  ends "with that capacity it joins" 120 0 '^JOIN 0' env MERINO_CAPACITY=1G "${as_user[@]}" "${run[@]}" -n 2 -- "$join"
  ends "8 MiB of locked memory and no capacity demanded" 120 0 '^PASS jacobi' \
    env -u MERINO_CAPACITY "${as_user[@]}" "${run[@]}" -n 2 -- "$examples/jacobi" 40 4
  ends "a device that does not exist, and nothing demanded: the host fabric, and why" 120 0 \
    'fabric host \(node 0 has no RDMA device that can be used: .*nosuch0' \
    env -u MERINO_FABRIC MERINO_DEVICE=nosuch0 MERINO_LOG=info "${run[@]}" -n 2 -- "$join"
}

# The bundle of all tests, started as SwiftPM does; those of the fake device run beside the real one, too.
tests_of_verbs() {
  timed 300 env NO_COLOR=1 .build/debug/MerinoPackageTests.xctest --testing-library swift-testing --no-parallel \
    --filter VerbsTests
  sed -nE 's/^. Test ([^ ]+) .*passed after.*/PASS Verbs: \1/p' <<<"$output"
  if [ "$status" -ne 0 ] || ! grep -Eq 'Suite RealDeviceTests passed' <<<"$output"; then
    printf '%s\n' "$output" | grep -vE ' started\.$| passed after ' || true
    fail "the tests of Verbs, on the real device too" "exit code $status"
  else
    pass "the tests of Verbs, on the real device too"
  fi
}

doctor() {
  local doctor_status=0
  timeout --kill-after=10 300 ci/lib/guest/doctor.sh "$merino" || doctor_status=$?
  [ "$doctor_status" -eq 0 ] || fail "merino doctor" "exit code $doctor_status"
}

parts=("$@")
[ $# -gt 0 ] || parts=(choice programs_of_two forks_and_leaving programs_of_others stress run_examples compatibility
  system_v connections settings tests_of_verbs doctor)
for name in "${parts[@]}"; do part "${name//_/ }" "$name"; done
exit "$failed"
