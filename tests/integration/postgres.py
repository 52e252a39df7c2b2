"""postgres - a PostgreSQL of the tests' own: from Debian's binaries, in a folder and on a port of its own.

It can be stopped, killed, frozen, and followed by a replica. A Proxy between it and its clients makes a
line slow, cut, or a hole that swallows all: no privileges are needed for that.
"""

import asyncio
import contextlib
import os
import pathlib
import pwd
import re
import shutil
import signal
import subprocess
import tempfile
import threading
import time

import pytest

import wire
from daemon import free_port

START_S = 30.0
COMMAND_S = 60.0

SETTINGS = """
listen_addresses = '127.0.0.1'
unix_socket_directories = '{directory}'
fsync = off
full_page_writes = off
shared_buffers = 16MB
max_connections = 120
wal_level = replica
max_wal_senders = 4
log_connections = on
log_line_prefix = '%n [%p] '
autovacuum = off
timezone = UTC
"""


def binaries():
    """The folder of the newest server's programs, or None."""
    found = pathlib.Path("/usr/lib/postgresql").glob("*/bin/initdb")
    return max((path.parent for path in found), key=lambda path: float(path.parent.name), default=None)


def require():
    """Skips the test where there is no PostgreSQL; in CI that is a failure."""
    if binaries() is None:
        why = "NO PostgreSQL HERE, NOT TESTED: script/setup --test installs it"
        if os.environ.get("CI") == "true":
            pytest.fail(why)
        pytest.skip(why)


def server_user():
    """PostgreSQL does not run as root: {"user": …, "group": …} for subprocess, or nothing."""
    if os.getuid() != 0:
        return {}
    for name in ("postgres", "nobody"):
        with contextlib.suppress(KeyError):
            entry = pwd.getpwnam(name)
            return {"user": entry.pw_uid, "group": entry.pw_gid, "extra_groups": []}
    raise AssertionError("no user to run PostgreSQL as")


class Postgres:
    """One server. Its databases are owned by the role `telltale`, which is no superuser."""

    def __init__(self, settings="", following=None):
        self.bin = binaries()
        self.user = server_user()
        self.root = pathlib.Path(tempfile.mkdtemp(prefix="tt-pg-"))
        if self.user:
            os.chown(self.root, self.user["user"], self.user["group"])
        self.data = self.root / "data"
        self.port = free_port()
        self.process = None
        self.databases = 0
        try:
            if following:
                self._follow(following)
            else:
                self._make()
            with open(self.data / "postgresql.conf", "a", encoding="utf-8") as file:
                file.write(SETTINGS.format(directory=self.root) + f"port = {self.port}\n{settings}\n")
            self.start()
            if not following:
                self.psql("create role telltale login password 'hunter2'")
        except BaseException:
            self.close()
            raise

    def _make(self):
        self.run("initdb", "-D", self.data, "-U", "postgres", "-A", "trust", "--no-sync", "-E", "UTF8",
                 "--no-instructions")  # fmt: skip

    def _follow(self, primary):
        self.run("pg_basebackup", "-D", self.data, "-h", primary.root, "-p", primary.port, "-U", "postgres",
                 "-R", "-c", "fast", "-X", "stream", "--no-sync")  # fmt: skip

    def run(self, name, *args, check=True):
        done = subprocess.run(
            [str(self.bin / name), *map(str, args)], cwd="/", capture_output=True, text=True,
            timeout=COMMAND_S, check=False, stdin=subprocess.DEVNULL, **self.user)  # fmt: skip
        assert done.returncode == 0 or not check, done
        return done

    # -- life

    def start(self):
        assert self.process is None
        with open(self.root / "log", "ab") as log:
            self.process = subprocess.Popen(
                [str(self.bin / "postgres"), "-D", str(self.data)], cwd="/", stdin=subprocess.DEVNULL,
                stdout=log, stderr=log, **self.user)  # fmt: skip

        def accepts():
            assert self.process.poll() is None, self.log()[-4000:]
            return self.run("pg_isready", "-q", "-h", "127.0.0.1", "-p", self.port, check=False).returncode == 0

        wire.wait_until(accepts, "PostgreSQL", START_S)
        return self

    def stop(self, how="fast"):
        """fast: clients are ended; immediate: as if it had crashed."""
        self.process.send_signal({"fast": signal.SIGINT, "immediate": signal.SIGQUIT}[how])
        self.process.wait(START_S)
        self.process = None

    def restart(self, how="fast"):
        self.stop(how)
        return self.start()

    def pids(self):
        """Of all its processes; the first is the parent of all."""
        parent = self.process.pid
        children = pathlib.Path(f"/proc/{parent}/task/{parent}/children").read_text().split()
        return [parent, *map(int, children)]

    def freeze(self):
        """No process of it runs any more; the kernel still takes connections and packets."""
        stopped = set()
        while not stopped >= set(self.pids()):
            for pid in self.pids():
                with contextlib.suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGSTOP)
                stopped.add(pid)

    def thaw(self):
        for pid in self.pids():
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGCONT)

    @contextlib.contextmanager
    def frozen(self):
        self.freeze()
        try:
            yield
        finally:
            self.thaw()

    def close(self):
        if self.process is not None:
            self.thaw()
            self.stop("immediate")
        shutil.rmtree(self.root, ignore_errors=True)

    # -- what is in it

    def log(self):
        return (self.root / "log").read_text("utf-8", "replace")

    def connection_times(self):
        """When somebody came, in seconds since the epoch."""
        return [float(at) for at in re.findall(r"(?m)^(\d+\.\d+) .*connection received", self.log())]

    def psql(self, sql, database="postgres"):
        """What a superuser is answered: rows of texts."""
        done = self.run("psql", "-XqAt", "-F", "\t", "-v", "ON_ERROR_STOP=1", "-h", self.root, "-p", self.port,
                        "-U", "postgres", "-d", database, "-c", sql)  # fmt: skip
        return [line.split("\t") for line in done.stdout.splitlines()]

    def new_database(self):
        self.databases += 1
        name = f"fleet{self.databases}"
        self.psql(f"create database {name} owner telltale")
        return name

    def url(self, database, *others):
        """Of this server, and of others that may have taken its place."""
        hosts = ",".join(f"127.0.0.1:{one.port}" for one in (self, *others))
        return f"postgresql://telltale:hunter2@{hosts}/{database}"

    def cut_listeners(self):
        """End the sessions that hold a host's lock; returns how many."""
        rows = self.psql(
            "select pg_terminate_backend(pid) from pg_locks where locktype = 'advisory' and granted"
        )
        return len(rows)

    def cut_all(self):
        self.psql("select pg_terminate_backend(pid) from pg_stat_activity where usename = 'telltale'")

    def promote(self):
        self.psql("select pg_promote()")
        wire.wait_until(lambda: self.psql("select pg_is_in_recovery()") == [["f"]], "the promotion")


class Proxy:
    """
    A line to a server, on a thread of its own.

    delay_s  each way
    rate     bytes a second, each way; None: as fast as it goes
    hole     connections are accepted, and nothing is passed on until it is over
    refuse   nobody is let in
    """

    def __init__(self, target_port):
        self.target_port = target_port
        self.port = free_port()
        self.delay_s, self.rate, self.hole, self.refuse = 0.0, None, False, False
        self.came = []  # when, by the monotonic clock
        self.writers = set()
        self.loop = asyncio.new_event_loop()
        self.server = self.loop.run_until_complete(asyncio.start_server(self._serve, "127.0.0.1", self.port))
        self.thread = threading.Thread(target=self.loop.run_forever)
        self.thread.start()

    def cut(self):
        """End all connections that there are."""
        self._call(self._cut)

    def close(self):
        self.hole = False
        self._call(self.server.close)
        self._call(self._cut)
        asyncio.run_coroutine_threadsafe(self._end(), self.loop).result(10)
        self.loop.call_soon_threadsafe(self.loop.stop)
        self.thread.join()
        self.loop.close()

    async def _end(self):
        tasks = asyncio.all_tasks(self.loop) - {asyncio.current_task()}
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    def _call(self, function):
        done = threading.Event()

        def run():
            function()
            done.set()

        self.loop.call_soon_threadsafe(run)
        assert done.wait(10)

    def _cut(self):
        for writer in list(self.writers):
            writer.transport.abort()

    async def _serve(self, reader, writer):
        self.came.append(time.monotonic())
        if self.refuse:
            writer.transport.abort()
            return
        self.writers.add(writer)
        there = None
        try:
            while self.hole:
                await asyncio.sleep(0.02)
            from_there, there = await asyncio.open_connection("127.0.0.1", self.target_port)
            self.writers.add(there)
            await asyncio.gather(self._pass(reader, there), self._pass(from_there, writer))
        except (OSError, asyncio.CancelledError):
            pass
        finally:
            for one in (writer, there):
                if one:
                    one.transport.abort()
                    self.writers.discard(one)

    async def _pass(self, reader, writer):
        """Both halves at once, so that a delay is not one for each packet."""
        queue = asyncio.Queue()
        await asyncio.gather(self._take(reader, queue), self._give(queue, writer))

    async def _take(self, reader, queue):
        while data := await reader.read(65536):
            queue.put_nowait((time.monotonic() + self.delay_s, data))
        queue.put_nowait((0, b""))

    async def _give(self, queue, writer):
        while True:
            at, data = await queue.get()
            await asyncio.sleep(max(0.0, at - time.monotonic()))
            while self.hole:
                await asyncio.sleep(0.02)
            if not data:
                writer.close()
                return
            if self.rate:
                await asyncio.sleep(len(data) / self.rate)
            writer.write(data)
            await writer.drain()
