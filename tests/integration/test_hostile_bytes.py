"""Bytes that could be read two ways, or not at all: refused, closed, and nothing after them is
taken for a request."""

import contextlib
import os
import random
import socket

import pytest

import samples
import wire

ID = "/latest/meta-data/instance-id"
LINE = f"GET {ID} HTTP/1.1\r\n".encode()
PUT = (f"PUT {wire.TOKEN_PATH} HTTP/1.1\r\nX-aws-ec2-metadata-token-ttl-seconds: 60\r\n").encode()
SECOND = f"GET {ID} HTTP/1.1\r\nX-Second: yes\r\n\r\n".encode()

# Everything here is 400, closes, and must not let SECOND, which is sent right behind, through.
REFUSED = {
    # framing that could be read two ways
    "length and chunked": PUT + b"Content-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
    "chunked and length": PUT + b"Transfer-Encoding: chunked\r\nContent-Length: 5\r\n\r\n0\r\n\r\n",
    "length 0 and chunked": PUT + b"Content-Length: 0\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
    "two different lengths": PUT + b"Content-Length: 0\r\nContent-Length: 5\r\n\r\n",
    "two different lengths again": PUT + b"Content-Length: 5\r\nContent-Length: 0\r\n\r\nhello",
    "two lengths in a list": PUT + b"Content-Length: 0, 5\r\n\r\n",
    "length with plus": PUT + b"Content-Length: +0\r\n\r\n",
    "length with minus": PUT + b"Content-Length: -0\r\n\r\n",
    "length negative": PUT + b"Content-Length: -1\r\n\r\n",
    "length in hex": PUT + b"Content-Length: 0x0\r\n\r\n",
    "length with letters": PUT + b"Content-Length: 0a\r\n\r\n",
    "length empty": PUT + b"Content-Length:\r\n\r\n",
    "length blank": PUT + b"Content-Length:   \r\n\r\n",
    "length with a space inside": PUT + b"Content-Length: 0 0\r\n\r\n",
    "length with a dot": PUT + b"Content-Length: 0.0\r\n\r\n",
    "length quoted": PUT + b'Content-Length: "0"\r\n\r\n',
    "length with vertical tab": PUT + b"Content-Length: \x0b0\r\n\r\n",
    "chunked twice in two fields": PUT
    + b"Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
    "chunked and identity in two fields": PUT
    + b"Transfer-Encoding: chunked\r\nTransfer-Encoding: identity\r\n\r\n0\r\n\r\n",
    "chunked twice in a list": PUT + b"Transfer-Encoding: chunked, chunked\r\n\r\n0\r\n\r\n",
    "identity": PUT + b"Transfer-Encoding: identity\r\n\r\n",
    "gzip": PUT + b"Transfer-Encoding: gzip\r\n\r\n",
    "gzip, chunked": PUT + b"Transfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n",
    "chunked, gzip": PUT + b"Transfer-Encoding: chunked, gzip\r\n\r\n0\r\n\r\n",
    "xchunked": PUT + b"Transfer-Encoding: xchunked\r\n\r\n0\r\n\r\n",
    "chunkedx": PUT + b"Transfer-Encoding: chunkedx\r\n\r\n0\r\n\r\n",
    "chunked with parameter": PUT + b"Transfer-Encoding: chunked;x=y\r\n\r\n0\r\n\r\n",
    "transfer-encoding empty": PUT + b"Transfer-Encoding:\r\n\r\n",
    "chunked with vertical tab": PUT + b"Transfer-Encoding: \x0bchunked\r\n\r\n0\r\n\r\n",
    "chunked quoted": PUT + b'Transfer-Encoding: "chunked"\r\n\r\n0\r\n\r\n',
    "space before the colon of transfer-encoding": PUT
    + b"Transfer-Encoding : chunked\r\n\r\n0\r\n\r\n",
    "tab before the colon of transfer-encoding": PUT
    + b"Transfer-Encoding\t: chunked\r\n\r\n0\r\n\r\n",
    "space before transfer-encoding": PUT + b" Transfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
    "chunked in http 1.0": PUT.replace(b"/1.1", b"/1.0")
    + b"Transfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
    # chunks
    "chunk size in letters": PUT + b"Transfer-Encoding: chunked\r\n\r\nxyz\r\n\r\n",
    "chunk size empty": PUT + b"Transfer-Encoding: chunked\r\n\r\n\r\n\r\n",
    "chunk size negative": PUT + b"Transfer-Encoding: chunked\r\n\r\n-0\r\n\r\n",
    "chunk size with 0x": PUT + b"Transfer-Encoding: chunked\r\n\r\n0x0\r\n\r\n",
    "chunk size with a space before": PUT + b"Transfer-Encoding: chunked\r\n\r\n 0\r\n\r\n",
    "chunk ended by LF": PUT + b"Transfer-Encoding: chunked\r\n\r\n0\n\n",
    "chunk ended by CR": PUT + b"Transfer-Encoding: chunked\r\n\r\n0\r\r\r",
    "rubbish after the last chunk": PUT + b"Transfer-Encoding: chunked\r\n\r\n0\r\nrubbish\r\n\r\n",
    # line ends
    "bare LF after the request line": LINE[:-2] + b"\nHost: a\r\n\r\n",
    "bare LF after a field": LINE + b"Host: a\nX: y\r\n\r\n",
    "bare LF all along": (LINE + b"Host: a\r\n\r\n").replace(b"\r\n", b"\n"),
    "bare LF at the end": LINE + b"Host: a\r\n\n",
    "bare CR after the request line": LINE[:-2] + b"\rHost: a\r\n\r\n",
    "bare CR in a value": LINE + b"X: a\rb\r\n\r\n",
    "bare CR before a field": LINE + b"\rX: a\r\n\r\n",
    "CR CR LF": LINE[:-2] + b"\r\r\nHost: a\r\n\r\n",
    "CR in the target": b"GET /\rlatest HTTP/1.1\r\n\r\n",
    "folded value": LINE + b"X: a\r\n b\r\n\r\n",
    "folded value with tab": LINE + b"X: a\r\n\tb\r\n\r\n",
    "folded first field": LINE + b" X: a\r\n\r\n",
    "folded token": LINE + b"X-aws-ec2-metadata-token:\r\n AAAA\r\n\r\n",
    # control bytes
    "NUL in a value": LINE + b"X: a\0b\r\n\r\n",
    "NUL in a name": LINE + b"X\0: a\r\n\r\n",
    "NUL in the target": b"GET /\0 HTTP/1.1\r\n\r\n",
    "NUL first": b"\0" + LINE + b"\r\n",
    "NUL in the method": b"G\0T / HTTP/1.1\r\n\r\n",
    "DEL in the target": b"GET /\x7f HTTP/1.1\r\n\r\n",
    "tab in the target": b"GET /a\tb HTTP/1.1\r\n\r\n",
    "bell in a value": LINE + b"X: \x07\r\n\r\n",
    "DEL in a value": LINE + b"X: \x7f\r\n\r\n",
    "escape in a value": LINE + b"X: \x1b[31m\r\n\r\n",
    # field names
    "no colon": LINE + b"Host\r\n\r\n",
    "no name": LINE + b": value\r\n\r\n",
    "space in a name": LINE + b"Ho st: a\r\n\r\n",
    "space before a colon": LINE + b"Host : a\r\n\r\n",
    "tab before a colon": LINE + b"Host\t: a\r\n\r\n",
    "parenthesis in a name": LINE + b"Ho(st: a\r\n\r\n",
    "slash in a name": LINE + b"X/Y: a\r\n\r\n",
    "at in a name": LINE + b"X@Y: a\r\n\r\n",
    "high byte in a name": LINE + b"X\xc3\xa9: a\r\n\r\n",
    "equals in a name": LINE + b"X=Y: a\r\n\r\n",
    "quote in a name": LINE + b'"X": a\r\n\r\n',
    # request line
    "no version": f"GET {ID}\r\n\r\n".encode(),
    "HTTP 0.9": b"GET /\r\n",
    "no target": b"GET HTTP/1.1\r\n\r\n",
    "empty target": b"GET  HTTP/1.1\r\n\r\n",
    "two spaces before the target": b"GET  / HTTP/1.1\r\n\r\n",
    "two spaces before the version": b"GET /  HTTP/1.1\r\n\r\n",
    "space after the version": b"GET / HTTP/1.1 \r\n\r\n",
    "space before the method": b" GET / HTTP/1.1\r\n\r\n",
    "tab between": b"GET\t/\tHTTP/1.1\r\n\r\n",
    "space in the target": b"GET /a b HTTP/1.1\r\n\r\n",
    "four words": b"GET / x HTTP/1.1\r\n\r\n",
    "lower-case version": b"GET / http/1.1\r\n\r\n",
    "no slash in version": b"GET / HTTP1.1\r\n\r\n",
    "version 1": b"GET / HTTP/1\r\n\r\n",
    "version 1.": b"GET / HTTP/1.\r\n\r\n",
    "version 1.10": b"GET / HTTP/1.10\r\n\r\n",
    "version 01.1": b"GET / HTTP/01.1\r\n\r\n",
    "version 1.1x": b"GET / HTTP/1.1x\r\n\r\n",
    "version HTTQ": b"GET / HTTQ/1.1\r\n\r\n",
    "not a token as method": b"G@T / HTTP/1.1\r\n\r\n",
    "colon in the method": b"GET: / HTTP/1.1\r\n\r\n",
    "high byte in the method": b"G\xc3T / HTTP/1.1\r\n\r\n",
    "TLS hello": bytes.fromhex("16030100c8010000c40303") + b"\x5a" * 60 + b"\r\n\r\n",
    "SSH hello": b"SSH-2.0-OpenSSH_9.2\r\n",
    "SMTP hello": b"EHLO localhost\r\n",
    "one word": b"rubbish\r\n\r\n",
    "redis": b"*1\r\n$4\r\nPING\r\n",
}  # fmt: skip

# Refused too, but the status is not established: 400 or the other one given.
REFUSED_EITHER = {
    "HTTP 2 preface": (b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", {400, 505}),
    "version 2.0": (b"GET / HTTP/2.0\r\n\r\n", {400, 505}),
    "version 9.9": (b"GET / HTTP/9.9\r\n\r\n", {400, 505}),
    "version 0.9 spelled out": (b"GET / HTTP/0.9\r\n\r\n", {400, 505}),
    "length that overflows": (PUT + b"Content-Length: 18446744073709551616\r\n\r\n", {400, 413}),
    "length of a hundred digits": (
        PUT + b"Content-Length: " + b"9" * 100 + b"\r\n\r\n",
        {400, 413},
    ),
    "chunk size that overflows": (
        PUT + b"Transfer-Encoding: chunked\r\n\r\nfffffffffffffffff0\r\n",
        {400, 413},
    ),
    "twenty thousand zeros as chunk size": (
        PUT + b"Transfer-Encoding: chunked\r\n\r\n" + b"0" * 20000,
        {400, 413, 431},
    ),
    "trailers without end": (
        PUT + b"Transfer-Encoding: chunked\r\n\r\n0\r\n" + b"X: y\r\n" * 20000,
        {400, 413, 431},
    ),
}


@pytest.fixture(scope="module")
def service(module_workshop):
    return module_workshop.daemon(
        {"instances": [samples.full(), samples.plain("web-2", "127.0.0.12")]}
    )


@pytest.fixture(scope="module")
def caller(service):
    return service.client()


def refused(caller, data, statuses):
    with caller.connect() as conn:
        with contextlib.suppress(BrokenPipeError, ConnectionResetError):
            conn.send(data + SECOND)
        reply = conn.read_reply()
        assert reply.status in statuses, reply
        assert reply.closes, reply
        conn.expect_eof("a second request was answered")
    assert caller.get(ID).status == 200
    return reply


@pytest.mark.parametrize("what", REFUSED)
def test_refused_with_400_and_closed_without_reading_on(caller, what):
    wire.assert_page(refused(caller, REFUSED[what], {400}), 400)


@pytest.mark.parametrize("what", REFUSED)
def test_refused_as_well_when_it_comes_byte_by_byte(caller, what):
    data = REFUSED[what]
    with caller.connect() as conn:
        try:
            for at in range(len(data)):
                conn.send(data[at : at + 1])
            conn.send(SECOND)
        except (BrokenPipeError, ConnectionResetError):
            pass
        try:
            reply = conn.read_reply()
        except wire.Closed:
            # The reply was on its way when we sent more into a closed connection: the reset may
            # have thrown it away. That it was closed is what counts.
            return
        assert reply.status == 400 and reply.closes, reply
        conn.expect_eof("a second request was answered")


@pytest.mark.parametrize("what", REFUSED_EITHER)
def test_refused_and_closed_without_reading_on(caller, what):
    data, statuses = REFUSED_EITHER[what]
    refused(caller, data, statuses)


def test_what_was_asked_before_the_fault_is_answered_first(caller):
    with caller.connect() as conn:
        conn.send(wire.request("GET", ID) * 3 + REFUSED["no colon"] + SECOND)
        for _ in range(3):
            assert conn.read_reply().status == 200
        reply = conn.read_reply()
        assert reply.status == 400 and reply.closes
        conn.expect_eof()


ODD_BUT_FINE = {
    "no fields": LINE + b"\r\n",
    "empty value": LINE + b"X:\r\n\r\n",
    "value with spaces around": LINE + b"X:   a b \t \r\n\r\n",
    "no space after the colon": LINE + b"Host:a\r\n\r\n",
    "every token character": LINE + b"!#$%&'*+-.^_`|~09azAZ: a\r\n\r\n",
    "high bytes in a value": LINE + b"X: \xc3\xa9\xff\r\n\r\n",
    "tab inside a value": LINE + b"X: a\tb\r\n\r\n",
    "colons in a value": LINE + b"X: a:b::c\r\n\r\n",
    "absolute target": b"GET http://169.254.169.254" + ID.encode() + b" HTTP/1.1\r\n\r\n",
    "absolute target in capitals": b"GET HTTP://X" + ID.encode() + b" HTTP/1.1\r\n\r\n",
    "chunked in capitals": LINE + b"Transfer-Encoding: CHUNKED\r\n\r\n0\r\n\r\n",
}  # fmt: skip


@pytest.mark.parametrize("what", ODD_BUT_FINE)
def test_odd_but_right_requests_are_served(caller, what):
    with caller.connect() as conn:
        assert wire.masked(conn.exchange(ODD_BUT_FINE[what])) == wire.ok_block(19)
        conn.expect_open()


AMBIGUOUS = {
    "the same length twice": LINE + b"Content-Length: 0\r\nContent-Length: 0\r\n\r\n",
    "many zeros as length": LINE + b"Content-Length: 0000\r\n\r\n",
    "the same token twice": LINE
    + b"X-aws-ec2-metadata-token: x\r\nX-aws-ec2-metadata-token: x\r\n\r\n",
    "chunk extension": LINE + b"Transfer-Encoding: chunked\r\n\r\n0;a=b\r\n\r\n",
    "trailer": LINE + b"Transfer-Encoding: chunked\r\n\r\n0\r\nX: y\r\n\r\n",
    "zeros as chunk size": LINE + b"Transfer-Encoding: chunked\r\n\r\n000\r\n\r\n",
    "version 1.2": b"GET / HTTP/1.2\r\n\r\n",
    "two hosts": LINE + b"Host: a\r\nHost: b\r\n\r\n",
    "lower-case method": b"get / HTTP/1.1\r\n\r\n",
    "CONNECT": b"CONNECT 169.254.169.254:80 HTTP/1.1\r\n\r\n",
    "fragment": b"GET /latest#x HTTP/1.1\r\n\r\n",
    "backslash": b"GET \\latest HTTP/1.1\r\n\r\n",
    "high byte in the target": b"GET /\xff HTTP/1.1\r\n\r\n",
    "empty line first": b"\r\n" + LINE + b"\r\n",
    "two empty lines first": b"\r\n\r\n" + LINE + b"\r\n",
}


@pytest.mark.parametrize("what", AMBIGUOUS)
def test_what_may_be_taken_either_way_is_taken_one_way(caller, what):
    """Served or refused, but if the connection stays open it is in step."""
    with caller.connect() as conn:
        conn.send(AMBIGUOUS[what])
        reply = conn.read_reply()
        assert reply.status in (200, 400, 401, 404, 405, 413, 505), reply
        if reply.closes:
            conn.expect_eof()
        else:
            assert wire.masked(conn.exchange(SECOND)) == wire.ok_block(19)
            conn.expect_open()


def test_random_bytes_never_hurt(caller):
    seed = int.from_bytes(os.urandom(4), "big")
    rng = random.Random(seed)
    base = [*REFUSED.values(), *ODD_BUT_FINE.values(), PUT + b"\r\n", SECOND]
    for turn in range(300):
        data = bytearray(rng.choice(base))
        for _ in range(rng.randrange(1, 6)):
            at = rng.randrange(len(data) + 1)
            data[at : at + rng.randrange(3)] = bytes(
                rng.choice((0, 9, 10, 13, 32, 37, 58, 127, 255, rng.randrange(256)))
                for _ in range(rng.randrange(4))
            )
        with caller.connect() as conn:
            with contextlib.suppress(OSError):
                conn.send(bytes(data))
                conn.sock.shutdown(socket.SHUT_WR)
                while conn.sock.recv(65536):
                    pass
        if turn % 50 == 0:
            assert caller.get(ID).status == 200, f"seed {seed}"
    assert caller.get(ID).status == 200, f"seed {seed}"


def test_a_hostile_caller_changes_nothing_for_others(service):
    """Refused requests of one connection are counted; another's connection stays as it was."""
    with service.client("127.0.0.12").connect() as other:
        want = other.get(ID).body
        for data in list(REFUSED.values())[::7]:
            refused(service.client(), data, {400})
            assert other.get(ID).body == want
