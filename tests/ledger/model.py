"""The ledger in Python, written for itself: what the script must answer, word by word."""

import copy

from amounts import Z, add, fits, low, measures, pos, sub, times, top, words
from timing import FORGET, SLACK


class Ledger:
    """The script in Python, written for itself: what the real one must answer, word by word."""

    VECS = ("s", "a", "b", "l", "u")

    def __init__(self, mutations=()):
        self.mut, self.mark, self.accounts = frozenset(mutations), None, {}

    def call(self, now, own, items):
        rev, epoch, grace, recall = map(int, own.split())
        m_rev, m_grace = 0, now + grace
        if self.mark:
            m_rev, m_grace = self.mark[0], min(self.mark[1], now + grace)
            if rev > m_rev:
                m_grace = now + grace
        if "no_grace" in self.mut:
            m_grace = 0
        m_rev = max(rev, m_rev) + 1
        self.mark = (m_rev, m_grace)
        self.t = (now, epoch, grace, recall, m_grace)
        return [now, m_rev, max(0, m_grace - now)] + [self.exchange(key, text) for key, text in items]

    def advance(self, acc):
        h, (now, epoch, *_) = acc["h"], self.t
        if now < h["et"] - epoch:
            h["et"] = now
        steps = (now - h["et"]) // epoch
        if steps < 1:
            return
        for _ in range(steps if "wall_epochs" in self.mut else 1):
            h["e"] += 1
            if h["lost"] == "c":
                h["s"], h["l"] = add(h["s"], h["b"]), add(h["l"], h["b"])
            h["b"], h["a"], h["q"], h["p"] = h["a"], Z, h["p"], 0
        h["et"] = now
        for k in [k for k, c in acc["c"].items() if h["e"] - c[1] > FORGET]:
            del acc["c"][k]

    def close_gap(self, h):
        now, m_grace = self.t[0], self.t[4]
        if h["f"] is None or (now < h["ft"] and m_grace <= h["ft"]):
            return
        gap = pos(sub(h["f"], h["r"]))
        h["s"], h["u"], h["f"], h["r"], h["ft"] = add(h["s"], gap), add(h["u"], gap), None, None, 0

    def answer(self, status, more, h, g):
        return f"{status} {more} {int(h['tight'] > 0)} " + words(g, h["s"], add(h["a"], h["b"]))

    def exchange(self, key, text):
        w = text.split()
        take = lambda k: [w.pop(0) for _ in range(k)]
        vec = lambda: tuple(map(int, take(4)))
        (id, seq, acked, flags), (since, till, _) = take(4), map(int, take(3))
        seq, acked, limits = int(seq), int(acked), [None if x == "-" else int(x) for x in take(5)]
        c, g, unit, wish = vec(), vec(), vec(), int(take(1)[0])
        asks = [vec() for _ in range(int(take(1)[0]))]
        seen, in_seen = (vec(), vec()) if "s" in flags else (None, None)
        now, epoch, grace_ms, recall, m_grace = self.t
        acc = self.accounts.get(key)
        fresh = acc is None
        if fresh:
            acc = {
                "h": {
                    "e": 1,
                    "et": now,
                    "ft": 0,
                    "tight": 0,
                    "p": 0,
                    "q": 0,
                    "lost": "f" if "f" in flags else "c",
                    "f": None,
                    **{k: Z for k in self.VECS},
                },
                "c": {},
            }
            self.accounts[key] = acc
        h = acc["h"]
        e_seq, e_epoch, e_c, e_g = acc["c"].get(id, (0, None, Z, Z))
        if e_seq < acked and seen is None:
            self.close_gap(h)
            h["ft"] = now + grace_ms
            return self.answer(3, 2, h, Z)
        if seq <= e_seq and "no_sequence" not in self.mut:
            return self.answer(1 if seq == e_seq else 2, 2, h, e_g)
        self.close_gap(h)
        if not fresh:
            self.advance(acc)
        if e_epoch == h["e"]:
            h["a"], h["p"] = sub(h["a"], e_g) if "leak" not in self.mut else h["a"], h["p"] - 1
        elif e_epoch == h["e"] - 1:
            h["b"], h["q"] = sub(h["b"], e_g), h["q"] - 1
        elif e_epoch and h["lost"] == "c":
            h["s"], h["l"] = sub(h["s"], e_g), sub(h["l"], e_g)
        h["a"], h["b"], h["l"] = pos(h["a"]), pos(h["b"]), pos(h["l"])
        if seen is not None:
            if h["f"] is None:
                h["f"], h["r"], h["ft"] = h["s"], h["s"], now + grace_ms
            back = pos(sub(in_seen, e_c))
            known = low(back, h["u"])
            h["s"], h["u"], h["r"] = sub(h["s"], known), sub(h["u"], known), sub(add(h["r"], back), known)
            h["f"] = add(h["f"], seen) if "seed_adds" in self.mut else top(h["f"], seen)
        more = pos(sub(c, e_c))
        if "additive" in self.mut and seen is None:
            more = c  # as if a push were a plain increment
        h["s"], e_c = add(h["s"], more), top(c, e_c)
        grace = now < m_grace or now < h["ft"]
        if "no_grace" in self.mut:
            grace = False
        used = add(add(h["s"], h["a"]), add(Z if "forget_b" in self.mut else h["b"], g))
        alone, more = add(h["s"], g), 0
        current = till == 0 or since - SLACK <= now < till + SLACK
        if asks and (grace or not current):
            more = 2 if grace else 3
        else:
            refused = perhaps = False
            for x in asks:
                if fits(limits, add(used, x)):
                    used, g, alone = add(used, x), add(g, x), add(alone, x)
                else:
                    refused, perhaps = True, perhaps or fits(limits, add(alone, x))
            if refused:
                h["tight"] = h["tight"] or now
                more = 2 if perhaps and now - h["tight"] < recall else 1
        if wish and not grace and current:
            units, peers = wish, 2 * max(h["p"] + 1, h["q"], 1)
            for used_m, each, limit in zip(measures(used), measures(unit), limits):
                if each and limit is not None:
                    units = min(units, (limit - used_m) // (peers * each))
            if units < 1:
                h["tight"] = h["tight"] or now
            elif h["tight"] and units >= min(wish, 4) and not more:
                h["tight"] = 0
            if not h["tight"]:
                g = add(g, times(unit, units))
        h["a"], h["p"] = add(h["a"], g), h["p"] + 1
        acc["c"][id] = (seq, h["e"], e_c, g)
        return self.answer(0, more, h, g)

    def begin(self, mutations):
        Ledger.__init__(self, mutations)

    def compare(self):
        """A real server beside it would have to have the same."""

    def flush(self):
        self.mark, self.accounts = None, {}

    def snapshot(self):
        return copy.deepcopy((self.mark, self.accounts))

    def restore(self, saved):
        self.mark, self.accounts = copy.deepcopy(saved)

    def peek(self, key):
        acc = self.accounts.get(key)
        return acc and (acc["h"], dict(acc["c"]))
