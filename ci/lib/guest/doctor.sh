#!/usr/bin/env bash
# `merino doctor` where there is a Soft-RoCE device: with it, and with one thing about it wrong at a time
# (the table doctor_device). As root:
#
#   ci/softroce -- ci/lib/guest/doctor.sh [MERINO]
#
# Prints PASS or FAIL for each check; ends with 1 where one failed. In a guest it changes permissions and
# the network interface and changes them back; on a machine of its own (SOFTROCE=native) it leaves the
# interface alone.
set -euo pipefail
cd "$(dirname "$0")/../../.."
export PROGRAMS_RUN=${1:-out/bin/merino}
source ci/lib/tally.sh
source ci/lib/table.sh
DEVICE=${SOFTROCE_DEVICE:-rxe0}
ADDRESS=${SOFTROCE_ADDRESS:?run this by ci/softroce}
NODE=/dev/infiniband/$(basename "$(dirname "$(grep -lx "$DEVICE" /sys/class/infiniband_verbs/*/ibdev)")")
INTERFACE=$(cat "/sys/class/infiniband/$DEVICE/parent")
# The IPv4 address as the last 32 bits of a GID.
# shellcheck disable=SC2046,SC2183 # four numbers for four fields
GID=$(printf '%02x%02x:%02x%02x' $(tr . ' ' <<<"$ADDRESS"))
export MERINO_DEVICE=$DEVICE
unset MERINO_FABRIC

# doctor SECTION: of the table, in the state that the device is in.
doctor() {
  run_table "doctor_device:$1" device="$DEVICE" interface="$INTERFACE" address="${ADDRESS//./\\.}" \
    node="$NODE" \
    user="setpriv --reuid 65534 --regid 65534 --clear-groups --" limited="prlimit --memlock=8388608:8388608" \
    free="prlimit --memlock=unlimited:unlimited"
}

# unreadable FILE SECTION: while only root can read it.
unreadable() {
  local before
  before=$(stat -c %a "$1")
  chmod 600 "$1"
  doctor "$2"
  chmod "$before" "$1"
}

# eventually COMMAND...: the kernel brings addresses and link states to the device a little later.
eventually() {
  local deadline=$((SECONDS + 20))
  until "$@"; do
    [ "$SECONDS" -lt "$deadline" ] || { failed "doctor: the device follows its interface" "$*"; exit 1; }
    sleep 0.1
  done
}
port_is() { grep -q "$1" "/sys/class/infiniband/$DEVICE/ports/1/state"; }
has_gid() { grep -qsx "0000:.*:ffff:$GID" "/sys/class/infiniband/$DEVICE/ports/1/gids/"*; }
has_no_gid() { ! has_gid; }

with_a_wrong_interface() {
  local mtu prefix
  check "doctor: a GID of the device is its address" has_gid
  mtu=$(cat "/sys/class/net/$INTERFACE/mtu")
  prefix=$(ip -o -4 addr show dev "$INTERFACE" | awk '{ print $4; exit }')
  ip link set "$INTERFACE" mtu 1500
  doctor MTU
  ip link set "$INTERFACE" mtu "$mtu"
  ip addr del "$prefix" dev "$INTERFACE"
  eventually has_no_gid
  doctor "no address"
  ip link set "$INTERFACE" down
  eventually port_is DOWN
  doctor down
  ip link set "$INTERFACE" up
  ip addr add "$prefix" dev "$INTERFACE"
  eventually port_is ACTIVE
  eventually has_gid
  doctor "as before"
}

doctor "with the device"
unreadable "$NODE" "unreadable: the device"
unreadable /dev/infiniband/rdma_cm "unreadable: rdma_cm"
[ "${SOFTROCE:-}" != guest ] || with_a_wrong_interface
exit "$CI_FAILED"
