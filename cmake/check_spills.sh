#!/usr/bin/env bash
# Compiles kernels for a GPU, and fails where one keeps more in memory, for want of registers, than the list allows.
# ptxas tells what each kernel keeps (-Xptxas=-v).
#
# usage: check_spills.sh LIST OBJECTS COMPILER ARGUMENT...
#
# A line of LIST: what is compiled, the card ("sm_90"), and the bytes that a thread may store or load. What isn't
# listed may keep nothing.
set -euo pipefail
readonly list=$1 objects=$2
shift 2
report=$("$@" 2>&1) || { printf '%s\n' "$report" >&2; exit 1; }
printf '%s\n' "$report" | awk -v list="$list" -v objects="$objects" '
  BEGIN {
    while ((got = getline < list) > 0) if ($1 == objects) most[$2] = $3
    if (got < 0) { print "no " list; exit failed = 1 }
  }
  /Compiling entry function/ { kernel = $0; match($0, /sm_[0-9]+/); card = substr($0, RSTART, RLENGTH) }
  /bytes spill stores/ {
    for (i = 1; i <= NF; ++i) if ($(i + 2) == "spill" && $i + 0 > most[card] + 0) {
      print kernel
      print "  keeps " $i " bytes in memory, where " list " allows " objects " " most[card] + 0 " on " card
      failed = 1
      next
    }
  }
  !/^ptxas info/ && !/bytes spill/ && NF { print }
  END { exit failed }' >&2
