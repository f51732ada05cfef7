#!/bin/sh
# Installs what the tests need beside Rust: the programs of PostgreSQL, PgBouncer and MariaDB, and
# openssl.
# Does nothing, and needs no network, when all is there. Starts no service: the tests start servers of
# their own.
set -eu

have() {
    command -v "$1" >/dev/null 2>&1
}

# Servers' programs are often outside a user's PATH.
PATH=$PATH:/usr/sbin:/sbin
missing=
have initdb || ls /usr/lib/postgresql/*/bin/initdb >/dev/null 2>&1 || missing="$missing postgresql"
{ have mariadbd && have mariadb-install-db && have mariadb; } || missing="$missing mariadb-server"
# Debian's mariadb-server brings both, for the tests on a Galera cluster.
[ -n "$(ls /usr/lib/galera/libgalera_smm.so /usr/lib64/galera-4/libgalera_smm.so /usr/lib/libgalera_smm.so 2>/dev/null)" ] \
    || missing="$missing galera-4"
have pgbouncer || missing="$missing pgbouncer"
have rsync || missing="$missing rsync"
have openssl || missing="$missing openssl"

if [ -z "$missing" ]; then
    exit 0
fi
if ! have apt-get; then
    echo "Missing:$missing (Debian's package names). This script knows only apt: install them with this system's package manager." >&2
    exit 1
fi
if [ "$(id -u)" -ne 0 ]; then
    if have sudo; then
        exec sudo "$0" "$@"
    fi
    echo "Missing:$missing. Run this script as root, or install sudo." >&2
    exit 1
fi

# Debian's packages start their services when they are installed, unless this file says no.
policy=/usr/sbin/policy-rc.d
if [ ! -e "$policy" ]; then
    trap 'rm -f "$policy"' EXIT
    printf '#!/bin/sh\nexit 101\n' >"$policy"
    chmod 755 "$policy"
fi

export DEBIAN_FRONTEND=noninteractive
# The lists of a fresh machine are old or absent.
apt-get update
# Unquoted: a list of names.
# shellcheck disable=SC2086
apt-get install --yes --no-install-recommends $missing
