# The release build and what it stages under out/.
stage_release() {
  local log file
  log=$(mktemp -t merino-release.XXXXXX)
  if make >"$log" 2>&1; then
    echo "  passed: make"
    tally passed 1 "make"
  else
    tail -n 60 "$log"
    tally failed 1 "make"
  fi
  check "the release build has no warnings" ci/check-warnings "$log"
  rm -f "$log"
  for file in bin/merino bin/merino-{fetch,write,release,lock,barrier,atomic}-lat bin/merino-fetch-bw \
    bin/merino-simulate lib/libmerino.so lib/libmerino.so.0 lib/libmerino.a include/merino.h \
    share/man/man7/merino.7; do
    check "out/$file is staged" test -s "out/$file"
  done
  check "the library exports only merino_* and stands alone" ci/check-library out/lib/libmerino.so
}
