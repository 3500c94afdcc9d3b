"""As much of the servers' protocol as is needed."""


def encode(*args):
    out = [b"*%d\r\n" % len(args)]
    for a in args:
        a = a if isinstance(a, bytes) else str(a).encode()
        out.append(b"$%d\r\n%s\r\n" % (len(a), a))
    return b"".join(out)


class Cut(Exception):
    pass


def parse(buf, at=0):
    """The reply at `at` and where the next one begins. Cut: it is not whole, so nobody knows."""
    end = buf.find(b"\r\n", at)
    if end < 0:
        raise Cut
    kind, line, at = buf[at : at + 1], buf[at + 1 : end], end + 2
    if kind == b"+":
        return line.decode(), at
    if kind == b"-":
        return RuntimeError(line.decode()), at
    if kind == b":":
        return int(line), at
    if kind == b"$":
        n = int(line)
        if n < 0:
            return None, at
        if len(buf) < at + n + 2:
            raise Cut
        return buf[at : at + n].decode(), at + n + 2
    out = []
    for _ in range(int(line)):
        item, at = parse(buf, at)
        out.append(item)
    return out, at


def answers(buf):
    """(now, rev, grace left), and the answers that came whole."""
    end = buf.find(b"\r\n")
    if buf[:1] != b"*" or end < 0:
        raise Cut
    n, at, out = int(buf[1:end]), end + 2, []
    try:
        for _ in range(n):
            item, at = parse(buf, at)
            out.append(item)
    except Cut:
        pass
    if len(out) < 3:
        raise Cut
    return tuple(out[:3]), out[3:]


def as_resp(reply):
    return b"*%d\r\n" % len(reply) + b"".join(
        b":%d\r\n" % x if isinstance(x, int) else b"$%d\r\n%s\r\n" % (len(x), x.encode()) for x in reply
    )
