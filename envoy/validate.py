#!/usr/bin/env python3
"""Has the real Envoy check what `farebox render envoy` makes of envoy/farebox.json and of every sample, and a copy
with mistakes that it must refuse.

Takes the path of the `farebox` command. `envoy --mode validate` runs the filter with its configuration, so this
checks both. The last part shows what an operator sees of a mistake: the place of it, as a JSON path.
"""

import json
import os
import pathlib
import re
import shutil
import subprocess
import sys

import yaml

PROJECT = pathlib.Path(__file__).resolve().parent.parent
ENVOY = PROJECT / ".venv/bin/envoy"
RUN = PROJECT / ".run/validate"
TOKEN = RUN / "gcp-token.json"

# Written in C, where there is one: these are long.
LOADER = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
DUMPER = getattr(yaml, "CSafeDumper", yaml.SafeDumper)
# Of a line: none is broken.
WIDTH = 1_000_000

# A key that does not exist, and a name that does not: both have to be told in one go.
MISTAKES = (('"team": "search"}', '"teem": "search"}'), ('"smollm2": [{"provider": "local"', '"smollm2": [{"provider": "lokal"'))
PLACES = ("keys[0].teem", "models.smollm2[0].provider")


def render(farebox: str, sample: pathlib.Path) -> str:
    """The Envoy configuration that follows from `sample`."""
    command: list[str | pathlib.Path] = [farebox, "render", "envoy", sample.relative_to(PROJECT), "--gcp-token", TOKEN.relative_to(PROJECT)]
    return subprocess.run(command, cwd=PROJECT, check=True, stdout=subprocess.PIPE, text=True, timeout=60).stdout


def assembled(farebox: str, sample: pathlib.Path) -> str:
    """The files that a running Envoy takes over, as the one configuration that they make together: Envoy does not look
    into such files when it validates."""
    folder = RUN / "dynamic"
    shutil.rmtree(folder, ignore_errors=True)
    command: list[str | pathlib.Path] = [farebox, "render", "envoy", sample.relative_to(PROJECT), "--gcp-token", TOKEN.relative_to(PROJECT)]
    subprocess.run([*command, "--dynamic", folder], cwd=PROJECT, check=True, stdout=subprocess.DEVNULL, timeout=60)
    # Each has to be a document by itself.
    bootstrap, listeners, clusters = (
        yaml.load((folder / f"{name}.yaml").read_text(), LOADER) for name in ("envoy", "lds", "cds")
    )
    del bootstrap["dynamic_resources"]
    resources = {"listeners": listeners["resources"], "clusters": clusters["resources"]}
    for resource in (*resources["listeners"], *resources["clusters"]):
        del resource["@type"]
    bootstrap["static_resources"] = bootstrap.get("static_resources", {}) | resources
    return yaml.dump(bootstrap, Dumper=DUMPER, default_flow_style=None, width=WIDTH)


def together(texts: list[str]) -> str:
    """One configuration with the listeners and clusters of all: Envoy compiles the filter for seconds, once a process."""
    # Whose machines have one name would share the variables of the first of them.
    configurations = [
        yaml.load(text.replace("vm_id: farebox", f"vm_id: farebox-{number}"), LOADER) for number, text in enumerate(texts)
    ]
    whole = configurations[0]
    merged: dict[str, list] = {"listeners": [], "clusters": [], "secrets": []}
    names: set[str] = set()
    port = 20_000
    for number, configuration in enumerate(configurations):
        resources = configuration["static_resources"]
        # What differs by name alone is kept under another one, for Envoy to see all of it.
        for kind, members in merged.items():
            for member in resources.get(kind, []):
                if member not in members:
                    member["name"] += f"-{number}" * (f"{kind} {member['name']}" in names)
                    names.add(f"{kind} {member['name']}")
                    members.append(member)
    for listener in merged["listeners"]:
        listener["address"]["socket_address"]["port_value"] = port = port + 1
    whole["static_resources"] |= merged
    for configuration in configurations[1:]:
        for key, value in configuration.items():
            whole.setdefault(key, value)
    return yaml.dump(whole, Dumper=DUMPER, default_flow_style=None, width=WIDTH)


def validate(name: str, text: str) -> subprocess.CompletedProcess[str]:
    """Envoy's verdict on `text`; everything it says is in `stdout`."""
    config = RUN / f"{name}.yaml"
    config.write_text(text)
    # Secrets that are as good as any other: nothing is sent.
    names = re.findall(r"host_env_keys: \[(.*)\]", text)
    variables = {variable: "dummy" for found in names for variable in found.split(", ") if variable}
    return subprocess.run(
        [ENVOY, "--mode", "validate", "--log-level", "error", "--log-format", "%v", "-c", config],
        cwd=PROJECT,
        env={**os.environ, **variables, "AZURE_CLIENT_SECRET": "dummy"},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=60,
        check=False,
    )


def main() -> int:
    farebox = str(pathlib.Path(sys.argv[1]).resolve())
    RUN.mkdir(parents=True, exist_ok=True)
    secret = {"name": "gcp", "generic_secret": {"secret": {"inline_string": "dummy"}}}
    secret["@type"] = "type.googleapis.com/envoy.extensions.transport_sockets.tls.v3.Secret"
    TOKEN.write_text(json.dumps({"resources": [secret]}))

    main_sample = PROJECT / "envoy/farebox.json"
    samples = [main_sample, *sorted((PROJECT / "envoy/samples").glob("*.json"))]
    texts = [(sample, text) for sample in samples for text in (render(farebox, sample), assembled(farebox, sample))]
    if validate("all", together([text for _, text in texts])).returncode != 0:
        for sample, text in texts:
            verdict = validate(sample.stem, text)
            if verdict.returncode != 0:
                print(f"Envoy refuses what {sample.relative_to(PROJECT)} becomes:\n{verdict.stdout}", file=sys.stderr)
                return 1
        print("Envoy refuses all samples together, and none of them alone", file=sys.stderr)
        return 1
    print(f"  what {len(samples)} samples become is accepted, as one file and as several")

    broken = render(farebox, main_sample)
    for right, wrong in MISTAKES:
        broken = broken.replace(right, wrong)
    verdict = validate("broken", broken)
    missing = [place for place in PLACES if place not in verdict.stdout]
    if verdict.returncode == 0 or missing:
        places = ", ".join(missing or PLACES)
        print(f"Envoy should refuse {RUN.relative_to(PROJECT)}/broken.yaml and name {places}:", file=sys.stderr)
        print(verdict.stdout, file=sys.stderr)
        return 1
    print("  a configuration with mistakes is refused:")
    print("".join(f"    {line}\n" for line in verdict.stdout.splitlines() if line.strip()), end="")
    return 0


if __name__ == "__main__":
    sys.exit(main())
