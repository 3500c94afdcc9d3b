"""What is true, and what must be: after each exchange, at each admission, and when all is quiet."""

from amounts import Z, add, fits, low, measures, pos, sub, top, within, words
from component import Request
from timing import EPOCH, FORGET, GRACE, RECALL, TAIL


class Truth:
    """The part of a world that judges."""

    def admitted(self, r):
        k = (r.account, r.window)
        self.seen["admitted"] += 1
        self.seen["paths"] += r.component in r.envoy.shared.values()
        self.covered[k] = add(self.covered.get(k, Z), r.hold)
        self.check_limit(k)

    def check_limit(self, k):
        limits, allow = k[0].most(), self.allow.get(k, Z)
        for m, (used, limit, extra) in enumerate(zip(measures(self.covered[k]), limits, measures(allow))):
            if limit is None:
                continue
            self.seen["worst"] = max(self.seen["worst"], used - limit)
            if used > limit + extra:
                raise AssertionError(f"overshoot: {used} of {limit} (+{extra}) in measure {m} of {k[0].name} {k[1]}")

    def settled(self, r):
        k = (r.account, r.window)
        self.covered[k] = add(self.covered[k], sub(low(r.hold, r.charge), r.hold))
        self.truth[k] = add(self.truth.get(k, Z), r.charge)
        if self.window(r.account, self.now) != r.window:
            self.seen["late"] += 1

    def vanish(self, r):
        if r.state != "runs":
            return
        r.state = "gone"
        k = (r.account, r.window)
        self.covered[k] = sub(self.covered[k], r.hold)

    def refuse(self, r, why):
        r.state = "refused"
        self.seen["refused"] += 1
        self.seen[why] += 1
        return True

    def orphan(self, comp):
        comp.dead = True
        self.orphans.append(comp)

    def anew(self, comp, counted):
        self.anews.append((comp, counted))

    def check_spent(self, items):
        for key, _ in items:
            peek = self.server.peek(key)
            if not peek:
                continue
            h, comps = peek
            real = sub(h["s"], h["l"])
            at, gen = self.floor_of_spent.get(key, (Z, self.generation))
            if gen == self.generation and not h["f"] and not h["u"] != Z:
                assert within(at, real), f"what was spent shrank: {at} to {real} of {key}"
            self.floor_of_spent[key] = (real, self.generation)
            assert within(Z, h["a"]) and within(Z, h["b"])
            sums = {e: Z for e in (h["e"], h["e"] - 1)}
            for seq, e, c, g in comps.values():
                if e in sums:
                    sums[e] = add(sums[e], g)
            assert (h["a"], h["b"]) == (sums[h["e"]], sums[h["e"] - 1]), f"{h} {comps}"

    def quiet(self):
        """Each charge is counted once; nothing stays allotted; whoever fits is let in."""
        self.run(self.now + ((FORGET + 4) * EPOCH if self.style.faults else 8000))
        for k in sorted({(c.account, c.window) for c in self.components}, key=lambda k: (k[0].name, k[1])):
            acc, window = k
            peek = self.server.peek(f"l:{{{acc.name}}}:{window}")
            true = self.truth.get(k, Z)
            # Nobody brings back what an older state has not of a window that ended.
            if acc.length and self.recovering and self.recovering > self.span(acc, window)[1] - 4000:
                continue
            if peek is None:
                assert within(true, add(self.unsaid(k)[0], self.lost.get(k, Z))), f"forgotten: {true}"
                continue
            h = peek[0]
            under, over = self.unsaid(k)
            lost = self.lost.get(k, Z)
            real = sub(h["s"], h["l"])
            low_, high = pos(sub(sub(true, under), lost)), add(add(true, over), self.allow.get(k, Z))
            assert within(low_, h["s"]), f"{acc.name} {window}: a charge was lost: {h['s']} of {true} (-{under} -{lost})"
            assert within(real, high), f"{acc.name} {window}: a charge was counted twice: {real} of {true} (+{over})"
        self.nothing_leaks()
        self.lets_in()

    def unsaid(self, k):
        """What components that died had not told (at most their allotment, if they kept it), and what those may count twice that began anew in doubt."""
        under, over = Z, Z
        for c in self.components:
            if (c.account, c.window) != k:
                continue
            if not c.envoy.alive or c in self.orphans:
                under = add(under, pos(sub(c.c, c.c_acked)))
        for c, counted in self.anews:
            if (c.account, c.window) == k:
                over, under = add(over, pos(sub(c.c, Z))), add(under, counted)
        return under, over

    def nothing_leaks(self):
        for acc in self.accounts:
            window = self.window(acc, self.now)
            key = f"l:{{{acc.name}}}:{window}"
            for step in range(4):
                # somebody asks, epochs go on
                self.after(
                    step * (EPOCH + 10),
                    lambda: self.server.call(self.now, f"0 {EPOCH} {GRACE} {RECALL}", [(key, self.probe(acc, window, step, []))]),
                )
            self.run(self.now + 4 * EPOCH + 2000)
        for acc in self.accounts:
            window = self.window(acc, self.now)
            peek = self.server.peek(f"l:{{{acc.name}}}:{window}")
            if peek:
                h = peek[0]
                assert (h["a"], h["b"]) == (Z, Z), f"leaks: {h}"

    def probe(self, acc, window, step, asks):
        since, till = self.span(acc, window)
        return (
            f"probe.{self.now} 1 0 c {since} {till} {TAIL} "
            + " ".join("-" if l is None else str(l) for l in acc.history[-1][1])
            + " "
            + words(Z, Z, Z)
            + f" 0 {len(asks)} "
            + words(*asks)
        )

    def lets_in(self):
        """No deadlock: when all is quiet, a request gets in if and only if it fits."""
        for acc in self.accounts:
            for envoy in [e for e in self.envoys if e.alive][:2]:
                envoy.denied.clear()
                window = self.window(acc, envoy.clock())
                peek = self.server.peek(f"l:{{{acc.name}}}:{window}")
                spent = top(peek[0]["s"], peek[0]["f"] or Z) if peek else Z
                r = Request()
                r.account, r.state, r.since, r.lasts = acc, "waits", self.now, 10
                r.hold = tuple(
                    1 if l else 0 for l in (acc.limited[0], any(acc.limited[1:3]), acc.limited[1] or acc.limited[3], acc.limited[4])
                )
                r.charge = Z
                want = fits(acc.limits_at(self.now, envoy), add(spent, r.hold))
                envoy.arrive(r)
                self.run(self.now + 3000)
                got = r.state in ("done", "runs")
                if r.window == window and self.window(acc, self.now) == window:
                    assert got == want, (
                        f"a request was {r.state} though it {'fits' if want else 'does not fit'}: {spent} of {acc.history[-1][1]}"
                    )
