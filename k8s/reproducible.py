#!/usr/bin/env python3
"""Builds the module a second time, in another folder and from nothing, and wants the same bytes.

Whoever gets a digest can then find out for what sources it stands. What would make it differ is above all the folder:
panics name files by their whole path, which `make build` takes out.
"""

import hashlib
import pathlib
import shutil
import subprocess
import sys
import tempfile

PROJECT = pathlib.Path(__file__).resolve().parent.parent
WASM = "target/wasm32-wasip1/release/farebox.wasm"


def main() -> int:
    listed = ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"]
    names = subprocess.run(listed, cwd=PROJECT, check=True, stdout=subprocess.PIPE).stdout.decode().split("\0")
    with tempfile.TemporaryDirectory() as place:
        # Neither as deep as the first one, nor of the same length.
        other = pathlib.Path(place, "elsewhere", "and", "deeper")
        for name in filter(None, names):
            if (PROJECT / name).is_file():
                (other / name).parent.mkdir(parents=True, exist_ok=True)
                shutil.copy(PROJECT / name, other / name)
        subprocess.run(["make", "build"], cwd=other, check=True, stdout=subprocess.DEVNULL, timeout=1_200)
        builds = [(folder / WASM).read_bytes() for folder in (PROJECT, other)]
    digests = [hashlib.sha256(build).hexdigest() for build in builds]
    if digests[0] != digests[1]:
        print(f"two builds differ: {digests[0]} here and {digests[1]} elsewhere", file=sys.stderr)
        return 1
    print(f"  {digests[0]}, here and elsewhere")
    return 0


if __name__ == "__main__":
    sys.exit(main())
