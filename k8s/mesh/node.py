"""A machine of its own for a mesh: its network, its names, its certificates, and the processes that run on it.

All of it is in Linux namespaces: ports, addresses, `/etc/hosts` and the system's CAs are those of this run alone, and when
its first process ends, every other one is ended by the kernel. Pods have a network of their own, as they have in a cluster.
"""

import ctypes
import os
import pathlib
import shutil
import subprocess
import sys
import threading
import time

PROJECT = pathlib.Path(__file__).resolve().parents[2]
MESH = pathlib.Path(os.environ.get("MESH", PROJECT / ".mesh"))
BIN, SRC, RUN = MESH / "bin", MESH / "src", MESH / "run"
LOG, PKI = RUN / "log", RUN / "pki"

ADDRESS = "10.10.0.1"
"""Where the control planes are."""
OPENAI, ANTHROPIC, VLLM, REGISTRY, ISSUER, LEDGER = OUTSIDE = [f"10.10.2.{number}" for number in range(1, 7)]
NAMES = {
    "127.0.0.1": ["localhost"],
    ADDRESS: [
        "istiod.istio-system.svc",
        "istiod.istio-system.svc.cluster.local",
        "envoy-gateway",
        # With the dot, as Envoy Gateway names itself to its Envoys.
        *(f"envoy-gateway.envoy-gateway-system.svc.cluster.local{dot}" for dot in ("", ".")),
    ],
    OPENAI: ["api.openai.com"],
    ANTHROPIC: ["api.anthropic.com"],
    VLLM: ["vllm.models.svc.cluster.local"],
    REGISTRY: ["registry.example.com"],
    ISSUER: ["login.example.com"],
    LEDGER: ["valkey.farebox.svc.cluster.local"],
}
"""Everybody has the name that the manifests know, so those need no change."""


def enter() -> None:
    """Runs this program again, as the first process of namespaces of its own."""
    if os.environ.get("FAREBOX_MESH_INSIDE"):
        return
    user = [] if os.geteuid() == 0 else ["--user", "--map-root-user"]
    os.environ["FAREBOX_MESH_INSIDE"] = "1"
    alone = ["unshare", *user, "--net", "--mount", "--pid", "--fork", "--kill-child", "--mount-proc"]
    os.execvp(alone[0], [*alone, sys.executable, *sys.argv])


def prepare() -> None:
    """The network, the names and the CAs."""
    shutil.rmtree(RUN, ignore_errors=True)
    for folder in (LOG, PKI):
        folder.mkdir(parents=True)
    certificates()
    # With an address of its own: else it has that of one of its pods, and another one when that pod ends, which the others do not know.
    shell("ip link set lo up; ip link add mesh0 type bridge; ip link set mesh0 address 02:00:00:00:00:01 up")
    for address in (ADDRESS, *OUTSIDE):
        shell(f"ip addr add {address}/16 dev mesh0")
    say_names(NAMES)
    (RUN / "resolv.conf").write_text(f"nameserver {ADDRESS}\n")
    shell(
        f"mount --bind {RUN}/hosts /etc/hosts; mount --bind {RUN}/resolv.conf /etc/resolv.conf;"
        f"mount --bind {PKI}/bundle.crt /etc/ssl/certs/ca-certificates.crt"
    )


def say_names(names: dict[str, list[str]]) -> None:
    """Writes /etc/hosts."""
    (RUN / "hosts").write_text("".join(f"{address} {' '.join(of)}\n" for address, of in names.items()))


def certificates() -> None:
    """Of the API server, and of what is outside of the cluster; the latter's CA is one of the system's."""
    for ca in ("cluster", "public"):
        shell(
            f"cd {PKI}; openssl req -x509 -newkey rsa:2048 -nodes -days 3 -keyout {ca}.key -out {ca}.crt -subj /CN={ca}"
        )
    names = ["localhost", "kubernetes.default.svc"]
    certificate("apiserver", "cluster", [*(f"DNS:{name}" for name in names), "IP:127.0.0.1", f"IP:{ADDRESS}"])
    outside = [name for address in (OPENAI, ANTHROPIC, REGISTRY, ISSUER) for name in NAMES[address]]
    certificate("outside", "public", [f"DNS:{name}" for name in outside])
    certificate("stranger", "public", ["DNS:api.stranger.example"])
    shell(f"cd {PKI}; openssl genrsa -out accounts.key 2048; openssl genrsa -out issuer.key 2048")
    shell(f"cd {PKI}; cat /etc/ssl/certs/ca-certificates.crt public.crt > bundle.crt")


def certificate(name: str, ca: str, names: list[str]) -> None:
    """One that `ca` has signed for these names."""
    (PKI / f"{name}.ext").write_text(f"subjectAltName={','.join(names)}\n")
    shell(
        f"cd {PKI}; openssl req -newkey rsa:2048 -nodes -keyout {name}.key -out {name}.csr -subj /CN={name};"
        f"openssl x509 -req -in {name}.csr -CA {ca}.crt -CAkey {ca}.key -CAcreateserial -days 3 -out {name}.crt -extfile {name}.ext"
    )


def shell(script: str) -> str:
    """What a script says; it must not fail."""
    done = subprocess.run(["bash", "-ec", script], check=False, capture_output=True, text=True)
    if done.returncode:
        raise RuntimeError(f"{script}\n{done.stderr}")
    return done.stdout


def start(name: str, command: list, env: dict | None = None, cwd: pathlib.Path | None = None) -> subprocess.Popen:
    """A process of this machine, with its log in a file."""
    log = (LOG / f"{name}.log").open("ab")
    environment = os.environ | (env or {})
    command = [str(word) for word in command]
    return subprocess.Popen(
        command,
        env=environment,
        cwd=cwd or RUN,
        stdin=subprocess.DEVNULL,
        stdout=log,
        stderr=log,
        start_new_session=True,
    )


class Service:
    """A process that can be away and come back."""

    def __init__(self, begin):
        self.begin = begin
        self.process: subprocess.Popen = begin()

    def start(self) -> None:
        """Once more."""
        self.process = self.begin()

    def stop(self) -> None:
        """As a node that fails does."""
        self.process.kill()
        self.process.wait()


def wait(what: str, holds, seconds: float = 90, every: float = 0.2):
    """Waits until `holds()` says something, and returns that."""
    end = time.monotonic() + seconds
    while True:
        try:
            if value := holds():
                return value
        except (OSError, LookupError) as error:
            what_last = error
        else:
            what_last = None
        if time.monotonic() > end:
            raise TimeoutError(f"{what}: not within {seconds} s {what_last or ''}")
        time.sleep(every)


CLONE_NEWNET = 0x40000000


def inside(process: int, act):
    """What `act()` returns in the network of another process; sockets that it opens stay there."""
    outcome = []

    def run() -> None:
        descriptor = os.open(f"/proc/{process}/ns/net", os.O_RDONLY)
        if ctypes.CDLL(None, use_errno=True).setns(descriptor, CLONE_NEWNET):
            outcome.append(OSError(ctypes.get_errno(), "setns"))
            return
        os.close(descriptor)
        try:
            outcome.append(act())
        except Exception as error:
            outcome.append(error)

    thread = threading.Thread(target=run)
    thread.start()
    thread.join()
    if isinstance(outcome[0], Exception):
        raise outcome[0]
    return outcome[0]
