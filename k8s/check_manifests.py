#!/usr/bin/env python3
"""Holds every manifest below k8s/ against strict schemas, and what several of them say against each other.

A cluster's API server drops a field that it does not know, or refuses the resource; which of the two, and when, differs
from one version to the next. So a field that is not listed in schemas/ is a mistake here. The schemas are of our own
making and list what is used; they were compared with the APIs by hand.

Also builds each folder with kustomize, if kubectl is here, and holds the result against the same schemas. `--self-test`
damages manifests and wants every damage to be found.
"""

import copy
import pathlib
import re
import shutil
import subprocess
import sys
from typing import Any

import jsonschema
import yaml

FOLDER = pathlib.Path(__file__).resolve().parent
# Written in C, where there is one: pure Python takes most of a minute.
LOADER = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
DUMPER = getattr(yaml, "CSafeDumper", yaml.SafeDumper)
# How long a stream may go on when its pod is asked to end.
STREAM_SECONDS = 600
FOLDERS = sorted(path.parent for path in FOLDER.glob("*/*/kustomization.yaml"))
# Where every resource keeps these.
COMMON = {"apiVersion": {"type": "string"}, "kind": {"type": "string"}, "metadata": {"$ref": "#/$defs/metadata"}}


def load(text: str) -> Any:
    return yaml.load(text, LOADER)


def load_all(text: str) -> list:
    return list(yaml.load_all(text, LOADER))


def schemas() -> dict[str, dict]:
    """The schema of each kind, by apiVersion and kind."""
    kinds: dict[str, dict] = {}
    definitions: dict[str, dict] = {}
    for path in sorted((FOLDER / "schemas").glob("*.yaml")):
        content = load(path.read_text())
        definitions |= content.pop("$defs", {})
        kinds |= content
    whole = {}
    for kind, schema in kinds.items():
        properties = COMMON | schema.get("properties", {})
        required = ["apiVersion", "kind", "metadata", *schema.get("required", [])]
        whole[kind] = {
            "$schema": "https://json-schema.org/draft/2020-12/schema",
            "type": "object",
            "additionalProperties": False,
            "required": required,
            "properties": properties,
            "$defs": definitions,
        }
        jsonschema.Draft202012Validator.check_schema(whole[kind])
    return whole


def mistakes_of_one(resource: dict, kinds: dict[str, dict]) -> list[str]:
    """What is wrong with one resource, taken for itself."""
    name = f"{resource.get('apiVersion')}/{resource.get('kind')}"
    if name not in kinds:
        return [f"{name}: there is no schema for this kind"]
    errors = jsonschema.Draft202012Validator(kinds[name]).iter_errors(resource)
    found = [f"{name}: {error.json_path}: {error.message[:200]}" for error in errors]
    if name == "v1/ConfigMap":
        overlay = resource["data"].get("deployment")
        if overlay is not None:
            schema = kinds[name]["$defs"]["overlay"] | {"$defs": kinds[name]["$defs"]}
            errors = jsonschema.Draft202012Validator(schema).iter_errors(load(overlay))
            found += [f"{name}: data.deployment: {error.json_path}: {error.message[:200]}" for error in errors]
    return found


def anchors(text: str) -> list[str]:
    """The anchors of a text of YAML, and of the texts inside of it, that nothing refers to."""
    named, used = set(), set()
    for event in yaml.parse(text, LOADER):
        if isinstance(event, yaml.AliasEvent):
            used.add(event.anchor)
        elif anchor := getattr(event, "anchor", None):
            named.add(anchor)
    inner = (resource for resource in load_all(text) if resource and resource.get("kind") == "ConfigMap")
    inner = (anchors(value) for resource in inner for value in (resource.get("data") or {}).values())
    return sorted(named - used) + [anchor for found in inner for anchor in found]


def mistakes_together(resources: list[dict]) -> list[str]:
    """What resources of one folder say differently."""
    found = []
    named = {(resource["kind"], resource["metadata"]["name"]) for resource in resources}
    if len(named) != len(resources):
        found.append("two resources have the same name")
    hosts = {host for entry in of_kind(resources, "ServiceEntry") for host in entry["spec"]["hosts"]}
    known = lambda host: host in hosts or host.endswith(".svc.cluster.local")
    for rule in of_kind(resources, "DestinationRule"):
        if not known(rule["spec"]["host"]):
            found.append(f"no ServiceEntry has the host {rule['spec']['host']}")
    for route in of_kind(resources, "HTTPRoute"):
        for backend in (backend for rule in route["spec"]["rules"] for backend in rule.get("backendRefs", [])):
            there = ("Backend", backend["name"]) in named if backend["kind"] == "Backend" else known(backend["name"])
            if not there:
                found.append(f"the route's backend {backend['name']} is nowhere")
    for policy in of_kind(resources, "BackendTLSPolicy"):
        for target in policy["spec"]["targetRefs"]:
            if ("Backend", target["name"]) not in named:
                found.append(f"there is no Backend {target['name']}")
    for gateway in of_kind(resources, "Gateway"):
        parameters = gateway["spec"]["infrastructure"]["parametersRef"]
        if (parameters["kind"], parameters["name"]) not in named:
            found.append(f"there is no {parameters['kind']} {parameters['name']}")
    policies = of_kind(resources, "NetworkPolicy")
    if of_kind(resources, "Gateway") + of_kind(resources, "Deployment") and len(policies) != 1:
        found.append(f"a gateway's pods need one NetworkPolicy, and have {len(policies)}")
    for deployment in of_kind(resources, "Deployment"):
        found += mistakes_of_policy(policies[0]["spec"], deployment["spec"]["template"]) if policies else []
    found += mistakes_of_ending(resources)
    for patches in of_kind(resources, "EnvoyFilter"):
        found += mistakes_of_patches(patches["spec"]["configPatches"], hosts)
    return found


def mistakes_of_ending(resources: list[dict]) -> list[str]:
    """What would cut streams when a pod is asked to end: whoever ends Envoy has to wait for them, and be given the time."""
    found = []
    overlays = [resource["data"]["deployment"] for resource in of_kind(resources, "ConfigMap") if "deployment" in resource["data"]]
    for overlay in overlays:
        found += mistakes_of_agent(load(overlay)["spec"]["template"]["spec"])
    for pod in (deployment["spec"]["template"]["spec"] for deployment in of_kind(resources, "Deployment")):
        wait = min(container.get("lifecycle", {}).get("preStop", {}).get("sleep", {}).get("seconds", 0) for container in pod["containers"])
        if wait < STREAM_SECONDS or pod.get("terminationGracePeriodSeconds", 30) <= wait:
            found.append("a pod has no time to end its streams: preStop, terminationGracePeriodSeconds")
    for proxy in of_kind(resources, "EnvoyProxy"):
        if proxy["spec"].get("shutdown", {}).get("drainTimeout") != f"{STREAM_SECONDS}s":
            found.append("a pod of Envoy Gateway's has no time to end its streams: shutdown.drainTimeout")
    gateways = [gateway for gateway in of_kind(resources, "Gateway") if gateway["spec"]["gatewayClassName"] == "istio"]
    if len(overlays) != len(gateways):
        found.append("a gateway of Istio's has no overlay that says how it ends")
    return found


def mistakes_of_agent(pod: dict) -> list[str]:
    """What would have Istio's agent cut the streams of a pod."""
    found = []
    for container in pod["containers"]:
        if {"name": "EXIT_ON_ZERO_ACTIVE_CONNECTIONS", "value": "true"} not in container["env"]:
            found.append("Istio's agent would end Envoy 5 seconds after it is asked to: EXIT_ON_ZERO_ACTIVE_CONNECTIONS")
    if pod.get("terminationGracePeriodSeconds", 30) <= STREAM_SECONDS:
        found.append("a pod of Istio's has no time to end its streams: terminationGracePeriodSeconds")
    return found


def mistakes_of_page() -> list[str]:
    """What the page has people write into their own pods, whose sidecars are no manifests of ours."""
    blocks = re.findall(r"```yaml\n(.*?)```", (FOLDER / "README.md").read_text(), re.DOTALL)
    pods = [load(block)["spec"] for block in blocks if "istio-proxy" in block]
    return [mistake for pod in pods for mistake in mistakes_of_agent(pod)] if pods else ["there is no sidecar in it"]


def mistakes_of_policy(policy: dict, template: dict) -> list[str]:
    """What a NetworkPolicy says of other pods or ports than there are."""
    found = []
    if not policy["podSelector"]["matchLabels"].items() <= template["metadata"]["labels"].items():
        found.append("the NetworkPolicy is not for the Deployment's pods")
    open_ports = {port["port"] for rule in policy["ingress"] for port in rule["ports"]}
    ports = {port["containerPort"] for container in template["spec"]["containers"] for port in container["ports"]}
    if open_ports != ports:
        found.append(f"the pods have the ports {ports}, the NetworkPolicy opens {open_ports}")
    return found


def mistakes_of_patches(patches: list[dict], hosts: set[str]) -> list[str]:
    """What the patches of an EnvoyFilter say differently."""
    found = []
    values = lambda kind: [patch["patch"]["value"] for patch in patches if patch["applyTo"] == kind]
    offered = [value["name"] for value in values("EXTENSION_CONFIG")]
    wanted = discovered(patches)
    if sorted(offered) != sorted(wanted):
        found.append(f"offered are {offered}, looked for are {wanted}")
    texts = {value["typed_config"]["config"]["configuration"]["value"] for value in values("EXTENSION_CONFIG")}
    if offered and len(texts) != 1:
        found.append("the filter and its attempts have different configurations")
    for cluster in re.findall(r"outbound\|\d+\|\|([a-z0-9.-]+)", str(values("HTTP_ROUTE"))):
        if cluster not in hosts and not cluster.endswith(".svc.cluster.local"):
            found.append(f"no ServiceEntry has the host {cluster}")
    return found


def discovered(value: object) -> list[str]:
    """The names of all filters that are to be found somewhere else."""
    if isinstance(value, dict):
        own = [value["name"]] if "config_discovery" in value else []
        return own + [name for member in value.values() for name in discovered(member)]
    return [name for item in value for name in discovered(item)] if isinstance(value, list) else []


def of_kind(resources: list[dict], kind: str) -> list[dict]:
    return [resource for resource in resources if resource["kind"] == kind]


def written(folder: pathlib.Path) -> list[dict]:
    """The resources of a folder, as they are written down."""
    files = (path for path in sorted(folder.glob("*.yaml")) if path.name != "kustomization.yaml")
    return [resource for path in files for resource in load_all(path.read_text())]


def built(folder: pathlib.Path) -> list[dict]:
    """The resources of a folder as kustomize builds them."""
    command = ["kubectl", "kustomize", str(folder)]
    output = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True, timeout=60).stdout
    return load_all(output)


def mistakes(resources: list[dict], kinds: dict[str, dict]) -> list[str]:
    alone = [mistake for resource in resources for mistake in mistakes_of_one(resource, kinds)]
    return alone or mistakes_together(resources)


def mistakes_of_build(resources: list[dict], before: list[dict]) -> list[str]:
    """What kustomize should have put in, and did not."""
    text, found = str(resources), []
    secrets = of_kind(resources, "Secret")
    # The ledger's own server has its users, and everything else the providers' keys.
    name = "farebox-ledger" if of_kind(resources, "StatefulSet") else "farebox-providers"
    if [secret["metadata"]["name"] for secret in secrets] != [name]:
        found.append(f"there should be the Secret {name} and no other")
    if "farebox-settings" in text:
        found.append("the settings are no resource")
    if len(resources) != len(before) + 1:
        found.append(f"there should be {len(before) + 1} resources, and are {len(resources)}")
    namespaces = {resource["metadata"].get("namespace") for resource in resources if resource["kind"] != "Namespace"}
    if len(namespaces) != 1:
        found.append(f"there should be one namespace, and are {namespaces}")
    return found


def damaged(resource: dict) -> list[tuple[str, dict]]:
    """Copies of a resource with one mistake each, of the kinds that people make."""
    copies = []

    def walk(value: object, path: list) -> None:
        if isinstance(value, dict) and path[-1:] not in (["data"], ["pluginConfig"], ["config"], ["value"], ["labels"]):
            copies.append(("/".join(map(str, [*path, "noSuchField"])), edited(resource, path, "noSuchField", True)))
            for key in value:
                walk(value[key], [*path, key])
        elif isinstance(value, list):
            for index, item in enumerate(value):
                walk(item, [*path, index])

    def edited(root: dict, path: list, key: str, value: object) -> dict:
        root = copy.deepcopy(root)
        at: Any = root
        for step in path:
            at = at[step]
        at[key] = value
        return root

    walk(resource, [])
    return copies


FREE = ("metadata/labels", "metadata/annotations", "matchLabels", "selector/", "requests", "limits", "ports/", "headers/x-", "operation/value")


def self_test(kinds: dict[str, dict]) -> int:
    """Every damage has to be found; how many there were."""
    count = 0
    for resource in (resource for folder in FOLDERS for resource in written(folder)):
        for place, damage in damaged(resource):
            if any(free in place for free in FREE):
                continue
            count += 1
            if not mistakes_of_one(damage, kinds):
                raise SystemExit(f"nobody notices {place} in {resource['kind']}")
    for wrong, right in (("FAIL_CLOSED", "FAIL_RELOAD"), ("gateway", "GATEWAY"), ("https", "HTTPS"), ("oci:/", "oci://"), ("farebox:", "farebox@sha256:")):
        found = 0
        for resource in (resource for folder in FOLDERS for resource in written(folder)):
            text = yaml.dump(resource, Dumper=DUMPER)
            if right in text and mistakes_of_one(load(text.replace(right, wrong)), kinds):
                found += 1
        if not found:
            raise SystemExit(f"nobody notices {wrong} in the place of {right}")
        count += found
    return count


def main() -> int:
    kinds, found, count = schemas(), [], 0
    for folder in FOLDERS:
        name, resources = folder.relative_to(FOLDER.parent), written(folder)
        count += len(resources)
        found += [f"{name}: {mistake}" for mistake in mistakes(resources, kinds)]
        for path in sorted(folder.glob("*.yaml")):
            found += [f"{name}: {path.name}: nothing refers to &{anchor}" for anchor in anchors(path.read_text())]
    found += [f"README.md: {mistake}" for mistake in mistakes_of_page()]
    for mistake in found:
        print(mistake, file=sys.stderr)
    if found:
        return 1
    print(f"  {count} resources in {len(FOLDERS)} folders fit the schemas; {self_test(kinds)} damaged ones do not")
    if shutil.which("kubectl") is None:
        print("  kubectl is not here: kustomize was not run")
        return 0
    for folder in FOLDERS:
        name, resources = folder.relative_to(FOLDER.parent), built(folder)
        found += [f"{name}, built: {mistake}" for mistake in mistakes(resources, kinds)]
        found += [f"{name}, built: {mistake}" for mistake in mistakes_of_build(resources, written(folder))]
    for mistake in found:
        print(mistake, file=sys.stderr)
    if not found:
        print(f"  what kustomize builds of {len(FOLDERS)} folders does too")
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
