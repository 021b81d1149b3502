# What a user gets wrong: programs for another version of the library, two copies of it in one process, joining twice,
# leaving too early or not at all, fork(). After `release`; uses the helpers of stage_programs.sh.
stage_bad_input() {
  local nodes program
  # Not local: the trap is run after the function. A stage has a shell of its own.
  directory=$(mktemp -d -t merino-bad-input.XXXXXX)
  trap 'rm -rf "$directory"' EXIT
  # With a debug build: no backtraces of children, and no alternate stack of the runtime's, which is too small for the
  # handler of a debug build where another thread than the main one joins.
  export SWIFT_BACKTRACE=enable=no
  for program in fork leaving joining newer_header faults; do
    check "$program.c compiles" build_program "Tests/Programs/$program.c" "$directory/$program"
  done
  for nodes in 1 4; do
    program_checks "$nodes" newer_header
    program_checks "$nodes" joining
    program_checks "$nodes" leaving
    program_checks "$nodes" fork
  done
  program_checks 8 leaving
  bad_input_joining_again
  bad_input_ends
  bad_input_children
  bad_input_survivors
  bad_input_damage
  bad_input_newer_library
  # The archive and the soname are those of the staged library.
  if [ "$programs_library" = out/lib ]; then bad_input_copies; fi
}

# A join that failed: what comes of a second try.
bad_input_joining_again() {
  check "without a launcher a process may join again" ends_with 0 '^AGAIN 0' "$directory/joining" without-room
  check "where the launcher knows it, it may not" ends_with 1 '^AGAIN -20 .*joins once' \
    "$programs_run" run -n 1 -- "$directory/joining" without-room
  check "nor may one of four" ends_with 1 '^AGAIN -20 .*joins once' \
    "$programs_run" run -n 4 -- "$directory/joining" without-room
}

# A node that ends without leaving, however it does it, while the others wait, whatever they wait for.
bad_input_ends() {
  local way for_what
  for way in exit _exit return; do
    for for_what in barrier lock event condition; do
      check "$way without leaving, others wait for a $for_what" ends_with 1 \
        '^SAID -17 .*node 2 left' "$programs_run" run -n 3 -- "$directory/faults" "$way" 2 "$for_what"
    done
    check "$way without leaving: the launcher says so" ends_with 1 \
      'node 2 .* exited with code 0 without having left the job' "$programs_run" run -n 3 -- "$directory/faults" "$way"
    check "$way without leaving, in a job of one" ends_with 1 'exited with code 0 without having left the job' \
      "$programs_run" run -n 1 -- "$directory/faults" "$way"
    check "$way without leaving, without a launcher" ends_with 0 '^PASS' "$directory/faults" "$way"
  done
  for for_what in lock event condition; do
    check "a node is killed, another leaves with a thread that waits for a $for_what" bad_input_leaves_beside "$for_what"
  done
  check "killed with a lock that others wait for" ends_with 137 '^SAID -17 .*node 2 left' \
    "$programs_run" run -n 3 -- "$directory/faults" kill 2 lock
  check "killed while others take and release a lock of its" ends_with 137 '^SAID -17 .*node 2 left' \
    "$programs_run" run -n 3 -- "$directory/faults" kill 2 releases
}

# bad_input_leaves_beside WHAT: both others leave, and so do their threads.
bad_input_leaves_beside() {
  local output status=0
  output=$(timeout --kill-after=5 20 "$programs_run" run -n 3 -- "$directory/faults" kill-threads 2 "$1" 2>&1) || status=$?
  if [ "$status" -ne 137 ] || [ "$(grep -c '^LEFT -17' <<<"$output")" -ne 2 ] ||
    [ "$(grep -c '^THREAD -17$' <<<"$output")" -ne 2 ]; then
    echo "status $status, not 137, or not both have left: $output"
    return 1
  fi
}

# What a node's child, which has all its descriptors, cannot hold up.
bad_input_children() {
  check "a node is killed and its child lives on" ends_with 137 '^SAID -17 .*node 2 left' \
    "$programs_run" run -n 3 -- "$directory/faults" kill-beside-child
  check "a node exits and its child lives on" ends_with 1 '^SAID -17 .*node 2 left' \
    "$programs_run" run -n 3 -- "$directory/faults" exit-beside-child
}

# Nodes that were started by hand, so that nobody ends the survivors: every function of merino.h after a death.
bad_input_survivors() {
  local output status=0
  build_program Tests/Programs/survivors.c "$directory/survivors" || status=$?
  output=$(timeout --kill-after=5 400 ci/check-survivors "$directory/survivors" "$programs_run" \
    Sources/Merino/CMerino/include/merino.h docs/after-a-loss.md 2>&1) || status=$?
  tally_output "survivors" "$status" "$output"
  cp Sources/Merino/CMerino/include/merino.h "$directory/merino.h"
  echo 'int merino_new(void);' >>"$directory/merino.h"
  check_fails "a function in no list" "^< merino_new$" ci/check-survivors "$directory/survivors" "$programs_run" \
    "$directory/merino.h" docs/after-a-loss.md lists
  sed 's/^- `merino_unpin`/- `merino_pin`/' docs/after-a-loss.md >"$directory/lists.md"
  check_fails "a function in two lists" "in two lists: merino_pin" ci/check-survivors "$directory/survivors" "$programs_run" \
    Sources/Merino/CMerino/include/merino.h "$directory/lists.md" lists
}

# Words in nodes' memory that no node writes.
bad_input_damage() {
  local name number
  build_program Tests/Programs/damage.c "$directory/damage"
  while read -r name number; do
    program_checks 2 damage "$name" "$number" </dev/null
  done < <("$directory/damage" list)
  check "a damaged directory: the page fault says so" ends_with 70 \
    'could not read the page at global address 0x[0-9a-f]+: the home of a page in the directory at node [01] is 0x7777, which' \
    "$programs_run" run -n 2 -- "$directory/damage" fault
  check "a node leaves that has met damage: the other one is told" ends_with 1 '^SAID -17 .*node 0 left .*closed its connection' \
    "$programs_run" run -n 2 -- "$directory/damage" leaves
}

# Programs that were built where the library is a later one.
bad_input_newer_library() {
  local newer=$directory/newer soname
  soname=libmerino.so.$(packaging/version | cut -d. -f1)
  mkdir -p "$newer"
  bad_input_library "$newer/$soname"
  gcc -O1 Tests/Programs/Newer/program.c -o "$newer/program" "$newer/$soname"
  check "a program of tomorrow runs with the library of tomorrow" ends_with 0 'RUNS with 0.2.0' \
    env LD_LIBRARY_PATH="$newer" "$newer/program"
  if [ "$programs_library" = out/lib ]; then
    check "with that of today the loader says which version it needs" ends_with 1 \
      "$soname: version \`MERINO_0.2' not found \(required by .*/program\)" \
      env LD_LIBRARY_PATH="$programs_library" "$newer/program"
    check "and merino run passes that on" ends_with 1 "version \`MERINO_0.2' not found" \
      env LD_LIBRARY_PATH="$PWD/$programs_library" "$programs_run" run -n 2 -- "$newer/program"
  fi
  bad_input_library "$newer/libmerino.so.77"
  gcc -O1 Tests/Programs/Newer/program.c -o "$newer/program-77" "$newer/libmerino.so.77"
  check "a program for another soname" ends_with 127 'libmerino.so.77: cannot open shared object file' \
    env LD_LIBRARY_PATH="$programs_library" "$newer/program-77"
}

# bad_input_library FILE: the library of tomorrow, whose soname is the file's name.
bad_input_library() {
  gcc -shared -fPIC Tests/Programs/Newer/library.c -Wl,--version-script=Tests/Programs/Newer/library.map \
    -Wl,-soname,"$(basename "$1")" -o "$1"
}

# A second copy: in a library that has swallowed the archive; a libmerino.so that is loaded by its path; the program's
# own, by the archive, beside either.
bad_input_copies() {
  local sources=Tests/Programs/Copies nodes order
  local flags=(-std=gnu11 -O1 -g -Wall -Wextra -Werror -pthread -ISources/Merino/CMerino/include)
  local archive=(-Lout/lib -l:libmerino.a -Wl,-z,now -libverbs -lrdmacm -lstdc++ -lm -lpthread -ldl)
  printf '{ global: solver_*; local: *; };\n' >"$directory/solver.map"
  cp out/lib/libmerino.so "$directory/second.so"
  check "a library with the archive inside is linked" gcc "${flags[@]}" -shared -fPIC "$sources/solver.c" \
    -o "$directory/libsolver.so" -Wl,--version-script="$directory/solver.map" "${archive[@]}"
  check "by lld, too" gcc "${flags[@]}" -shared -fPIC -fuse-ld=lld -B"$(dirname "$(command -v swift)")" \
    "$sources/solver.c" -o "$directory/libsolver-lld.so" -Wl,--gc-sections \
    -Wl,--version-script="$directory/solver.map" "${archive[@]}"
  check "a program with that library and libmerino.so" gcc "${flags[@]}" -DWITH_SOLVER "$sources/copies.c" \
    -o "$directory/copies" -L"$directory" -lsolver -Lout/lib -lmerino -Wl,-rpath,"$directory:$PWD/out/lib"
  check "a program with the archive" gcc "${flags[@]}" "$sources/copies.c" -o "$directory/static-copies" "${archive[@]}"
  for nodes in 1 4; do
    for order in mine other race; do
      program_checks "$nodes" copies linked "$order"
      program_checks "$nodes" copies "$directory/second.so" "$order"
      OWN_FILE="the program itself" program_checks "$nodes" static-copies "$directory/second.so" "$order"
    done
  done
  # The same library, linked by another linker.
  mv "$directory/libsolver-lld.so" "$directory/libsolver.so"
  for order in mine other; do program_checks 2 copies linked "$order"; done
}
