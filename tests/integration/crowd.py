"""crowd - many guests of one host: each in a network namespace, behind a port of the host's bridge br0.

Run inside the host's namespaces: `crowd.py COUNT make` makes the guests, `crowd.py COUNT join` takes those that are
there. Then it does what it is told by lines of JSON, and answers each with one:

    {"op": "ids"}                what each guest gets as its instance id: [[over IPv4, over IPv6 or null], …]
    {"op": "id", "n": N}         what guest N gets over IPv4, or null
    {"op": "measure", …}         milliseconds of n requests, of all guests but 0 in turn, so many at_once
    {"op": "flood"}              guest 0 floods, as fast as one processor can: "flooding", and with the next line, or
                                 after FLOOD_S, what it did: {"connections": …, "requests": …}
"""

import collections
import contextlib
import ctypes
import errno
import itertools
import json
import os
import select
import socket
import subprocess
import sys
import time

LINK_LOCAL, LINK_LOCAL_6 = "169.254.169.254", "fd00:ec2::254"
ID = b"GET /latest/meta-data/instance-id HTTP/1.1\r\nHost: 169.254.169.254\r\n\r\n"
EVERY_6 = 4  # each fourth guest has an IPv6 address as well, and prefers it
CLONE_NEWNET = 0x40000000
PATIENCE_S = 10.0
SETUP_S = 60.0
FLOOD_S = 20.0

# What the flood sends on a connection: what is right, what is not HTTP, what never ends, what is too long, nothing.
FLOOD = [
    ID,
    b"PUT /latest/api/token HTTP/1.1\r\nX-aws-ec2-metadata-token-ttl-seconds: 60\r\n\r\n",
    ID * 64,
    b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + bytes(range(200)),
    b"GET /latest/ HTTP/1.1\r\nX: y",
    b"GET /" + b"a" * 9000 + b" HTTP/1.1\r\n\r\n",
    b"",
]
KEPT = 32  # of its connections stay open and ask all the time
FRESH = 64  # are made at the same time; each ends when something was sent, at the latest after
FRESH_S = 0.002
FLOODING = 2000  # connections, after which there is no burst left


def address(n):
    return f"172.26.{2 + n // 200}.{11 + n % 200}"


def address_6(n):
    return f"2001:db8::{n + 11:x}" if n % EVERY_6 == 0 else None


def mac(n):
    return f"02:aa:bb:cc:{n >> 8:02x}:{n & 255:02x}"


def tap(n):
    return f"tap{n}"


def batch(lines, *options):
    """Many commands of ip(8) at once."""
    text = "".join(f"{line}\n" for line in lines)
    subprocess.run(["ip", *options, "-batch", "-"], input=text, text=True, check=True, timeout=SETUP_S)


def plug(n):
    return [
        f"link add {tap(n)} type veth peer name eth0 address {mac(n)} netns g{n}",
        f"link set {tap(n)} master br0 up",
    ]


def set_up(n):
    lines = [f"address add {address(n)}/20 dev eth0", "link set lo up", "link set eth0 up"]
    lines.append(f"route add {LINK_LOCAL} dev eth0")
    if address_6(n):
        lines.insert(0, f"address add {address_6(n)}/64 dev eth0 nodad")
        lines.append(f"route add {LINK_LOCAL_6} dev eth0")
    return lines


def make(count):
    subprocess.run(["mount", "-t", "tmpfs", "none", "/run"], check=True)  # where ip-netns has its names
    batch(f"netns add g{n}" for n in range(count))
    batch(line for n in range(count) for line in plug(n))
    for n in range(count):
        batch(set_up(n), "-n", f"g{n}")


class Guests:
    """Sockets of each, from one process."""

    def __init__(self, count):
        self.libc = ctypes.CDLL(None, use_errno=True)
        self.spaces = [os.open(f"/run/netns/g{n}", os.O_RDONLY) for n in range(count)]
        self.kept = {}

    def socket(self, n, family):
        if self.libc.setns(self.spaces[n], CLONE_NEWNET) != 0:
            raise OSError(ctypes.get_errno(), "setns")
        made = socket.socket(family, socket.SOCK_STREAM)
        made.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        made.settimeout(PATIENCE_S)
        return made

    def way(self, n, ipv6):
        """A socket, and where to connect it to."""
        if ipv6:
            return self.socket(n, socket.AF_INET6), (LINK_LOCAL_6, 80)
        return self.socket(n, socket.AF_INET), (LINK_LOCAL, 80)

    def identity(self, n, ipv6):
        sock, to = self.way(n, ipv6)
        with sock:
            sock.connect(to)
            return ask(sock)

    def ids(self):
        return [
            [self.identity(n, False), self.identity(n, True) if address_6(n) else None]
            for n in range(len(self.spaces))
        ]

    def id_or_none(self, n):
        with contextlib.suppress(OSError):
            return self.identity(n, False)

    def keep(self, n):
        """The guest's connection that stays open; another where the daemon has closed it for being idle."""
        sock = self.kept.get(n)
        if sock is None or select.select([sock], [], [], 0)[0]:
            sock, to = self.way(n, False)
            sock.connect(to)
            ask(sock)
            self.kept[n] = sock
        return sock

    def begin(self, n, new):
        """A request of a guest, which is under way then: [socket, when it began, whether it is sent, …]."""
        if not new:
            sock = self.keep(n)
            begin = time.perf_counter()
            sock.sendall(ID)
            return [sock, begin, True, new]
        sock, to = self.way(n, address_6(n) is not None)
        sock.setblocking(False)
        begin = time.perf_counter()
        sock.connect_ex(to)
        return [sock, begin, False, new]

    def measure_some(self, poll, guests):
        """These guests at once, every other one on a new connection."""
        took = []
        waiting = {}
        for i, n in enumerate(guests):
            one = self.begin(n, i % 2 == 0)
            waiting[one[0].fileno()] = one
            poll.register(one[0], select.EPOLLIN if one[2] else select.EPOLLOUT)
        while waiting:
            events = poll.poll(PATIENCE_S)
            if not events:
                raise OSError(errno.ETIMEDOUT, "no answer")
            for fd, _ in events:
                sock, begin, sent, new = one = waiting[fd]
                if not sent:
                    sock.sendall(ID)
                    one[2] = True
                    poll.modify(fd, select.EPOLLIN)
                    continue
                data = sock.recv(4096)
                took.append(1000 * (time.perf_counter() - begin))
                if not data.startswith(b"HTTP/1.1 200 "):
                    raise OSError(errno.EPROTO, f"got {data!r}")
                poll.unregister(fd)
                del waiting[fd]
                if new:
                    sock.close()
        return took

    def measure(self, count, at_once):
        others = itertools.cycle(range(1, len(self.spaces)))
        with select.epoll() as poll:
            rounds = [
                self.measure_some(poll, list(itertools.islice(others, at_once)))
                for _ in range(count // at_once)
            ]
        return list(itertools.chain(*rounds))


def ask(sock):
    """The guest's instance id."""
    sock.sendall(ID)
    reply = b""
    while b"\r\n\r\ni-" not in reply:
        data = sock.recv(4096)
        if not data or not reply + data > b"HTTP/1.1 200 ":
            raise OSError(errno.EPROTO, f"got {reply + data!r}")
        reply += data
    return reply.partition(b"\r\n\r\n")[2].decode()


class Flood:
    """All that guest 0 has: it never waits for an answer."""

    def __init__(self, guests):
        self.guests = guests
        self.poll = select.epoll()
        self.kept = {}  # by descriptor
        self.fresh = {}
        self.ages = collections.deque()  # (until when, socket) of the fresh ones
        self.what = itertools.cycle(FLOOD)
        self.connections = self.requests = 0

    def open(self):
        sock = self.guests.socket(0, socket.AF_INET)
        sock.setblocking(False)
        # Some are closed with a reset, and leave no port behind that can't be used for a minute.
        if self.connections % 8:
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
        sock.connect_ex((LINK_LOCAL, 80))
        self.connections += 1
        return sock

    def open_all(self):
        while len(self.kept) < KEPT:
            sock = self.open()
            self.kept[sock.fileno()] = sock
            self.poll.register(sock, select.EPOLLIN | select.EPOLLOUT)
        while len(self.fresh) < FRESH:
            sock = self.open()
            self.fresh[sock.fileno()] = sock
            self.ages.append((time.monotonic() + FRESH_S, sock))
            self.poll.register(sock, select.EPOLLOUT)

    def end_old(self):
        now = time.monotonic()
        while self.ages and (self.ages[0][0] < now or self.ages[0][1].fileno() < 0):
            sock = self.ages.popleft()[1]
            if sock.fileno() >= 0:
                self.end(sock.fileno())

    def end(self, fd):
        (self.fresh.pop(fd, None) or self.kept.pop(fd)).close()

    def on_fresh(self, fd, sock):
        data = next(self.what)
        with contextlib.suppress(OSError):
            if data and sock.send(data):
                self.requests += 1
        self.end(fd)

    def on_kept(self, fd, sock, events):
        try:
            if events & select.EPOLLIN and not sock.recv(65536):
                self.end(fd)
            elif events & select.EPOLLOUT:
                self.requests += sock.send(ID * 16) // len(ID)
        except BlockingIOError:
            pass
        except OSError:
            self.end(fd)

    def turn(self):
        self.end_old()
        self.open_all()
        for fd, events in self.poll.poll(0.001):
            if fd in self.fresh:
                self.on_fresh(fd, self.fresh[fd])
            else:
                self.on_kept(fd, self.kept[fd], events)

    def run(self):
        deadline = time.monotonic() + FLOOD_S
        while self.connections < FLOODING and time.monotonic() < deadline:
            self.turn()
        say("flooding")
        while not select.select([sys.stdin], [], [], 0)[0] and time.monotonic() < deadline:
            self.turn()
        sys.stdin.readline()
        for fd in [*self.fresh, *self.kept]:
            self.end(fd)
        return {"connections": self.connections, "requests": self.requests}


def say(what):
    print(json.dumps(what), flush=True)


def main():
    count = int(sys.argv[1])
    if sys.argv[2] == "make":
        make(count)
    guests = Guests(count)
    say("ready")
    for line in iter(sys.stdin.readline, ""):
        call = json.loads(line)
        if call["op"] == "ids":
            say(guests.ids())
        elif call["op"] == "id":
            say(guests.id_or_none(call["n"]))
        elif call["op"] == "measure":
            say(guests.measure(call["n"], call["at_once"]))
        elif call["op"] == "flood":
            say(Flood(guests).run())


if __name__ == "__main__":
    main()
