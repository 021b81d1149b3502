# Jobs over RDMA that mpirun and mpiexec start across two hosts: two guests, each with a kernel and a
# Soft-RoCE device, two nodes on each. After what stage_verbs.sh comes after.
stage_launchers_hosts() {
  local library
  build_for_guests
  for library in openmpi mpich; do
    CC=mpicc.$library check "mpi.c compiles with $library for the guests" \
      build_program Examples/mpi.c "out/verbs/mpi-$library"
  done
  tally_stream "other launchers across two hosts" ci/softroce --timeout 600 --guests 2 --cpus 1 \
    --memory 2048 -- \
    ci/lib/guest/launchers.sh "$PWD/out/verbs"
}
