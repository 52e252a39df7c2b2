"""Time limits: a slow, silent or deaf client loses its connection, within a bound and not before
the limit; nobody else notices."""

import socket
import time

import pytest

import samples
import wire

ID = "/latest/meta-data/instance-id"

# The limit under test is one second; the clock that ends connections may be coarse, and the
# machine busy, so only what is far off fails.
LIMIT_S = 1
BOUND_S = 20.0
EARLY_S = 0.1


@pytest.fixture(scope="module")
def service(module_workshop):
    """Short for all three, and one instance more to see that nobody else notices."""
    return module_workshop.daemon(
        {
            "limits": {
                "headerTimeoutSeconds": LIMIT_S,
                "idleTimeoutSeconds": 2 * LIMIT_S,
                "requestTimeoutSeconds": 3 * LIMIT_S,
            },
            "instances": [
                samples.full(userData="u" * 16000),
                samples.plain("web-2", "127.0.0.12"),
            ],
        }
    )


def closes_within(conn, began, at_least):
    """Reads to the end; the end must come at or after at_least seconds, and before the bound."""
    conn.sock.settimeout(BOUND_S)
    try:
        reply = conn.read_reply()
        assert reply.status in (400, 408, 503) and reply.closes, reply
    except wire.Closed:
        pass
    conn.expect_eof()
    took = time.monotonic() - began
    assert at_least - EARLY_S <= took < BOUND_S, took


@pytest.mark.parametrize("sent", [1, 10, 60])
def test_a_head_that_is_not_complete_in_time_is_closed(service, sent):
    began = time.monotonic()
    with service.client().connect() as conn:
        conn.send(wire.request("GET", ID)[:sent])
        closes_within(conn, began, LIMIT_S)
    assert service.client("127.0.0.12").get(ID).status == 200


def test_a_head_that_trickles_in_is_closed_all_the_same(service):
    """The limit is on the whole head: a byte now and then does not prolong it."""
    data = wire.request("GET", ID, None, [("X-Slow", "x" * 4000)])
    began = time.monotonic()
    with service.client().connect() as conn:
        conn.sock.settimeout(0.05)
        closed = False
        for at in range(len(data)):
            try:
                conn.sock.send(data[at : at + 1])
                closed = conn.sock.recv(4096) == b""
            except TimeoutError:
                continue
            except OSError:
                closed = True
            if closed:
                break
            assert time.monotonic() - began < BOUND_S
        assert closed, "a head was accepted over more than its time"
    assert time.monotonic() - began >= LIMIT_S - EARLY_S


def test_a_connection_that_never_says_anything_is_closed(service):
    began = time.monotonic()
    with service.client().connect() as conn:
        closes_within(conn, began, LIMIT_S)


def test_an_idle_connection_is_closed_silently_after_the_idle_limit(service):
    with service.client().connect() as conn:
        assert conn.get(ID).status == 200
        began = time.monotonic()
        conn.sock.settimeout(BOUND_S)
        conn.expect_eof()
        took = time.monotonic() - began
        assert 2 * LIMIT_S - EARLY_S <= took < BOUND_S, took


def test_a_connection_in_use_outlives_the_limits(service):
    """Requests that come in good time keep a connection open for longer than any one limit."""
    with service.client().connect() as conn:
        began = time.monotonic()
        while time.monotonic() - began < 4 * LIMIT_S:
            assert conn.get(ID).status == 200
            time.sleep(0.1)


def test_the_second_head_has_its_own_time(service):
    with service.client().connect() as conn:
        assert conn.get(ID).status == 200
        conn.send(wire.request("GET", ID)[:5])
        began = time.monotonic()
        closes_within(conn, began, 0)


def test_a_client_that_never_reads_loses_its_connection(service):
    before = service.metrics().sum("telltale_connections")
    with service.client().connect(rcvbuf=2048) as conn:
        conn.sock.setblocking(False)
        data = wire.request("GET", "/latest/user-data") * 50
        began = time.monotonic()
        ended = False
        while time.monotonic() - began < BOUND_S and not ended:
            try:
                conn.sock.send(data)
            except BlockingIOError:
                # Both directions are full. The end is seen as a reset, or in the gauge.
                ended = service.metrics().sum("telltale_connections") <= before
                time.sleep(0.02)
            except OSError:
                ended = True
        assert ended, "still holds its connection"
    assert service.client("127.0.0.12").get(ID).status == 200


def test_a_slow_reader_within_the_limit_gets_everything(service):
    with service.client().connect(rcvbuf=4096) as conn:
        conn.send(wire.request("GET", "/latest/user-data"))
        got = b""
        while b"\r\n\r\n" not in got or len(got.split(b"\r\n\r\n", 1)[1]) < 16000:
            got += conn.sock.recv(512)
        assert got.endswith(b"u" * 16000)


def test_connections_are_not_leaked(service):
    """After all of the above and a hundred broken connections more, the gauge is back at zero."""
    for n in range(100):
        conn = service.client().connect()
        conn.send(wire.request("GET", ID)[: n % 40])
        if n % 3 == 0:
            conn.sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
        conn.close()
    service.wait_metric(lambda m: m.sum("telltale_connections") == 0, "no connection to be left")
