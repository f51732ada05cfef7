#!/usr/bin/env bash
# Installs the packed packages for npm into an empty project, and runs them: check-npm.sh DIST
set -euo pipefail
dist=$(realpath "$1")
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work"
machine=$(uname -m | sed 's/x86_64/x64/; s/aarch64/arm64/')
echo '{ "name": "shop", "private": true }' > package.json
npm install --silent --no-audit --no-fund --offline "$dist/npm/cutover-linux-$machine.tgz" "$dist/npm/cutover.tgz"
mkdir -p prisma/migrations/1_a
echo 'CREATE TABLE a (id INTEGER);' > prisma/migrations/1_a/migration.sql
printf 'datasource db {\n  provider = "sqlite"\n  url      = "file:./shop.db"\n}\n' > prisma/schema.prisma
npx --offline cutover version
npx --offline cutover migrate deploy | tee out
grep -q 'Applying migration `1_a`' out
# Its exit code is the binary's, and a signal reaches it.
code=0; npx --offline cutover status --url file:./none.db --detailed-exitcode >/dev/null 2>&1 || code=$?
[ "$code" != 0 ]
printf 'WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n) SELECT count(*) FROM n;\n' > migration.sql
mkdir prisma/migrations/2_endless && mv migration.sql prisma/migrations/2_endless
node node_modules/.bin/cutover deploy --json > events 2>/dev/null &
deploy=$!
for _ in $(seq 600); do grep -q '"migration":"2_endless"' events && break; sleep 0.1; done
kill -TERM "$deploy"
code=0; wait "$deploy" || code=$?
[ "$code" = 143 ] || { echo "exit code $code behind SIGTERM, not 143"; exit 1; }
# Without the package of the platform it says what is missing.
rm -r "node_modules/@cutover-dev/cutover-linux-$machine"
npx --offline cutover version 2> err && exit 1
grep -q 'is not installed' err
echo "npm: packed, installed from its tarballs and run"
