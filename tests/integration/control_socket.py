"""control_socket - telltale's own protocol: what the command line asks a daemon, and anybody who may."""

import http.client
import json
import socket
import time

import wire


class Answer:
    """What an operation was answered, and how long that took."""

    def __init__(self, reply, seconds):
        self.status = reply.status
        self.headers = reply.headers
        self.body = json.loads(reply.read())
        self.seconds = seconds

    def ok(self):
        assert self.status == 200, self
        return self.body

    def refused(self, code):
        assert self.status >= 400 and self.body["__type"].endswith(code), self
        return self.body["message"]

    def __repr__(self):
        return f"<Answer {self.status} {self.body} in {self.seconds:.3f} s>"


class Connection(http.client.HTTPConnection):
    def __init__(self, path):
        super().__init__("localhost", timeout=wire.TIMEOUT_S)
        self.path = str(path)

    def connect(self):
        self.sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.sock.settimeout(self.timeout)
        self.sock.connect(self.path)


def ask(service, operation, /, **members):
    """One operation of one daemon, on a connection of its own."""
    conn = Connection(service.socket_path)
    begun = time.monotonic()
    try:
        conn.request("POST", "/", json.dumps(members), {"X-Amz-Target": "Telltale_20261124." + operation})
        return Answer(conn.getresponse(), time.monotonic() - begun)
    finally:
        conn.close()
