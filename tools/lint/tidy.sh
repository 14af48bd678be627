#!/usr/bin/env bash
# clang-tidy, as .clang-tidy says, over the files of server/ and client/ that a change touches; a header by a source that
# includes it. A part of `make check-clang`.
#
# usage: tools/lint/tidy.sh BUILD         what differs from the commit that base.sh prints
#        tools/lint/tidy.sh BUILD FILE... these
set -euo pipefail
cd "$(dirname "$0")/../.."
readonly build=$1
shift
if (($# == 0)); then
  mapfile -t touched < <(git diff --name-only --diff-filter=d "$(tools/lint/base.sh)" -- 'server/*.h' 'server/*.cc' 'client/*.h' 'client/*.cc')
  set -- "${touched[@]}"
fi
for file in "$@"; do
  case $file in
    *.cc) tools/lint/compile_flags.py "$build" "$file" ;;
    *.h) tools/lint/compile_flags.py "$build" --including="$file" | sed -n 1p ;;
  esac
done | sort -u |
  nice -n 5 xargs -r -P "$(nproc)" -L 1 bash -c 'clang-tidy-14 --quiet "${@: -1}" -- "${@:1:$#-1}" 2>/dev/null' tidy
