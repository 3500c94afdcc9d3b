"""The real server by a clock of ours, and the model beside it."""

from model import Ledger
from resp import encode, parse
from server import read_account, script
from timing import TAIL


class Lockstep(Ledger):
    """The real server by a clock of ours, and the model beside it: every answer must be the same."""

    def __init__(self, server, mutations=()):
        super().__init__(mutations)
        self.server, self.lua = server, script(True, mutations)
        self.sha = None
        self.calls = 0
        self.server.do(encode("FLUSHALL"))

    def call(self, now, own, items):
        expected = super().call(now, own, items)
        keys = ["mark"] + [key for key, _ in items]
        rest = [len(keys), *keys, own, *[text for _, text in items]]
        clock = encode("HSET", "clock", "s", now // 1000, "us", now % 1000 * 1000)
        how = ("EVALSHA", self.sha) if self.sha else ("EVAL", self.lua)
        raw = self.server.do(clock + encode(*how, *rest))
        _, at = parse(raw)
        got, _ = parse(raw, at)
        if isinstance(got, RuntimeError) and "NOSCRIPT" in str(got):
            self.sha = None
            raw = self.server.do(clock + encode("EVAL", self.lua, *rest))
            got, _ = parse(raw, parse(raw)[1])
        if not self.sha:
            self.sha = parse(self.server.do(encode("SCRIPT", "LOAD", self.lua)))[0]
        assert got == expected, f"\n{got}\n{expected}\n{items}"
        self.calls += 1
        return got

    def flush(self):
        super().flush()
        self.server.do(encode("FLUSHALL") + encode("SCRIPT", "FLUSH"))

    def begin(self, mutations):
        Lockstep.__init__(self, self.server, mutations)

    def compare(self):
        for key, acc in self.accounts.items():
            flat = parse(self.server.do(encode("HGETALL", key)))[0]
            h, comps = read_account(dict(zip(flat[::2], flat[1::2])))
            assert parse(self.server.do(encode("PTTL", key)))[0] > TAIL, "it never expires"
            want = {k: v for k, v in acc["h"].items() if k != "r" or acc["h"]["f"]}
            assert {k: h[k] for k in want} == want and comps == acc["c"], f"{h} {want}"

    def snapshot(self):
        keys = parse(self.server.do(encode("KEYS", "*")))[0]
        raw, at, dumps = self.server.do(b"".join(encode("DUMP", k) for k in keys)), 0, []
        for k in keys:
            n = int(raw[at + 1 : raw.index(b"\r\n", at)])
            start = raw.index(b"\r\n", at) + 2
            dumps.append((k, raw[start : start + n]))
            at = start + n + 2
        return super().snapshot(), dumps

    def restore(self, saved):
        model, dumps = saved
        super().restore(model)
        self.server.do(
            encode("FLUSHALL")
            + b"".join(
                encode(
                    "RESTORE",
                    k,
                    0 if k in ("mark", "clock") else 2_100_000_000_000,
                    d,
                    *([] if k in ("mark", "clock") else ["ABSTTL"]),
                )
                for k, d in dumps
            )
        )
