# The Fortran module: compiled as the standard says, everything in it by programs, and the check that it covers merino.h.
languages_fortran() {
  local module=out/include/merino/fortran/merino.f90 header=Sources/CMerino/include/merino.h nodes
  check "the module is Fortran 2008, without a warning" gfortran -std=f2008 -Wall -Wextra -Werror -O1 \
    -J "$languages_work" -c "$module" -o "$languages_work/merino.o"
  # By the module that is staged, and by the source, as programs with another compiler are built.
  check "everything.f90 by the staged module" fortran_program everything staged
  program_checks 2 everything
  check "everything.f90 by the module's source" fortran_program everything "$module"
  for nodes in 1 4; do program_checks "$nodes" everything; done
  check "fails.f90" fortran_program fails staged
  check "a failure without stat ends the job with its sentence" fortran_fails
  check "the module covers merino.h" ci/check-languages "$header" merino.f90 "$module"
  grep -v merino_allreduce_f64 "$module" >"$languages_work/part.f90"
  check_fails "check-languages finds a function that is missing" merino_allreduce_f64 \
    ci/check-languages "$header" merino.f90 "$languages_work/part.f90"
}

# fortran_program NAME MODULE: with the module's source, or what is staged.
fortran_program() {
  local source=("-J$languages_work" "$2") library=()
  if [ "$2" = staged ]; then
    source=(-Iout/include/merino/fortran)
    library=(-lmerino_fortran)
  fi
  gfortran -std=f2008 -Wall -Wextra -Werror -O1 -g "${source[@]}" "Tests/Languages/$1.f90" -o "$languages_work/$1" \
    -Lout/lib ${library[@]+"${library[@]}"} -lmerino "-Wl,-rpath,$PWD/out/lib"
}

fortran_fails() {
  local output status=0
  output=$(timeout --kill-after=5 60 out/bin/merino run -n 3 -- "$languages_work/fails" 2>&1) || status=$?
  echo "$output"
  echo "status $status"
  [ "$status" -eq 1 ] && grep -q '^Merino: could not open segment "never made"' <<<"$output" &&
    ! grep -q 'it went on' <<<"$output"
}
