#!/usr/bin/env bash
# Reads real reports with the programs of others: check-reports.sh BINARY. Needs Python with pip, apt for Chromium.
set -euo pipefail
binary=$(realpath "$1")
root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

python3 -m venv "$work/venv"
"$work/venv/bin/pip" install --quiet --disable-pip-version-check jsonschema junitparser prometheus-client sarif-tools check-jsonschema
if ! command -v chromium >/dev/null; then
    sudo=; [ "$(id -u)" = 0 ] || sudo=sudo
    $sudo apt-get update -qq
    $sudo apt-get install -y -qq --no-install-recommends chromium >/dev/null
fi

cd "$work"
mkdir -p migrations/1_base migrations/2_bad migrations/3_last
printf 'CREATE TABLE a (id INTEGER);\nINSERT INTO a VALUES (1), (2);\n' > migrations/1_base/migration.sql
printf 'CREATE TABLE b (id INTEGER);\n\nINSERT INTO nope VALUES ('"'"'<&>"'"'"');\n' > migrations/2_bad/migration.sql
printf 'CREATE TABLE c (id INTEGER);\n' > migrations/3_last/migration.sql
reports() {
    "$binary" deploy --url "file:$work/a.db" --migrations migrations --detailed-exitcode --report json="$1.json" --report junit="$1.xml" \
        --report html="$1.html" --report sarif="$1.sarif" --report prometheus="$1.prom" --report gitlab="$1-gitlab.json" >"$1.out" 2>&1
}
code=0; reports failed || code=$?
[ "$code" = 2 ] || { cat failed.out; echo "exit code $code, not 2"; exit 1; }
printf 'INSERT INTO a VALUES (3);\n' > migrations/2_bad/migration.sql
reports ok

for of in failed ok; do
    "$work/venv/bin/check-jsonschema" --schemafile "$root/docs/report.schema.json" "$of.json"
    "$work/venv/bin/python" "$root/scripts/read_reports.py" "$of"
    # A page that logs anything, or asks for anything, says so here.
    chromium --headless --no-sandbox --disable-gpu --disable-quic --no-first-run --disable-background-networking --disable-component-update \
        --disable-sync --user-data-dir="$work/chromium" --enable-logging=stderr --screenshot="$work/$of.png" --window-size=1000,1400 \
        "file://$work/$of.html" >"$of.log" 2>&1
    if grep -i 'CONSOLE\|ERR_' "$of.log"; then echo "$of.html: the browser complains"; exit 1; fi
    [ -s "$work/$of.png" ]
done
[ -z "${KEEP:-}" ] || cp ./*.html ./*.png ./*.xml ./*.sarif ./*.prom "$KEEP"
echo "reports: read by jsonschema, junitparser, sarif-tools, prometheus_client and Chromium"
