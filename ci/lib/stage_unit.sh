# Every Swift test. The counts come from the report that `swift test` writes, one for each library that it
# runs tests with; a run that ends without a report (a crash, the time limit) is a failure.
#
# One test at a time: many start processes or block in system calls, and Swift Testing runs tests on as many
# threads as there are cores. Side by side they starve each other beyond their time limits.
stage_unit() {
  local directory status=0
  directory=$(mktemp -d -t merino-unit.XXXXXX)
  timeout --kill-after=10 400 swift test --skip-build --no-parallel --xunit-output "$directory/report.xml" \
    >"$directory/log" 2>&1 || status=$?
  python3 ci/lib/count-xunit.py "$directory" "$status" >"$directory/counts"
  grep -v -E '^(passed|failed) ' "$directory/counts" || true
  grep -E '^(passed|failed) ' "$directory/counts" >>"$tally_file"
  if [ "$status" -ne 0 ]; then
    # What failed and why, without the long list of what passed.
    grep -vE '^(◇|✔|➜)|^Test (Suite|Case)|Executed 0 tests' "$directory/log" | tail -n 80 || true
  fi
  rm -rf "$directory"
}
