# The C and C++ examples, with every compiler that is here and every warning on. What they compute is checked by the
# stage that runs them, which comes with the library.
stage_examples() {
  local source compiler flags standard
  for source in Examples/*.c; do
    # It needs an MPI library: the stage launchers compiles it by each library's compiler.
    [ "$source" != Examples/mpi.c ] || continue
    for compiler in gcc clang; do
      command -v "$compiler" >/dev/null || continue
      flags=()
      # The header of OpenMP is GCC's.
      [ "$source" != Examples/openmp.c ] || flags=(-fopenmp)
      [ "$source $compiler" != "Examples/openmp.c clang" ] || continue
      check "$compiler compiles $source" "$compiler" -std=c11 -O2 -Wall -Wextra -Wpedantic -Werror -pthread \
        ${flags[@]+"${flags[@]}"} -ISources/Merino/CMerino/include -ISources/Compatibility/TreadMarks -c "$source" \
        -o /dev/null
    done
  done
  for source in Examples/*.cpp; do
    for compiler in g++ clang++; do
      command -v "$compiler" >/dev/null || continue
      for standard in 14 17 20; do
        check "$compiler compiles $source as C++$standard" "$compiler" "-std=c++$standard" -O2 -Wall -Wextra -Wpedantic \
          -Werror -pthread -ISources/Merino/CMerino/include -c "$source" -o /dev/null
      done
    done
  done
}
