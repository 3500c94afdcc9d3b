"""What happens to the server, and what of it nobody can bring back."""

from amounts import Z, add, pos, sub
from timing import EPOCH


class Losses:
    """The part of a world that is its server's misfortune."""

    def fault(self):
        rnd, kind = self.random, self.style.server
        if kind == "stop":
            self.down_until, self.down_kind = self.now + rnd.choice([400, 2000, 4 * EPOCH, 8 * EPOCH]), "stopped"

            def go_on():
                backlog, self.backlog = self.backlog, []
                for b in backlog:
                    self.arrives(*b)

            self.after(self.down_until - self.now + 1, go_on)
        elif kind == "flush":
            self.lose(self.server.flush)
        elif kind == "failover":
            self.lose(lambda: self.server.restore(self.snapshots[-1][1]))
        elif kind == "backup":
            self.lose(lambda: self.server.restore(self.snapshots[max(0, len(self.snapshots) - rnd.choice([3, 8]))][1]))

    def lose(self, how):
        """What the server forgets of those that are gone nobody can bring back, unless another saw it."""

        def state():
            out = {}
            for acc in self.accounts:
                for w in {c.window for c in self.components if c.account is acc}:
                    peek = self.server.peek(f"l:{{{acc.name}}}:{w}")
                    out[acc, w] = (peek[0]["s"], {k: (c[2], c[3]) for k, c in peek[1].items()}) if peek else (Z, {})
            return out

        before = state()
        how()
        after = state()
        live = {c.id for c in self.components if c.envoy.alive and not c.dead and c not in self.orphans}
        self.generation += 1
        for k in before:
            (s0, c0), (s1, c1) = before[k], after[k]
            # at most: what was spent or allotted by those that do not come again, and is not in the older state
            gone = Z
            for id, (c, g) in c0.items():
                if id not in live:
                    old = c1.get(id, (Z, Z))
                    gone = add(gone, pos(sub(add(c, g), add(*old))))
            rest = sub(s0, tuple(map(sum, zip(Z, *[c for c, _ in c0.values()]))))
            rest_after = sub(s1, tuple(map(sum, zip(Z, *[c for c, _ in c1.values()]))))
            gone = add(gone, pos(sub(rest, rest_after)))
            # in the moment before anybody is missed: one tick's grants, bounded by what lives at that time
            self.lost[k] = add(self.lost.get(k, Z), gone)
            # over: pushes in doubt at that moment may be both in what was seen and in what is brought
            doubt = Z
            for c in self.components:
                if (c.account, c.window) == k:
                    doubt = add(doubt, pos(sub(c.c, c.c_acked)))
            self.allow[k] = add(self.allow.get(k, Z), add(gone, doubt))
        self.recovering = self.now
