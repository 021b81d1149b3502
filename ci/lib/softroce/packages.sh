# shellcheck shell=bash disable=SC2154,SC2034,SC2054
# Installs packages that ci/softroce needs, and only what is missing.

# as_root COMMAND ARGS...: directly as root, else through sudo.
as_root() {
  if [ "$(id -u)" -eq 0 ]; then
    "$@"
  elif command -v sudo >/dev/null; then
    sudo "$@"
  else
    echo "ci/softroce: '$*' needs root, and there is no sudo here." >&2
    return 1
  fi
}

# install_packages COMMAND:PACKAGE...: installs the packages whose command is not in PATH (nor in /sbin, which
# is not in everybody's PATH). What apt-get prints goes to stderr, so that the command's output stays its own.
install_packages() {
  local need missing=()
  for need in "$@"; do
    PATH="$PATH:/usr/sbin:/sbin" command -v "${need%%:*}" >/dev/null || missing+=("${need#*:}")
  done
  [ ${#missing[@]} -eq 0 ] && return 0
  echo "ci/softroce: installing ${missing[*]}" >&2
  apt_install "${missing[@]}" || {
    echo "ci/softroce: cannot install ${missing[*]}; install them by hand and try again." >&2
    return 1
  }
}

apt_install() {
  as_root apt-get update -qq >&2 || true
  as_root env DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends "$@" >&2
}

# What the commands under test use on either way: verbs' command-line tools and rxe's driver for libibverbs.
install_verbs_tools() {
  install_packages ibv_devinfo:ibverbs-utils rping:rdmacm-utils ib_read_lat:perftest rdma:iproute2 ip:iproute2
  if ! compgen -G '/usr/lib/*/libibverbs/librxe-rdmav*.so' >/dev/null; then
    apt_install ibverbs-providers
  fi
}

install_guest_tools() {
  install_packages qemu-system-x86_64:qemu-system-x86 busybox:busybox-static cpio:cpio modprobe:kmod \
    xz:xz-utils \
    python3:python3 setpriv:util-linux readelf:binutils
}
