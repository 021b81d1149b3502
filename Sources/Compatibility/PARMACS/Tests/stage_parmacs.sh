# Programs in PARMACS style, by m4, c.m4.merino and cc as a user would. After `release`.
stage_parmacs() {
  local source tests=Sources/Compatibility/PARMACS/Tests
  local globals=$tests/globals.c.in shared=$tests/shared.c.in
  check "make parmacs" make parmacs
  for source in "$tests"/*.c.in; do
    check "$(basename "$source") builds" build_parmacs "$source" "$CI_WORK/$(basename "$source" .c.in)"
  done
  check "m4 and m4 -P give the same" parmacs_same_m4
  # Where the variables lie, and when the symbols are bound.
  check "globals, not a PIE" build_parmacs $globals "$CI_WORK/globals-no-pie" -no-pie
  check "globals, bound at load" build_parmacs $globals "$CI_WORK/globals-now" -pie -Wl,-z,now
  check "globals, bound lazily" build_parmacs $globals "$CI_WORK/globals-lazy" -pie -Wl,-z,lazy -Wl,-z,norelro
  check "heap, carried" build_parmacs $tests/heap.c.in "$CI_WORK/heap-carried" \
    @out/share/merino/parmacs/carried-heap.link
  check "shared, not a PIE" build_parmacs $shared "$CI_WORK/shared-no-pie" -fPIC -no-pie -Wl,-z,now
  check "shared, a PIE" build_parmacs $shared "$CI_WORK/shared-pie" -fPIC -pie -Wl,-z,now
  check "shared, bound lazily" build_parmacs $shared "$CI_WORK/shared-lazy" -fPIC -pie -Wl,-z,lazy
  check "shared, with COPY relocations" build_parmacs $shared "$CI_WORK/shared-copy" -fPIE -no-pie -Wl,-z,now
  check "lu, with the archive" parmacs_archive
  { cat "$CI_WORK/lu" && echo; } >"$CI_WORK/lu-other"
  chmod +x "$CI_WORK/lu-other"
  run_table parmacs:programs
  check "what a process printed comes before WAIT_FOR_END's end" parmacs_order
  if [ "$(cat /proc/sys/kernel/randomize_va_space)" = 2 ] &&
    ! ((0x$(cat /proc/self/personality) & 0x40000)); then
    run_table parmacs:random
  fi
}

# The positions of what is not ours stay as they are.
parmacs_same_m4() {
  local source macros=out/share/merino/parmacs/c.m4.merino
  for source in Sources/Compatibility/PARMACS/Tests/*.c.in; do
    diff <(m4 $macros "$source" | tail -n +2) <(m4 -P $macros "$source" | tail -n +2) || return 1
  done
}

# -l: would take the shared one.
parmacs_archive() {
  ${CC:-cc} "$CI_WORK/lu.c" -Iout/include -ISources/Compatibility/PARMACS/Tests \
    -o "$CI_WORK/lu-archive" out/lib/libmerino_parmacs.a out/lib/libmerino.a \
    -libverbs -lrdmacm -lstdc++ -lm -lpthread -ldl
}

# The processes' lines, then the main program's.
parmacs_order() {
  local output
  output=$(timeout --kill-after=5 20 "$PROGRAMS_RUN" run -n 3 -- "$CI_WORK/ends" orderly 2>&1) || return 1
  echo "$output"
  [ "$(head -n 2 <<<"$output" | sort | tr '\n' ' ')" = "process 1 process 2 " ]
}
