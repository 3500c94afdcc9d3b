"""What an exchange costs, in time and in bytes."""

import re
import socket
import time

from model import Ledger
from resp import encode, parse
from server import Live
from timing import GRACE
from world import Style, World


def figures(binary, libs):
    server = Live(binary, None, libs)
    try:
        server.load()
        version = [
            l
            for l in parse(server.do(encode("INFO", "server")))[0].split("\r\n")
            if l.startswith(("redis_version", "valkey_version", "server_name"))
        ]
        print(*version)
        s = socket.create_connection(("127.0.0.1", server.port))
        f = s.makefile("rb")

        def read():
            line = f.readline()
            if line[:1] == b"$":
                f.read(int(line[1:]) + 2)
            elif line[:1] == b"*":
                for _ in range(int(line[1:])):
                    read()

        def item(i, seq, asks=0, wish=8):
            return (
                f"4f9c1d0a7be3.{i} {seq} {seq - 1} c 1795737600000 1795824000000 3600000 50000000000 - - - - {seq * 1234567} {seq * 1800} {seq * 300} {seq} "
                f"31234567 0 0 0 1234567 0 0 0 {wish} {asks} " + "1234567 0 0 0 " * asks
            )

        key = lambda i: f"farebox:{{team}}:search-{i:03}:1795737600000"
        for name, items, asks in (
            ("nothing", 0, 0),
            ("1 account", 1, 0),
            ("1 account, 1 ask", 1, 1),
            ("1 account, 16 asks", 1, 16),
            ("4 accounts", 4, 0),
            ("16 accounts", 16, 0),
            ("64 accounts", 64, 0),
        ):
            rounds = 2000 if items < 16 else 400
            payloads = []
            for seq in range(1, rounds + 1):
                its = [(key(i), item(i, seq, asks, 0 if asks else 8)) for i in range(items)]
                payloads.append(server.payload(f"{seq} 30000 1 750", its, False))
            server.do(encode("FLUSHALL"))
            server.do(encode("CONFIG", "RESETSTAT"))
            for p in payloads:
                s.sendall(p)
                read()
            stats = parse(server.do(encode("INFO", "commandstats")))[0]
            found = re.search(r"cmdstat_evalsha:.*?usec_per_call=([\d.]+)", stats)
            assert found, stats
            usec = float(found[1])
            reply = server.do(server.payload(f"{rounds + 5} 30000 1 750", its, False))
            print(
                f"  {name:20} {usec:7.1f} us in the server, {(usec / items) if items else usec:6.1f} per account; sent {len(payloads[-1]):6} bytes, came back {len(reply):5}"
            )
        server.do(encode("FLUSHALL"))

        def cpu_now():
            return sum(map(float, re.findall(r"^used_cpu_(?:sys|user):([\d.]+)", parse(server.do(encode("INFO", "cpu")))[0], re.M)))

        for count in (1, 4):
            a = cpu_now()
            t = time.time()
            for seq in range(1, 2001):
                server.do(server.payload(f"{seq} 30000 1 750", [(key(i), item(i, seq)) for i in range(count)], False))
            b = cpu_now()
            print(
                f"  a connection a call, {count} accounts: {(time.time() - t) / 2000 * 1e6:.0f} us round trip (Python), {(b - a) / 2000 * 1e6:.0f} us of server CPU"
            )
        for components in (2, 4, 20, 500, 5000):
            server.do(encode("FLUSHALL"))
            for c in range(components):
                s.sendall(server.payload("1 30000 1 750", [(key(0), item(c, 1))], False))
                read()
            size = parse(server.do(encode("MEMORY", "USAGE", key(0), "SAMPLES", 0)))[0]
            print(f"  an account with {components} components: {size} bytes")
    finally:
        server.close()
    traffic()


class Waits(World):
    """How long each request waits until it is admitted, from `begin` on."""

    began = None

    def begin(self):
        self.began = self.now
        self.waits: list[int] = []
        return self.waits

    def admitted(self, r):
        if self.began is not None:
            self.waits.append(self.now - self.began)
        super().admitted(r)


def traffic():
    """What four Envoys send, by the model: far from every limit, and when everything comes at once."""
    for accounts in (1, 2, 4, 8):
        style = Style(envoys=4, workers=2, seconds=20, rate=400, scales=(100_000,), accounts=accounts)
        world = World(1, style, Ledger())
        marks: dict[int, dict] = {}
        for at in (8000, 20000):
            world.after(at, lambda at=at: marks.setdefault(at, dict(world.seen)))
        world.case()
        seen = {k: marks[20000][k] - marks[8000][k] for k in world.seen}
        print(
            f"  far: 4 Envoys, 400 requests/s over {accounts} accounts: {seen['calls'] / 12 / 4:.2f} commands/s and {seen['bytes'] / 12 / 4:.0f} bytes/s an Envoy (both ways), "
            f"{1 - seen['paths'] / seen['admitted']:.2%} of {seen['admitted']} requests waited for the ledger"
        )
    style = Style(envoys=4, workers=2, seconds=80, rate=8, scales=(100_000,), accounts=10, keep=60_000)
    world = World(1, style, Ledger())
    marks = {}
    for at in (20_000, 80_000):
        world.after(at, lambda at=at: marks.setdefault(at, dict(world.seen)))
    world.case()
    seen = {k: marks[80_000][k] - marks[20_000][k] for k in world.seen}
    print(
        f"  far and rare: each of 10 accounts a request in 5 s on each of 4 Envoys: {seen['calls'] / 60 / 4:.2f} commands/s, {seen['bytes'] / 60 / 4:.0f} bytes/s an Envoy, "
        f"{1 - seen['paths'] / seen['admitted']:.2%} of {seen['admitted']} requests waited"
    )
    for limit in (2000, 10**9):
        style = Style(envoys=4, workers=4, seconds=1, rate=1, scales=(1,), accounts=1)
        world = Waits(2, style, Ledger())
        world.accounts[0].history = [(0, [None, None, None, None, limit])]
        world.accounts[0].limited = [False] * 4 + [True]
        world.run(world.start + GRACE + 100)
        waits = world.begin()
        for _ in range(5000):
            world.after(0, world.one)
        calls = world.seen["calls"]
        world.run(world.now + 2500)
        waits.sort()
        print(
            f"  5,000 at once, limit {limit}: {len(waits)} admitted, half after {waits[len(waits) // 2]} ms and the last after {waits[-1]} ms, {world.seen['calls'] - calls} commands, network 2 to 6 ms there and back"
        )
