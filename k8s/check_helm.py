#!/usr/bin/env python3
"""Holds what Helm makes of the chart against the manifests, against strict schemas, and against what `farebox render` writes.

Takes the paths of `farebox` and of every `helm` to try. With default values the chart makes the same resources as kustomize
does, but for the Namespace and the Secret, which are not a chart's business, and a checksum. With values that say what an option
says, it makes the same as the command. Values that mean nothing are refused, in words that say why.
"""

import json
import pathlib
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from typing import Any

import check_manifests as manifests
import yaml

FOLDER = pathlib.Path(__file__).resolve().parent
CHART = FOLDER / "helm" / "farebox"
CI = FOLDER / "helm" / "ci"
# What kustomize builds of these folders is what values make of the chart, of the sample or of another configuration.
SAME = [
    ("plain", "farebox.json", "plain/image-volume"),
    ("plain-config-map", "farebox.json", "plain/config-map"),
    ("istio-gateway", "farebox.json", "istio/gateway"),
    ("envoy-gateway", "farebox.json", "envoy-gateway/patch-policy"),
    ("plain", "farebox-ledger.json", "plain/ledger"),
    ("istio-gateway", "farebox-ledger.json", "istio/ledger"),
    ("envoy-gateway", "farebox-ledger.json", "envoy-gateway/ledger"),
]
# A helm that was built from its module takes Kubernetes for older than it is.
KUBE = ["--kube-version", "1.37.0"]
REACH = ["--callers", "agents", "--callers", "tier=gold", "--callers", "10.0.0.0/8", "--monitoring", "observability", "--secret", "keys"]
DIGEST = "@sha256:" + "1" * 64
HEAP = ["--max-heap-size-bytes", str(1536 << 20)]
HOSTNAME = ["--hostname", "ai.example.com"]
# What the command writes with these options is what values with the same meaning make of the chart.
OPTIONS = {
    "plain-options": ["plain", "--image", "registry.internal:5000/platform/farebox" + DIGEST, "--envoy", "registry.internal:5000/envoy:v1.40.0", *HEAP],
    "istio-gateway-options": ["istio", "--image", "registry.example.com/platform/farebox" + DIGEST, *HOSTNAME, *HEAP],
    "envoy-gateway-options": [
        *["envoy-gateway", "--image", "registry.internal:5000/platform/farebox" + DIGEST, "--gateway-class", "internal"],
        *["--envoy", "registry.internal:5000/envoy:distroless-v1.40.0", *HOSTNAME],
    ],
}
# Values that are refused, and what is said about them.
REFUSED: list[tuple[dict[str, Any], str]] = [
    ({"colour": "red"}, "colour"),
    ({"form": "knative"}, "form"),
    ({"image": {"tag": "0.1.0"}}, "tag"),
    ({"image": {"digest": "latest"}}, "sha256"),
    ({"config": {"providers": {}}}, "have the chart written again"),
    ({"config": {"ledger": {}}}, "have the chart written again"),
    ({"config": {"budget": []}}, "budget"),
    ({"config": {"budgets": [{"name": "a", "window": "fortnight"}]}}, "window"),
    ({"config": {"keys": [{"id": "a", "team": "b", "secret": "c"}]}}, "secret"),
    ({"autoscaling": {"maxReplicas": 3}}, "every pod would count for itself"),
    ({"autoscaling": {"minReplicas": 2}}, "minReplicas is more than"),
    ({"hostname": "ai.example.com"}, "hostname does nothing in the form plain"),
    ({"form": "istio-gateway", "envoy": {"image": "envoy:v1.40.0"}}, "Envoy is Istio's"),
    ({"form": "istio-gateway", "imagePullSecrets": [{"name": "a"}]}, "imagePullSecrets does nothing"),
    ({"form": "envoy-gateway", "serviceAccount": {"annotations": {"a": "b"}}}, "serviceAccount.annotations does nothing"),
    ({"form": "envoy-gateway", "module": "config-map"}, "module does nothing"),
    ({"networkPolicy": {"callers": []}}, "callers"),
    ({"labels": {"app": "other"}}, "labels.app is the chart's own"),
    ({"memoryMiB": 64}, "memoryMiB"),
]


def run(*command: object, text: str = "") -> subprocess.CompletedProcess[str]:
    return subprocess.run([str(part) for part in command], check=False, input=text, capture_output=True, text=True, timeout=60, cwd=FOLDER.parent)


def made(command: list[object]) -> list[dict]:
    """The resources that a command writes."""
    outcome = run(*command)
    if outcome.returncode:
        raise SystemExit(f"{' '.join(map(str, command))}: {outcome.stderr}")
    return [resource for resource in yaml.safe_load_all(outcome.stdout) if resource]


def template(helm: str, chart: pathlib.Path, values: str, namespace: str = "farebox") -> list[dict]:
    return made([helm, "template", "farebox", chart, *KUBE, "--namespace", namespace, "--values", CI / f"{values}.yaml"])


def comparable(resources: list[dict]) -> dict[str, Any]:
    """The resources by kind and name, without what is not a chart's business."""
    kept = [resource for resource in resources if resource["kind"] not in ("Namespace", "Secret")]
    for resource in manifests.of_kind(kept, "Deployment"):
        resource["spec"]["template"]["metadata"]["annotations"].pop("checksum/configuration", None)
    return {f"{resource['kind']} {resource['metadata']['name']}": parsed(resource) for resource in kept}


def parsed(value: Any) -> Any:
    """A value in which texts that are YAML are taken for what they say."""
    if isinstance(value, dict):
        return {key: parsed(member) for key, member in value.items()}
    if isinstance(value, list):
        return [parsed(item) for item in value]
    if not isinstance(value, str) or "\n" not in value:
        return value
    try:
        return parsed(yaml.safe_load(value))
    except yaml.YAMLError:
        return value


def differences(what: str, chart: list[dict], other: list[dict]) -> list[str]:
    ours, theirs = comparable(chart), comparable(other)
    names = sorted(ours.keys() | theirs.keys())
    return [f"{what}: {name} differs" for name in names if ours.get(name) != theirs.get(name)]


def chart_of(farebox: str, configuration: str, folder: pathlib.Path) -> pathlib.Path:
    """A chart of a configuration."""
    chart = folder / configuration.removesuffix(".json")
    outcome = run(farebox, "render", "helm", f"k8s/{configuration}", "--into", chart)
    if outcome.returncode:
        raise SystemExit(outcome.stderr)
    return chart


def mistakes_of_values(farebox: str, helm: str, charts: dict[str, pathlib.Path]) -> list[str]:
    """What good values make of charts, and should not."""
    found = []
    kinds = manifests.schemas()
    for values, configuration, folder in SAME:
        what = f"{values}, {configuration}"
        resources = template(helm, charts[configuration], values)
        found += [f"{what}: {mistake}" for mistake in manifests.mistakes(resources, kinds)]
        found += differences(f"{what} and k8s/{folder}", resources, manifests.built(FOLDER / folder))
    for values, (form, *options) in OPTIONS.items():
        command: list[object] = [farebox, "render", form, "k8s/farebox.json", "--namespace", "gateways", *options, *REACH]
        found += differences(values, template(helm, CHART, values, "gateways"), made(command))
    for path in sorted(CI.glob("*.yaml")):
        resources = template(helm, CHART, path.stem)
        alone = [mistake for resource in resources for mistake in manifests.mistakes_of_one(resource, kinds)]
        found += [f"{path.name}: {mistake}" for mistake in alone]
        text = yaml.safe_dump_all(resources)
        outcome = run(farebox, "check", "-", text=text)
        if outcome.returncode:
            found.append(f"{path.name}: farebox check: {outcome.stderr}")
        if path.stem.endswith("-all"):
            found += mistakes_of_all(path.stem, resources, yaml.safe_load(path.read_text()))
    return found


def mistakes_of_all(what: str, resources: list[dict], values: dict[str, Any]) -> list[str]:
    """Which of these values are nowhere in what was made of them."""
    there = set(leaves(parsed(resources)))
    apart = ("form", "module", "config", "labels")
    found = [f"{what}: {name}: {text} is nowhere" for name, value in values.items() if name not in apart for text in leaves(value) if text not in there]
    documents = list(configurations(parsed(resources)))
    for document in documents:
        wrong = [member for member, value in values["config"].items() if document[member] != value]
        found += [f"{what}: config.{member} is not what was said" for member in wrong]
        if "openai" not in document["providers"]:
            found.append(f"{what}: the providers are gone")
    unlabelled = [resource["kind"] for resource in resources if not values["labels"].items() <= resource["metadata"].get("labels", {}).items()]
    found += [f"{what}: a {kind} has not the labels" for kind in unlabelled]
    return found if len(documents) == 2 else [*found, f"{what}: there should be two configurations, and are {len(documents)}"]


def leaves(value: Any) -> Iterator[Any]:
    """The texts and numbers of a value, and the names of its members that are no words of a schema."""
    if isinstance(value, dict):
        yield from (name for name in value if "/" in name)
    for member in value.values() if isinstance(value, dict) else value if isinstance(value, list) else ():
        yield from leaves(member)
    if isinstance(value, str | int | float) and not isinstance(value, bool):
        yield value


def configurations(value: Any) -> Iterator[dict]:
    """The plugin configurations inside of a value."""
    if isinstance(value, dict):
        if value.get("version") == "v1" and "providers" in value:
            yield value
        for member in value.values():
            yield from configurations(member)
    elif isinstance(value, list):
        for item in value:
            yield from configurations(item)


def mistakes_of_refusals(helm: str) -> list[str]:
    """Values that are taken and mean nothing, or refused without a word."""
    found = []
    for values, words in REFUSED:
        outcome = run(helm, "template", "farebox", CHART, *KUBE, "--values", "-", text=json.dumps(values))
        if not outcome.returncode:
            found.append(f"{values} is taken")
        elif words not in outcome.stderr:
            found.append(f"{values}: nothing is said of {words}: {outcome.stderr}")
    return found


def main() -> int:
    farebox, *helms = sys.argv[1:]
    farebox = str(pathlib.Path(farebox).resolve())
    found = []
    with tempfile.TemporaryDirectory() as folder:
        names = {configuration for _, configuration, _ in SAME}
        charts = {name: chart_of(farebox, name, pathlib.Path(folder)) for name in sorted(names)} | {"farebox.json": CHART}
        for helm in (str(pathlib.Path(helm).resolve()) for helm in helms):
            mistakes = mistakes_of_values(farebox, helm, charts) + mistakes_of_refusals(helm)
            for chart in charts.values():
                outcome = run(helm, "lint", "--strict", *KUBE, chart)
                mistakes += [] if outcome.returncode == 0 else [outcome.stdout]
            version = run(helm, "version", "--template", "{{.Version}}").stdout.strip()
            found += [f"helm {version}: {mistake}" for mistake in mistakes]
            if not mistakes:
                print(f"  helm {version}: {len(SAME)} times the same as kustomize, {len(OPTIONS)} as farebox render; {len(REFUSED)} values are refused")
    for mistake in found:
        print(mistake, file=sys.stderr)
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
