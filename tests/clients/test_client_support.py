"""Is what the client tests stand on sound? A fake that accepts everything would prove nothing."""

import os
import subprocess
import urllib.error
import urllib.request
from pathlib import Path

import pytest
from client_support import installed, netns
from client_support.fake_aws import ACCOUNT, FakeAws

CREDENTIALS = {"accessKeyId": "ASIA1", "secretAccessKey": "secret", "sessionToken": "session"}
BODY = b"Action=GetCallerIdentity&Version=2011-06-15"


def call_sts(fake_aws, body=BODY, **wrong):
    """Sign a call with botocore, whose signatures AWS takes, and return status and answer."""
    installed.python_module("botocore", "python3-boto3")
    from botocore.auth import SigV4Auth
    from botocore.awsrequest import AWSRequest
    from botocore.credentials import Credentials

    key = {**CREDENTIALS, **wrong}
    credentials = Credentials(key["accessKeyId"], key["secretAccessKey"], key["sessionToken"])
    form = {"Content-Type": "application/x-www-form-urlencoded"}
    request = AWSRequest("POST", fake_aws.url, data=BODY, headers=form)
    SigV4Auth(credentials, "sts", "us-west-2").add_auth(request)
    sent = urllib.request.Request(fake_aws.url, body, dict(request.headers.items()), method="POST")
    direct = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    try:
        with direct.open(sent, timeout=10) as answer:
            return answer.status, answer.read().decode()
    except urllib.error.HTTPError as error:
        return error.code, error.read().decode()


def test_fake_aws_accepts_a_signed_call():
    with FakeAws(CREDENTIALS) as fake_aws:
        status, answer = call_sts(fake_aws)
        assert status == 200
        assert ACCOUNT in answer
        assert [(call.region, call.problem) for call in fake_aws.calls] == [("us-west-2", "")]


@pytest.mark.parametrize(
    "wrong, problem",
    [
        ({"accessKeyId": "ASIA2"}, "access key ASIA2"),
        ({"secretAccessKey": "another"}, "the signature does not match"),
        ({"sessionToken": "another"}, "wrong or no session token"),
        ({"body": BODY + b"&More=1"}, "the signature does not match"),
    ],
)
def test_fake_aws_refuses(wrong, problem):
    with FakeAws(CREDENTIALS) as fake_aws:
        status, _ = call_sts(fake_aws, **wrong)
        assert status == 403
        assert [call.problem for call in fake_aws.calls] == [problem]


def in_namespace(*command, timeout_s=20):
    environment = {"PATH": installed.PATH}
    return netns.run(list(command), [], env=environment, timeout_s=timeout_s)


def test_no_packet_leaves_a_namespace(namespaces):
    routes = in_namespace("ip", "route", "show", "table", "all", "type", "unicast")
    assert "default" not in routes.stdout
    assert in_namespace("ip", "-brief", "link").stdout.split()[0] == "lo"


def test_a_namespace_ends_with_all_that_runs_in_it(namespaces):
    marker = f"1{os.getpid()}.5"  # seconds that no one else sleeps for
    with pytest.raises(subprocess.TimeoutExpired):
        in_namespace("sh", "-c", f"setsid sleep {marker} & exec sleep {marker}", timeout_s=1)
    assert marker.encode() not in b"".join(map(read_bytes, Path("/proc").glob("[0-9]*/cmdline")))


def read_bytes(path):
    try:
        return path.read_bytes()
    except OSError:  # the process has just ended
        return b""
