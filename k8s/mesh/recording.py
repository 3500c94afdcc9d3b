"""What a control plane has sent because of a folder, as its Envoy shows it, beside the manifests that it made it of: tests hold their own
translation against it.

Left out is what is another one in each run, or nobody's business: addresses, versions, times, and the plugin configuration, which is
the manifests' own.
"""

import json
import re

from cases import Site
from node import PROJECT

FOLDER = PROJECT / "tests/recorded"
MANAGER = "envoy.filters.network.http_connection_manager"
KEPT = ("Gateway", "HTTPRoute", "HTTPRouteFilter", "ServiceEntry", "DestinationRule", "VirtualService", "EnvoyFilter", "Service")
KEPT += ("WasmPlugin", "TrafficExtension", "Telemetry", "AuthorizationPolicy", "RequestAuthentication", "EnvoyProxy", "Backend")
KEPT += ("BackendTLSPolicy", "BackendTrafficPolicy", "ClientTrafficPolicy", "EnvoyPatchPolicy", "EnvoyExtensionPolicy")
"""What is translated. Of the others nothing comes to Envoy by a control plane."""
ADDRESS = re.compile(r"\b10\.(10|96)\.\d+\.\d+\b")

FETCHED = re.compile(r"/[0-9a-f]{64}/[0-9a-f]{64}\.wasm|(?<=/)[0-9a-f]{64}\.wasm")
"""The name under which a module is kept, which another build has not."""


def record(site: Site, folder: str, resources: list[dict]) -> str:
    """Writes it. Says how large it is."""
    dump = json.loads(site.pod.page(site.form.admin, "/config_dump?include_eds", local=True))["configs"]
    manager = next(one for one in managers(dump) if any("farebox" in part["name"] for part in one["http_filters"]))
    name = manager.get("rds", {}).get("route_config_name")
    routes = [one["route_config"] for one in found(dump, "dynamic_route_configs")]
    clusters = {one["cluster"]["name"]: one["cluster"] for one in found(dump, "dynamic_active_clusters")}
    filters = [one["ecds_filter"] for one in found(dump, "ecds_filters")]
    recorded = {
        "manifests": [one for one in resources if one["kind"] in KEPT],
        "manager": manager,
        "route": next((one for one in routes if one["name"] == name), None),
        "clusters": {name: cluster for name, cluster in clusters.items() if of_ours(name)},
        "extensions": {one["name"]: one["typed_config"] for one in filters},
    }
    FOLDER.mkdir(exist_ok=True)
    text = json.dumps(clean(recorded), indent=1, sort_keys=True) + "\n"
    (FOLDER / f"{folder.replace('/', '-')}.json").write_text(text)
    return f"{len(text)} bytes"


def found(dump: list[dict], member: str) -> list[dict]:
    """All of one list of the parts of a dump."""
    return [one for part in dump for one in part.get(member, [])]


def managers(dump: list[dict]) -> list[dict]:
    """Every connection manager of every listener."""
    listeners = [one["active_state"]["listener"] for one in found(dump, "dynamic_listeners") if "active_state" in one]
    chains = [chain for one in listeners for chain in (*one.get("filter_chains", []), one.get("default_filter_chain") or {})]
    filters = [part for chain in chains for part in chain.get("filters", [])]
    return [part["typed_config"] for part in filters if part["name"] == MANAGER]


def of_ours(cluster: str) -> bool:
    """Whether a cluster is one of a provider or the ledger."""
    if cluster.startswith("outbound"):
        return cluster.endswith(("|api.openai.com", "|api.anthropic.com", "|vllm.models.svc.cluster.local"))
    return cluster.startswith("httproute/farebox/") or cluster == "ledger"


def is_dropped(key: str, member) -> bool:
    """What the control plane notes for itself."""
    return key in ("last_updated", "version_info") or (key == "metadata" and "filter_metadata" in member)


def clean(value, is_manifest: bool = False):
    """The same without what differs."""
    if isinstance(value, list):
        return [clean(item, is_manifest) for item in value]
    if isinstance(value, dict):
        if {"models", "providers"} <= value.keys():
            return {}
        kept = value if is_manifest else {key: member for key, member in value.items() if not is_dropped(key, member)}
        return {key: clean(member, is_manifest or key == "manifests") for key, member in kept.items()}
    if isinstance(value, str):
        if value.startswith("{") and ('"models"' in value or '"keys"' in value):
            return "{}"
        return FETCHED.sub("/fetched.wasm", ADDRESS.sub("192.0.2.1", value))
    return value
