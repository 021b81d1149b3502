# What a user gets wrong: programs for another version of the library, two copies of it in one process,
# joining twice, leaving too early or not at all, fork(). After `release`.
stage_bad_input() {
  # With a debug build there is no alternate stack of the runtime's, which is too small for the handler of a
  # debug build where another thread than the main one joins.
  export SWIFT_BACKTRACE=enable=no
  build_checks "$CI_WORK" -- Tests/Programs/{fork,leaving,joining,newer_header,faults,damage,survivors}.c
  run_table bad_input:programs damages="$("$CI_WORK/damage" list | tr ' \n' '/ ')"
  bad_input_survivors
  bad_input_newer_library
  # The archive and the soname are those of the staged library.
  [ "$PROGRAMS_LIBRARY" != out/lib ] || bad_input_copies
}

# Nodes that were started by hand, so that nobody ends the survivors: every function of merino.h after a
# death.
bad_input_survivors() {
  local command=(ci/check-survivors "$CI_WORK/survivors" "$PROGRAMS_RUN")
  local header=Sources/Merino/CMerino/include/merino.h
  tally_stream "survivors" timeout --kill-after=5 400 "${command[@]}" $header docs/after-a-loss.md
  { cat $header && echo 'int merino_new(void);'; } >"$CI_WORK/merino.h"
  check_fails "a function in no list" "^< merino_new$" "${command[@]}" \
    "$CI_WORK/merino.h" docs/after-a-loss.md lists
  sed 's/^- `merino_unpin`/- `merino_pin`/' docs/after-a-loss.md >"$CI_WORK/lists.md"
  check_fails "a function in two lists" "in two lists: merino_pin" "${command[@]}" $header \
    "$CI_WORK/lists.md" lists
}

# Programs that were built where the library is a later one, {newer}.
bad_input_newer_library() {
  local newer=$CI_WORK/newer soname
  soname=libmerino.so.$(packaging/version | cut -d. -f1)
  mkdir -p "$newer"
  bad_input_library "$newer/$soname"
  gcc -O1 Tests/Programs/Newer/program.c -o "$newer/program" "$newer/$soname"
  bad_input_library "$newer/libmerino.so.77"
  gcc -O1 Tests/Programs/Newer/program.c -o "$newer/program-77" "$newer/libmerino.so.77"
  run_table bad_input:newer newer="$newer"
  [ "$PROGRAMS_LIBRARY" != out/lib ] || run_table "bad_input:newer than what is staged" newer="$newer" \
    soname="$soname"
}

# bad_input_library FILE: the library of tomorrow, whose soname is the file's name.
bad_input_library() {
  gcc -shared -fPIC Tests/Programs/Newer/library.c -Wl,--version-script=Tests/Programs/Newer/library.map \
    -Wl,-soname,"$(basename "$1")" -o "$1"
}

# A second copy: in a library that has swallowed the archive, linked by two linkers.
bad_input_copies() {
  local sources=Tests/Programs/Copies lld
  local flags=(-std=gnu11 -O1 -g -Wall -Wextra -Werror -pthread -ISources/Merino/CMerino/include)
  local archive=(-Lout/lib -l:libmerino.a -Wl,-z,now -libverbs -lrdmacm -lstdc++ -lm -lpthread -ldl)
  lld=(-fuse-ld=lld -B"$(dirname "$(command -v swift)")" -Wl,--gc-sections)
  printf '{ global: solver_*; local: *; };\n' >"$CI_WORK/solver.map"
  flags+=("-Wl,--version-script=$CI_WORK/solver.map")
  cp out/lib/libmerino.so "$CI_WORK/second.so"
  check "a library with the archive inside is linked" gcc "${flags[@]}" -shared -fPIC "$sources/solver.c" \
    -o "$CI_WORK/libsolver.so" "${archive[@]}"
  check "by lld, too" gcc "${flags[@]}" -shared -fPIC "${lld[@]}" "$sources/solver.c" \
    -o "$CI_WORK/libsolver-lld.so" \
    "${archive[@]}"
  unset "flags[-1]"
  check "a program with that library and libmerino.so" gcc "${flags[@]}" -DWITH_SOLVER "$sources/copies.c" \
    -o "$CI_WORK/copies" -L"$CI_WORK" -lsolver -Lout/lib -lmerino -Wl,-rpath,"$CI_WORK:$PWD/out/lib"
  check "a program with the archive" gcc "${flags[@]}" "$sources/copies.c" -o "$CI_WORK/static-copies" \
    "${archive[@]}"
  run_table bad_input:copies
  mv "$CI_WORK/libsolver-lld.so" "$CI_WORK/libsolver.so"
  run_table "bad_input:linked by lld"
}
