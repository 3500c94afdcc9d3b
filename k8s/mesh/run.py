"""`make mesh`: a real API server, istiod and Envoy Gateway as processes of this machine, the manifests below k8s/ applied to them as
they are, and calls through the Envoys that they configure.

    run.py [--log FILE] [FOLDER…]       folders like istio/gateway; all of them unless named
    run.py --stay FOLDER                then a shell beside the gateway, with KUBECONFIG set

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


class Report:
    """What is printed, and kept."""

    def __init__(self):
        self.lines, self.failed, self.begun = [], 0, time.monotonic()

    def say(self, text: str) -> None:
        print(text, flush=True)
        self.lines.append(text)

    def run(self, what: str, act, *arguments):
        """One thing, which holds or does not."""
        begun = time.monotonic()
        try:
            said = act(*arguments)
        except Exception as error:
            self.failed += 1
            self.say(f"  WRONG {what}: {type(error).__name__} {str(error)[:600]}")
            with (node.LOG / "wrong.log").open("a") as log:
                log.write(f"{what}\n{traceback.format_exc()}\n")
            return None
        more = f": {said}" if isinstance(said, str) and said else ""
        self.say(f"  ok    {what.replace('_', ' ')}{more} ({time.monotonic() - begun:.1f} s)")
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
    parser.add_argument("--stay", action="store_true")
    options = parser.parse_args()
    node.enter()
    node.prepare()
    report = Report()
    report.say(versions())
    api.start()
    report.say(f"an API server with {api.definitions()} kinds of Istio's, Envoy Gateway's and the Gateway API's")
    world = plans.World(outside.providers())
    wanted = {folder.split("/")[0] for folder in options.folders}
    if "istio" in wanted:
        istiod.configure()
        world.mesh = istiod.start()
    if "envoy-gateway" in wanted:
        envoy_gateway.configure()
        world.gateways = envoy_gateway.start()
    for folder in manifests.ALL if options.folders == manifests.ALL else options.folders:
        report.run(f"{folder} is taken", manifests.check, folder)
    for folder in options.folders:
        if folder in plans.PLANS:
            report.say(f"{folder}:")
            report.run(folder, plans.PLANS[folder], world, report, folder)
            if options.stay:
                os.environ["KUBECONFIG"] = str(api.KUBECONFIG)
                os.environ["PATH"] = f"{node.BIN}:{os.environ['PATH']}"
                subprocess.run([os.environ.get("SHELL", "bash")], check=False)
                return 0
            world.clear()
    report.say(f"{report.failed} wrong, in {time.monotonic() - report.begun:.0f} s")
    if options.log:
        with open(options.log, "w") as log:
            log.write("\n".join(report.lines) + "\n")
    return 1 if report.failed else 0


if __name__ == "__main__":
    sys.exit(main())
