{{- /* Written by `farebox render helm k8s/farebox.json`: change that file and have it written again. */ -}}

{{- /* What a schema cannot say. */ -}}
{{- define "farebox.check" -}}
{{- range $member := list "$schema" "version" "identity" "providers" "failover" "ledger" "requests" "headers_only" -}}
{{- if hasKey ($.Values.config | default dict) $member -}}
{{- fail (printf "config.%s cannot be a value: clusters, routes or pods follow from it. Change it in k8s/farebox.json, and have the chart written again: farebox render helm k8s/farebox.json --into CHART" $member) -}}
{{- end -}}
{{- end -}}
{{- $scale := .Values.autoscaling -}}
{{- if gt (int $scale.minReplicas) (int $scale.maxReplicas) -}}
{{- fail "autoscaling.minReplicas is more than autoscaling.maxReplicas" -}}
{{- end -}}
{{- if not (or "" $scale.eachCountsForItself (le (int $scale.maxReplicas) 1)) -}}
{{- fail "autoscaling.maxReplicas is more than 1, and the configuration has no ledger: every pod would count for itself, and N pods allow up to N times what a budget does. Give the configuration a ledger, or say autoscaling.eachCountsForItself: true" -}}
{{- end -}}
{{- range $value := list "labels" "podLabels" -}}
{{- if hasKey (get $.Values $value | default dict) "app" -}}
{{- fail (printf "%s.app is the chart's own: Services and policies find the pods by it" $value) -}}
{{- end -}}
{{- end -}}
{{- $form := .Values.form -}}
{{- if and .Values.hostname (eq $form "plain") -}}
{{- fail "hostname does nothing in the form plain: its listener takes every host" -}}
{{- end -}}
{{- if and .Values.envoy.image (eq $form "istio-gateway") -}}
{{- fail "envoy.image does nothing in the form istio-gateway: Envoy is Istio's" -}}
{{- end -}}
{{- if and .Values.imagePullSecrets (eq $form "istio-gateway") -}}
{{- fail "imagePullSecrets does nothing in the form istio-gateway: Istio's agent fetches the module, and is not told of any" -}}
{{- end -}}
{{- if and .Values.serviceAccount.annotations (ne $form "plain") -}}
{{- fail (printf "serviceAccount.annotations does nothing in the form %s: the control plane makes the ServiceAccount" $form) -}}
{{- end -}}
{{- if and (ne .Values.module "image") (ne $form "plain") -}}
{{- fail (printf "module does nothing in the form %s" $form) -}}
{{- end -}}
{{- end -}}

{{- /* The plugin configuration: the file as it is, or with the members that values replace. */ -}}
{{- define "farebox.configuration" -}}
{{- $text := .Files.Get "farebox.json" -}}
{{- with .Values.config -}}
{{- $document := mustFromJson $text -}}
{{- range $member, $value := . -}}
{{- $_ := set $document $member $value -}}
{{- end -}}
{{- $text = mustToPrettyJson $document -}}
{{- end -}}
{{- $text -}}
{{- end -}}

{{- /* Single values. */ -}}
{{- define "farebox.namespace" -}}{{ .Release.Namespace }}{{- end -}}
{{- define "farebox.image" -}}{{ .Values.image.repository }}@{{ .Values.image.digest }}{{- end -}}
{{- define "farebox.envoy" -}}
{{ .Values.envoy.image | default (get (dict "plain" "docker.io/envoyproxy/envoy:v1.40.0" "envoy-gateway" "docker.io/envoyproxy/envoy:distroless-v1.40.0") .Values.form) }}
{{- end -}}
{{- define "farebox.secret" -}}{{ .Values.existingSecret }}{{- end -}}
{{- define "farebox.monitoring" -}}{{ .Values.networkPolicy.monitoringNamespace }}{{- end -}}
{{- define "farebox.gateway_class" -}}{{ .Values.gatewayClass }}{{- end -}}
{{- define "farebox.memory" -}}{{ int64 .Values.memoryMiB }}{{- end -}}
{{- define "farebox.heap" -}}{{ mul (int64 .Values.memoryMiB) 786432 }}{{- end -}}
{{- define "farebox.least" -}}{{ int .Values.autoscaling.minReplicas }}{{- end -}}
{{- define "farebox.most" -}}{{ int .Values.autoscaling.maxReplicas }}{{- end -}}

{{- /* Parts of a line. */ -}}
{{- define "farebox.hostname" -}}{{ with .Values.hostname }}, hostname: {{ toJson . }}{{ end }}{{- end -}}
{{- define "farebox.probe_host" -}}{{ with .Values.hostname }}, httpHeaders: [{name: Host, value: {{ toJson . }}}]{{ end }}{{- end -}}
{{- define "farebox.labelled" -}}{{ with .Values.labels }}, labels: {{ toJson . }}{{ end }}{{- end -}}
{{- define "farebox.service_account" -}}{{ with .Values.serviceAccount.annotations }}, annotations: {{ toJson . }}{{ end }}{{- end -}}
{{- define "farebox.service_annotations" -}}{{ with .Values.service.annotations }}, annotations: {{ toJson . }}{{ end }}{{- end -}}
{{- define "farebox.gateway_requests" -}}{{ with .Values.resources.requests }}, requests: {{ toJson . }}{{ end }}{{- end -}}
{{- /* Another configuration, other pods: Envoy reads its own when it starts. */ -}}
{{- define "farebox.checksum" -}}, checksum/configuration: {{ include (print .Template.BasePath "/plain-configuration.yaml") . | sha256sum }}{{- end -}}

{{- /* Lines. */ -}}
{{- define "farebox.callers" -}}
{{- range .Values.networkPolicy.callers }}
- {{ toJson . }}
{{- end }}
{{- end -}}
{{- define "farebox.egress" -}}
{{- range .Values.networkPolicy.egress }}
- {{ toJson . }}
{{- end }}
{{- end -}}
{{- define "farebox.labels" -}}
{{- with .Values.labels }}
labels: {{ toJson . }}
{{- end }}
{{- end -}}
{{- define "farebox.service" -}}
{{- with .Values.service.annotations }}
service: |
  metadata: {annotations: {{ toJson . }}}
{{- end }}
{{- end -}}
{{- define "farebox.pod_labels" -}}
{{- with .Values.podLabels }}
labels: {{ toJson . }}
{{- end }}
{{- end -}}
{{- define "farebox.pod_annotations" -}}
{{- range $name, $text := .Values.podAnnotations }}
{{ toJson $name }}: {{ toJson $text }}
{{- end }}
{{- end -}}
{{- define "farebox.pull_secrets" -}}
{{- with .Values.imagePullSecrets }}
imagePullSecrets: {{ toJson . }}
{{- end }}
{{- end -}}
{{- define "farebox.pod" -}}
{{- with .Values.nodeSelector }}
nodeSelector: {{ toJson . }}
{{- end }}
{{- with .Values.tolerations }}
tolerations: {{ toJson . }}
{{- end }}
{{- with .Values.affinity }}
affinity: {{ toJson . }}
{{- end }}
{{- with .Values.priorityClassName }}
priorityClassName: {{ toJson . }}
{{- end }}
{{- end -}}
{{- define "farebox.envoy_gateway_pod" -}}
{{- with .Values.podLabels }}
labels: {{ toJson . }}
{{- end }}
{{- with .Values.podAnnotations }}
annotations: {{ toJson . }}
{{- end }}
{{- include "farebox.pod" . }}
{{- include "farebox.pull_secrets" . }}
{{- end -}}
