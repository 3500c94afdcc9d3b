"""What is outside of the cluster, or not Farebox's: providers under their real names, the model in the mesh, a registry with the
module, and an identity provider. All of them are threads of this program, so what they were asked is a list.
"""

import base64
import hashlib
import json
import re
import ssl
import subprocess
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import node
from node import ANTHROPIC, ISSUER, OPENAI, PKI, REGISTRY, VLLM

USAGE = {"prompt_tokens": 11, "completion_tokens": 5, "total_tokens": 16}


class Server(ThreadingHTTPServer):
    """Many at a time, by TLS if it has a certificate."""

    daemon_threads = True
    request_queue_size = 1024

    def __init__(self, address: str, port: int, handler: type, certificate: str | None = None):
        super().__init__((address, port), handler)
        if certificate:
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            context.load_cert_chain(PKI / f"{certificate}.crt", PKI / f"{certificate}.key")
            context.set_alpn_protocols(["http/1.1"])
            self.socket = context.wrap_socket(self.socket, server_side=True, do_handshake_on_connect=False)
        threading.Thread(target=self.serve_forever, daemon=True).start()

    def handle_error(self, request, client_address) -> None:
        """Clients go away."""


class Handler(BaseHTTPRequestHandler):
    """Answers with bytes."""

    protocol_version = "HTTP/1.1"

    def log_message(self, *_) -> None:
        """Nothing: what matters is remembered."""

    def answer(self, status: int, data: bytes, kind: str = "application/json", **headers: str) -> None:
        self.send_response(status)
        headers = {"content-type": kind, "content-length": str(len(data)), **headers}
        for name, value in headers.items():
            self.send_header(name.replace("_", "-"), value)
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(data)

    def body(self) -> bytes:
        """The request's, of a stated length or in chunks."""
        if self.headers.get("transfer-encoding", "").lower() != "chunked":
            return self.rfile.read(int(self.headers.get("content-length") or 0))
        pieces = []
        while size := int(self.rfile.readline().strip() or b"0", 16):
            pieces.append(self.rfile.read(size))
            self.rfile.readline()
        self.rfile.readline()
        return b"".join(pieces)


class Provider:
    """One that speaks OpenAI's dialect, and remembers what it was asked."""

    def __init__(self, address: str, port: int, certificate: str | None):
        self.seen: list[dict] = []
        self.status, self.pieces, self.pause = 200, 3, 0.0
        provider = self

        class Chat(Handler):
            def do_POST(self) -> None:
                raw = self.body()
                asked = json.loads(raw) if raw.startswith(b"{") else {}
                headers = [(name.lower(), value) for name, value in self.headers.items()]
                provider.seen.append({"path": self.path, "headers": headers, "body": asked})
                if provider.status != 200:
                    return self.answer(provider.status, b'{"error": {"message": "as told", "type": "server_error"}}')
                head = {"id": "c-1", "created": 1, "model": asked.get("model", "")}
                if asked.get("stream"):
                    return self.stream(head, (asked.get("stream_options") or {}).get("include_usage"))
                message = {"role": "assistant", "content": "Hello"}
                choices = [{"index": 0, "finish_reason": "stop", "message": message}]
                whole = head | {"object": "chat.completion", "usage": USAGE, "choices": choices}
                return self.answer(200, json.dumps(whole).encode())

            def stream(self, head: dict, usage: bool) -> None:
                self.send_response(200)
                self.send_header("content-type", "text/event-stream")
                self.send_header("transfer-encoding", "chunked")
                self.end_headers()
                piece = {"index": 0, "delta": {"content": "word "}, "finish_reason": None}
                ends = {"index": 0, "delta": {}, "finish_reason": "stop"}
                events = [[piece] for _ in range(provider.pieces)] + [[ends]]
                texts = [json.dumps(head | {"object": "chat.completion.chunk", "choices": event}) for event in events]
                if usage:
                    texts.append(json.dumps(head | {"object": "chat.completion.chunk", "choices": [], "usage": USAGE}))
                for text in [*texts, "[DONE]"]:
                    data = f"data: {text}\n\n".encode()
                    self.wfile.write(b"%x\r\n%s\r\n" % (len(data), data))
                    self.wfile.flush()
                    time.sleep(provider.pause)
                self.wfile.write(b"0\r\n\r\n")

        self.server = Server(address, port, Chat, certificate)

    def heal(self) -> None:
        """Everything as it was at first."""
        self.status, self.pieces, self.pause = 200, 3, 0.0
        self.seen.clear()


def providers() -> dict[str, Provider]:
    """Those of the sample configurations."""
    return {
        "openai": Provider(OPENAI, 443, "outside"),
        "anthropic": Provider(ANTHROPIC, 443, "outside"),
        "vllm": Provider(VLLM, 8000, None),
    }


class Layout:
    """An OCI layout, and the module in it."""

    def __init__(self, files: dict[str, bytes], module: bytes):
        self.files, self.module = files, module
        self.manifests = json.loads(files["index.json"])["manifests"]

    def digest(self, tag: str) -> str:
        """That of a tag."""
        return next(entry["digest"] for entry in self.manifests if tag in names(entry))


def names(entry: dict) -> set:
    """What a manifest can be asked for by."""
    return {entry["digest"], entry.get("annotations", {}).get("org.opencontainers.image.ref.name")}


class Registry:
    """One to read from: OCI layouts, by the name of a repository."""

    def __init__(self, layouts: dict[str, Layout]):
        self.layouts, self.asked = layouts, []
        registry = self

        class Read(Handler):
            def do_GET(self) -> None:
                registry.asked.append(self.path)
                if self.path.rstrip("/") == "/v2":
                    return self.answer(200, b"{}")
                found = re.fullmatch(r"/v2/(.+)/(manifests|blobs)/(.+)", self.path)
                layout = registry.layouts.get(found[1]) if found else None
                if layout is None:
                    return self.answer(404, b'{"errors": [{"code": "NAME_UNKNOWN"}]}')
                reference, kind = found[3], "application/octet-stream"
                for entry in layout.manifests:
                    if found[2] == "manifests" and reference in names(entry):
                        reference, kind = entry["digest"], entry["mediaType"]
                data = layout.files.get("blobs/" + reference.replace(":", "/"))
                if data is None:
                    return self.answer(404, b'{"errors": [{"code": "MANIFEST_UNKNOWN"}]}')
                return self.answer(200, data, kind, docker_content_digest=reference)

            do_HEAD = do_GET

        self.server = Server(REGISTRY, 443, Read, "outside")


def segment(data: bytes) -> str:
    """A part of a token."""
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


class Issuer:
    """An identity provider: its keys at the usual place, and tokens."""

    def __init__(self):
        modulus = node.shell(f"openssl rsa -in {PKI}/issuer.key -noout -modulus").strip().removeprefix("Modulus=")
        key = {
            "kty": "RSA",
            "alg": "RS256",
            "use": "sig",
            "kid": "1",
            "e": "AQAB",
            "n": segment(bytes.fromhex(modulus)),
        }
        keys = json.dumps({"keys": [key]}).encode()

        class Keys(Handler):
            def do_GET(self) -> None:
                self.answer(200, keys)

        self.server = Server(ISSUER, 443, Keys, "outside")

    def token(self, **claims) -> str:
        """A token with these claims besides the usual ones."""
        now = int(time.time())
        claims = {
            "iss": "https://login.example.com",
            "aud": "farebox",
            "sub": "somebody",
            "iat": now,
            "exp": now + 3600,
        } | claims
        parts = [{"alg": "RS256", "typ": "JWT", "kid": "1"}, claims]
        signed = ".".join(segment(json.dumps(part).encode()) for part in parts)
        command = ["openssl", "dgst", "-sha256", "-sign", PKI / "issuer.key"]
        signature = subprocess.run(command, input=signed.encode(), stdout=subprocess.PIPE, check=True).stdout
        return f"{signed}.{segment(signature)}"


def sha256(text: str) -> str:
    """Of a caller's key."""
    return hashlib.sha256(text.encode()).hexdigest()
