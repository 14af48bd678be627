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
export PATH="$tools/bin:$tools/venv/bin:$deps/promtool/usr/bin:$PATH"

step() { printf '\n== %s\n' "$*"; }

step "Prometheus: configuration, rules, alerts"
promtool check config deploy/prometheus/prometheus.yml
promtool test rules tests/deploy/prometheus/*_test.yml

step "Grafana: every query has data"
python3 tests/deploy/dashboard_test.py "$programs" "$tools/prometheus/usr/bin/prometheus"
