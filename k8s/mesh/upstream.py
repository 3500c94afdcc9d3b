"""What Istio's own APIs have no word for, as docs/upstream-istio.md tells Istio. A case that fails here is good news."""

import json

import api
import calls
import manifests
import node
from cases import Site, equal

OPTION = "allowOnHeadersStopIteration"
PATIENCE = 60


def wasm(resource: dict) -> dict:
    """The part of a plugin's resource that is about the module."""
    spec = resource["spec"]
    return spec["wasm"] if resource["kind"] == "TrafficExtension" else spec


def with_option(resources: list[dict]) -> dict:
    """The plugin, with the option as it would be called."""
    plugin = next(one for one in resources if one["kind"] in ("WasmPlugin", "TrafficExtension"))
    plugin = json.loads(json.dumps(plugin))
    wasm(plugin)[OPTION] = True
    return plugin


def sent(site: Site) -> tuple[str, dict]:
    """The filter that Envoy was sent for the plugin, and its name."""
    dump = json.loads(site.pod.page(site.form.admin, "/config_dump?resource=ecds_filters", local=True))
    found = next(one["ecds_filter"] for one in dump["configs"] if "farebox" in one["ecds_filter"]["name"])
    return found["name"], found["typed_config"]["config"]


def a_plugin_cannot_say_that_headers_are_held(site: Site, resources: list[dict]) -> str:
    plugin = with_option(resources)
    for how in (["--server-side", "--force-conflicts"], ["--validate=strict"]):
        try:
            api.kubectl("apply", *how, "-f", "-", data=plugin)
            raise AssertionError("the API server has taken it")
        except api.Refused as refused:
            assert OPTION in str(refused), refused
    # Who does not want to be told.
    api.kubectl("apply", "--validate=ignore", "-f", "-", data=plugin)
    kept = api.there(plugin["kind"], "farebox", "farebox")
    equal(OPTION in wasm(kept), False, "it was kept")
    equal("allow_on_headers_stop_iteration" in sent(site)[1], False, "it was sent")
    return "an unknown field: refused, or dropped"


def an_envoy_filter_cannot_add_it(site: Site, resources: list[dict]) -> str:
    """`EXTENSION_CONFIG` knows `ADD` alone: what a plugin has sent is out of reach."""
    name, _ = sent(site)
    patch = {"operation": "MERGE", "value": {"name": name, "typed_config": {"@type": TYPE, "config": {HELD: True}}}}
    selector = {"labels": {"gateway.networking.k8s.io/gateway-name": "farebox"}}
    spec = {"workloadSelector": selector, "configPatches": [{"applyTo": "EXTENSION_CONFIG", "patch": patch}]}
    metadata = {"name": "merge", "namespace": "farebox"}
    merge = {"apiVersion": "networking.istio.io/v1alpha3", "kind": "EnvoyFilter", "metadata": metadata, "spec": spec}
    try:
        api.apply(merge)
    except api.Refused as refused:
        return str(refused).splitlines()[-1][-160:]
    try:
        # Something else that is applied after it is seen by Envoy, so this is too.
        pushed = changed(resources, "o3-mini")
        manifests.apply(pushed)
        calls.until(site.caller, "o3-mini", 200, PATIENCE)
        equal(HELD in sent(site)[1], False, "it was sent")
    finally:
        api.kubectl("delete", "envoyfilter", "merge", "-n", "farebox")
        manifests.apply(resources)
    return "taken, and without effect"


def a_plugin_that_needs_the_body_refuses_every_request(site: Site, resources: list[dict]) -> str:
    """The same filter without `headers_only`: it wants to hold headers, and notices that it cannot."""
    whole = json.loads(json.dumps(resources))
    for one in whole:
        if one["kind"] in ("WasmPlugin", "TrafficExtension"):
            del wasm(one)["pluginConfig"]["headers_only"]
    manifests.apply(whole)
    try:
        calls.until(site.caller, site.inner, 503, PATIENCE)
        answer = site.caller.chat(site.inner)
        equal((answer.status, answer.headers.get("x-farebox-denied")), (503, "host_unsupported"))
    finally:
        manifests.apply(resources)
        calls.until(site.caller, site.inner, 200, PATIENCE)
    return "503 host_unsupported"


def a_plugin_stands_in_front_of_the_router_only(site: Site) -> str:
    """The router that Istio sends has nothing of the plugin's, whatever phase."""
    text = site.pod.page(site.form.admin, "/config_dump?resource=dynamic_listeners", local=True)
    equal("upstream_http_filters" in text, False)
    schema = api.kubectl("explain", "trafficextension.spec.phase", "--recursive")
    phases = sorted(word for word in ("AUTHN", "AUTHZ", "STATS") if word in schema)
    equal(phases, ["AUTHN", "AUTHZ", "STATS"])
    return "phases: " + ", ".join(phases)


def changed(resources: list[dict], model: str) -> list[dict]:
    """With one more model."""
    copy = json.loads(json.dumps(resources))
    for one in copy:
        if one["kind"] in ("WasmPlugin", "TrafficExtension"):
            wasm(one)["pluginConfig"]["models"][model] = [{"provider": "openai"}]
    return copy


HELD = "allow_on_headers_stop_iteration"
TYPE = "type.googleapis.com/envoy.extensions.filters.http.wasm.v3.Wasm"


def ask(report, site: Site, resources: list[dict]) -> None:
    """All of it."""
    report.run(a_plugin_cannot_say_that_headers_are_held, site, resources)
    report.run(an_envoy_filter_cannot_add_it, site, resources)
    report.run(a_plugin_stands_in_front_of_the_router_only, site)
    report.run(a_plugin_that_needs_the_body_refuses_every_request, site, resources)
    node.wait("the plugin as it was", lambda: site.caller.chat("o3-mini").status == 404, PATIENCE)
