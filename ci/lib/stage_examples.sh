# The C and C++ examples, with every compiler that is here and every warning on. What they compute is
# checked by the stage that runs them, which comes with the library.
stage_examples() {
  local compiler sources standards
  for compiler in gcc clang g++ clang++; do
    command -v "$compiler" >/dev/null || continue
    # mpi.c needs an MPI library: the stage launchers compiles it by each library's compiler. The header of
    # OpenMP is GCC's.
    sources=$(ls Examples/*.c | grep -v -e /mpi.c -e /openmp.c) standards=c11
    case $compiler in
      gcc) run_table examples:OpenMP compiler=gcc sources=Examples/openmp.c standards=c11 ;;
      *++) sources=$(ls Examples/*.cpp) standards="c++14 c++17 c++20" ;;
    esac
    run_table examples:all compiler="$compiler" sources="${sources//$'\n'/ }" standards="$standards"
  done
}
