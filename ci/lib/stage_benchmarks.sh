# The latency of a page fetch runs and its report is whole. The ratios are printed, not judged: machines that run tests
# are shared and noisy. `ci/check-fetch-latency` judges them, by medians of several runs.
stage_benchmarks() {
  local report
  report=$(mktemp -t merino-fetch.XXXXXX)
  check "merino-fetch-lat runs and reports" timeout --kill-after=5 60 out/bin/merino run -n 2 -- \
    out/bin/merino-fetch-lat -s 4096 -n 2000 --json "$report"
  check "its report is whole" python3 ci/lib/check-fetch-report.py "$report"
  python3 ci/lib/check-fetch-report.py "$report" | sed 's/^/  /' || true
  rm -f "$report"
}
