#!/usr/bin/env bash
# What does Google's SDK for Python (google-genai) send with the next turn of a streamed chat, after thoughts, text and a call of a tool?
#
# Guessed wrong: the model's answer as one content. Each chunk of the stream is a content of its own with the role `model`, five in a row
#   here, the last with an empty text.
# Guessed wrong: the signature of a thought as it came. The SDK takes it for bytes: it goes back in the alphabet of URLs (`+/` as `-_`), so a
#   signature that is compared as text is another one.
# Guessed wrong: one spelling in a document. `thinkingConfig` has `include_thoughts` in it, and a schema `min_length`, beside `topK` and
#   `functionDeclarations`.
# Guessed wrong: that a chunk without parts changes nothing. One of them, and nothing of the turn is sent again, the user's own question
#   included: the tool's answer then comes first, for a call that nobody has made.
# Guessed right: thoughts are sent back, and 40 is sent as 40.0, which is the same number in JSON.
# Not guessed: the tool's answer has the name of the tool and not the id of the call, though the call had one.
# Therefore: who reads Gemini's requests has to join contents of one role before it looks for the call that an answer belongs to, find it by
#   name and order, read both spellings, and compare signatures as bytes; who writes its streams puts no chunk without a part into them.
set -euo pipefail
folder=$(mktemp -d); trap 'rm -rf "$folder"' EXIT; cd "$folder"
python3 -m venv venv
venv/bin/pip --quiet --disable-pip-version-check install google-genai==3.6.1
cat > ask.py <<'P'
import base64, http.server, json, threading
from google import genai
from google.genai import types

SIGNATURE = base64.b64encode(bytes([0xfb, 0xff, 0xfe, 0x01])).decode()
ASKED = []

def chunk(*parts, **more):
    return {"candidates": [{"content": {"role": "model", "parts": list(parts)}, **more}], "modelVersion": "m"}

STREAM = [
    chunk({"text": "Hm", "thought": True}),
    chunk({"text": "I "}), chunk({"text": "look."}),
    chunk({"functionCall": {"name": "weather", "args": {"city": "Bern"}, "id": "c1"}, "thoughtSignature": SIGNATURE}),
    chunk({"text": ""}, finishReason="STOP"),
]

class Provider(http.server.BaseHTTPRequestHandler):
    def do_POST(self):
        ASKED.append(json.loads(self.rfile.read(int(self.headers["content-length"]))))
        self.send_response(200)
        self.send_header("content-type", "text/event-stream")
        self.end_headers()
        for piece in self.server.stream:
            self.wfile.write(b"data: " + json.dumps(piece).encode() + b"\r\n\r\n")

    def log_message(self, *_):
        pass

server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Provider)
threading.Thread(target=server.serve_forever, daemon=True).start()
client = genai.Client(api_key="k", http_options=types.HttpOptions(base_url=f"http://127.0.0.1:{server.server_port}"))
schema = types.Schema(type="OBJECT", properties={"city": types.Schema(type="STRING", min_length=1)})
tool = types.Tool(function_declarations=[types.FunctionDeclaration(name="weather", parameters=schema)])
config = types.GenerateContentConfig(tools=[tool], top_k=40, thinking_config=types.ThinkingConfig(include_thoughts=True),
    automatic_function_calling=types.AutomaticFunctionCallingConfig(disable=True))

def second_turn(stream, answer):
    """What the SDK sends after a streamed turn."""
    ASKED.clear()
    server.stream = stream
    chat = client.chats.create(model="m", config=config)
    list(chat.send_message_stream("Weather?"))
    list(chat.send_message_stream(answer))
    return ASKED[1]

answer = types.Part.from_function_response(name="weather", response={"sky": "clear"})
asked = second_turn(STREAM, answer)
odd = second_turn([*STREAM[:3], {"candidates": [{"content": {"role": "model"}}]}, *STREAM[3:]], answer)
roles = [content["role"] for content in asked["contents"]]
call = next(part for content in asked["contents"] for part in content["parts"] if "functionCall" in part)
told = asked["contents"][-1]["parts"][0]["functionResponse"]
city = asked["tools"][0]["functionDeclarations"][0]["parameters"]["properties"]["city"]
print("roles:", *roles)
print("the signature", SIGNATURE, "comes back as", call["thoughtSignature"])
print("the call:", json.dumps(call["functionCall"]), "its answer:", json.dumps(told))
print("the settings:", json.dumps(asked["generationConfig"]), "a schema:", json.dumps(city))
print("with one chunk that has no parts:", json.dumps(odd["contents"]))
assert roles == ["user", *["model"] * 5, "user"], "no longer so"
assert SIGNATURE == "+//+AQ==" and call["thoughtSignature"] == "-__-AQ==", "no longer so"
assert call["functionCall"]["id"] == "c1" and "id" not in told, "no longer so"
assert asked["generationConfig"] == {"topK": 40.0, "thinkingConfig": {"include_thoughts": True}} and "min_length" in city, "no longer so"
assert [content["role"] for content in odd["contents"]] == ["user"] and "functionResponse" in odd["contents"][0]["parts"][0], "no longer so"
print("as it was found")
P
venv/bin/python ask.py
