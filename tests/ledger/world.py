"""Envoys, a network and a server in virtual time; every case by a seed."""

import heapq
import random

from amounts import Z
from component import Account, Request
from envoy import Envoy
from losses import Losses
from resp import Cut, answers, as_resp
from timing import EPOCH, FORGET, GRACE, KEEP, RECALL
from truth import Truth


class Style:
    def __init__(self, **k):
        self.envoys, self.workers, self.seconds, self.rate, self.wait = 3, 2, 25, 60, 2000
        self.lossy = self.delay = self.faults = self.skew = self.windows = self.crash = self.limits = self.forgive = False
        self.excess, self.server, self.pace, self.keep = None, None, 6000, KEEP
        self.storm, self.long, self.scales = False, 0, (1, 4, 12, 40)
        self.accounts, self.slots = 2, False
        self.__dict__.update(k)


class World(Losses, Truth):
    def __init__(self, seed, style, backend, mutations=()):
        self.random, self.style, self.server, self.mut = random.Random(seed), style, backend, frozenset(mutations)
        self.now, self.events, self.count = 1_900_000_000_000, [], 0
        self.start = self.now
        self.ids, self.components, self.orphans = 0, [], []
        self.covered, self.truth, self.excess, self.allow, self.floor_of_spent, self.lost = {}, {}, {}, {}, {}, {}
        self.seen = dict(
            admitted=0, refused=0, waited=0, cached=0, full=0, crash=0, calls=0, lost_calls=0, bytes=0, worst=0, paths=0, late=0
        )
        self.down_until, self.backlog, self.snapshots, self.recovering = 0, [], [], None
        self.generation = 0
        self.anews = []
        length = style.windows and self.random.choice([7000, 11000]) or 0
        self.accounts = []
        for i in range(style.accounts):
            scale = self.random.choice(style.scales)
            limits = [
                self.random.randint(2000, 9000) * scale if self.random.random() < 0.7 else None,
                None,
                None,
                self.random.randint(2000, 9000) * scale if self.random.random() < 0.4 else None,
                self.random.randint(20, 90) * scale if self.random.random() < 0.5 else None,
            ]
            if self.random.random() < 0.3:
                limits[1] = self.random.randint(3000, 9000) * scale
            if not any(limits):
                limits[0] = 3000 * scale
            if style.slots:
                limits = [None] * 4 + [self.random.choice([5, 20, 60])]
            self.accounts.append(Account(self, f"a{i}", limits, length, style.forgive))
        self.envoys = [Envoy(self, i) for i in range(style.envoys)]
        self.vacant = []

    # -- time
    def after(self, ms, do):
        self.count += 1
        heapq.heappush(self.events, (self.now + ms, self.count, do))

    def run(self, until):
        while self.events and self.events[0][0] <= until:
            self.now, _, do = heapq.heappop(self.events)
            do()
        self.now = until

    def window(self, account, clock):
        return clock // account.length if account.length else 0

    def span(self, account, window):
        return (window * account.length, (window + 1) * account.length) if account.length else (0, 0)

    def fresh_instance(self):
        self.ids += 1
        if "same_id" in self.mut:
            return f"I{self.ids % self.style.envoys}"
        return f"I{self.ids}"

    def fresh_id(self, instance):
        self.ids += 1
        if "same_id" in self.mut:
            return instance + "." + str(len(instance))
        return f"{instance}.{self.ids}"

    # -- the network
    def send(self, envoy, batch):
        style, rnd = self.style, self.random
        self.seen["calls"] += 1
        envoy.last_call = self.now
        items = [(comp.key, text) for comp, _, text, _ in batch]
        own = f"{envoy.rev} {EPOCH} {GRACE} {RECALL}"
        state = {"open": True}

        def give_up():
            if state["open"]:
                state["open"] = False
                for *_, heard in batch:
                    heard(None)

        self.after(500, give_up)
        bad = style.lossy and not self.calm
        slow = lambda: (
            rnd.choice([1, 2, 3, rnd.randint(1, 400), rnd.randint(1, 3000)]) if bad and style.delay else rnd.randint(1, 3)
        )
        copies = 1 + (bad and rnd.random() < 0.08)
        if bad and rnd.random() < 0.10:
            self.seen["lost_calls"] += 1
            copies = 0
        for copy_ in range(copies):
            self.after(slow(), lambda: self.arrives(envoy, own, items, batch, state, slow, bad))

    def arrives(self, envoy, own, items, batch, state, slow, bad):
        if self.now < self.down_until:
            if self.down_kind == "stopped":  # the kernel took it; the server reads it when it goes on
                self.backlog.append((envoy, own, items, batch, state, slow, bad))
            return
        reply = self.server.call(self.now, own, items)
        if "truncate" in self.mut:
            pass
        raw = as_resp(reply)
        self.seen["bytes"] += len(raw) + sum(len(k) + len(t) + 20 for k, t in items) + 150
        self.check_spent(items)
        if bad and self.random.random() < 0.10:
            return
        if bad and self.random.random() < 0.08:
            raw = raw[: self.random.randrange(len(raw))]

        def back():
            if not state["open"] or not envoy.alive:
                return
            try:
                (now, rev, grace), got = answers(raw)
            except Cut:
                return
            state["open"] = False
            envoy.told(now, rev, grace)
            for i, (*_, heard) in enumerate(batch):
                heard(got[i] if i < len(got) else None)

        self.after(slow(), back)

    # -- a case
    calm = False

    def case(self):
        rnd, style = self.random, self.style
        end = self.start + style.seconds * 1000

        def request():
            if self.now >= end:
                return
            self.after(max(1, int(rnd.expovariate(style.rate / 1000))), request)
            for _ in range(rnd.choice([1, 1, 1, 1, 12]) if style.storm else 1):
                self.one()

        self.after(1, request)
        if style.storm:
            for _ in range(400):
                self.after(1500 + rnd.randint(0, 30), self.one)

        def often(ms, do):
            def again():
                if self.now < end:
                    self.after(int(ms * rnd.uniform(0.5, 1.5)), again)
                    do()

            self.after(int(ms * rnd.uniform(0.3, 1.5)), again)

        if style.server in ("failover", "backup"):
            self.snapshots.append((self.now, self.server.snapshot()))
            often(1000, lambda: self.snapshots.append((self.now, self.server.snapshot())))
        if style.server:
            often(style.pace, self.fault)
        if style.crash:
            often(5000, self.crash_one)
            often(6000, lambda: rnd.choice([e for e in self.envoys if e.alive]).worker_dies(rnd.randrange(style.workers)))
        if style.limits:
            often(3000, self.push_limits)
        if style.faults:
            often(5000, self.sleep_one)
        self.run(end)
        # faults cease; all requests end; all is told
        self.calm, self.style.server, style.crash = True, None, False
        self.run(max(self.now, self.down_until) + 6000)
        while any(e.running for e in self.envoys):
            self.run(self.now + 1000)
        self.quiet()
        return self.seen

    def one(self):
        rnd, r = self.random, Request()
        alive = [e for e in self.envoys if e.alive and e.paused_until <= self.now]
        if not alive:
            return
        r.account, r.state, r.since = rnd.choice(self.accounts), "waits", self.now
        tin, tout = rnd.randint(1, 40), rnd.randint(1, 60)
        r.hold = (
            tin * 3 + tout * 11 if r.account.limited[0] else 0,
            tin if any(r.account.limited[1:3]) else 0,
            tout if r.account.limited[1] or r.account.limited[3] else 0,
            1 if r.account.limited[4] else 0,
        )
        share = rnd.choice([0, 0.2, 0.5, 1, 1])
        if self.style.excess and rnd.random() < 0.2:
            share = rnd.uniform(1, 3)
        r.charge = tuple(int(x * share) for x in r.hold[:3]) + (r.hold[3] if share else 0,)
        if self.style.slots:
            r.charge = Z  # concurrency: held, never charged
        r.lasts = rnd.choice([5, 50, 300, 1000, 2500] + [20_000] * self.style.long)
        rnd.choice(alive).arrive(r)

    def crash_one(self):
        alive = [e for e in self.envoys if e.alive]
        if len(alive) < 2:
            return
        envoy = self.random.choice(alive)
        envoy.crash()
        self.envoys.remove(envoy)
        self.vacant.append(envoy)

        def again():
            fresh = Envoy(self, envoy.number)
            self.envoys.append(fresh)

        self.after(self.random.choice([10, 1000, 3 * EPOCH]), again)

    def sleep_one(self):
        """An Envoy that says nothing for a while, longer than its allotment lives, or than it is remembered; its requests go on."""
        envoy = self.random.choice(self.envoys)
        envoy.forgiven([*envoy.shared.values(), *envoy.lanes.values()])
        envoy.paused_until = self.now + self.random.choice([300, 1500, 3 * EPOCH, (FORGET + 3) * EPOCH])

    def push_limits(self):
        acc = self.random.choice(self.accounts)
        last = acc.history[-1][1]
        acc.history.append(
            (self.now, [None if l is None else max(1, int(l * self.random.choice([0.5, 0.8, 1, 1.25, 2]))) for l in last])
        )
