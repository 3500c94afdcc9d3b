"""The same clients in real time, against a server that is killed, stopped and emptied."""

import concurrent.futures
import heapq
import queue
import signal
import time

from amounts import Z, add, pos, sub
from resp import Cut, answers, encode
from server import Live
from timing import EPOCH, GRACE, RECALL, TICK
from world import Style, World


class LiveWorld(World):
    def __init__(self, seed, style, server, what):
        self.pool, self.what = concurrent.futures.ThreadPoolExecutor(24), what
        self.inbox: queue.Queue = queue.Queue()
        super().__init__(seed, style, server)
        self.events = []
        self.now = self.start = int(time.time() * 1000)
        for acc in self.accounts:
            acc.history = [(0, acc.history[0][1])]
        for e in self.envoys:
            e.last_call = 0
            for w in range(style.workers):
                self.after(self.random.randint(0, TICK), lambda e=e, w=w: e.tick(w))
        self.drop, self.faults, self.waits = 0.0, [], []

    def run(self, until):
        while True:
            real = int(time.time() * 1000)
            while self.events and self.events[0][0] <= real:
                self.now = max(self.now, real)
                heapq.heappop(self.events)[2]()
            if real >= until:
                break
            wait = min(until, self.events[0][0] if self.events else until) - real
            try:
                self.inbox.get(timeout=max(0.0005, wait / 1000))()
            except queue.Empty:
                pass
            self.now = int(time.time() * 1000)

    def send(self, envoy, batch):
        self.seen["calls"] += 1
        envoy.last_call = self.now
        items = [(comp.key, text) for comp, _, text, _ in batch]
        own = f"{envoy.rev} {EPOCH} {GRACE} {RECALL}"
        dropped, cut = self.random.random() < self.drop, self.random.random() < self.drop
        began = time.time()

        def work():
            raw = b""
            try:
                raw = self.server.do(self.server.payload(own, items, False), 0.5)
                if raw.startswith(b"-NOSCRIPT"):
                    raw = self.server.do(self.server.payload(own, items, True), 0.5)
            except OSError:
                pass

            def back():
                self.waits.append(time.time() - began)
                try:
                    told, got = answers(b"" if dropped else raw[: len(raw) // 2] if cut else raw)
                except Cut:
                    self.seen["lost_calls"] += 1
                    for *_, heard in batch:
                        heard(None)
                    return
                if envoy.alive:
                    envoy.told(*told)
                for i, (*_, heard) in enumerate(batch):
                    heard(got[i] if i < len(got) else None)

            self.inbox.put(back)

        self.pool.submit(work)

    def check_spent(self, items):
        pass

    def fault(self):
        s, kind = self.server, self.what
        if kind == "none" or self.now < self.down_until:
            return
        if kind != "stop":  # what is in doubt at that moment may count twice, or be spent twice
            for c in self.components:
                k = (c.account, c.window)
                self.allow[k] = add(self.allow.get(k, Z), pos(sub(c.c, c.c_acked)))
        if kind == "stop":
            s.signal(signal.SIGSTOP)
            away = self.random.choice([300, 1200, 3500])
            self.after(away, lambda: s.signal(signal.SIGCONT))
        elif kind == "flush":
            s.do(encode("FLUSHALL") + encode("SCRIPT", "FLUSH"))
            away = 0
        else:
            s.kill()
            away = self.random.choice([50, 800])
            self.after(away, s.start)
        self.down_until = self.now + away + 1
        self.recovering = self.now
        self.faults.append(kind)


FAULTS = [("none", None), ("stop", None), ("flush", None), ("kill", "always"), ("kill", "everysec"), ("kill", None)]


def live(binary, libs, what, seed, seconds=9, aof=None):
    server = Live(binary, aof, libs)
    try:
        server.load()
        style = Style(envoys=4, workers=2, seconds=seconds, rate=150, scales=(8, 30), server="live", wait=1500, pace=2000)
        world = LiveWorld(seed, style, server, what)
        world.drop = 0.05
        world.after(seconds * 1000, lambda: setattr(world, "drop", 0))
        seen = world.case()
        waits = sorted(world.waits)
        seen["p50_us"], seen["p99_us"] = int(waits[len(waits) // 2] * 1e6), int(waits[len(waits) * 99 // 100] * 1e6)
        seen["faults"] = len(world.faults)
        return seen
    finally:
        server.close()
