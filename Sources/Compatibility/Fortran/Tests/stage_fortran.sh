# The Fortran module: compiled as the standard says, everything in it by programs, and the check that it
# covers merino.h. After `release`; the stages `jobs` and `install` run the examples.
stage_fortran() {
  local module=out/include/merino/fortran/merino.f90 header=Sources/Merino/CMerino/include/merino.h
  local tests=Sources/Compatibility/Fortran/Tests
  check "the module is Fortran 2008, without a warning" gfortran -std=f2008 -Wall -Wextra -Werror -O1 \
    -J "$CI_WORK" -c "$module" -o "$CI_WORK/merino.o"
  # By the module that is staged, and by the source, as programs with another compiler are built.
  check "everything.f90 by the staged module" fortran_program $tests/everything.f90 everything-staged
  check "everything.f90 by the module's source" gfortran -std=f2008 -Wall -Wextra -Werror -O1 -g \
    "-J$CI_WORK" "$module" \
    $tests/everything.f90 -o "$CI_WORK/everything" -Lout/lib -lmerino "-Wl,-rpath,$PWD/out/lib"
  python3 $tests/kinds.py >"$CI_WORK/kinds.f90"
  check "kinds.f90" fortran_program "$CI_WORK/kinds.f90" kinds
  check "fails.f90" fortran_program $tests/fails.f90 fails
  run_table fortran
  check "the module covers merino.h" ci/check-languages "$header" merino.f90 "$module"
  grep -v merino_allreduce_f64 "$module" >"$CI_WORK/part.f90"
  check_fails "check-languages finds a function that is missing" merino_allreduce_f64 \
    ci/check-languages "$header" merino.f90 "$CI_WORK/part.f90"
  check "the module's declarations are those of merino.h" ci/check-fortran "$header" "$module"
  run_table checks:Fortran module="$module"
}

# fortran_program SOURCE TARGET: by the staged module.
fortran_program() {
  gfortran -std=f2008 -Wall -Wextra -Werror -O1 -g -Iout/include/merino/fortran "$1" -o "$CI_WORK/$2" \
    -Lout/lib -lmerino_fortran -lmerino "-Wl,-rpath,$PWD/out/lib"
}
