# The protocol with real processes and real page faults: random race-free programs, litmus tests, a stopped
# node, a killed node, more nodes than cores. After `release`. `ci/soak` runs more of the same.
stage_stress() {
  local storm
  check "the stress programs are built" build_stress
  CI_WORK=.build-static/release
  run_table stress
  for storm in fetch lock barrier move all; do
    check "a node killed in a storm of kind $storm" run_death "$storm" 30 5000
  done
  check "a page fault that cannot be served says why" stress_unserved_fault
}

# Whether a fault meets a closed gate when the node dies is chance: of several jobs one at least must say it.
stress_unserved_fault() {
  local attempt output
  for attempt in 1 2 3 4 5 6 7 8; do
    output=$(timeout --kill-after=5 30 out/bin/merino run -n 4 -- \
      .build-static/release/MerinoStress death move \
      --after $((200 + 37 * attempt)) --ignore-term 2>&1) || true
    echo "$output"
    if grep -Eq \
      'merino: node [0-9]+ could not (read|write) the page at global address 0x[0-9a-f]+: node 3 left' \
      <<<"$output"; then
      return 0
    fi
  done
  return 1
}
