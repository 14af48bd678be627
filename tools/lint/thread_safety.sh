#!/usr/bin/env bash
# Clang's proof that what is ABSL_GUARDED_BY a mutex (server/base/mutex.h) is used under it alone: in each
# file of server/ and client/ that includes it, itself or through others. A part of `make check-clang`.
#
# usage: tools/lint/thread_safety.sh BUILD
set -euo pipefail
cd "$(dirname "$0")/../.."
tools/lint/compile_flags.py "$1" --including=server/base/mutex.h |
  nice -n 5 xargs -P "$(nproc)" -L 1 clang++-14 -fsyntax-only -Wno-everything -Werror=thread-safety
