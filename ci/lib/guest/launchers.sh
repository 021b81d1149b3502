#!/usr/bin/env bash
# Jobs over RDMA that Open MPI's mpirun and MPICH's mpiexec start, on one Soft-RoCE device or, with several
# guests, with two nodes on each. As root, where everything is built (stage_launchers_hosts.sh does it):
#
#   ci/softroce [--guests 2] -- ci/lib/guest/launchers.sh DIRECTORY-OF-THE-PROGRAMS
#
# Prints PASS or FAIL for each check; ends with 1 where one failed.
set -euo pipefail
cd "$(dirname "$0")/../../.."
export CI_WORK=$1
source ci/lib/guest/jobs.sh
# The session's files are the guest's own.
export TMPDIR=/tmp
# Messages of MPI do not take the device: how the MPI libraries get on with Soft-RoCE is not what is tried
# here.
export UCX_TLS=tcp,self,sm

if [ -n "${SOFTROCE_HOSTS:-}" ]; then
  hosts=${SOFTROCE_HOSTS//,/:2,}:2
  where="across hosts"
  CI_MPIRUN="--host $hosts --mca plm_rsh_agent $SOFTROCE_AGENT --mca pml ob1 --mca btl tcp,self,vader"
  # Hydra gives every ssh this option.
  printf '#!/bin/sh\n[ "$1" != -x ] || shift\nexec "%s" "$@"\n' "$SOFTROCE_AGENT" >/tmp/agent
  chmod +x /tmp/agent
  CI_MPIEXEC="-hosts $hosts -launcher ssh -launcher-exec /tmp/agent"
else
  where="on one host"
  CI_MPIRUN="--oversubscribe --mca pml ob1 --mca btl self,vader"
  CI_MPIEXEC=
fi
# mpirun passes on what it is told to.
for name in $(compgen -e MERINO_) SWIFT_BACKTRACE; do CI_MPIRUN+=" -x $name"; done
export CI_MPIRUN CI_MPIEXEC

for launcher in ${LAUNCHERS:-mpirun mpiexec}; do
  [ "$launcher" = mpirun ] && library=openmpi || library=mpich
  run_table "launchers_hosts:$launcher" launcher="$launcher" library="$library" where="$where"
done
exit "$CI_FAILED"
