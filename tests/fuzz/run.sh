#!/usr/bin/env bash
# Runs each fuzzer in BINARIES so many times, from the test data and the bad files made of them, and
# stops at the first finding: the input is left beside the corpus, in BINARIES/../fuzz.
#   tests/fuzz/run.sh BINARIES RUNS_OF_THE_PARSERS RUNS_OF_DECODING
set -euo pipefail
cd "$(dirname "$0")/../.."
bin=$1 parser_runs=$2 decode_runs=$3
out="$bin/../fuzz"

python3 tests/fuzz/bad_images.py "$out/bad-images" 70000
python3 tests/fuzz/bad_checkpoints.py "$out/bad-checkpoints"

# fuzz NAME RUNS MAX_LENGTH SEEDS...: those that fit are copied, since a fuzzer takes folders only.
fuzz() {
  local name=$1 runs=$2 max_length=$3
  mkdir -p "$out/$name" "$out/seeds/$name"
  local seed
  for seed in "${@:4}"; do
    cp "$seed" "$out/seeds/$name/$(sha256sum "$seed" | head -c 16)"
  done
  local more=()
  [[ -e "tests/fuzz/$name.dict" ]] && more=("-dict=tests/fuzz/$name.dict")
  echo "fuzz: $name, $runs runs"
  "$bin/fuzz_$name" -runs="$runs" -max_len="$max_length" -timeout=20 -rss_limit_mb=2048 -verbosity=0 \
    -print_final_stats=1 -artifact_prefix="$out/$name-" "${more[@]}" "$out/$name" "$out/seeds/$name" 2>&1 |
    { grep -v -e '^INFO' -e '^WARNING' -e '^Dictionary' -e '^"' -e '^###' || true; }
}

fuzz config "$parser_runs" 16384 tests/data/models/*/config.json models/*/config.json "$out"/bad-checkpoints/config/*
fuzz safetensors "$parser_runs" 40000 tests/data/models/*/model.safetensors "$out"/bad-checkpoints/safetensors/*
fuzz hub "$parser_runs" 2000
fuzz header "$parser_runs" 70000 "$out"/bad-images/*
fuzz decode "$decode_runs" 70000 "$out"/bad-images/*
