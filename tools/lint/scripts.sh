#!/usr/bin/env bash
# What linters find in the Python, the shell scripts and the Dockerfile; `make check-scripts`.
set -euo pipefail
cd "$(dirname "$0")/../.."
run() {  # a program of the virtual environment
  bench/python.sh tools/lint/requirements.txt -c \
    'import os, sys; program = os.path.join(os.path.dirname(sys.executable), sys.argv[1]); os.execv(program, sys.argv[1:])' "$@"
}
mapfile -t shell < <(git grep -lE '^#!.*(ba)?sh$')
run ruff check --quiet .
run shellcheck --severity=warning "${shell[@]}"
run hadolint Dockerfile
