# The Debian packages: installed below a folder of their own with this machine's list of packages (a copy of it), so that
# what they depend on is really looked up and nothing of the machine changes.

deb_checks() {
  local root=$install_work/root database=$install_work/dpkg packages=$install_work/deb
  as_root=()
  [ "$(id -u)" -eq 0 ] || as_root=(sudo)
  check "make deb" make deb DEB="$packages"
  check "every installed file is in one of the packages" deb_files "$packages"
  mkdir "$root"
  # Its lock files are root's alone.
  "${as_root[@]}" cp -a /var/lib/dpkg "$database"
  check "dpkg installs them" deb_dpkg -i "$packages"/*.deb
  check "dpkg finds its files as they were packed" deb_verify
  check "what was installed runs" deb_job "$root"
  check "the manual pages are in place" test -s "$root/usr/share/man/man3/merino_malloc.3.gz"
  check "dpkg removes them" deb_dpkg --purge merino libmerino-dev libmerino0
  check "nothing is left of them" deb_nothing_left "$root"
  # A machine without any other package.
  "${as_root[@]}" rm -rf "$database"
  mkdir -p "$database"/{info,updates,triggers}
  touch "$database/status" "$database/available"
  check_fails "dpkg refuses them where libibverbs is missing" 'depends on libibverbs1' \
    deb_dpkg -i "$packages"/libmerino0_*.deb
  "${as_root[@]}" rm -rf "$root" "$database"
}

# In $root, which the caller has; the triggers of other packages (man-db, libc-bin) are not for that folder.
deb_dpkg() {
  "${as_root[@]}" dpkg --instdir="$root" --admindir="$database" --no-triggers --path-include='*' "$@"
}

deb_verify() {
  local found
  found=$("${as_root[@]}" dpkg --instdir="$root" --admindir="$database" --verify merino libmerino-dev libmerino0 2>&1)
  [ -z "$found" ] || { echo "$found"; return 1; }
}

# The files of the packages are those of the prefix, but for what packages do in their own way.
deb_files() {
  local own='install-manifest$|/modulefiles/|/doc/merino/LICENSE$' package
  diff <(cd "$install_work/site" && find . -type f -o -type l | grep -vE "$own" | LC_ALL=C sort) \
    <(for package in "$1"/*.deb; do dpkg-deb --fsys-tarfile "$package" | tar -t; done | grep -v '/$' |
      grep -vE '/doc/[a-z0-9-]+/(copyright|changelog.Debian.gz)$' |
      sed -E "s|^./usr/|./|; s|^./lib/$(dpkg-architecture -qDEB_HOST_MULTIARCH)/|./lib/|; s|(man/.*)\.gz$|\1|" | LC_ALL=C sort)
}

# Built with the packages' own files and run by them, on 4 nodes.
deb_job() {
  local root=$1 libraries output
  libraries=$root/usr/lib/$(dpkg-architecture -qDEB_HOST_MULTIARCH)
  cd "$install_work/away"
  # The flags that lead to the system's own folders are left out on a system where the packages are installed.
  gcc -std=c11 jacobi.c -o jacobi-deb $(PKG_CONFIG_LIBDIR=$libraries/pkgconfig PKG_CONFIG_SYSROOT_DIR=$root \
    PKG_CONFIG_ALLOW_SYSTEM_CFLAGS=1 PKG_CONFIG_ALLOW_SYSTEM_LIBS=1 pkg-config --cflags --libs merino) || return 1
  output=$(LD_LIBRARY_PATH=$libraries timeout --kill-after=5 60 "$root/usr/bin/merino" run -n 4 -- ./jacobi-deb 400 50) || return 1
  grep '^PASS ' <<<"$output"
}

# Folders that other packages have, too, stay.
deb_nothing_left() {
  local left
  left=$(find "$1" \( ! -type d -o -iname '*merino*' \) -print)
  [ -z "$left" ] || { echo "$left"; return 1; }
}
