#!/usr/bin/env python3
"""Writes every manifest below k8s/ that follows from a sample configuration; `--check` only compares.

Takes the path of the `farebox` command. Nobody writes these by hand: a provider is said to Envoy, to Istio and to
Farebox, and the three have to say the same.
"""

import difflib
import pathlib
import subprocess
import sys
import tempfile

FOLDER = pathlib.Path(__file__).resolve().parent

WHOLE, HEADERS_ONLY, JWT = "k8s/farebox.json", "k8s/farebox-headers-only.json", "k8s/farebox-jwt.json"
LEDGER, IDENTITY = "k8s/farebox-ledger.json", "k8s/farebox-identity.json"
# What `farebox render` is asked for, and the folder of its answer.
MANIFESTS = {
    "istio/gateway": ["istio", WHOLE],
    "istio/jwt": ["istio", JWT],
    "istio/identity": ["istio", IDENTITY],
    "istio/sidecar": ["istio", WHOLE, "--at", "sidecar", "--namespace", "default"],
    "istio/sidecar-plugin": ["istio", HEADERS_ONLY, "--form", "wasm-plugin", "--at", "sidecar", "--namespace", "default"],
    "istio/wasm-plugin": ["istio", HEADERS_ONLY, "--form", "wasm-plugin"],
    "istio/traffic-extension": ["istio", HEADERS_ONLY, "--form", "traffic-extension"],
    "envoy-gateway/patch-policy": ["envoy-gateway", WHOLE],
    "envoy-gateway/identity": ["envoy-gateway", IDENTITY],
    "envoy-gateway/extension-policy": ["envoy-gateway", HEADERS_ONLY, "--form", "extension-policy"],
    "istio/ledger": ["istio", LEDGER],
    "envoy-gateway/ledger": ["envoy-gateway", LEDGER],
    "plain/ledger": ["plain", LEDGER],
    "plain/image-volume": ["plain", WHOLE],
    "plain/config-map": ["plain", WHOLE, "--module", "config-map"],
}

CHART = FOLDER / "helm" / "farebox"


def render(farebox: str, arguments: list[str]) -> str:
    """What the command writes."""
    command = [farebox, "render", *arguments]
    return subprocess.run(
        command, cwd=FOLDER.parent, check=True, stdout=subprocess.PIPE, text=True, timeout=60
    ).stdout


def chart(farebox: str) -> dict[pathlib.Path, str]:
    """The files of the chart."""
    with tempfile.TemporaryDirectory() as folder:
        render(farebox, ["helm", WHOLE, "--into", folder])
        files = (path for path in pathlib.Path(folder).rglob("*") if path.is_file())
        return {CHART / path.relative_to(folder): path.read_text() for path in files}


def main() -> int:
    farebox, *options = sys.argv[1:]
    farebox = str(pathlib.Path(farebox).resolve())
    wanted = {FOLDER / folder / "farebox.yaml": render(farebox, arguments) for folder, arguments in MANIFESTS.items()}
    wanted |= chart(farebox)
    there = {path: "" for path in CHART.rglob("*") if path.is_file()}
    stale = 0
    for path, text in (there | wanted).items():
        before = path.read_text() if path.exists() else ""
        if text == before:
            continue
        if "--check" not in options:
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text) if path in wanted else path.unlink()
            continue
        stale += 1
        name = str(path.relative_to(FOLDER.parent))
        lines = difflib.unified_diff(before.splitlines(True), text.splitlines(True), name, "farebox render")
        sys.stderr.writelines(list(lines)[:20])
        print(f"{name} is not what follows from its configuration: run make render", file=sys.stderr)
    return 1 if stale else 0


if __name__ == "__main__":
    sys.exit(main())
