"""Start a telltale daemon, change its options live, read its metrics and log, and end it."""

import json
import re
import signal
import socket
import subprocess
import time
import urllib.request

START_TIMEOUT_S = 30  # a sanitizer build on a busy machine
STOP_TIMEOUT_S = 20  # it drains for five seconds at most

# What a daemon that is well never says, whatever the clients do to it.
TROUBLE = re.compile(
    r"level=error|Sanitizer|runtime error:|[Aa]ssertion|terminate called|stack smashing"
)

# urllib would ask a proxy that the environment names, even for a loopback address.
DIRECT = urllib.request.build_opener(urllib.request.ProxyHandler({}))


class Daemon:
    """One running `telltale serve`, on loopback, with everything it writes under one folder."""

    def __init__(self, binary, folder, config):
        """config: what the configuration file says, less the ports, socket and store."""
        self.port, self.control_port = _free_port(), _free_port()
        self._binary = binary
        self._socket = folder / "control.sock"
        self._log = folder / "telltale.log"
        self._process = None

        # Every JSON document is YAML, so the file needs no YAML writer.
        self._config = folder / "telltale.yaml"
        complete = {
            **config,
            "listen": [
                {"address": "127.0.0.1", "port": self.port},
                {"address": "::1", "port": self.port},
            ],
            "control": {
                "address": "127.0.0.1",
                "port": self.control_port,
                "socket": str(self._socket),
                **config.get("control", {}),
            },
            "store": f"sqlite://{folder}/telltale.db",
        }
        self._config.write_text(json.dumps(complete, indent=2) + "\n")

    def start(self):
        with self._log.open("wb") as log:
            self._process = subprocess.Popen(
                [self._binary, "serve", "-c", self._config],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
            )
        # The metadata listeners open last: once they answer, everything does.
        deadline = time.monotonic() + START_TIMEOUT_S
        while not self._answers():
            if self._process.poll() is not None:
                raise AssertionError(f"telltale ended at start\n{self.log()}")
            if time.monotonic() > deadline:
                self.stop()
                raise AssertionError(f"telltale opened no metadata port\n{self.log()}")
            time.sleep(0.02)

    def stop(self):
        """End it as an operator would, and return its exit code."""
        self._process.send_signal(signal.SIGTERM)
        try:
            return self._process.wait(STOP_TIMEOUT_S)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
            raise AssertionError(f"telltale did not end at SIGTERM\n{self.log()}") from None

    def set_options(self, instance, **options):
        """set_options("web-1", http_tokens="required"), through the command-line tool."""
        flags = []
        for name, value in options.items():
            flags += ["--" + name.replace("_", "-"), value]
        self.ask("options", instance, *flags, "--json")

    def ask(self, *command):
        """What the command-line tool printed, as JSON."""
        done = subprocess.run(
            [self._binary, *command, "--socket", self._socket],
            check=True,
            timeout=10,
            stdout=subprocess.PIPE,
        )
        return json.loads(done.stdout)

    def counter(self, name):
        """The sum of a counter over all its labels; 0 while it has no sample yet."""
        url = f"http://127.0.0.1:{self.control_port}/metrics"
        with DIRECT.open(url, timeout=10) as answer:
            text = answer.read().decode()
        samples = re.findall(rf"^{re.escape(name)}(?:\{{.*\}})? (\S+)$", text, re.MULTILINE)
        return sum(map(float, samples))

    def log(self):
        return self._log.read_text(errors="replace")

    def log_length(self):
        return len(self.log())

    def trouble(self, since=0):
        """The lines of the log, from a log_length() on, that should not be there."""
        return [line for line in self.log()[since:].splitlines() if TROUBLE.search(line)]

    def _answers(self):
        """Whether a connection is accepted; nothing is asked, so that no counter moves."""
        try:
            socket.create_connection(("127.0.0.1", self.port), 1).close()
            socket.create_connection(("::1", self.port), 1).close()
        except OSError:
            return False
        return True


def _free_port():
    """A port that was free a moment ago on both loopback addresses."""
    with socket.create_server(("::", 0), family=socket.AF_INET6, dualstack_ipv6=True) as probe:
        return probe.getsockname()[1]
