#!/usr/bin/env bash
# clang-tidy, as .clang-tidy says, over the C++ files that a change touches; a header by a source that includes it. Fails, too,
# where Clang can't read a file, and says which files this build doesn't compile. A part of `make check-clang`.
#
# usage: tools/lint/tidy.sh BUILD         what differs from the commit that base.sh prints
#        tools/lint/tidy.sh BUILD FILE... these
set -euo pipefail
cd "$(dirname "$0")/../.."
readonly build=$1
shift
if (($# == 0)); then
  touched=$(git diff --name-only --diff-filter=d "$(tools/lint/base.sh)" -- {server,client,tests,bench,conformance}/'*.'{h,cc})
  mapfile -t files <<<"$touched"
  set -- ${touched:+"${files[@]}"}
fi
for file in "$@"; do
  case $file in
    */emulated_gpu.cc) continue ;; # has _Float16, which Clang 14 knows for few targets
    *.cc) commands=$(tools/lint/compile_flags.py "$build" "$file") ;;
    *.h) commands=$(tools/lint/compile_flags.py "$build" --including="$file" | sed -n 1p) ;;
  esac
  if [[ $commands ]]; then echo "$commands"; else echo "tidy.sh: left out, $build compiles none of it: $file" >&2; fi
done | sort -u |
  nice -n 5 xargs -r -P "$(nproc)" -L 1 bash -o pipefail -c \
    'clang-tidy-14 --quiet "${@: -1}" -- "${@:1:$#-1}" 2>&1 | sed -E "/^[0-9]+ warnings? generated\.$/d"' tidy
