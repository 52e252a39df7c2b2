"""Lists, records and metrics are read from a replica, and from the database when that is not there."""

import time

import pytest

import fleets
import postgres
import wire
from control_socket import ask
from fleets import audits, change, instance, listed, put, show


@pytest.fixture
def servers():
    postgres.require()
    primary = postgres.Postgres()
    replica = None
    try:
        replica = postgres.Postgres(following=primary, settings="log_statement = all")
        yield primary, replica
    finally:
        for server in (replica, primary):
            if server:
                server.close()


@pytest.fixture
def fleet(workshop, servers):
    made = fleets.Fleet(workshop, servers[0])
    yield made
    made.close()


def asked(replica, table):
    """How often the replica was asked for rows of a table."""
    return sum(f"FROM {table}" in line for line in replica.log().splitlines())


def members(host):
    return {name: one["host"] for name, one in listed(host).items()}


def start(fleet, replica):
    wire.wait_until(lambda: fleet.database in {row[0] for row in replica.psql("select datname from pg_database")},
                    "the database at the replica")  # fmt: skip
    a = fleet.host("a")  # makes the tables
    a.stop()
    wire.wait_until(lambda: replica.psql("select to_regclass('instance')", fleet.database) == [["instance"]],
                    "the tables at the replica")  # fmt: skip
    for host in (a, fleet.host("b", start=False)):
        host.write_config({**host.config, "storeReplica": replica.url(fleet.database)})
        host.start()
    return fleet.hosts


def test_lists_and_records_come_from_the_replica(fleet, servers):
    _, replica = servers
    a, b = start(fleet, replica)
    put(b, instance(1))
    wire.wait_until(lambda: members(a) == {"web-1": "b"}, "the list to be of the replica's")
    instances, records = asked(replica, "instance"), asked(replica, "audit")
    assert instances > 0
    assert any(one["resource"] == "web-1" for one in audits(a))
    assert asked(replica, "audit") > records
    points, now = asked(replica, "points"), time.time()
    ask(a, "GetInstanceMetricData", instanceName="web-1", metricName="MetadataNoToken", period=60,
        startTime=now - 1200, endTime=now, unit="Count", statistics=["Sum"]).ok()  # fmt: skip
    assert asked(replica, "points") > points
    # What a change is made from, and what follows it, does not wait for the replica.
    replica.psql("select pg_wal_replay_pause()")
    for tokens in ("required", "optional", "required"):
        change(a, "web-1", httpTokens=tokens).ok()
        assert show(a, "web-1")["metadataOptions"]["httpTokens"] == tokens
    assert a.cli("fleet").ok().out.count("\n") == 3
    replica.psql("select pg_wal_replay_resume()")
    fleet.check_quiet()


@pytest.mark.parametrize("fate", ["stopped", "frozen"])
def test_without_the_replica_the_database_is_read(fleet, servers, fate):
    _, replica = servers
    a, b = start(fleet, replica)
    put(b, instance(1))
    wire.wait_until(lambda: members(a) == {"web-1": "b"}, "the list to be of the replica's")
    if fate == "frozen":
        replica.freeze()
    else:
        replica.stop("immediate")
    begun = time.monotonic()
    assert members(a) == {"web-1": "b"}
    assert time.monotonic() - begun < 6.0  # one deadline, and once more
    begun = time.monotonic()
    assert members(a) == {"web-1": "b"}
    assert any(one["resource"] == "web-1" for one in audits(a))
    assert time.monotonic() - begun < 1.0
    change(a, "web-1", httpTokens="required").ok()
    fleets.wait_applied(a, "web-1", httpTokens="required")
