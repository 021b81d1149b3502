# A Swift package outside the tree that depends on this one by URL and version.

package_checks() {
  local url=$CI_WORK/merino.git clone=$CI_WORK/clone
  check "what other packages build has no unsafe flags and needs no package" ci/check-package-flags
  tagged_clone "$clone" 0.1.7
  git clone -q --bare "$clone" "$url"
  cp -r Examples/Package "$CI_WORK/package"
  check "a package that depends on a version builds" package_build "file://$url"
  check "it has that version" grep -q '"version" : "0.1.7"' "$CI_WORK/package/Package.resolved"
  PROGRAMS_RUN=$CI_WORK/site/bin/merino run_table install:package

  mkdir "$CI_WORK/wrong"
  sed 's|name: "Heap", .*, path: "[^"]*"|&, swiftSettings: onCoroutines|' Package.swift \
    >"$CI_WORK/wrong/Package.swift"
  check_fails "check-package-flags finds unsafe flags two layers down" \
    'the library MerinoC has unsafeFlags in Heap' \
    own_temporary ci/check-package-flags "$CI_WORK/wrong"
  sed 's|name: "Heap", dependencies: \["Platform"|&, argumentParser|' Package.swift \
    >"$CI_WORK/wrong/Package.swift"
  check_fails "check-package-flags finds a package that a library needs" \
    'needs ArgumentParser of a package in Heap' \
    own_temporary ci/check-package-flags "$CI_WORK/wrong"
}

# tagged_clone FOLDER VERSION: what is in the work tree, committed or not, as a repository with a tag.
tagged_clone() {
  local file
  mkdir "$1"
  git ls-files -co --exclude-standard -z |
    while IFS= read -r -d '' file; do [ ! -e "$file" ] || cp --parents -P "$file" "$1"; done
  git -C "$1" init -q
  git -C "$1" add -A
  git -C "$1" -c user.name=test -c user.email=test@localhost commit -qm "as it is"
  git -C "$1" tag "$2"
}

# package_build URL: the example as it is, its address answered by URL; nothing is kept in the user's caches.
package_build() {
  local swift_package=(--package-path "$CI_WORK/package" --cache-path "$CI_WORK/swiftpm"
    --config-path "$CI_WORK/swiftpm-config" --security-path "$CI_WORK/swiftpm-security")
  own_temporary swift package "${swift_package[@]}" config set-mirror \
    --original https://example.org/merino.git \
    --mirror "$1" &&
    own_temporary timeout --kill-after=5 600 swift build "${swift_package[@]}"
}

# own_temporary COMMAND...: SwiftPM leaves lock files, named for each package and cache, in the folder for
# temporary files.
own_temporary() {
  mkdir -p "$CI_WORK/temporary"
  TMPDIR=$CI_WORK/temporary "$@"
}
