"""The control address: /metrics, /healthz, /readyz; and what is counted when."""

import re
import socket
import time

import pytest

import samples
import wire
from daemon import Metrics, documented

ID = "/latest/meta-data/instance-id"

COUNTERS = [
    "telltale_requests_total",
    "telltale_metadata_no_token_total",
    "telltale_metadata_no_token_rejected_total",
    "telltale_tokens_issued_total",
    "telltale_unknown_callers_total",
    "telltale_identity_mismatch_total",
    "telltale_throttled_total",
]
GAUGES = ["telltale_connections", "telltale_instances"]


def two():
    return [
        samples.plain("web-1", "127.0.0.11"),
        samples.plain(
            "web-2", "127.0.0.12", metadataOptions=samples.options(httpTokens="required")
        ),
    ]


@pytest.fixture
def service(workshop):
    return workshop.daemon({"instances": two()})


def counted(service, before, **want):
    """Wait until the counters have risen by exactly what is wanted; then nothing more may come."""

    def rise(now):
        return {name: now.sum(f"telltale_{name}_total") - before.sum(f"telltale_{name}_total")
                for name in want}  # fmt: skip

    now = service.wait_metric(
        lambda found: all(rise(found)[name] >= value for name, value in want.items()), f"{want}"
    )
    assert rise(now) == want


def test_the_log_says_where_it_listens(service):
    lines = [line.split(" ", 2)[2] for line in service.log().splitlines() if "msg=listening" in line]
    control = f"address=127.0.0.1:{service.control_port} socket={service.socket_path}"
    guests = [f"127.0.0.1:{service.port}"]
    guests += [f"[::1]:{service.port}"] if service.ipv6 else []
    assert lines == [
        f"src=control msg=listening {control}",
        *(f"src=listen msg=listening address={address}" for address in guests),
    ]


def test_metrics_speak_prometheus(service):
    reply = service.control_get("/metrics")
    assert reply.status == 200
    assert reply.value("Content-Type").startswith("text/plain; version=0.0.4")
    metrics = Metrics(reply.body.decode())
    for name in COUNTERS + GAUGES:
        kind = "counter" if name in COUNTERS else "gauge"
        assert metrics.types.get(name) == kind, name
        assert name in metrics.helps, name
    for name in metrics.names():
        base = name.removesuffix("_bucket").removesuffix("_sum").removesuffix("_count")
        assert name in metrics.types or base in metrics.types, name
        assert name.startswith(("telltale_", "process_")), name


def test_every_metric_is_documented_and_every_documented_one_is_there(service):
    names = {name for name in documented("metrics.md", "telltale_[a-z_]+") if "_fleet_" not in name}
    assert service.metrics().names() == names


def test_every_documented_operation_is_known(service):
    names = documented("control.md", "[A-Z][A-Za-z]+")
    operations = {name for name in names if not name.endswith("Exception")}
    assert len(operations) >= 8
    for name in sorted(operations):
        answer = ask_socket(service, "Telltale_20261124." + name, "[]")
        assert b"SerializationException" in answer, name  # known, and it wants an object
    assert b"UnknownOperationException" in ask_socket(service, "Telltale_20261124.Nothing", "[]")


def ask_socket(service, target, body):
    with socket.socket(socket.AF_UNIX) as sock:
        sock.settimeout(20)
        sock.connect(str(service.socket_path))
        head = f"POST / HTTP/1.1\r\nHost: localhost\r\nX-Amz-Target: {target}\r\n"
        head += f"Content-Length: {len(body)}\r\nConnection: close\r\n\r\n"
        sock.sendall((head + body).encode())
        answer = b""
        while piece := sock.recv(65536):
            answer += piece
    return answer


def test_all_counters_are_there_before_anything_happened(service):
    metrics = service.metrics()
    assert {*COUNTERS[1:], *GAUGES} <= metrics.names()
    for name in COUNTERS:
        assert metrics.sum(name) == 0, name
    assert metrics.sum("telltale_instances") == 2


def test_there_is_no_instance_label_unless_asked_for(service):
    service.client().get(ID)
    metrics = service.wait_metric(
        lambda m: m.sum("telltale_metadata_no_token_total") == 1, "one to be counted"
    )
    assert "instance" not in metrics.label_names()
    assert "web-1" not in metrics.text


def test_with_per_instance_metrics_each_instance_has_its_own(workshop):
    service = workshop.daemon({"metrics": {"perInstance": True}, "instances": two()})
    for _ in range(3):
        service.client().get(ID)
    service.client("127.0.0.12").get(ID)
    service.client("127.0.0.12").put_token()
    name = "telltale_metadata_no_token_total"
    metrics = service.wait_metric(
        lambda m: m.sum("telltale_tokens_issued_total", instance="web-2") == 1, "the token"
    )
    assert metrics.sum(name, instance="web-1") == 3
    assert metrics.sum(name, instance="web-2") == 0
    assert metrics.sum("telltale_metadata_no_token_rejected_total", instance="web-2") == 1


def test_metadata_no_token_counts_token_less_get_and_head_answered_200_or_404(service):
    caller = service.client()
    before = service.metrics()
    for method in ("GET", "HEAD"):
        assert caller.get(ID, method=method).status == 200
        assert caller.get("/latest/meta-data/spot/instance-action", method=method).status == 404
    assert caller.get("/", headers=[("X-Forwarded-For", "1.2.3.4")]).status == 200
    assert caller.get("/", headers=[("X-aws-ec2-metadata-token-ttl-seconds", "6")]).status == 200
    # None of these:
    token = caller.put_token()
    assert caller.get(ID, token).status == 200
    assert caller.get("/latest/none", token).status == 404
    assert caller.get(ID, "bad").status == 401
    assert caller.get(ID, method="POST").status == 405
    assert caller.get("/latest/..").status == 400
    assert caller.get(ID, token, [("X-Forwarded-For", "1.2.3.4")]).status == 403
    assert caller.get(wire.TOKEN_PATH).status == 405
    counted(service, before, metadata_no_token=6, metadata_no_token_rejected=0, tokens_issued=1)


def test_metadata_no_token_rejected_counts_token_less_ones_answered_401(service):
    caller = service.client("127.0.0.12")
    before = service.metrics()
    for method in ("GET", "HEAD"):
        assert caller.get(ID, method=method).status == 401
        assert caller.get("/latest/none", method=method).status == 401
    # None of these:
    assert caller.get(ID, "bad").status == 401
    assert caller.get(ID, "").status == 401
    assert caller.get(ID, method="POST").status == 405
    assert caller.raw(wire.token_request(0)).status == 400
    token = caller.put_token()
    assert caller.get(ID, token).status == 200
    counted(service, before, metadata_no_token=0, metadata_no_token_rejected=4, tokens_issued=1)


def test_replies_are_counted_by_status(service):
    caller = service.client()
    before = service.metrics()
    asked = {
        "200": lambda: caller.get(ID),
        "404": lambda: caller.get("/latest/none"),
        "401": lambda: caller.get(ID, "bad"),
        "405": lambda: caller.get(ID, method="POST"),
        "403": lambda: caller.raw(wire.token_request(60, [("X-Forwarded-For", "a")])),
        "400": lambda: caller.raw(b"GET / HTTP/1.1\r\nBad Name: x\r\n\r\n"),
        "413": lambda: caller.raw(wire.request("GET", ID, None, [("Content-Length", "1")])),
        "414": lambda: caller.get("/" + "a" * 3000),
        "431": lambda: caller.get("/", headers=[("A", "b")] * 70),
    }
    for number, (status, ask) in enumerate(asked.items(), 1):
        for _ in range(number):
            assert ask().status == int(status)
    name = "telltale_requests_total"
    metrics = service.wait_metric(
        lambda m: m.sum(name) - before.sum(name) >= sum(range(1, len(asked) + 1)), "all counted"
    )
    for number, status in enumerate(asked, 1):
        assert metrics.sum(name, status=status) - before.sum(name, status=status) == number, status


def test_requests_are_counted_by_version(service):
    caller = service.client()
    name = "telltale_requests_total"
    before = service.metrics()
    token = caller.put_token()
    for _ in range(2):
        caller.get(ID, token)
    for _ in range(5):
        caller.get(ID)
    metrics = service.wait_metric(lambda m: m.sum(name) - before.sum(name) == 8, "all counted")
    assert metrics.sum(name, version="v2") - before.sum(name, version="v2") == 3
    assert metrics.sum(name, version="v1") - before.sum(name, version="v1") == 5
    used = [labels for sample, labels, _ in metrics.samples if sample == name]
    assert all(set(labels) == {"status", "version"} for labels in used), used


def test_connections_and_instances_are_gauges(service):
    conns = [service.client().connect() for _ in range(5)]
    for conn in conns:
        assert conn.get(ID).status == 200
    service.wait_metric(lambda m: m.sum("telltale_connections") == 5, "five connections")
    for conn in conns[:3]:
        conn.close()
    service.wait_metric(lambda m: m.sum("telltale_connections") == 2, "two connections")
    for conn in conns[3:]:
        conn.close()
    service.wait_metric(lambda m: m.sum("telltale_connections") == 0, "no connection")
    service.cli("instance", "delete", "web-2").ok()
    service.wait_metric(lambda m: m.sum("telltale_instances") == 1, "one instance")


def test_counts_of_a_deleted_instance_are_not_taken_back(service):
    for _ in range(4):
        assert service.client().get(ID).status == 200
    name = "telltale_metadata_no_token_total"
    service.wait_metric(lambda m: m.sum(name) == 4, "four")
    service.cli("instance", "delete", "web-1").ok()
    assert service.metrics().sum(name) == 4
    assert service.metrics().sum("telltale_requests_total", status="200") == 4


def test_health_and_readiness(service):
    for path in ("/healthz", "/readyz"):
        reply = service.control_get(path)
        assert reply.status == 200, reply
        with service.control().connect() as conn:
            head = conn.exchange(
                f"HEAD {path} HTTP/1.1\r\nHost: a\r\n\r\n".encode(), head_only=True
            )
            assert head.status == 200


def test_every_reply_says_what_time_it_is(service):
    """SDKs correct a clock that is off by the Date of the reply that refuses it."""
    close = "Host: a\r\nConnection: close\r\n"
    sign = f"{close}X-Amz-Target: Lightsail_20161128.GetInstances\r\nContent-Length: 2\r\n\r\n{{}}"
    for asked in (
        f"GET /metrics HTTP/1.1\r\n{close}\r\n", f"GET /readyz HTTP/1.1\r\n{close}\r\n",
        f"GET /none HTTP/1.1\r\n{close}\r\n", f"DELETE / HTTP/1.1\r\n{close}\r\n",
        f"POST / HTTP/1.1\r\n{sign}", f"GET /?Action=DescribeRegions HTTP/1.1\r\n{close}\r\n",
        "GET / HTTP/1.1\r\nBad Name: x\r\n\r\n",
    ):  # fmt: skip
        with service.control().connect() as conn:
            reply = conn.exchange(asked.encode())
        assert abs(wire.parse_date(reply.value("Date")) - time.time()) < 5, asked
    answer = ask_socket(service, "Telltale_20261124.GetInstances", "{}")
    assert answer.count(b"\r\nDate: ") == 1


def test_a_metadata_port_that_answers_means_everything_does(service):
    """No pause between the first answer and the question: the moment counts."""

    def answers():
        try:
            return service.client().get(ID).status == 200
        except (OSError, wire.Closed):
            return False

    for _ in range(10):
        service.stop()
        service.spawn()
        wire.wait_until(answers, "the metadata port to answer", pause=0)
        assert service.control_get("/readyz").status == 200
    assert "web-1" in service.cli("instance", "list").ok().out


def test_what_the_control_address_does_not_have_is_not_served(service):
    for path in ("/nothing", "/latest/meta-data/instance-id", "/metrics/x", "/healthz/../metrics"):
        assert service.control_get(path).status in (400, 403, 404), path
    with service.control().connect() as conn:
        reply = conn.exchange(b"DELETE /metrics HTTP/1.1\r\nHost: a\r\n\r\n")
        assert reply.status in (403, 404, 405)


def test_the_metadata_address_does_not_serve_the_control_paths(service):
    for path in ("/metrics", "/healthz", "/readyz"):
        wire.assert_404(service.client().get(path))


def test_hostile_bytes_on_the_control_address_do_no_harm(service):
    import contextlib

    for data in (
        b"\0" * 4096, b"GET /metrics HTTP/1.1\r\nA: b\n\r\n", b"G" * 100000,
        b"POST / HTTP/1.1\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
        b"POST / HTTP/1.1\r\nContent-Length: 99999999999999999999\r\n\r\n",
        b"GET /metrics HTTP/1.1\r\n" + b"a: b\r\n" * 5000 + b"\r\n",
    ):  # fmt: skip
        with service.control().connect() as conn, contextlib.suppress(OSError):
            conn.send(data)
            conn.sock.shutdown(1)
            while conn.sock.recv(65536):
                pass
    assert service.metrics().sum("telltale_instances") == 2
    assert service.client().get(ID).status == 200
