"""Lightsail's GetInstanceMetricData, and the same by the control socket."""

import datetime
import json
import re
import sqlite3
import struct
import time

import pytest

import aws
import samples
from control_socket import ask

ID = "/latest/meta-data/instance-id"
HOUR = 3600


@pytest.fixture
def service(workshop):
    instances = [samples.plain("web-1", "127.0.0.11"), samples.plain("web-2", "127.0.0.12")]
    return aws.start(workshop, instances, [])


class Client:
    """botocore's client for Lightsail."""

    def __init__(self, service):
        self.client = aws.Client(service, "lightsail")

    def data(self, **changes):
        """The points of the last hour of web-1's MetadataNoToken, unless told otherwise."""
        if changes.get("metricName") == "MetadataNoTokenRejected":  # ours: the model does not have it
            self.client.client.get_instance_metric_data(**asked(**changes))
            answer = json.loads(self.client.raw.content)
        else:
            answer = self.client.call("GetInstanceMetricData", **asked(**changes))
        assert set(answer) == {"metricName", "metricData"}
        assert answer["metricName"] == changes.get("metricName", "MetadataNoToken")
        return answer["metricData"]

    def sum(self, **changes):
        return sum(point["sum"] for point in self.data(statistics=["Sum"], **changes))

    def error(self, **changes):
        with pytest.raises(aws.ClientError) as caught:
            self.client.call("GetInstanceMetricData", **asked(**changes))
        error = caught.value.response["Error"]
        return error["Code"], error["Message"]


def asked(**changes):
    now = time.time()
    members = {
        "instanceName": "web-1", "metricName": "MetadataNoToken", "period": 60, "startTime": now - HOUR,
        "endTime": now + 60, "unit": "Count", "statistics": ["Sum", "SampleCount"],
    }  # fmt: skip
    members.update(changes)
    return {name: value for name, value in members.items() if value is not None}


def by_socket(service, **changes):
    """The same by the control socket."""
    return ask(service, "GetInstanceMetricData", **asked(**changes))


def test_counts_show_at_once_and_stay(service):
    amazon = Client(service)
    caller = service.client("127.0.0.11")
    assert amazon.data() == []
    before = time.time()
    for _ in range(3):
        assert caller.get(ID).status == 200
    points = amazon.data()
    assert sum(point["sum"] for point in points) == 3
    assert all(point["unit"] == "Count" and point["timestamp"] % 60 == 0 for point in points)
    assert before - 60 <= points[0]["timestamp"] <= points[-1]["timestamp"] <= time.time()
    assert set(points[0]) == {"sum", "sampleCount", "timestamp", "unit"}
    assert amazon.sum(instanceName="web-2") == 0
    # SIGTERM loses nothing.
    service.restart()
    amazon = Client(service)
    assert amazon.sum() == 3
    assert service.client("127.0.0.11").get(ID).status == 200
    assert amazon.sum() == 4
    assert amazon.sum(metricName="MetadataNoTokenRejected") == 0
    service.cli("options", "web-1", "--http-tokens", "required").ok()
    assert service.client("127.0.0.11").get(ID).status == 401
    assert amazon.sum(metricName="MetadataNoTokenRejected") == 1
    assert amazon.sum() == 4


def test_statistics_and_periods(service):
    amazon = Client(service)
    caller = service.client("127.0.0.11")
    for _ in range(5):
        caller.get(ID)
    names = ["Minimum", "Maximum", "Sum", "Average", "SampleCount"]
    (point,) = amazon.data(statistics=names, period=86400, startTime=time.time() - 80000)
    n = point["sampleCount"]  # a minute may have turned
    assert point["sum"] == 5 and n in (1, 2) and point["average"] == 5 / n
    assert (point["minimum"], point["maximum"]) == (5, 5) if n == 1 else True
    assert len(point) == 7
    # Until now excludes what was counted in the minute under way only when the end is before it.
    minute = int(time.time()) // 60 * 60
    assert amazon.data(endTime=minute - 120) == []
    assert amazon.data(startTime=time.time() + 120, endTime=time.time() + 240) == []
    # Real numbers and whole ones, and the command line's period of a month.
    assert amazon.sum(startTime=minute - 600.75, endTime=minute + 120.5) == 5
    assert amazon.sum(period=2628000) == 5


def test_what_has_no_points(service):
    amazon = Client(service)
    service.client("127.0.0.11").get(ID)
    for name in ("CPUUtilization", "NetworkIn", "NetworkOut", "StatusCheckFailed", "StatusCheckFailed_Instance",
                 "StatusCheckFailed_System", "BurstCapacityTime", "BurstCapacityPercentage"):  # fmt: skip
        assert amazon.data(metricName=name, unit="Percent") == []
    assert amazon.data(unit="Bytes/Second") == []
    assert amazon.sum() == 1


BAD = [
    (name, None, "is missing")
    for name in ("instanceName", "metricName", "period", "startTime", "endTime", "unit", "statistics")
] + [
    ("instanceName", 7, "instanceName"),
    ("metricName", "metadataNoToken", "metricName"),
    ("metricName", ["MetadataNoToken"], "metricName"),
    ("period", 0, "period"),
    ("period", 90, "multiple of 60"),
    ("period", -60, "multiple of 60"),
    ("period", 60 * 1000000, "period"),
    ("period", "60", "period"),
    ("period", 60.5, "period"),
    ("unit", "Counts", "unit"),
    ("unit", "", "unit"),
    ("statistics", [], "statistics"),
    ("statistics", ["p99"], "statistics"),
    ("statistics", ["Sum", 1], "statistics"),
    ("statistics", "Sum", "statistics"),
    ("statistics", {"Sum": "Sum"}, "statistics"),
    ("startTime", "yesterday", "startTime"),
    ("startTime", "2026-11-25T00:00:00Z", "startTime"),
    ("startTime", -1, "startTime"),
    ("startTime", 1e300, "startTime"),
    ("startTime", True, "startTime"),
    ("endTime", 253402300800, "endTime"),
    ("endTime", 0, "startTime must be less than the parameter endTime"),
    ("startTime", 0, "exceeds the limit of 1,440"),
    ("endTime", 253402300799, "exceeds the limit of 1,440"),
    ("nothing", 1, "nothing"),
]  # fmt: skip


def test_bad_input(service):
    for member, value, says in BAD:
        message = by_socket(service, **{member: value}).refused("InvalidInputException")
        assert says in message, (member, value, message)
    same = by_socket(service, startTime=1000, endTime=1000)
    assert "must not equal" in same.refused("InvalidInputException")
    by_socket(service, instanceName="nobody").refused("NotFoundException")
    by_socket(service, nothing=None).ok()
    amazon = Client(service)
    assert amazon.error(instanceName="nobody") == ("NotFoundException", "there is no instance 'nobody'")
    assert amazon.error(period=61)[0] == "InvalidInputException"
    day = int(time.time()) - 86400
    assert amazon.data(startTime=day, endTime=day + 86400) == []
    assert amazon.error(startTime=day, endTime=day + 86401)[0] == "InvalidInputException"


def test_the_socket_says_the_same(service):
    for _ in range(2):
        service.client("127.0.0.11").get(ID)
    answer = by_socket(service).ok()
    assert answer["metricName"] == "MetadataNoToken"
    assert answer["metricData"] == Client(service).data()
    assert sum(point["sum"] for point in answer["metricData"]) == 2
    shown = json.loads(service.cli("metrics", "web-1", "--json").ok().out)
    sums = {
        one["metricName"]: sum(point["sum"] for point in one["metricData"]) for one in shown["metrics"]
    }
    assert sums == {"MetadataNoToken": 2, "MetadataNoTokenRejected": 0}


def test_a_deleted_instance_has_no_name(service):
    service.client("127.0.0.11").get(ID)
    amazon = Client(service)
    assert amazon.sum() == 1
    service.cli("instance", "delete", "web-1").ok()
    assert amazon.error()[0] == "NotFoundException"


def test_kill_loses_a_minute_at_most(service):
    """What was in the store when the daemon was killed is there; the rest of the minute is not."""
    caller = service.client("127.0.0.11")
    caller.get(ID)
    service.restart()  # the first is in the store
    service.client("127.0.0.11").get(ID)
    amazon = Client(service)
    assert amazon.sum() == 2
    turned = time.time() // 60
    service.kill9()
    service.start()
    kept = Client(service).sum()
    assert kept == 1 or (kept == 2 and time.time() // 60 != turned)
    now = datetime.datetime.now(datetime.timezone.utc)
    assert Client(service).data(startTime=now - datetime.timedelta(hours=1), endTime=now) is not None


# How long a run of points of so many seconds is (src/control/points.h).
RUN_S = {60: 3600, 300: 86400, 3600: 604800}
DAY = 86400


def crc32c(data):
    total = 0xFFFFFFFF
    for byte in data:
        total ^= byte
        for _ in range(8):
            total = total >> 1 ^ (0x82F63B78 if total & 1 else 0)
    return total ^ 0xFFFFFFFF


def leb128(value):
    out = b""
    while value >= 0x80:
        out, value = out + bytes([value & 0x7F | 0x80]), value >> 7
    return out + bytes([value])


def keep_one(service, at, period):
    """Write into the store that one call without a token was counted at a time; the daemon is not running."""
    start = at - at % RUN_S[period]
    slot = (at - start) // period
    body = b"\1" + leb128(4 * slot + 1) + (b"\1" if period == 60 else b"\1\1")
    body += struct.pack("<I", crc32c(struct.pack("<Iq", period, start) + body))
    with sqlite3.connect(service.database) as db:
        db.execute("DELETE FROM points")
        db.execute("INSERT INTO points SELECT number, ?, ?, ? FROM series", (period, start, body))


@pytest.mark.parametrize(
    ("ago", "period", "since", "told"),
    [
        (23 * HOUR, 60, "24h", ""), (6 * DAY, 60, "7d", ""), (14 * DAY, 60, "4w", ""), (14 * DAY, 60, "455d", ""),
        (20 * DAY, 300, "4w", "about "), (50 * DAY, 300, "455d", "about "), (80 * DAY, 3600, "90d", "about "),
        (400 * DAY, 3600, "455d", "about "),
    ],
    ids=str,
)  # fmt: skip
def test_the_command_finds_the_last_minute_that_is_kept(service, ago, period, since, told):
    """Rows of `telltale metrics` are up to 30 days long: the last call in one is found all the same."""
    assert service.client("127.0.0.11").get(ID).status == 200
    service.stop()
    now = int(time.time())
    for odd in (0, 7 * 60, 22 * 60 + 5 * HOUR):
        at = (now - ago + odd) // period * period
        keep_one(service, at, period)
        service.start()
        out = service.cli("metrics", "web-1", "--since", since).ok().out
        service.stop()
        last = time.strftime("%Y-%m-%d %H:%MZ", time.gmtime(at))
        assert out.splitlines()[-1].endswith(f"called 1 time without a token in {span(since)}; last: {told}{last}."), out


def span(since):
    return "the last " + {"24h": "24 h", "7d": "7 days", "4w": "4 weeks", "90d": "90 days", "455d": "65 weeks"}[since]


def test_a_new_instance_is_no_proof_of_four_quiet_weeks(service):
    out = service.cli("metrics", "web-1", "--since", "4w").ok().out.splitlines()[-1]
    assert re.fullmatch(
        r"No call without a token since web-1 was made, \d{4}-\d\d-\d\d \d\d:\d\dZ \(\d+ (s|min) ago\); "
        r"that is less than the 4 weeks asked for\.", out), out  # fmt: skip
    # A call makes it another sentence, at once.
    assert service.client("127.0.0.11").get(ID).status == 200
    out = service.cli("metrics", "web-1", "--since", "4w").ok().out.splitlines()[-1]
    assert re.search(r"called 1 time without a token in the last 4 weeks; last: ....-..-.. ..:..Z\.$", out), out
