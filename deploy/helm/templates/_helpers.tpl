{{/* Name and labels of an object: dict "root" $ "suffix" "-migrate". */}}
{{- define "mentor.metadata" -}}
name: {{ print .root.Release.Name .suffix | quote }}
namespace: {{ .root.Release.Namespace | quote }}
labels:
  app.kubernetes.io/name: {{ print .root.Release.Name .suffix | quote }}
  {{- include "mentor.labels" .root | nindent 2 }}
{{- end }}

{{- define "mentor.labels" -}}
app.kubernetes.io/part-of: mathtrail
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ .Release.Service }}
helm.sh/chart: {{ .Chart.Name }}-{{ .Chart.Version }}
{{- end }}

{{- define "mentor.image" -}}
{{- with .Values.image -}}
{{ .repository }}{{ if .digest }}@{{ .digest }}{{ else }}:{{ .tag | default $.Chart.AppVersion }}{{ end }}
{{- end }}
{{- end }}

{{/* The environment of the function, as YAML. */}}
{{- define "mentor.environment" -}}
{{- $database := .Values.database -}}
PGHOST: {{ $database.host | quote }}
PGPORT: {{ $database.port | quote }}
PGDATABASE: {{ $database.name | quote }}
PG_CREDENTIALS_DIR: /var/run/secrets/mentor/database
{{ include "mentor.tls" . }}
DATABASE_TIMEOUT: {{ $database.timeout | quote }}
LOG_LEVEL: {{ .Values.logLevel }}
LOG_FORMAT: {{ .Values.logFormat }}
{{- with .Values.llm }}
LLM_PROVIDER: {{ .provider }}
{{- if ne .provider "stub" }}
LLM_MODEL: {{ .model | quote }}
LLM_TIMEOUT: {{ .timeout | quote }}
{{- with .baseUrl }}
LLM_BASE_URL: {{ . | quote }}
{{- end }}
{{- if .secret }}
LLM_API_KEY_FILE: /var/run/secrets/mentor/llm/api-key
{{- end }}
{{- end }}
{{- end }}
{{- range $name, $value := .Values.env }}
{{ $name | quote }}: {{ $value | quote }}
{{- end }}
{{- end }}

{{/* TLS, for the function and the job. */}}
{{- define "mentor.tls" -}}
PGSSLMODE: {{ .Values.database.sslmode }}
{{- if hasPrefix "verify-" .Values.database.sslmode }}
PGSSLROOTCERT: /var/run/secrets/mentor/database-ca/ca.crt
{{- end }}
{{- end }}

{{/* The function reads its environment once, at start. So a change makes a new ConfigMap and revision. */}}
{{- define "mentor.configmap" -}}
{{ .Release.Name }}-{{ include "mentor.environment" . | sha256sum | trunc 10 }}
{{- end }}

{{/* The port of an address, or that of its scheme. */}}
{{- define "mentor.port" -}}
{{- $origin := regexFind "^https?://[^/?#]+" (lower .) -}}
{{- $port := regexFind "[0-9]+$" (regexFind ":[0-9]+$" $origin) -}}
{{- $port | default (hasPrefix "http:" $origin | ternary 80 443) -}}
{{- end }}

{{/*
The ports of the collectors and of Pyroscope that env names, as a JSON list. An address without
http(s) opens none: the function exports nothing there.
*/}}
{{- define "mentor.telemetryPorts" -}}
{{- $ports := list -}}
{{- range $name, $address := .Values.env -}}
{{- if and (regexMatch "^(?i:https?)://." $address) (regexMatch "^(OTEL_EXPORTER_OTLP_(.+_)?ENDPOINT|PYROSCOPE_SERVER_ADDRESS)$" $name) -}}
{{- $ports = append $ports (include "mentor.port" $address | atoi) -}}
{{- end -}}
{{- end -}}
{{- $ports | uniq | toJson -}}
{{- end }}

{{/* Egress to cluster DNS. */}}
{{- define "mentor.names" -}}
- to:
    - namespaceSelector:
        matchLabels:
          kubernetes.io/metadata.name: kube-system
  ports:
    - port: 53
      protocol: UDP
    - port: 53
      protocol: TCP
{{- end }}
