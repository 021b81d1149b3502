# The programs of Tests/Programs, through libmerino and `merino run`: every CHECK in them is a test. After
# `release`, and after `build` for the one in Swift. A debug build can be tested instead, for example
#   PROGRAMS_LIBRARY=.build/debug PROGRAMS_NAME=MerinoC PROGRAMS_RUN=.build/debug/merino ci/test programs
programs_library=${PROGRAMS_LIBRARY:-out/lib}
programs_name=${PROGRAMS_NAME:-merino}
programs_run=${PROGRAMS_RUN:-out/bin/merino}

stage_programs() {
  local directory nodes source
  directory=$(mktemp -d -t merino-programs.XXXXXX)
  for source in Tests/Programs/*.c; do
    check "$source compiles" build_program "$source" "$directory/$(basename "$source" .c)" -DWITH_MERINO
  done
  build_program Tests/Programs/never_joined.c "$directory/alone"
  for nodes in 1 4; do
    program_checks "$nodes" segments
    program_checks "$nodes" heap
    program_checks "$nodes" locks
    program_checks "$nodes" sync
    program_checks "$nodes" atomics
    program_checks "$nodes" collectives
    program_checks "$nodes" pins
    program_checks "$nodes" system_v
    program_checks "$nodes" lifecycle
    program_checks "$nodes" cancel
  done
  program_checks 1 last_lock
  program_checks 1 reuse
  program_checks 4 reuse
  program_checks 4 heap_cycles 100000
  program_checks 8 heap_cycles 8000
  program_checks 8 sync
  MERINO_CAPACITY=8G program_checks 4 exclusive
  MERINO_CAPACITY=64G program_checks 2 forgetting 16
  # 2^28 pages, and a few times as many.
  MERINO_CAPACITY=4T program_checks 2 forgetting 1024
  program_checks 2 forgetting_race 2048 30 "$directory/side"
  program_checks 2 pins
  for source in siginfo plain repair later; do program_checks 2 faults "$source"; done
  programs_ends "$directory"
  programs_joining "$directory"
  check "a process that never joins pays nothing" never_joined "$directory"
  # The Swift API, in the debug build.
  cp .build/debug/ApiProbe "$directory/"
  for nodes in 1 2 4; do program_checks "$nodes" ApiProbe; done
  rm -rf "$directory"
}

# build_program SOURCE TARGET FLAGS...: as a user would, with every warning on.
build_program() {
  local source=$1 target=$2 merino=(-L"$programs_library" "-l$programs_name" "-Wl,-rpath,$PWD/$programs_library")
  shift 2
  # The program that never joins is built without the library, too.
  if [ "$source" = Tests/Programs/never_joined.c ] && [ $# -eq 0 ]; then merino=(); fi
  ${CC:-cc} -std=gnu11 -O1 -g -Wall -Wextra -Werror -pthread "$@" -ISources/Merino/CMerino/include "$source" -o "$target" \
    ${merino[@]+"${merino[@]}"}
}

# program_checks NODES PROGRAM ARGS...: its PASS and FAIL lines go into the tally; an exit code that no FAIL
# explains is a failure, too.
program_checks() {
  local nodes=$1 program=$2 output status=0
  shift 2
  output=$(timeout --kill-after=5 120 "$programs_run" run -n "$nodes" -- "$directory/$program" "$@" 2>&1) || status=$?
  tally_output "$program${1:+ $1} on $nodes nodes" "$status" "$output"
}

# tally_output WHAT STATUS OUTPUT: what a program of many checks has said, and how it ended.
tally_output() {
  local what=$1 status=$2 output=$3 passed failed
  passed=$(grep -c '^PASS ' <<<"$output" || true)
  failed=$(grep -c '^FAIL ' <<<"$output" || true)
  if [ "$status" -ne 0 ] && [ "$failed" -eq 0 ] || [ "$passed" -eq 0 ]; then failed=$((failed + 1)); fi
  tally passed "$passed" "$what"
  if [ "$failed" -eq 0 ]; then
    echo "  passed: $what: $passed checks"
  else
    # Not `grep | head`: grep would be ended by SIGPIPE, and the stage with it.
    awk '!/^PASS / && shown++ < 60' <<<"$output"
    echo "  FAILED: $what: $failed checks, exit code $status"
    tally failed "$failed" "$what"
  fi
}

# mutated_copy WHAT FOLDER FILE SCRIPT TARGET: a copy of the folder with the file changed by the sed script. A script that
# changes nothing is a failed test.
mutated_copy() {
  rm -rf "$5"
  cp -r "$2" "$5"
  sed -i "$4" "$5/$3"
  if cmp -s "$5/$3" "$2/$3"; then
    echo "the script changes nothing: $4"
    tally failed 1 "mutation: $1"
    return 1
  fi
}

# ends_with CODE PATTERN COMMAND ARGS...: it ends with this exit code within 20 s, in words that match.
ends_with() {
  local code=$1 pattern=$2 output status=0
  shift 2
  output=$(SWIFT_BACKTRACE=enable=no timeout --kill-after=5 20 "$@" 2>&1) || status=$?
  if [ "$status" -ne "$code" ] || ! grep -Eq -- "$pattern" <<<"$output"; then
    echo "status $status, not $code, or nothing matches $pattern:"
    echo "$output"
    return 1
  fi
}

# Every way to end: the job's exit code, what the launcher says, and what the other nodes are told.
programs_ends() {
  local faults=("$programs_run" run -n 3 -- "$1/faults")
  check "a null dereference ends the job by SIGSEGV" ends_with 139 'SIGSEGV' "${faults[@]}" null
  check "a null dereference in a job of one" ends_with 139 'SIGSEGV' "$programs_run" run -n 1 -- "$1/faults" null
  check "a null dereference without a launcher" ends_with 139 '^PASS' "$1/faults" null
  check "a store through a read-only view" ends_with 139 'SIGSEGV' "${faults[@]}" freed-view
  check "abort(3)" ends_with 134 'SIGABRT' "${faults[@]}" libc-abort
  check "merino_abort" ends_with 37 'code 37 .merino_abort' "${faults[@]}" abort
  check "merino_abort: the others are told who" ends_with 37 '^SAID -17 .*node 2 left' "${faults[@]}" abort
  check "exit without leaving" ends_with 1 'did not finalize' "${faults[@]}" exit
  check "exit with a code" ends_with 5 'exited with code 5' "${faults[@]}" exit-5
  check "the launcher dies" ends_with 137 'launcher' "${faults[@]}" launcher
  check "a null dereference leaves a core" leaves_core "$1"
}

# Where the system writes cores into files of the working directory.
leaves_core() {
  local pattern
  pattern=$(cat /proc/sys/kernel/core_pattern)
  if [[ $pattern == [\|/]* ]] || ! (ulimit -c unlimited) 2>/dev/null; then
    echo "cores go to $pattern: not looked at"
    return 0
  fi
  mkdir "$1/core" || return 1
  (
    cd "$1/core" || exit 1
    ulimit -c unlimited
    SWIFT_BACKTRACE=enable=no timeout 30 ../faults core
  ) >/dev/null 2>&1 || true
  ls -A "$1/core" | grep -q .
}

# Joins that cannot come about: each says why, in the node's own words.
programs_joining() {
  local join=$1/join run=("$programs_run" run) setting
  check "MERINO_CAPACITY without a number" ends_with 0 '^JOIN -1 .*MERINO_CAPACITY=plenty' \
    env MERINO_CAPACITY=plenty "$join"
  for setting in 0 -5 1.5G 99999999999999T 100P 12K3 K; do
    check "MERINO_CAPACITY=$setting" ends_with 0 '^JOIN -1 .*MERINO_CAPACITY' env "MERINO_CAPACITY=$setting" "$join"
  done
  check "MERINO_CAPACITY beyond all addresses" ends_with 0 '^JOIN -(1|4|13) .*MERINO_CAPACITY' \
    env MERINO_CAPACITY=64T "$join"
  check "MERINO_CAPACITY=16M works" ends_with 0 '^JOIN 0' env MERINO_CAPACITY=16M "$join"
  check "MERINO_LOCKS=5" ends_with 0 '^JOIN -1 .*MERINO_LOCKS=5' env MERINO_LOCKS=5 "$join"
  check "MERINO_FABRIC=pigeon" ends_with 0 '^JOIN -19 .*pigeon' env MERINO_FABRIC=pigeon "$join"
  check "capacities differ" ends_with 1 '^JOIN -18 .*MERINO_CAPACITY' "${run[@]}" -n 1 -- \
    env MERINO_CAPACITY=64M "$join" : -n 1 -- env MERINO_CAPACITY=128M "$join"
  check "one capacity is for all" ends_with 0 '^JOIN 0' "${run[@]}" -n 1 -- \
    env MERINO_CAPACITY=64M "$join" : -n 2 -- "$join"
  check "numbers of locks differ" ends_with 1 '^JOIN -18 .*MERINO_LOCKS' "${run[@]}" -n 1 -- \
    env MERINO_LOCKS=1000 "$join" : -n 1 -- env MERINO_LOCKS=2000 "$join"
  check "a node never joins: MERINO_JOIN_TIMEOUT" joins_within 1 "$join"
  check "MERINO_JOIN_TIMEOUT without a number" ends_with 2 'MERINO_JOIN_TIMEOUT' \
    env MERINO_JOIN_TIMEOUT=soon "${run[@]}" -n 1 -- "$join"
  check "no node" ends_with 2 '1 (to|and|\.\.\.) ?1,?024' "${run[@]}" -n 0 -- "$join"
  check "1025 nodes" ends_with 2 '1,?024' "${run[@]}" -n 1025 -- "$join"
  check "no program" ends_with 2 'rogram' "${run[@]}" -n 2 --
  check "a program that does not exist" ends_with 127 'no-such-program' "${run[@]}" -n 2 -- "$1/no-such-program"
}

# joins_within SECONDS PROGRAM: node 1 never joins; node 0 gives up after the time limit and names it.
joins_within() {
  local began=$SECONDS output
  output=$(MERINO_JOIN_TIMEOUT=$1 timeout 20 "$programs_run" run -n 1 -- "$2" : -n 1 -- sleep 15 2>&1 || true)
  if ! grep -Eq '^JOIN -10 .*node 1' <<<"$output" || [ $((SECONDS - began)) -gt 10 ]; then
    echo "after $((SECONDS - began)) s: $output"
    return 1
  fi
}

# The same program with the library and without it, which never joins, has the same signal actions, threads,
# descriptors and mappings.
never_joined() {
  "$1/alone" >"$1/without.txt" && "$1/never_joined" >"$1/with.txt" && diff "$1/without.txt" "$1/with.txt" &&
    [ "$(wc -l <"$1/with.txt")" -eq 6 ]
}
