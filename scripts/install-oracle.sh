#!/usr/bin/env bash
# Installs what the oracle crate needs to build PostgreSQL's parser: libclang. Does nothing where it is there.
set -euo pipefail

# libclang-cpp, which other packages bring along, is another library.
for place in '/usr/lib/llvm-*/lib' '/usr/lib/*-linux-gnu'; do
    if compgen -G "$place/libclang.so*" >/dev/null || compgen -G "$place/libclang-[0-9]*.so*" >/dev/null; then
        exit 0
    fi
done
sudo=
if [ "$(id -u)" -ne 0 ]; then
    sudo=$(command -v sudo) || { echo "libclang is missing; install libclang-dev as root" >&2; exit 1; }
fi
$sudo apt-get update -qq
$sudo apt-get install -y -qq --no-install-recommends libclang-dev
