#!/usr/bin/env bash
# Writes deploy/kustomize from the Helm chart; the checks want it to be what this writes. Helm's labels
# are left out, and the namespace in the rules' selectors, which kustomize couldn't change.
#
# usage: tests/deploy/render_kustomize.sh [FOLDER]   (default deploy/kustomize)
set -euo pipefail
cd "$(dirname "$0")/../.."
readonly folder=${1:-deploy/kustomize}
readonly python="${PATCHSERVE_DEPS:-${XDG_CACHE_HOME:-$HOME/.cache}/patchserve}/deploy-tools/venv/bin/python"

# render FOLDER FILE...: those templates, and a kustomization of them.
render() {
  local into=$1 kind=$2 file
  shift 2
  mkdir -p "$into"
  {
    printf '# Written by tests/deploy/render_kustomize.sh from the Helm chart: edit that.\n'
    printf 'apiVersion: kustomize.config.k8s.io/v1%s\nkind: %s\n' \
      "$([[ $kind == Component ]] && echo alpha1 || echo beta1)" "$kind"
    [[ $kind == Component ]] || printf 'namespace: patchserve\n'
    printf 'resources:\n'
    for file in "$@"; do printf '  - %s.yaml\n' "$file"; done
  } >"$into/kustomization.yaml"
  for file in "$@"; do
    "$python" tests/deploy/chart.py render deploy/helm/patchserve --only "$file.yaml" |
      grep -vE '^ +(app.kubernetes.io/managed-by: Helm|helm.sh/chart: .*)$' |
      sed -Ez 's/namespace="patchserve",[[:space:]]+//g; s/namespace: patchserve, job/job/g' >"$into/$file.yaml"
  done
}

render "$folder/base" Kustomization deployment services poddisruptionbudget horizontalpodautoscaler networkpolicy
render "$folder/prometheus" Component servicemonitor prometheusrule
