#!/usr/bin/env bash
# The image as production runs it: read-only, as another user, without capabilities. It serves a
# photo, says that it is healthy, serves mounted models, names those that it can't read, stops in
# order, also under load, and has nothing beside the server. Prints the size of each layer.
#
# usage: tests/deploy/image.sh BUILD/bin IMAGE
#
#   ENGINE   docker, or what takes its place, with its flags (default: docker)
#   RUN      further flags of `docker run` (default: -p 127.0.0.1:8001:8001)
set -euo pipefail
cd "$(dirname "$0")/../.."
readonly programs=$1 image=$2 photo=tests/data/images/chelsea.jpg
read -ra engine <<<"${ENGINE:-docker}"
read -ra run <<<"${RUN:--p 127.0.0.1:8001:8001}"
work=$(mktemp -d)
container=""
clean_up() {
  [[ -z "$container" ]] || "${engine[@]}" rm -f "$container" >/dev/null
  rm -rf "$work"
}
trap clean_up EXIT

say() { printf '== %s\n' "$*"; }
fail() {
  printf 'FAILED: %s\n' "$*" >&2
  [[ -z "$container" ]] || "${engine[@]}" logs "$container" >&2
  exit 1
}

# serve FLAG...: the container, in the background, as deploy/README.md starts it.
serve() {
  container=$("${engine[@]}" run -d "${run[@]}" --read-only --cap-drop ALL --security-opt no-new-privileges \
    --tmpfs /tmp:rw,size=16m --memory 2g --pids-limit 256 "$@" "$image")
}
probe() { "${engine[@]}" exec "$container" /opt/patchserve/bin/patchserve_probe 127.0.0.1:8003; }
wait_until_healthy() {
  local try
  for try in $(seq 120); do
    probe >/dev/null 2>&1 && return
    sleep 1
  done
  fail "not healthy after $try s"
}
classify() { "$programs/classify" "$photo" || fail "no answer"; }
end() {
  "${engine[@]}" stop --time 40 "$container" >/dev/null
  local code
  code=$("${engine[@]}" inspect --format '{{.State.ExitCode}}' "$container")
  [[ $code == 0 ]] || fail "it ended with $code"
  "${engine[@]}" rm "$container" >/dev/null
  container=""
}

say "layers"
"${engine[@]}" history --format '{{.Size}}\t{{.CreatedBy}}' "$image" | cut -c1-110
size=$("${engine[@]}" inspect --format '{{.Size}}' "$image")
printf '%s bytes in all\n' "$size"
((size < 450000000)) || fail "more than 450 MB"

say "labels"
for label in title licenses version revision source created; do
  value=$("${engine[@]}" inspect --format "{{index .Config.Labels \"org.opencontainers.image.$label\"}}" "$image")
  [[ -n $value && $value != "<no value>" ]] || fail "no label $label: build it with make image"
  printf '%s=%s\n' "$label" "$value"
done

say "nothing beside the server: no shell, no package manager, no setuid file; licences and an SBOM"
container=$("${engine[@]}" create "$image")
"${engine[@]}" export "$container" | tar -tv >"$work/files"
"${engine[@]}" rm "$container" >/dev/null
container=""
! grep -E '^-..[sS]|^-.....[sS]' "$work/files" || fail "setuid or setgid"
! grep -E '/(sh|bash|dash|perl|python3?|apt|apt-get|dpkg|cc|g\+\+)( |$)' "$work/files" || fail "programs"
for text in doc/patchserve/LICENSE doc/patchserve/NOTICE doc/libgomp/copyright doc/opencv/LICENSE sbom/patchserve.spdx.json; do
  grep -q "usr/share/$text" "$work/files" || fail "no $text"
done

say "the bundled models, a read-only file system, nobody's rights"
serve
wait_until_healthy
classify
probe
end

say "a stop under load: every call gets OK or UNAVAILABLE"
serve
wait_until_healthy
"$programs/loadgen" --duration=10s --concurrency=8 --json="$work/load.json" "$photo" >"$work/load.txt" &
load=$!
sleep 4
"${engine[@]}" stop --time 40 "$container" >/dev/null
wait "$load"
python3 -c '
import json, sys
results = json.load(open(sys.argv[1]))["results"]
print(results)
sys.exit(not set(results) <= {"OK", "UNAVAILABLE"} or "OK" not in results)' "$work/load.json" || fail "$(cat "$work/load.txt")"
"${engine[@]}" rm "$container" >/dev/null
container=""

say "mounted models"
mkdir -p "$work/models"
cp -r tests/data/models/vit "$work/models/mounted"
chmod -R a+rX "$work"
serve -v "$work/models:/models:ro"
wait_until_healthy
classify
end

say "models that it can't read"
chmod 600 "$work/models/mounted/model.safetensors"
serve -v "$work/models:/models:ro"
"${engine[@]}" wait "$container" >/dev/null
"${engine[@]}" logs "$container" 2>&1 | grep -E 'model.safetensors.*user 10001' || fail "no word of it"
"${engine[@]}" rm "$container" >/dev/null
container=""

say "the image is as it should be"
