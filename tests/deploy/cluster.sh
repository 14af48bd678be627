#!/usr/bin/env bash
# The chart on a real cluster: install, serve a photo, roll over under load, delete a pod under load of a
# client that keeps its address, photos that take as much memory as can be, kill a pod, drain against the
# budget, scale up and down on real load, TLS and tokens. Deletes its namespace at the end.
#
# usage: tests/deploy/cluster.sh BUILD/bin IMAGE
#
#   KUBECTL   the command that reaches the cluster (default: kubectl)
#   NETWORK   a prefix for commands that must reach the pods' addresses, where this machine
#             itself doesn't: "nsenter --net=/run/netns/NAME --" (default: none)
#   HELM      (default: helm; tests/deploy/chart.py knows enough of it too)
#   STEPS     which to run (default: install photo rollout stale memory kill drain tls; scale wants prometheus-adapter
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
readonly steps=${STEPS:-install photo rollout stale memory kill drain tls}
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
addresses() {
  k get pods -l app.kubernetes.io/name=patchserve --field-selector=status.phase=Running -o jsonpath='{range .items[*]}{.status.podIP}{"\n"}{end}'
}
python() { "${network[@]}" bench/python.sh tests/deploy/requirements.txt "$@"; }
service() { k get service patchserve -o jsonpath='{.spec.clusterIP}'; }

# start_load NAME FLAGS...: load in the background of $file, or the usual photo, on $target or through the Service;
# report in $work/NAME.json.
start_load() {
  local name=$1
  shift
  "${network[@]}" "$programs/loadgen" --server="${target:-$(service):8001}" --json="$work/$name.json" "$@" "${file:-$photo}" >"$work/$name.txt" &
  load=$!
}
# end_load NAME CODE...: prints how many requests had which code; others than OK and those named are a failure.
end_load() {
  local name=$1
  shift
  wait "$load"
  load=""
  python3 -c '
import json, sys
results = json.load(open(sys.argv[1]))["results"]
print(results)
sys.exit("OK" not in results or not set(results) <= {"OK", *sys.argv[2:]})' "$work/$name.json" "$@" ||
    fail "requests failed: $(cat "$work/$name.txt")"
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

# Clients that balance over the addresses that the pods have now, and never ask for others: first one that doesn't
# retry and takes every code as it comes, then ours.
step_stale() {
  local try old target
  for try in 1 2 3; do
    for retries in "" --retries; do
      say "a client that keeps old addresses while a pod ends${retries:+, with retries}, try $try"
      target=ipv4:$(addresses | sed 's/$/:8001/' | paste -sd,)
      mapfile -t old < <(pods)
      if [[ -n "$retries" ]]; then
        start_load "stale$try" --duration=40s --concurrency=8 --deadline=10s --retries
      else
        python tests/deploy/raw_load.py "$target" "$photo" --seconds=40 --allow=UNAVAILABLE >"$work/codes" &
        load=$!
      fi
      k delete pod "${old[0]}"
      kill -0 "$load" || fail "the load ended before the pod did"
      if [[ -n "$retries" ]]; then
        end_load "stale$try"
      else
        wait "$load" || fail "$(cat "$work/codes")"
        load=""
        cat "$work/codes"
      fi
      k rollout status deployment/patchserve --timeout=300s
    done
  done
}

restarts() {
  k get pods -l app.kubernetes.io/name=patchserve -o jsonpath='{range .items[*]}{.status.containerStatuses[0].restartCount}{"\n"}{end}' |
    awk '{ sum += $1 } END { print sum }'
}
# Refusals are fine, an end by the kernel isn't.
step_memory() {
  say "32 callers of a progressive JPEG of 49 megapixels"
  local before file=$work/large.jpg
  python tests/deploy/large_photo.py "$file"
  before=$(restarts)
  start_load memory --duration=60s --concurrency=32 --deadline=60s --connections=4
  end_load memory RESOURCE_EXHAUSTED UNAVAILABLE
  (($(restarts) <= before)) || fail "a pod was killed"
}

# The server's process in a pod, if the pod's node is this machine.
process() {
  local container
  container=$(k get pod "$1" -o jsonpath='{.status.containerStatuses[0].containerID}')
  # Processes that end meanwhile are an error to grep.
  { grep -ls "${container##*/}" /proc/[0-9]*/cgroup || true; } | cut -d/ -f3 | head -1
}

step_kill() {
  say "kill -9 of a pod under load, with clients that retry"
  local pod process count
  read -r pod < <(pods)
  process=$(process "$pod")
  count=$(k get pod "$pod" -o jsonpath='{.status.containerStatuses[0].restartCount}')
  start_load kill --duration=40s --concurrency=4 --deadline=20s --connections=4 --retries
  if [[ -n "$process" ]]; then
    kill -9 "$process"
    k wait "pod/$pod" --for=jsonpath='{.status.containerStatuses[0].restartCount}'=$((count + 1)) --timeout=30s
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
  local old
  mapfile -t old < <(pods)
  release upgrade --set tls.secretName=patchserve-tls,auth.secretName=patchserve-tokens
  local classify=("${network[@]}" "$programs/classify" --server="$(service):8001" "$photo")
  local trust=(--tls_ca="$work/ca.crt" --tls_server_name="patchserve.$namespace")
  "${classify[@]}" "${trust[@]}" --token_file="$work/tokens" || fail "no answer over TLS"
  ! "${classify[@]}" "${trust[@]}" 2>"$work/refused" || fail "an answer without a token"
  grep -q UNAUTHENTICATED "$work/refused" || fail "$(cat "$work/refused")"
  printf 'another-token\n' >"$work/another"
  ! "${classify[@]}" "${trust[@]}" --token_file="$work/another" 2>"$work/refused" || fail "an answer with another token"
  ! "${classify[@]}" 2>/dev/null || fail "an answer in plaintext"
  say "what was refused is counted, and the certificate's end is known"
  k wait --for=delete "${old[@]/#/pod/}" --timeout=120s
  for address in $(addresses); do "${network[@]}" curl -sS --fail "http://$address:8002/metrics"; done >"$work/metrics"
  counted 'patchserve_unauthenticated_total{reason="no_token"}' 1
  counted 'patchserve_unauthenticated_total{reason="unknown_token"}' 1
  counted 'patchserve_handshakes_failed_total{reason="not_tls"}' 1
  counted 'patchserve_certificate_expiry_timestamp_seconds' "$(date +%s)"
}
# counted METRIC LEAST: its sum over the pods.
counted() {
  grep -F "$1 " "$work/metrics" | awk -v least="$2" '{ sum += $NF } END { exit !(sum >= least) }' || fail "$1 isn't $2 or more"
}

# What an entry of a loadgen report is.
report() { python3 -c 'import json, sys; print(json.load(open(sys.argv[1]))[sys.argv[2]])' "$work/$1.json" "$2"; }
# The autoscaler's replicas and metric, every 5 s, until they are $1 or $2 seconds are over.
watch_replicas() {
  local second seen
  for second in $(seq 0 5 "$2"); do
    seen=$(k get hpa patchserve -o jsonpath='{.status.desiredReplicas} {.status.currentMetrics[0].pods.current.averageValue}')
    printf '  %3s s: %s\n' "$second" "$seen"
    [[ ${seen%% *} == "$1" ]] && return
    sleep 5
  done
  return 1
}

# Whether the last load, NAME, was too much for the pods: they refused a tenth of what was sent. What else failed
# may have come late from the client, where that has to wait for a core.
was_too_much() {
  python3 -c '
import json, sys
results = json.load(open(sys.argv[1]))["results"]
sent = sum(count for code, count in results.items() if code != "NOT_SENT")
sys.exit(results.get("RESOURCE_EXHAUSTED", 0) < 0.1 * sent)' "$work/$1.json"
}

# More than the pods can do, whatever the callers' patience, is a third replica. What they can do is measured, and changes
# where others use the machine: a load that was no overload after all is doubled.
step_scale() {
  local rate deadline capacity
  say "what two pods can do"
  start_load capacity --duration=15s --concurrency=16 --deadline=10s --connections=8
  end_load capacity
  capacity=$(report capacity throughput_per_s)
  printf '%s/s\n' "$capacity"
  watch_replicas 2 300 || fail "not two replicas to begin with"
  for deadline in 40ms 2s; do
    rate=$(python3 -c "print(round(1.5 * $capacity))")
    until scale_up "$rate" "$deadline"; do
      ! was_too_much scale || fail "no third replica"
      rate=$((2 * rate))
      python3 -c "import sys; sys.exit($rate > 16 * $capacity)" || fail "no load was too much"
    done
    watch_replicas 2 600 || fail "still more than two replicas"
  done
}

# scale_up RATE DEADLINE: whether that brings the third replica.
scale_up() {
  local scaled=yes
  say "scaling up and down on $1/s with deadlines of $2"
  start_load scale --duration=120s --rate="$1" --deadline="$2" --connections=8
  watch_replicas 3 110 || scaled=""
  [[ -z $scaled ]] || k rollout status deployment/patchserve --timeout=120s || fail "the third replica isn't ready"
  wait "$load" || true  # the report says how it went
  load=""
  sed -n '/results/,/loadgen used/p' "$work/scale.txt"
  [[ -n $scaled ]]
}

# What Python needs is fetched now: the pods' network may have no way out.
bench/python.sh tests/deploy/requirements.txt -c ""
for step in $steps; do "step_$step"; done
say "all steps passed: $steps"
