#!/usr/bin/env bash
# make conformance-oip: unmodified clients of the Open Inference Protocol, and client/examples, against
# the server in BUILD/bin and the bundled models. Installs the clients: from PyPI into virtual
# environments beside LibTorch, from the Go module proxy into BUILD/conformance/bin, and
# perf_analyzer's one library from Debian, as root or with sudo.
#   conformance/oip/run.sh BUILD
set -euo pipefail
cd "$(dirname "$0")/../.."
build=$(realpath "$1")
tests=conformance/oip
sudo=()
((EUID == 0)) || sudo=(sudo)

run_pytest() {
  local requirements=$1
  shift
  bench/python.sh "$requirements" -m pytest -v -p no:cacheprovider --build "$build" "$@"
}

if ! dpkg-query -W -f='${Status}' libb64-0d 2>/dev/null | grep -q 'ok installed'; then
  "${sudo[@]}" apt-get update -q
  "${sudo[@]}" env DEBIAN_FRONTEND=noninteractive apt-get install -y -q --no-install-recommends libb64-0d
fi
export GOBIN="$build/conformance/bin"
go install github.com/fullstorydev/grpcurl/cmd/grpcurl@v1.9.3
go install github.com/grpc-ecosystem/grpc-health-probe@v0.4.61
go install google.golang.org/protobuf/cmd/protoc-gen-go@v1.36.12
go install google.golang.org/grpc/cmd/protoc-gen-go-grpc@v1.6.2

run_pytest "$tests/requirements-triton.txt" "$tests"/{wire,triton_client,go_clients,examples,perf_analyzer}_test.py
run_pytest "$tests/requirements-kserve.txt" "$tests/kserve_client_test.py"
if [[ -n "${TRITON_CLIENT:-}" ]]; then  # a checkout of triton-inference-server/client
  bench/python.sh "$tests/requirements-triton.txt" "$tests/triton_examples.py" "$TRITON_CLIENT" --build "$build"
fi

# Server CPU an answer through both services, in rounds that take turns; of a small model,
# so that the protocol counts.
"$build/bin/serving_bench" --only=float32 --model=vit_small_patch8_32 --seconds=3 --rounds=3 \
  --json="$build/conformance/serving.json"
python3 - "$build/conformance/serving.json" <<'PY'
import json, sys
ratio = json.load(open(sys.argv[1]))[0]["infer"]["ratio"]
print(f"ModelInfer takes {ratio:.3f} times Classify's CPU time")
PY
