# The protocol in the simulator: random programs from 10,000 seeds, and each rule left out in turn, which some
# seed has to notice. After `release`. More seeds: out/bin/merino-simulate --seeds A..B.
stage_simulator() {
  local simulate=out/bin/merino-simulate
  check "10,000 seeds find nothing wrong" "$simulate" --seeds 0..10000 --jobs "$(nproc)"
  check "every mutation is found" "$simulate" --all-mutations --seeds 0..200000 --jobs "$(nproc)"
  check_fails "a failing seed is printed with its replay" "Replay it: .* --replay [0-9]+ --trace" \
    "$simulate" --seeds 0..1000 --mutation diffCoversUnchangedByte
}
