# Each benchmark runs and its report is whole; wrong options are refused in a sentence. The ratios of
# merino-fetch-lat are printed, not judged: machines that run tests are shared and noisy.
# `ci/check-fetch-latency` judges them.
stage_benchmarks() {
  local section=benchmarks:everywhere
  [ -n "$(ls -A /sys/class/infiniband 2>/dev/null)" ] || section=benchmarks
  run_table "$section"
  python3 ci/lib/check-benchmark-report.py "$CI_WORK/merino-fetch-lat.json" | sed 's/^/  /' || true
  check "compare-perftest runs over the host fabric and prints its ratios" benchmarks_compared
}

benchmarks_compared() {
  timeout --kill-after=5 120 ci/compare-perftest --fabric host --rounds 1 \
    --quick --json "$CI_WORK/compare.json" \
    >"$CI_WORK/compare.txt" 2>&1 || { cat "$CI_WORK/compare.txt"; return 1; }
  [ "$(grep -c '^ratio ' "$CI_WORK/compare.txt")" -eq 9 ] || { cat "$CI_WORK/compare.txt"; return 1; }
  python3 -c 'import json, sys; assert len(json.load(open(sys.argv[1]))["figures"]) >= 9' \
    "$CI_WORK/compare.json"
}
