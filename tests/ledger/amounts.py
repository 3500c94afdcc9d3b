"""Amounts as the ledger counts them: (nano-dollars, tokens in, tokens out, requests)."""

Z = (0, 0, 0, 0)


def add(a, b):
    return tuple(x + y for x, y in zip(a, b))


def sub(a, b):
    return tuple(x - y for x, y in zip(a, b))


def top(a, b):
    return tuple(map(max, a, b))


def low(a, b):
    return tuple(map(min, a, b))


def pos(a):
    return tuple(max(0, x) for x in a)


def times(a, k):
    return tuple(x * k for x in a)


def within(a, b):
    return all(x <= y for x, y in zip(a, b))


def measures(v):
    return (v[0], v[1] + v[2], v[1], v[2], v[3])


def fits(limits, v):
    return all(l is None or m <= l for m, l in zip(measures(v), limits))


def words(*vs):
    return " ".join(str(x) for v in vs for x in v)
