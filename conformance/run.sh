#!/usr/bin/env bash
# Compares the server in BUILD/bin with timm and Pillow, part by part, writes
# docs/fidelity.md, and fails if anything lies out of its bounds. What a part has measured
# stays in BUILD/conformance: delete a file there to measure it anew. With CIFAR10=FOLDER
# (of <class>/*.jpg) the part "precision" covers the bundled models too.
#   conformance/run.sh BUILD [PART ...]
set -euo pipefail
cd "$(dirname "$0")/.."
build=$1
parts=("${@:2}")
((${#parts[@]})) || parts=(networks options preprocessing decoding real_weights precision invariance robustness)
out="$build/conformance"
mkdir -p "$out"

python() { bench/python.sh conformance/requirements.txt "$@"; }

measure() {
  case $1 in
    networks | options) python "conformance/$1.py" "$build/bin" "$out/$1.jsonl" ;;
    preprocessing)
      python tools/make_image_golden.py --random 1500 --seed 11 --out "$out/preprocessing.tsv"
      PATCHSERVE_PREPROCESS_GOLDEN="$(realpath "$out")/preprocessing.tsv" \
        "$build/bin/image_tests" --gtest_filter='PreprocessTest.EveryByteIsTimms' >"$out/preprocessing.log" ||
        echo "conformance: bytes differ" >&2 ;; # the report says so too, and fails
    decoding) python conformance/decoding.py "$build/bin" "$out/decoding.jsonl" ;;
    precision)
      python conformance/precision.py "$build/bin" "$out/precision.jsonl" ${CIFAR10:+"--data=$CIFAR10"} ;;
    invariance)
      "$build/bin/batch_invariance" vit_small_patch8_32 vit_tiny_patch16_224 vit_small_patch16_224 \
        >"$out/invariance.jsonl" ;;
    *) python "conformance/$1.py" "$build/bin" "$out/$1.json" ;;
  esac
}

for part in "${parts[@]}"; do
  # These two see themselves what is done.
  [[ $part != networks && $part != precision && -e "$out/$part.done" ]] && continue
  echo "conformance: $part" >&2
  measure "$part"
  touch "$out/$part.done"
done
python conformance/report.py "$out" docs/fidelity.md
