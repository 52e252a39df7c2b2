"""10,000 idle connections are held while others are served."""

import contextlib
import resource

import pytest

import samples
import wire

COUNT = 10000
ID = "/latest/meta-data/instance-id"


@pytest.fixture
def descriptors():
    have = resource.getrlimit(resource.RLIMIT_NOFILE)[0]
    if have < COUNT + 500:
        pytest.skip(f"ONLY {have} DESCRIPTORS ALLOWED, NOT TESTED: needs {COUNT + 500}")


def test_ten_thousand_idle_connections_while_another_instance_is_served(workshop, descriptors):
    service = workshop.daemon(
        {
            "limits": {
                "connectionsPerInstance": 20000,
                "headerTimeoutSeconds": 120,
                "idleTimeoutSeconds": 120,
                "requestTimeoutSeconds": 120,
            },
            "instances": [
                samples.plain("crowd", "127.3.0.0/16"),
                samples.plain("web-2", "127.0.0.12"),
            ],
        }
    )
    other = service.client("127.0.0.12")
    with contextlib.ExitStack() as stack:
        crowd = []
        for n in range(COUNT):
            caller = service.client(f"127.3.0.{n % 100 + 1}")
            conn = stack.enter_context(caller.connect())
            if n % 2:
                conn.send(wire.request("GET", ID))
            crowd.append(conn)
        for conn in crowd[1::2]:
            assert conn.read_reply().status == 200
        service.wait_metric(
            lambda m: m.sum("telltale_connections") >= COUNT, "all to be counted as open"
        )
        with other.connect() as kept:
            for _ in range(100):
                assert other.get(ID).status == 200
                assert kept.get(ID).status == 200
        service.cli("options", "crowd", "--http-tokens", "required").ok()
        for conn in crowd[::500]:
            assert conn.get(ID).status == 401
        for conn in crowd[::501]:
            assert conn.put_token()
    service.wait_metric(lambda m: m.sum("telltale_connections") == 0, "all to be gone")
