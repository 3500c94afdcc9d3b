"""A provider that follows a script: it answers agents in four dialects, from what they send alone.

It remembers nothing of a conversation. How many results of tools a request holds is which turn it is: first it asks
for a file to be written, then for that file to be read, then it says what the file has. An agent that edits files by
its own rules instead of tools (aider) is told a wrong word until its test passes. Whoever brings no tools wants a
title, a route or a message for a commit, and gets one.
"""

import json
import re
import socketserver
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

WORD = "turnstile"
DONE = "TASK-DONE"
# What the harness asks for itself: an answer that uses up money, and one that comes when it says so.
SPEND = "SPEND-IT-ALL"
HANG = "HANG-UNTIL-TOLD"
# How each edit begins: an agent repeats what it was told before.
EDIT = "Here is an edit."
FILE = re.compile(r"/[\w./-]*/note\.txt")
# The tools that write and read a file, and what their arguments are called.
WRITERS = {
    "Write": lambda path: {"file_path": path, "content": WORD},
    "write_file": lambda path: {"file_path": path, "content": WORD},
    "write": lambda path: {"filePath": path, "content": WORD},
    "bash": lambda path: {"command": f"printf {WORD} > {path}", "description": "writes"},
    "exec_command": lambda path: {"cmd": f"printf {WORD} > {path}"},
    "shell_command": lambda path: {"command": f"printf {WORD} > {path}"},
    "shell": lambda path: {"command": ["sh", "-c", f"printf {WORD} > {path}"]},
}
READERS = {
    "Read": lambda path: {"file_path": path},
    "read_file": lambda path: {"file_path": path},
    "read": lambda path: {"filePath": path},
    "exec_command": lambda path: {"cmd": f"cat {path}"},
    "shell_command": lambda path: {"command": f"cat {path}"},
    "shell": lambda path: {"command": ["cat", path]},
}


class Answer:
    """What one request is answered, before it is put into a dialect."""

    def __init__(self, text: str = "", tool: str = "", arguments: dict | None = None) -> None:
        self.text = text
        self.tool = tool
        self.arguments = arguments or {}
        self.number = 0
        self.usage = (0, 0)


def results_of(body: dict) -> list[str]:
    """The results of tools that a request holds, whatever its dialect."""
    found = []
    for message in body.get("messages", []):
        if message.get("role") == "tool":
            found.append(json.dumps(message.get("content")))
        elif isinstance(message.get("content"), list):
            parts = [part for part in message["content"] if isinstance(part, dict)]
            found += [json.dumps(part) for part in parts if part.get("type") == "tool_result"]
    given = body.get("input")
    items = given if isinstance(given, list) else []
    found += [json.dumps(item) for item in items if str(item.get("type", "")).endswith("_call_output")]
    for content in body.get("contents", []):
        found += [json.dumps(part) for part in content.get("parts", []) if "functionResponse" in part]
    return found


def tools_of(body: dict) -> list[str]:
    """The names of the tools that a request brings."""
    names = []
    for tool in body.get("tools") or []:
        if "functionDeclarations" in tool:
            names += [function["name"] for function in tool["functionDeclarations"]]
        else:
            names.append((tool.get("function") or tool).get("name", ""))
    return names


def fitting(schema: dict) -> object:
    """A value that fits a schema, as far as routers and checks of agents need one."""
    if "enum" in schema:
        return schema["enum"][0]
    kind = str(schema.get("type", "string")).lower()
    if kind == "object":
        return {name: fitting(part) for name, part in schema.get("properties", {}).items()}
    return {"boolean": False, "number": 0, "integer": 0, "array": []}.get(kind, "as planned")


def answer(body: dict, whole: str) -> Answer:
    """What the script has for this request."""
    config = body.get("generationConfig") or {}
    schema = config.get("responseJsonSchema") or config.get("responseSchema")
    if schema:
        return Answer(json.dumps(fitting(schema)))
    path = FILE.search(whole)
    results, tools = results_of(body), tools_of(body)
    for turn, known in enumerate((WRITERS, READERS)):
        name = next((name for name in known if name in tools), None)
        if len(results) == turn and name and path:
            return Answer(tool=name, arguments=known[name](path.group()))
    if tools:
        seen = WORD if results and WORD in results[-1] else "nothing"
        return Answer(f"{DONE}: the file has {seen}")
    if "SEARCH/REPLACE" in whole and path:
        steps = ("", WORD[:4], WORD[:6], WORD)
        said = min(whole.count(EDIT), len(steps) - 2)
        old, new = (f"{step}\n" if step else "" for step in steps[said : said + 2])
        words = f"{EDIT} {DONE}" if new.strip() == WORD else EDIT
        return Answer(f"{words}\n\nnote.txt\n```\n<<<<<<< SEARCH\n{old}=======\n{new}>>>>>>> REPLACE\n```\n")
    return Answer("Write a note")


# ---- the dialects: each makes the events of a stream, or one document, of an answer ----


def messages(it: Answer, body: dict) -> tuple[list, dict]:
    block: dict = {"type": "text", "text": it.text}
    delta = {"type": "text_delta", "text": it.text}
    if it.tool:
        block = {"type": "tool_use", "id": f"toolu_{it.number:020}", "name": it.tool, "input": it.arguments}
        delta = {"type": "input_json_delta", "partial_json": json.dumps(it.arguments)}
    document = {
        "id": f"msg_{it.number}",
        "type": "message",
        "role": "assistant",
        "model": body.get("model"),
        "content": [block],
        "stop_reason": "tool_use" if it.tool else "end_turn",
        "stop_sequence": None,
        "usage": {"input_tokens": it.usage[0], "output_tokens": it.usage[1]},
    }
    start = {**document, "content": [], "stop_reason": None, "usage": {"input_tokens": it.usage[0], "output_tokens": 1}}
    empty = {**block, "input": {}} if it.tool else {**block, "text": ""}
    ending = {"stop_reason": document["stop_reason"], "stop_sequence": None}
    events: list[dict] = [
        {"type": "message_start", "message": start},
        {"type": "content_block_start", "index": 0, "content_block": empty},
        {"type": "content_block_delta", "index": 0, "delta": delta},
        {"type": "content_block_stop", "index": 0},
        {"type": "message_delta", "delta": ending, "usage": {"output_tokens": it.usage[1]}},
        {"type": "message_stop"},
    ]
    return [(event["type"], event) for event in events], document


def responses(it: Answer, body: dict) -> tuple[list, dict]:
    part = {"type": "output_text", "text": it.text, "annotations": []}
    item = {"type": "message", "id": f"msg_{it.number}", "role": "assistant", "status": "completed", "content": [part]}
    if it.tool:
        item = {"type": "function_call", "id": f"fc_{it.number}", "call_id": f"call_{it.number}", "name": it.tool}
        item |= {"status": "completed", "arguments": json.dumps(it.arguments)}
    usage = {"input_tokens": it.usage[0], "output_tokens": it.usage[1], "total_tokens": sum(it.usage)}
    details = {"input_tokens_details": {"cached_tokens": 0}, "output_tokens_details": {"reasoning_tokens": 0}}
    document: dict = {"id": f"resp_{it.number}", "object": "response", "status": "completed", "model": body.get("model")}
    document |= {"output": [item], "usage": {**usage, **details}}
    created = {**document, "status": "in_progress", "output": [], "usage": None}
    events: list[dict] = [
        {"type": "response.created", "response": created},
        {"type": "response.output_item.added", "output_index": 0, "item": item},
        {"type": "response.output_item.done", "output_index": 0, "item": item},
        {"type": "response.completed", "response": document},
    ]
    return [(event["type"], {**event, "sequence_number": at}) for at, event in enumerate(events)], document


def chat(it: Answer, body: dict) -> tuple[list, dict]:
    message: dict = {"role": "assistant", "content": it.text or None}
    if it.tool:
        call = {"name": it.tool, "arguments": json.dumps(it.arguments)}
        message["tool_calls"] = [{"index": 0, "id": f"call_{it.number}", "type": "function", "function": call}]
    usage = {"prompt_tokens": it.usage[0], "completion_tokens": it.usage[1], "total_tokens": sum(it.usage)}
    reason = "tool_calls" if it.tool else "stop"
    head = {"id": f"chatcmpl-{it.number}", "created": 1, "model": body.get("model")}
    document = {**head, "object": "chat.completion", "usage": usage}
    document["choices"] = [{"index": 0, "message": message, "finish_reason": reason}]
    chunk = {**head, "object": "chat.completion.chunk"}
    events = [
        {**chunk, "choices": [{"index": 0, "delta": message, "finish_reason": None}]},
        {**chunk, "choices": [{"index": 0, "delta": {}, "finish_reason": reason}]},
    ]
    if (body.get("stream_options") or {}).get("include_usage"):
        events.append({**chunk, "choices": [], "usage": usage})
    return [("", event) for event in [*events, "[DONE]"]], document


def gemini(it: Answer, body: dict) -> tuple[list, dict]:
    part = {"functionCall": {"name": it.tool, "args": it.arguments}} if it.tool else {"text": it.text}
    candidate = {"content": {"role": "model", "parts": [part]}, "finishReason": "STOP", "index": 0}
    usage = {"promptTokenCount": it.usage[0], "candidatesTokenCount": it.usage[1], "totalTokenCount": sum(it.usage)}
    document = {"candidates": [candidate], "usageMetadata": usage, "modelVersion": "gemini"}
    return [("", document)], document


DIALECTS = {"/v1/messages": messages, "/v1/responses": responses, "/v1/chat/completions": chat}


class Provider:
    """The server, and what came to it."""

    def __init__(self) -> None:
        self.calls: list[dict] = []  # of each: path, headers, body and the usage that was said
        self.hanging = 0
        self.release = threading.Event()
        self.lock = threading.Lock()
        self.server = ThreadingHTTPServer(("127.0.0.1", 0), self.handler())
        self.server.daemon_threads = True
        self.port = self.server.server_port
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    def note(self, path: str, headers: list, raw: bytes) -> Answer:
        """What to answer, with a usage that no other call has."""
        body = json.loads(raw or b"{}")
        whole = raw.decode(errors="replace").replace("\\/", "/")
        it = Answer("spent") if SPEND in whole or HANG in whole else answer(body, whole)
        with self.lock:
            it.number = len(self.calls)
            it.usage = (1000 + it.number, 20 + it.number)
            if SPEND in whole or HANG in whole:
                it.usage = (10, 200_000 if SPEND in whole else 1)
            self.calls.append({"path": path, "headers": headers, "body": body, "usage": it.usage, "answer": it})
            self.hanging += HANG in whole
        if HANG in whole:
            self.release.wait(120)
        return it

    def handler(provider) -> type:  # the handler below has a self of its own
        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_POST(self) -> None:
                raw = self.rfile.read(int(self.headers.get("content-length") or 0))
                path, _, _ = self.path.partition("?")
                it = provider.note(self.path, self.headers.items(), raw)
                body = json.loads(raw or b"{}")
                events, document = DIALECTS.get(path, gemini)(it, body)
                kind, text = "application/json", json.dumps(document)
                if body.get("stream") or "stream" in path:
                    lines = [f"event: {name}\n" if name else "" for name, _ in events]
                    data = [event if isinstance(event, str) else json.dumps(event) for _, event in events]
                    kind = "text/event-stream"
                    text = "".join(f"{line}data: {datum}\n\n" for line, datum in zip(lines, data, strict=True))
                self.send_response(200)
                self.send_header("content-type", kind)
                self.send_header("content-length", str(len(text.encode())))
                self.end_headers()
                self.wfile.write(text.encode())

            def do_GET(self) -> None:
                self.send_error(404)

            def log_message(self, *_: object) -> None:
                pass

        return Handler


socketserver.TCPServer.request_queue_size = 128
