#!/usr/bin/env bash
# Jobs whose nodes run on two hosts, two on each, over RDMA between two kernels. As root, in the first of two guests, where
# everything is built (stage_verbs_hosts.sh does it):
#
#   ci/softroce --guests 2 --cpus 1 -- ci/lib/guest/verbs_hosts.sh DIRECTORY-OF-THE-PROGRAMS
#   ci/softroce --guests 2 --cpus 1 --netem 'loss 2% delay 1ms' -- ci/lib/guest/verbs_hosts.sh DIRECTORY lossy
#
# Prints PASS or FAIL for each check; ends with 1 where one failed.
# shellcheck source-path=SCRIPTDIR source=jobs.sh disable=SC2317 # functions are called by their names
set -euo pipefail
cd "$(dirname "$0")/../../.."
programs=$1
network=${2:-good}
source "$PWD/ci/lib/guest/jobs.sh"
agent=${SOFTROCE_AGENT:?run this by ci/softroce --guests 2}
examples=out/examples
placement=(--hosts "guest1:2,guest2:2" --launch-agent "$agent")
# A lost packet is asked for again after 134 ms (4.096 us times 2 to the power 15), not after half a second.
[ "$network" = good ] || export MERINO_ACK_TIMEOUT=15

# What each guest's device has counted, and the packets that its link has dropped: lines "GUEST NAME VALUE".
read_counters() {
  local script
  # Each guest's shell expands it.
  # shellcheck disable=SC2016
  script='for file in COUNTERS/*; do echo "$(uname -n) ${file##*/} $(cat "$file")"; done;
    tc -s qdisc show dev eth0 | sed -n "s/.*dropped \([0-9]*\),.*/$(uname -n) dropped \1/p" | head -n 1'
  script=${script/COUNTERS/"$counters"}
  sh -c "$script"
  timeout --kill-after=10 120 "$agent" guest2 "$script" </dev/null
}

# grown GUEST NAME...: how much the counters have grown together; GUEST may be a pattern.
grown() {
  local guest=$1 names=$2
  awk -v guest="^($guest)$" -v names="^($names)$" '
    $1 ~ guest && $2 ~ names { sum += FILENAME == ARGV[1] ? -$3 : $3 }
    END { print sum + 0 }' "$scratch/before" "$scratch/after"
}

placed() {
  # shellcheck disable=SC2016
  timed 200 "$merino" run --label "${placement[@]}" -- sh -c 'echo "$(uname -n) $MERINO_FABRIC"'
  printf '%s\n' "$output"
  if [ "$status" -eq 0 ] && [ "$(grep -c 'guest1 verbs' <<<"$output")" -eq 2 ] &&
    [ "$(grep -c 'guest2 verbs' <<<"$output")" -eq 2 ]; then
    pass "two nodes on each host"
  else
    fail "two nodes on each host" "exit code $status"
  fi
  ends "nothing demanded: verbs, by the addresses of both hosts" 200 0 \
    'address 10\.77\.0\.2, .*\(every node has a device\), 4 nodes' \
    env -u MERINO_FABRIC MERINO_LOG=info "$merino" run "${placement[@]}" -- "$programs/join"
}

host_fabric_is_refused() {
  ends "the host fabric does not reach another host" 200 1 'MERINO_FABRIC=host needs all nodes on one machine' \
    env MERINO_FABRIC=host "$merino" run "${placement[@]}" -- "$programs/join"
}

jobs() {
  passes "allocator across hosts" 240 allocator "$examples/allocator" 2 50000 10
  passes "jacobi across hosts" 240 jacobi "$examples/jacobi" 100 15
  passes "litmus tests across hosts" 400 litmus "$stress" litmus --iterations 10
  passes "random programs across hosts" 400 random "$stress" random --first 400 --count 1
  MERINO_LOCKS=200 program "locks across hosts" 400 locks 20
}

# Programs written for TreadMarks and for PARMACS.
compatibility() {
  passes "the TreadMarks example across hosts" 240 treadmarks "$examples/treadmarks" 7
  program "PARMACS: lu across hosts" 240 parmacs-lu 4 16
}

# Programs that know nothing of Merino; the server and its workers are on both hosts.
system_v() {
  local name library=$PWD/out/lib/libmerino-sysv.so
  for name in semaphores undo objects; do
    program "System V: $name across hosts" 240 as-node "$library" 0x4d0000 \
      env SYSTEMV_PERCENT=8 "$programs/systemv-$name"
  done
  # shellcheck disable=SC2016 # each node's shell knows its number
  ends "System V: a server and its workers across hosts" 240 0 '^5133 primes below 50000$' \
    "$merino" run "${placement[@]}" -- sh -c '
      export LD_PRELOAD="$1"
      [ "$MERINO_NODE" -gt 0 ] && exec "$0-worker" out
      exec "$0-server" out 50000 3' "$programs/primes" "$library"
}

more_jobs() {
  program "collectives across hosts" 240 collectives
  MERINO_CONNECT=exchange passes "jacobi across hosts, connected by exchange" 240 jacobi "$examples/jacobi" 60 5
  ends "a node dies: the nodes on the other host end, too" 240 37 '^SAID -17 .*node 3 left' \
    "$merino" run "${placement[@]}" -- "$programs/faults" abort
  ends "a node is killed while those on the other host take and release a lock of its" 240 137 '^SAID -17 .*node 3 left' \
    "$merino" run "${placement[@]}" -- "$programs/faults" kill 3 releases
}

# What the device makes of an atomic or a READ behind a WRITE when both answers are lost (docs/testbed.md, "Lost values").
# That atomics lose their values behind a WRITE is rxe's fault and shown only; the rest is what Merino relies on. Two
# packets of a pair have to be lost, so the link loses more of them meanwhile.
lost_values() {
  local before after
  before=$(tc qdisc show dev eth0 | sed -n 's/.* \(loss [0-9.]*%\).*/\1/p')
  link_gets 'loss 8% delay 1ms'
  lost_values_of together ""
  lost_values_of apart "no value of an atomic is lost when the WRITE before it has ended"
  lost_values_of reads "no value of a READ is lost behind a WRITE"
  link_gets "$before delay 1ms"
  after=$(tc qdisc show dev eth0 | sed -n 's/.* \(loss [0-9.]*%\).*/\1/p')
  [ -n "$before" ] && [ "$before" = "$after" ] || fail "the link is as before" "it has '$after' and had '$before'"
}

# link_gets WORDS: of netem, at both ends.
link_gets() {
  local end
  for end in guest1 guest2; do
    timeout 60 "$agent" "$end" "tc qdisc change dev eth0 root netem $1" </dev/null ||
      fail "the link gets '$1'" "tc on $end refused it"
  done
}

# lost_values_of HOW WHAT
lost_values_of() {
  timeout 60 "$agent" guest2 "$programs/lost-atomics serve $device" </dev/null &
  timed 60 "$programs/lost-atomics" guest2 "$device" 10 "$1"
  wait $! || status=$?
  echo "  $1: $output"
  [ -n "$2" ] || return 0
  if [ "$status" -eq 0 ]; then pass "$2"; else fail "$2" "exit code $status"; fi
}

jobs_over_a_bad_network() {
  passes "allocator over a lossy link" 300 allocator "$examples/allocator" 1 20000 5
  passes "jacobi over a lossy link" 300 jacobi "$examples/jacobi" 100 10
  passes "litmus tests over a lossy link" 400 litmus "$stress" litmus --iterations 4
  passes "random programs over a lossy link" 400 random "$stress" random --first 400 --count 1 --threads 1
  MERINO_LOCKS=200 program "locks over a lossy link" 400 locks 20
  program "atomics over a lossy link" 300 atomics
}

scratch=$(mktemp -d -t merino-hosts.XXXXXX)
trap 'rm -rf "$scratch"' EXIT
read_counters >"$scratch/before"
if [ "$network" = good ]; then
  part "placement" placed
  part "refusal" host_fabric_is_refused
  part "jobs" jobs
  part "compatibility" compatibility
  part "System V" system_v
  part "more jobs" more_jobs
else
  part "lost values" lost_values
  part "jobs" jobs_over_a_bad_network
fi
read_counters >"$scratch/after"
for guest in guest1 guest2; do
  above "packets sent by $guest" "$(grown $guest sent_pkts)" 1000
  above "packets received by $guest" "$(grown $guest rcvd_pkts)" 1000
done
again='completer_retry_err|rcvd_seq_err|out_of_seq_request|duplicate_request'
if [ "$network" = good ]; then
  above "no packet dropped by the link" "$((1 - $(grown 'guest[12]' dropped)))" 1
else
  paste "$scratch/before" "$scratch/after" | awk -v names="^($again|dropped|sent_pkts|rcvd_pkts|retry_exceeded_err)$" \
    '$2 ~ names { print "  " $1, $2, $6 - $3 }'
  above "packets dropped by the link" "$(grown 'guest[12]' dropped)" 1
  above "lost packets noticed by the sender (completer_retry_err, rcvd_seq_err)" \
    "$(grown 'guest[12]' 'completer_retry_err|rcvd_seq_err')" 1
  above "packets sent again (out_of_seq_request, duplicate_request at the receiver)" \
    "$(grown 'guest[12]' 'out_of_seq_request|duplicate_request')" 1
fi
exit "$failed"
