# Jobs that other launchers than `merino run` start: Open MPI's mpirun, MPICH's mpiexec (Hydra), Slurm's srun on a
# cluster of this one machine. The programs of Tests/Programs, examples, deaths, joins that cannot come about, MPI in
# the same processes. After `release`.
source ci/lib/slurm.sh
export OMPI_ALLOW_RUN_AS_ROOT=1 OMPI_ALLOW_RUN_AS_ROOT_CONFIRM=1

stage_launchers() {
  local launchers=(mpirun mpiexec mpiexec-pmi2) launcher source
  launched=$(mktemp -d -t merino-launchers.XXXXXX)
  trap 'slurm_down; rm -rf "$launched"' EXIT
  check "the examples are built" make examples
  for source in Tests/Programs/{sync,collectives,atomics,lifecycle,faults,join}.c; do
    check "$source compiles" launched_build cc "$source" "$launched/$(basename "$source" .c)" -DWITH_MERINO
  done
  for source in openmpi mpich; do
    check "mpi.c compiles with $source" launched_build "mpicc.$source" Examples/mpi.c "$launched/mpi-$source"
    check "apart.c compiles with $source" launched_build "mpicc.$source" Tests/Launchers/apart.c "$launched/apart-$source"
  done
  # Not within a check, which would be a subshell: the daemons are this shell's.
  slurm_up >"$launched/slurm.txt" 2>&1 || true
  check "Slurm's daemons run" slurm_is_up
  slurm_has pmix && launchers+=(srun-pmix)
  slurm_has pmi2 && launchers+=(srun-pmi2)
  for launcher in "${launchers[@]}"; do
    launched_programs "$launcher"
    launched_ends "$launcher"
  done
  launched_joining
  launched_slurm
  launched_mpi
  launched_itself
  slurm_down
  check "nothing is left" nothing_left
}

# launch LAUNCHER NODES COMMAND ARGS...
launch() {
  local launcher=$1 nodes=$2 limit=(timeout --kill-after=5 60)
  shift 2
  export SWIFT_BACKTRACE=enable=no
  case $launcher in
    mpirun) "${limit[@]}" mpirun.openmpi --oversubscribe -n "$nodes" "$@" ;;
    mpiexec) "${limit[@]}" mpiexec.hydra -n "$nodes" "$@" ;;
    mpiexec-pmi2) MERINO_LAUNCHER=pmi2 "${limit[@]}" mpiexec.hydra -n "$nodes" "$@" ;;
    srun-*) "${limit[@]}" srun --quiet --mpi="${launcher#srun-}" -n "$nodes" "$@" ;;
  esac
}

# launched_build COMPILER SOURCE TARGET FLAGS...
launched_build() {
  local compiler=$1 source=$2 target=$3
  shift 3
  "$compiler" -std=gnu11 -O1 -g -Wall -Wextra -Werror -pthread "$@" -ISources/Merino/CMerino/include "$source" -o "$target" \
    -Lout/lib -lmerino "-Wl,-rpath,$PWD/out/lib"
}

# launched_checks LAUNCHER NODES PROGRAM ARGS...: all its CHECKs pass, on every node.
launched_checks() {
  local launcher=$1 nodes=$2 output status=0
  shift 2
  output=$(launch "$launcher" "$nodes" "$launched/$1" "${@:2}" 2>&1) || status=$?
  if [ "$status" -ne 0 ] || grep -q '^FAIL ' <<<"$output" || ! grep -q "^PASS .*\[$((nodes - 1))\]" <<<"$output"; then
    echo "status $status"
    awk '!/^PASS / && shown++ < 40' <<<"$output"
    return 1
  fi
}

# launched_says LAUNCHER NODES PATTERN COMMAND ARGS...: it ends with 0, and one line matches.
launched_says() {
  local launcher=$1 nodes=$2 pattern=$3 output status=0
  shift 3
  output=$(launch "$launcher" "$nodes" "$@" 2>&1) || status=$?
  if [ "$status" -ne 0 ] || [ "$(grep -Ec -- "$pattern" <<<"$output")" -ne 1 ]; then
    echo "status $status, and not one line matches $pattern:"
    echo "$output"
    return 1
  fi
}

# launched_fails CODE COUNT PATTERN COMMAND ARGS...: ends with this code ("any": other than 0; "ends": whichever),
# with as many lines that match.
launched_fails() {
  local code=$1 count=$2 pattern=$3 output status=0
  shift 3
  output=$("$@" 2>&1) || status=$?
  if [ "$status" -eq 124 ] || [ "$(grep -Ec -- "$pattern" <<<"$output")" -ne "$count" ] ||
    { [ "$code" = any ] && [ "$status" -eq 0 ]; } || { [[ $code =~ ^[0-9]+$ ]] && [ "$status" -ne "$code" ]; }; then
    echo "status $status, not $code, or not $count lines match $pattern:"
    echo "$output"
    return 1
  fi
}

launched_programs() {
  local launcher=$1 nodes program
  for nodes in 1 4; do
    for program in lifecycle collectives; do
      check "$launcher: $program on $nodes nodes" launched_checks "$launcher" "$nodes" "$program"
    done
  done
  for program in sync atomics; do
    check "$launcher: $program on 3 nodes" launched_checks "$launcher" 3 "$program"
  done
  check "$launcher: strangers come to node 0 while it waits" launched_strangers "$launcher"
  check "$launcher: jacobi on 4 nodes" launched_says "$launcher" 4 '^PASS jacobi' out/examples/jacobi
  check "$launcher: workqueue on 2 nodes" launched_says "$launcher" 2 '^PASS workqueue' out/examples/workqueue
}

# launched_strangers LAUNCHER: a job that strangers came to while it joined ends well, and its port was closed before.
launched_strangers() {
  local output status=0
  output=$(launch "$1" 2 python3 Tests/Launchers/strangers.py "$launched/sync" 2>&1) || status=$?
  if [ "$status" -ne 0 ] || grep -qE '^(FAIL |NOT CLOSED)' <<<"$output" || [ "$(grep -c '^CLOSED$' <<<"$output")" -ne 1 ] ||
    ! grep -q '^CAME to 1$' <<<"$output" || ! grep -q '^PASS .*\[1\]' <<<"$output"; then
    echo "status $status"
    grep -v '^PASS ' <<<"$output" || true
    return 1
  fi
}

# Hydra kills all others at once when a process is gone that had spoken to it: here shells, which have its
# connections, outlive the nodes until the last one has ended, so that what ends them is what Merino tells them.
outlived='"$@"; code=$?; touch "$ENDED/$PMI_RANK"; until [ "$(ls "$ENDED" | wc -l)" -eq 3 ]; do sleep 0.05; done
  exit "$code"'

# others_told LAUNCHER NODE: the others hear of a node's death, each in its own words, and can leave, unless mpirun ends
# them first.
others_told() {
  local launcher=$1 node=$2 shell=() wanted="^SAID -17 .*node $node left|^LEFT -17$" count=4
  case $launcher in
    mpirun)
      wanted="^SAID -17 .*node $node left"
      count=2
      ;;
    mpiexec*)
      ENDED=$(mktemp -d -p "$launched")
      export ENDED
      shell=(sh -c "$outlived" sh)
      ;;
  esac
  launched_fails any "$count" "$wanted" \
    launch "$launcher" 3 ${shell[@]+"${shell[@]}"} "$launched/faults" kill "$node"
}

launched_ends() {
  local launcher=$1 faults=$launched/faults code=any node
  for node in 0 1; do
    check "$launcher: the others are told that node $node died" others_told "$launcher" "$node"
    check "$launcher: a death ends the job" launched_fails any 0 'passed the barrier' \
      launch "$launcher" 3 "$faults" kill "$node"
    # PMI-2 has no field for the code.
    [ "$launcher" = mpiexec-pmi2 ] || code=37
    check "$launcher: node $node ends the job by merino_abort" launched_fails "$code" 0 'passed the barrier' \
      launch "$launcher" 3 "$faults" abort "$node"
  done
  # Hydra ends the others, and itself with 0.
  check "$launcher: exit without leaving ends the job" launched_fails ends 0 'passed the barrier' \
    launch "$launcher" 3 "$faults" exit
  check "$launcher: no process is left" nothing_left
}

# Joins that cannot come about, in the node's own words: none of them becomes a job of one.
launched_joining() {
  local join=$launched/join
  check "mpirun: a process that does not join" launched_fails any 1 '^JOIN -10 not every one of the 2 processes' \
    env MERINO_JOIN_TIMEOUT=1 timeout 20 mpirun.openmpi --oversubscribe -n 1 "$join" : -n 1 sleep 3
  check "mpiexec: a process that does not join" launched_fails 0 1 '^JOIN -10 not every one of the 2 processes' \
    env MERINO_JOIN_TIMEOUT=1 timeout 20 mpiexec.hydra -n 1 "$join" : -n 1 sleep 3
  check "mpirun: capacities differ" launched_fails 0 2 '^JOIN -18 .*MERINO_CAPACITY' \
    timeout 20 mpirun.openmpi --oversubscribe -n 1 env MERINO_CAPACITY=64M "$join" : -n 1 env MERINO_CAPACITY=128M "$join"
  check "mpiexec: PMI_FD is closed" launched_fails 0 2 '^JOIN -20 .*PMI_FD names, is not open' \
    timeout 20 mpiexec.hydra -n 2 bash -c 'eval "exec $PMI_FD>&-"; exec "$0"' "$join"
  check "PMI_FD is another file" ends_with 0 '^JOIN -20 .*is another file' \
    env PMI_RANK=0 PMI_SIZE=2 PMI_FD=5 "$join" 5</dev/null
  check "PMI_RANK is beyond PMI_SIZE" ends_with 0 '^JOIN -1 .*process 2 of 2' \
    env PMI_RANK=2 PMI_SIZE=2 PMI_FD=5 "$join"
  # A thread of libpmix's stays then, which the program finds.
  check "PMIx without a server" launched_fails ends 1 '^JOIN -20 PMIX_RANK is set: .*PMIx_Init of .*libpmix.* failed: ' \
    env PMIX_RANK=0 PMIX_NAMESPACE=gone "$join"
  check "PMIx without libpmix" ends_with 0 '^JOIN -20 PMIX_RANK is set: .*could not be loaded: /nowhere' \
    env PMIX_RANK=0 PMIX_NAMESPACE=gone MERINO_PMIX_LIBRARY=/nowhere/libpmix.so "$join"
  check "MERINO_LAUNCHER=none is a job of one" launched_says mpirun 1 '^JOIN 0' \
    env PMIX_RANK=3 MERINO_LAUNCHER=none "$join"
  check "merino run within mpirun" launched_fails 0 4 '^JOIN 0' \
    launch mpirun 2 out/bin/merino run -n 2 -- "$join"
}

launched_mpi() {
  local order
  for order in mpi-first merino-first merino-inside merino-outside; do
    check "mpirun: MPI and Merino, $order" launched_says mpirun 4 '^PASS mpi: 4 nodes' "$launched/mpi-openmpi" "$order"
    check "mpiexec: MPI and Merino, $order" launched_says mpiexec 4 '^PASS mpi: 4 nodes' "$launched/mpi-mpich" "$order"
  done
  for order in merino-mpi merino mpi-merino; do
    check "mpirun: one after the other, $order" launched_checks mpirun 2 apart-openmpi "$order"
  done
  for order in merino-mpi merino; do
    check "mpiexec: one after the other, $order" launched_checks mpiexec 2 apart-mpich "$order"
  done
  check "mpiexec: joining after MPI_Finalize" launched_fails 0 2 '^JOIN -20 .*MPI_Finalize has closed it' \
    launch mpiexec 2 "$launched/apart-mpich" mpi-merino
}

launched_slurm() {
  local order
  check "srun without PMI" launched_fails 0 2 '^JOIN -1 SLURM_STEP_NUM_TASKS is 2: .*--mpi=pmix' \
    launch srun-none 2 "$launched/join"
  check "srun: one task without PMI is a job of one" launched_says srun-none 1 '^JOIN 0' "$launched/join"
  if slurm_has pmix; then
    for order in mpi-first merino-first; do
      check "srun-pmix: MPI and Merino, $order" launched_says srun-pmix 3 '^PASS mpi' "$launched/mpi-openmpi" "$order"
    done
  fi
  if slurm_has pmi2; then
    check "srun-pmi2: MPI and Merino, mpi-first" launched_says srun-pmi2 3 '^PASS mpi' "$launched/mpi-mpich" mpi-first
    check "srun-pmi2: Merino before MPI" launched_fails any 3 'could not join: .*call MPI_Init before joining' \
      launch srun-pmi2 3 "$launched/mpi-mpich" merino-first
  fi
}

# The checks above find what they look for.
launched_itself() {
  local left
  check_fails "a failing program is found" '^status (137|9)' launched_checks mpirun 2 faults kill 1
  check_fails "a program that joins as several jobs of one is found" 'status 0' \
    launched_checks mpirun 2 join
  cp "$(command -v sleep)" "$launched/stray"
  "$launched/stray" 20 &
  left=$!
  check_fails "a process that is left is found" stray nothing_left
  kill "$left"
  wait "$left" 2>/dev/null || true
}

# No process of a program of this stage; launchers return when theirs have ended, or a moment before.
nothing_left() {
  local attempt
  for attempt in $(seq 50); do
    pgrep -f "^[^ ]*$launched/" >/dev/null || return 0
    sleep 0.1
  done
  pgrep -af "^[^ ]*$launched/"
  return 1
}
