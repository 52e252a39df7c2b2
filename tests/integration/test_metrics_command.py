"""`telltale metrics` and what it asks for, against a daemon that says what the test wants."""

import http.server
import json
import os
import pathlib
import pty
import re
import socketserver
import subprocess
import tempfile
import threading
import time

import pytest

from daemon import BINARY, run_binary

PREFIX = "Telltale_20261124."
NAMES = ["MetadataNoToken", "MetadataNoTokenRejected"]


class FakeDaemon(socketserver.ThreadingUnixStreamServer):
    """Answers GetInstanceMetricData from a list of (time, count) for each metric, GetInstance from created."""

    daemon_threads = True

    def __init__(self, path):
        super().__init__(str(path), Handler)
        self.path = path
        self.asked = []
        self.samples = {name: [] for name in NAMES}
        self.created = 1000000000
        self.answer = self.points

    def points(self, ask):
        if "metricName" not in ask:
            return 200, {"instance": {"name": ask["instanceName"], "createdAt": self.created}}
        sums = {}
        for at, count in self.samples[ask["metricName"]]:
            if ask["startTime"] <= at < ask["endTime"]:
                start = at - (at - ask["startTime"]) % ask["period"]
                sums[start] = sums.get(start, 0) + count
        data = [{"sum": float(n), "timestamp": at, "unit": "Count"} for at, n in sums.items()]
        # Not in order: "Data points are not returned in chronological order."
        return 200, {"metricName": ask["metricName"], "metricData": data[::-1]}

    def cli(self, *args, **more):
        return run_binary("metrics", *args, "--socket", self.path, **more)


class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def address_string(self):
        return "socket"

    def log_message(self, *_):
        pass

    def do_POST(self):
        ask = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        self.server.asked.append((self.headers["X-Amz-Target"], ask))
        status, reply = self.server.answer(ask)
        body = json.dumps(reply).encode()
        self.send_response(status)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)


@pytest.fixture
def fake():
    # Short, because a socket's path may have no more than 107 bytes.
    with tempfile.TemporaryDirectory(prefix="tt-") as folder:
        with FakeDaemon(pathlib.Path(folder) / "fake.sock") as server:
            thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
            thread.start()
            yield server
            server.shutdown()
            thread.join()


def rows(out):
    """(time, counts) of each line of the table but the first and the last two."""
    lines = out.splitlines()
    assert re.fullmatch(r"TIME +NO-TOKEN +REJECTED", lines[0]), out
    assert lines[-2].startswith("total "), out
    return [(line[:17], [int(n) for n in line[17:].split()[:2]]) for line in lines[1:-2]]


def utc(at):
    return time.strftime("%Y-%m-%d %H:%MZ", time.gmtime(at))


def test_a_call_a_metric_in_lightsails_shape(fake):
    before = int(time.time())
    fake.cli("web-1").ok()
    after = int(time.time())
    targets = [PREFIX + "GetInstanceMetricData"] * 2 + [PREFIX + "GetInstance"]
    assert [target for target, _ in fake.asked] == targets
    assert [ask["metricName"] for _, ask in fake.asked[:2]] == NAMES
    for _, ask in fake.asked[:2]:
        assert ask["instanceName"] == "web-1" and ask["unit"] == "Count"
        assert ask["statistics"] == ["Sum"] and ask["period"] == 3600
        assert ask["startTime"] % 3600 == 0 and ask["startTime"] <= before - 86400
        assert ask["startTime"] > after - 86400 - 3600
        # The row of now to its end, and a minute that may begin meanwhile.
        assert after < ask["endTime"] - 60 <= after + 3600 and ask["endTime"] % 3600 == 60


def test_nothing_counted_says_so(fake):
    out = fake.cli("web-1", "--since", "7d").ok().out
    assert out.endswith("No call without a token in the last 7 days: tokens can be required.\n")
    assert all(counts == [0, 0] for _, counts in rows(out))
    assert len(fake.asked) == 3


def test_tokens_can_be_required_only_after_all_of_the_time(fake):
    fake.created = int(time.time()) - 3 * 86400 - 60
    out = fake.cli("web-1", "--since", "4w").ok().out
    assert out.splitlines()[-1] == (
        f"No call without a token since web-1 was made, {utc(fake.created)} (3 days ago); "
        "that is less than the 4 weeks asked for."
    )
    out = fake.cli("web-1", "--since", "3d").ok().out
    assert out.endswith("No call without a token in the last 3 days: tokens can be required.\n")


@pytest.mark.parametrize("created", [None, "now", -1, 0, 1e300], ids=str)
def test_without_the_time_of_making_there_is_no_all_clear(fake, created):
    fake.created = created
    fake.cli("web-1").refused("createdAt", codes=(1,))


@pytest.mark.parametrize("since", ["24h", "7d", "4w", "90d", "455d"])
def test_the_last_minute_is_found_in_a_row_of_any_length(fake, since):
    minute = int(time.time()) // 60 * 60
    for ago in (1, 7, 59, 1439):
        last = minute - ago * 60
        fake.samples[NAMES[0]] = [(last - 3 * 60, 1), (last, 2)]
        out = fake.cli("web-1", "--since", since).ok().out
        assert out.endswith(f"; last: {utc(last)}.\n"), out
    assert all((ask["endTime"] - ask["startTime"]) / ask["period"] <= 1440 for _, ask in fake.asked)


def test_counts_are_in_their_rows_and_the_last_is_exact(fake):
    now = int(time.time())
    hour = now // 3600 * 3600
    last = hour - 3 * 3600 + 17 * 60
    fake.samples[NAMES[0]] = [(hour - 5 * 3600, 10), (last - 60, 1), (last, 2)]
    fake.samples[NAMES[1]] = [(now // 60 * 60, 4)]
    out = fake.cli("web-1").ok().out
    found = {at: counts for at, counts in rows(out) if any(counts)}
    assert found[utc(hour - 5 * 3600)] == [10, 0] and found[utc(hour - 3 * 3600)] == [3, 0]
    assert sum(counts[1] for counts in found.values()) == 4
    assert re.search(r"^total +13 +4$", out, re.M), out
    assert out.endswith(
        f"web-1 was called 13 times without a token in the last 24 h; last: {utc(last)}.\n"
    )
    # The third question is for the minutes of the last row.
    assert len(fake.asked) == 3
    ask = fake.asked[2][1]
    assert ask["metricName"] == NAMES[0] and ask["period"] == 60
    assert (ask["startTime"], ask["endTime"]) == (hour - 3 * 3600, hour - 2 * 3600)


def test_rejected_alone_are_said(fake):
    minute = int(time.time()) // 60 * 60
    fake.samples[NAMES[1]] = [(minute, 4)]
    out = fake.cli("web-1", "--since=10m").ok().out
    assert out.endswith(
        f"web-1 rejected 4 calls without a token in the last 10 min; last: {utc(minute)}.\n"
    )
    assert len(fake.asked) == 2  # rows are minutes already


def test_bars_are_ascii_where_nobody_looks(fake):
    hour = int(time.time()) // 3600 * 3600
    fake.samples[NAMES[0]] = [(hour - 7200, 100), (hour - 3600, 1)]
    out = fake.cli("web-1", env={"LC_ALL": "C.UTF-8"}).ok().out
    assert out.isascii()
    assert re.search(r" 100 +0  #{32}$", out, re.M) and re.search(r" 1 +0  #$", out, re.M), out


def on_terminal(fake, locale):
    master, slave = pty.openpty()
    with subprocess.Popen(
        [BINARY, "metrics", "web-1", "--socket", str(fake.path)],
        stdout=slave,
        env={**os.environ, "LC_ALL": locale},
    ) as done:
        os.close(slave)
        out = b""
        while True:
            try:
                piece = os.read(master, 65536)
            except OSError:  # EIO: the other end is closed
                piece = b""
            if not piece:
                break
            out += piece
    os.close(master)
    assert done.returncode == 0
    return out.decode().replace("\r\n", "\n")


def test_bars_are_blocks_on_a_utf8_terminal(fake):
    hour = int(time.time()) // 3600 * 3600
    fake.samples[NAMES[0]] = [(hour - 7200, 100), (hour - 3600, 1)]
    out = on_terminal(fake, "C.UTF-8")
    assert "  " + "█" * 32 + "\n" in out and "\x1b" not in out
    assert on_terminal(fake, "C").isascii()


def test_json_is_the_points_as_they_came(fake):
    hour = int(time.time()) // 3600 * 3600
    fake.samples[NAMES[0]] = [(hour - 7200, 100), (hour, 1)]
    shown = json.loads(fake.cli("web-1", "--json", "--period", "7200").ok().out)
    assert list(shown) == ["instanceName", "periodInSeconds", "metrics"]
    assert shown["instanceName"] == "web-1" and shown["periodInSeconds"] == 7200
    assert [metric["metricName"] for metric in shown["metrics"]] == NAMES
    points = shown["metrics"][0]["metricData"]
    assert sorted(point["sum"] for point in points) == [1, 100]
    assert all(point["unit"] == "Count" for point in points)
    assert shown["metrics"][1]["metricData"] == []
    assert len(fake.asked) == 2


def test_what_is_no_number_is_not_counted(fake):
    now = int(time.time())
    points = [
        {"sum": "1", "timestamp": now}, {"sum": -1, "timestamp": now}, {"sum": 1e19, "timestamp": now},
        {"sum": 1e300, "timestamp": now},        {"sum": 1, "timestamp": -1}, {"sum": 1, "timestamp": 1e300}, {"sum": 1}, {}, None, [], 7,
        {"sum": 0.5, "timestamp": now}, {"sum": 3, "timestamp": now}, {"sum": 5, "timestamp": 7},
        {"sum": 11, "timestamp": now + 100 * 3600},
    ]  # fmt: skip
    fake.answer = lambda ask: (200, {"metricData": points})
    out = fake.cli("web-1", "--since", "1h").ok().out
    assert re.search(r"^total +19 +19$", out, re.M), out


@pytest.mark.parametrize("reply", [{}, {"metricData": {}}, {"metricData": None}], ids=str)
def test_a_reply_of_another_shape_is_an_error(fake, reply):
    fake.answer = lambda ask: (200, reply)
    fake.cli("web-1").refused("metricData", codes=(1,))


def test_a_refusal_is_told(fake):
    fake.answer = lambda ask: (400, {"__type": "NotFoundException", "message": "no instance web-9"})
    fake.cli("web-9").refused("no instance web-9", codes=(1,))


@pytest.mark.parametrize(
    "argv",
    [
        ["metrics"], ["metrics", "a", "b"], ["metrics", "a", "--since", "0h"], ["metrics", "a", "--since", "500d"],
        ["metrics", "a", "--since", "soon"], ["metrics", "a", "--period", "90"], ["metrics", "a", "--period", "0"],
        ["metrics", "a", "--period", "60", "--since", "2d"], ["metrics", b"\xff"], ["instance", "list", "--since", "1h"],
    ],
    ids=str,
)  # fmt: skip
def test_wrong_usage(argv):
    done = subprocess.run([BINARY, *argv], capture_output=True, check=False)
    assert done.returncode == 2 and done.stdout == b""
    assert done.stderr.startswith(b"telltale: ") and done.stderr.count(b"\n") == 1, done.stderr
