#!/usr/bin/env python3
"""Writes envoy/farebox.json into README.md, where people read it; `--check` only compares.

The sample is wanted as a file of its own too: for `farebox check`, for `farebox render`, which makes
envoy/envoy.yaml of it, for Kubernetes and for the tests.
"""

import pathlib
import sys

FOLDER = pathlib.Path(__file__).resolve().parent
README = FOLDER.parent / "README.md"


def show(readme: str, json: str) -> str:
    """`readme` with `json` as its first block of JSON."""
    fence = "```json\n"
    start = readme.index(fence) + len(fence)
    return readme[:start] + json + readme[readme.index("```", start) :]


def main() -> int:
    before = README.read_text()
    after = show(before, (FOLDER / "farebox.json").read_text())
    if before == after:
        return 0
    if "--check" in sys.argv[1:]:
        print("README.md does not hold envoy/farebox.json: run make render", file=sys.stderr)
        return 1
    README.write_text(after)
    return 0


if __name__ == "__main__":
    sys.exit(main())
