#!/usr/bin/env bash
# Jobs over RDMA that Open MPI's mpirun and MPICH's mpiexec start, on one Soft-RoCE device or, with several guests, with
# two nodes on each. As root, where everything is built (stage_launchers_hosts.sh does it):
#
#   ci/softroce [--guests 2] -- ci/lib/guest/launchers.sh DIRECTORY-OF-THE-PROGRAMS
#
# Prints PASS or FAIL for each check; ends with 1 where one failed.
# shellcheck source-path=SCRIPTDIR source=jobs.sh
set -euo pipefail
cd "$(dirname "$0")/../../.."
programs=$1
source "$PWD/ci/lib/guest/jobs.sh"
export OMPI_ALLOW_RUN_AS_ROOT=1 OMPI_ALLOW_RUN_AS_ROOT_CONFIRM=1
# The session's files are the guest's own.
export TMPDIR=/tmp
# Messages of MPI do not take the device: how the MPI libraries get on with Soft-RoCE is not what is tried here.
export UCX_TLS=tcp,self,sm

if [ -n "${SOFTROCE_HOSTS:-}" ]; then
  hosts=${SOFTROCE_HOSTS//,/:2,}:2
  where="across hosts"
  mpirun_options=(--host "$hosts" --mca plm_rsh_agent "$SOFTROCE_AGENT" --mca pml ob1 --mca btl tcp,self,vader)
  # Hydra gives every ssh this option.
  printf '#!/bin/sh\n[ "$1" != -x ] || shift\nexec "%s" "$@"\n' "$SOFTROCE_AGENT" >/tmp/agent
  chmod +x /tmp/agent
  mpiexec_options=(-hosts "$hosts" -launcher ssh -launcher-exec /tmp/agent)
else
  where="on one host"
  mpirun_options=(--oversubscribe --mca pml ob1 --mca btl self,vader)
  mpiexec_options=()
fi
# mpirun passes on what it is told to.
for name in $(compgen -e MERINO_) SWIFT_BACKTRACE; do mpirun_options+=(-x "$name"); done

# launch LAUNCHER NODES COMMAND...
launch() {
  local launcher=$1 nodes=$2
  shift 2
  case $launcher in
    mpirun) timed 180 mpirun.openmpi "${mpirun_options[@]}" -n "$nodes" "$@" ;;
    mpiexec) timed 180 mpiexec.hydra ${mpiexec_options[@]+"${mpiexec_options[@]}"} -n "$nodes" "$@" ;;
  esac
}

# launched LAUNCHER WHAT PATTERN COMMAND...: a job of four nodes that ends with 0, without a FAIL, and says the pattern.
launched() {
  local launcher=$1 what="$1: $2 $where" pattern=$3 began=$SECONDS
  shift 3
  launch "$launcher" 4 "$@"
  if [ "$status" -ne 0 ] || grep -q '^FAIL ' <<<"$output" || ! grep -Eq -- "$pattern" <<<"$output"; then
    printf '%s\n' "$output" | sed 's/^PASS /  said: PASS /; s/^FAIL /  said: FAIL /'
    fail "$what" "exit code $status after $((SECONDS - began)) s"
  else
    pass "$what ($((SECONDS - began)) s)"
  fi
}

# died LAUNCHER NODE: under mpirun the others hear of it; Hydra ends them before they can say so.
died() {
  local launcher=$1 node=$2
  launch "$launcher" 4 "$programs/faults" kill "$node"
  if [ "$launcher" = mpirun ]; then
    above "$launcher: the others are told that node $node died $where" \
      "$(grep -Ec "^SAID -17 .*node $node left" <<<"$output")" 1
  elif [ "$status" -ne 0 ] && [ "$status" -ne 124 ]; then
    pass "$launcher: the death of node $node ends the job $where"
  else
    fail "$launcher: the death of node $node ends the job $where" "exit code $status"
  fi
}

for launcher in ${LAUNCHERS:-mpirun mpiexec}; do
  [ "$launcher" = mpirun ] && mpi=mpi-openmpi || mpi=mpi-mpich
  launched "$launcher" "a job over the device" 'fabric verbs over device' env MERINO_LOG=info out/examples/jacobi 100 10
  launched "$launcher" "collectives" '^PASS .*\[3\]$' "$programs/collectives"
  for order in mpi-first merino-first; do
    launched "$launcher" "MPI and Merino, $order" '^PASS mpi: 4 nodes' "$programs/$mpi" "$order"
  done
  died "$launcher" 0
  died "$launcher" 3
done
exit "$failed"
