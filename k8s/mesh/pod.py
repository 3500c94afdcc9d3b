"""What a scheduler, a kubelet and the controllers do for one pod: the Pod itself, its status, the endpoints of its Services,
its environment and volumes, a network and a root folder of its own, and its proxy's command.

The container that is a proxy runs, Istio's agent with Envoy, or Envoy; and beside it Envoy Gateway's shutdown manager. What else a
pod has, the application, has no image here.
"""

import base64
import contextlib
import http.client
import itertools
import json
import os
import pathlib
import re
import shlex
import signal
import subprocess
import sys
import threading
import time
import urllib.request

import api
import node
from node import ADDRESS, BIN, LOG, PKI, PROJECT, RUN, SRC

# `.venv` may be that of another folder.
ENVOY = next((PROJECT / ".venv").resolve().glob("lib/python3*/site-packages/envoy/_bin/envoy"))
ADDRESSES = itertools.count(2)
PROXIES = ("istio-proxy", "envoy")
REFERENCE = re.compile(r"\$\(([A-Za-z0-9_]+)\)")


class Pod:
    """A pod whose proxy runs."""

    def __init__(self, resource: dict, module: bytes = b""):
        self.name, self.namespace = (resource["metadata"][member] for member in ("name", "namespace"))
        self.address = f"10.10.1.{next(ADDRESSES)}"
        api.kubectl(
            "delete", "pod", self.name, "-n", self.namespace, "--grace-period=0", "--force", "--ignore-not-found"
        )
        api.kubectl("create", "-f", "-", data=resource)
        self.resource: dict = api.there("pod", self.name, self.namespace)
        self.module = module
        spec = self.resource["spec"]
        containers = [*spec.get("initContainers", []), *spec["containers"]]
        self.container = next(one for one in containers if one["name"] in PROXIES)
        # Those of Istio's have no command, and set up what there is no iptables for here.
        first = [one for one in spec.get("initContainers", []) if one.get("command") and one is not self.container]
        self.before = [one for one in first if "restartPolicy" not in one]
        self.account = spec.get("serviceAccountName", "default")
        self.beside = [one for one in spec["containers"] if one.get("command", [""])[0] == "envoy-gateway"]
        self.companions: list[subprocess.Popen] = []
        self.gone = threading.Event()
        self.slices: list[str] = []
        self.say_ready()
        self.folder = RUN / "pods" / self.address
        self.process = self.run()
        for container in self.beside:
            self.companions.append(self.run_beside([*container["command"], *container.get("args", [])]))

    @classmethod
    def of(cls, deployment: dict, number: int = 0, **more) -> "Pod":
        """A pod of a Deployment's template."""
        template = deployment["spec"]["template"]
        metadata = {key: value for key, value in template["metadata"].items() if key in ("labels", "annotations")}
        metadata |= {
            "name": f"{deployment['metadata']['name']}-{number}",
            "namespace": deployment["metadata"]["namespace"],
        }
        return cls({"apiVersion": "v1", "kind": "Pod", "metadata": metadata, "spec": template["spec"]}, **more)

    def say_ready(self) -> None:
        """Status and endpoints."""
        now = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())
        kinds = ("Initialized", "Ready", "ContainersReady", "PodScheduled")
        conditions = [{"type": kind, "status": "True", "lastTransitionTime": now} for kind in kinds]
        status = {"phase": "Running", "podIP": self.address, "podIPs": [{"ip": self.address}], "hostIP": ADDRESS}
        patch = json.dumps({"status": status | {"startTime": now, "conditions": conditions}})
        where = (self.name, "-n", self.namespace)
        api.kubectl("patch", "pod", *where, "--subresource=status", "--type=merge", "-p", patch)
        labels = self.resource["metadata"].get("labels", {})
        for service in api.items("service", self.namespace):
            selector = service["spec"].get("selector") or {"": ""}
            if all(labels.get(key) == value for key, value in selector.items()):
                target = {"kind": "Pod", "name": self.name, "namespace": self.namespace}
                made = endpoints(service, self.address, target)
                api.apply(made)
                self.slices.append(made["metadata"]["name"])

    def environment(self) -> dict[str, str]:
        """The container's variables."""
        fields = {
            "metadata.name": self.name,
            "metadata.namespace": self.namespace,
            "status.podIP": self.address,
            "status.hostIP": ADDRESS,
            "spec.serviceAccountName": self.account,
            "spec.nodeName": "node",
        }
        amounts = {
            "limits.cpu": "2",
            "requests.cpu": "2",
            "limits.memory": str(1 << 30),
            "requests.memory": str(1 << 29),
        }
        found = {"PATH": os.environ["PATH"], "HOME": "/root"}
        for entry in self.container.get("env", []):
            source = entry.get("valueFrom", {})
            if "fieldRef" in source:
                value = fields.get(source["fieldRef"]["fieldPath"], "")
            elif "secretKeyRef" in source:
                value = self.secret(source["secretKeyRef"])
            elif "resourceFieldRef" in source:
                value = amounts[source["resourceFieldRef"]["resource"]]
            else:
                value = refer(entry.get("value", ""), found)
            if value is not None:
                found[entry["name"]] = value
        return found

    def secret(self, source: dict) -> str | None:
        """One key of a Secret."""
        found = api.get("secret", source["name"], self.namespace) or {}
        value = found.get("data", {}).get(source["key"])
        if value is None and not source.get("optional"):
            raise LookupError(f"{self.name} has no {source}")
        return value and base64.b64decode(value).decode()

    def files(self, source: dict) -> dict[str, bytes]:
        """What is in a volume, by path."""
        for part, kind in (("configMap", "configmap"), ("secret", "secret")):
            if part in source:
                name = source[part].get("name") or source[part]["secretName"]
                found = api.get(kind, name, self.namespace)
                if found is None and not source[part].get("optional"):
                    raise LookupError(f"{self.name} has no {kind} {name}")
                paths = {item["key"]: item["path"] for item in source[part].get("items", [])}
                data = contents(found or {})
                return {paths.get(key, key): data[key] for key in data if not paths or key in paths}
        if "downwardAPI" in source:
            return {item["path"]: self.downward(item) for item in source["downwardAPI"]["items"]}
        if "serviceAccountToken" in source:
            return {source["serviceAccountToken"]["path"]: self.token(source["serviceAccountToken"])}
        if "projected" in source:
            return {path: text for part in source["projected"]["sources"] for path, text in self.files(part).items()}
        if "image" in source:
            # Without one the kubelet would not start the pod; an empty folder is what its mount would be.
            return {"plugin.wasm": self.module} if self.module else {}
        return {}

    def downward(self, item: dict) -> bytes:
        """Labels or annotations, as the kubelet writes them."""
        member = item.get("fieldRef", {}).get("fieldPath", "").removeprefix("metadata.")
        values = self.resource["metadata"].get(member) if member in ("labels", "annotations") else None
        return "".join(f"{key}={json.dumps(value)}\n" for key, value in (values or {}).items()).encode()

    def token(self, source: dict) -> bytes:
        """Of its service account, bound to this pod."""
        audience = ["--audience", source["audience"]] if source.get("audience") else []
        bound = ["--bound-object-kind=Pod", f"--bound-object-name={self.name}"]
        return (
            api.kubectl("create", "token", self.account, "-n", self.namespace, "--duration=3h", *bound, *audience)
            .strip()
            .encode()
        )

    def mounts(self) -> list[tuple[pathlib.Path, str]]:
        """Where each volume is, and where the container has it."""
        volumes = {volume["name"]: volume for volume in self.resource["spec"].get("volumes", [])}
        places = []
        containers = [*self.before, self.container]
        for mount in (mount for one in containers for mount in one.get("volumeMounts", [])):
            folder = self.folder / "volumes" / mount["name"]
            folder.mkdir(parents=True, exist_ok=True)
            for path, data in self.files(volumes[mount["name"]]).items():
                (folder / path).parent.mkdir(parents=True, exist_ok=True)
                (folder / path).write_bytes(data)
            places.append((folder / mount.get("subPath", ""), mount["mountPath"]))
        return places

    def run(self) -> subprocess.Popen:
        """Starts the proxy."""
        environment = self.environment()
        command = list(self.container.get("command") or [])
        command += [refer(word, environment) for word in self.container.get("args", [])]
        if self.container["name"] == "istio-proxy":
            command.insert(0, str(BIN / "pilot-agent"))
        if command[0] == "envoy":
            command[0] = str(ENVOY)
        self.folder.mkdir(parents=True)
        mounts = self.mounts()
        (self.folder / "command.json").write_text(json.dumps({"command": command, "environment": environment}))
        script = self.folder / "start.sh"
        script.write_text(self.script(mounts))
        process = node.start(self.name, ["unshare", "--net", "--mount", "bash", "-e", script])
        node.wait(f"the network of {self.name}", lambda: attach(process.pid, self.address), 20)
        return process

    def script(self, mounts: list[tuple[pathlib.Path, str]]) -> str:
        """A root folder over the machine's, in which nothing of the machine is changed."""
        top, root = self.folder / "top", self.folder / "top/root"
        lines = [
            "until ip link show eth0 >/dev/null 2>&1; do sleep 0.05; done",
            f"ip link set lo up; ip addr add {self.address}/16 dev eth0; ip link set eth0 up",
            f"mount --make-rprivate /; mkdir -p {top}; mount -t tmpfs tmpfs {top}; mkdir {top}/upper {top}/work {root}",
            f"mount -t overlay overlay -o lowerdir=/,upperdir={top}/upper,workdir={top}/work {root}",
            f"mount -t proc proc {root}/proc; mount --rbind /dev {root}/dev; mount --bind {RUN} {root}{RUN}",
            f"rm -rf {root}/var/run; mkdir {root}/var/run; cp {RUN}/hosts {root}/etc/hosts",
            f"cp {RUN}/resolv.conf {root}/etc/resolv.conf; cp {PKI}/bundle.crt {root}/etc/ssl/certs/ca-certificates.crt",
            f"mkdir -p {root}/var/lib/istio/envoy",
            f"cp {SRC}/istio/tools/packaging/common/envoy_bootstrap.json {root}/var/lib/istio/envoy/envoy_bootstrap_tmpl.json",
        ]
        for folder, path in mounts:
            if folder.is_dir():
                lines.append(f"mkdir -p {root}{path}; mount --bind {folder} {root}{path}")
            else:
                lines.append(f"mkdir -p $(dirname {root}{path}); cp {folder} {root}{path}")
        lines += [f"chroot {root} {shlex.join(one['command'])}" for one in self.before]
        read = "import json, os, sys; c = json.load(open(sys.argv[1])); os.execvpe(c['command'][0], c['command'], c['environment'])"
        lines.append(f'exec chroot {root} {sys.executable} -c "{read}" {self.folder}/command.json')
        return "\n".join(lines) + "\n"

    def is_ready(self) -> bool:
        """What the kubelet would find out: whether the readiness probe is answered."""
        # A sidecar that comes before the application has only the other one.
        probe = (self.container.get("readinessProbe") or self.container["startupProbe"])["httpGet"]
        ports = {port["name"]: port["containerPort"] for port in self.container.get("ports", []) if "name" in port}
        headers = {header["name"]: header["value"] for header in probe.get("httpHeaders", [])}
        connection = http.client.HTTPConnection(self.address, ports.get(probe["port"], probe["port"]), timeout=3)
        try:
            connection.request("GET", probe["path"], headers=headers)
            return connection.getresponse().status < 400
        except (OSError, http.client.HTTPException):
            return False
        finally:
            connection.close()

    def log(self) -> str:
        """What its proxy has printed."""
        return (LOG / f"{self.name}.log").read_text(errors="replace")

    def page(self, port: int, path: str, local: bool = False) -> str:
        """What it shows to others, or to itself alone."""
        url = f"http://{'127.0.0.1' if local else self.address}:{port}{path}"
        read = lambda: urllib.request.urlopen(url, timeout=10).read().decode()
        return node.inside(self.process.pid, read) if local else read()

    def run_beside(self, command: list[str]) -> subprocess.Popen:
        """Something else of the same pod: in its network, with its root folder."""
        enter = ["nsenter", "-t", self.process.pid, "-m", "-n", "-r"]
        return node.start(f"{self.name}-beside", [*enter, BIN / command[0], *command[1:]])

    def terminate(self) -> None:
        """Asks it to end, as a kubelet does: a container is told to when its `preStop` is over."""
        for container in [*self.beside, self.container]:
            threading.Thread(target=self.stop, args=[container], daemon=True).start()

    def stop(self, container: dict) -> None:
        """The same for one container."""
        hook = container.get("lifecycle", {}).get("preStop", {})
        if "sleep" in hook:
            self.gone.wait(hook["sleep"]["seconds"])
        elif "exec" in hook:
            self.run_beside(hook["exec"]["command"]).wait()
        elif "httpGet" in hook:
            with contextlib.suppress(OSError, http.client.HTTPException):
                connection = http.client.HTTPConnection(self.address, hook["httpGet"]["port"])
                connection.request("GET", hook["httpGet"]["path"])
                connection.getresponse().read()
        if container is self.container and not self.gone.is_set():
            self.process.terminate()

    def forget(self) -> None:
        """Ends it, and all that it has started, and has the API server forget it."""
        self.gone.set()
        for process in (*self.companions, self.process):
            with contextlib.suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
            process.wait()
        where = ("-n", self.namespace, "--ignore-not-found")
        api.kubectl("delete", "pod", self.name, *where, "--force", "--grace-period=0", check=False)
        for slice_name in self.slices:
            api.kubectl("delete", "endpointslice", slice_name, *where, check=False)


def attach(process: int, address: str) -> bool:
    """Gives a process a network card, once it has a network of its own."""
    if os.readlink(f"/proc/{process}/ns/net") == os.readlink("/proc/self/ns/net"):
        return False
    card = "pod" + address.rsplit(".", 1)[1]
    node.shell(f"ip link add {card} type veth peer name eth0 netns {process}; ip link set {card} master mesh0 up")
    return True


def endpoints(service: dict, address: str, target: dict | None = None) -> dict:
    """The EndpointSlice of a Service with one more address."""
    metadata, name = service["metadata"], service["metadata"]["name"]
    ports = [
        {
            "name": port.get("name", ""),
            "port": port["targetPort"] if isinstance(port.get("targetPort"), int) else port["port"],
            "protocol": port.get("protocol", "TCP"),
        }
        for port in service["spec"]["ports"]
    ]
    labels = {"kubernetes.io/service-name": name}
    return {
        "apiVersion": "discovery.k8s.io/v1",
        "kind": "EndpointSlice",
        "metadata": {
            "name": f"{name}-{address.replace('.', '-')}",
            "namespace": metadata["namespace"],
            "labels": labels,
        },
        "addressType": "IPv4",
        "ports": ports,
        "endpoints": [
            {
                "addresses": [address],
                "conditions": {"ready": True, "serving": True},
                **({"targetRef": target} if target else {}),
            }
        ],
    }


def contents(resource: dict) -> dict[str, bytes]:
    """What a ConfigMap or a Secret holds."""
    texts, coded = ("data", "binaryData") if resource.get("kind") == "ConfigMap" else ("stringData", "data")
    decoded = {key: base64.b64decode(text) for key, text in resource.get(coded, {}).items()}
    return decoded | {key: text.encode() for key, text in resource.get(texts, {}).items()}


def refer(text: str, values: dict[str, str]) -> str:
    """Puts variables in the place of `$(NAME)`."""
    return REFERENCE.sub(lambda match: values.get(match[1], match[0]), text)
