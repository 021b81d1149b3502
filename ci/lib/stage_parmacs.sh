# Programs in PARMACS style (Tests/Parmacs), by m4, c.m4.merino and cc as a user would, on 1 and 4 nodes: every CHECK
# in them is a test. After `release`.
parmacs_macros=out/share/merino/parmacs/c.m4.merino

stage_parmacs() {
  local directory source name nodes
  check "make parmacs" make parmacs
  parmacs_work=$(mktemp -d -t merino-parmacs.XXXXXX)
  directory=$parmacs_work
  # A stage has a shell of its own.
  trap 'rm -rf "$parmacs_work"' EXIT
  for source in Tests/Parmacs/*.c.in; do
    name=$(basename "$source" .c.in)
    check "$source builds" parmacs_build "$source" "$directory/$name"
  done
  check "m4 and m4 -P give the same" parmacs_same_m4
  parmacs_variants
  parmacs_heap
  parmacs_shared
  for nodes in 1 4; do
    for name in globals globals-no-pie globals-now globals-lazy; do program_checks "$nodes" "$name" -p "$nodes"; done
    for name in lu queue pauses heap-carried; do program_checks "$nodes" "$name" "$nodes"; done
  done
  program_checks 5 lu 3
  program_checks 4 globals -p 2
  parmacs_ends "$directory/ends"
  parmacs_differences
  parmacs_mutations
}

# parmacs_build SOURCE TARGET FLAGS...: every warning on. The flags of the linker come last.
parmacs_build() {
  local source=$1 target=$2
  shift 2
  m4 -Ulen -Uindex "$parmacs_macros" "$source" >"$target.c" || return 1
  ${CC:-cc} -std=gnu11 -O1 -g -Wall -Wextra -Wno-missing-field-initializers -Werror -Iout/include -ITests/Parmacs \
    "$target.c" -o "$target" -L"${PARMACS_LIBRARY:-out/lib}" -lmerino_parmacs -Lout/lib -lmerino -lm \
    "-Wl,-rpath,$PWD/out/lib" "$@"
}

# The positions of what is not ours stay as they are.
parmacs_same_m4() {
  local source
  for source in Tests/Parmacs/*.c.in; do
    diff <(m4 "$parmacs_macros" "$source" | tail -n +2) <(m4 -P "$parmacs_macros" "$source" | tail -n +2) || return 1
  done
}

# globals: where its variables lie, and when its symbols are bound.
parmacs_variants() {
  local source=Tests/Parmacs/globals.c.in
  check "globals, not a PIE" parmacs_build "$source" "$directory/globals-no-pie" -no-pie
  check "globals, bound at load" parmacs_build "$source" "$directory/globals-now" -pie -Wl,-z,now
  check "globals, bound lazily" parmacs_build "$source" "$directory/globals-lazy" -pie -Wl,-z,lazy -Wl,-z,norelro
}

# heap: with its malloc carried, and without, where it cannot work.
parmacs_heap() {
  local link=@out/share/merino/parmacs/carried-heap.link
  check "heap, carried" parmacs_build Tests/Parmacs/heap.c.in "$directory/heap-carried" "$link"
  check_fails "heap, not carried" '^FAIL|SIG' parmacs_run_mutant "$directory/heap" 2
}

# shared: its variables in shared memory, and carried, where it cannot work.
parmacs_shared() {
  local source=Tests/Parmacs/shared.c.in nodes run=("$programs_run" run -n 2 --)
  check "shared, not a PIE" parmacs_build "$source" "$directory/shared-no-pie" -fPIC -no-pie -Wl,-z,now
  check "shared, a PIE" parmacs_build "$source" "$directory/shared-pie" -fPIC -pie -Wl,-z,now
  check "shared, bound lazily" parmacs_build "$source" "$directory/shared-lazy" -fPIC -pie -Wl,-z,lazy
  check "shared, with COPY relocations" parmacs_build "$source" "$directory/shared-copy" -fPIE -no-pie -Wl,-z,now
  for nodes in 1 4; do
    MERINO_PARMACS_GLOBALS=shared program_checks "$nodes" shared-pie "$nodes"
    MERINO_PARMACS_GLOBALS=shared program_checks "$nodes" shared-no-pie "$nodes"
  done
  check_fails "shared, but carried" '^FAIL|SIG' parmacs_run_mutant "$directory/shared" 2
  check "shared, bound lazily: refused" ends_with 1 'node 0: .*dynamic linking.*-Wl,-z,now' \
    env MERINO_PARMACS_GLOBALS=shared "${run[@]}" "$directory/shared-lazy" 2
  check "shared, with COPY relocations: refused" ends_with 1 'has stdout \(8 bytes.*-fPIC' \
    env MERINO_PARMACS_GLOBALS=shared "${run[@]}" "$directory/shared-copy" 2
  check "MERINO_PARMACS_GLOBALS=all" ends_with 1 'MERINO_PARMACS_GLOBALS=all' \
    env MERINO_PARMACS_GLOBALS=all "${run[@]}" "$directory/shared-pie" 2
  check "the nodes' modes differ" ends_with 1 'MERINO_PARMACS_GLOBALS differs' "$programs_run" run \
    -n 1 -- env MERINO_PARMACS_GLOBALS=shared "$directory/shared-pie" 2 : -n 1 -- "$directory/shared-pie" 2
}

# Every way to end: the job's exit code, and what is said.
parmacs_ends() {
  local run=("$programs_run" run -n 3 -- "$1")
  program_checks 3 ends orderly
  program_checks 3 ends child-exit-0
  check "what a process printed comes before WAIT_FOR_END's end" parmacs_order "${run[@]}" orderly
  check "main ends before MAIN_INITENV" ends_with 2 '' "${run[@]}" usage
  check "exit(7) in the main program" ends_with 7 '^PASS exit handler of process 0' "${run[@]}" exit-7
  check "exit(0) ends processes that still run" ends_with 0 '^PASS exit handler of process 0' "${run[@]}" still-running
  check "exit(3) in a created process" ends_with 3 'node [12].*exit\(3\)' "${run[@]}" child-exit-3
  check "a created process dies" ends_with 139 'node [12] .*SIGSEGV' "${run[@]}" child-dies
  check "CREATE in a created process" ends_with 1 'CREATE in a created process' "${run[@]}" child-creates
  check "CREATE before MAIN_INITENV" ends_with 1 'CREATE before MAIN_INITENV' "${run[@]}" create-first
  check "MAIN_INITENV twice" ends_with 1 'second time' "${run[@]}" twice
  check "CREATE of more processes than nodes" ends_with 1 'process 100 .*job of 3 nodes.* -n 100' "${run[@]}" many
  check "one CREATE more than nodes" ends_with 1 'process 4 .*job of 3 nodes.* -n 4' "${run[@]}" one-more
  check "LOCK before LOCKINIT" ends_with 1 'ends.c:[0-9]+: LOCK before LOCKINIT' "${run[@]}" no-init
  check "BARRIER before BARINIT" ends_with 1 'BARRIER before BARINIT' "${run[@]}" no-barinit
  check "UNLOCK of a lock that is not held" ends_with 1 'UNLOCK: .*hold' "${run[@]}" not-held
  check "G_MALLOC of more than there is" ends_with 1 'G_MALLOC of 1125899906842624 bytes' "${run[@]}" too-much
}

# parmacs_order COMMAND...: the processes' lines, then the main program's.
parmacs_order() {
  local output
  output=$(timeout --kill-after=5 20 "$@" 2>&1) || return 1
  echo "$output"
  [ "$(head -n 2 <<<"$output" | sort | tr '\n' ' ')" = "process 1 process 2 " ]
}

# Nodes that do not fit together: each difference is named.
parmacs_differences() {
  local program=$directory/lu other=$directory/lu-other run=("$programs_run" run)
  cp "$program" "$other"
  echo >>"$other"
  check "executables differ" ends_with 1 'executable .*lu-other is not the one' \
    "${run[@]}" -n 1 -- "$program" 2 : -n 1 -- "$other" 2
  check "addresses differ" ends_with 1 'is at address 0x[0-9a-f]+ here and at 0x[0-9a-f]+ at node 0' \
    "${run[@]}" -n 1 -- "$program" 2 : -n 1 -- sh -c 'ulimit -s unlimited && exec "$0" 2' "$program"
  # As where the system does not allow it: the program believes that it has executed itself once more.
  if [ "$(cat /proc/sys/kernel/randomize_va_space)" = 2 ] && ! ((0x$(cat /proc/self/personality) & 0x40000)); then
    check "addresses are random" ends_with 1 'at address .*setarch -R' \
      env MERINO_PARMACS_RESTARTED=1 "${run[@]}" -n 2 -- "$program" 2
  fi
  check "linked with libmerino.a" parmacs_archive
}

parmacs_archive() {
  # -l: would take the shared one.
  parmacs_build Tests/Parmacs/lu.c.in "$directory/lu-archive" -Wl,--no-as-needed || return 1
  ${CC:-cc} "$directory/lu-archive.c" -Iout/include -ITests/Parmacs -o "$directory/lu-archive" \
    out/lib/libmerino_parmacs.a out/lib/libmerino.a -libverbs -lrdmacm -lstdc++ -lm -lpthread -ldl || return 1
  ends_with 1 'linked with libmerino.a' "$programs_run" run -n 2 -- "$directory/lu-archive" 2
}

# The run-time broken on purpose: the test must see it.
parmacs_mutations() {
  parmacs_mutation "COPY-relocated symbols are carried" Program.c 's/case COPY: add.*break;/case COPY: break;/'
  parmacs_mutation "the slots of the procedure linkage table are carried" Program.c \
    's/case SLOT: case DATA/case DATA/; s/^  if (found.table != 0).*//'
  parmacs_mutation "memory that was zero is not carried" Image.c 's/^    pages_there(zero, extents.*//'
  parmacs_mutation "variables are carried once only" Process.c \
    's/if (wanted > 0) parmacs_image_take/if (state.charges[1].started == 0) parmacs_image_take/'
}

# parmacs_mutation WHAT FILE SCRIPT: globals with the run-time changed by the sed script.
parmacs_mutation() {
  local mutant=$directory/mutant
  mutated_copy "$1" Sources/Compatibility/parmacs "$2" "$3" "$mutant" || return 0
  (cd "$mutant" && ${CC:-cc} -std=gnu11 -O1 -fPIC -w -I"$OLDPWD/out/include" -I. -c ./*.c &&
    ar rcs libmerino_parmacs.a ./*.o)
  PARMACS_LIBRARY=$mutant parmacs_build Tests/Parmacs/globals.c.in "$mutant/globals" -pie -Wl,-z,lazy -Wl,-z,norelro
  check_fails "mutation: $1" '^FAIL|SIG' parmacs_run_mutant "$mutant/globals" -p 2
}

parmacs_run_mutant() {
  local output
  output=$(timeout --kill-after=5 20 "$programs_run" run -n 2 -- "$@" 2>&1) || true
  echo "$output"
  ! grep -Eq '^FAIL|SIG' <<<"$output"
}
