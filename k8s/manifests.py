#!/usr/bin/env python3
"""Writes every manifest below k8s/ that follows from a sample configuration; `--check` only compares.

Takes the path of the `farebox` command. Nobody writes these by hand: a provider is said to Envoy, to Istio and to
Farebox, and the three have to say the same.
"""

import difflib
import pathlib
import subprocess
import sys

FOLDER = pathlib.Path(__file__).resolve().parent

WHOLE, HEADERS_ONLY, JWT = "k8s/farebox.json", "k8s/farebox-headers-only.json", "k8s/farebox-jwt.json"
LEDGER = "k8s/farebox-ledger.json"
# What `farebox render` is asked for, and the folder of its answer.
MANIFESTS = {
    "istio/gateway": ["istio", WHOLE],
    "istio/jwt": ["istio", JWT],
    "istio/sidecar": ["istio", WHOLE, "--at", "sidecar", "--namespace", "default"],
    "istio/sidecar-plugin": ["istio", HEADERS_ONLY, "--form", "wasm-plugin", "--at", "sidecar", "--namespace", "default"],
    "istio/wasm-plugin": ["istio", HEADERS_ONLY, "--form", "wasm-plugin"],
    "istio/traffic-extension": ["istio", HEADERS_ONLY, "--form", "traffic-extension"],
    "envoy-gateway/patch-policy": ["envoy-gateway", WHOLE],
    "envoy-gateway/extension-policy": ["envoy-gateway", HEADERS_ONLY, "--form", "extension-policy"],
    "istio/ledger": ["istio", LEDGER],
    "envoy-gateway/ledger": ["envoy-gateway", LEDGER],
    "plain/ledger": ["plain", LEDGER],
    "plain/image-volume": ["plain", WHOLE],
    "plain/config-map": ["plain", WHOLE, "--module", "config-map"],
}


def render(farebox: str, arguments: list[str]) -> str:
    """What the command writes."""
    command = [farebox, "render", *arguments]
    return subprocess.run(
        command, cwd=FOLDER.parent, check=True, stdout=subprocess.PIPE, text=True, timeout=60
    ).stdout


def main() -> int:
    farebox, *options = sys.argv[1:]
    farebox = str(pathlib.Path(farebox).resolve())
    stale = 0
    for folder, arguments in MANIFESTS.items():
        path = FOLDER / folder / "farebox.yaml"
        text = render(farebox, arguments)
        before = path.read_text() if path.exists() else ""
        if text == before:
            continue
        if "--check" not in options:
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text)
            continue
        stale += 1
        name = str(path.relative_to(FOLDER.parent))
        lines = difflib.unified_diff(before.splitlines(True), text.splitlines(True), name, "farebox render")
        sys.stderr.writelines(list(lines)[:20])
        print(f"{name} is not what follows from {arguments[1]}: run make render", file=sys.stderr)
    return 1 if stale else 0


if __name__ == "__main__":
    sys.exit(main())
