#!/usr/bin/env python3
"""Runs Farebox for a first look: a small language model, Envoy with the filter, and requests to paste.

Started by `make run`. Both run as children until Ctrl-C, SIGTERM or the end of one of them, and end with
this program whatever ends it. Their ports can be changed: FAREBOX_PORT, FAREBOX_ADMIN_PORT and
FAREBOX_LLM_PORT; envoy/envoy.yaml is used as it is unless it has to differ, then `farebox` writes another in .run/.
"""

import ctypes
import json
import os
import pathlib
import signal
import socket
import ssl
import subprocess
import sys
import threading
import time
import urllib.error
import urllib.request

PROJECT = pathlib.Path(__file__).resolve().parent.parent
RUN = PROJECT / ".run"
KEY = "fb_demo_tryit-0000000000"
# What envoy/envoy.yaml says, and the variable that changes it.
PORTS = {"FAREBOX_PORT": 10000, "FAREBOX_ADMIN_PORT": 9901, "FAREBOX_LLM_PORT": 8081}
CA_BUNDLE = "/etc/ssl/certs/ca-certificates.crt"
CA_ELSEWHERE = ("/etc/pki/tls/certs/ca-bundle.crt", "/etc/ssl/cert.pem", "/etc/ssl/ca-bundle.pem")


class Failure(Exception):
    """What ends the run, in words for whoever started it."""


class Child:
    """A program of ours that has to live as long as we do."""

    def __init__(self, name: str, command: list, show_output: bool = False) -> None:
        self.name = name
        self.log = RUN / f"{name}.log"
        with self.log.open("wb") as log:
            self.process = subprocess.Popen(
                command,
                cwd=PROJECT,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE if show_output else log,
                stderr=log,
                # Ctrl-C in a terminal reaches a whole group of processes. Ours are stopped by us, in order.
                start_new_session=True,
                preexec_fn=end_with_parent,
            )

    def ended(self) -> bool:
        """Whether it has ended; it should not have."""
        return self.process.poll() is not None

    def last_words(self) -> str:
        """The end of its log."""
        lines = self.log.read_text(errors="replace").strip().splitlines()[-15:]
        return "".join(f"\n    {line}" for line in lines)

    def stop(self) -> None:
        """Ends it, politely first."""
        for ask, patience in ((self.process.terminate, 5), (self.process.kill, 5)):
            if self.ended():
                return
            ask()
            try:
                self.process.wait(patience)
            except subprocess.TimeoutExpired:
                continue


def end_with_parent() -> None:
    """Has Linux end this child when we are killed and cannot do it ourselves."""
    if sys.platform == "linux":
        pr_set_pdeathsig = 1
        ctypes.CDLL(None).prctl(pr_set_pdeathsig, signal.SIGTERM)


def chosen_ports() -> dict[str, int]:
    """The ports to use, every one of them free."""
    ports = {}
    for variable, default in PORTS.items():
        text = os.environ.get(variable) or str(default)
        if not (text.isdecimal() and 0 < int(text) < 65536):
            raise Failure(f"{variable}={text} is not a port")
        ports[variable] = port = int(text)
        with socket.socket() as probe:
            # Not disturbed by connections that have just ended. Envoy itself would not notice another
            # Envoy on its port and share the connections with it.
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind(("127.0.0.1", port))
            except OSError as error:
                reason = (error.strerror or str(error)).lower()
                raise Failure(f"port {port} cannot be used, {reason}: choose another with {variable}") from error
    if len(set(ports.values())) < len(ports):
        raise Failure(f"the ports have to differ: {', '.join(f'{name}={port}' for name, port in ports.items())}")
    return ports


def envoy_config(ports: dict[str, int]) -> pathlib.Path:
    """envoy/envoy.yaml, or what is written for these ports and this system's CA bundle."""
    candidates = (CA_BUNDLE, ssl.get_default_verify_paths().cafile, *CA_ELSEWHERE)
    bundle = next((path for path in candidates if path and pathlib.Path(path).exists()), None)
    if bundle is None:
        raise Failure(f"no bundle of CA certificates found, neither {CA_BUNDLE} nor {', '.join(CA_ELSEWHERE)}")
    if (ports, bundle) == (PORTS, CA_BUNDLE):
        return PROJECT / "envoy/envoy.yaml"
    plugin = json.loads((PROJECT / "envoy/farebox.json").read_text())
    plugin["providers"]["local"]["endpoints"] = [f"http://127.0.0.1:{ports['FAREBOX_LLM_PORT']}"]
    command = ["cargo", "run", "--quiet", "-p", "farebox-cli", "--", "render", "envoy", "-", "--ca", bundle]
    command += ["--address", f"127.0.0.1:{ports['FAREBOX_PORT']}", "--admin", f"127.0.0.1:{ports['FAREBOX_ADMIN_PORT']}"]
    config = RUN / "envoy.yaml"
    with config.open("w") as file:
        written = subprocess.run(command, cwd=PROJECT, input=json.dumps(plugin), stdout=file, text=True, check=False)
    if written.returncode != 0:
        raise Failure("envoy.yaml could not be written for these ports")
    return config


def wait_for(child: Child, url: str, seconds: float) -> None:
    """Returns when `url` answers 200."""
    deadline = time.monotonic() + seconds
    answer = "nothing"
    while time.monotonic() < deadline:
        if child.ended():
            raise Failure(f"the {child.name} ended before it answered. Its last words:{child.last_words()}")
        try:
            with urllib.request.urlopen(url, timeout=2):
                return
        except urllib.error.HTTPError as error:
            answer = f"status {error.code}"
        except OSError:
            pass
        time.sleep(0.1)
    words = f"Last words of the {child.name}:{child.last_words()}"
    raise Failure(f"{url} gave {answer} for {seconds:.0f} seconds. {words}")


def show_access_log(envoy: Child) -> None:
    """Copies Envoy's access log to the screen and to .run/access.log."""
    output = envoy.process.stdout
    assert output is not None, "a child is started with a pipe"

    def copy() -> None:
        with (RUN / "access.log").open("wb") as file:
            for line in output:
                file.write(line)
                file.flush()
                if b'"path":"/farebox/health"' in line:  # our own question whether Envoy answers
                    continue
                print(line.decode(errors="replace"), end="", flush=True)

    threading.Thread(target=copy, daemon=True).start()


def explain(ports: dict[str, int]) -> str:
    """What can be done now."""
    base = f"http://127.0.0.1:{ports['FAREBOX_PORT']}"
    model = json.loads((PROJECT / "envoy/farebox.json").read_text())["default_model"]
    curl = f"curl -s {base}/v1/chat/completions -H 'authorization: Bearer {KEY}' -H 'content-type: application/json'"

    def body(question: str, **more: object) -> str:
        messages = [{"role": "user", "content": question}]
        return json.dumps({"model": model, "max_tokens": 40, "messages": messages, **more})

    def provider(name: str, variable: str) -> str:
        live = os.environ.get(variable, "").strip()
        return f"  {name:<10} {'live' if live else 'off'}: {variable} is {'set' if live else 'not set'}"

    return "\n".join(
        (
            f"Farebox answers on {base}. Providers:",
            "  local      live: SmolLM2 with 135 million parameters, on this machine",
            provider("openai", "OPENAI_API_KEY"),
            provider("anthropic", "ANTHROPIC_API_KEY"),
            provider("google", "GEMINI_API_KEY"),
            "",
            "A chat, the same as a stream, what this key has spent so far, and what was counted (nothing before a request):",
            "",
            f"{curl} -d '{body('What is a turnstile?')}'",
            "",
            curl.replace("-s", "-sN", 1) + f" -d '{body('Count to five.', stream=True)}'",
            "",
            f"curl -s {base}/farebox/usage -H 'authorization: Bearer {KEY}'",
            "",
            # With the `_`, because Envoy's own metrics of the listener are called `farebox.` too.
            f"curl -s 'http://127.0.0.1:{ports['FAREBOX_ADMIN_PORT']}/stats/prometheus?filter=farebox_'",
            "",
            f"Claude Code, Codex, Gemini CLI, opencode, aider, SDKs: docs/client-setup.md has what to set; the key is {KEY}.",
            "Each request is a line below and in .run/access.log. Ctrl-C stops everything.",
            "",
        )
    )


def run(children: list[Child]) -> None:
    """Starts everything and returns when something has ended that should not have."""
    RUN.mkdir(exist_ok=True)
    ports = chosen_ports()
    config = envoy_config(ports)

    print("· starting the model", flush=True)
    model = Child("model", [sys.executable, PROJECT / "envoy/small_model.py", str(ports["FAREBOX_LLM_PORT"])])
    children.append(model)
    wait_for(model, f"http://127.0.0.1:{ports['FAREBOX_LLM_PORT']}/health", 60)

    print("· starting Envoy", flush=True)
    command = [PROJECT / ".venv/bin/envoy", "-c", config]
    command += ["--log-level", "warning", "--component-log-level", "wasm:info"]
    # Hot restart would need a region of shared memory that another Envoy here may already have. The access
    # log would otherwise wait ten seconds for company.
    command += ["--disable-hot-restart", "--file-flush-interval-msec", "100"]
    envoy = Child("envoy", command, show_output=True)
    children.append(envoy)
    show_access_log(envoy)
    wait_for(envoy, f"http://127.0.0.1:{ports['FAREBOX_PORT']}/farebox/health", 30)

    print(f"\n{explain(ports)}", flush=True)
    while True:
        time.sleep(0.5)
        for child in children:
            if child.ended():
                raise Failure(f"the {child.name} has ended. Its last words:{child.last_words()}")


def interrupted(*_: object) -> None:
    """SIGTERM is treated like Ctrl-C."""
    raise KeyboardInterrupt


def main(run=run) -> int:
    signal.signal(signal.SIGTERM, interrupted)
    if signal.getsignal(signal.SIGHUP) is not signal.SIG_IGN:  # nohup
        signal.signal(signal.SIGHUP, interrupted)
    children: list[Child] = []
    try:
        run(children)
    except KeyboardInterrupt:
        print("\nstopping", flush=True)
    except Failure as failure:
        print(f"farebox: {failure}", file=sys.stderr)
        return 1
    finally:
        # From here on nothing may interrupt us, or a child could be left behind.
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            signal.signal(number, signal.SIG_IGN)
        for child in reversed(children):
            child.stop()
    return 0


if __name__ == "__main__":
    sys.exit(main())
