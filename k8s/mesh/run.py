"""`make mesh`: a real API server, istiod and Envoy Gateway as processes of this machine, the manifests below k8s/ applied to them as
they are, and calls through the Envoys that they configure.

    run.py [--log FILE] [--record] [FOLDER…]     folders like istio/gateway; all of them unless named
    run.py --stay FOLDER                         then a shell beside the gateway, with KUBECONFIG set

What it takes to build is said by build.sh. Nothing of the machine is changed: see node.py.
"""

import argparse
import os
import subprocess
import sys
import time
import traceback

import api
import envoy_gateway
import istiod
import manifests
import node
import outside
import plans
import pod
from matrix import Matrix


class Report:
    """What is printed, and kept."""

    def __init__(self):
        self.lines, self.failed, self.begun = [], 0, time.monotonic()
        self.matrix, self.folder = Matrix(), ""
        self.parts: list[str] = []

    def say(self, text: str) -> None:
        print(text, flush=True)
        self.lines.append(text)

    def run(self, act, *arguments, name: str = ""):
        """One thing, which holds or does not. Returns what it does, or nothing."""
        begun = time.monotonic()
        what = (name or act.__name__).replace("_", " ")
        if self.parts and not name and not any(part in act.__name__ for part in self.parts):
            return None
        try:
            said = act(*arguments)
        except Exception as error:
            self.failed += 1
            self.say(f"  WRONG {what}: {type(error).__name__} {str(error)[:600]}")
            with (node.LOG / "wrong.log").open("a") as log:
                log.write(f"{self.folder} {what}\n{traceback.format_exc()}\n")
            self.matrix.add(self.folder, act.__name__, False)
            return None
        more = f": {said}" if isinstance(said, str) and said else ""
        self.say(f"  ok    {what}{more} ({time.monotonic() - begun:.1f} s)")
        self.matrix.add(self.folder, act.__name__, True)
        return said


def versions() -> str:
    """What is run here."""
    pins = (node.PROJECT / "k8s/mesh/versions").read_text().splitlines()
    said = subprocess.run([pod.ENVOY, "--version"], check=False, stdout=subprocess.PIPE, text=True).stdout
    envoy = said.split("version: ")[-1].split("/")[1]
    return ", ".join([*(line for line in pins if "=" in line), f"ENVOY={envoy}"])


def main() -> int:
    parser = argparse.ArgumentParser()
    parser.add_argument("folders", nargs="*", default=manifests.ALL)
    parser.add_argument("--log")
    parser.add_argument("--record", action="store_true")
    parser.add_argument("--part", action="append", help="only cases with this in their name")
    parser.add_argument("--stay", action="store_true")
    options = parser.parse_args()
    node.enter()
    node.prepare()
    report = Report()
    report.parts = options.part or []
    report.say(versions())
    api.start()
    report.say(f"an API server with {api.definitions()} kinds of Istio's, Envoy Gateway's and the Gateway API's")
    world = plans.World(outside.providers())
    wanted = {folder.split("/")[0] for folder in options.folders}
    if "istio" in wanted:
        istiod.configure()
        world.planes["istio"] = node.Service(istiod.start)
    if "envoy-gateway" in wanted:
        envoy_gateway.configure()
        world.planes["envoy-gateway"] = node.Service(envoy_gateway.start)
    for folder in manifests.ALL if options.folders == manifests.ALL else options.folders:
        report.run(manifests.check, folder, name=f"{folder} is taken")
    looked_at = [folder for folder in options.folders if folder != "ledger/valkey"]
    for folder in looked_at:
        report.folder = folder
        report.say(f"{folder}:")
        begun = time.monotonic()
        try:
            with plans.look_at(world, report, folder, options.record):
                if options.stay:
                    os.environ["KUBECONFIG"] = str(api.KUBECONFIG)
                    os.environ["PATH"] = f"{node.BIN}:{os.environ['PATH']}"
                    subprocess.run([os.environ.get("SHELL", "bash")], check=False)
                    return 0
        except plans.NothingRuns:
            report.say("  nothing more can be asked of it")
        for column in report.matrix.missing(folder) if not report.parts else []:
            report.failed += 1
            report.say(f"  WRONG nobody has asked: {column}")
        report.say(f"  {time.monotonic() - begun:.0f} s")
    for line in report.matrix.table(looked_at):
        report.say(line)
    report.say(f"{report.failed} wrong, in {time.monotonic() - report.begun:.0f} s")
    if options.log:
        with open(options.log, "w") as log:
            log.write("\n".join(report.lines) + "\n")
    return 1 if report.failed else 0


if __name__ == "__main__":
    sys.exit(main())
