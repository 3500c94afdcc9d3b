"""What is done with each folder: how its gateway comes to run, and which cases are asked of it."""

import base64
import contextlib
import gzip
import json

import api
import cases
import envoy_gateway
import forms
import istiod
import manifests
import node
import outside
import recording
import rollout
import upstream
from calls import Caller
from cases import Site
from forms import Form
from pod import Pod, endpoints

TAG = "0.1.0"


class NothingRuns(Exception):
    """There is nothing to ask."""


class World:
    """All that there is besides the gateway that is looked at."""

    def __init__(self, providers: dict):
        self.providers = providers
        self.planes: dict[str, node.Service] = {}
        """istiod and Envoy Gateway, where they run."""
        self.layout = rollout.layout()
        self.registry = outside.Registry({"farebox": self.layout})
        self.issuer = outside.Issuer()
        self.image = f"registry.example.com/farebox@{self.layout.digest(TAG)}"
        api.namespace("models")
        service = {
            "apiVersion": "v1",
            "kind": "Service",
            "metadata": {"name": "vllm", "namespace": "models"},
            "spec": {"ports": [{"name": "http", "port": 8000}], "selector": {"app": "vllm"}},
        }
        api.apply(service, endpoints(service, node.VLLM))

    def caller(self, form: Form, pod: Pod) -> Caller:
        """Somebody who may."""
        if form.is_sidecar:
            more = {"pod": pod.process.pid, "by_headers": form.by_headers}
            return Caller("127.0.0.1", form.port, "farebox.default:8788", **more)
        caller = Caller(pod.address, form.port, by_headers=form.by_headers)
        if form.stranger == 403:
            caller.headers = {"authorization": f"Bearer {self.issuer.token(farebox_key='ci')}"}
        if form.counts_in_ledger:
            caller.quiet = 12
        return caller


class Pods:
    """The pods of one folder, which all end with it."""

    def __init__(self, world: World, folder: str):
        self.world, self.folder, self.form = world, folder, forms.of(folder)
        self.made: list[Pod] = []

    def start(self, number: int, module: bytes) -> tuple[Pod, Caller]:
        """One more, ready or not, and who calls it."""
        if self.form.is_sidecar:
            pod = Pod(application(number))
        else:
            if self.folder == "plain/config-map":
                put_module(module)
            name = self.form.deployment
            made = node.wait(f"the Deployment {name}", lambda: api.get("deployment", name, "farebox"), 30)
            pod = Pod.of(made, number, module=module)
        self.made.append(pod)
        return pod, self.world.caller(self.form, pod)

    def ready(self, number: int) -> Pod:
        """The same, once it is ready. An Envoy of Envoy Gateway's may wait 15 seconds for the endpoints of its own Service."""
        pod, caller = self.start(number, self.world.layout.module)
        node.wait("the gateway", pod.is_ready)
        node.wait("the module", lambda: caller.get("/farebox/health").status == 200, 60)
        return pod

    def clear(self, resources: list[dict]) -> None:
        """Takes all of it away."""
        for pod in self.made:
            pod.forget()
        manifests.remove(resources)
        for provider in self.world.providers.values():
            provider.heal()
        for name in (forms.ISTIO, forms.GATEWAY):
            api.kubectl("delete", "deployment", name, "-n", "farebox", "--ignore-not-found", check=False)


@contextlib.contextmanager
def look_at(world: World, report, folder: str, to_record: bool):
    """A folder's gateway, asked everything; it runs until the end of the context."""
    form, pods = forms.of(folder), Pods(world, folder)
    with rollout.valkey() if form.counts_in_ledger else contextlib.nullcontext():
        if form.is_sidecar:
            api.kubectl("label", "namespace", "default", "istio-injection=enabled", "--overwrite")
        resources = manifests.built(folder, world.image)
        manifests.apply(resources)
        try:
            count = 2 if form.counts_in_ledger else 1
            begun = report.run(lambda: [pods.ready(number) for number in range(count)], name=f"{count} of its pods start")
            if not begun:
                raise NothingRuns
            site = Site(world.caller(form, begun[0]), world.providers, begun, form)
            if to_record and form.host != "plain":
                report.run(recording.record, site, folder, resources, name="what was sent is recorded")
            ask(world, report, site, pods, resources)
            yield site
        finally:
            pods.clear(resources)


def ask(world: World, report, site: Site, pods: Pods, resources: list[dict]) -> None:
    """Every case, one after the other, each from the same beginning."""
    form = site.form
    if pods.folder.startswith("envoy-gateway") and not form.by_headers:
        report.run(the_policy_is_programmed)
    if form.stranger == 403:
        report.run(a_caller_is_who_its_token_says, world, site)
    for case in cases.BY_HEADERS if form.by_headers else cases.WHOLE:
        # In a sidecar the application itself may call the model.
        if not (form.is_sidecar and case is cases.nobody_chooses_a_route):
            site.heal()
            report.run(case, site)
    site.heal()
    if form.counts_in_ledger:
        report.run(two_pods_count_in_one_budget, report, world, site)
    if form.host != "plain" and not form.is_sidecar:
        report.run(the_gateway_has_a_hostname, site, resources)
    if pods.folder == "envoy-gateway/patch-policy":
        rollout.policies_hold(report, site)
    if form.host == "istio":
        report.run(no_update_was_refused)
    if folder_has_plugin(pods.folder):
        upstream.ask(report, site, resources)
    rollout.Rollout(world, site, resources, pods.start, world.planes.get(form.host)).run(report)
    if form.is_sidecar:
        # A native sidecar is asked to end when the application has: whoever waits for its streams there waits long enough.
        pod = Pod(application(9, native=False))
        pods.made.append(pod)
        site = Site(world.caller(form, pod), world.providers, [pod], form)
        node.wait("a sidecar beside its application", lambda: site.caller.get("/farebox/health").status == 200, 60)
    site.heal()
    report.run(cases.streams_end_though_the_pod_is_asked_to, site)


def folder_has_plugin(folder: str) -> bool:
    """At a gateway."""
    return folder in ("istio/wasm-plugin", "istio/traffic-extension")


def no_update_was_refused() -> None:
    """By any Envoy, since istiod began."""
    cases.equal(istiod.refusals(), {})


def the_policy_is_programmed() -> None:
    """What Envoy Gateway says of the patches."""
    found = node.wait("a status", lambda: envoy_gateway.conditions("envoypatchpolicy", "farebox", "farebox"), 20)
    cases.equal(found, {"Accepted": "True", "Programmed": "True"})


def the_gateway_has_a_hostname(site: Site, resources: list[dict]) -> None:
    """A listener for one hostname: callers name it, and providers have names of their own."""
    changed = json.loads(json.dumps(resources))
    for one in changed:
        if one["kind"] == "Gateway":
            one["spec"]["listeners"][0]["hostname"] = "ai.example.com"
    manifests.apply(changed)
    stranger = site.caller.but(host="other.example.com")
    node.wait("other hosts are turned away", lambda: stranger.chat(site.inner).status == 404, 30)
    for case in (cases.a_model_in_the_mesh_answers, cases.a_provider_outside_answers_by_tls):
        site.heal()
        case(site)
    manifests.apply(resources)
    node.wait("other hosts are let in", lambda: stranger.chat(site.inner).status == 200, 30)


def a_caller_is_who_its_token_says(world: World, site: Site) -> None:
    caller = site.caller
    bearer = lambda **claims: caller.but(headers={"authorization": f"Bearer {world.issuer.token(**claims)}"})
    node.wait("the issuer's keys", lambda: caller.chat("small").status == 200, 60)
    cases.equal(json.loads(caller.get("/farebox/usage").text)["key"], "ci")
    claimed = json.loads(caller.send("GET", "/farebox/usage", x_caller="search-agents").text)["key"]
    cases.equal(claimed, "ci", "the claim wins")
    refused = {
        "no token": caller.anonymous(),
        "no claim": bearer(),
        "a caller that nobody knows": bearer(farebox_key="x"),
        "another issuer": bearer(iss="https://x", farebox_key="ci"),
    }
    found = {what: one.chat("small").status for what, one in refused.items()}
    cases.equal(found, dict(zip(refused, (403, 403, 401, 401), strict=True)))
    cases.equal(caller.anonymous().chat("small", x_caller="ci").status, 403)
    cases.equal(caller.anonymous().get("/farebox/health").status, 200)


def two_pods_count_in_one_budget(report, world: World, site: Site) -> None:
    """What each has spent it says to the ledger a moment later, and learns with a request after that."""
    callers = [site.caller, site.caller.but(address=site.pods[1].address)]
    node.wait("the ledger", lambda: all(caller.chat(site.inner).status == 200 for caller in callers), 60, 0.5)
    for caller in callers * 3:
        cases.equal(caller.chat(site.inner).status, 200)
    settled = [caller.settled("org")["requests"] for caller in callers]
    cases.equal(settled, [len(site.caller.passed)] * 2)


def application(number: int, native: bool = True) -> dict:
    """A pod that calls the Service which has no pods; its sidecar answers. Native: the kubelet starts it first and ends it last."""
    keys = [
        {"name": name, "valueFrom": {"secretKeyRef": {"name": "farebox-providers", "key": name}}}
        for name in ("OPENAI_API_KEY", "ANTHROPIC_API_KEY")
    ]
    annotations = {
        # There is no iptables here: what the application calls is bound by the sidecar itself.
        "sidecar.istio.io/interceptionMode": "NONE",
        # As k8s/README.md says.
        "sidecar.istio.io/bootstrapOverride": "farebox-sidecar",
        "sidecar.istio.io/statsInclusionRegexps": "extension_config_discovery.*,cluster.ledger.*",
        "sidecar.istio.io/nativeSidecar": json.dumps(native),
    }
    env = [*keys, {"name": "EXIT_ON_ZERO_ACTIVE_CONNECTIONS", "value": "true"}]
    containers = [{"name": "application", "image": "application"}, {"name": "istio-proxy", "image": "auto", "env": env}]
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {
            "name": f"application-{number}",
            "namespace": "default",
            "labels": {"farebox": "client"},
            "annotations": annotations,
        },
        "spec": {"serviceAccountName": "default", "terminationGracePeriodSeconds": 620, "containers": containers},
    }


def put_module(module: bytes) -> None:
    """The ConfigMap that somebody makes of the module, or none."""
    metadata = {"name": "farebox-module", "namespace": "farebox"}
    if not module:
        api.kubectl("delete", "configmap", "farebox-module", "-n", "farebox", "--ignore-not-found")
        return
    data = {"farebox.wasm.gz": base64.b64encode(gzip.compress(module)).decode()}
    resource = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": metadata, "binaryData": data}
    api.kubectl("apply", "--server-side", "-f", "-", data=resource)
