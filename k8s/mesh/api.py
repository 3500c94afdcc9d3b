"""The API server with its etcd, and how the rest of this asks it: kubectl, as anybody would."""

import json
import subprocess

import node
from node import ADDRESS, BIN, LOG, PKI, RUN, SRC

KUBECONFIG = RUN / "kubeconfig"
TOKEN = "token-of-this-run"
ISSUER = "https://kubernetes.default.svc"


class Refused(Exception):
    """What the API server said instead of taking something."""


def start() -> None:
    """Both, until they answer."""
    PKI.joinpath("tokens.csv").write_text(f"{TOKEN},admin,admin,system:masters\n")
    config = {
        "apiVersion": "v1",
        "kind": "Config",
        "current-context": "mesh",
        "clusters": [
            {
                "name": "mesh",
                "cluster": {"server": f"https://{ADDRESS}:6443", "certificate-authority": f"{PKI}/cluster.crt"},
            }
        ],
        "users": [{"name": "admin", "user": {"token": TOKEN}}],
        "contexts": [{"name": "mesh", "context": {"cluster": "mesh", "user": "admin"}}],
    }
    KUBECONFIG.write_text(json.dumps(config))
    url = "http://127.0.0.1:2379"
    node.start(
        "etcd",
        [
            BIN / "etcd",
            "--data-dir",
            RUN / "etcd",
            "--listen-client-urls",
            url,
            "--advertise-client-urls",
            url,
            "--listen-peer-urls",
            "http://127.0.0.1:2380",
            "--unsafe-no-fsync",
            "--log-level",
            "warn",
        ],
    )
    node.start("kube-apiserver", [BIN / "kube-apiserver", *options(url)])
    node.wait("the API server", lambda: kubectl("get", "--raw", "/readyz", check=False) == "ok", 120)


def options(etcd: str) -> list[str]:
    """Without a controller manager there are no service accounts' tokens in pods, so nothing may wait for them."""
    return [
        f"--etcd-servers={etcd}",
        f"--bind-address={ADDRESS}",
        "--secure-port=6443",
        f"--tls-cert-file={PKI}/apiserver.crt",
        f"--tls-private-key-file={PKI}/apiserver.key",
        f"--client-ca-file={PKI}/cluster.crt",
        f"--token-auth-file={PKI}/tokens.csv",
        f"--service-account-key-file={PKI}/accounts.key",
        f"--service-account-signing-key-file={PKI}/accounts.key",
        f"--service-account-issuer={ISSUER}",
        f"--api-audiences={ISSUER},istio-ca",
        "--authorization-mode=RBAC",
        "--service-cluster-ip-range=10.96.0.0/16",
        "--endpoint-reconciler-type=none",
        "--allow-privileged=true",
        "--disable-admission-plugins=ServiceAccount",
    ]


def kubectl(*arguments, data=None, check: bool = True) -> str:
    """What kubectl prints. `data`: what it reads, a resource, several, or text."""
    if isinstance(data, list):
        data = {"apiVersion": "v1", "kind": "List", "items": data}
    text = data if data is None or isinstance(data, str) else json.dumps(data)
    command = [BIN / "kubectl", "--kubeconfig", KUBECONFIG, *arguments]
    done = subprocess.run(list(map(str, command)), check=False, input=text, text=True, capture_output=True)
    if done.stderr:
        with (LOG / "kubectl.log").open("a") as log:
            log.write(f"$ {' '.join(map(str, arguments))}\n{done.stderr}")
    if check and done.returncode:
        raise Refused(done.stderr.strip())
    return done.stdout


def get(kind: str, name: str, namespace: str) -> dict | None:
    """A resource, if there is one."""
    text = kubectl("get", kind, name, "-n", namespace, "-o", "json", "--ignore-not-found")
    return json.loads(text) if text.strip() else None


def there(kind: str, name: str, namespace: str) -> dict:
    """A resource that has to be there."""
    found = get(kind, name, namespace)
    assert found is not None, f"there is no {kind} {name}"
    return found


def items(kind: str, namespace: str) -> list[dict]:
    """Every resource of a kind."""
    return json.loads(kubectl("get", kind, "-n", namespace, "-o", "json"))["items"]


def apply(*resources: dict) -> None:
    """Makes sure that these are there."""
    kubectl("apply", "-f", "-", data=list(resources))


def namespace(name: str) -> None:
    """Makes sure that a namespace is there, with its default service account."""
    apply(
        {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name}},
        {"apiVersion": "v1", "kind": "ServiceAccount", "metadata": {"name": "default", "namespace": name}},
    )


def definitions() -> int:
    """Istio's, the Gateway API's and Envoy Gateway's kinds. How many there are."""
    files = [SRC / "istio/manifests/charts/base/files/crd-all.gen.yaml"]
    files += [
        file for file in (SRC / "gateway-api/config/crd/experimental").glob("*.yaml") if file.stem != "kustomization"
    ]
    files += (SRC / "gateway/charts/gateway-helm/charts/crds/crds/generated").glob("*.yaml")
    for file in sorted(files):
        kubectl("apply", "--server-side", "--force-conflicts", "-f", file)
    return len(kubectl("wait", "--for=condition=Established", "crd", "--all", "--timeout=60s").splitlines())
