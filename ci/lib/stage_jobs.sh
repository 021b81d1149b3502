# Jobs of several processes: every example on one, two, four and more nodes than cores, its result checked by
# itself, and the programs in the documents. After `release`.
stage_jobs() {
  local example nodes
  check "the examples are built" make examples
  for example in allocator jacobi dictionary workqueue false_sharing; do
    for nodes in 1 2 4; do
      check_job "$example on $nodes nodes" "$nodes" "$example"
    done
  done
  for nodes in 1 4; do
    check_job "jacobi-cpp on $nodes nodes" "$nodes" jacobi-cpp
    check_job "containers-cpp on $nodes nodes" "$nodes" containers-cpp
    check_job "jacobi-f90 on $nodes nodes" "$nodes" jacobi-f90
    check_job "cg-f90 on $nodes nodes" "$nodes" cg-f90
  done
  # All threads of a node fault at once.
  OMP_NUM_THREADS=4 check_job "openmp on 2 nodes of 4 threads" 2 openmp
  OMP_NUM_THREADS=3 check_job "openmp on 4 nodes of 3 threads" 4 openmp 200000 3
  check_job "jacobi on 16 nodes" 16 jacobi 400 50
  check_job "workqueue on 16 nodes" 16 workqueue 300 2
  check "the programs in the documents" ci/check-markdown --run README.md CONTRIBUTING.md docs/*.md
}

# check_job WHAT NODES EXAMPLE ARGS...: it exits with 0 and says PASS once.
check_job() {
  local what=$1 nodes=$2 example=$3
  shift 3
  check "$what" run_job "$nodes" "$example" "$@"
}

run_job() {
  local nodes=$1 example=$2 output
  shift 2
  output=$(timeout --kill-after=5 60 out/bin/merino run -n "$nodes" -- "out/examples/$example" "$@" 2>&1) || {
    echo "status $?"
    echo "$output"
    return 1
  }
  echo "$output"
  [ "$(grep -c "^PASS $example" <<<"$output")" -eq 1 ]
}
