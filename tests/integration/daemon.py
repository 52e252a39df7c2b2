"""daemon - one telltale process under test: its files, its ports, its log and its CLI."""

import copy
import os
import pathlib
import random
import re
import signal
import socket
import subprocess
import time

import yaml

import wire

ROOT = pathlib.Path(__file__).resolve().parents[2]
BINARY = pathlib.Path(os.environ.get("TELLTALE_BIN", ROOT / "build" / "debug" / "telltale"))

START_TIMEOUT_S = 30.0
STOP_TIMEOUT_S = 20.0

# What must never be in a log, whatever the test did.
FATAL = re.compile(
    r"AddressSanitizer|LeakSanitizer|ThreadSanitizer|MemorySanitizer|UndefinedBehaviorSanitizer"
    r"|runtime error:|[Aa]ssertion .*failed|Assertion|SUMMARY: \w+Sanitizer|stack smashing"
)
ERROR = re.compile(r"(^|\s)level=(error|fatal|crit|critical|alert|emerg)\b")


def error_lines(log):
    """The lines of a log that say something is wrong: errors, and what is not in its form."""
    fine = re.compile(r"ts=\S+ level=(debug|info|warn) ")
    return [line for line in log.splitlines() if not fine.match(line)]


def free_port():
    """A port nobody listens on, outside the range the kernel takes client ports from."""
    while True:
        port = random.randrange(20000, 32000)
        try:
            for family, address in ((socket.AF_INET, "127.0.0.1"), (socket.AF_INET6, "::1")):
                with socket.socket(family, socket.SOCK_STREAM) as probe:
                    probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
                    probe.bind((address, port))
            return port
        except OSError as error:
            if family == socket.AF_INET6 and error.errno not in (98,):  # EADDRINUSE
                return port  # no IPv6 here


def have_ipv6():
    try:
        with socket.socket(socket.AF_INET6, socket.SOCK_STREAM) as probe:
            probe.bind(("::1", 0))
        return True
    except OSError:
        return False


def instance(name, address, **facts):
    """The configuration of one instance that is recognised by a source address (or several)."""
    addresses = [address] if isinstance(address, str) else list(address)
    base = {
        "name": name,
        "match": {"addresses": addresses},
        "blueprintId": "debian_12",
        "bundleId": "nano_3_0",
        "location": {"availabilityZone": "us-west-2a"},
    }
    base.update(facts)
    return base


class Result:
    """What one CLI command did."""

    def __init__(self, done):
        self.code = done.returncode
        self.out_bytes = done.stdout
        self.out = done.stdout.decode("utf-8", "replace")
        self.err = done.stderr.decode("utf-8", "replace")
        self.argv = done.args

    def __repr__(self):
        return f"<Result {self.argv} code={self.code} out={self.out!r} err={self.err!r}>"

    def ok(self):
        assert self.code == 0, self
        return self

    def refused(self, *wanted, codes=(1,)):
        """Failed with one clear line on stderr that has every string of `wanted`."""
        assert self.code in codes, self
        assert self.out == "", self
        assert self.err.endswith("\n") and self.err.count("\n") == 1, f"not one line: {self}"
        assert len(self.err.strip()) > 10, self
        for text in wanted:
            assert text in self.err, f"{text!r} not in {self.err!r}"
        return self


def run_binary(*args, env=None, prefix=(), stdin=None, cwd=None, timeout=60, pass_fds=()):
    """Run the binary to its end; fails on a signal or a sanitizer report."""
    merged = {k: v for k, v in os.environ.items() if not k.startswith("TELLTALE_")}
    merged.pop("AWS_EC2_METADATA_SERVICE_ENDPOINT", None)
    merged.update(env or {})
    done = subprocess.run(
        [*prefix, str(BINARY), *map(str, args)],
        env=merged,
        cwd=cwd,
        input=stdin,
        stdin=subprocess.DEVNULL if stdin is None else None,
        capture_output=True,
        timeout=timeout,
        pass_fds=pass_fds,
    )
    result = Result(done)
    assert done.returncode >= 0, f"killed by signal {-done.returncode}: {result}"
    assert not FATAL.search(result.err), result
    return result


class Daemon:
    """`telltale serve` on ports of its own, in a directory of its own."""

    def __init__(self, directory, config=None, *, ipv6=None, prefix=(), make_socket=None):
        self.directory = pathlib.Path(directory)
        self.directory.mkdir(parents=True, exist_ok=True)
        self.prefix = list(prefix)
        self.make_socket = make_socket or socket.socket
        self.tls = None  # an ssl.SSLContext once the control address speaks TLS
        self.ipv6 = have_ipv6() if ipv6 is None else ipv6
        self.port = free_port()
        self.control_port = free_port()
        while self.control_port == self.port:
            self.control_port = free_port()
        self.socket_path = self.directory / "control.sock"
        self.database = self.directory / "telltale.db"
        self.config_path = self.directory / "telltale.yaml"
        self.log_path = self.directory / "telltale.log"
        self.out_path = self.directory / "telltale.out"
        self.process = None
        self.env = {}  # what its environment has besides ours
        self.pass_fds = ()
        self.launcher = []  # what starts it, other than the commands
        self.allowed_errors = []
        self.log_checked_to = 0
        self.config = {}
        if config is not None:
            self.write_config(config)

    # -- configuration

    def full_config(self, config):
        listen = [{"address": "127.0.0.1", "port": self.port}]
        if self.ipv6:
            listen.append({"address": "::1", "port": self.port})
        base = {
            "listen": listen,
            "control": {
                "address": "127.0.0.1",
                "port": self.control_port,
                "socket": str(self.socket_path),
            },
            "store": f"sqlite://{self.database}",
            "region": "us-west-2",
        }
        base.update(copy.deepcopy(config))
        return base

    def write_config(self, config):
        """Write the file; what the test leaves out (ports, store, socket) is filled in."""
        self.config = self.full_config(config)
        self.write_config_text(yaml.safe_dump(self.config, sort_keys=False, allow_unicode=True))

    def write_config_text(self, text):
        scratch = self.config_path.with_suffix(".new")
        scratch.write_text(text, encoding="utf-8")
        scratch.rename(self.config_path)

    # -- life

    def spawn(self, *args):
        """Start the process without waiting for it."""
        assert self.process is None, "already running"
        env = {k: v for k, v in os.environ.items() if not k.startswith("TELLTALE_")}
        env.update(self.env)
        args = args or ("serve", "-c", str(self.config_path))
        argv = [*self.prefix, *self.launcher, str(BINARY), *args]
        with open(self.log_path, "ab") as log, open(self.out_path, "ab") as out:
            self.process = subprocess.Popen(
                argv,
                stdin=subprocess.DEVNULL,
                stdout=out,
                stderr=log,
                env=env,
                pass_fds=self.pass_fds,
            )

    def start(self, *args):
        """Start, and wait until the metadata port is open (it opens last) and /readyz says yes."""
        self.spawn(*args)
        return self.wait_ready()

    def wait_ready(self):
        deadline = time.monotonic() + START_TIMEOUT_S
        while not self.is_ready():
            code = self.process.poll()
            if code is not None:
                self.process = None
                raise AssertionError(f"did not start, exit code {code}:\n{self.log()[-4000:]}")
            assert time.monotonic() < deadline, f"not ready:\n{self.log()[-4000:]}"
            time.sleep(0.01)
        return self

    def is_ready(self):
        try:
            wire.Connection("127.0.0.1", self.port, None, self.make_socket).close()
            return self.control_get("/readyz").status == 200
        except (OSError, wire.Closed):
            return False

    def fails_to_start(self):
        """Start must end by itself; returns (exit code, what it wrote to stderr)."""
        before = len(self.log())
        self.spawn()
        code = self.process.wait(START_TIMEOUT_S)
        self.process = None
        return code, self.log()[before:]

    def kill9(self):
        self.process.kill()
        self.process.wait(STOP_TIMEOUT_S)
        self.process = None

    def terminate(self):
        self.process.send_signal(signal.SIGTERM)

    def wait_end(self, timeout=STOP_TIMEOUT_S):
        try:
            code = self.process.wait(timeout)
        except subprocess.TimeoutExpired:
            self.kill9()
            raise AssertionError(f"still running {timeout} s after SIGTERM") from None
        self.process = None
        return code

    def stop(self):
        """SIGTERM; the daemon must end by itself with code 0."""
        self.terminate()
        code = self.wait_end()
        assert code == 0, f"exit code {code} after SIGTERM:\n{self.log()[-4000:]}"

    def restart(self):
        self.stop()
        return self.start()

    def reload(self, until=None):
        """SIGHUP, then wait for `until()`, or for a log line about it."""
        before = len(self.log())
        self.process.send_signal(signal.SIGHUP)
        if until is None:

            def until():
                return re.search(r"(?i)reload|re-read", self.log()[before:])

        wire.wait_until(until, "the effect of SIGHUP")
        return self.log()[before:]

    def close(self):
        """For teardown: stop if running, then judge the log."""
        try:
            if self.process is not None:
                self.stop()
        finally:
            if self.process is not None:
                self.kill9()
        self.check_log()

    # -- log

    def log(self):
        try:
            return self.log_path.read_text("utf-8", "replace")
        except FileNotFoundError:
            return ""

    def allow_errors(self, pattern):
        """Error lines that match the pattern are expected in this test."""
        self.allowed_errors.append(re.compile(pattern))

    def check_log(self):
        log = self.log()
        bad = FATAL.search(log)
        assert not bad, f"the log has {bad.group(0)!r}:\n{log[max(0, bad.start() - 500):][:6000]}"
        for line in log.splitlines():
            if ERROR.search(line) and not any(p.search(line) for p in self.allowed_errors):
                raise AssertionError(f"unexpected error in the log: {line}")

    # -- callers

    def client(self, source="127.0.0.11"):
        """A caller from that IPv4 loopback address, or from ::1."""
        if source == "::1":
            return wire.Client("::1", self.port, None, self.make_socket)
        return wire.Client("127.0.0.1", self.port, source, self.make_socket)

    def control(self):
        return wire.Client("127.0.0.1", self.control_port, None, self.make_socket, self.tls)

    # -- operators

    def cli(self, *args, **options):
        return run_binary(*args, "--socket", self.socket_path, prefix=self.prefix, **options)

    def control_get(self, path):
        """(status, headers, body) of a GET on the control address; reads to the end of file."""
        with self.control().connect() as conn:
            conn.send(
                f"GET {path} HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: close\r\n\r\n".encode()
            )
            reply = conn.read_reply()
            conn.expect_eof()
        return reply

    def metrics(self):
        reply = self.control_get("/metrics")
        assert reply.status == 200, reply
        return Metrics(reply.body.decode("utf-8"))

    def wait_metric(self, condition, what):
        """Wait until condition(metrics) holds; returns those metrics."""

        def probe():
            found = self.metrics()
            return found if condition(found) else None

        return wire.wait_until(probe, what, timeout=60.0)


SAMPLE = re.compile(
    r"([a-zA-Z_:][a-zA-Z0-9_:]*)(?:\{(.*)\})? (-?(?:\d[\d.]*(?:e[+-]?\d+)?|NaN|\+?Inf))(?: \d+)?\Z"
)
LABEL = re.compile(r'([a-zA-Z_][a-zA-Z0-9_]*)="((?:[^"\\]|\\.)*)"(?:,|\Z)')


def documented(page, pattern):
    """What stands in the first column of the tables of a page of docs/."""
    text = (ROOT / "docs" / page).read_text()
    return set(re.findall(rf"^\| `({pattern})` \|", text, re.M))


class Metrics:
    """A parsed Prometheus exposition; strict about its grammar."""

    def __init__(self, text):
        self.text = text
        self.samples = []
        self.types = {}
        self.helps = set()
        assert text.endswith("\n"), "the exposition must end with a newline"
        for line in text.splitlines():
            if line.startswith("# TYPE "):
                _, _, name, kind = line.split(" ")
                assert name not in self.types, f"TYPE twice: {line}"
                self.types[name] = kind
            elif line.startswith("# HELP "):
                self.helps.add(line.split(" ")[2])
            elif line and not line.startswith("#"):
                match = SAMPLE.match(line)
                assert match, f"not a sample line: {line!r}"
                labels = dict(LABEL.findall(match.group(2) or ""))
                self.samples.append((match.group(1), labels, float(match.group(3))))

    def sum(self, name, **labels):
        """The sum of all samples of that name whose labels include those given."""
        return sum(
            value
            for sample, have, value in self.samples
            if sample == name and all(have.get(k) == v for k, v in labels.items())
        )

    def names(self):
        return {name for name, _, _ in self.samples}

    def label_names(self):
        return {label for _, labels, _ in self.samples for label in labels}
