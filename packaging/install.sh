#!/bin/sh
# Installs a release of cutover, after checking it: install.sh [--version 0.1.0] [--directory DIR]
# CUTOVER_VERSION, and CUTOVER_MIRROR for a place that has the same files.
set -eu

version=${CUTOVER_VERSION:-}
directory=${CUTOVER_DIRECTORY:-$HOME/.local/bin}
mirror=${CUTOVER_MIRROR:-https://github.com/cutover-dev/cutover/releases}

fail() {
    echo "install.sh: $*" >&2
    exit 1
}

while [ $# -gt 0 ]; do
    case $1 in
        --version) version=${2:?a version} && shift 2 ;;
        --directory) directory=${2:?a directory} && shift 2 ;;
        *) fail "there is no option $1; known are --version and --directory" ;;
    esac
done

case $(uname -s) in
    Linux) system=unknown-linux-gnu ;;
    Darwin) system=apple-darwin ;;
    MINGW* | MSYS* | CYGWIN*) fail "on Windows: npm install @cutover-dev/cutover, or unpack cutover-x86_64-pc-windows-gnu.tar.gz of the release" ;;
    *) fail "there is no release for $(uname -s)" ;;
esac
case $(uname -m) in
    x86_64 | amd64) machine=x86_64 ;;
    aarch64 | arm64) machine=aarch64 ;;
    *) fail "there is no release for $(uname -m)" ;;
esac

name=cutover-$machine-$system.tar.gz
if [ -n "$version" ]; then
    from=$mirror/download/v${version#v}
else
    from=$mirror/latest/download
fi

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT INT TERM

fetch() {
    if command -v curl >/dev/null; then
        curl --fail --silent --show-error --location --retry 3 --output "$work/$1" "$from/$1"
    elif command -v wget >/dev/null; then
        wget --quiet --tries=3 --output-document="$work/$1" "$from/$1"
    else
        fail "neither curl nor wget is there"
    fi || fail "$from/$1 cannot be fetched"
}

fetch "$name"
fetch SHA256SUMS

wanted=$(sed -n "s/^\([0-9a-f]\{64\}\)  \*\{0,1\}$name\$/\1/p" "$work/SHA256SUMS")
[ -n "$wanted" ] || fail "SHA256SUMS of the release does not name $name"
if command -v sha256sum >/dev/null; then
    found=$(sha256sum "$work/$name")
else
    found=$(shasum -a 256 "$work/$name")
fi
[ "${found%% *}" = "$wanted" ] || fail "$name is not what SHA256SUMS says: it was changed on the way, nothing is installed"

tar -xzf "$work/$name" -C "$work" cutover
mkdir -p "$directory"
# Beside its place, then renamed: a cutover that runs is not cut off.
cp "$work/cutover" "$directory/.cutover.new"
chmod 755 "$directory/.cutover.new"
mv "$directory/.cutover.new" "$directory/cutover"
"$directory/cutover" version | head -n 1
case ":$PATH:" in
    *":$directory:"*) ;;
    *) echo "$directory is not on the PATH" ;;
esac
