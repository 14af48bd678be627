#!/usr/bin/env bash
# Compiles kernels for a GPU, and fails where one keeps more in memory than was allowed, for want of
# registers. ptxas reports that of each kernel (-Xptxas=-v).
#
# usage: check_spills.sh BYTES COMPILER ARGUMENT...
set -euo pipefail
readonly most=$1
shift
report=$("$@" 2>&1) || { printf '%s\n' "$report" >&2; exit 1; }
printf '%s\n' "$report" | awk -v most="$most" '
  /Compiling entry function/ { kernel = $0 }
  /bytes spill stores/ {
    for (i = 1; i <= NF; ++i) if ($(i + 2) == "spill" && $i > most) {
      print kernel; print "  spills " $i " bytes, more than " most > "/dev/stderr"; failed = 1; next
    }
  }
  !/^ptxas info/ && !/bytes spill/ && NF { print }
  END { exit failed }' >&2
