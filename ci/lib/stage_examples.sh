# The C and C++ examples, with every compiler that is here and every warning on. What they compute is checked by the
# stage that runs them, which comes with the library.
stage_examples() {
  local source compiler flags=(-O2 -Wall -Wextra -Wpedantic -Werror -pthread -ISources/CMerino/include
    -ISources/Compatibility/TreadMarks -o /dev/null) standard openmp
  for compiler in gcc clang; do
    for source in Examples/*.c; do
      openmp=''
      case "$source $compiler" in
        # It needs an MPI library: the stage launchers compiles it by each library's compiler.
        */mpi.c*) continue ;;
        # The header of OpenMP is GCC's.
        */openmp.c\ clang) continue ;;
        */openmp.c*) openmp=-fopenmp ;;
      esac
      ! command -v "$compiler" >/dev/null ||
        check "$compiler compiles $source" "$compiler" -std=c11 "${flags[@]}" $openmp -c "$source"
    done
  done
  for source in Examples/*.cpp; do
    for standard in {g++,clang++}-{14,17,20}; do
      compiler=${standard%-*}
      ! command -v "$compiler" >/dev/null ||
        check "$compiler compiles $source as C++${standard#*-}" "$compiler" "-std=c++${standard#*-}" "${flags[@]}" -c "$source"
    done
  done
}
