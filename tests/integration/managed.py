"""managed - a service manager's side: its socket, sockets that it hands down, a thread that hangs."""

import contextlib
import ctypes
import os
import pathlib
import re
import select
import socket
import time

import pytest

PATIENCE_S = 20.0

# The sockets become 3, 4 … of a process that finds its own number in LISTEN_PID.
LAUNCHER = """
import os, sys
fds = [int(fd) for fd in sys.argv[1].split(",")]
spare = [os.dup2(fd, 100 + i) for i, fd in enumerate(fds)]
for i, fd in enumerate(spare):
    os.dup2(fd, 3 + i)
os.closerange(3 + len(fds), 200)
os.environ.update(LISTEN_PID=str(os.getpid()), LISTEN_FDS=str(len(fds)), LISTEN_FDNAMES="x")
os.execv(sys.argv[2], sys.argv[2:])
"""


class Manager:
    """Hears what one daemon says by the protocol of sd_notify(3)."""

    def __init__(self, service, abstract=False, **env):
        self.socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        if abstract:
            name = f"telltale-test-{os.getpid()}"
            self.socket.bind(f"\0{name}")
            service.env["NOTIFY_SOCKET"] = f"@{name}"
        else:
            path = service.directory / "notify.sock"
            self.socket.bind(str(path))
            service.env["NOTIFY_SOCKET"] = str(path)
        service.env.update(env)

    def message(self, timeout=PATIENCE_S):
        """The next message as a dictionary."""
        ready, _, _ = select.select([self.socket], [], [], timeout)
        assert ready, f"nothing was said in {timeout} s"
        text = self.socket.recv(65536).decode()
        pairs = [line.split("=", 1) for line in text.splitlines()]
        assert len(dict(pairs)) == len(pairs), f"something is said twice: {text!r}"
        return dict(pairs)

    def until(self, key, timeout=PATIENCE_S):
        """Messages up to the first that has the key, which is the last of the list."""
        heard = []
        end = time.monotonic() + timeout
        while not heard or key not in heard[-1]:
            assert time.monotonic() < end, f"no {key}: {heard}"
            heard.append(self.message())
        return heard

    def heard(self):
        """All that has been said by now."""
        messages = []
        while select.select([self.socket], [], [], 0)[0]:
            messages.append(self.message())
        return messages

    def close(self):
        self.socket.close()


def hand_down(service, *sockets):
    """The daemon's next start inherits these, which stay ours as well."""
    fds = tuple(one.fileno() for one in sockets)
    service.pass_fds = fds
    service.launcher = ["/usr/bin/python3", "-c", LAUNCHER, ",".join(map(str, fds))]


def listening(address, port, family=socket.AF_INET):
    made = socket.socket(family, socket.SOCK_STREAM)
    made.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    made.bind((address, port))
    made.listen(64)
    return made


def threads(pid):
    """{name: tid}; workers have names of their own."""
    found = {}
    for task in pathlib.Path(f"/proc/{pid}/task").iterdir():
        found[(task / "comm").read_text().strip()] = int(task.name)
    return found


PTRACE_SEIZE, PTRACE_INTERRUPT, PTRACE_DETACH, WALL = 0x4206, 0x4207, 17, 0x40000000


@contextlib.contextmanager
def frozen(tid):
    """One thread stands still, the others don't: what no signal can do."""
    libc = ctypes.CDLL(None, use_errno=True)
    libc.ptrace.argtypes = [ctypes.c_long, ctypes.c_long, ctypes.c_void_p, ctypes.c_void_p]
    libc.ptrace.restype = ctypes.c_long
    if libc.ptrace(PTRACE_SEIZE, tid, None, None) < 0:
        pytest.skip(f"NO PTRACE HERE, NOT TESTED: {os.strerror(ctypes.get_errno())}")
    assert libc.ptrace(PTRACE_INTERRUPT, tid, None, None) == 0
    os.waitpid(tid, WALL)
    try:
        yield
    finally:
        if libc.ptrace(PTRACE_DETACH, tid, None, None) < 0:
            os.waitpid(tid, WALL)  # it was ended meanwhile, and its end is ours to see


def sockets_at(port):
    """The inodes of the IPv4 sockets that listen there."""
    lines = pathlib.Path("/proc/net/tcp").read_text().splitlines()[1:]
    rows = [re.split(r"\s+", line.strip()) for line in lines]
    return {row[9] for row in rows if row[1].endswith(f":{port:04X}") and row[3] == "0A"}
