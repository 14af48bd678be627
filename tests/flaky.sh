#!/usr/bin/env bash
# Repeats every test, in another order each time, beside a program that keeps a core busy: whatever depends on the time fails
# sooner or later. A test that fails once in a hundred is broken.
#
#   tests/flaky.sh BIN [TIMES [PROGRAM...]]
set -euo pipefail
bin=$1 times=${2:-20}
programs=("${@:3}")
[ ${#programs[@]} -gt 0 ] || mapfile -t programs < <(cd "$bin" && ls -d ./*_tests)

while :; do :; done &
busy=$!
trap 'kill $busy' EXIT
failed=()
for program in "${programs[@]}"; do
  name=$(basename "$program") began=$SECONDS
  if "$bin/$name" --gtest_repeat="$times" --gtest_shuffle --gtest_brief=1 >"$bin/$name.log" 2>&1; then
    echo "$name: $times times, $((SECONDS - began)) s"
  else
    failed+=("$name")
    grep -aE '^\[  FAILED  \] [A-Z]' "$bin/$name.log" | sort | uniq -c || tail -5 "$bin/$name.log"
  fi
done
[ ${#failed[@]} -eq 0 ] || { echo "failed: ${failed[*]}; see $bin/NAME.log"; exit 1; }
