#!/usr/bin/env bash
# Checks and measures the server on a machine with an NVIDIA GPU in at most four minutes:
#
#   tests/gpu/check.sh BUNDLE [flags of check.py]
#
# BUNDLE: what bundle.sh made where the server was built. Wants a driver for CUDA 13 and a Python with PyTorch 2.11 and
# timm, whose LibTorch the server then runs on; no network, no CUDA toolkit. Of a bundle made on Debian 12: glibc 2.35 or newer,
# and GCC 12's libstdc++ (GLIBCXX_3.4.30), as Ubuntu 22.04 has them.
set -euo pipefail
bundle=$(cd "$1" && pwd)
shift
# Found, not imported, which takes seconds.
libtorch=$(python3 -c 'import importlib.util as u; print(u.find_spec("torch").submodule_search_locations[0] + "/lib")')
export LD_LIBRARY_PATH="$bundle/lib:$libtorch${LD_LIBRARY_PATH:+:$LD_LIBRARY_PATH}"
exec python3 "$bundle/tests/gpu/check.py" --bundle="$bundle" "$@"
