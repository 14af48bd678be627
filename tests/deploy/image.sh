#!/usr/bin/env bash
# The image as production runs it: read-only, as another user, without capabilities. It serves a
# photo, says that it is healthy, serves mounted models, names those that it can't read, stops in
# order, also under load, keeps within its memory limit whatever comes, and has nothing beside the
# server. Prints the size of each layer. Of the cuda image, on a machine with a GPU or without, all but
# the memory, and that the kernels' library loads.
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
flavour=cpu max_size=450000000
[[ $image != *-cuda ]] || flavour=cuda max_size=3800000000
readonly flavour max_size
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
    --tmpfs /tmp:rw,size=16m --memory 2g --pids-limit 2048 "$@" "$image")
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
python() { bench/python.sh tests/deploy/requirements.txt "$@"; }
# results FILE CODE...: prints how many of loadgen's requests had which code; OK must be there, and no other than these.
results() {
  python3 -c '
import json, sys
results = json.load(open(sys.argv[1]))["results"]
print(results)
sys.exit("OK" not in results or not set(results) <= set(sys.argv[2:]))' "$@"
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
((size < max_size)) || fail "more than $max_size"

say "labels"
for label in title licenses version revision source created; do
  value=$("${engine[@]}" inspect --format "{{index .Config.Labels \"org.opencontainers.image.$label\"}}" "$image")
  [[ -n $value && $value != "<no value>" ]] || fail "no label $label: build it with make image"
  printf '%s=%s\n' "$label" "$value"
done

say "nothing beside the server: no shell, no package manager, no setuid file; licences and an SBOM"
container=$("${engine[@]}" create "$image")
"${engine[@]}" export "$container" | tar -tv >"$work/files"
mkdir -p "$work"/root/{usr/share/doc,var/lib/dpkg}
"${engine[@]}" cp "$container:/usr/share/sbom" "$work/root/usr/share"
"${engine[@]}" cp "$container:/usr/share/doc/patchserve" "$work/root/usr/share/doc"
"${engine[@]}" cp "$container:/var/lib/dpkg/status.d" "$work/root/var/lib/dpkg"
"${engine[@]}" rm "$container" >/dev/null
container=""
! grep -E '^-..[sS]|^-.....[sS]' "$work/files" || fail "setuid or setgid"
! grep -E '/(sh|bash|dash|perl|python3?|apt|apt-get|dpkg|cc|g\+\+)( |$)' "$work/files" || fail "programs"
for text in doc/patchserve/LICENSE doc/patchserve/NOTICE doc/libgomp/copyright doc/opencv/LICENSE sbom/patchserve.spdx.json; do
  grep -q "usr/share/$text" "$work/files" || fail "no $text"
done
python tests/deploy/check_sbom.py "$work/root" "$flavour"

# Beside LibTorch's CUDA part, with every symbol found at once; no GPU is asked. The probe then finds nobody.
if [[ $flavour == cuda ]]; then
  say "libpatchserve_cuda.so loads"
  grep -q 'usr/share/doc/nvidia_cutlass' "$work/files" || fail "no licence of CUTLASS"
  torch=$(sed -n 's|.* \(opt/patchserve/libtorch-.*/libtorch_cuda.so\)$|/\1|p' "$work/files")
  "${engine[@]}" run --rm "${run[@]}" --env LD_BIND_NOW=1 --entrypoint /lib64/ld-linux-x86-64.so.2 "$image" \
    --preload "$torch /opt/patchserve/bin/libpatchserve_cuda.so" /opt/patchserve/bin/patchserve_probe 127.0.0.1:1 \
    >"$work/loads" 2>&1 || true
  cat "$work/loads"
  [[ $(<"$work/loads") == "127.0.0.1:1: Connection refused" ]] || fail "it doesn't"
fi

say "the bundled models, a read-only file system, nobody's rights"
serve
wait_until_healthy
classify
probe
end

say "a stop under load: every call gets OK or UNAVAILABLE"
serve
wait_until_healthy
python tests/deploy/raw_load.py 127.0.0.1:8001 "$photo" --seconds=10 --allow=UNAVAILABLE >"$work/codes" &
load=$!
sleep 4
"${engine[@]}" stop --time 40 "$container" >/dev/null
wait "$load" || fail "$(cat "$work/codes")"
cat "$work/codes"
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

# keeps_within LIMIT FLAG...: each photo takes 441 MB to decode; most are refused, and some must be answered, of which at 1 GiB
# one is decoded at a time, in seconds where others use the machine.
keeps_within() {
  local limit=$1
  shift
  serve --memory "$limit" "$@"
  wait_until_healthy
  "$programs/loadgen" --duration=60s --concurrency=32 --deadline=60s --json="$work/load.json" "$work/large.jpg" >"$work/load.txt" || true
  results "$work/load.json" OK RESOURCE_EXHAUSTED UNAVAILABLE || fail "$(cat "$work/load.txt")"
  [[ $("${engine[@]}" inspect --format '{{.State.OOMKilled}} {{.State.Running}}' "$container") == "false true" ]] || fail "it was killed"
  classify >"$work/answer"
  # Where the container's processes are this machine's.
  grep VmHWM "/proc/$("${engine[@]}" inspect --format '{{.State.Pid}}' "$container")/status" || true
  end
}
if [[ $flavour == cpu ]]; then
  python tests/deploy/large_photo.py "$work/large.jpg"
  "$programs/make_random_checkpoint" vit_base_patch16_224 "$work/base"
  chmod -R a+rX "$work"
  say "32 callers of a progressive JPEG of 49 megapixels, the bundled models, a limit of 1 GiB: it isn't killed"
  keeps_within 1g
  say "the same, vit_base, a limit of 2 GiB"
  keeps_within 2g -v "$work/base:/models:ro"
fi

say "models that it can't read"
chmod 600 "$work/models/mounted/model.safetensors"
serve -v "$work/models:/models:ro"
"${engine[@]}" wait "$container" >/dev/null
"${engine[@]}" logs "$container" 2>&1 | grep -E 'model.safetensors.*user 10001' || fail "no word of it"
"${engine[@]}" rm "$container" >/dev/null
container=""

say "the image is as it should be"
