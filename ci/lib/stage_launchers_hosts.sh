# Jobs over RDMA that mpirun and mpiexec start across two hosts: two guests, each with a kernel and a Soft-RoCE device, two
# nodes on each. After what stage_verbs.sh comes after.
stage_launchers_hosts() {
  local library
  verbs_products
  for library in openmpi mpich; do
    check "mpi.c compiles with $library for the guests" \
      launched_build "mpicc.$library" Examples/mpi.c "out/verbs/mpi-$library"
  done
  softroce_checks "other launchers across two hosts" 600 --guests 2 --cpus 1 --memory 2048 -- \
    ci/lib/guest/launchers.sh "$PWD/out/verbs"
}
