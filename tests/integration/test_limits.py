"""Everything a caller can grow has a cap: at the cap it works, one beyond it does not."""

import contextlib
import subprocess
import sys
import time

import pytest

import samples
import wire
from wire import masked

ID = "/latest/meta-data/instance-id"
RETRY = ["Retry-After: 1"]
HEAD_LIMIT = 8192
FIELD_LIMIT = 64
TARGET_LIMIT = 2048


@pytest.fixture(scope="module")
def service(module_workshop):
    return module_workshop.daemon(
        {"instances": [samples.full(), samples.plain("web-2", "127.0.0.12")]}
    )


@pytest.fixture(scope="module")
def caller(service):
    return service.client()


def refused_and_closed(caller, data, status):
    with caller.connect() as conn:
        with contextlib.suppress(BrokenPipeError, ConnectionResetError):
            conn.send(data)
        reply = conn.read_reply()
        assert reply.status == status, reply
        assert reply.closes
        conn.expect_eof()
        return reply


# -- the head


def head_of(size, path=ID):
    start = f"GET {path} HTTP/1.1\r\nHost: a\r\n".encode()
    data = start
    while len(data) < size - 1100:
        data += b"X-Filler: " + b"f" * 988 + b"\r\n"
    rest = size - len(data) - len(b"X-Last: \r\n\r\n")
    data += b"X-Last: " + b"l" * rest + b"\r\n\r\n"
    assert len(data) == size
    return data


def test_a_head_of_8_kib_is_served(caller):
    for size in (HEAD_LIMIT - 1, HEAD_LIMIT):
        with caller.connect() as conn:
            assert masked(conn.exchange(head_of(size))) == wire.ok_block(19)
            conn.expect_open()


def test_a_head_of_8_kib_and_one_byte_is_431_and_closed(caller):
    refused_and_closed(caller, head_of(HEAD_LIMIT + 1), 431)


def test_a_head_that_never_ends_is_431_and_closed(caller):
    endless = b"GET / HTTP/1.1\r\n" + b"X-Filler: " + b"f" * 200000
    refused_and_closed(caller, endless, 431)
    refused_and_closed(caller, b"GET / HTTP/1.1\r\n" + b"a: b\r\n" * 30000, 431)


def test_heads_at_the_limit_can_be_pipelined(caller):
    with caller.connect() as conn:
        conn.send(head_of(HEAD_LIMIT) * 5 + wire.request("GET", ID))
        for _ in range(6):
            assert conn.read_reply().status == 200


def fields(count):
    lines = [b"GET " + ID.encode() + b" HTTP/1.1"] + [b"H%d: v" % n for n in range(count)]
    return b"\r\n".join(lines) + b"\r\n\r\n"


def test_64_header_fields_are_served(caller):
    for count in (0, 1, FIELD_LIMIT - 1, FIELD_LIMIT):
        assert masked(caller.raw(fields(count))) == wire.ok_block(19)


def test_65_header_fields_are_431_and_closed(caller):
    refused_and_closed(caller, fields(FIELD_LIMIT + 1), 431)


def target(size, fill="?" + "q"):
    path = ID + fill[0]
    path += fill[1] * (size - len(path))
    assert len(path) == size
    return wire.request("GET", path)


def test_a_target_of_2_kib_is_served(caller):
    assert masked(caller.raw(target(TARGET_LIMIT))) == wire.ok_block(19)
    assert masked(caller.raw(target(TARGET_LIMIT, "//"))) == wire.ok_block(19)


def test_a_target_of_2_kib_and_one_byte_is_414_and_closed(caller):
    refused_and_closed(caller, target(TARGET_LIMIT + 1), 414)
    refused_and_closed(caller, target(4000, "//"), 414)


def test_a_request_line_that_never_ends_is_414_and_closed(caller):
    refused_and_closed(caller, b"GET /" + b"a" * 100000, 414)


def test_a_very_long_method_is_refused(caller):
    with caller.connect() as conn:
        reply = conn.exchange(b"G" * 3000 + b" / HTTP/1.1\r\n\r\n")
        assert reply.status in (400, 405, 431)


# -- the body


@pytest.mark.parametrize(
    "headers,body",
    [
        ([("Content-Length", "1")], b"x"),
        ([("Content-Length", "1")], b""),
        ([("Content-Length", "100000000")], b"x" * 5000),
        ([("Content-Length", "1"), ("Expect", "100-continue")], b""),
        ([("Transfer-Encoding", "chunked")], b"1\r\nx\r\n0\r\n\r\n"),
        ([("Transfer-Encoding", "chunked")], b"ffff\r\n"),
    ],
    ids=["one-byte", "not-sent", "huge", "expect", "chunk", "big-chunk"],
)
@pytest.mark.parametrize("method", ["PUT", "GET", "POST"])
def test_a_body_is_413_and_closed(caller, method, headers, body):
    path = wire.TOKEN_PATH if method == "PUT" else ID
    ttl = [("X-aws-ec2-metadata-token-ttl-seconds", "60")] if method == "PUT" else []
    refused_and_closed(caller, wire.request(method, path, None, ttl + headers) + body, 413)


# -- connections


def test_connections_up_to_the_cap_are_served_and_the_next_is_503_and_closed(workshop):
    cap = 8
    service = workshop.daemon(
        {
            "limits": {"connectionsPerInstance": cap},
            "instances": [samples.plain(), samples.plain("web-2", "127.0.0.12")],
        }
    )
    caller, other = service.client(), service.client("127.0.0.12")
    with contextlib.ExitStack() as stack:
        conns = [stack.enter_context(caller.connect()) for _ in range(cap)]
        for conn in conns:
            assert conn.get(ID).status == 200
        for _ in range(3):
            with caller.connect() as extra:
                with contextlib.suppress(BrokenPipeError, ConnectionResetError):
                    extra.send(wire.request("GET", ID))
                reply = extra.read_reply()
                want = wire.empty_block("503 Service Unavailable", True, RETRY)
                assert masked(reply) == want
                extra.expect_eof()
        for conn in conns:
            assert conn.get(ID).status == 200
        others = [stack.enter_context(other.connect()) for _ in range(cap)]
        for conn in others:
            assert conn.get(ID).status == 200
        service.wait_metric(
            lambda m: m.sum("telltale_throttled_total") == 3, "the refused connections counted"
        )
        conns[0].close()

        def room_again():
            with caller.connect() as conn:
                with contextlib.suppress(BrokenPipeError, ConnectionResetError):
                    conn.send(wire.request("GET", ID))
                return conn.read_reply().status == 200

        wire.wait_until(room_again, "a connection to be free again")


def test_a_thousand_connections_of_one_instance_are_allowed_by_default(service, caller):
    with contextlib.ExitStack() as stack:
        conns = [stack.enter_context(caller.connect()) for _ in range(1000)]
        for conn in conns:
            conn.send(wire.request("GET", ID))
        for conn in conns:
            assert conn.read_reply().status == 200


# -- requests per second


def test_requests_over_the_rate_are_503_counted_and_only_for_that_instance(workshop):
    service = workshop.daemon(
        {
            "limits": {"requestsPerSecond": 1, "burst": 4},
            "instances": [samples.plain(), samples.plain("web-2", "127.0.0.12")],
        }
    )
    caller, other = service.client(), service.client("127.0.0.12")
    replies = [caller.get(ID) for _ in range(40)]
    statuses = [reply.status for reply in replies]
    assert statuses[:4] == [200] * 4
    assert set(statuses) == {200, 503}
    for reply in replies:
        if reply.status == 503:
            want = wire.empty_block("503 Service Unavailable", reply.closes, RETRY)
            assert masked(reply) == want and reply.body == b""
    service.wait_metric(
        lambda m: m.sum("telltale_throttled_total") == statuses.count(503), "throttled counted"
    )
    assert service.metrics().sum("telltale_requests_total", status="503") == statuses.count(503)
    for _ in range(4):
        assert other.get(ID).status == 200
    wire.wait_until(lambda: caller.get(ID).status == 200, "the rate to allow one again")


def test_token_requests_and_head_count_towards_the_rate_too(workshop):
    service = workshop.daemon(
        {"limits": {"requestsPerSecond": 1, "burst": 2}, "instances": [samples.plain()]}
    )
    caller = service.client()
    for send in (
        lambda conn: conn.exchange(wire.token_request()),
        lambda conn: conn.get(ID, method="HEAD"),
    ):
        seen = set()
        deadline = time.monotonic() + wire.TIMEOUT_S
        while 503 not in seen and time.monotonic() < deadline:
            with caller.connect() as conn:
                seen.add(send(conn).status)
        assert 503 in seen


def test_a_throttled_connection_stays_in_step(workshop):
    service = workshop.daemon(
        {"limits": {"requestsPerSecond": 1, "burst": 1}, "instances": [samples.plain()]}
    )
    with service.client().connect() as conn:
        statuses = []
        for _ in range(10):
            reply = conn.get(ID)
            statuses.append(reply.status)
            if reply.closes:
                conn.expect_eof()
                break
        assert statuses[0] == 200 and 503 in statuses


@pytest.mark.parametrize(
    "data",
    [b"", b"GET /", b"\x16\x03\x01\r\n\r\n", b"GET / HTTP/1.1\r\nA: b\r\nA\r\n\r\n"],
    ids=["nothing", "half", "tls", "bad-field"],
)
def test_a_connection_in_vain_counts_as_a_request(workshop, data):
    service = workshop.daemon(
        {
            "limits": {"requestsPerSecond": 1, "burst": 4},
            "instances": [samples.plain(), samples.plain("web-2", "127.0.0.12")],
        }
    )
    caller, other = service.client(), service.client("127.0.0.12")

    def status_after_some():
        for _ in range(4):
            with caller.connect() as conn, contextlib.suppress(OSError):
                conn.send(data)
        return caller.get(ID).status

    # Four requests alone are within the burst.
    assert 503 in [status_after_some() for _ in range(4)]
    assert other.get(ID).status == 200
    wire.wait_until(lambda: caller.get(ID).status == 200, "the rate to allow one again")


def test_an_answered_request_counts_once(workshop):
    service = workshop.daemon(
        {"limits": {"requestsPerSecond": 1, "burst": 4}, "instances": [samples.plain()]}
    )
    for _ in range(4):
        assert service.client().get(ID).status == 200


def test_what_is_throttled_is_answered_with_a_pause(workshop):
    service = workshop.daemon(
        {"limits": {"requestsPerSecond": 1, "burst": 1}, "instances": [samples.plain()]}
    )
    with service.client().connect() as conn:
        conn.send(wire.request("GET", ID) * 4)
        assert conn.read_reply().status == 200
        assert conn.read_reply().status == 503
        began = time.monotonic()
        for _ in range(2):
            assert conn.read_reply().status in (200, 503)
        assert time.monotonic() - began > 0.4  # HTTP_PAUSE_MS each


def test_who_does_not_stop_is_cut_off_until_it_does(workshop):
    cap = 8
    service = workshop.daemon(
        {
            "limits": {"connectionsPerInstance": cap},
            "instances": [samples.plain(), samples.plain("web-2", "127.0.0.12")],
        }
    )
    caller, other = service.client(), service.client("127.0.0.12")

    def try_it():
        """The status; 0 where there is none."""
        try:
            return caller.get(ID).status
        except (OSError, wire.Closed):
            return 0

    with contextlib.ExitStack() as stack:
        conns = [stack.enter_context(caller.connect()) for _ in range(cap)]
        for conn in conns:
            assert conn.get(ID).status == 200
        seen = []
        deadline = time.monotonic() + wire.TIMEOUT_S
        while 0 not in seen:
            assert time.monotonic() < deadline, "never cut off"
            seen.append(try_it())
            assert other.get(ID).status == 200
        assert set(seen) == {503, 0} and len(seen) > cap
        for conn in conns:  # those that it has go on
            assert conn.get(ID).status == 200
        before = service.metrics().sum("telltale_throttled_total")
        assert before >= len(seen)
    wire.wait_until(lambda: try_it() == 200, "an answer again")


def test_without_limits_nothing_is_throttled(caller):
    with caller.connect() as conn:
        conn.send(wire.request("GET", ID) * 3000)
        for _ in range(3000):
            assert conn.read_reply().status == 200


# -- neighbours

FLOOD = r"""
import socket, sys
source, port, total = sys.argv[1], int(sys.argv[2]), 0
data = b"GET /latest/meta-data/instance-id HTTP/1.1\r\n\r\n" * 64
while True:
    try:
        with socket.socket() as sock:
            sock.bind((source, 0))
            sock.settimeout(10)
            sock.connect(("127.0.0.1", port))
            for _ in range(50):
                sock.sendall(data)
                sock.recv(65536)
                total += 64
    except OSError:
        pass
    print(total, flush=True)
"""


@pytest.mark.parametrize(
    "limits", [{}, {"requestsPerSecond": 500, "burst": 500}], ids=["free", "throttled"]
)
def test_a_flood_from_one_instance_leaves_another_served(workshop, limits):
    service = workshop.daemon(
        {"limits": limits, "instances": [samples.plain(), samples.plain("web-2", "127.0.0.12")]}
    )
    floods = [
        subprocess.Popen(
            [sys.executable, "-c", FLOOD, "127.0.0.11", str(service.port)], stdout=subprocess.PIPE
        )
        for _ in range(2)
    ]
    try:
        for flood in floods:
            assert int(flood.stdout.readline()) >= 0  # it runs
        other = service.client("127.0.0.12")
        worst = 0.0
        with other.connect() as conn:
            for _ in range(100):
                began = time.monotonic()
                assert other.get(ID).status == 200
                assert conn.get(ID).status == 200
                worst = max(worst, time.monotonic() - began)
        assert worst < 5.0, f"another instance waited {worst:.3f} s"
    finally:
        for flood in floods:
            flood.kill()
            flood.communicate()


def test_slow_clients_of_one_instance_leave_another_served(service):
    """Half-sent requests and clients that never read cost their slots and nothing else."""
    with contextlib.ExitStack() as stack:
        for n in range(20):
            half = stack.enter_context(service.client().connect())
            half.send(wire.request("GET", ID)[: 10 + n])
            deaf = stack.enter_context(service.client().connect(rcvbuf=2048))
            deaf.sock.setblocking(False)
            with contextlib.suppress(BlockingIOError):
                for _ in range(100):
                    deaf.sock.send(wire.request("GET", "/latest/user-data") * 100)
        other = service.client("127.0.0.12")
        with other.connect() as conn:
            for _ in range(100):
                began = time.monotonic()
                assert other.get(ID).status == 200
                assert conn.get(ID).status == 200
                assert time.monotonic() - began < 5.0
