"""Envoy Gateway, set up as k8s/README.md says that it has to be.

Its own ports are those of its Envoys too, which matters only to those who run both in one network; its admin page is moved all
the same, since istiod is here as well.
"""

import base64
import json
import subprocess

import api
import node
import yaml
from node import ADDRESS, BIN, PKI, RUN

NAMESPACE = "envoy-gateway-system"
CONTROLLER = "gateway.envoyproxy.io/gatewayclass-controller"
CONFIG = {
    "apiVersion": "gateway.envoyproxy.io/v1alpha1",
    "kind": "EnvoyGateway",
    "gateway": {"controllerName": CONTROLLER},
    "extensionApis": {"enableEnvoyPatchPolicy": True, "enableBackend": True},
    "runtimeFlags": {"enabled": ["XDSNameSchemeV2"]},
    "provider": {
        "type": "Kubernetes",
        "kubernetes": {"deploy": {"type": "GatewayNamespace"}, "leaderElection": {"disable": True}},
    },
    "admin": {"address": {"host": "127.0.0.1", "port": 19500}},
    "telemetry": {"metrics": {"prometheus": {"disable": True}}},
}
IDENTITY = {"POD_NAMESPACE": NAMESPACE, "ENVOY_GATEWAY_NAMESPACE": NAMESPACE, "ENVOY_GATEWAY_POD_NAME": "envoy-gateway"}


def configure() -> None:
    """Its namespace, its class, and the certificates that it makes for itself."""
    api.namespace(NAMESPACE)
    metadata = {"name": "envoy-gateway", "namespace": NAMESPACE}
    ports = [{"name": "grpc", "port": 18000}, {"name": "wasm", "port": 18002}]
    spec = {"ports": ports, "selector": {"app": "envoy-gateway"}}
    api.apply(
        {"apiVersion": "v1", "kind": "ServiceAccount", "metadata": metadata},
        {"apiVersion": "v1", "kind": "Service", "metadata": metadata, "spec": spec},
        {
            "apiVersion": "gateway.networking.k8s.io/v1",
            "kind": "GatewayClass",
            "metadata": {"name": "eg"},
            "spec": {"controllerName": CONTROLLER},
        },
    )
    (RUN / "envoy-gateway.yaml").write_text(yaml.safe_dump(CONFIG))
    environment = IDENTITY | {"KUBECONFIG": str(api.KUBECONFIG)}
    made = node.start("certgen", [BIN / "envoy-gateway", "certgen", "--disable-topology-injector"], environment)
    if made.wait(120):
        raise RuntimeError("envoy-gateway certgen failed: see certgen.log")


def start() -> subprocess.Popen:
    """In a root folder of its own: it reads its files where its image has them."""
    folder = RUN / "envoy-gateway"
    certificates, account = folder / "certs", folder / "account"
    for path in (certificates, account):
        path.mkdir(parents=True, exist_ok=True)
    for name, text in api.there("secret", "envoy-gateway", NAMESPACE)["data"].items():
        (certificates / name).write_bytes(base64.b64decode(text))
    (account / "token").write_text(api.TOKEN)
    (account / "ca.crt").write_bytes((PKI / "cluster.crt").read_bytes())
    (account / "namespace").write_text(NAMESPACE)
    environment = IDENTITY | {
        "KUBECONFIG": str(api.KUBECONFIG),
        "KUBERNETES_SERVICE_HOST": ADDRESS,
        "KUBERNETES_SERVICE_PORT": "6443",
    }
    top, root = folder / "top", folder / "top/root"
    script = folder / "start.sh"
    script.write_text(
        f"""mount --make-rprivate /; mkdir -p {top}; mount -t tmpfs tmpfs {top}; mkdir {top}/upper {top}/work {root}
mount -t overlay overlay -o lowerdir=/,upperdir={top}/upper,workdir={top}/work {root}
mount -t proc proc {root}/proc; mount --rbind /dev {root}/dev; mount --bind {RUN} {root}{RUN}
rm -rf {root}/var/run; mkdir -p {root}/var/run/secrets/kubernetes.io {root}/certs
cp {RUN}/hosts {root}/etc/hosts; cp {PKI}/bundle.crt {root}/etc/ssl/certs/ca-certificates.crt
cp {certificates}/* {root}/certs; cp -r {account} {root}/var/run/secrets/kubernetes.io/serviceaccount
exec chroot {root} {BIN}/envoy-gateway server --config-path {RUN}/envoy-gateway.yaml
"""
    )
    process = node.start("envoy-gateway", ["unshare", "--mount", "bash", "-e", script], environment)
    node.wait("Envoy Gateway", is_accepting)
    return process


def is_accepting() -> bool:
    """Whether it has seen its class."""
    found = json.loads(api.kubectl("get", "gatewayclass", "eg", "-o", "json"))
    return any(
        one["type"] == "Accepted" and one["status"] == "True" for one in found.get("status", {}).get("conditions", [])
    )


def conditions(kind: str, name: str, namespace: str) -> dict[str, str]:
    """What it says of a resource: each condition with its status, or why that is not true."""
    status = (api.get(kind, name, namespace) or {}).get("status", {})
    of = [*status.get("ancestors", []), *status.get("parents", []), status]
    found = [one for part in of for one in part.get("conditions", [])]
    return {
        one["type"]: one["status"] if one["status"] == "True" else f"{one['reason']}: {one['message']}" for one in found
    }
