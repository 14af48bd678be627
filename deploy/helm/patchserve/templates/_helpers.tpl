{{- define "patchserve.name" -}}
{{- if contains "patchserve" .Release.Name }}{{ .Release.Name | trunc 50 | trimSuffix "-" }}{{ else }}{{ printf "%s-patchserve" .Release.Name | trunc 50 | trimSuffix "-" }}{{ end }}
{{- end }}

{{- define "patchserve.selector" -}}
app.kubernetes.io/name: patchserve
app.kubernetes.io/instance: {{ .Release.Name }}
{{- end }}

{{- /* Of a pod: nothing that a new version of the chart alone would change. */ -}}
{{- define "patchserve.podLabels" -}}
{{ include "patchserve.selector" . }}
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
app.kubernetes.io/part-of: patchserve
{{- end }}

{{- define "patchserve.labels" -}}
{{ include "patchserve.podLabels" . }}
app.kubernetes.io/managed-by: {{ .Release.Service }}
helm.sh/chart: {{ printf "%s-%s" .Chart.Name .Chart.Version | replace "+" "_" }}
{{- end }}

{{- /* Of what the Prometheus operator reads. */ -}}
{{- define "patchserve.operatorLabels" -}}
{{ include "patchserve.labels" . }}
{{- with .Values.prometheusOperator.release }}
release: {{ . }}
{{- end }}
{{- end }}

{{- define "patchserve.image" -}}
{{ .Values.image.repository }}{{ with .Values.image.digest }}@{{ . }}{{ else }}:{{ .Values.image.tag | default (printf "%s-%s" .Chart.AppVersion (ternary "cuda" "cpu" .Values.gpu.enabled)) }}{{ end }}
{{- end }}

{{- /* values.yaml says why, at `shutdown`. */ -}}
{{- define "patchserve.connectionAge" -}}
{{ sub (div (mul 10 (add .Values.shutdown.preStop .Values.shutdown.lameDuck)) 11) 2 | max 1 }}
{{- end }}

{{- define "patchserve.gracePeriod" -}}
{{ add .Values.shutdown.preStop .Values.shutdown.lameDuck .Values.shutdown.drain .Values.shutdown.refuse 5 }}
{{- end }}

{{- /* "true" where a model is of a hub. */ -}}
{{- define "patchserve.hub" -}}
{{- if contains "hf://" (print (join "," .Values.models) .Values.config) -}}
{{- if not .Values.hub.cache }}{{ fail "models of a hub want hub.cache, a volume: {persistentVolumeClaim: {claimName: ...}}, or {emptyDir: {sizeLimit: 2Gi}} and as much more of resources.limits.ephemeral-storage" }}{{- end -}}
true
{{- end }}
{{- end }}

{{- define "patchserve.env" -}}
{{- if include "patchserve.hub" . }}
- {name: HF_HOME, value: /huggingface}
{{- with .Values.hub.endpoint }}
- {name: HF_ENDPOINT, value: {{ quote . }}}
{{- end }}
{{- if .Values.hub.offline }}
- {name: HF_HUB_OFFLINE, value: "1"}
{{- end }}
{{- with .Values.hub.tokenSecret }}
- name: HF_TOKEN
  valueFrom: {secretKeyRef: {name: {{ . }}, key: token}}
{{- end }}
{{- end }}
{{- with .Values.extraEnv }}
{{ toYaml . }}
{{- end }}
{{- end }}

{{- /* The flags that don't depend on where the models lie. */ -}}
{{- define "patchserve.flags" -}}
{{- if and .Values.tls.clientCa (not .Values.tls.secretName) }}{{ fail "tls.clientCa wants tls.secretName: the clients' authority is ca.crt of that Secret" }}{{- end -}}
{{- if and .Values.auth.secretName (not .Values.tls.secretName) }}{{ fail "auth.secretName wants tls.secretName: tokens don't go in plaintext" }}{{- end -}}
- --address=0.0.0.0:8001
- --metrics_address=0.0.0.0:8002
- --health_address=0.0.0.0:8003
- --device={{ ternary "cuda:0" "cpu" .Values.gpu.enabled }}
- --lame_duck={{ .Values.shutdown.lameDuck }}s
- --drain_timeout={{ .Values.shutdown.drain }}s
- --refuse_for={{ .Values.shutdown.refuse }}s
- --max_connection_age={{ include "patchserve.connectionAge" . }}s
- --connection_age_grace=30m
- --log_format={{ .Values.logFormat }}
- --access_log={{ .Values.accessLog }}
{{- with .Values.tls.secretName }}
- --tls_cert=/tls/tls.crt
- --tls_key=/tls/tls.key
{{- if $.Values.tls.clientCa }}
- --tls_client_ca=/tls/ca.crt
{{- end }}
{{- end }}
{{- if .Values.auth.secretName }}
- --auth_tokens=/auth/tokens
{{- end }}
{{- range $name, $value := .Values.flags }}
- --{{ $name }}={{ if kindIs "string" $value }}{{ $value }}{{ else }}{{ toJson $value }}{{ end }}
{{- end }}
{{- end }}

{{- /* Of each container: what the restricted PodSecurity standard wants. */ -}}
{{- define "patchserve.containerSecurity" -}}
allowPrivilegeEscalation: false
readOnlyRootFilesystem: true
runAsNonRoot: true
runAsUser: 10001
runAsGroup: 10001
capabilities: {drop: [ALL]}
seccompProfile: {type: RuntimeDefault}
{{- end }}

{{- define "patchserve.resources" -}}
{{- $resources := deepCopy .Values.resources }}
{{- if .Values.gpu.enabled }}
{{- $resources = mergeOverwrite $resources (deepCopy .Values.gpu.resources) }}
{{- $_ := set $resources.limits .Values.gpu.resource .Values.gpu.count }}
{{- end }}
{{- toYaml $resources }}
{{- end }}

{{- /* Fields of a pod: as what it runs, and where. */ -}}
{{- define "patchserve.identity" -}}
{{- with .Values.serviceAccountName }}
serviceAccountName: {{ . }}
{{- end }}
{{- with .Values.priorityClassName }}
priorityClassName: {{ . }}
{{- end }}
{{- if and .Values.gpu.enabled .Values.gpu.runtimeClassName }}
runtimeClassName: {{ .Values.gpu.runtimeClassName }}
{{- end }}
{{- end }}

{{- define "patchserve.placement" -}}
{{- with .Values.affinity }}
affinity:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- with .Values.nodeSelector }}
nodeSelector:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- with concat .Values.tolerations (ternary .Values.gpu.tolerations list .Values.gpu.enabled) }}
tolerations:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- end }}
