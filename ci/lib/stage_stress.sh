# The protocol with real processes and real page faults: random race-free programs, litmus tests, a stopped node,
# a killed node, more nodes than cores. After `release`. `ci/soak` runs more of the same.
stage_stress() {
  check "the stress programs are built" build_stress
  local nodes
  for nodes in 2 4 8; do
    check_stress "random programs on $nodes nodes" 60 "$nodes" random --first 1 --count $((160 / nodes)) \
      --seconds 12
    MERINO_LOG_ENTRIES=16 check_stress "random programs on $nodes nodes, short logs" 60 "$nodes" \
      random --first 1001 --count $((160 / nodes)) --seconds 10 --expect-overflows
  done
  check_stress "random programs on 4 nodes under jolts" 60 4 random --first 2001 --count 60 --seconds 10 --jolts
  check_stress "litmus tests" 120 4 litmus --iterations 1000
  check_stress "a node stopped by SIGSTOP" 60 4 stop
  check_stress "segments freed in the middle of barriers" 60 3 retire
  check_stress "16 nodes, locks and barriers" 120 16 crowd --rounds 40
  local storm
  for storm in fetch lock barrier move all; do
    check "a node killed in a storm of kind $storm" run_death "$storm"
  done
  check "a page fault that cannot be served says why" run_unserved_fault
}

stress_scratch=.build-static

build_stress() {
  swift build -c release --scratch-path "$stress_scratch" -Xswiftc -static-stdlib -Xswiftc -use-ld=lld \
    --product MerinoStress
}

# run_stress SECONDS NODES ARGS...
run_stress() {
  local seconds=$1 nodes=$2
  shift 2
  timeout --kill-after=5 "$seconds" out/bin/merino run -n "$nodes" -- "$stress_scratch/release/MerinoStress" "$@"
}

# check_stress WHAT SECONDS NODES ARGS...: ends with 0 and says PASS once; what it says is shown.
check_stress() {
  local what=$1
  shift
  check "$what" stress_passes "$@"
}

stress_passes() {
  local output
  output=$(run_stress "$@" 2>&1) || {
    echo "status $?"
    echo "$output"
    return 1
  }
  echo "$output"
  [ "$(grep -c '^PASS' <<<"$output")" -eq 1 ]
}

# remains DIRECTORY: what a job that had DIRECTORY for its sockets has left behind.
remains() {
  ls -A "$1"
  find /dev/shm -name '*merino*'
  grep -lsz "^XDG_RUNTIME_DIR=$1\$" /proc/[0-9]*/environ || true
}

# run_death STORM: the job ends with the killed node's 137, soon, and nothing stays.
run_death() {
  local directory began ended output status=0 left
  directory=$(mktemp -d -t merino-stress.XXXXXX)
  began=$(date +%s%N)
  output=$(XDG_RUNTIME_DIR=$directory run_stress 30 4 death "$1" --after 300 2>&1) || status=$?
  ended=$(date +%s%N)
  left=$(remains "$directory")
  rm -rf "$directory"
  echo "$output"
  [ "$status" -eq 137 ] || { echo "status $status, not 137"; return 1; }
  grep -q 'node 3 .* was ended by SIGKILL' <<<"$output" || { echo "nobody says who died"; return 1; }
  ! grep -q '^FAIL' <<<"$output" || return 1
  # 300 ms to the kill, 2 s to the end, and the start on a busy machine.
  [ $(((ended - began) / 1000000)) -lt 5000 ] || { echo "it took $(((ended - began) / 1000000)) ms"; return 1; }
  [ -z "$left" ] || { echo "left behind: $left"; return 1; }
}

# Whether a fault meets a closed gate when the node dies is chance: of several jobs one at least must say it.
run_unserved_fault() {
  local attempt output
  for attempt in 1 2 3 4 5 6 7 8; do
    output=$(run_stress 30 4 death move --after $((200 + 37 * attempt)) --ignore-term 2>&1) || true
    echo "$output"
    if grep -Eq 'merino: node [0-9]+ could not (read|write) the page at global address 0x[0-9a-f]+: node 3 left' \
      <<<"$output"; then
      return 0
    fi
  done
  return 1
}
