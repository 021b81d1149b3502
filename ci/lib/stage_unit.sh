# Every Swift test. The counts come from the report that `swift test` writes, one for each library that it
# runs tests with; a run that ends without a report (a crash, the time limit) is a failure.
#
# One test at a time: many start processes or block in system calls, and Swift Testing runs tests on as many
# threads as there are cores. Side by side they starve each other beyond their time limits.
stage_unit() {
  local status=0
  timeout --kill-after=10 400 swift test --skip-build --no-parallel --xunit-output "$CI_WORK/report.xml" \
    >"$CI_WORK/log" 2>&1 || status=$?
  python3 ci/lib/count-xunit.py "$CI_WORK" "$status" >"$CI_WORK/counts"
  grep -v -E '^(passed|failed) ' "$CI_WORK/counts" || true
  sed -nE 's/^(passed|failed) ([0-9]+) /&unit: /p' "$CI_WORK/counts" >>"$CI_TALLY"
  if [ "$status" -ne 0 ]; then
    # What failed and why, without the long list of what passed.
    grep -vE '^(◇|✔|➜)|^Test (Suite|Case)|Executed 0 tests' "$CI_WORK/log" | tail -n 80 || true
  fi
}
