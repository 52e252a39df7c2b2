"""Fixtures of the integration suite. STYLE in short: black box, raw bytes, no fixed waits.

Run as `/usr/bin/python3 -m pytest tests/integration`; TELLTALE_BIN names the binary. A daemon
whose log has an assertion, a sanitizer report or an unexpected error fails its test on teardown.
"""

import pathlib
import resource
import shutil
import signal
import tempfile

import pytest

import daemon as daemon_module
import fleets
import namespaces
import postgres

TEST_TIMEOUT_S = 120


def pytest_configure(config):
    """Skips are said loudly: their reasons are part of every summary."""
    chars = config.option.reportchars or ""
    if "s" not in chars:
        config.option.reportchars = chars + "s"
    # Thousands of connections need descriptors, here and in the daemon, which inherits the limit.
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    want = 20000 if hard == resource.RLIM_INFINITY else min(hard, 20000)
    if soft < want:
        resource.setrlimit(resource.RLIMIT_NOFILE, (want, hard))


def pytest_sessionstart(session):
    if session.config.option.collectonly:
        return
    if not daemon_module.BINARY.exists():
        pytest.exit(f"no binary at {daemon_module.BINARY}; build it or set TELLTALE_BIN", 3)


@pytest.hookimpl(hookwrapper=True)
def pytest_runtest_call(item):
    """No test may hang: an alarm ends it with a traceback of where it waited."""

    def on_alarm(signum, frame):
        raise TimeoutError(f"the test took longer than {TEST_TIMEOUT_S} s")

    before = signal.signal(signal.SIGALRM, on_alarm)
    signal.alarm(TEST_TIMEOUT_S)
    try:
        yield
    finally:
        signal.alarm(0)
        signal.signal(signal.SIGALRM, before)


@pytest.hookimpl(hookwrapper=True)
def pytest_runtest_makereport(item, call):
    """A failed test shows the end of the log of every daemon it used."""
    outcome = yield
    report = outcome.get_result()
    if report.failed:
        for value in list(getattr(item, "funcargs", {}).values()):
            if isinstance(value, daemon_module.Daemon):
                report.sections.append((f"log of {value.directory}", value.log()[-6000:]))


class Workshop:
    """Makes daemons and directories, and takes them down again, judging every log."""

    def __init__(self, seed):
        self.seed = seed
        self.daemons = []
        self.namespaces = []
        # Short, because a socket's path may have no more than 107 bytes.
        self.root = pathlib.Path(tempfile.mkdtemp(prefix="tt-"))

    def daemon(self, config, start=True, fresh=False, **options):
        """fresh: with no store at all; otherwise with one that has its keys, which takes less time
        to start than making a key pair."""
        directory = self.root / f"d{len(self.daemons)}"
        made = daemon_module.Daemon(directory, config, **options)
        self.daemons.append(made)
        if not fresh:
            shutil.copy(self.seed, made.database)
        if start:
            made.start()
        return made

    def namespace(self, network, inside=None, users=False):
        try:
            made = namespaces.Namespace(network, inside, users)
        except namespaces.Unavailable as why:
            pytest.skip(f"NO NAMESPACES HERE, NOT TESTED: {why}")
        self.namespaces.append(made)
        return made

    def close(self):
        problems = []
        for made in self.daemons:
            try:
                made.close()
            except AssertionError as problem:
                problems.append(str(problem))
        for made in reversed(self.namespaces):
            made.close()
        shutil.rmtree(self.root, ignore_errors=True)
        assert not problems, "\n".join(problems)


@pytest.fixture(scope="session")
def seed(tmp_path_factory):
    """A store with a signing key and a token secret, and no instance."""
    made = Workshop(None)
    service = made.daemon({"instances": []}, fresh=True)
    service.stop()
    kept = tmp_path_factory.mktemp("seed") / "telltale.db"
    shutil.copy(service.database, kept)
    made.close()
    return kept


@pytest.fixture
def workshop(seed):
    """For tests that change things: everything made with it lasts one test."""
    made = Workshop(seed)
    yield made
    made.close()


@pytest.fixture(scope="module")
def module_workshop(seed):
    """For tests that only read: everything made with it is shared by one file."""
    made = Workshop(seed)
    yield made
    made.close()


@pytest.fixture(scope="session")
def needs_ipv6():
    if not daemon_module.have_ipv6():
        pytest.skip("NO IPv6 LOOPBACK HERE, NOT TESTED")


@pytest.fixture(scope="module")
def server():
    """A PostgreSQL; each test has a database of its own in it."""
    postgres.require()
    made = postgres.Postgres()
    yield made
    made.close()


@pytest.fixture
def fleet(workshop, server):
    made = fleets.Fleet(workshop, server)
    yield made
    made.close()
