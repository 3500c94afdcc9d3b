"""What a client knows of its part of an account."""

from amounts import Z, add, low, measures, pos, sub, times, top, words
from timing import CONFIRM, EPOCH, FORGET, TAIL


class Component:
    """One client's part of one account in one window: the process's (shared by its workers), or a worker's near the limit."""

    def __init__(self, world, id, account, window):
        self.world, self.id, self.account, self.window = world, id, account, window
        self.seq = self.acked = 0
        self.c = self.h = self.K = self.view = self.c_acked = Z
        self.sent = {}  # seq: (what the sum was, what was needed beyond), not yet known to be applied or not
        self.seed, self.last_ack, self.last_sent, self.more = False, world.now, -(10**9), 0
        self.unit, self.recent, self.last_request = None, [], -(10**9)
        self.dead, self.check, self.confirm_at = False, False, None

    @property
    def key(self):
        return f"l:{{{self.account.name}}}:{self.window}"

    def use(self):
        return add(self.c, self.h)

    def ceiling(self):
        K = self.K
        if "no_floor" in self.world.mut:
            return K
        for c, n in self.sent.values():
            K = low(K, add(c, n))  # it may be applied already
        return K

    def has_room(self, x):
        return fits_under(self.account.limited, add(self.use(), x), self.ceiling())

    def build(self, asks, keep, wish):
        w = self.world
        self.seq += 1
        if not self.unit:
            keep = wish = 0
        spare = low(pos(sub(self.ceiling(), self.use())), times(self.unit, keep)) if keep else Z
        if keep:
            wish = max(0, keep - min([x // m for x, m in zip(spare, self.unit) if m], default=keep))
        n = add(self.h, spare)
        self.sent[self.seq] = (self.c, n)
        flags = ("f" if self.account.forgive else "c") + ("s" if self.seed else "")
        since, till = w.span(self.account, self.window)
        unit = self.unit or Z
        text = (
            f"{self.id} {self.seq} {self.acked} {flags} {since} {till} {TAIL} "
            + " ".join("-" if l is None else str(l) for l in self.account.limits_at(w.now, self.envoy))
            + " "
            + words(self.c, n, unit)
            + f" {wish if self.unit else 0} {len(asks)} "
            + words(*asks)
        )
        if self.seed:
            text += " " + words(self.view, self.c_acked)
        self.last_sent = w.now
        return self.seq, text

    def heard(self, seq, answer, more_rule=True):
        """Returns whether this answer says what was applied."""
        status, more, tight, *numbers = map(int, answer.split())
        if status == 3:
            self.sent.pop(seq, None)
            if self.world.now - self.last_ack > FORGET * EPOCH // 2:
                self.begin_anew()
            else:
                self.seed = True
            return False
        if status == 2:
            return False
        if status > 3:
            raise AssertionError(answer)
        if seq <= self.acked or seq not in self.sent:
            return False
        g, s = tuple(numbers[:4]), tuple(numbers[4:8])
        c, _ = self.sent[seq]
        # What was said last is said once more, later: a server that lost its last seconds shows it then, whoever came first.
        if c != self.c_acked:
            self.confirm_at = self.world.now + CONFIRM
        elif self.confirm_at and self.world.now >= self.confirm_at:
            self.confirm_at = None
        self.check = False
        self.K, self.c_acked, self.view, self.acked = add(c, g), c, s, seq
        self.sent = {k: v for k, v in self.sent.items() if k > seq}
        self.seed, self.last_ack, self.more = False, self.world.now, more
        self.account.tight_at(self.envoy, tight)
        return True

    def begin_anew(self):
        """The server may have forgotten this component because it was silent for long: what was acknowledged is in the sum (or, if allotments of the
        silent are charged, all that was allotted). The rest is a new component's."""
        counted = self.c_acked if self.account.forgive else top(self.K, self.c_acked)
        self.world.anew(self, low(self.c, counted))
        self.id = self.world.fresh_id(self.id.split(".")[0])
        self.c = pos(sub(self.c, counted))
        self.seq = self.acked = 0
        self.K = self.c_acked = Z
        self.sent, self.seed = {}, False


def fits_under(limited, v, ceiling):
    return all(not l or a <= b for l, a, b in zip(limited, measures(v), measures(ceiling)))


class Account:
    def __init__(self, world, name, limits, length, forgive):
        self.world, self.name, self.length, self.forgive = world, name, length, forgive
        self.history = [(0, limits)]
        self.limited = [l is not None for l in limits]
        self.tight = {}

    def limits_at(self, now, envoy):
        # A push of a configuration reaches one after the other.
        return [l for at, l in self.history if at + 400 * envoy.number <= now or at == 0][-1]

    def most(self):
        return [None if self.history[0][1][i] is None else max(l[i] for _, l in self.history) for i in range(5)]

    def tight_at(self, envoy, tight):
        self.tight[envoy] = bool(tight)


class Request:
    __slots__ = ("account", "window", "hold", "charge", "envoy", "worker", "component", "state", "since", "lasts", "tries")
