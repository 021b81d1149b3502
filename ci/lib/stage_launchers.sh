# Jobs that other launchers than `merino run` start: Open MPI's mpirun, MPICH's mpiexec (Hydra), Slurm's
# srun on a cluster of this one machine. The programs of Tests/Programs, examples, deaths, joins that cannot
# come about, MPI in the same processes. After `release`.
stage_launchers() {
  local launchers=(mpirun mpiexec mpiexec-pmi2) launcher kinds
  check "the examples are built" make examples
  build_checks "$CI_WORK" -DWITH_MERINO -- Tests/Programs/{sync,collectives,atomics,lifecycle,faults,join}.c
  for launcher in openmpi mpich; do
    CC=mpicc.$launcher check "mpi.c compiles with $launcher" \
      build_program Examples/mpi.c "$CI_WORK/mpi-$launcher"
    CC=mpicc.$launcher check "apart.c compiles with $launcher" \
      build_program Tests/Launchers/apart.c "$CI_WORK/apart-$launcher"
  done
  # Not within a check, which would be a subshell: the daemons are this shell's.
  trap slurm_down EXIT
  slurm_up >"$CI_WORK/slurm.txt" 2>&1 || true
  check "Slurm's daemons run" slurm_is_up
  kinds=$(srun --mpi=list 2>&1)
  for launcher in pmix pmi2; do
    if grep -qw "$launcher" <<<"$kinds"; then
      launchers+=("srun-$launcher")
      run_table "launchers:$launcher"
    fi
  done
  for launcher in "${launchers[@]}"; do launchers_table "$launcher"; done
  run_table launchers:joining
}

# launchers_table LAUNCHER: the others hear of a node's death, each in its own words, and can leave, unless
# mpirun ends them first.
launchers_table() {
  local told='4x ^SAID -17 .*node {node} left|^LEFT -17$' outliving='' code=37
  case $1 in
    mpirun) told='2x ^SAID -17 .*node {node} left' ;;
    # A folder of the row's own.
    mpiexec*) outliving="ci/lib/outlive \$(mktemp -d -p $CI_WORK)" ;;
  esac
  [ "$1" != mpiexec-pmi2 ] || code=any
  run_table launchers:launcher launcher="$1" code="$code" told="$told" outliving="$outliving"
}
