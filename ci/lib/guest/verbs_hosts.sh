#!/usr/bin/env bash
# Jobs whose nodes run on two hosts, two on each, over RDMA between two kernels. As root, in the first of
# two guests, where everything is built (stage_verbs_hosts.sh does it):
#
#   ci/softroce --guests 2 --cpus 1 -- ci/lib/guest/verbs_hosts.sh DIRECTORY-OF-THE-PROGRAMS
#   ci/softroce --guests 2 --cpus 1 --netem 'loss 2% delay 1ms' -- ci/lib/guest/verbs_hosts.sh DIRECTORY lossy
#
# Prints PASS or FAIL for each check; ends with 1 where one failed.
set -euo pipefail
cd "$(dirname "$0")/../../.."
export CI_WORK=$1
NETWORK=${2:-good}
source ci/lib/guest/jobs.sh
AGENT=${SOFTROCE_AGENT:?run this by ci/softroce --guests 2}
export CI_PLACEMENT="--hosts guest1:2,guest2:2 --launch-agent $AGENT"
# A lost packet is asked for again after 134 ms (4.096 us times 2 to the power 15), not after half a second.
[ "$NETWORK" = good ] || export MERINO_ACK_TIMEOUT=15

# What each guest's device has counted, and the packets that its link has dropped: lines "GUEST NAME VALUE".
read_counters() {
  local script
  # Each guest's shell expands it.
  # shellcheck disable=SC2016
  script='for file in COUNTERS/*; do echo "$(uname -n) ${file##*/} $(cat "$file")"; done;
    tc -s qdisc show dev eth0 | sed -n "s/.*dropped \([0-9]*\),.*/$(uname -n) dropped \1/p" | head -n 1'
  script=${script/COUNTERS/"/sys/class/infiniband/$DEVICE/ports/1/hw_counters"}
  sh -c "$script"
  timeout --kill-after=10 120 "$AGENT" guest2 "$script" </dev/null
}

# grown GUEST NAME...: how much the counters have grown together; GUEST may be a pattern.
grown() {
  awk -v guest="^($1)$" -v names="^($2)$" '
    $1 ~ guest && $2 ~ names { sum += FILENAME == ARGV[1] ? -$3 : $3 }
    END { print sum + 0 }' "$SCRATCH/before" "$SCRATCH/after"
}

# What the device makes of an atomic or a READ behind a WRITE when both answers are lost (docs/testbed.md,
# "Lost values"). That atomics lose their values behind a WRITE is rxe's fault and shown only; the rest is
# what Merino relies on. Two packets of a pair have to be lost, so the link loses more of them meanwhile.
lost_values() {
  local before after
  before=$(tc qdisc show dev eth0 | sed -n 's/.* \(loss [0-9.]*%\).*/\1/p')
  link_gets 'loss 8% delay 1ms'
  lost_values_of together || true
  check "no value of an atomic is lost when the WRITE before it has ended" lost_values_of apart
  check "no value of a READ is lost behind a WRITE" lost_values_of reads
  link_gets "$before delay 1ms"
  after=$(tc qdisc show dev eth0 | sed -n 's/.* \(loss [0-9.]*%\).*/\1/p')
  check "the link is as before" test -n "$before" -a "$before" = "$after"
}

# link_gets WORDS: of netem, at both ends.
link_gets() {
  local end
  for end in guest1 guest2; do
    check "the link of $end gets '$1'" timeout 60 "$AGENT" "$end" "tc qdisc change dev eth0 root netem $1" \
      </dev/null
  done
}

# lost_values_of HOW
lost_values_of() {
  local status=0
  timeout 60 "$AGENT" guest2 "$CI_WORK/lost-atomics serve $DEVICE" </dev/null &
  timeout --kill-after=10 60 "$CI_WORK/lost-atomics" guest2 "$DEVICE" 10 "$1" 2>&1 | sed "s/^/  $1: /" ||
    status=$?
  wait $! || status=$?
  return $status
}

# both COMMAND: on each guest, their outputs together.
both() {
  sh -c "$1" </dev/null
  timeout --kill-after=10 120 "$AGENT" guest2 "$1" </dev/null
}

# How often the guests' kernels have said that a device did not do a READ which it calls done; fails where
# one of them does not answer.
lost_reads() {
  both "dmesg | grep -c 'WARNING.*rxe_completer' || true" | awk '
    { sum += $1 }
    END { if (NR != 2) exit 1; print sum }'
}

# lossy_row ARGUMENTS-OF-run_row: a row of the lossy link. Where it fails, and a device has lost a READ
# meanwhile (docs/testbed.md, "Lost READs"), that says nothing of Merino: the kernel has noticed it itself,
# and the row runs again.
lossy_row() {
  local attempt before after status
  for attempt in 1 2 3; do
    # The kernel warns once of each place in its code, unless it is told to do so again.
    both 'mountpoint -q /sys/kernel/debug || mount -t debugfs none /sys/kernel/debug
      echo 1 >/sys/kernel/debug/clear_warn_once'
    before=$(lost_reads)
    status=0
    (
      CI_FAILED=0
      run_row "$@"
      exit "$CI_FAILED"
    ) >"$SCRATCH/row" 2>&1 || status=$?
    [ "$status" != 0 ] && [ "$attempt" -lt 3 ] && after=$(lost_reads) && [ "$after" -gt "$before" ] || break
    sed 's/^/  | /' "$SCRATCH/row"
    echo "  (a device has lost a READ and its kernel says so: the row runs once more)"
  done
  cat "$SCRATCH/row"
  if [ "$status" != 0 ]; then
    CI_FAILED=1
    grep -q '^FAIL' "$SCRATCH/row" || failed "$1" "it broke off with status $status"
  fi
}

SCRATCH=$(mktemp -d -t merino-hosts.XXXXXX)
trap 'rm -rf "$SCRATCH"' EXIT
read_counters >"$SCRATCH/before"
if [ "$NETWORK" = good ]; then
  for name in placement jobs compatibility "System V" "more jobs"; do
    part "$name" run_table "verbs_hosts:$name" stress="$STRESS"
  done
else
  part "lost values" lost_values
  CI_ROW_RUNNER=lossy_row
  part "jobs" run_table verbs_hosts:lossy stress="$STRESS"
fi
read_counters >"$SCRATCH/after"
for guest in guest1 guest2; do
  above "packets sent by $guest" "$(grown $guest sent_pkts)" 1000
  above "packets received by $guest" "$(grown $guest rcvd_pkts)" 1000
done
if [ "$NETWORK" = good ]; then
  above "no packet dropped by the link" "$((1 - $(grown 'guest[12]' dropped)))" 1
else
  paste "$SCRATCH/before" "$SCRATCH/after" | awk '
    $2 ~ /^(completer_retry_err|rcvd_seq_err|out_of_seq_request|duplicate_request)$/ ||
    $2 ~ /^(dropped|sent_pkts|rcvd_pkts|retry_exceeded_err)$/ {
      print "  " $1, $2, $6 - $3 }'
  above "packets dropped by the link" "$(grown 'guest[12]' dropped)" 1
  above "lost packets noticed by the sender (completer_retry_err, rcvd_seq_err)" \
    "$(grown 'guest[12]' 'completer_retry_err|rcvd_seq_err')" 1
  above "packets sent again (out_of_seq_request, duplicate_request at the receiver)" \
    "$(grown 'guest[12]' 'out_of_seq_request|duplicate_request')" 1
fi
exit "$CI_FAILED"
