"""Fixtures: one daemon for the whole run, and a Guest for each test.

A guest is where a client believes to be: a network namespace in which the daemon answers at the
metadata addresses. When a test ends, its guest checks what the daemon saw and wrote meanwhile.
"""

import json
import os
import subprocess
from pathlib import Path

import pytest

from client_support import installed, instance, netns
from client_support.daemon import Daemon
from client_support.fake_aws import FakeAws
from client_support.netns import Forward
from client_support.truth import Truth

REPOSITORY = Path(__file__).resolve().parents[2]


def pytest_configure(config):
    config.addinivalue_line(
        "markers", "without_token: this client is meant to ask without a token (IMDSv1)"
    )


@pytest.fixture(scope="session")
def binary():
    found = Path(os.environ.get("TELLTALE_BIN", REPOSITORY / "build/release/telltale"))
    if not found.exists():
        pytest.fail(f"{found} does not exist: build telltale first, or set TELLTALE_BIN")
    return found.resolve()


@pytest.fixture(scope="session")
def daemon(binary, tmp_path_factory):
    daemon = Daemon(binary, tmp_path_factory.mktemp("telltale"), instance.CONFIG)
    daemon.start()
    yield daemon
    exit_code = daemon.stop()
    # A sanitizer reports leaks at the very end.
    assert not daemon.trouble(), daemon.trouble()
    assert exit_code == 0, f"exit code {exit_code}\n{daemon.log()}"


@pytest.fixture(scope="session")
def truth(daemon):
    return Truth(f"http://127.0.0.1:{daemon.port}")


@pytest.fixture(scope="session")
def facts(truth):
    return truth.facts()


@pytest.fixture(scope="session")
def namespaces():
    """Skips, or in CI fails, where this user may not make network namespaces."""
    possible, reason = netns.available()
    if not possible:
        installed.missing(f"the right to make network namespaces ({reason})")


@pytest.fixture(params=["required", "optional"])
def tokens(request):
    """httpTokens, the instance's option that most matters to clients: every client meets both."""
    return request.param


@pytest.fixture
def guest(request, daemon, facts, namespaces, tokens, tmp_path):
    daemon.set_options(instance.NAME, http_tokens=tokens)
    log_length = daemon.log_length()
    before = _counters(daemon)

    with FakeAws(facts.credentials) as fake_aws:
        guest = Guest(daemon, fake_aws, facts, tmp_path)
        yield guest

    trouble = daemon.trouble(since=log_length)
    assert not trouble, trouble
    if not guest.ran:
        return  # the test was skipped
    after = _counters(daemon)
    if request.node.get_closest_marker("without_token"):
        grown = "answered" if tokens == "optional" else "rejected"
        assert after[grown] > before[grown], f"no request without token was {grown}"
    else:
        assert after["issued"] > before["issued"], "the client asked for no token"
        assert after["answered"] == before["answered"], "the client was answered without a token"
        assert after["rejected"] == before["rejected"], "the client asked without a token"


def _counters(daemon):
    return {
        "issued": daemon.counter("telltale_tokens_issued_total"),
        "answered": daemon.counter("telltale_metadata_no_token_total"),
        "rejected": daemon.counter("telltale_metadata_no_token_rejected_total"),
    }


class Guest:
    """Runs clients where the daemon is the metadata service."""

    def __init__(self, daemon, fake_aws, facts, folder):
        self.fake_aws = fake_aws
        self.facts = facts
        self.folder = folder
        self.ran = False
        self.link_local = "http://169.254.169.254"
        self.link_local_v6 = "http://[fd00:ec2::254]"
        # Where the daemon really listens, for clients that are told: the same port within.
        self.url = f"http://127.0.0.1:{daemon.port}"
        v4, v6 = ("127.0.0.1", daemon.port), ("::1", daemon.port)
        self._forwards = [
            Forward(netns.LINK_LOCAL_V4, v4),
            Forward(netns.LINK_LOCAL_V6, v6),
            Forward(v4, v4),
            Forward(fake_aws.address, fake_aws.address),
        ]

    def try_run(self, *command, env=None, with_interface=False, timeout_s=60):
        """Run a client to its end; with_interface gives it an eth0 with the instance's MAC."""
        # Nothing of the caller's environment: no proxy, no other credentials, an empty HOME.
        clean = {
            "PATH": installed.PATH,
            "HOME": str(self.folder),
            "LC_ALL": "C.UTF-8",
            "NODE_PATH": str(installed.NODE_MODULES),
            "FAKE_AWS": self.fake_aws.url,
        }
        self.ran = True
        return netns.run(
            [str(word) for word in command],
            self._forwards,
            env={**clean, **(env or {})},
            cwd=self.folder,
            mac=self.facts.mac if with_interface else None,
            timeout_s=timeout_s,
        )

    def run(self, *command, **options):
        """Run a client that has to succeed, and return what it printed."""
        done = self.try_run(*command, **options)
        ending = f"{command[0]} ended with {done.returncode}\n{done.stdout}{done.stderr}"
        assert done.returncode == 0, ending
        return done.stdout

    def run_sdk(self, *command, env=None, **options):
        """Run a program that prints JSON, with an SDK told of the daemon the usual way."""
        # The slash at the end matters to AWS CLI 2.9, which glues `latest/...` to it.
        told = {"AWS_EC2_METADATA_SERVICE_ENDPOINT": self.url + "/"}
        return json.loads(self.run(*command, env={**told, **(env or {})}, **options))

    def assert_signed_calls(self, operation):
        """The fake API saw this operation, and every call was signed for the right region."""
        calls = self.fake_aws.calls
        assert any(call.operation.startswith(operation) for call in calls), calls
        assert all(call.region == self.facts.region and not call.problem for call in calls), calls


@pytest.fixture(scope="session")
def go_program():
    """The Go client, built where the rest of the build is; quick when the cache is warm."""
    installed.program("go", "golang-go")
    source = "/usr/share/gocode/src/github.com/aws/aws-sdk-go-v2"
    installed.file(source, "golang-github-aws-aws-sdk-go-v2-dev")
    build = REPOSITORY / "build/clients"
    program = build / "go_sdk"
    subprocess.run(
        ["go", "build", "-o", program, "."],
        cwd=installed.PROGRAMS / "go_sdk",
        # Debian's Go libraries lie in a GOPATH, as before there were modules.
        env={
            "PATH": installed.PATH,
            "GO111MODULE": "off",
            "GOPATH": "/usr/share/gocode",
            "GOCACHE": str(build / "go-cache"),
        },
        check=True,
        timeout=600,
    )
    return program
