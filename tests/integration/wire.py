"""wire - raw HTTP over sockets: send exact bytes, read exact replies, compare header blocks.

Nothing here uses an HTTP library: a library would repair what we want to see. docs/protocol.md
says what the bytes must be.
"""

import calendar
import re
import socket
import time

TIMEOUT_S = 20.0  # generous: sanitizer builds on a busy two-core machine

TTL_HEADER = "X-Aws-Ec2-Metadata-Token-Ttl-Seconds"
TOKEN_HEADER = "X-Aws-Ec2-Metadata-Token"
TOKEN_PATH = "/latest/api/token"

DAYS = ["Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun"]
MONTHS = ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"]
IMF_FIXDATE = re.compile(
    r"(Mon|Tue|Wed|Thu|Fri|Sat|Sun), (\d\d) (\w{3}) (\d{4}) (\d\d):(\d\d):(\d\d) GMT\Z"
)


class Closed(Exception):
    """The peer closed the connection where a reply was expected."""


class Reply:
    """One reply: the head as it came, parsed, and the body."""

    def __init__(self, head, body):
        self.head = head
        self.body = body
        lines = head[:-4].split(b"\r\n")
        assert b"\n" not in head.replace(b"\r\n", b""), f"bare LF in reply head: {head!r}"
        self.lines = [line.decode("ascii") for line in lines]
        match = re.match(r"HTTP/1\.1 (\d{3}) ([ -~]*)\Z", self.lines[0])
        assert match, f"not a status line: {self.lines[0]!r}"
        self.status = int(match.group(1))
        self.reason = match.group(2)
        self.headers = []
        for line in self.lines[1:]:
            name, colon, value = line.partition(": ")
            assert colon and name and value == value.strip(), f"bad header line {line!r}"
            self.headers.append((name, value))

    def values(self, name):
        return [v for n, v in self.headers if n.lower() == name.lower()]

    def value(self, name):
        found = self.values(name)
        assert len(found) == 1, f"want exactly one {name}, have {found} in {self.lines}"
        return found[0]

    @property
    def text(self):
        return self.body.decode("utf-8")

    @property
    def closes(self):
        return [v.lower() for v in self.values("Connection")] == ["close"]

    def __repr__(self):
        return f"<Reply {self.lines} body={self.body[:400]!r}>"


class Connection:
    """One TCP connection to the service, with what was received but not yet consumed."""

    def __init__(self, address, port, source=None, make_socket=socket.socket, rcvbuf=None, tls=None,
                 timeout=TIMEOUT_S):  # fmt: skip
        family = socket.AF_INET6 if ":" in address else socket.AF_INET
        self.sock = make_socket(family, socket.SOCK_STREAM)
        self.sock.settimeout(timeout)
        if rcvbuf is not None:
            self.sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, rcvbuf)
        try:
            self.sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            if source is not None:
                # Port chosen at connect time, so that many connections may share a source address.
                self.sock.setsockopt(socket.IPPROTO_IP, 24, 1)  # IP_BIND_ADDRESS_NO_PORT
                self.sock.bind((source, 0))
            self.sock.connect((address, port))
            if tls is not None:
                self.sock = tls.wrap_socket(self.sock, server_hostname=address)
        except BaseException:
            self.sock.close()
            raise
        self.buffer = b""

    def __enter__(self):
        return self

    def __exit__(self, *exc):
        self.close()

    def close(self):
        self.sock.close()

    def send(self, data):
        self.sock.sendall(data)

    def _fill(self):
        try:
            data = self.sock.recv(65536)
        except ConnectionResetError:
            data = b""
        self.buffer += data
        return bool(data)

    def read_reply(self, head_only=False):
        """The next reply; head_only for the answer to a HEAD."""
        while b"\r\n\r\n" not in self.buffer:
            if not self._fill():
                raise Closed(f"closed after {self.buffer!r}")
        end = self.buffer.index(b"\r\n\r\n") + 4
        head, self.buffer = self.buffer[:end], self.buffer[end:]
        reply = Reply(head, b"")
        lengths = reply.values("Content-Length")
        assert len(lengths) == 1, f"want exactly one Content-Length: {reply}"
        assert re.fullmatch(r"0|[1-9]\d*", lengths[0]), f"bad Content-Length: {reply}"
        if not head_only:
            length = int(lengths[0])
            while len(self.buffer) < length:
                if not self._fill():
                    raise Closed(f"closed inside a body: {reply}, {self.buffer!r}")
            reply.body, self.buffer = self.buffer[:length], self.buffer[length:]
        return reply

    def exchange(self, data, head_only=False):
        self.send(data)
        return self.read_reply(head_only)

    def expect_eof(self, why=""):
        """The peer closes, and sends nothing more before it does. A reset counts as closed."""
        while self._fill():
            pass
        assert self.buffer == b"", f"bytes after the end: {self.buffer[:300]!r} {why}"

    def expect_open(self):
        """The connection is not closed: nothing to read, and no end of file."""
        assert self.buffer == b"", f"unexpected bytes {self.buffer[:300]!r}"
        self.sock.setblocking(False)
        try:
            data = self.sock.recv(1)
            raise AssertionError("closed" if data == b"" else f"unexpected byte {data!r}")
        except BlockingIOError:
            pass
        finally:
            self.sock.settimeout(TIMEOUT_S)

    def get(self, path, token=None, headers=(), method="GET"):
        return self.exchange(request(method, path, token, headers), method == "HEAD")

    def put_token(self, ttl=21600, headers=()):
        reply = self.exchange(token_request(ttl, headers))
        assert reply.status == 200, reply
        return reply.body.decode("ascii")


class Client:
    """A caller with one source address; every request on a connection of its own unless said."""

    def __init__(self, address, port, source=None, make_socket=socket.socket, tls=None):
        self.address = address
        self.port = port
        self.source = source
        self.make_socket = make_socket
        self.tls = tls  # an ssl.SSLContext, or None for plain HTTP

    def connect(self, **options):
        options.setdefault("tls", self.tls)
        return Connection(self.address, self.port, self.source, self.make_socket, **options)

    def raw(self, data, head_only=False):
        with self.connect() as conn:
            return conn.exchange(data, head_only)

    def get(self, path, token=None, headers=(), method="GET"):
        with self.connect() as conn:
            return conn.get(path, token, headers, method)

    def text(self, path, token=None):
        reply = self.get(path, token)
        assert reply.status == 200, f"{path}: {reply}"
        return reply.text

    def put_token(self, ttl=21600):
        with self.connect() as conn:
            return conn.put_token(ttl)


def request(method, path, token=None, headers=(), version="HTTP/1.1"):
    lines = [f"{method} {path} {version}", "Host: 169.254.169.254"]
    if token is not None:
        lines.append(f"X-aws-ec2-metadata-token: {token}")
    lines += [f"{name}: {value}" for name, value in headers]
    return ("\r\n".join(lines) + "\r\n\r\n").encode("latin-1")


def token_request(ttl=21600, headers=(), path=TOKEN_PATH, version="HTTP/1.1"):
    pairs = [] if ttl is None else [("X-aws-ec2-metadata-token-ttl-seconds", ttl)]
    return request("PUT", path, None, [*pairs, *headers], version)


def parse_date(text):
    """Seconds since the epoch of an IMF-fixdate; fails on any other form."""
    match = IMF_FIXDATE.match(text)
    assert match, f"not an IMF-fixdate: {text!r}"
    day, month, year = int(match.group(2)), match.group(3), int(match.group(4))
    assert month in MONTHS, text
    clock = [int(match.group(i)) for i in (5, 6, 7)]
    seconds = calendar.timegm((year, MONTHS.index(month) + 1, day, *clock))
    again = time.gmtime(seconds)
    assert (again.tm_mday, DAYS[again.tm_wday]) == (day, match.group(1)), f"no such day: {text!r}"
    return seconds


def masked(reply):
    """The head's lines with the values that vary masked, after their form was checked."""
    now = time.time()
    lines = [reply.lines[0]]
    for name, value in reply.headers:
        if name == "Date":
            assert abs(parse_date(value) - now) < 120, f"Date is not now: {value}"
            value = "<date>"
        elif name == "Last-Modified":
            assert parse_date(value) <= now + 2, f"Last-Modified in the future: {value}"
            value = "<date>"
        elif name == TTL_HEADER:
            assert re.fullmatch(r"0|[1-9]\d{0,4}", value), f"bad TTL {value!r}"
            assert int(value) <= 21600, value
            value = "<ttl>"
        lines.append(f"{name}: {value}")
    return lines


def _closing(close):
    return ["Connection: close"] if close else []


def ok_block(length, token=False, close=False, content_type="text/plain"):
    """The head of a metadata value that is served."""
    return [
        "HTTP/1.1 200 OK",
        *([f"{TTL_HEADER}: <ttl>"] if token else []),
        f"Content-Type: {content_type}",
        "Accept-Ranges: none",
        "Last-Modified: <date>",
        f"Content-Length: {length}",
        "Date: <date>",
        "Server: EC2ws",
        *_closing(close),
    ]


def token_block(close=False):
    """The head of a reply that carries a token."""
    return [
        "HTTP/1.1 200 OK",
        f"{TTL_HEADER}: <ttl>",
        "Content-Length: 56",
        "Date: <date>",
        "Server: EC2ws",
        *_closing(close),
        "Content-Type: text/plain",
    ]


def empty_block(status, close=False, first=()):
    """The head of an empty reply; `first` are the lines right after the status line."""
    return [
        f"HTTP/1.1 {status}",
        *first,
        "Content-Length: 0",
        "Date: <date>",
        "Server: EC2ws",
        *_closing(close),
        "Content-Type: text/plain",
    ]


def page_block(status, length, close=False):
    """The head of an XHTML error page."""
    return [
        f"HTTP/1.1 {status}",
        "Content-Type: text/html",
        f"Content-Length: {length}",
        "Date: <date>",
        "Server: EC2ws",
        *_closing(close),
    ]


def page(title, indent):
    return (
        '<?xml version="1.0" encoding="iso-8859-1"?>\n'
        '<!DOCTYPE html PUBLIC "-//W3C//DTD XHTML 1.0 Transitional//EN"\n'
        f'{indent}"http://www.w3.org/TR/xhtml1/DTD/xhtml1-transitional.dtd">\n'
        '<html xmlns="http://www.w3.org/1999/xhtml" xml:lang="en" lang="en">\n'
        " <head>\n"
        f"  <title>{title}</title>\n"
        " </head>\n"
        " <body>\n"
        f"  <h1>{title}</h1>\n"
        " </body>\n"
        "</html>\n"
    ).encode("ascii")


PAGE_404 = page("404 - Not Found", "\t\t ")
PAGE_403 = page("403 - Forbidden", "\t")
PAGE_400 = page("400 - Bad Request", "\t\t ")


def assert_page(reply, status, head_only=False):
    """`reply` is the error page of that status, byte for byte."""
    want = {400: PAGE_400, 403: PAGE_403, 404: PAGE_404}[status]
    title = {400: "400 Bad Request", 403: "403 Forbidden", 404: "404 Not Found"}[status]
    assert masked(reply) == page_block(title, len(want), reply.closes)
    assert reply.body == (b"" if head_only else want)


def assert_404(reply):
    assert_page(reply, 404)


def assert_empty(reply, status, first=()):
    assert masked(reply) == empty_block(status, reply.closes, list(first))
    assert reply.body == b""


def wait_until(condition, what, timeout=TIMEOUT_S, pause=0.02):
    """Poll a condition until it holds; returns what it returned."""
    deadline = time.monotonic() + timeout
    while True:
        result = condition()
        if result:
            return result
        assert time.monotonic() < deadline, f"waited {timeout} s for: {what}"
        time.sleep(pause)
