# Jobs over RDMA, on a Soft-RoCE device: one guest here, two guests in stage_verbs_hosts.sh. The checks are lines that
# the scripts of ci/lib/guest print. After `build`, `release`, `jobs` and `stress`, or by itself: what is missing is built.
stage_verbs() {
  verbs_products .build/debug/MerinoPackageTests.xctest
  softroce_checks "over verbs" 1500 --cpus 2 -- ci/lib/guest/verbs.sh "$PWD/out/verbs"
}

# verbs_products FILE...: what guests need under the repository; more FILEs are products of the debug build.
verbs_products() {
  local source
  [ -x out/bin/merino ] && [ -e out/lib/libmerino.so ] || check "make" make
  [ -x out/examples/jacobi ] || check "the examples are built" make examples
  [ -x "$stress_scratch/release/MerinoStress" ] || check "the stress programs are built" build_stress
  [ $# -eq 0 ] || [ -e "$1" ] || check "the tests are built" swift build --build-tests
  mkdir -p out/verbs
  # Here and not in /tmp, which the guests have for themselves.
  for source in Tests/Programs/*.c; do
    [ "$source" != Tests/Programs/never_joined.c ] || continue
    check "$source compiles for the guests" build_program "$source" "out/verbs/$(basename "$source" .c)"
  done
  verbs_compatibility
  verbs_systemv
}

# Programs that know nothing of Merino.
verbs_systemv() {
  local name
  [ -e out/lib/libmerino-sysv.so ] || check "make sysv" make sysv
  for name in memory semaphores undo ends objects habits signals; do
    check "Tests/SystemV/$name.c compiles for the guests" systemv_compile "Tests/SystemV/$name.c" "out/verbs/systemv-$name"
  done
  for name in server worker; do
    check "primes-$name.c compiles for the guests" systemv_compile "Examples/SystemV/primes-$name.c" "out/verbs/primes-$name"
  done
  install -m 755 Tests/SystemV/as-node out/verbs/as-node
}

# The programs of the compatibility layers, as the stages treadmarks and parmacs build them.
verbs_compatibility() {
  local name
  check "the TreadMarks program compiles for the guests" treadmarks_program pie out/verbs/treadmarks
  for name in globals lu queue pauses; do
    check "$name in PARMACS compiles for the guests" parmacs_build "Tests/Parmacs/$name.c.in" "out/verbs/parmacs-$name"
  done
  check "heap in PARMACS, carried, compiles for the guests" parmacs_build Tests/Parmacs/heap.c.in \
    out/verbs/parmacs-heap @out/share/merino/parmacs/carried-heap.link
  check "shared in PARMACS compiles for the guests" parmacs_build Tests/Parmacs/shared.c.in \
    out/verbs/parmacs-shared -fPIC -pie -Wl,-z,now
}

# softroce_checks WHAT SECONDS OPTIONS... -- COMMAND...: every PASS and FAIL line of COMMAND is a test; what it says
# besides is shown as it comes. An exit code that no FAIL explains is a failure, too.
softroce_checks() {
  local what=$1 seconds=$2 log status=0 passed failed line
  shift 2
  log=$(mktemp -t merino-verbs.XXXXXX)
  ci/softroce --timeout "$seconds" "$@" 2>&1 | tee "$log" | { grep --line-buffered -v '^PASS ' || true; } |
    sed -u 's/^/  /' || status=$?
  while IFS= read -r line; do list_check "$what: $line"; done < <(sed -n 's/^PASS //p' "$log")
  passed=$(grep -c '^PASS ' "$log" || true)
  failed=$(grep -c '^FAIL ' "$log" || true)
  rm -f "$log"
  if [ "$status" -ne 0 ] && [ "$failed" -eq 0 ] || [ "$passed" -eq 0 ]; then
    echo "  ci/softroce ended with $status after $passed checks"
    failed=$((failed + 1))
  fi
  tally passed "$passed" "$what"
  if [ "$failed" -eq 0 ]; then
    echo "  passed: $what: $passed checks"
  else
    echo "  FAILED: $what: $failed checks of $((passed + failed))"
    tally failed "$failed" "$what"
  fi
}
