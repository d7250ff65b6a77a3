{{- define "gpe.name" -}}
{{- .Release.Name | trunc 50 | trimSuffix "-" -}}
{{- end -}}

{{- define "gpe.labels" -}}
helm.sh/chart: {{ .Chart.Name }}-{{ .Chart.Version }}
app.kubernetes.io/managed-by: {{ .Release.Service }}
app.kubernetes.io/part-of: gunicorn-metrics
{{- end -}}

{{/* Call with (list . "app"): what a component's pods are selected by. */}}
{{- define "gpe.selector" -}}
app.kubernetes.io/name: {{ index . 1 }}
app.kubernetes.io/instance: {{ (index . 0).Release.Name }}
{{- end -}}

{{- define "gpe.sharesRedis" -}}
{{- if has .Values.mode (list "daemonset" "fleet") }}true{{ end -}}
{{- end -}}

{{- define "gpe.redisHost" -}}
{{- if .Values.redis.deploy }}{{ include "gpe.name" . }}-redis{{ else }}{{ required "redis.host is needed where redis.deploy is false" .Values.redis.host }}{{ end -}}
{{- end -}}

{{- define "gpe.redisSecret" -}}
{{- .Values.redis.existingSecret | default (printf "%s-redis" (include "gpe.name" .)) -}}
{{- end -}}

{{- define "gpe.redisEnv" -}}
- {name: REDIS_HOST, value: {{ include "gpe.redisHost" . | quote }}}
- {name: REDIS_PORT, value: {{ .Values.redis.port | quote }}}
- {name: REDIS_KEY_PREFIX, value: {{ .Values.redis.keyPrefix | quote }}}
{{- if or .Values.redis.deploy .Values.redis.existingSecret }}
- name: REDIS_PASSWORD
  valueFrom:
    secretKeyRef: {name: {{ include "gpe.redisSecret" . }}, key: {{ .Values.redis.secretKey }}}
{{- end }}
{{- end -}}

{{- define "gpe.nodeEnv" -}}
- name: NODE_NAME
  valueFrom:
    fieldRef: {fieldPath: spec.nodeName}
{{- end -}}

{{- define "gpe.podSecurity" -}}
runAsNonRoot: true
runAsUser: {{ . }}
runAsGroup: {{ . }}
fsGroup: {{ . }}
seccompProfile: {type: RuntimeDefault}
{{- end -}}

{{- define "gpe.containerSecurity" -}}
allowPrivilegeEscalation: false
readOnlyRootFilesystem: true
capabilities: {drop: [ALL]}
{{- end -}}

{{- define "gpe.exporterImage" -}}
image: "{{ .Values.exporter.image.repository }}:{{ .Values.exporter.image.tag | default .Chart.AppVersion }}"
imagePullPolicy: {{ .Values.exporter.image.pullPolicy }}
{{- end -}}

{{- define "gpe.dns" -}}
- to:
    - namespaceSelector:
        matchLabels: {kubernetes.io/metadata.name: kube-system}
  ports:
    - {protocol: UDP, port: 53}
    - {protocol: TCP, port: 53}
{{- end -}}

{{/* To where REDIS_HOST is: the release's own pod, or anywhere at that port. */}}
{{- define "gpe.toRedis" -}}
- ports:
    - {protocol: TCP, port: {{ .Values.redis.port }}}
  {{- if .Values.redis.deploy }}
  to:
    - podSelector:
        matchLabels: {{- include "gpe.selector" (list . "redis") | nindent 10 }}
  {{- end }}
{{- end -}}

{{- define "gpe.fromPrometheus" -}}
- from:
    - namespaceSelector:
        matchLabels: {kubernetes.io/metadata.name: {{ .Values.networkPolicy.metricsFrom }}}
  ports:
    - {protocol: TCP, port: 9091}
{{- end -}}
