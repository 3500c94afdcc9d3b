"""Small cases with one point each."""

from amounts import Z, words
from component import Component, Request
from model import Ledger
from timing import EPOCH, GRACE, RECALL, TAIL
from world import Style, World


def directed(server, mutations=()):
    now = 1_900_000_000_000
    own = f"0 {EPOCH} {GRACE} {RECALL}"

    def say(
        at,
        id,
        seq,
        acked=0,
        c=Z,
        n=Z,
        asks=(),
        limits="- - - - 100",
        flags="f",
        unit=Z,
        wish=0,
        span="0 0",
        tail=TAIL,
        key="l:{d}:0",
    ):
        text = f"{id} {seq} {acked} {flags} {span} {tail} {limits} " + words(c, n, unit) + f" {wish} {len(asks)} " + words(*asks)
        reply = server.call(now + at, own, [(key, text)])
        numbers = list(map(int, reply[3].split()))
        return numbers[:3], tuple(numbers[3:7]), tuple(numbers[7:11])

    R = lambda k: (0, 0, 0, k)
    server.flush()
    say(0, "x", 1)  # a new ledger grants nothing for a moment: it may be one that lost all
    at = GRACE + 1
    assert say(at, "A", 1, asks=[R(60)])[1] == R(60)
    assert say(at, "B", 1, asks=[R(40)])[1] == R(40)
    # The ledger is away for five epochs: nobody was silent.
    at += 5 * EPOCH
    assert say(at, "C", 1, asks=[R(1)])[1] == Z, "an outage set free what is held"
    # Now A and B are: after two epochs in which somebody asked, their room is free again (forgiven).
    for seq in (2, 3):
        say(at + (seq - 1) * EPOCH, "C", seq, seq - 1)
    at += 3 * EPOCH
    assert say(at, "C", 4, 3, unit=R(1), wish=4)[:2] == (
        [0, 0, 0],
        R(4),
    )  # who wishes for some to spare finds that there is enough again
    assert say(at, "C", 5, 4, asks=[R(100)])[1] == R(100)
    # It comes back: what it needs is never refused, and nobody else gets anything.
    assert say(at, "A", 2, 1, n=R(60))[1] == R(60)
    assert say(at, "C", 6, 5, n=R(100), asks=[R(1)])[0][1] == 1  # spent and needed alone are at the limit
    assert say(at, "E", 1, asks=[R(1)])[0][1] == 2  # others may give back: ask again
    assert say(at + RECALL, "E", 2, 1, asks=[R(1)])[0][1] == 1  # they had time to
    # A window that is not now, by the ledger's clock.
    span = f"{now - 10**9} {now - 10**9 + 60000}"
    assert say(at, "D", 1, asks=[R(1)], span=span)[0][1] == 3
    # Numbers as large as they may be stay whole.
    big = (8_999_999_999_999_999, 0, 0, 0)
    assert say(at, "A", 1, c=big, limits="9000000000000000 - - - -", asks=[(1, 0, 0, 0)], key="l:{d}:1")[1:] == ((1, 0, 0, 0), big)
    # What is given back in a push whose answer does not come is not used any more.
    world = World(0, Style(), Ledger(), mutations)
    envoy, account = world.envoys[0], world.accounts[0]
    comp = Component(world, "A", account, 0)
    comp.envoy, comp.K = envoy, (50, 50, 50, 50)
    comp.build([], 0, 0)
    assert not comp.has_room((1, 1, 1, 1)), "what was given back is used"
    comp.heard(1, "0 0 0 7 7 7 7 0 0 0 0 0 0 0 0")
    assert comp.has_room((7, 7, 7, 7))
    # All that is spent is known to one Envoy that has nothing to do; the ledger is emptied; another comes that knows nothing.
    world = World(0, Style(envoys=2, workers=1), Ledger(mutations), mutations)
    account = world.accounts[0]
    account.history, account.limited = [(0, [None] * 4 + [30])], [False] * 4 + [True]

    def request(envoy):
        r = Request()
        r.account, r.state, r.since, r.hold, r.charge, r.lasts = account, "waits", world.now, R(1), R(1), 10
        envoy.arrive(r)
        return r

    for _ in range(30):
        request(world.envoys[0])
    world.run(world.now + 6000)
    assert world.truth[account, 0] == R(30)
    world.lose(world.server.flush)
    world.run(world.now + 2 * GRACE)
    late = request(world.envoys[1])
    world.run(world.now + 3000)
    assert late.state == "refused" and world.server.peek("l:{a0}:0")[0]["s"] == R(30), "an emptied ledger gave a fresh budget"
