#!/usr/bin/env python3
"""Has the real Envoy check envoy/envoy.yaml, and a copy with mistakes that it must refuse.

`envoy --mode validate` runs the filter with its configuration, so this checks both. The second half shows
what an operator sees of a mistake: the place of it, as a JSON path.
"""

import pathlib
import subprocess
import sys

from embed import embed

PROJECT = pathlib.Path(__file__).resolve().parent.parent
ENVOY = PROJECT / ".venv/bin/envoy"

# A key that does not exist, and a name that does not: both have to be told in one go.
BROKEN = """{
  "version": "v1",
  "keys": [{"id": "demo", "sha256": "%s", "teem": "search"}],
  "providers": {"local": {"dialect": "openai", "cluster": "local"}},
  "models": {"small": [{"provider": "lokal"}]}
}
""" % ("0" * 64)
PLACES = ("keys[0].teem", "models.small[0].provider")


def validate(config: pathlib.Path) -> subprocess.CompletedProcess[str]:
    """Envoy's verdict; everything it says is in `stdout`."""
    return subprocess.run(
        [ENVOY, "--mode", "validate", "--log-level", "error", "--log-format", "%v", "-c", config],
        cwd=PROJECT,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=60,
    )


def main() -> int:
    sample = PROJECT / "envoy/envoy.yaml"
    verdict = validate(sample)
    if verdict.returncode != 0:
        print(f"Envoy refuses envoy/envoy.yaml:\n{verdict.stdout}", file=sys.stderr)
        return 1
    print("  envoy/envoy.yaml is accepted")

    broken = PROJECT / ".run/broken.yaml"
    broken.parent.mkdir(exist_ok=True)
    broken.write_text(embed(sample.read_text(), BROKEN))
    verdict = validate(broken)
    missing = [place for place in PLACES if place not in verdict.stdout]
    if verdict.returncode == 0 or missing:
        places = ", ".join(missing or PLACES)
        print(f"Envoy should refuse {broken.relative_to(PROJECT)} and name {places}:", file=sys.stderr)
        print(verdict.stdout, file=sys.stderr)
        return 1
    print("  a configuration with mistakes is refused:")
    print("".join(f"    {line}\n" for line in verdict.stdout.splitlines() if line.strip()), end="")
    return 0


if __name__ == "__main__":
    sys.exit(main())
