"""Keep-alive, close, HTTP/1.0, pipelining, half-closed and slow connections."""

import socket

import pytest

import samples
import wire
from wire import masked

ID = "/latest/meta-data/instance-id"


@pytest.fixture(scope="module")
def caller(module_workshop):
    service = module_workshop.daemon({"instances": [samples.full()]})
    return service.client()


def test_http_1_1_stays_open_and_has_no_connection_header(caller):
    with caller.connect() as conn:
        for _ in range(5):
            assert masked(conn.get(ID)) == wire.ok_block(19)
            conn.expect_open()


def test_http_1_1_keep_alive_stays_open_and_has_no_connection_header(caller):
    with caller.connect() as conn:
        for _ in range(3):
            assert masked(conn.get(ID, headers=[("Connection", "keep-alive")])) == wire.ok_block(19)
            conn.expect_open()


@pytest.mark.parametrize("value", ["close", "Close", "CLOSE", "te, close", "keep-alive, close"])
def test_connection_close_is_said_back_and_done(caller, value):
    with caller.connect() as conn:
        reply = conn.get(ID, headers=[("Connection", value)])
        assert masked(reply) == wire.ok_block(19, close=True)
        conn.expect_eof()


def test_close_with_token_has_every_header_in_order(caller):
    token = caller.put_token()
    with caller.connect() as conn:
        reply = conn.get(ID, token, [("Connection", "close")])
        assert masked(reply) == wire.ok_block(19, token=True, close=True)
        conn.expect_eof()


def test_a_word_that_only_contains_close_does_not_close(caller):
    with caller.connect() as conn:
        assert masked(conn.get(ID, headers=[("Connection", "closed, unclose")])) == wire.ok_block(
            19
        )
        conn.expect_open()


@pytest.mark.parametrize(
    "path,status", [("/latest/none", "404 Not Found"), ("/latest/meta-data/x", "404 Not Found")]
)
def test_error_pages_say_close_when_closing(caller, path, status):
    with caller.connect() as conn:
        reply = conn.get(path, headers=[("Connection", "close")])
        assert masked(reply) == wire.page_block(status, 339, close=True)
        conn.expect_eof()


def test_empty_errors_say_close_when_closing(caller):
    with caller.connect() as conn:
        reply = conn.get(ID, "bad", [("Connection", "close")])
        assert masked(reply) == wire.empty_block("401 Unauthorized", close=True)
        conn.expect_eof()


def test_errors_do_not_close_a_connection_that_is_in_step(caller):
    with caller.connect() as conn:
        assert conn.get("/latest/none").status == 404
        assert conn.get(ID, "bad").status == 401
        assert conn.get(ID, method="POST").status == 405
        assert conn.exchange(wire.token_request(None)).status == 400
        assert conn.exchange(wire.token_request(60, path="/latest/api/token/")).status == 403
        assert conn.get("/latest/none", method="HEAD").status == 404
        assert conn.get(ID).status == 200


def test_http_1_0_is_answered_and_closed(caller):
    with caller.connect() as conn:
        reply = conn.exchange(wire.request("GET", ID, version="HTTP/1.0"))
        assert masked(reply) == wire.ok_block(19, close=True)
        conn.expect_eof()


def test_http_1_0_without_any_header_is_served(caller):
    with caller.connect() as conn:
        assert conn.exchange(f"GET {ID} HTTP/1.0\r\n\r\n".encode()).status == 200
        conn.expect_eof()


def test_http_1_0_that_asks_to_stay_stays(caller):
    stay = [("Connection", "keep-alive")]
    with caller.connect() as conn:
        for _ in range(3):
            reply = conn.exchange(wire.request("GET", ID, None, stay, "HTTP/1.0"))
            assert reply.status == 200 and not reply.closes
        conn.expect_open()
        reply = conn.exchange(wire.request("GET", ID, version="HTTP/1.0"))
        assert reply.closes
        conn.expect_eof()


def test_pipelined_requests_are_answered_in_order(caller):
    token = caller.put_token()
    steps = [
        (wire.request("GET", ID), 200, False),
        (wire.request("HEAD", ID, token), 200, True),
        (wire.request("GET", "/latest/none"), 404, False),
        (wire.token_request(60), 200, False),
        (wire.request("GET", "/latest/user-data", token), 200, False),
        (wire.request("GET", ID, "bad"), 401, False),
        (wire.token_request(60, [("Content-Length", "0")]), 200, False),
        (wire.token_request(60, [("Transfer-Encoding", "chunked")]) + b"0\r\n\r\n", 200, False),
        (wire.request("GET", "/latest/meta-data/mac"), 200, False),
    ] * 20
    with caller.connect() as conn:
        conn.send(b"".join(data for data, _, _ in steps))
        for number, (data, status, head_only) in enumerate(steps):
            reply = conn.read_reply(head_only)
            assert reply.status == status, f"step {number}, {data!r}: {reply}"
        conn.expect_open()


def test_pipelined_values_are_not_mixed_up(caller):
    paths = [
        "/latest/meta-data/" + leaf
        for leaf in ("instance-id", "mac", "ami-id", "local-ipv4", "reservation-id", "hostname")
    ]
    want = {path: caller.text(path) for path in paths}
    with caller.connect() as conn:
        conn.send(b"".join(wire.request("GET", path) for path in paths * 50))
        for path in paths * 50:
            assert conn.read_reply().text == want[path]


def test_nothing_is_answered_after_a_request_that_says_close(caller):
    with caller.connect() as conn:
        conn.send(
            wire.request("GET", ID, None, [("Connection", "close")]) + wire.request("GET", ID)
        )
        assert conn.read_reply().closes
        conn.expect_eof()


@pytest.mark.parametrize(
    "data",
    [
        wire.request("GET", ID, "x" * 56),
        wire.token_request(60, [("Content-Length", "0"), ("User-Agent", "slow")]),
        wire.token_request(60, [("Transfer-Encoding", "chunked")]) + b"0\r\n\r\n",
    ],
    ids=["get", "put", "put-chunked"],
)
def test_a_request_sent_byte_by_byte_is_answered(caller, data):
    with caller.connect() as conn, caller.connect() as other:
        for at in range(len(data)):
            conn.send(data[at : at + 1])
            if at % 40 == 0:
                assert other.get(ID).status == 200
        assert conn.read_reply().status in (200, 401)
        conn.expect_open()


def test_a_client_that_shuts_its_side_down_still_gets_its_replies(caller):
    with caller.connect() as conn:
        conn.send(wire.request("GET", ID) * 3)
        conn.sock.shutdown(socket.SHUT_WR)
        for _ in range(3):
            assert conn.read_reply().status == 200
        conn.expect_eof()


def test_a_half_sent_request_that_is_shut_down_is_closed(caller):
    with caller.connect() as conn:
        conn.send(wire.request("GET", ID)[:-2])
        conn.sock.shutdown(socket.SHUT_WR)
        try:
            assert conn.read_reply().status in (400, 408)
        except wire.Closed:
            pass
        conn.expect_eof()


def test_a_connection_opened_and_shut_without_a_request_does_no_harm(caller):
    for _ in range(50):
        caller.connect().close()
    assert caller.get(ID).status == 200


def test_a_client_that_resets_does_no_harm(caller):
    for _ in range(50):
        conn = caller.connect()
        conn.send(wire.request("GET", "/latest/user-data") * 10)
        conn.sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
        conn.close()
    assert caller.get(ID).status == 200


def test_empty_lines_before_a_request_line_do_not_desynchronise(caller):
    """RFC 9112 lets a server ignore one; refusing is fine as well, mixing up is not."""
    with caller.connect() as conn:
        reply = conn.exchange(b"\r\n" + wire.request("GET", ID))
        if reply.status == 400:
            assert reply.closes
            conn.expect_eof()
        else:
            assert masked(reply) == wire.ok_block(19)
            conn.expect_open()


@pytest.mark.parametrize(
    "header",
    [
        ("Range", "bytes=0-3"),
        ("If-Modified-Since", "Wed, 21 Oct 2099 07:28:00 GMT"),
        ("If-None-Match", "*"),
        ("If-Match", '"x"'),
        ("If-Unmodified-Since", "Wed, 21 Oct 2015 07:28:00 GMT"),
        ("Accept", "application/json"),
        ("Accept-Encoding", "gzip, br"),
        ("Upgrade", "h2c"),
        ("Host", "metadata.example.com"),
        ("Cookie", "a=b"),
        ("Expect", "100-continue"),
        ("TE", "trailers"),
    ],
    ids=lambda pair: pair[0],
)
def test_headers_that_could_change_a_reply_are_ignored(caller, header):
    lines = f"GET {ID} HTTP/1.1\r\n{header[0]}: {header[1]}\r\n\r\n"
    assert masked(caller.raw(lines.encode())) == wire.ok_block(19)


def test_a_get_with_an_empty_body_is_served(caller):
    with caller.connect() as conn:
        assert conn.get(ID, headers=[("Content-Length", "0")]).status == 200
        data = wire.request("GET", ID, None, [("Transfer-Encoding", "chunked")]) + b"0\r\n\r\n"
        assert conn.exchange(data).status == 200
        conn.expect_open()


def test_last_modified_is_the_same_for_the_same_data(caller):
    seen = {caller.get(ID).value("Last-Modified") for _ in range(5)}
    seen |= {caller.get("/latest/meta-data/mac").value("Last-Modified") for _ in range(5)}
    assert len(seen) == 1
