#!/usr/bin/env bash
# Runs Python with the packages that REQUIREMENTS lists, in a virtual environment beside
# LibTorch and OpenCV (see tools/install_deps.sh), made where there is none:
#   bench/python.sh REQUIREMENTS SCRIPT ...
set -euo pipefail
requirements=$1
venv="${PATCHSERVE_DEPS:-${XDG_CACHE_HOME:-$HOME/.cache}/patchserve}/venv-$(sha256sum "$requirements" | head -c 12)"
if [[ ! -e "$venv/complete" ]]; then
  echo "python: installing $requirements into $venv" >&2
  /usr/bin/python3 -m venv "$venv"
  "$venv/bin/pip" --disable-pip-version-check install -q -r "$requirements"
  touch "$venv/complete"
fi
exec "$venv/bin/python" "${@:2}"
