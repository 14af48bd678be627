#!/usr/bin/env bash
# cmake/check_spills.sh over a compiler that only says what ptxas would say.
set -euo pipefail
cd "$(dirname "$0")/../.."
folder=$(mktemp -d)
readonly folder
trap 'rm -r "$folder"' EXIT
echo "small_blocks sm_90 68" >"$folder/list"

# check OBJECTS CARD BYTES: 0 if a kernel may keep so many.
check() {
  cat >"$folder/report" <<END
ptxas info    : Compiling entry function 'kernel' for '$2'
    48 bytes stack frame, 44 bytes spill stores, $3 bytes spill loads
END
  cmake/check_spills.sh "$folder/list" "$1" cat "$folder/report" 2>/dev/null
}
fails() { if "$@"; then echo "passes: $*"; exit 1; fi; }

check small_blocks sm_90 68
check small_blocks sm_90a 60
fails check small_blocks sm_90 72
fails check small_blocks sm_80 68
fails check other_blocks sm_90 68
fails cmake/check_spills.sh "$folder/list" small_blocks false
fails cmake/check_spills.sh "$folder/none" small_blocks true 2>/dev/null
