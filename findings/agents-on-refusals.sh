#!/usr/bin/env bash
# How often do programs come again when a call is refused, before they give up or within 20 seconds? Five of them, ten refusals.
#
# Guessed right: OpenAI's SDK and the AI SDK call once for what begins with 4, but for 429, and three times for 429 and 503;
#   OpenAI's SDK obeys `x-should-retry: false`; aider and opencode go on for 429 and 503; Codex gives up at once for 429.
# Guessed wrong: that all take 401, 402, 403, 404 and 413 for final. Codex makes six calls for each of them; aider stops at 401
#   and 404, and goes on for 402, 403 and 413, waiting twice as long each time. 400 alone is final for all. That Codex makes five
#   calls for 503: it makes five again and again, some 25 in 20 seconds. That aider makes six for 429 and 503: it makes some 18.
# Not guessed: a 429 that has `retry-after` is six calls of Codex instead of one. opencode asks again for 413, once. The AI SDK
#   and opencode do not look at `x-should-retry: false`, and aider calls again where the SDK in it obeys.
# Therefore: 400 alone ends a call for every agent, and `retry-after` can make more calls of a 429 instead of fewer.
set -euo pipefail
folder=$(mktemp -d); trap 'rm -rf "$folder"' EXIT; cd "$folder"
python3 -m venv openai
openai/bin/pip --quiet --disable-pip-version-check install openai==3.57.0
python3 -m venv aider
aider/bin/pip --quiet --disable-pip-version-check install aider-chat==0.86.2
npm --silent init -y > /dev/null
npm --silent install @openai/codex@0.171.0 opencode-linux-x64@1.18.33 ai@7.0.173 @ai-sdk/openai-compatible@3.0.92

cat > ask.py <<'E'
import openai, os
client = openai.OpenAI(base_url=os.environ["BASE"], api_key="key")
client.chat.completions.create(model="gpt-5.5", messages=[{"role": "user", "content": "Hello."}])
E
cat > ask.mjs <<'E'
import { generateText } from "ai";
import { createOpenAICompatible } from "@ai-sdk/openai-compatible";
const provider = createOpenAICompatible({ name: "stub", baseURL: process.env.BASE, apiKey: "key" });
await generateText({ model: provider("gpt-5.5"), prompt: "Hello." });
E
cat > count.py <<'E'
import concurrent.futures, contextlib, http.server, json, os, pathlib, signal, subprocess, threading, time, urllib.parse

REFUSALS = {status: {} for status in ("400", "401", "402", "403", "404", "413", "429", "503")}
REFUSALS |= {"429 retry-after": {"retry-after": "2"}, "429 x-should-retry": {"x-should-retry": "false"}}
HERE, PATIENCE = pathlib.Path.cwd(), 20
calls, lock = {}, threading.Lock()

class Refuser(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_POST(self):
        """Refuses as the path says: /WHO/REFUSAL/v1/…"""
        self.rfile.read(int(self.headers.get("content-length", 0)))
        _, who, refusal, *_ = urllib.parse.unquote(self.path).split("/")
        with lock:
            calls.setdefault((who, refusal), []).append(time.monotonic())
        body = json.dumps({"error": {"message": "Refused.", "type": "refused", "param": None, "code": "refused"}}).encode()
        self.send_response(int(refusal[:3]))
        for name, value in {"content-type": "application/json", "content-length": str(len(body)), **REFUSALS[refusal]}.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(body)

    def handle(self):
        with contextlib.suppress(ConnectionError):
            super().handle()

    def log_message(self, *_):
        pass

def openai(home, base):
    return [HERE / "openai/bin/python", HERE / "ask.py"], {"BASE": base}

def ai_sdk(home, base):
    return ["node", HERE / "ask.mjs"], {"BASE": base}

def aider(home, base):
    command = [HERE / "aider/bin/aider", "--model", "openai/gpt-5.5", "--yes-always", "--no-git", "--message", "Hello.", "note.txt"]
    command += ["--no-check-update", "--no-show-release-notes", "--analytics-disable", "--no-show-model-warnings", "--no-browser"]
    return command, {"OPENAI_API_BASE": base, "OPENAI_API_KEY": "key", "LITELLM_LOCAL_MODEL_COST_MAP": "True"}

def codex(home, base):
    provider = f'name = "Stub"\nbase_url = "{base}"\nenv_key = "KEY"\nwire_api = "responses"\n'
    (home / ".codex").mkdir()
    (home / ".codex/config.toml").write_text(f'model = "gpt-5.5"\nmodel_provider = "stub"\n[model_providers.stub]\n{provider}')
    return [HERE / "node_modules/.bin/codex", "exec", "--skip-git-repo-check", "Hello."], {"KEY": "key"}

def opencode(home, base):
    provider = {"npm": "@ai-sdk/openai-compatible", "name": "Stub", "options": {"baseURL": base, "apiKey": "key"}, "models": {"gpt-5.5": {}}}
    (home / ".config/opencode").mkdir(parents=True)
    settings = {"provider": {"stub": provider}, "model": "stub/gpt-5.5", "autoupdate": False}
    (home / ".config/opencode/opencode.json").write_text(json.dumps(settings))
    command = [HERE / "node_modules/opencode-linux-x64/bin/opencode", "run", "--title", "Hello", "Hello."]
    return command, {"OPENCODE_DISABLE_MODELS_FETCH": "1", "OPENCODE_DISABLE_LSP_DOWNLOAD": "1"}

def count(who, refusal):
    """How many calls came, with a + if it had not given up 20 seconds after the first."""
    name, began = (who.__name__, refusal), time.monotonic()
    home = HERE / "homes" / "-".join(name).replace(" ", "-")
    (home / "work").mkdir(parents=True)
    command, environment = who(home, f"http://127.0.0.1:{server.server_address[1]}/{urllib.parse.quote('/'.join(name))}/v1")
    environment |= {"HOME": str(home), "PATH": os.environ["PATH"], "TERM": "dumb", "LANG": "C.UTF-8"}
    with (home / "out").open("wb") as out:
        process = subprocess.Popen(command, cwd=home / "work", env=environment, stdin=subprocess.DEVNULL, stdout=out, stderr=out, start_new_session=True)
    try:
        while process.poll() is None and time.monotonic() < calls.get(name, [began + 100])[0] + PATIENCE:
            time.sleep(0.1)
        return str(len(calls.get(name, []))) + ("+" if process.poll() is None else "")
    finally:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()

server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Refuser)
threading.Thread(target=server.serve_forever, daemon=True).start()
callers = (openai, ai_sdk, aider, codex, opencode)
with concurrent.futures.ThreadPoolExecutor(5) as pool:
    runs = {refusal: [pool.submit(count, who, refusal) for who in callers] for refusal in REFUSALS}
print(f"{'refused with':20}" + "".join(f"{who.__name__:>10}" for who in callers))
for refusal, row in runs.items():
    print(f"{refusal:20}" + "".join(f"{run.result():>10}" for run in row))
E
python3 count.py | tee seen
shows() { tr -s ' ' < seen | sed 's/[0-9]*+/+/g' | grep -qxF "$1" || { echo "no longer so: $1" >&2; exit 1; }; }
shows '400 1 1 1 1 1'
shows '401 1 1 1 6 1'
shows '402 1 1 + 6 1'
shows '403 1 1 + 6 1'
shows '404 1 1 1 6 1'
shows '413 1 1 + 6 2'
shows '429 3 3 + 1 +'
shows '503 3 3 + + +'
shows '429 retry-after 3 3 + 6 6'
shows '429 x-should-retry 1 3 + 1 +'
echo "as it was found"
