#!/usr/bin/env python3
"""Writes envoy/farebox.json into envoy/envoy.yaml, where Envoy reads it, and into README.md, where people
do; `--check` only compares.

Envoy has no way to read a plugin's configuration from a file, and the sample is wanted as a file of its
own as well: for `farebox check`, for Kubernetes and for the tests.
"""

import pathlib
import sys

FOLDER = pathlib.Path(__file__).resolve().parent
README = FOLDER.parent / "README.md"


def embed(yaml: str, json: str) -> str:
    """`yaml` with `json` as the block scalar after the StringValue's type."""
    lines = yaml.splitlines(keepends=True)
    kind = next(at for at, line in enumerate(lines) if "google.protobuf.StringValue" in line)
    start = next(at for at, line in enumerate(lines) if at > kind and line.strip() == "value: |")
    indent = len(lines[start]) - len(lines[start].lstrip())
    end = start + 1
    while end < len(lines) and (not lines[end].strip() or lines[end].startswith(" " * (indent + 1))):
        end += 1
    block = [" " * (indent + 2) + line if line.strip() else line for line in json.splitlines(keepends=True)]
    return "".join(lines[: start + 1] + block + lines[end:])


def show(readme: str, json: str) -> str:
    """`readme` with `json` as its first block of JSON."""
    fence = "```json\n"
    start = readme.index(fence) + len(fence)
    return readme[:start] + json + readme[readme.index("```", start) :]


def main() -> int:
    json = (FOLDER / "farebox.json").read_text()
    stale = False
    for target, write in ((FOLDER / "envoy.yaml", embed), (README, show)):
        before = target.read_text()
        after = write(before, json)
        if before == after:
            continue
        if "--check" in sys.argv[1:]:
            print(f"{target.name} does not hold envoy/farebox.json: run envoy/embed.py", file=sys.stderr)
            stale = True
        else:
            target.write_text(after)
    return int(stale)


if __name__ == "__main__":
    sys.exit(main())
