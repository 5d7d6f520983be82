#!/usr/bin/env bash
# Shows that the simulator's checks can fail: each bug of Tests/Planted is planted in a copy of the
# core, and a rule has to be broken within the stated number of seeds. Ends with a code other than
# zero when a patch no longer applies, or when a bug is not caught.
set -euo pipefail

root=$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)
swift=${SWIFT:-swift}

usage() {
    cat <<'TEXT'
usage: planted.sh [NAME...]

  NAME    plant only these bugs of Tests/Planted, without .patch
TEXT
}

case ${1-} in
-h | --help) usage && exit ;;
esac

copy=$(mktemp -d "${TMPDIR:-/tmp}/sanad-planted.XXXXXX")
trap 'rm -rf "$copy"' EXIT

mkdir -p "$copy/Sources/planted"
cp -R "$root/Sources/COpenSSL" "$root/Sources/SanadCore" "$root/Sources/SanadSimulator" "$copy/Sources"
cp "$root/Tests/Planted/main.swift" "$copy/Sources/planted"
cat >"$copy/Package.swift" <<'SWIFT'
// swift-tools-version: 6.2
import PackageDescription

let settings: [SwiftSetting] = [
    .enableUpcomingFeature("ExistentialAny"), .enableUpcomingFeature("InternalImportsByDefault"),
    .enableUpcomingFeature("MemberImportVisibility"),
]

let package = Package(
    name: "planted",
    targets: [
        .systemLibrary(name: "COpenSSL", pkgConfig: "openssl"),
        .target(name: "SanadCore", dependencies: ["COpenSSL"], swiftSettings: settings),
        .target(name: "SanadSimulator", dependencies: ["SanadCore"], swiftSettings: settings),
        .executableTarget(
            name: "planted", dependencies: ["SanadSimulator"], swiftSettings: settings),
    ], swiftLanguageModes: [.v6])
SWIFT

build() {
    # The lock files that SwiftPM leaves behind go away with the copy.
    TMPDIR=$copy "$swift" build --package-path "$copy" -c release --product planted >"$copy/build.log" 2>&1 && return
    cat "$copy/build.log" >&2
    return 1
}

# How many worlds, and the number of the first one where that is not 1.
seeds_of() { sed -n 's/^Seeds: //p; s/^First: //p' "$1"; }

if [ $# -gt 0 ]; then
    patches=("${@/#/$root/Tests/Planted/}")
    patches=("${patches[@]/%/.patch}")
else
    patches=("$root"/Tests/Planted/*.patch)
fi

failures=0
for patch in "${patches[@]}"; do
    name=$(basename "$patch" .patch)
    if ! (cd "$copy" && patch -p1 --fuzz=0 --silent --dry-run <"$patch" >/dev/null); then
        echo "NOT APPLIED  $name"
        failures=$((failures + 1))
        continue
    fi
    (cd "$copy" && patch -p1 --fuzz=0 --silent --no-backup-if-mismatch <"$patch")
    if ! build; then
        echo "NOT BUILT    $name"
        failures=$((failures + 1))
    elif found=$("$copy/.build/release/planted" $(seeds_of "$patch")) && [ -n "$found" ]; then
        echo "caught       $name, $found"
    else
        echo "NOT CAUGHT   $name in" $(seeds_of "$patch" | head -n 1) "seeds"
        failures=$((failures + 1))
    fi
    (cd "$copy" && patch -p1 --fuzz=0 --silent --reverse --no-backup-if-mismatch <"$patch")
done
echo "${#patches[@]} planted, $failures not caught"
[ "$failures" -eq 0 ]
