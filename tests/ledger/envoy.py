"""An Envoy with its workers: who admits, asks and pushes."""

from amounts import Z, add, pos, sub, top, within
from component import Component
from timing import EPOCH, GRACE, IDLE, TICK


class Envoy:
    def __init__(self, world, number):
        self.world, self.number = world, number
        self.id = world.fresh_instance()
        self.skew = world.random.randint(-4000, 4000) if world.style.skew else 0
        self.offset = None
        self.rev = 0
        self.shared, self.lanes = {}, {}  # (account, window) ; (worker, account, window)
        self.queues, self.in_flight, self.denied = {}, {}, {}
        self.alive, self.running = True, set()
        self.paused_until = self.last_call = self.recovers_until = self.fails = 0
        for w in range(world.style.workers):
            world.after(world.random.randint(0, TICK), lambda w=w: self.tick(w))

    def clock(self):
        return self.world.now + self.skew + (self.offset or 0)

    def component(self, table, key, account, window):
        if key not in table:
            table[key] = Component(self.world, self.world.fresh_id(self.id), account, window)
            table[key].envoy = self
            self.world.components.append(table[key])
        return table[key]

    # -- a request
    def arrive(self, r):
        w = self.world
        r.envoy, r.window = self, w.window(r.account, self.clock())
        r.worker = w.random.randrange(w.style.workers)
        shared = self.component(self.shared, (r.account, r.window), r.account, r.window)
        shared.unit = r.hold if shared.unit is None else top(r.hold, tuple(a - a // 16 for a in shared.unit))  # a large one of late
        shared.recent.append(w.now)
        shared.last_request = w.now
        if shared.has_room(r.hold) and self.valid(shared):
            return self.admit(r, shared)
        denied = self.denied.get((r.account, r.window))
        if denied and denied[0] > w.now and within(denied[1], r.hold):
            return w.refuse(r, "cached")
        key = (r.worker, r.account, r.window)
        self.queues.setdefault(key, []).append(r)
        self.ask(key)

    def valid(self, comp):
        # What is charged when we fall silent is ours; what is forgiven is not any longer.
        return not comp.account.forgive or self.world.now - comp.last_ack < EPOCH * 8 // 10

    def admit(self, r, comp):
        w = self.world
        comp.h = add(comp.h, r.hold)
        r.component, r.state = comp, "runs"
        self.running.add(r)
        w.admitted(r)
        w.after(r.lasts, lambda: self.settle(r))

    def settle(self, r):
        if r.state != "runs":
            return
        r.state = "done"
        self.running.discard(r)
        r.component.h = sub(r.component.h, r.hold)
        r.component.c = add(r.component.c, r.charge)
        self.world.settled(r)

    # -- exchanges
    def ask(self, key):
        """A worker's own exchange: asks of those that wait, first come first served; one in flight, the rest goes with the next."""
        w, (_, account, window) = self.world, key
        lane = self.component(self.lanes, key, account, window)
        if key in self.in_flight or not self.alive:
            return
        queue = self.queues.get(key, [])
        queue[:] = [r for r in queue if r.state == "waits" and not (w.now - r.since > w.style.wait and w.refuse(r, "waited"))]
        batch = queue[:16]
        if not batch and not self.due(lane):
            return
        lane.unit = None
        seq, text = lane.build([r.hold for r in batch], 0, 0)
        self.in_flight[key] = seq

        def heard(answer):
            self.in_flight.pop(key, None)
            if not self.alive:
                return
            told = answer is not None and lane.heard(seq, answer)
            again = answer is not None and lane.seed
            if told:
                for r in batch:
                    if r.state != "waits":
                        continue
                    if lane.has_room(r.hold):
                        queue.remove(r)
                        self.admit(r, lane)
                    elif lane.more == 1:
                        queue.remove(r)
                        self.denied[(account, window)] = (w.now + 500, r.hold)
                        w.refuse(r, "full")
                again = bool(queue) and lane.more in (0, 1)
            self.fails = 0 if answer is not None else self.fails + 1
            if again:
                self.ask(key)
            elif answer is None and queue:
                w.after(min(TICK, 10 << min(self.fails, 5)), lambda: self.ask(key))

        w.send(self, [(lane, seq, text, heard)])

    def due(self, comp):
        return self.must(comp) or comp.K != comp.use() and not comp.dead

    def must(self, comp):
        w = self.world
        return (
            comp.c != comp.c_acked
            or comp.seed
            or comp.check
            or bool(comp.sent)
            or (comp.confirm_at and w.now >= comp.confirm_at)
            or (comp.h != Z and w.now - comp.last_ack > EPOCH // 3)
        ) and not comp.dead

    def tick(self, worker):
        w = self.world
        if not self.alive:
            return
        w.after(TICK + w.random.randint(-5, 5), lambda: self.tick(worker))
        if self.paused_until > w.now:
            return
        for key in list(self.lanes):
            if key[0] == worker:
                self.ask(key)
                self.retire(self.lanes, key)
        sender = (w.now // (4 * TICK)) % w.style.workers
        double = w.style.faults and w.random.random() < 0.05
        if (worker == sender) != double:
            self.push()

    def push(self):
        """Everything that is due, in one exchange. Two workers may do so at once."""
        w, batch = self.world, []
        for key, comp in list(self.shared.items()):
            if self.retire(self.shared, key):
                continue
            comp.recent = [t for t in comp.recent if w.now - t < 1000]
            tight = comp.account.tight.get(self, False)
            current = w.window(comp.account, self.clock()) == comp.window
            wish = len(comp.recent) + 2 if current and w.now - comp.last_request < w.style.keep else 0
            idle = wish and not comp.recent and not tight
            if not (self.must(comp) or ((wish or self.due(comp)) and w.now - comp.last_sent > (IDLE if idle else TICK) - 20)):
                continue
            seq, text = comp.build([], 0 if tight else wish, wish)

            def heard(answer, comp=comp, seq=seq):
                if answer is not None and self.alive:
                    comp.heard(seq, answer)

            batch.append((comp, seq, text, heard))
        if batch or w.now - self.last_call > GRACE // 2:
            w.send(self, batch)

    def told(self, now, rev, grace):
        """The ledger lost something: all that is remembered of it is said again while it grants nothing."""
        w = self.world
        self.offset, self.rev = now - (w.now + self.skew), max(rev, self.rev)
        if grace and w.now > self.recovers_until and "no_check" not in w.mut:
            self.recovers_until = w.now + grace
            for comp in [*self.shared.values(), *self.lanes.values()]:
                comp.check = comp.check or comp.acked > 0

    def retire(self, table, key):
        comp = table[key]
        over = self.world.window(comp.account, self.clock()) > comp.window
        if over and comp.h == Z and comp.c == comp.c_acked and not comp.sent and not comp.confirm_at and not self.queues.get(key):
            comp.dead = True
            del table[key]
        return comp.dead

    def forgiven(self, comps):
        """What these have not told is not counted if they fall silent: others may use it again."""
        for comp in comps:
            if comp.account.forgive:
                k = (comp.account, comp.window)
                self.world.allow[k] = add(self.world.allow.get(k, Z), pos(sub(comp.use(), comp.c_acked)))

    def crash(self):
        self.alive = False
        self.forgiven([*self.shared.values(), *self.lanes.values()])
        for r in list(self.running):
            self.world.vanish(r)
        for queue in self.queues.values():
            for r in queue:
                self.world.refuse(r, "crash") if r.state == "waits" else None

    def worker_dies(self, worker):
        """Its running requests and its own components are gone; what it held of the process's is forgotten in time."""
        for r in [r for r in self.running if r.worker == worker]:
            comp = r.component
            self.world.vanish(r)
            self.running.discard(r)
            if comp in self.shared.values():
                comp.h = sub(comp.h, r.hold)
        self.forgiven([lane for key, lane in self.lanes.items() if key[0] == worker])
        for key in [k for k in self.lanes if k[0] == worker]:
            for r in self.queues.pop(key, []):
                self.world.refuse(r, "crash") if r.state == "waits" else None
            self.world.orphan(self.lanes.pop(key))
            self.in_flight.pop(key, None)
