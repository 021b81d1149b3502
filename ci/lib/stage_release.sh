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
  check "make says what is left out without a Fortran compiler" make_ends_with 'no Fortran compiler here:' FC=
  if command -v gfortran >/dev/null; then
    check_fails "make says nothing of it where there is one" '^$' make_ends_with 'no Fortran compiler here:'
  fi
  check "the library exports only merino_* and stands alone" ci/check-library out/lib/libmerino.so
}

# make_ends_with PATTERN VARIABLE=VALUE...: what `make` would do last; it builds nothing.
make_ends_with() {
  local pattern=$1
  shift
  make -n "$@" 2>/dev/null | tail -n 1 | grep -E -- "$pattern"
}
