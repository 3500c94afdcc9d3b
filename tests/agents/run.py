#!/usr/bin/env python3
"""Runs real agents against Farebox in a real Envoy, with a scripted provider behind it, and says what each did.

Started by `make agents`, which installs them; `AGENTS=aider,codex` chooses. Each agent does a task of three turns, then
meets a budget of which nothing is left, then one that others hold for a moment. The configuration is the README's
envoy/farebox.json, and every provider is the script.
"""

import contextlib
import datetime
import json
import os
import pathlib
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Callable

import yaml
from agents import AGENTS, surroundings
from provider import DONE, HANG, SPEND, WORD, Provider

PROJECT = pathlib.Path(__file__).resolve().parent.parent.parent
KEY = "fb_demo_tryit-0000000000"
SENTENCE = "Budget 'team' has no room for this request."
SECRETS = {"OPENAI_API_KEY": "stub-openai", "ANTHROPIC_API_KEY": "stub-anthropic", "GEMINI_API_KEY": "stub-gemini"}
# Models of the script by what they cost, to fill a budget down to nearly nothing.
DEAR = ("openai/o1-pro", "openai/gpt-4o", "smollm2")
CHEAP: dict = {"model": "smollm2", "max_tokens": 1}
PATIENCE = 120


class Failure(Exception):
    """What was not as it should be, in words."""


def expect(is_so: object, otherwise: str) -> None:
    if not is_so:
        raise Failure(otherwise)


def until(what: str, condition: Callable[[], object], seconds: float = 10) -> None:
    """Waits for `condition`."""
    deadline = time.monotonic() + seconds
    while not condition():
        expect(time.monotonic() < deadline, f"{what} did not come within {seconds:.0f} s")
        time.sleep(0.05)


class Gateway:
    """Envoy with Farebox and the README's configuration, in front of the script."""

    def __init__(self, folder: pathlib.Path, provider: Provider) -> None:
        self.log = folder / "access.log"
        with socket.socket() as listener, socket.socket() as admin:
            listener.bind(("127.0.0.1", 0))
            admin.bind(("127.0.0.1", 0))
            ports = (listener.getsockname()[1], admin.getsockname()[1])
        self.base = f"http://127.0.0.1:{ports[0]}"
        config = folder / "envoy.json"
        config.write_text(json.dumps(bootstrap(folder, ports, provider.port)))
        command = [str(PROJECT / ".venv/bin/envoy"), "-c", str(config), "--disable-hot-restart", "--concurrency", "1"]
        command += ["--log-level", "warning", "--file-flush-interval-msec", "50"]
        with self.log.open("wb") as log, (folder / "envoy.log").open("wb") as words:
            environment = {**os.environ, **SECRETS}
            self.process = subprocess.Popen(command, cwd=PROJECT, stdout=log, stderr=words, env=environment)
        until("Envoy", lambda: self.get("/farebox/health"), 30)

    def get(self, path: str) -> bytes | None:
        try:
            with urllib.request.urlopen(self.base + path, timeout=2) as reply:
                return reply.read()
        except OSError:
            return None

    def ask(self, words: str, **more: object) -> int:
        """The status that a call of the harness gets."""
        body = {"messages": [{"role": "user", "content": words}], **more}
        headers = {"authorization": f"Bearer {KEY}", "content-type": "application/json"}
        call = urllib.request.Request(f"{self.base}/v1/chat/completions", json.dumps(body).encode(), headers)
        try:
            with urllib.request.urlopen(call, timeout=PATIENCE) as reply:
                return reply.status
        except urllib.error.HTTPError as error:
            return error.code

    def lines(self) -> list[dict]:
        """What Envoy's log says of the calls of agents."""
        whole = self.log.read_text(errors="replace").rpartition("\n")[0]
        lines = [json.loads(line) for line in whole.splitlines()]
        return [line for line in lines if line["farebox"]["path"] != "/farebox/health"
                and line["farebox"].get("client") != "python-urllib"]

    def stop(self) -> None:
        self.process.terminate()
        with contextlib.suppress(subprocess.TimeoutExpired):
            self.process.wait(10)
        self.process.kill()


def bootstrap(folder: pathlib.Path, ports: tuple, provider: int) -> dict:
    """What `farebox render envoy` writes, on free ports and with the script as every provider."""
    config = json.loads((PROJECT / "envoy/farebox.json").read_text())
    sample = folder / "farebox.json"
    sample.write_text(json.dumps(config))
    command: list[str | pathlib.Path] = [PROJECT / "target/debug/farebox", "render", "envoy", sample]
    document = yaml.safe_load(subprocess.run(command, check=True, capture_output=True, text=True).stdout)
    document["admin"]["address"]["socket_address"]["port_value"] = ports[1]
    document["static_resources"]["listeners"][0]["address"]["socket_address"]["port_value"] = ports[0]
    for cluster in document["static_resources"]["clusters"]:
        cluster.pop("cluster_type", None)
        if cluster.pop("transport_socket", None):
            cluster.pop("typed_extension_protocol_options")
        address = {"socket_address": {"address": "127.0.0.1", "port_value": provider}}
        endpoints = [{"lb_endpoints": [{"endpoint": {"address": address}}]}]
        cluster |= {"type": "STATIC", "load_assignment": {"cluster_name": cluster["name"], "endpoints": endpoints}}
    return document


class Run:
    """One agent, started once."""

    def __init__(self, agent: str, folder: pathlib.Path, base: str) -> None:
        home, self.work = folder / "home", folder / "project"
        home.mkdir()
        self.work.mkdir()
        task = f"Write the word {WORD} into the file {self.work}/note.txt, read the file, and tell me what it has."
        self.start = AGENTS[agent](home, task, base, KEY)
        self.out = folder / "agent.log"
        self.began = time.monotonic()
        with self.out.open("wb") as out:
            self.process = subprocess.Popen(
                [str(part) for part in self.start.command],
                cwd=self.work,
                env={**surroundings(home), **self.start.environment},
                stdin=subprocess.DEVNULL,
                stdout=out,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )

    def finish(self, seconds: float) -> float:
        """How long it took. Ended here, with all that it started, if that is longer."""
        try:
            self.process.wait(seconds)
        except subprocess.TimeoutExpired:
            raise Failure(f"it still ran after {seconds:.0f} s") from None
        finally:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(self.process.pid, signal.SIGKILL)
        return time.monotonic() - self.began

    def words(self) -> str:
        """What its user read, as one line."""
        return " ".join(self.out.read_text(errors="replace").split())

    def has_done_the_task(self) -> None:
        note = self.work / "note.txt"
        expect(self.process.returncode == 0, f"it ended with {self.process.returncode}")
        expect(note.exists() and note.read_text().strip() == WORD, "the file is not what the task asks for")
        expect(DONE in self.words(), "its user did not read the last answer")


def does_a_task(run: Run, gateway: Gateway, provider: Provider) -> str:
    """Three turns and what belongs to them, all of them answered, and charged as the provider said."""
    took = run.finish(PATIENCE)
    run.has_done_the_task()
    until("the log", lambda: len(gateway.lines()) >= len(provider.calls))
    lines = gateway.lines()
    expect(all(line["status"] == 200 for line in lines), f"statuses {[line['status'] for line in lines]}")
    expect(len(lines) == len(provider.calls) >= run.start.turns, f"{len(lines)} calls")
    charged = sorted((line["farebox"]["input_tokens"], line["farebox"]["output_tokens"]) for line in lines)
    expect(charged == sorted(call["usage"] for call in provider.calls), f"charged {charged}")
    return f"{len(lines)} calls, {took:.1f} s"


def stops_where_nothing_is_left(run: Run, gateway: Gateway, provider: Provider) -> str:
    """At most three calls and ten seconds from the first of them on, and its user reads why."""
    run.finish(PATIENCE)
    ended = time.time()
    until("the log", gateway.lines)
    lines = gateway.lines()
    took = ended - min(datetime.datetime.fromisoformat(line["time"]).timestamp() for line in lines)
    told = f"{len(lines)} calls answered {sorted({line['status'] for line in lines})}, then {took:.1f} s"
    expect(SENTENCE in run.words(), f"its user did not read the sentence; {told}")
    expect(all(line["farebox"]["denied"] == "budget" for line in lines), "it met something else")
    expect(len(lines) <= 3 and took < 10, told)
    return told


def comes_again_where_others_hold_the_room(run: Run, gateway: Gateway, provider: Provider) -> str:
    """Refused at least once, it does its task as soon as there is room."""
    denials = lambda: [line for line in gateway.lines() if line["farebox"]["denied"]]
    until("a refusal", denials, PATIENCE)
    provider.release.set()
    took = run.finish(PATIENCE)
    run.has_done_the_task()
    expect({line["farebox"]["denied"] for line in denials()} == {"budget_held"}, "it met something else")
    return f"{len(denials())} calls refused, {len(gateway.lines()) - len(denials())} answered, {took:.1f} s"


def spend_everything(gateway: Gateway, provider: Provider) -> None:
    """Until nothing is left of the team's 200 dollars."""
    for _ in range(10):
        if gateway.ask(SPEND, model=DEAR[0]) != 200:
            expect(gateway.ask(SPEND, **CHEAP) != 200, "something is left")
            return
    raise Failure("the budget was never spent")


def fill(gateway: Gateway, provider: Provider) -> None:
    """Spends most of the team's money, and has calls that go on hold the rest of it."""
    expect(gateway.ask(SPEND, model=DEAR[0]) == 200, "nothing could be spent")
    sizes: list[dict] = [*({"model": model, "n": n} for model in DEAR for n in (8, 1)), CHEAP]
    for size in sizes:
        statuses: list[int] = []
        while not statuses:
            before = provider.hanging
            ask = lambda: statuses.append(gateway.ask(HANG, **size))
            threading.Thread(target=ask, daemon=True).start()
            until("an answer", lambda: statuses or provider.hanging > before)
        expect(statuses == [429], f"refused with {statuses}")


# What happens to the gateway before an agent starts, and what is looked at then: both say so if it is not as it should be.
Prepare = Callable[[Gateway, Provider], None]
Check = Callable[[Run, Gateway, Provider], str]
CASES: tuple[tuple[str, Prepare, Check], ...] = (
    ("a task of three turns", lambda *_: None, does_a_task),
    ("nothing left", spend_everything, stops_where_nothing_is_left),
    ("others hold the room", fill, comes_again_where_others_hold_the_room),
)


def one(agent: str, prepare: Prepare, check: Check, folder: pathlib.Path) -> str:
    """One agent in one case; returns what it did."""
    provider = Provider()
    gateway = Gateway(folder, provider)
    try:
        prepare(gateway, provider)
        provider.calls.clear()
        run = Run(agent, folder, gateway.base)
        try:
            return check(run, gateway, provider)
        finally:
            with contextlib.suppress(Failure):
                run.finish(0)
            record(folder / "calls.json", provider)
    finally:
        provider.release.set()
        gateway.stop()


def record(path: pathlib.Path, provider: Provider) -> None:
    """Keeps what came to the script, for who looks into a failure."""
    calls = [{**call, "answer": vars(call["answer"])} for call in provider.calls]
    path.write_text(json.dumps(calls, indent=1))


def main() -> int:
    chosen = [name for name in os.environ.get("AGENTS", "").split(",") if name] or list(AGENTS)
    if unknown := [name for name in chosen if name not in AGENTS]:
        print(f"there is no agent {', '.join(unknown)}: {', '.join(AGENTS)}", file=sys.stderr)
        return 2
    bad = 0
    runs = pathlib.Path(tempfile.mkdtemp(prefix="farebox-agents-"))
    for agent in chosen:
        for number, (case, prepare, check) in enumerate(CASES):
            folder = runs / f"{agent}-{number}"
            folder.mkdir()
            try:
                print(f"  ok    {agent:<12} {case:<22} {one(agent, prepare, check, folder)}", flush=True)
            except Failure as failure:
                bad += 1
                print(f"  NOT   {agent:<12} {case:<22} {failure}; see {folder}", flush=True)
    if not bad:
        shutil.rmtree(runs)
    return min(bad, 1)


if __name__ == "__main__":
    sys.exit(main())
