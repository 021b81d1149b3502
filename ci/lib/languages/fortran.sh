# The Fortran module: compiled as the standard says, everything in it by programs, and the check that it covers merino.h.
languages_fortran() {
  local module=out/include/merino/fortran/merino.f90 header=Sources/Merino/CMerino/include/merino.h nodes
  check "the module is Fortran 2008, without a warning" gfortran -std=f2008 -Wall -Wextra -Werror -O1 \
    -J "$languages_work" -c "$module" -o "$languages_work/merino.o"
  # By the module that is staged, and by the source, as programs with another compiler are built.
  check "everything.f90 by the staged module" fortran_program everything staged
  program_checks 2 everything
  check "everything.f90 by the module's source" fortran_program everything "$module"
  for nodes in 1 4; do program_checks "$nodes" everything; done
  python3 Tests/Languages/kinds.py >"$languages_work/kinds.f90"
  check "kinds.f90" fortran_program kinds staged "$languages_work/kinds.f90"
  for nodes in 1 3; do program_checks "$nodes" kinds; done
  check "fails.f90" fortran_program fails staged
  check "a failure without stat ends the job with its sentence" fortran_fails
  check "the module covers merino.h" ci/check-languages "$header" merino.f90 "$module"
  grep -v merino_allreduce_f64 "$module" >"$languages_work/part.f90"
  check_fails "check-languages finds a function that is missing" merino_allreduce_f64 \
    ci/check-languages "$header" merino.f90 "$languages_work/part.f90"
  fortran_declarations "$module"
}

# The module declares what is in C: functions and how their arguments are passed, structures, numbers.
fortran_declarations() {
  check "the module's declarations are those of merino.h" ci/check-fortran Sources/Merino/CMerino/include/merino.h "$1"
  fortran_wrong 'merino_pin is not declared' "$1" "s/name='merino_pin'/name='pin'/"
  fortran_wrong 'merino_calloc is not declared' "$1" '/^! - merino_calloc/d'
  fortran_wrong 'merino_wall is said to be left out' "$1" 's/^! - merino_calloc:/! - merino_wall: a wall\n&/'
  fortran_wrong "merino_broadcast is .*'8', '4'. in C and .*'8', '\*4'. in Fortran" "$1" \
    "/function c_broadcast(/,/end function/s/integer(c_int), value :: root/integer(c_int) :: root/"
  fortran_wrong 'struct merino_stats is .*twins.* in C' "$1" 's/ twins = 0/ twin = 0/'
  fortran_wrong 'merino_ebusy is -9 in C and -90 in Fortran' "$1" 's/merino_ebusy = -9,/merino_ebusy = -90,/'
  fortran_wrong 'gfortran rejects' "$1" 's/^module merino$/modul merino/'
}

# fortran_wrong PATTERN MODULE EDIT: check-fortran finds what an edit by sed made wrong.
fortran_wrong() {
  sed "$3" "$2" >"$languages_work/wrong.f90"
  check_fails "check-fortran: $1" "$1" ci/check-fortran Sources/Merino/CMerino/include/merino.h "$languages_work/wrong.f90"
}

# fortran_program NAME MODULE [SOURCE]: with the module's source, or what is staged.
fortran_program() {
  local source=("-J$languages_work" "$2") library=()
  if [ "$2" = staged ]; then
    source=(-Iout/include/merino/fortran)
    library=(-lmerino_fortran)
  fi
  gfortran -std=f2008 -Wall -Wextra -Werror -O1 -g "${source[@]}" "${3-Tests/Languages/$1.f90}" -o "$languages_work/$1" \
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
