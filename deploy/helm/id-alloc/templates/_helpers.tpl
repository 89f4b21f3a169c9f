{{/* The release's name for things, at most 52 characters, so that suffixes fit into 63. */}}
{{- define "id-alloc.fullname" -}}
{{- $name := default .Chart.Name .Values.nameOverride -}}
{{- if .Values.fullnameOverride -}}
{{- .Values.fullnameOverride | trunc 52 | trimSuffix "-" -}}
{{- else if contains $name .Release.Name -}}
{{- .Release.Name | trunc 52 | trimSuffix "-" -}}
{{- else -}}
{{- printf "%s-%s" .Release.Name $name | trunc 52 | trimSuffix "-" -}}
{{- end -}}
{{- end -}}

{{- define "id-alloc.name" -}}
{{- default .Chart.Name .Values.nameOverride | trunc 63 | trimSuffix "-" -}}
{{- end -}}

{{/* What Services and budgets select by; never changes during a release's life. */}}
{{- define "id-alloc.selector" -}}
app.kubernetes.io/name: {{ include "id-alloc.name" . }}
app.kubernetes.io/instance: {{ .Release.Name }}
app.kubernetes.io/component: server
{{- end -}}

{{/* Labels of everything; the component is added where it is another one than `server`. */}}
{{- define "id-alloc.labels" -}}
helm.sh/chart: {{ printf "%s-%s" .Chart.Name .Chart.Version | replace "+" "_" }}
app.kubernetes.io/name: {{ include "id-alloc.name" . }}
app.kubernetes.io/instance: {{ .Release.Name }}
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ .Release.Service }}
{{- end -}}

{{- define "id-alloc.image" -}}
{{- if .Values.image.digest -}}
{{ .Values.image.repository }}@{{ .Values.image.digest }}
{{- else -}}
{{ .Values.image.repository }}:{{ default .Chart.AppVersion .Values.image.tag }}
{{- end -}}
{{- end -}}

{{- define "id-alloc.serviceAccount" -}}
{{- if .Values.serviceAccount.create -}}
{{ default (include "id-alloc.fullname" .) .Values.serviceAccount.name }}
{{- else -}}
{{ default "default" .Values.serviceAccount.name }}
{{- end -}}
{{- end -}}

{{/* The secret with the URLs of the database. */}}
{{- define "id-alloc.secret" -}}
{{- if .Values.database.existingSecret -}}
{{ .Values.database.existingSecret }}
{{- else if .Values.database.url -}}
{{ include "id-alloc.fullname" . }}-database
{{- else -}}
{{- fail "set database.existingSecret to a secret with the database's URL (or database.url, for trying out)" -}}
{{- end -}}
{{- end -}}

{{/* The key of the URL that the migrate job uses. */}}
{{- define "id-alloc.migrateKey" -}}
{{- default .Values.database.urlKey .Values.database.migrateUrlKey -}}
{{- end -}}

{{/* The servers' configuration file: what the chart decides wins over .Values.config. */}}
{{- define "id-alloc.config" -}}
{{- $own := dict "server" (dict "port" 8880) "telemetry" (dict "metrics_bind" (printf "0.0.0.0:%d" (int .Values.metrics.port))) -}}
{{- if .Values.tls.existingSecret -}}
{{- $_ := set $own.server "tls" (dict "cert_file" "/etc/id-alloc/tls/tls.crt" "key_file" "/etc/id-alloc/tls/tls.key") -}}
{{- end -}}
{{- if .Values.alloc.tokensSecret -}}
{{- $_ := set $own "alloc" (dict "tokens_file" (printf "/etc/id-alloc/alloc-tokens/%s" .Values.alloc.tokensKey)) -}}
{{- end -}}
{{- if .Values.admin.tokensSecret -}}
{{- $_ := set $own "admin" (dict "tokens_file" (printf "/etc/id-alloc/admin-tokens/%s" .Values.admin.tokensKey) "bind" (printf "127.0.0.1:%d" (int .Values.admin.port))) -}}
{{- end -}}
{{- mergeOverwrite (deepCopy .Values.config) $own | toPrettyJson -}}
{{- end -}}

{{- define "id-alloc.podSecurity" -}}
runAsNonRoot: true
runAsUser: 10001
runAsGroup: 10001
seccompProfile: {type: RuntimeDefault}
{{- end -}}

{{- define "id-alloc.containerSecurity" -}}
allowPrivilegeEscalation: false
readOnlyRootFilesystem: true
capabilities: {drop: [ALL]}
{{- end -}}
