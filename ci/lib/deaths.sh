# shellcheck shell=bash
# A node that is killed in the middle of everything, on the host and in a guest.

# run_death STORM SECONDS MILLISECONDS [DEVICE]: the job ends with the killed node's 137, within the
# milliseconds, and nothing stays: sockets, shared memory, processes, queue pairs of the device.
run_death() {
  local directory began took output status=0 left
  directory=$(mktemp -d -t merino-stress.XXXXXX)
  began=$(date +%s%N)
  output=$(XDG_RUNTIME_DIR=$directory timeout --kill-after=5 "$2" out/bin/merino run -n 4 -- \
    .build-static/release/MerinoStress death "$1" --after 300 2>&1) || status=$?
  took=$((($(date +%s%N) - began) / 1000000))
  left=$(
    ls -A "$directory"
    find /dev/shm -name '*merino*'
    grep -lsz "^XDG_RUNTIME_DIR=$directory\$" /proc/[0-9]*/environ || true
    [ -z "${4:-}" ] || rdma resource show qp link "$4" | grep -v 'comm \[' || true
  )
  rm -rf "$directory"
  echo "$output"
  [ "$status" -eq 137 ] || { echo "status $status, not 137"; return 1; }
  grep -q 'node 3 .* was ended by SIGKILL' <<<"$output" || { echo "nobody says who died"; return 1; }
  ! grep -q '^FAIL' <<<"$output" || return 1
  [ "$took" -lt "$3" ] || { echo "it took $took ms"; return 1; }
  [ -z "$left" ] || { echo "left behind: $left"; return 1; }
}
