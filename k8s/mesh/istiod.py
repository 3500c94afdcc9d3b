"""istiod with its webhooks, set up as Istio's chart does it, but for what a stock Envoy does not have.

Metadata exchange, the ALPN filter and Istio's statistics are filters of Istio's own Envoy, which no package index has; a stock
one refuses a listener with them. They are switched off here, and that is all that is different.
"""

import json
import subprocess
import urllib.request

import api
import node
import yaml
from node import BIN, PROJECT, RUN, SRC
from pod import ENVOY

CHART = SRC / "istio/manifests/charts/istio-control/istio-discovery"
TEMPLATES = {
    "sidecar": "injection-template",
    "gateway": "gateway-injection-template",
    "grpc-simple": "grpc-simple",
    "grpc-agent": "grpc-agent",
    "waypoint": "waypoint",
    "kube-gateway": "kube-gateway",
}
NAMESPACE = "istio-system"
WITHOUT = {"PILOT_ENABLE_METADATA_EXCHANGE": "false", "PILOT_ENABLE_ALPN_FILTER": "false"}


def configure() -> None:
    """What the chart puts into ConfigMaps, and the resources of istiod itself."""
    values = yaml.safe_load((CHART / "values.yaml").read_text())["_internal_defaults_do_not_set"]
    used = {name: values[name] for name in ("global", "sidecarInjectorWebhook", "revision")}
    used["pilot"] = {name: values.get(name) for name in ("cni", "env")}
    used["gateways"] = {name: values["gateways"].get(name) for name in ("securityContext", "seccompProfile")}
    injection = {
        "policy": "enabled",
        "defaultTemplates": ["sidecar"],
        "alwaysInjectSelector": [],
        "neverInjectSelector": [],
        "injectedAnnotations": {},
        "template": "",
        "templates": {name: (CHART / f"files/{file}.yaml").read_text().strip() for name, file in TEMPLATES.items()},
    }
    mesh = {
        "trustDomain": "cluster.local",
        "rootNamespace": NAMESPACE,
        "enablePrometheusMerge": True,
        "defaultConfig": {"discoveryAddress": "istiod.istio-system.svc:15012", "binaryPath": str(ENVOY)},
    }
    # As k8s/README.md says, for the forms that are not an EnvoyFilter.
    mesh |= yaml.safe_load((PROJECT / "k8s/istio-access-log.yaml").read_text())
    files = {
        "var/lib/istio/inject/values": json.dumps(used),
        "var/lib/istio/inject/config": yaml.safe_dump(injection),
        "etc/istio/config/mesh": yaml.safe_dump(mesh),
    }
    for path, text in files.items():
        file = RUN / "istiod" / path
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text)
    api.namespace(NAMESPACE)
    ports = [
        {"name": "grpc-xds", "port": 15010},
        {"name": "https-dns", "port": 15012},
        {"name": "https-webhook", "port": 443},
    ]
    api.apply(
        {"apiVersion": "v1", "kind": "ServiceAccount", "metadata": {"name": "istiod", "namespace": NAMESPACE}},
        {
            "apiVersion": "v1",
            "kind": "Service",
            "metadata": {"name": "istiod", "namespace": NAMESPACE},
            "spec": {"ports": ports, "selector": {"app": "istiod"}},
        },
        *webhooks(),
    )


def webhooks() -> list[dict]:
    """For what is written for Istio, and for pods that get a sidecar. istiod puts its CA in."""
    groups = [f"{name}.istio.io" for name in ("security", "networking", "telemetry", "extensions")]
    any_of = {"operations": ["CREATE", "UPDATE"], "apiGroups": groups, "apiVersions": ["*"], "resources": ["*"]}
    pods = {"operations": ["CREATE"], "apiGroups": [""], "apiVersions": ["v1"], "resources": ["pods"]}
    base = "https://istiod.istio-system.svc:15017"
    common = {"sideEffects": "None", "admissionReviewVersions": ["v1"]}
    validate = common | {"name": "rev.validation.istio.io", "rules": [any_of], "failurePolicy": "Ignore"}
    inject: dict = common | {"name": "namespace.sidecar-injector.istio.io", "rules": [pods], "failurePolicy": "Fail"}
    inject["namespaceSelector"] = {"matchLabels": {"istio-injection": "enabled"}}

    def webhook(kind: str, name: str, app: str, hook: dict, path: str) -> dict:
        labels = {"app": app, "istio": "istiod", "istio.io/rev": "default"}
        hooks = [hook | {"clientConfig": {"url": base + path}}]
        metadata = {"name": name, "labels": labels}
        return {"apiVersion": "admissionregistration.k8s.io/v1", "kind": kind, "metadata": metadata, "webhooks": hooks}

    return [
        webhook("ValidatingWebhookConfiguration", f"istio-validator-{NAMESPACE}", "istiod", validate, "/validate"),
        webhook("MutatingWebhookConfiguration", "istio-sidecar-injector", "sidecar-injector", inject, "/inject"),
    ]


def start() -> subprocess.Popen:
    """istiod, until it is ready and looks after what is applied."""
    environment = WITHOUT | {
        "REVISION": "default",
        "PILOT_CERT_PROVIDER": "istiod",
        "POD_NAME": "istiod",
        "POD_NAMESPACE": NAMESPACE,
        "SERVICE_ACCOUNT": "istiod",
        "CLUSTER_ID": "Kubernetes",
        "INJECTION_WEBHOOK_CONFIG_NAME": "istio-sidecar-injector",
        "VALIDATION_WEBHOOK_CONFIG_NAME": f"istio-validator-{NAMESPACE}",
    }
    # 8080, where it usually listens, is Envoy Gateway's here.
    flags = ["--kubeconfig", api.KUBECONFIG, "--monitoringAddr=:15014", "--httpAddr=:8090", "--domain", "cluster.local"]
    command = [BIN / "pilot-discovery", "discovery", *flags]
    process = node.start("istiod", command, environment, RUN / "istiod")
    node.wait("istiod", lambda: urllib.request.urlopen("http://127.0.0.1:8090/ready").status == 200)
    node.wait("the webhook of istiod", is_guarding)
    return process


def is_guarding() -> bool:
    """Whether what Istio would not understand is refused."""
    hooks = json.loads(
        api.kubectl("get", "validatingwebhookconfiguration", f"istio-validator-{NAMESPACE}", "-o", "json")
    )
    return hooks["webhooks"][0]["failurePolicy"] == "Fail"


def refusals() -> dict[str, int]:
    """How often an Envoy has refused what istiod sent, by type."""
    text = urllib.request.urlopen("http://127.0.0.1:15014/metrics").read().decode()
    lines = [line.rsplit(" ", 1) for line in text.splitlines() if line.startswith("pilot_total_xds_rejects")]
    return {name: int(float(count)) for name, count in lines if float(count)}
