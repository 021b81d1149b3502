# The Debian packages: installed below a folder of their own with this machine's list of packages (a copy of
# it), so that what they depend on is really looked up and nothing of the machine changes.

deb_checks() {
  local root=$CI_WORK/root database=$CI_WORK/dpkg packages=$CI_WORK/deb
  # As whom dpkg runs.
  AS_ROOT=()
  [ "$(id -u)" -eq 0 ] || AS_ROOT=(sudo)
  check "make deb" make deb DEB="$packages"
  check "every installed file is in one of the packages" deb_files "$packages"
  mkdir "$root"
  # Its lock files are root's alone.
  "${AS_ROOT[@]}" cp -a /var/lib/dpkg "$database"
  check "dpkg installs them" deb_dpkg -i "$packages"/*.deb
  check "dpkg finds its files as they were packed" deb_verify
  install_away "$root/usr" deb root="$root" \
    libraries="$root/usr/lib/$(dpkg-architecture -qDEB_HOST_MULTIARCH)"
  check "the manual pages are in place" test -s "$root/usr/share/man/man3/merino_malloc.3.gz"
  check "dpkg removes them" deb_dpkg --purge merino libmerino-dev libmerino0
  check "nothing is left of them" deb_nothing_left "$root"
  # A machine without any other package.
  "${AS_ROOT[@]}" rm -rf "$database"
  mkdir -p "$database"/{info,updates,triggers}
  touch "$database/status" "$database/available"
  check_fails "dpkg refuses them where libibverbs is missing" 'depends on libibverbs1' \
    deb_dpkg -i "$packages"/libmerino0_*.deb
  "${AS_ROOT[@]}" rm -rf "$root" "$database"
}

# Below CI_WORK/root; the triggers of other packages (man-db, libc-bin) are not for that folder.
deb_dpkg() {
  "${AS_ROOT[@]}" dpkg --instdir="$CI_WORK/root" --admindir="$CI_WORK/dpkg" --no-triggers --path-include='*' \
    "$@"
}

deb_verify() {
  local found
  found=$("${AS_ROOT[@]}" dpkg --instdir="$CI_WORK/root" --admindir="$CI_WORK/dpkg" --verify \
    merino libmerino-dev libmerino0 2>&1)
  [ -z "$found" ] || { echo "$found"; return 1; }
}

# The files of the packages are those of the prefix, but for what packages do in their own way.
deb_files() {
  local own='install-manifest$|/modulefiles/|/doc/merino/LICENSE$' package libraries
  libraries=$(dpkg-architecture -qDEB_HOST_MULTIARCH)
  diff <(cd "$CI_WORK/site" && find . -type f -o -type l | grep -vE "$own" | LC_ALL=C sort) \
    <(for package in "$1"/*.deb; do dpkg-deb --fsys-tarfile "$package" | tar -t; done | grep -v '/$' |
      grep -vE '/doc/[a-z0-9-]+/(copyright|changelog.Debian.gz)$' |
      sed -E "s|^./usr/|./|; s|^./lib/$libraries/|./lib/|; s|(man/.*)\.gz$|\1|" | LC_ALL=C sort)
}

# Folders that other packages have, too, stay.
deb_nothing_left() {
  local left
  left=$(find "$1" \( ! -type d -o -iname '*merino*' \) -print)
  [ -z "$left" ] || { echo "$left"; return 1; }
}
