#!/usr/bin/env bash
# make bench: what serving costs over the bare work, then the parts. Leave the machine
# alone meanwhile.
#   bench/run.sh build/bin
set -euo pipefail
bin=$1
here=$(dirname "$0")
lscpu | grep -E '^(Model name|CPU\(s\)|Flags)' | sed -E 's/.*(avx512f|amx_bf16).*/has: \1/; s/^Flags.*/has: no AVX-512, no AMX/'
date -u +%F
"$bin/serving_bench"
"$bin/image_bench" --benchmark_min_time=0.5 --benchmark_out="$bin/image_bench.json"
"$here/python.sh" "$here/requirements.txt" "$here/resample_ratios.py" "$bin/image_bench.json"
"$bin/pipeline_bench" --benchmark_min_time=0.5
"$bin/model_bench" --benchmark_min_time=0.5
