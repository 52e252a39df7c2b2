"""Hosts that share a database: what is changed at one is in force at another, and seen at all."""

import statistics
import time

import aws
import fleets
import samples
import wire
from fleets import ID, ask, change, instance, listed, options, put, show, wait_applied


def test_what_is_made_at_one_host_is_seen_at_all(fleet):
    a, b = fleet.start("a", "b")
    put(a, instance(1), instance(2))
    put(b, instance(3))
    for host in (a, b):
        assert {name: one["host"] for name, one in listed(host).items()} == {
            "web-1": "a", "web-2": "a", "web-3": "b",
        }  # fmt: skip
        assert show(host, "web-1") | {"counters": 0} == show(a, "web-1") | {"counters": 0}
    assert a.client("127.0.1.1").get(ID).status == 200
    assert b.client("127.0.1.1").get(ID).status != 200
    assert b.client("127.0.1.3").get(ID).status == 200
    fleet.check_quiet()


def test_a_change_is_applied_by_its_host_well_within_a_second(fleet):
    a, b = fleet.start("a", "b")
    put(b, instance(1))
    guest = b.client("127.0.1.1")
    took = []
    for turn in range(30):
        tokens, status = (("required", 401), ("optional", 200))[turn % 2]
        begun = time.monotonic()
        change(a, "web-1", httpTokens=tokens).ok()
        wait_applied(a, "web-1", httpTokens=tokens)
        took.append(time.monotonic() - begun)
        assert guest.get(ID).status == status  # what is applied is in force
    took.sort()
    print(f"applied after {statistics.median(took) * 1000:.1f} ms, at most {took[-1] * 1000:.1f} ms")
    assert statistics.median(took) < 1.0
    assert took[-1] < 5.0
    fleet.check_quiet()
