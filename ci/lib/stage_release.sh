# The release build and what it stages under out/.
stage_release() {
  local file
  check "make" logged "$CI_WORK/log" make
  check "the release build has no warnings" ci/check-warnings "$CI_WORK/log"
  for file in bin/merino bin/merino-{fetch,write,release,lock,barrier,atomic}-lat bin/merino-fetch-bw \
    bin/merino-simulate lib/libmerino.so lib/libmerino.so.0 lib/libmerino.a include/merino.h \
    share/man/man7/merino.7; do
    check "out/$file is staged" test -s "out/$file"
  done
  check "make says what is left out without a Fortran compiler" \
    release_ends_with 'no Fortran compiler here:' FC=
  if command -v gfortran >/dev/null; then
    check_fails "make says nothing of it where there is one" '^$' \
      release_ends_with 'no Fortran compiler here:'
  fi
  check "the library exports only merino_* and stands alone" ci/check-library out/lib/libmerino.so
}

# release_ends_with PATTERN VARIABLE=VALUE...: what `make` would do last; it builds nothing.
release_ends_with() {
  make -n "${@:2}" 2>/dev/null | tail -n 1 | grep -E -- "$1"
}
