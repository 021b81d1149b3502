# shellcheck shell=bash disable=SC2154,SC2034,SC2054
# The guests' kernel, modules and busybox, made once and kept in the cache.

# Modules of the guest. crc32 comes first: without that algorithm `rdma link add` fails with "No such file or
# directory".
guest_modules=(crc32_generic crc32_pclmul virtio_pci virtio_console 9p 9pnet_virtio virtio_net
  rdma_rxe rdma_ucm)
# Loaded by the guest only when asked for; each costs start-up time.
guest_extra_modules=(sch_netem veth dummy overlay)
guest_applets=(sh cat chroot cp cut dmesg echo grep hostname insmod ip kill ln mkdir mkfifo mount poweroff
  reboot rm seq sleep tr umount)

# make_image CACHE: sets guest_image to the folder with kernel, base.cpio and version; makes it if it is not
# there. Its name holds a digest of this file, so that a changed recipe makes a new image. It is renamed into
# place when complete: two runs at once may both make it, and one of the two is thrown away.
make_image() {
  local cache=$1 recipe
  recipe=$(sha256sum "${BASH_SOURCE[0]}" | cut -c1-12)
  guest_image=$cache/image-$recipe
  [ ! -e "$guest_image/base.cpio" ] || return 0
  mkdir -p "$cache"
  making=$(mktemp -d "$cache/making.XXXXXX") # ci/softroce removes it when it is stopped meanwhile
  (build_image "$making") >&2
  chmod 755 "$making"
  mv -T "$making" "$guest_image" 2>/dev/null || rm -rf "$making"
  making=
}

build_image() {
  set -euo pipefail
  local work=$1 version applet
  echo "ci/softroce: fetching a kernel for the guests (once)"
  fetch_kernel "$work"
  version=$(basename "$work"/tree/lib/modules/*)
  unpack_kernel "$work"/tree/boot/vmlinuz-* "$work/kernel"
  collect_modules "$work" "$version"
  mkdir -p "$work"/base/{bin,dev,proc,sys,newroot,keep}
  cp "$(command -v busybox)" "$work/base/bin/busybox"
  for applet in "${guest_applets[@]}"; do ln -s busybox "$work/base/bin/$applet"; done
  (cd "$work/base" && find . | cpio --quiet -o -H newc --owner=+0:+0) >"$work/base.cpio"
  echo "$version" >"$work/version"
  rm -rf "$work/tree" "$work/base"
}

# Downloads the kernel's packages and unpacks them in $work/tree: never into /, where they would replace the
# link /lib. Debian's "cloud" flavour has no rxe. Ubuntu splits its modules off into packages of their own.
fetch_kernel() {
  local work=$1 meta package parts=() part
  as_root apt-get update -qq || true
  for meta in linux-image-amd64 linux-image-generic; do
    package=$(apt-cache depends "$meta" 2>/dev/null |
      awk '$1 == "Depends:" && $2 ~ /^linux-image-[0-9]/ { print $2; exit }')
    [ -z "$package" ] || break
  done
  if [ -z "$package" ]; then
    echo "ci/softroce: apt-cache knows no kernel (linux-image-amd64 or linux-image-generic) for the guest" >&2
    return 1
  fi
  parts=("$package")
  for part in linux-modules linux-modules-extra; do
    part=$part-${package#linux-image-}
    if apt-cache show "$part" >/dev/null 2>&1; then parts+=("$part"); fi
  done
  mkdir "$work/debs" "$work/tree"
  # apt-get warns that its own user cannot write there and does the work itself.
  (cd "$work/debs" && apt-get download -qq "${parts[@]}" 2> >(grep -v unsandboxed >&2))
  for part in "$work"/debs/*.deb; do dpkg-deb -x "$part" "$work/tree"; done
  # A merged /usr within the package, on newer systems.
  if [ ! -e "$work/tree/lib" ]; then ln -s usr/lib "$work/tree/lib"; fi
  rm -rf "$work/debs"
}

# unpack_kernel BZIMAGE OUT: the ELF kernel inside, which QEMU starts directly by PVH. Under emulation the
# kernel would take seconds to decompress itself. The header's fields: Documentation/x86/boot.rst. Where it is
# not xz, BZIMAGE itself serves.
unpack_kernel() {
  local bzimage=$1 out=$2
  python3 - "$bzimage" >"$out.payload" <<'PYTHON'
import struct, sys
image = open(sys.argv[1], "rb").read()
offset, length = struct.unpack_from("<II", image, 0x248)
start = (image[0x1F1] + 1) * 512 + offset
sys.stdout.buffer.write(image[start:start + length])
PYTHON
  # The payload ends with four bytes of its own, which xz reports as an error after it has written everything.
  xz -dc --single-stream "$out.payload" >"$out" 2>/dev/null || true
  # 18 = XEN_ELFNOTE_PHYS32_ENTRY: the kernel can be started by PVH.
  if ! grep -q '0x00000012' <<<"$(readelf -nW "$out" 2>/dev/null)"; then cp "$bzimage" "$out"; fi
  rm -f "$out.payload"
}

# Copies the modules with what they depend on to base/modules; writes modules.order and, for the extra ones,
# NAME.order: lines of "FILE.ko PARAMETERS".
collect_modules() {
  local work=$1 version=$2 module
  mkdir -p "$work/base/modules"
  depmod -b "$work/tree" "$version"
  for module in "${guest_modules[@]}"; do module_order "$work" "$version" "$module"; done |
    awk '!seen[$0]++' >"$work/base/modules/base.order"
  for module in "${guest_extra_modules[@]}"; do
    module_order "$work" "$version" "$module" >"$work/base/modules/$module.order"
  done
}

module_order() {
  local work=$1 version=$2 module=$3 kind file parameters name
  modprobe -d "$work/tree" -S "$version" --show-depends "$module" | while read -r kind file parameters; do
    [ "$kind" = insmod ] || continue # built in
    name=$(basename "$file")
    case $name in
      *.zst) name=${name%.zst}; zstd -qdcf "$file" >"$work/base/modules/$name" ;;
      *.xz) name=${name%.xz}; xz -dc "$file" >"$work/base/modules/$name" ;;
      *) cp "$file" "$work/base/modules/$name" ;;
    esac
    echo "$name${parameters:+ $parameters}"
  done
}
