#!/usr/bin/env bash
# Prints the commit that a change is compared with: where it left main, or on main itself the commit before.
set -euo pipefail
head=$(git rev-parse HEAD)
for branch in origin/main main; do
  base=$(git merge-base HEAD "$branch" 2>/dev/null) || continue
  if [[ $base != "$head" ]]; then echo "$base" && exit; fi
done
git rev-parse --verify --quiet HEAD~1 || echo "$head"
