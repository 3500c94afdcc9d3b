"""What is done with each folder: how its gateway comes to run, and which cases have to hold there."""

import base64
import gzip
import json
import subprocess
import urllib.request

import api
import cases
import envoy_gateway
import istiod
import manifests
import node
import outside
import rollout
from calls import Caller
from cases import Site
from pod import Pod, endpoints

TAG = "0.1.0"
ISTIO, GATEWAY = "farebox-istio", "farebox"
"""What Istio and Envoy Gateway call the Deployment that they make of the Gateway `farebox`."""


class World:
    """All that there is besides the gateway that is looked at."""

    def __init__(self, providers: dict):
        self.providers = providers
        # istiod and Envoy Gateway, where they run.
        self.mesh: subprocess.Popen | None = None
        self.gateways: subprocess.Popen | None = None
        self.layout = rollout.layout()
        self.registry = outside.Registry({"farebox": self.layout})
        self.issuer = outside.Issuer()
        self.image = f"registry.example.com/farebox@{self.layout.digest(TAG)}"
        self.pods: list[Pod] = []
        self.applied: list = []
        api.namespace("models")
        service = {
            "apiVersion": "v1",
            "kind": "Service",
            "metadata": {"name": "vllm", "namespace": "models"},
            "spec": {"ports": [{"name": "http", "port": 8000}], "selector": {"app": "vllm"}},
        }
        api.apply(service, endpoints(service, node.VLLM))

    def apply(self, folder: str) -> list[dict]:
        """A folder, with the image that the registry has."""
        self.applied = manifests.built(folder, self.image)
        manifests.apply(self.applied)
        return self.applied

    def pod(self, deployment: str, number: int = 0) -> Pod:
        """One of a Deployment that a control plane has made."""
        found = node.wait(f"the Deployment {deployment}", lambda: api.get("deployment", deployment, "farebox"), 30)
        pod = Pod.of(found, number, module=self.layout.module)
        self.pods.append(pod)
        return pod

    def ready(self, deployment: str, number: int = 0) -> Pod:
        """The same, once it is ready. An Envoy of Envoy Gateway's may wait 15 seconds for the endpoints of its own Service."""
        pod = self.pod(deployment, number)
        node.wait("the gateway", pod.is_ready)
        return pod

    def clear(self) -> None:
        """Takes the gateway away."""
        for pod in self.pods:
            pod.remove()
            api.kubectl("delete", "pod", pod.name, "-n", pod.namespace, "--force", "--grace-period=0", check=False)
        if self.applied:
            manifests.remove(self.applied)
        self.pods = []
        self.applied = []
        for provider in self.providers.values():
            provider.heal()
        for name in (ISTIO, GATEWAY):
            api.kubectl("delete", "deployment", name, "-n", "farebox", "--ignore-not-found", check=False)


def run_cases(report, site: Site, which: list) -> None:
    """One after the other, each from the same beginning."""
    for case in which:
        site.heal()
        report.run(case.__name__, case, site)
    site.heal()


def no_update_was_refused() -> None:
    """By any Envoy, since istiod began."""
    cases.equal(istiod.refusals(), {})


def istio_gateway(world: World, report, folder: str) -> None:
    """An EnvoyFilter at a gateway, with all that may happen to it."""
    resources = world.apply(folder)
    pod = report.run("a gateway starts", world.ready, ISTIO)
    site = Site(Caller(pod.address, 80), world.providers)
    run_cases(report, site, cases.WHOLE)
    report.run("no update was refused", no_update_was_refused)
    report.run("the gateway has a hostname", named, site, resources)
    rollout.of_istio(world, report, site, resources)
    ask = pod.terminate
    report.run("200 streams end though the pod is asked to", cases.streams_end_though_the_pod_is_asked_to, site, ask)


def named(site: Site, resources: list[dict]) -> None:
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


def istio_jwt(world: World, report, folder: str) -> None:
    """Callers by token."""
    world.apply(folder)
    pod = report.run("a gateway starts", world.ready, ISTIO)
    bearer = {"authorization": f"Bearer {world.issuer.token(farebox_key='ci')}"}
    caller = Caller(pod.address, 80, headers=bearer)
    site = Site(caller, world.providers)

    def identity() -> None:
        node.wait("the issuer's keys", lambda: caller.chat("small").status == 200, 60)
        cases.equal(json.loads(caller.get("/farebox/usage").text)["key"], "ci")
        claimed = json.loads(caller.send("GET", "/farebox/usage", x_caller="search-agents").text)["key"]
        cases.equal(claimed, "ci", "the claim wins")
        refused = {
            "no token": caller.anonymous(),
            "no claim": caller.but(headers={"authorization": f"Bearer {world.issuer.token()}"}),
            "a caller that nobody knows": caller.but(
                headers={"authorization": f"Bearer {world.issuer.token(farebox_key='x')}"}
            ),
            "another issuer": caller.but(
                headers={"authorization": f"Bearer {world.issuer.token(iss='https://x', farebox_key='ci')}"}
            ),
        }
        found = {what: one.chat("small").status for what, one in refused.items()}
        cases.equal(found, dict(zip(refused, (403, 403, 401, 401), strict=True)))
        cases.equal(caller.anonymous().chat("small", x_caller="ci").status, 403)
        cases.equal(caller.anonymous().get("/farebox/health").status, 200)

    report.run("a caller is who its token says", identity)
    run_cases(report, site, [cases.a_provider_outside_answers_by_tls, cases.a_stream_comes_whole_and_is_charged])
    report.run("no update was refused", no_update_was_refused)


def by_headers(world: World, report, folder: str, deployment: str, port: int) -> tuple[Pod, Site]:
    """What every gateway does that does not see bodies."""
    resources = world.apply(folder)
    pod = report.run("a gateway starts", world.ready, deployment)
    site = Site(Caller(pod.address, port, by_headers=True), world.providers)
    node.wait("the module", lambda: site.caller.get("/farebox/health").status == 200, 60)
    run_cases(report, site, cases.BY_HEADERS)
    report.run("the gateway has a hostname", named, site, resources)
    return pod, site


def istio_plugin(world: World, report, folder: str) -> None:
    """By headers alone, at a gateway."""
    pod, site = by_headers(world, report, folder, ISTIO, 80)
    report.run("no update was refused", no_update_was_refused)
    report.run(
        "200 streams end though the pod is asked to", cases.streams_end_though_the_pod_is_asked_to, site, pod.terminate
    )


def istio_sidecar(world: World, report, folder: str) -> None:
    """In the sidecar of an application, which calls the Service that has no pods."""
    world.apply(folder)
    api.kubectl("label", "namespace", "default", "istio-injection=enabled", "--overwrite")
    keys = [
        {"name": name, "valueFrom": {"secretKeyRef": {"name": "farebox-providers", "key": name}}}
        for name in ("OPENAI_API_KEY", "ANTHROPIC_API_KEY")
    ]
    pod = {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {
            "name": "application",
            "namespace": "default",
            "labels": {"farebox": "client"},
            # There is no iptables here: what the application calls is bound by the sidecar itself.
            "annotations": {"sidecar.istio.io/interceptionMode": "NONE"},
        },
        "spec": {
            "serviceAccountName": "default",
            "terminationGracePeriodSeconds": 620,
            "containers": [
                {"name": "application", "image": "application"},
                {
                    "name": "istio-proxy",
                    "image": "auto",
                    "env": [*keys, {"name": "EXIT_ON_ZERO_ACTIVE_CONNECTIONS", "value": "true"}],
                },
            ],
        },
    }

    def starts() -> Pod:
        pods = Pod(pod)
        world.pods.append(pods)
        node.wait("the sidecar", pods.is_ready)
        return pods

    started = report.run("a pod gets its sidecar", starts)
    by_headers = folder.endswith("plugin")
    caller = Caller("127.0.0.1", 8788, "farebox.default:8788", pod=started.process.pid, by_headers=by_headers)
    site = Site(caller, world.providers)
    node.wait("the module", lambda: caller.get("/farebox/health").status == 200, 60)
    run_cases(
        report,
        site,
        [
            case
            for case in (cases.BY_HEADERS if by_headers else cases.WHOLE)
            if case is not cases.nobody_chooses_a_route
        ],
    )
    report.run("no update was refused", no_update_was_refused)


def envoy_gateway_whole(world: World, report, folder: str) -> None:
    """An EnvoyPatchPolicy, and the policies of Envoy Gateway beside it."""
    resources = world.apply(folder)
    pod = report.run("a gateway starts", world.ready, GATEWAY)
    site = Site(Caller(pod.address, 10080), world.providers)
    report.run("the policy is programmed", programmed)
    run_cases(report, site, cases.WHOLE)
    report.run("the gateway has a hostname", named, site, resources)
    site.rejections = lambda: rejections(pod)
    rollout.of_envoy_gateway(world, report, site, resources)


def rejections(pod: Pod) -> list[str]:
    """What its Envoy has refused."""
    ask = lambda: urllib.request.urlopen("http://127.0.0.1:19000/stats?filter=update_rejected", timeout=5).read()
    lines = node.inside(pod.process.pid, ask).decode().splitlines()
    return [line for line in lines if not line.endswith(": 0")]


def programmed() -> None:
    """What Envoy Gateway says of the patches."""
    found = node.wait("a status", lambda: envoy_gateway.conditions("envoypatchpolicy", "farebox", "farebox"), 20)
    cases.equal(found, {"Accepted": "True", "Programmed": "True"})


def envoy_gateway_by_headers(world: World, report, folder: str) -> None:
    """An EnvoyExtensionPolicy."""
    by_headers(world, report, folder, GATEWAY, 10080)


def fleet(world: World, report, folder: str) -> None:
    """Two pods that share one budget."""
    name, port = (ISTIO, 80) if folder.startswith("istio") else (GATEWAY, 10080)
    with rollout.valkey():
        world.apply(folder)
        pods = report.run("two gateways start", lambda: [world.ready(name, number) for number in range(2)])
        callers = [Caller(pod.address, port) for pod in pods]

        def one_budget() -> None:
            node.wait("the ledger", lambda: all(caller.chat("small").status == 200 for caller in callers), 60, 0.5)
            for caller in callers * 3:
                cases.equal(caller.chat("small").status, 200)
            asked = len(world.providers["vllm"].seen)

            def is_one() -> bool:
                # What each has spent it says to the ledger a moment later, and learns with its next request.
                found = [caller.spent("org")["requests"] for caller in callers]
                return found == [asked] * 2 or report.say(f"  …     {found} of {asked}")

            node.wait("one count", is_one, 20, 4)

        report.run("two pods count in one budget", one_budget)


def plain(world: World, report, folder: str) -> None:
    """A Deployment of Envoy, which nobody else configures."""
    with rollout.valkey():
        world.apply(folder)
        module = {
            "apiVersion": "v1",
            "kind": "ConfigMap",
            "metadata": {"name": "farebox-module", "namespace": "farebox"},
        }
        compressed = base64.b64encode(gzip.compress(world.layout.module)).decode()
        api.kubectl("apply", "--server-side", "-f", "-", data=module | {"binaryData": {"farebox.wasm.gz": compressed}})
        pod = report.run("a pod starts", world.ready, GATEWAY)
        run_cases(report, Site(Caller(pod.address, 10000), world.providers), cases.WHOLE)


PLANS = {
    "plain/image-volume": plain,
    "plain/config-map": plain,
    "plain/ledger": plain,
    "istio/gateway": istio_gateway,
    "istio/jwt": istio_jwt,
    "istio/sidecar": istio_sidecar,
    "istio/wasm-plugin": istio_plugin,
    "istio/traffic-extension": istio_plugin,
    "istio/sidecar-plugin": istio_sidecar,
    "envoy-gateway/patch-policy": envoy_gateway_whole,
    "envoy-gateway/extension-policy": envoy_gateway_by_headers,
    "istio/ledger": fleet,
    "envoy-gateway/ledger": fleet,
}
