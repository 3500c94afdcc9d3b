#!/usr/bin/env python3
"""Writes tests/agents/shapes anew: what each agent sends for a task of three turns, short and without whose machine it was.

Run by hand after `make agents`, when an agent's version changes. The agents talk to the script itself, so what is kept
is what they send and not what Farebox makes of it. A long text keeps its beginning and says how much more there was
("… +4000"), and a tool its name alone: the tests make them as long again, because estimates go by length.
"""

import json
import pathlib
import re
import shutil
import sys
import tempfile
from typing import Any

from agents import AGENTS
from provider import Provider
from run import PATIENCE, Run

SHAPES = pathlib.Path(__file__).resolve().parent / "shapes"
# A text keeps so many characters, and a list so many entries.
KEPT = 60
# Of the connection, or different with every key.
LEFT_OUT = {"host", "connection", "content-length", "accept-encoding", "authorization", "x-goog-api-key", "x-api-key"}
IDENTIFIERS = re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}|[0-9a-f]{64}|ses_[0-9A-Za-z]{20,}")


class Plain:
    """Puts the same placeholder wherever the same identifier stands."""

    def __init__(self, work: pathlib.Path) -> None:
        self.folder = str(work.parent)
        self.known: dict[str, int] = {}

    def text(self, text: str) -> str:
        text = text.replace(self.folder, "/home/user").replace(self.folder.replace("/", "-"), "-home-user")
        return IDENTIFIERS.sub(self.placeholder, text)

    def placeholder(self, found: re.Match) -> str:
        text = found.group()
        number = self.known.setdefault(text, len(self.known) + 1)
        if text.startswith("ses_"):
            return f"ses_{number:026}"
        return f"{number:064x}" if len(text) == 64 else f"00000000-0000-4000-8000-{number:012}"

    def value(self, value: Any, name: str = "") -> Any:
        if isinstance(value, str):
            text = self.text(value)
            # Some say who asks in a text of JSON, and that is read whole.
            whole = len(text) <= 2 * KEPT or name == "user_id"
            return text if whole else f"{text[:KEPT]}… +{len(text.encode()) - len(text[:KEPT].encode())}"
        if isinstance(value, list):
            return [self.tool(one) if name in {"tools", "functionDeclarations"} else self.value(one) for one in value]
        if isinstance(value, dict):
            return {self.text(key): self.value(one, key) for key, one in value.items()}
        return value

    def tool(self, tool: dict) -> dict:
        if "functionDeclarations" in tool:
            return self.value(tool)
        names = {key: tool[key] for key in ("type", "name") if key in tool}
        if isinstance(tool.get("function"), dict):
            names["function"] = {"name": tool["function"]["name"]}
        more = len(json.dumps(tool, separators=(",", ":")).encode()) - len(json.dumps(names, separators=(",", ":")))
        return {**names, "description": f"… +{max(more, 0)}"}


def user_agent(text: str) -> str:
    """Without the system and terminal that it names."""
    return re.sub(r"\([^)]*\)", "(Linux; x86_64)", text)


def shape(call: dict, plain: Plain) -> dict:
    headers = {name.lower(): plain.text(value) for name, value in call["headers"] if name.lower() not in LEFT_OUT}
    headers["user-agent"] = user_agent(headers["user-agent"])
    return {"path": plain.text(call["path"]), "headers": headers, "body": plain.value(call["body"])}


def main() -> int:
    SHAPES.mkdir(exist_ok=True)
    for agent in sys.argv[1:] or AGENTS:
        folder = pathlib.Path(tempfile.mkdtemp(prefix="farebox-agents-"))
        provider = Provider()
        run = Run(agent, folder, f"http://127.0.0.1:{provider.port}")
        run.finish(PATIENCE)
        run.has_done_the_task()
        plain = Plain(run.work)
        shapes = [shape(call, plain) for call in provider.calls]
        text = json.dumps(shapes, indent=1, ensure_ascii=False)
        (SHAPES / f"{agent}.json").write_text(text + "\n")
        print(f"  {agent:<12} {len(shapes)} requests, {len(text)} bytes")
        shutil.rmtree(folder)
    return 0


if __name__ == "__main__":
    sys.exit(main())
