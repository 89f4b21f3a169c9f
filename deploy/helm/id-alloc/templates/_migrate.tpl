{{/* The pod of the migrate job, whose hash is part of the job's name. */}}
{{- define "id-alloc.migratePod" }}
metadata:
  labels:
    {{- include "id-alloc.labels" . | nindent 4 }}
    app.kubernetes.io/component: migrate
spec:
  restartPolicy: OnFailure
  serviceAccountName: {{ include "id-alloc.serviceAccount" . }}
  automountServiceAccountToken: false
  enableServiceLinks: false
  securityContext: {{- include "id-alloc.podSecurity" . | nindent 4 }}
  {{- with .Values.image.pullSecrets }}
  imagePullSecrets: {{- toYaml . | nindent 4 }}
  {{- end }}
  {{- with .Values.nodeSelector }}
  nodeSelector: {{- toYaml . | nindent 4 }}
  {{- end }}
  {{- with .Values.tolerations }}
  tolerations: {{- toYaml . | nindent 4 }}
  {{- end }}
  containers:
    - name: migrate
      image: {{ include "id-alloc.image" . }}
      imagePullPolicy: {{ .Values.image.pullPolicy }}
      args: [--config, /etc/id-alloc/config.json, migrate, up]
      env:
        - name: ID_ALLOC__DATABASE__URL
          valueFrom: {secretKeyRef: {name: {{ include "id-alloc.secret" . }}, key: {{ include "id-alloc.migrateKey" . }}}}
      resources: {{- toYaml .Values.migrate.resources | nindent 8 }}
      securityContext: {{- include "id-alloc.containerSecurity" . | nindent 8 }}
      volumeMounts:
        - {name: config, mountPath: /etc/id-alloc, readOnly: true}
  volumes:
    - name: config
      configMap: {name: {{ include "id-alloc.fullname" . }}}
{{- end }}
