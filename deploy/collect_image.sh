#!/usr/bin/env bash
# Collects what the image takes from the build: stripped, and where the program looks for it.
#
# usage: collect_image.sh PROGRAM DEPS cpu|cuda INTO
#   INTO/libraries   LibTorch, CUDA and OpenCV, in the same folders as under DEPS
#   INTO/program     bin/patchserve
set -euo pipefail
readonly program=$1 deps=$2 flavour=$3 into=$4

# take PATH...: copies files of DEPS, without symbols that only a debugger reads.
take() {
  local path
  for path in "$@"; do
    install -D -m 755 "$deps/$path" "$into/libraries/$path"
    strip --strip-unneeded "$into/libraries/$path"
  done
}

cd "$deps"
readonly torch=$(echo libtorch-*-"$flavour")
if [[ $flavour == cpu ]]; then
  # The two CUDA libraries are there because libtorch_cpu.so doesn't load without them.
  take "$torch"/torch/lib/{libtorch_cpu.so,libc10.so,libgomp.so.1} \
    "$torch"/nvidia/cu13/lib/{libcudart.so.13,libcupti.so.13}
else
  mapfile -t libraries < <(find "$torch"/{torch/lib,nvidia} -name '*.so*' -type f)
  take "${libraries[@]}"
fi
mapfile -t opencv < <(find opencv-*/lib -maxdepth 1 -name 'libopencv_*.so.*' -type f)
take "${opencv[@]}"
# The names that programs are linked to, such as libopencv_core.so.414.
find opencv-*/lib -maxdepth 1 -name 'libopencv_*.so.*' -type l -exec cp -a --parents {} "$into/libraries/" \;
cd - >/dev/null
install -D -m 755 "$program" "$into/program/bin/patchserve"
strip "$into/program/bin/patchserve"
