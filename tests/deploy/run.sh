#!/usr/bin/env bash
# What `make test-deploy` runs: everything under deploy/ that can be checked without Docker and
# without a cluster.
#
# usage: tests/deploy/run.sh BUILD/bin
set -euo pipefail
cd "$(dirname "$0")/../.."
readonly programs=$1
readonly deps="${PATCHSERVE_DEPS:-${XDG_CACHE_HOME:-$HOME/.cache}/patchserve}"
readonly tools="$deps/deploy-tools"
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
export PATH="$tools/venv/bin:$deps/promtool/usr/bin:$PATH"

step() { printf '\n== %s\n' "$*"; }

step "Prometheus: configuration, rules, alerts; compose"
promtool check config deploy/prometheus/prometheus.yml
"$tools/prometheus-alertmanager/usr/bin/amtool" check-config deploy/prometheus/alertmanager.yml
"$tools/venv/bin/python" tests/deploy/compose_test.py
promtool test rules tests/deploy/prometheus/*_test.yml

step "Grafana: every query has data"
python3 tests/deploy/dashboard_test.py "$programs" "$tools/prometheus/usr/bin/prometheus"

step "Server: calls at its end are answered and counted alike, a broken checkpoint leaves the others ready"
bench/python.sh tests/deploy/requirements.txt tests/deploy/server_test.py "$programs"

step "Envoy: balances, and loses nothing when a server stops"
python3 tests/deploy/envoy_test.py "$programs" "$tools/venv/bin/envoy"

step "Image: hadolint, and its root file system without Docker"
hadolint Dockerfile
tests/deploy/root_test.sh "$programs" "$deps"

readonly chart=deploy/helm/patchserve
helm() { "$tools/venv/bin/python" tests/deploy/chart.py "$@"; }
validate() { "$tools/venv/bin/python" tests/deploy/validate.py "$tools/crds"; }

step "Helm: lint, what the chart makes of its values, and the schema of every object"
helm lint "$chart"
"$tools/venv/bin/python" tests/deploy/chart_test.py
for values in tests/deploy/{everything,cluster-values}.yaml deploy/{kserve,hub}-values.yaml; do
  printf '%s: ' "$values"
  helm render "$chart" --values "$values" | validate
done

# rules FILE...: the rules that the chart makes of those values.
rules() {
  helm render "$chart" --only prometheusrule.yaml "${@/#/--values=}" |
    "$tools/venv/bin/python" -c 'import sys, yaml; yaml.safe_dump(yaml.safe_load(sys.stdin)["spec"], sys.stdout)'
}
printf 'the rules of the chart: '
rules tests/deploy/everything.yaml >"$work/rules.yml"
promtool check rules "$work/rules.yml"
printf 'with KServe: '
cp tests/deploy/prometheus/kserve.yml "$work"
rules deploy/kserve-values.yaml >"$work/kserve_rules.yml"
promtool test rules "$work/kserve.yml"

# Not asked for: "Always" pulls a tag that never changes again, and topologySpreadConstraints do
# what anti-affinity would.
step "kube-score: probes, resources, budget, network policy, pod security"
helm render "$chart" | "$tools/bin/kube-score" score --exit-one-on-warning --output-format ci \
  --ignore-test container-image-pull-policy --ignore-test deployment-has-host-podantiaffinity - |
  { grep -v '^\[\(OK\|SKIPPED\)\]' || true; }

step "kustomize: equal to the chart, and valid"
tests/deploy/render_kustomize.sh "$work/kustomize"
diff -r "$work/kustomize" deploy/kustomize
cat deploy/kustomize/{base,prometheus}/[!k]*.yaml | validate
