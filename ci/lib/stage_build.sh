# The debug build, with the tests. Warnings of our own sources are failures.
stage_build() {
  local log
  log=$(mktemp -t merino-build.XXXXXX)
  if swift build --build-tests >"$log" 2>&1; then
    echo "  passed: debug build"
    tally passed 1 "debug build"
  else
    tail -n 60 "$log"
    tally failed 1 "debug build"
  fi
  check "the debug build has no warnings" ci/check-warnings "$log"
  rm -f "$log"
}
