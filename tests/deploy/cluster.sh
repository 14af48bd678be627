#!/usr/bin/env bash
# The chart on a real cluster: install, serve a photo, roll over under load, kill a pod under load,
# drain against the budget, TLS and tokens, scale up and down on real load. Deletes its namespace at
# the end.
#
# usage: tests/deploy/cluster.sh BUILD/bin IMAGE
#
#   KUBECTL   the command that reaches the cluster (default: kubectl)
#   NETWORK   a prefix for commands that must reach the pods' addresses, where this machine
#             itself doesn't: "nsenter --net=/run/netns/NAME --" (default: none)
#   HELM      (default: helm; tests/deploy/chart.py knows enough of it too)
#   STEPS     which to run (default: install photo rollout kill drain tls; scale wants prometheus-adapter
#             with deploy/helm/patchserve/files/prometheus-adapter.yaml, and goes before tls)
#
# IMAGE must be known to the nodes. Exit code 0: every step kept its promise.
set -euo pipefail
cd "$(dirname "$0")/../.."
readonly programs=$1 image=$2
read -ra kubectl <<<"${KUBECTL:-kubectl}"
read -ra network <<<"${NETWORK:-}"
read -ra helm <<<"${HELM:-helm}"
readonly namespace=patchserve-test photo=tests/data/images/chelsea.jpg
readonly steps=${STEPS:-install photo rollout kill drain tls}
work=$(mktemp -d)

k() { "${kubectl[@]}" -n "$namespace" "$@"; }
say() { printf '== %s\n' "$*"; }
fail() { printf 'FAILED: %s\n' "$*" >&2; k get pods -o wide >&2 || true; exit 1; }
clean_up() {
  [[ -z "${load:-}" ]] || kill "$load" 2>/dev/null || true
  "${kubectl[@]}" delete namespace "$namespace" --wait=false >/dev/null 2>&1 || true
  rm -rf "$work"
}
trap clean_up EXIT

pods() { k get pods -l app.kubernetes.io/name=patchserve -o jsonpath='{range .items[*]}{.metadata.name}{"\n"}{end}'; }
service() { k get service patchserve -o jsonpath='{.spec.clusterIP}'; }

# start_load NAME FLAGS...: load in the background, through the Service; report in $work/NAME.json.
start_load() {
  local name=$1
  shift
  "${network[@]}" "$programs/loadgen" --server="$(service):8001" --json="$work/$name.json" "$@" "$photo" >"$work/$name.txt" &
  load=$!
}
# end_load NAME: prints how many requests had which code; others than OK are a failure.
end_load() {
  wait "$load"
  python3 -c 'import json, sys; r = json.load(open(sys.argv[1]))["results"]; print(r); sys.exit(set(r) != {"OK"})' "$work/$1.json" ||
    fail "requests failed: $(cat "$work/$1.txt")"
}

# release install|upgrade SETTING...
release() {
  local action=$1
  shift
  "${helm[@]}" "$action" patchserve deploy/helm/patchserve --namespace "$namespace" \
    --set "image.repository=${image%:*},image.tag=${image##*:},image.pullPolicy=Never" \
    --set serviceMonitor.enabled=false,prometheusRule.enabled=false "$@" \
    --values tests/deploy/cluster-values.yaml
  k rollout status deployment/patchserve --timeout=300s
}

step_install() {
  say "install"
  "${kubectl[@]}" create namespace "$namespace"
  "${kubectl[@]}" label namespace "$namespace" pod-security.kubernetes.io/enforce=restricted
  release install
}

step_photo() {
  say "a photo"
  "${network[@]}" "$programs/classify" --server="$(service):8001" "$photo" || fail "no answer"
}

step_rollout() {
  local try old
  for try in 1 2 3 4 5; do
    say "rolling update under load, try $try"
    mapfile -t old < <(pods)
    start_load "rollout$try" --duration=60s --concurrency=4 --deadline=10s --connections=4
    k rollout restart deployment/patchserve
    k rollout status deployment/patchserve --timeout=300s
    k wait --for=delete "${old[@]/#/pod/}" --timeout=120s
    kill -0 "$load" || fail "the load ended before the old pods did"
    end_load "rollout$try"
  done
}

# The server's process in a pod, if the pod's node is this machine.
process() {
  local container
  container=$(k get pod "$1" -o jsonpath='{.status.containerStatuses[0].containerID}')
  grep -ls "${container##*/}" /proc/[0-9]*/cgroup | cut -d/ -f3 | head -1
}

step_kill() {
  say "kill -9 of a pod under load, with clients that retry"
  local pod process
  pod=$(pods | head -1)
  process=$(process "$pod")
  start_load kill --duration=40s --concurrency=4 --deadline=20s --connections=4 --retries
  if [[ -n "$process" ]]; then
    kill -9 "$process"
    k wait "pod/$pod" --for=jsonpath='{.status.containerStatuses[0].restartCount}'=1 --timeout=30s
  else
    k delete pod --grace-period=0 --force "$pod"
  fi
  end_load kill
  k rollout status deployment/patchserve --timeout=300s
}

step_drain() {
  say "eviction against the budget"
  local pod refused=0
  for pod in $(pods); do
    printf '{"apiVersion":"policy/v1","kind":"Eviction","metadata":{"name":"%s","namespace":"%s"}}' "$pod" "$namespace" |
      k create --raw "/api/v1/namespaces/$namespace/pods/$pod/eviction" -f - >/dev/null 2>"$work/evict" || {
        grep -q "disruption budget" "$work/evict" || fail "$(cat "$work/evict")"
        refused=$((refused + 1))
      }
  done
  ((refused > 0)) || fail "every pod could be evicted at once"
  k rollout status deployment/patchserve --timeout=300s
}

# A CA and a certificate that it signed for the Service's name.
make_certificates() {
  openssl req -x509 -newkey rsa:2048 -nodes -days 1 -subj /CN=test-ca -keyout "$work/ca.key" -out "$work/ca.crt"
  openssl req -newkey rsa:2048 -nodes -subj /CN=patchserve -keyout "$work/tls.key" -out "$work/tls.csr"
  openssl x509 -req -in "$work/tls.csr" -CA "$work/ca.crt" -CAkey "$work/ca.key" -CAcreateserial -days 1 \
    -extfile <(printf 'subjectAltName=DNS:patchserve.%s' "$namespace") -out "$work/tls.crt"
} 2>/dev/null

step_tls() {
  say "TLS and a token"
  make_certificates
  printf 'a-token-of-the-test\n' >"$work/tokens"
  k create secret generic patchserve-tls --from-file="$work/tls.crt" --from-file="$work/tls.key"
  k create secret generic patchserve-tokens --from-file="$work/tokens"
  release upgrade --set tls.secretName=patchserve-tls,auth.secretName=patchserve-tokens
  local classify=("${network[@]}" "$programs/classify" --server="$(service):8001" "$photo")
  local trust=(--tls_ca="$work/ca.crt" --tls_server_name="patchserve.$namespace")
  "${classify[@]}" "${trust[@]}" --token_file="$work/tokens" || fail "no answer over TLS"
  ! "${classify[@]}" "${trust[@]}" 2>"$work/refused" || fail "an answer without a token"
  grep -q UNAUTHENTICATED "$work/refused" || fail "$(cat "$work/refused")"
  ! "${classify[@]}" 2>/dev/null || fail "an answer in plaintext"
}

step_scale() {
  say "scaling up and down on load"
  start_load scale --duration=120s --rate=400 --deadline=2s --connections=8
  k wait hpa/patchserve --for=jsonpath='{.status.desiredReplicas}'=3 --timeout=110s || fail "no third replica"
  wait "$load"
  k wait hpa/patchserve --for=jsonpath='{.status.desiredReplicas}'=2 --timeout=600s || fail "still more than two replicas"
}

for step in $steps; do "step_$step"; done
say "all steps passed: $steps"
