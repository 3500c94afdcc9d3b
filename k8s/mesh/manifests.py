"""The folders below k8s/ as somebody applies them who has done what k8s/README.md says: an image of their own, and a caller's key.

Both are put into the text that kustomize builds, in the place of the image that nobody has and the key that is nobody's. Nothing
else is changed.
"""

import api
import yaml
from calls import KEY
from node import PROJECT
from outside import sha256

NOBODYS_KEY = f'"{"0" * 64}"'
NOBODYS_IMAGE = f"registry.example.com/farebox@sha256:{'0' * 64}"
FOLDERS = {
    "istio": ["gateway", "jwt", "ledger", "sidecar", "wasm-plugin", "traffic-extension", "sidecar-plugin"],
    "envoy-gateway": ["patch-policy", "extension-policy", "ledger"],
    "plain": ["image-volume", "config-map", "ledger"],
    "ledger": ["valkey"],
}
ALL = [f"{host}/{folder}" for host, folders in FOLDERS.items() for folder in folders]


def built(folder: str, image: str = NOBODYS_IMAGE) -> list[dict]:
    """Every resource of a folder."""
    text = api.kubectl("kustomize", PROJECT / "k8s" / folder)
    text = text.replace(NOBODYS_KEY, f'"{sha256(KEY)}"').replace(NOBODYS_IMAGE, image)
    return list(yaml.safe_load_all(text))


def namespace_of(resources: list[dict]) -> str:
    """The one that they are in."""
    return next(one["metadata"]["namespace"] for one in resources if "namespace" in one["metadata"])


def check(folder: str) -> str:
    """Has the API server look at a folder, strictly, without keeping it. Returns what it warns of."""
    resources = built(folder)
    api.namespace(namespace_of(resources))
    warnings = []
    for how in (["--dry-run=server"], ["--server-side", "--dry-run=server"]):
        said = api.kubectl("apply", "-f", "-", "--validate=strict", *how, data=resources)
        warnings += [line for line in said.splitlines() if "Warning" in line]
    return "; ".join(warnings)


def apply(resources: list[dict]) -> None:
    """As an operator does."""
    api.namespace(namespace_of(resources))
    api.kubectl("apply", "--server-side", "--force-conflicts", "-f", "-", data=resources)


def remove(resources: list[dict]) -> None:
    """Takes away all but the namespace, which nobody here would clean up."""
    kept = [one for one in resources if one["kind"] != "Namespace"]
    api.kubectl("delete", "--ignore-not-found", "--wait=false", "-f", "-", data=kept)


def change(value, old: str, new: str):
    """The same with another text in the place of one in it."""
    if isinstance(value, str):
        return value.replace(old, new)
    if isinstance(value, dict):
        return {key: change(member, old, new) for key, member in value.items()}
    return [change(item, old, new) for item in value] if isinstance(value, list) else value
