"""What only a real server does: refuse, forget the script, replicate, start again."""

import time

from amounts import Z, words
from resp import encode, parse
from server import Live
from timing import EPOCH, RECALL, TAIL


def real_server(binary, libs):
    first, second = Live(binary, "always", libs), Live(binary, None, libs)
    R = lambda k: (0, 0, 0, k)

    def item(id, seq, acked=0, c=Z, asks=(), flags="c", card=""):
        return f"{id} {seq} {acked} {flags} 0 0 {TAIL} - - - - 100 " + words(c, Z, Z) + f" 0 {card} {len(asks)} " + words(*asks)

    def call(server, *items, whole=False):
        return parse(server.do(server.payload(f"0 {EPOCH} 1 {RECALL}", items, whole)))[0]

    def state(server):  # fields come in any order
        all = {k: parse(server.do(encode("HGETALL", k)))[0] for k in parse(server.do(encode("KEYS", "*")))[0]}
        return {k: sorted(zip(v[::2], v[1::2])) if isinstance(v, list) else str(v) for k, v in all.items()}

    try:
        for s in (first, second):
            s.load()
        first.do(encode("CONFIG", "SET", "repl-diskless-sync-delay", 0))
        second.do(encode("REPLICAOF", "127.0.0.1", first.port))
        call(first, ("a", item("A", 1)))
        time.sleep(0.01)
        assert call(first, ("a", item("A", 2, 1, R(3), [R(5)])))[3].startswith("0 0 0 0 0 0 5 0 0 0 3")
        # an account that is none, and an item that cannot be read, are their own fault alone
        first.do(encode("SET", "b", "x") + encode("HSET", "bad", "h", "x y z"))
        assert [
            a[0]
            for a in call(first, ("b", item("A", 1)), ("bad", item("A", 1)), ("a", "A 3 2 c 0 0 x"), ("a", item("A", 3, 2, R(4))))[
                3:
            ]
        ] == ["5", "5", "5", "0"]
        # so many subjects and no more, until their window ends
        made = [call(first, (f"s{i}", item("A", 1, flags="ck", card="team 7 3")))[3][0] for i in range(5)]
        assert made == ["0", "0", "0", "6", "6"] and call(first, ("s9", item("A", 1, flags="ck", card="team 8 3")))[3][0] == "0"
        assert all(parse(first.do(encode("PTTL", f"s{i}")))[0] > TAIL - 5000 for i in range(3))
        first.do(encode("SCRIPT", "FLUSH"))
        assert "NOSCRIPT" in str(call(first, ("a", item("A", 4, 3))))
        assert call(first, ("a", item("A", 4, 3, R(6))), whole=True)[3].startswith("0")
        before = state(first)
        first.do(encode("CONFIG", "SET", "maxmemory", 1))
        assert "OOM" in str(call(first, ("a", item("A", 5, 4, R(99))), whole=True)) and state(first) == before
        first.do(encode("CONFIG", "SET", "maxmemory", 0))
        for _ in range(200):
            if state(second) == before:
                break
            time.sleep(0.05)
        assert state(second) == before, "the replica has something else"
        assert "READONLY" in str(call(second, ("a", item("A", 5, 4, R(99))), whole=True)) and state(second) == before
        first.kill()
        first.start()
        assert state(first) == before
        second.do(encode("REPLICAOF", "NO", "ONE"))
        assert call(second, ("a", item("A", 5, 4, R(7))), whole=True)[3].split()[10] == "7"
        return "ok: WRONGTYPE, unreadable, subjects, TTL, NOSCRIPT, OOM, READONLY, replica, AOF after SIGKILL"
    finally:
        first.close()
        second.close()
