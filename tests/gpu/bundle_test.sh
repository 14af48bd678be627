#!/usr/bin/env bash
# What bundle.sh puts together: nothing of glibc's or GCC's, which are the other machine's, and programs that start with the rest.
#
# usage: tests/gpu/bundle_test.sh BUILD
set -euo pipefail
cd "$(dirname "$0")/../.."
bundle=$(mktemp -d)
readonly bundle
trap 'rm -r "$bundle"' EXIT
fail() { printf 'FAILED: %s\n' "$*" >&2; exit 1; }

PIP_NO_INDEX=1 PIP_FIND_LINKS='' tests/gpu/bundle.sh "$bundle" "$1"
theirs=$(dpkg-query -L libc6 libstdc++6 libgcc-s1 | sed -n 's|.*/\(lib[^/]*\.so[^/]*\)$|\1|p')
for library in "$bundle"/lib/*; do
  ! grep -qxF "$(basename "$library")" <<<"$theirs" || fail "$(basename "$library") is the machine's own"
done
# LibTorch, CUDA and libgomp come with the machine's PyTorch.
missing=$(LD_LIBRARY_PATH="$bundle/lib" ldd "$bundle"/bin/{patchserve,classify,loadgen} |
  awk -v lib="$bundle/lib/" '$2 == "=>" && index($3, lib) != 1 && $1 !~ /^(libtorch|libc10|libgomp|libcudart|libcupti)/ { print $1 }' |
  sort -u | grep -vxF "$theirs" || true)
[[ -z $missing ]] || fail "not in the bundle: $missing"
for program in patchserve classify loadgen; do
  LD_LIBRARY_PATH="$bundle/lib" "$bundle/bin/$program" --version
done
