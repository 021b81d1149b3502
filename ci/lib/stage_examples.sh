# The C examples, with every compiler that is here and every warning on. What they compute is checked by the
# stage that runs them, which comes with the library.
stage_examples() {
  local source compiler
  for source in Examples/*.c; do
    for compiler in gcc clang; do
      command -v "$compiler" >/dev/null || continue
      check "$compiler compiles $source" "$compiler" -std=c11 -O2 -Wall -Wextra -Wpedantic -Werror -pthread \
        -ISources/CMerino/include -ISources/Compatibility/TreadMarks -c "$source" -o /dev/null
    done
  done
}
