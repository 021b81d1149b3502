# The programs of Tests/Programs, through libmerino and `merino run`: every CHECK in them is a test. After
# `release`, and after `build` for the one in Swift. A debug build can be tested instead, for example
#   PROGRAMS_LIBRARY=.build/debug PROGRAMS_NAME=MerinoC PROGRAMS_RUN=.build/debug/merino ci/test programs
stage_programs() {
  local nobody='' capacity
  build_checks "$CI_WORK" -DWITH_MERINO -- Tests/Programs/*.c
  # The program that never joins is built without the library, too.
  PROGRAMS_NAME=c build_program Tests/Programs/never_joined.c "$CI_WORK/alone"
  cp .build/debug/ApiProbe "$CI_WORK/"
  # Root's capabilities lift the limit of locked memory.
  [ "$(id -u)" -ne 0 ] || nobody="setpriv --reuid 65534 --regid 65534 --clear-groups --"
  chmod 755 "$CI_WORK"
  capacity=$(programs_capacity)
  run_table programs locked="prlimit --memlock=65536:65536 $nobody" capacity="$capacity"
  check "a null dereference leaves a core" programs_core
  check "a process that never joins pays nothing" programs_never_joined
}

# The default capacity of a job of two nodes, without a limit of locked memory where this may be lifted.
programs_capacity() {
  (
    ulimit -l unlimited 2>/dev/null
    MERINO_LOG=info "$PROGRAMS_RUN" run -n 2 -- "$CI_WORK/join" 2>&1 |
      sed -nE 's/.*, capacity ([0-9]+) bytes, control.*/\1/p' | head -n 1
  )
}

# Where the system writes cores into files of the working directory.
programs_core() {
  local pattern
  pattern=$(cat /proc/sys/kernel/core_pattern)
  if [[ $pattern == [\|/]* ]] || ! (ulimit -c unlimited) 2>/dev/null; then
    echo "cores go to $pattern: not looked at"
    return 0
  fi
  mkdir "$CI_WORK/core" || return 1
  (
    cd "$CI_WORK/core" || exit 1
    ulimit -c unlimited
    SWIFT_BACKTRACE=enable=no timeout 30 ../faults core
  ) >/dev/null 2>&1 || true
  ls -A "$CI_WORK/core" | grep -q .
}

# The same program with the library and without it, which never joins, has the same signal actions, threads,
# descriptors and mappings.
programs_never_joined() {
  "$CI_WORK/alone" >"$CI_WORK/without.txt" && "$CI_WORK/never_joined" >"$CI_WORK/with.txt" &&
    diff "$CI_WORK/without.txt" "$CI_WORK/with.txt" && [ "$(wc -l <"$CI_WORK/with.txt")" -eq 6 ]
}
