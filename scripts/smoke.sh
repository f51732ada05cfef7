#!/usr/bin/env bash
# Tries a binary of a release on the system that it is for: smoke.sh BINARY
set -euo pipefail
binary=$(cd "$(dirname "$1")" && pwd)/$(basename "$1")
root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cp -R "$root/examples/shop" "$work/shop"
cd "$work/shop"
# Of a shell on Windows: lines may end with a carriage return.
say() { "$binary" "$@" | tr -d '\r'; }

say version --json > version
grep -q '"version":' version
say deploy > first
grep -q 'Applying migration `20250609094500_order_number`' first
grep -q 'All migrations have been successfully applied.' first
say deploy > second
grep -q 'No pending migrations to apply.' second
# A failure is one, and leaves nothing behind.
mkdir prisma/migrations/20990101000000_broken
printf 'CREATE TABLE "x" (id INTEGER);\nINSERT INTO "nowhere" VALUES (1);\n' > prisma/migrations/20990101000000_broken/migration.sql
code=0; "$binary" deploy > third 2>&1 || code=$?
[ "$code" = 1 ] || { cat third; echo "exit code $code of a migration that fails, not 1"; exit 1; }
rm -r prisma/migrations/20990101000000_broken
say status > fourth
grep -q 'Database schema is up to date!' fourth
# The exit code of an application is that of `run`.
code=0; "$binary" run -- "$binary" no-such-command > fifth 2>&1 || code=$?
[ "$code" = 1 ] || { cat fifth; echo "exit code $code of an application, not 1"; exit 1; }
echo "smoke: $(cat version)"
