# The latency of a page fetch, against the floor that is measured beside it. After `release`.
stage_benchmarks() {
  local report
  report=$(mktemp -t merino-fetch.XXXXXX)
  check "merino-fetch-lat runs and reports" timeout --kill-after=5 60 out/bin/merino run -n 2 -- \
    out/bin/merino-fetch-lat -s 4096 -n 2000 --json "$report"
  python3 ci/lib/check-fetch-report.py "$report" | sed 's/^/  /' || true
  check "a refetch costs at most 1.3 x the floor, a sequential page 0.4 x" \
    python3 ci/lib/check-fetch-report.py "$report" 1.3 0.4
  rm -f "$report"
}
