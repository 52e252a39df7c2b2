"""Processes under measurement: starting them pinned, their CPU time and memory, ending them."""

import collections
import contextlib
import json
import os
import pathlib
import random
import resource
import signal
import socket
import subprocess
import time

TICK_NS = 1_000_000_000 // os.sysconf("SC_CLK_TCK")
LOOPBACK = "127.0.0.1"


class BenchError(Exception):
    """Something that makes a part's figures worthless; its text says what."""


def cores():
    """Those we may use: the first is the server's, the second the load's."""
    usable = sorted(os.sched_getaffinity(0))
    if len(usable) < 2:
        raise BenchError("two cores are needed: one for the server, one for the load")
    return usable


def raise_descriptor_limit():
    """Let this process and its children have as many descriptors as the machine allows."""
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    return hard


def free_port():
    """A port nobody listens on, outside the range that outgoing connections use."""
    low = int(pathlib.Path("/proc/sys/net/ipv4/ip_local_port_range").read_text().split()[0])
    top = max(low, 12000)
    while True:
        port = random.randrange(top - 10000, top)
        with socket.socket() as probe:
            try:
                probe.bind((LOOPBACK, port))
            except OSError:
                continue
            return port


def read_stat(pid):
    """The fields of /proc/PID/stat from the state on (field 3 is index 0)."""
    text = pathlib.Path(f"/proc/{pid}/stat").read_text()
    return text[text.rindex(")") + 2 :].split()


def family(pid):
    """A process and its descendants."""
    parents = {}
    for entry in os.listdir("/proc"):
        if entry.isdigit():
            try:
                parents[int(entry)] = int(read_stat(entry)[1])
            except OSError:
                continue  # it has ended since
    members = [pid]
    for member in members:
        members += [child for child, parent in parents.items() if parent == member]
    return members


@contextlib.contextmanager
def pinned(cores):
    """Processes that are started meanwhile run on these cores (or on this one)."""
    own = os.sched_getaffinity(0)
    os.sched_setaffinity(0, {cores} if isinstance(cores, int) else cores)
    try:
        yield
    finally:
        os.sched_setaffinity(0, own)


def timed(action, *arguments):
    """Seconds that the action takes."""
    begin = time.monotonic()
    action(*arguments)
    return time.monotonic() - begin


class Others:
    """Who else used the machine during the run: CPU time by name, of those seen at two looks."""

    def __init__(self):
        self.used_ns = collections.Counter()
        self.begin_s = time.monotonic()
        self.seen = self._look()

    @staticmethod
    def _look():
        """{(pid, when it started): (name, CPU time)} of all that are not ours."""
        ours, seen = set(family(os.getpid())), {}
        for entry in os.listdir("/proc"):
            if entry.isdigit() and int(entry) not in ours:
                try:
                    fields = read_stat(entry)
                    name = pathlib.Path(f"/proc/{entry}/comm").read_text().strip()
                except OSError:
                    continue  # it has ended since
                ticks = int(fields[11]) + int(fields[12])
                seen[entry, fields[19]] = (name, ticks * TICK_NS)
        return seen

    def look(self):
        """To be called now and then: what came and went between two looks is not seen."""
        seen = self._look()
        for key, (name, cpu_ns) in seen.items():
            self.used_ns[name] += cpu_ns - self.seen.get(key, (name, 0))[1]
        self.seen = seen

    def report(self, most=5):
        """[(name, share of one core)], those that used the most."""
        wall_ns = (time.monotonic() - self.begin_s) * 1e9
        return [(name, ns / wall_ns) for name, ns in self.used_ns.most_common(most) if ns > 0]


class Server:
    """One server process (with its children), pinned to a core, in a directory of its own."""

    def __init__(self, name, argv, port, directory, core):
        self.name = name
        self.port = port
        self.directory = pathlib.Path(directory)
        self.directory.mkdir(parents=True, exist_ok=True)
        self.log = self.directory / f"{name}.log"
        with pinned(core), open(self.log, "wb") as log:
            self.started_s = time.monotonic()
            self.process = subprocess.Popen(
                [str(word) for word in argv], stdin=subprocess.DEVNULL, stdout=log, stderr=log
            )
        self.partners = []
        self.pids = [self.process.pid]

    def wait_ready(self, timeout_s=120.0, step_s=0.001, source=None):
        """Seconds from exec until the port answers a GET."""
        while True:
            if self.process.poll() is not None:
                raise BenchError(f"{self.name} ended at start: {self.last_words()}")
            if time.monotonic() - self.started_s > timeout_s:
                raise BenchError(f"{self.name} was not ready after {timeout_s:.0f} s")
            try:
                get(self.port, source=source)
            except OSError:
                time.sleep(step_s)
                continue
            ready_s = time.monotonic() - self.started_s
            self.pids = family(self.process.pid)
            return ready_s

    def join(self, partner):
        """Another process that serves the same port: both are measured and ended as one."""
        self.partners.append(partner)
        self.pids += partner.pids

    def last_words(self):
        lines = self.log.read_text(errors="replace").strip().splitlines()
        return " | ".join(lines[-3:]) or "it said nothing"

    def cpu_ns(self):
        """CPU time of all threads, ended ones too, to the nanosecond: what schedstat adds up.

        It is read from each process's CPU clock, whose id is made as clock_getcpuclockid(3) does.
        """
        try:
            return sum(time.clock_gettime_ns((~pid << 3) | 2) for pid in self.pids)
        except OSError as error:
            raise BenchError(f"{self.name} has ended: {self.last_words()}") from error

    def cpu_ticks_ns(self):
        """(user, system) CPU time from stat: coarse, but it says where the time goes."""
        fields = [read_stat(pid) for pid in self.pids]
        return tuple(sum(int(f[i]) for f in fields) * TICK_NS for i in (11, 12))

    def memory(self):
        """Bytes resident, and bytes private to the server."""
        sums = {"Rss": 0, "Private_Clean": 0, "Private_Dirty": 0}
        for pid in self.pids:
            for line in pathlib.Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()[1:]:
                key, _, value = line.partition(":")
                if key in sums:
                    sums[key] += int(value.split()[0]) * 1024
        return {
            "rss": sums["Rss"],
            "private": sums["Private_Clean"] + sums["Private_Dirty"],
            "private_dirty": sums["Private_Dirty"],
        }

    def stop(self):
        for partner in self.partners:
            partner.stop()
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
            try:
                self.process.wait(10)
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.process.wait()

    def __enter__(self):
        return self

    def __exit__(self, *exc):
        self.stop()


def http(port, request, source=None, timeout_s=5.0):
    """One exchange on a connection of its own: status and body."""
    where = (source, 0) if source else None
    with socket.create_connection((LOOPBACK, port), timeout_s, where) as connection:
        return exchange(connection, request)


def exchange(connection, request):
    connection.sendall(request)
    data = bytearray()
    while chunk := connection.recv(1 << 20):
        data += chunk
        end = data.find(b"\r\n\r\n")
        if end >= 0 and len(data) - end - 4 >= content_length(data[:end]):
            break
    if not data.startswith(b"HTTP/1.") or end < 0:
        raise OSError("no HTTP answer")
    return int(data.split(None, 2)[1]), bytes(data[end + 4 :])


def control(path, operation, timeout_s=60.0, **members):
    """One operation on the control socket; its reply."""
    body = json.dumps(members).encode()
    head = (
        "POST / HTTP/1.1\r\nHost: localhost\r\n"
        "Content-Type: application/x-amz-json-1.1\r\nConnection: close\r\n"
        f"X-Amz-Target: Telltale_20261124.{operation}\r\nContent-Length: {len(body)}\r\n\r\n"
    )
    with socket.socket(socket.AF_UNIX) as connection:
        connection.settimeout(timeout_s)
        try:
            connection.connect(str(path))
            status, reply = exchange(connection, head.encode() + body)
        except OSError as error:
            raise BenchError(f"control socket, {operation}: {error}") from error
    if status != 200:
        raise BenchError(f"control socket, {operation}: {status} {reply[:200].decode()}")
    return json.loads(reply or b"{}")


def content_length(head):
    for line in head.lower().split(b"\r\n"):
        if line.startswith(b"content-length:"):
            return int(line.partition(b":")[2])
    return 0


def get(port, path="/latest/meta-data/instance-id", source=None, token=None):
    header = f"X-aws-ec2-metadata-token: {token}\r\n" if token else ""
    request = f"GET {path} HTTP/1.1\r\nHost: bench\r\n{header}Connection: close\r\n\r\n"
    return http(port, request.encode(), source)


def put_token(port, source=None):
    request = (
        "PUT /latest/api/token HTTP/1.1\r\nHost: bench\r\n"
        "X-aws-ec2-metadata-token-ttl-seconds: 21600\r\nConnection: close\r\n\r\n"
    )
    status, body = http(port, request.encode(), source)
    if status != 200:
        raise BenchError(f"PUT /latest/api/token was answered with {status}")
    return body.decode()
