"""How each agent is set up with Farebox and started without a person in front of it.

The lines that point an agent at Farebox are those of docs/clients.md. The rest keeps it quiet: no updates, no
statistics, no question whether a tool may run. Each gets a home and a folder of its own.
"""

import dataclasses
import json
import os
import pathlib

from provider import WORD

INSTALLED = pathlib.Path(__file__).resolve().parent.parent.parent / ".tools/agents"
NODE = INSTALLED / "node_modules"


@dataclasses.dataclass
class Start:
    """A command, and what its environment has besides the usual."""

    command: list[str | pathlib.Path]
    environment: dict
    # Calls of the task: for tools, or for edits and their tests. Agents make others beside them.
    turns: int = 3


def write(path: pathlib.Path, text: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)


def claude_code(home: pathlib.Path, task: str, base: str, key: str) -> Start:
    environment = {"ANTHROPIC_BASE_URL": base, "ANTHROPIC_AUTH_TOKEN": key}
    environment["CLAUDE_CODE_DISABLE_NONESSENTIAL_TRAFFIC"] = "1"
    binary = NODE / "@anthropic-ai/claude-code-linux-x64/claude"
    return Start([binary, "-p", task, "--allowedTools", "Write,Read"], environment)


def codex(home: pathlib.Path, task: str, base: str, key: str) -> Start:
    write(
        home / ".codex/config.toml",
        f"""model = "gpt-5.5"
model_provider = "farebox"

[model_providers.farebox]
name = "Farebox"
base_url = "{base}/v1"
env_key = "FAREBOX_KEY"
wire_api = "responses"
""",
    )
    command = ["exec", "--skip-git-repo-check", "--dangerously-bypass-approvals-and-sandbox", task]
    return Start([NODE / ".bin/codex", *command], {"FAREBOX_KEY": key})


def gemini_cli(home: pathlib.Path, task: str, base: str, key: str) -> Start:
    settings = {
        "security": {"auth": {"selectedType": "gemini-api-key"}},
        "privacy": {"usageStatisticsEnabled": False},
        "general": {"enableAutoUpdate": False},
    }
    write(home / ".gemini/settings.json", json.dumps(settings))
    environment = {"GOOGLE_GEMINI_BASE_URL": base, "GEMINI_API_KEY": key, "GEMINI_CLI_TRUST_WORKSPACE": "true"}
    return Start([NODE / ".bin/gemini", "-p", task, "--approval-mode", "yolo"], environment)


def opencode(home: pathlib.Path, task: str, base: str, key: str) -> Start:
    provider = {
        "npm": "@ai-sdk/openai-compatible",
        "name": "Farebox",
        "options": {"baseURL": f"{base}/v1", "apiKey": "{env:FAREBOX_KEY}"},
        "models": {"gpt-5.5": {}},
    }
    settings = {"provider": {"farebox": provider}, "model": "farebox/gpt-5.5", "autoupdate": False}
    write(home / ".config/opencode/opencode.json", json.dumps({**settings, "permission": "allow"}))
    environment = {"FAREBOX_KEY": key, "OPENCODE_DISABLE_MODELS_FETCH": "1", "OPENCODE_DISABLE_LSP_DOWNLOAD": "1"}
    return Start([NODE / "opencode-linux-x64/bin/opencode", "run", task], environment)


def aider(home: pathlib.Path, task: str, base: str, key: str) -> Start:
    test = f"grep {WORD} note.txt"
    command = ["--model", "openai/gpt-5.5", "--edit-format", "diff", "--yes-always"]
    command += ["--auto-test", "--test-cmd", test, "--no-check-update", "--no-show-release-notes", "--analytics-disable"]
    command += ["--no-auto-commits", "--no-git", "--no-show-model-warnings", "--no-browser", "--message", task, "note.txt"]
    environment = {"OPENAI_API_BASE": f"{base}/v1", "OPENAI_API_KEY": key, "LITELLM_LOCAL_MODEL_COST_MAP": "True"}
    return Start([INSTALLED / "aider/bin/aider", *command], environment)


AGENTS = {"claude-code": claude_code, "codex": codex, "gemini-cli": gemini_cli, "opencode": opencode, "aider": aider}


def surroundings(home: pathlib.Path) -> dict:
    """What every agent's environment has: nothing of who runs this."""
    path = os.environ["PATH"]
    return {"HOME": str(home), "PATH": path, "TERM": "dumb", "LANG": "C.UTF-8", "NO_COLOR": "1", "COLUMNS": "200"}
