#!/usr/bin/env bash
# What scaling needs, beside a cluster that has neither and can't pull them: a Prometheus that scrapes
# the pods of patchserve, and a prometheus-adapter with the chart's rules that answers
# custom.metrics.k8s.io from it. Both are processes on this machine; they end with the script (Ctrl-C).
#
# usage: tests/deploy/custom_metrics.sh ADDRESS
#
#   ADDRESS    this machine's, as the API server reaches it; ports 9490 and 9443 are taken
#   KUBECONFIG an administrator of the cluster
#   KUBECTL, NETWORK  as for cluster.sh
set -euo pipefail
cd "$(dirname "$0")/../.."
readonly address=$1 adapter_version=v0.12.0
readonly tools="${PATCHSERVE_DEPS:-${XDG_CACHE_HOME:-$HOME/.cache}/patchserve}/deploy-tools"
read -ra kubectl <<<"${KUBECTL:-kubectl}"
read -ra network <<<"${NETWORK:-}"
work=$(mktemp -d)
trap 'kill $(jobs -p) 2>/dev/null || true; wait; rm -rf "$work"' EXIT

if [[ ! -e "$tools/bin/adapter" ]]; then
  source=$(cd / && go mod download -json "sigs.k8s.io/prometheus-adapter@$adapter_version" | sed -n 's/^\s*"Dir": "\(.*\)",*$/\1/p')
  (cd "$source" && go build -o "$tools/bin/adapter" ./cmd/adapter)
fi

# Debian's Prometheus can't ask Kubernetes for the pods: a file tells it. The labels are those that
# the Prometheus operator gives.
cat >"$work/prometheus.yml" <<CONFIG
global: {scrape_interval: 5s}
scrape_configs:
  - job_name: patchserve
    file_sd_configs: [{files: ["$work/pods.json"], refresh_interval: 5s}]
CONFIG
list_pods() {
  "${kubectl[@]}" get pods -A -l app.kubernetes.io/name=patchserve --field-selector=status.phase=Running -o json |
    python3 -c '
import json, sys
print(json.dumps([{"targets": [pod["status"]["podIP"] + ":8002"],
                   "labels": {"namespace": pod["metadata"]["namespace"], "pod": pod["metadata"]["name"]}}
                  for pod in json.load(sys.stdin)["items"]]))' >"$work/pods.new" && mv "$work/pods.new" "$work/pods.json"
}
while true; do
  list_pods || true
  sleep 3
done &
"${network[@]}" "$tools/prometheus/usr/bin/prometheus" --config.file="$work/prometheus.yml" \
  --storage.tsdb.path="$work/data" --web.listen-address="$address:9490" --log.level=warn &

"$tools/venv/bin/python" - deploy/helm/patchserve/files/prometheus-adapter.yaml >"$work/adapter.yaml" <<'PYTHON'
import sys
import yaml
print(yaml.safe_dump({"rules": yaml.safe_load(open(sys.argv[1]))["rules"]["custom"]}))
PYTHON
"${network[@]}" "$tools/bin/adapter" --config="$work/adapter.yaml" --prometheus-url="http://$address:9490" \
  --metrics-relist-interval=10s --metrics-max-age=1m --secure-port=9443 --cert-dir="$work/certificates" \
  --{lister,authentication,authorization}-kubeconfig="$KUBECONFIG" &

# The API server finds it by a Service without pods.
"${kubectl[@]}" apply -f - <<OBJECTS
apiVersion: v1
kind: Service
metadata: {name: custom-metrics, namespace: kube-system}
spec: {ports: [{port: 443, targetPort: 9443}]}
---
apiVersion: discovery.k8s.io/v1
kind: EndpointSlice
metadata: {name: custom-metrics, namespace: kube-system, labels: {kubernetes.io/service-name: custom-metrics}}
addressType: IPv4
ports: [{port: 9443}]
endpoints: [{addresses: ["$address"]}]
---
apiVersion: apiregistration.k8s.io/v1
kind: APIService
metadata: {name: v1beta1.custom.metrics.k8s.io}
spec:
  group: custom.metrics.k8s.io
  version: v1beta1
  groupPriorityMinimum: 100
  versionPriority: 100
  insecureSkipTLSVerify: true
  service: {name: custom-metrics, namespace: kube-system}
OBJECTS
wait -n
