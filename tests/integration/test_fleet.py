"""Hosts that share a database: what is changed at one is in force at another, and seen at all."""

import json
import re
import socket
import sqlite3
import statistics
import threading
import time

import pytest

import aws
import fleets
import wire
from daemon import documented, error_lines, free_port
from control_socket import ask
from fleets import ID, audits, change, instance, listed, options, put, show, wait_applied

ROTATE_S = 90


def host_of(host, name):
    return show(host, name)["host"]


def move(host, name, to, *flags):
    host.cli("instance", "move", name, "--to", to, *flags).ok()


def refuses_to_start(host, *words):
    """Exit code 1, and one line that says why."""
    host.allow_errors(".")
    code, log = host.fails_to_start()
    assert code == 1, log
    (line,) = error_lines(log)
    for word in words:
        assert word in line, line
    assert "hunter2" not in log
    return line


# --- seeing ----------------------------------------------------------------------------------------


def test_what_is_made_at_one_host_is_seen_at_all(fleet):
    a, b = fleet.start("a", "b")
    put(a, instance(1), instance(2))
    put(b, instance(3))
    for host in (a, b):
        assert {name: one["host"] for name, one in listed(host).items()} == {
            "web-1": "a", "web-2": "a", "web-3": "b",
        }  # fmt: skip
        assert show(host, "web-1")["instanceId"] == a.client("127.0.1.1").text(ID)
        assert show(host, "web-3")["instanceId"] == b.client("127.0.1.3").text(ID)
    assert b.client("127.0.1.1").get(ID).status != 200
    assert a.client("127.0.1.3").get(ID).status != 200
    ask(a, "GetInstance", instanceName="web-4").refused("NotFoundException")
    fleet.check_quiet()


def test_pages_go_across_hosts(fleet):
    a, b = fleet.start("a", "b")
    put(a, *(instance(n) for n in range(1, 14, 2)))
    put(b, *(instance(n) for n in range(2, 14, 2)))
    names = sorted(f"web-{n}" for n in range(1, 14))
    for host in (a, b):
        ec2, light = aws.Client(host, "ec2"), aws.Client(host, "lightsail")
        seen, token = [], {}
        while True:
            page = ec2.call("DescribeInstances", MaxResults=5, **token)
            found = [one for each in page["Reservations"] for one in each["Instances"]]
            assert len(found) <= 5
            seen += [one["InstanceId"] for one in found]
            if not page.get("NextToken"):
                break
            token = {"NextToken": page["NextToken"]}
        want = listed(host)
        assert sorted(want) == names
        assert sorted(seen) == sorted(one["instanceId"] for one in want.values())
        assert [one["name"] for one in light.call("GetInstances")["instances"]] == names
        two = ec2.call("DescribeInstances", InstanceIds=[want["web-1"]["instanceId"], want["web-2"]["instanceId"]])
        assert len([one for each in two["Reservations"] for one in each["Instances"]]) == 2
        assert light.call("GetInstance", instanceName="web-2")["instance"]["name"] == "web-2"


# --- changing --------------------------------------------------------------------------------------


def test_a_change_is_applied_by_its_host_well_within_a_second(fleet):
    a, b = fleet.start("a", "b")
    put(b, instance(1))
    guest = b.client("127.0.1.1")
    took = []
    for turn in range(40):
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


@aws.needs_cli
def test_the_aws_cli_changes_options_of_another_host(fleet):
    a, b = fleet.start("a", "b")
    put(b, instance(1))
    cli = ["lightsail", "update-instance-metadata-options", "--instance-name", "web-1", "--http-tokens"]
    operation = aws.run_cli(a, *cli, "required")["operation"]

    def ended():
        told = aws.run_cli(a, "lightsail", "get-operation", "--operation-id", operation["id"])["operation"]
        return told if told["isTerminal"] else None

    assert wire.wait_until(ended, "the operation's end")["status"] == "Succeeded"
    assert b.client("127.0.1.1").get(ID).status == 401
    one = aws.run_cli(a, "lightsail", "get-instance", "--instance-name", "web-1")["instance"]
    assert one["metadataOptions"]["state"] == "applied"
    modify = ["ec2", "modify-instance-metadata-options", "--instance-id", show(a, "web-1")["instanceId"]]
    aws.run_cli(a, *modify, "--http-endpoint", "disabled")
    wire.wait_until(lambda: b.client("127.0.1.1").get(ID).status == 403, "the endpoint's end")
    wait_applied(a, "web-1", httpEndpoint="disabled")
    operations = aws.Client(b, "lightsail").call("GetOperationsForResource", resourceName="web-1")["operations"]
    assert operation["id"] in [one["id"] for one in operations]
    fleet.check_quiet()


def test_a_change_for_a_stopped_host_is_pending_until_it_is_back(fleet):
    a, b = fleet.start("a", "b")
    put(b, instance(1), instance(2))
    b.stop()
    operation = aws.Client(a, "lightsail").call(
        "UpdateInstanceMetadataOptions", instanceName="web-1", httpTokens="required"
    )["operation"]
    ask(a, "DeleteInstance", instanceName="web-2").ok()
    end = time.monotonic() + 1.5
    while time.monotonic() < end:
        assert options(a, "web-1") | {"state": "pending", "httpTokens": "required"} == options(a, "web-1")
        told = aws.Client(a, "lightsail").call("GetOperation", operationId=operation["id"])["operation"]
        assert not told["isTerminal"], told
    b.start()
    # It has caught up before the first guest is answered.
    assert b.client("127.0.1.1").get(ID).status == 401
    assert b.client("127.0.1.2").get(ID).status != 200
    wait_applied(a, "web-1", httpTokens="required")
    told = aws.Client(a, "lightsail").call("GetOperation", operationId=operation["id"])["operation"]
    assert told["status"] == "Succeeded"
    fleet.check_quiet()


def test_tags_tokens_and_the_end_of_an_instance_of_another_host(fleet):
    a, b = fleet.start("a", "b")
    put(b, instance(1, metadataOptions={"instanceMetadataTags": "enabled"}), instance(2))
    guest = b.client("127.0.1.1")
    token = guest.put_token()
    amazon = aws.Client(a, "ec2")
    amazon.call("CreateTags", Resources=[show(a, "web-1")["instanceId"]], Tags=[{"Key": "stage", "Value": "x"}])
    tag = "/latest/meta-data/tags/instance/stage"
    wire.wait_until(lambda: guest.get(tag, token).body == b"x", "the tag")
    ask(a, "RevokeTokens", instanceName="web-1").ok()
    wire.wait_until(lambda: guest.get(ID, token).status == 401, "the token's end")
    assert guest.get(ID, guest.put_token()).status == 200
    aws.Client(a, "lightsail").call("StopInstance", instanceName="web-2")
    wire.wait_until(lambda: b.client("127.0.1.2").get(ID).status != 200, "the instance to stop")
    ask(a, "DeleteInstance", instanceName="web-1").ok()
    wire.wait_until(lambda: guest.get(ID).status != 200, "the instance's end")
    assert set(listed(b)) == {"web-2"}
    fleet.check_quiet()


def test_the_accounts_defaults_are_all_hosts(fleet):
    a, b = fleet.start("a", "b")

    def ec2(host, action, **pairs):
        reply, root = aws.form(host, "ec2", {"Action": action, "Version": "2016-11-15", **pairs})
        assert reply.status == 200, reply
        return {aws.local(one): one.text for one in root.iter()}

    ec2(a, "ModifyInstanceMetadataDefaults", HttpTokens="required", HttpPutResponseHopLimit="7")
    wire.wait_until(lambda: ec2(b, "GetInstanceMetadataDefaults").get("httpTokens") == "required", "the defaults")
    put(b, instance(1))
    have = options(b, "web-1")
    assert (have["httpTokens"], have["httpPutResponseHopLimit"]) == ("required", 7)
    assert b.client("127.0.1.1").get(ID).status == 401


def test_counts_of_another_host_are_read_here(fleet):
    a, b = fleet.start("a", "b")
    put(b, instance(1))
    guest = b.client("127.0.1.1")
    for _ in range(7):
        assert guest.get(ID).status == 200

    def counted(host):
        now = time.time()
        answer = ask(host, "GetInstanceMetricData", instanceName="web-1", metricName="MetadataNoToken", period=60,
                     startTime=now - 600, endTime=now + 60, unit="Count", statistics=["Sum"]).ok()  # fmt: skip
        return sum(point["sum"] for point in answer["metricData"])

    wire.wait_until(lambda: counted(b) == 7, "the counts at their host")
    # They are sent on when their minute is over, or at an orderly end.
    b.stop()
    assert counted(a) == 7
    b.start()
    assert b.client("127.0.1.1").get(ID).status == 200
    wire.wait_until(lambda: counted(b) == 8, "one more")


def test_who_did_what_is_read_everywhere(fleet):
    a, b = fleet.start("a", "b")
    put(b, instance(1))
    change(a, "web-1", httpTokens="required").ok()
    change(b, "web-1", httpTokens="optional").ok()
    records = audits(a, "web-1")
    assert records == audits(b, "web-1")
    changes = [one["change"] for one in records if "httpTokens" in one["change"]]
    assert changes == ["httpTokens required -> optional", "httpTokens default -> required"]
    assert [one["result"] for one in records] == ["ok"] * len(records)
    assert changes[0] in a.cli("audit", "web-1").ok().out


# --- the hosts -------------------------------------------------------------------------------------


def test_hosts_are_shown(fleet):
    a, b = fleet.start("a", "b")
    put(b, instance(1), instance(2))
    wire.wait_until(fleet.is_level, "all to be told")
    hosts = {one["name"]: one for one in json.loads(a.cli("fleet", "--json").ok().out)["hosts"]}
    assert set(hosts) == {"a", "b"}
    assert (hosts["b"]["lag"], hosts["b"]["applied"]) == (0, hosts["b"]["revision"])
    assert 0 <= hosts["b"]["lastContactSeconds"] < 40
    table = [line.split() for line in a.cli("fleet").ok().out.splitlines()]
    assert table[0][:3] == ["HOST", "VERSION", "INSTANCES"]
    assert [(row[0], row[2]) for row in table[1:]] == [("a", "0"), ("b", "2")]
    b.stop()
    change(a, "web-1", httpTokens="required").ok()
    change(a, "web-2", httpTokens="required").ok()
    hosts = {one["name"]: one for one in ask(a, "GetFleet").ok()["hosts"]}
    assert hosts["b"]["lag"] == 2
    metrics = a.metrics()
    assert metrics.sum("telltale_fleet_connected") == 1
    names = {name for name in metrics.names() if name.startswith("telltale_fleet_")}
    assert names == documented("metrics.md", "telltale_fleet_[a-z_]+")


def test_a_daemon_on_its_own_is_no_fleet(workshop):
    alone = workshop.daemon({"instances": [instance(1), instance(2)]})
    assert alone.cli("fleet").ok().out == "This daemon is on its own: its store is not PostgreSQL.\n"
    assert json.loads(alone.cli("fleet", "--json").ok().out) == {"hosts": [{"instances": 2}]}


def test_a_host_is_forgotten_when_it_has_gone_for_good(fleet):
    a, b = fleet.start("a", "b")
    put(b, instance(1))
    a.cli("fleet", "--forget", "b").refused("'b'")
    b.kill9()
    a.cli("fleet", "--forget", "b").refused("seconds ago")
    fleet.psql("update host set put_ms = put_ms - 200000 where name = 'b'")
    a.cli("fleet", "--forget", "b").refused("instances")
    ask(a, "DeleteInstance", instanceName="web-1").ok()
    a.cli("fleet", "--forget", "b").ok()
    assert [one["name"] for one in ask(a, "GetFleet").ok()["hosts"]] == ["a"]
    a.cli("fleet", "--forget", "b").refused("'b'")
    # It may come again.
    b.start()
    fleet.wait_known()
    assert [one["name"] for one in ask(a, "GetFleet").ok()["hosts"]] == ["a", "b"]


def test_a_host_that_is_stopped_says_so(fleet):
    a, b = fleet.start("a", "b")
    put(a, instance(1))
    b.stop()
    hosts = {one["name"]: one["stopped"] for one in ask(a, "GetFleet").ok()["hosts"]}
    assert hosts == {"a": False, "b": True}
    assert re.search(r"^b .* stopped \d+ s$", a.cli("fleet").ok().out, re.MULTILINE)
    a.cli("instance", "move", "web-1", "--to", "b").refused("was stopped")
    b.start()
    fleet.wait_known()
    assert not any(one["stopped"] for one in ask(a, "GetFleet").ok()["hosts"])
    move(a, "web-1", "b")
    wire.wait_until(lambda: b.client("127.0.1.1").get(ID).status == 200, "the move")
    b.stop()
    move(a, "web-1", "a", "--force")
    a.cli("fleet", "--forget", "b").ok()
    fleet.check_quiet()


def test_that_it_stops_is_the_last_that_a_host_says(fleet):
    """Else one that was forgotten at once would be there again, by the counts that it sends at its end."""
    a, b = fleet.start("a", "b")
    put(b, instance(1))
    fleet.psql("create table after_stop (n int)")
    fleet.psql("create function note() returns trigger language plpgsql security definer as"
               " 'begin insert into after_stop values (1); return new; end'")  # fmt: skip
    fleet.psql("create trigger note before update on host for each row when (old.put_ms < 0)"
               " execute function note()")  # fmt: skip
    assert b.client("127.0.1.1").get(ID).status == 200  # counted
    b.stop()
    assert fleet.psql("select recorded > 0, put_ms < 0 from host where name = 'b'") == [["t", "t"]]
    assert fleet.psql("select count(*) from after_stop") == [["0"]]
    fleet.check_quiet()


def test_a_start_that_fails_says_nothing(fleet):
    """It was not there: what waits for it has not come into force, and it is not for it to say that it ends."""
    a, b = fleet.start("a", "b")
    put(b, instance(1))
    wire.wait_until(fleet.is_level, "all to be told")
    b.kill9()
    change(a, "web-1", httpTokens="required").ok()
    with socket.socket() as taken:
        taken.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        taken.bind(("127.0.0.1", b.port))
        taken.listen()
        code, log = b.fails_to_start()
    assert code == 1 and "Address already in use" in log
    (host,) = [one for one in ask(a, "GetFleet").ok()["hosts"] if one["name"] == "b"]
    assert (host["stopped"], host["lag"]) == (False, 1)


def test_passwords_are_not_shown(fleet):
    a = fleet.host("a")
    shown = a.cli("config", "show").ok().out
    assert fleet.database in shown
    for text in (shown, a.cli("config", "show", "--json").ok().out, a.log(), ask(a, "GetConfiguration").body):
        assert "hunter2" not in str(text)


# --- moving ----------------------------------------------------------------------------------------


class Caller:
    """Asks one host as one guest, on an old connection and on new ones, and notes when it was told 200."""

    def __init__(self, host, source):
        self.client = host.client(source)
        self.told = []  # (begun, ended)
        self.stopping = False
        self.problem = None
        self.thread = threading.Thread(target=self._run)
        self.thread.start()

    def stop(self):
        self.stopping = True
        self.thread.join()
        assert self.problem is None, self.problem

    def _run(self):
        try:
            while not self.stopping:
                with self.client.connect() as conn:
                    for _ in range(20):
                        begun = time.monotonic()
                        reply = conn.get(ID)
                        if reply.status == 200:
                            self.told.append((begun, time.monotonic()))
                        if reply.closes:
                            break
                        time.sleep(0.001)
        except Exception as problem:  # a guest's: judged by stop()
            self.problem = problem


def test_a_move_hands_over_and_tokens_stay_valid(fleet):
    a, b = fleet.start("a", "b")
    put(a, instance(1))
    token = a.client("127.0.1.1").put_token()
    for turn in range(6):
        old, new = ((a, b), (b, a))[turn % 2]
        callers = [Caller(old, "127.0.1.1"), Caller(new, "127.0.1.1")]
        wire.wait_until(lambda: len(callers[0].told) > 20, "the old host")
        move((a, b)[turn // 2 % 2], "web-1", new.host)
        wire.wait_until(lambda: len(callers[1].told) > 20, "the new host")
        for caller in callers:
            caller.stop()
        last = max(begun for begun, _ in callers[0].told)
        first = min(ended for _, ended in callers[1].told)
        assert last <= first, f"both hosts answered: {last - first} s"
        assert new.client("127.0.1.1").get(ID, token).status == 200
        assert old.client("127.0.1.1").get(ID, token).status != 200
    assert host_of(b, "web-1") == "a"
    # Not held against the model, which has no such type of operation.
    lightsail = aws.Client(b, "lightsail").client
    operations = lightsail.get_operations_for_resource(resourceName="web-1")["operations"]
    moves = [one["status"] for one in operations if one["operationType"] == "MoveInstance"]
    assert moves == ["Succeeded"] * 6
    fleet.check_quiet()


def test_what_can_not_be_moved(fleet):
    a, b = fleet.start("a", "b")
    put(a, instance(1), instance(2))
    put(b, fleets.samples.plain("other", "127.0.1.1"))
    a.cli("instance", "move", "web-2", "--to", "c").refused("'c'")
    a.cli("instance", "move", "web-9", "--to", "b").refused("'web-9'")
    a.cli("instance", "move", "web-2", "--to", "a").refused("already")
    a.cli("instance", "move", "web-1", "--to", "b").refused("127.0.1.1")
    assert (host_of(b, "web-1"), host_of(b, "web-2")) == ("a", "a")
    fleet.check_quiet()


def test_a_move_waits_for_a_host_that_is_away(fleet):
    a, b = fleet.start("a", "b")
    put(b, instance(1), instance(2))
    b.kill9()
    move(a, "web-1", "a")
    move(a, "web-2", "a")
    end = time.monotonic() + 1.5
    while time.monotonic() < end:
        assert (show(a, "web-1")["host"], show(a, "web-1")["nextHost"]) == ("b", "a")
        assert a.client("127.0.1.1").get(ID).status != 200
    move(a, "web-1", "a", "--force")
    wire.wait_until(lambda: a.client("127.0.1.1").get(ID).status == 200, "the forced move")
    assert a.client("127.0.1.2").get(ID).status != 200
    b.start()
    assert b.client("127.0.1.1").get(ID).status != 200
    wire.wait_until(lambda: a.client("127.0.1.2").get(ID).status == 200, "the move that waited")
    assert b.client("127.0.1.2").get(ID).status != 200
    fleet.check_quiet()


# --- files -----------------------------------------------------------------------------------------


def test_each_host_has_files_of_its_own(fleet):
    a = fleet.host("a", instances=[instance(1), instance(2)])
    b = fleet.host("b", instances=[instance(3)])
    assert {name: one["host"] for name, one in listed(a).items()} == {"web-1": "a", "web-2": "a", "web-3": "b"}
    a.write_config({**a.config, "instances": [instance(1), instance(4)]})
    a.reload()
    assert {name: one["host"] for name, one in listed(b).items()} == {"web-1": "a", "web-3": "b", "web-4": "a"}
    # A name is one host's.
    b.allow_errors("reload failed")
    b.write_config({**b.config, "instances": [instance(3), instance(1)]})
    assert "'web-1'" in b.reload()
    b.write_config({**b.config, "instances": [instance(3)]})
    b.reload()
    assert host_of(b, "web-1") == "a"
    c = fleet.host("c", start=False, instances=[instance(1)])
    refuses_to_start(c, "'web-1'")
    assert host_of(b, "web-1") == "a"
    fleet.check_quiet()


def test_what_was_moved_is_no_files_any_more(fleet):
    a = fleet.host("a", instances=[instance(1), instance(2)])
    b = fleet.host("b")
    fleet.wait_known()
    token = a.client("127.0.1.1").put_token()
    move(a, "web-1", "b")
    wire.wait_until(lambda: b.client("127.0.1.1").get(ID).status == 200, "the move")
    for host in (a, b, a):
        host.restart()
        assert b.client("127.0.1.1").get(ID, token).status == 200
        assert a.client("127.0.1.1").get(ID).status != 200
    move(a, "web-1", "a")
    wire.wait_until(lambda: a.client("127.0.1.1").get(ID, token).status == 200, "the way back")
    fleet.check_quiet()
    # At home it is its file's again.
    a.restart()
    a.write_config({**a.config, "instances": [instance(2)]})
    a.reload()
    wire.wait_until(lambda: set(listed(b)) == {"web-2"}, "the file's change")
    fleet.check_quiet()


# --- the token secret ------------------------------------------------------------------------------


def secret_of(host):
    with sqlite3.connect(f"file:{host.database}?mode=ro", uri=True) as copy:
        ((value,),) = copy.execute("select value from secret where name = 'token-secret'").fetchall()
    copy.close()
    return value


def test_a_new_token_secret_reaches_all_hosts(fleet):
    a, b = fleet.start("a", "b")
    put(a, instance(1))
    put(b, instance(2))
    tokens = {1: a.client("127.0.1.1").put_token(), 2: b.client("127.0.1.2").put_token()}
    before = secret_of(a)
    assert secret_of(b) == before and len(before) == 32
    assert f"in {ROTATE_S} s" in a.cli("secret", "rotate").ok().out
    b.cli("secret", "rotate").refused("already")
    ((stored,),) = fleet.psql("select encode(value, 'hex') from secret where name = 'token-secret'")
    stored = bytes.fromhex(stored)
    assert before in stored and len(stored) == 2 * (8 + 32)
    wire.wait_until(lambda: secret_of(a) == secret_of(b) == stored, "all hosts to have the new secret")
    c = fleet.host("c")
    assert secret_of(c) == stored
    fleet.wait_known()
    move(a, "web-1", "c")
    wire.wait_until(lambda: c.client("127.0.1.1").get(ID).status == 200, "the move")
    assert c.client("127.0.1.1").get(ID, tokens[1]).status == 200
    assert b.client("127.0.1.2").get(ID, tokens[2]).status == 200
    for host in (a, b, c):
        host.restart()
    assert c.client("127.0.1.1").get(ID, tokens[1]).status == 200
    assert b.client("127.0.1.2").get(ID, tokens[2]).status == 200


# --- starting --------------------------------------------------------------------------------------


def test_a_second_daemon_of_a_host_does_not_start(fleet):
    a = fleet.host("a")
    put(a, instance(1))
    other = fleet.host("a", start=False)
    refuses_to_start(other, 'host "a"', "127.0.0.1")
    assert a.client("127.0.1.1").get(ID).status == 200
    fleet.hosts.remove(other)
    a.kill9()
    other.start()  # from the database alone
    assert other.client("127.0.1.1").get(ID).status == 200


@pytest.mark.parametrize("how", ["a newer schema", "somebody else's"])
def test_a_database_that_is_not_ours_is_left_alone(fleet, how):
    a = fleet.host("a")
    a.stop()
    if how == "a newer schema":
        fleet.psql("update telltale set version = version + 1")
        refuses_to_start(a, "newer release")
        fresh = fleet.host("b", start=False)
        refuses_to_start(fresh, "newer release")
        fleet.psql("update telltale set version = version - 1")
        a.start()
        return
    fleet.psql("drop table telltale")
    before = fleet.psql("select count(*), sum(opaque.n) from (select pg_relation_size(oid) n from pg_class) opaque")
    refuses_to_start(fleet.host("b", start=False), "another program")
    refuses_to_start(a, "another program")
    assert fleet.psql(
        "select count(*), sum(opaque.n) from (select pg_relation_size(oid) n from pg_class) opaque"
    ) == before  # fmt: skip


def test_ten_daemons_start_at_once_on_an_empty_database(fleet):
    hosts = fleet.start(*(f"h{n}" for n in range(10)))
    assert [one["name"] for one in ask(hosts[0], "GetFleet").ok()["hosts"]] == [f"h{n}" for n in range(10)]
    assert len({secret_of(host) for host in hosts}) == 1
    certificates = {ask(host, "GetIdentityCertificate").ok()["certificate"] for host in hosts}
    assert len(certificates) == 1
    for n, host in enumerate(hosts):
        put(host, instance(n + 1))
    fleet.check_quiet()


def test_a_host_that_has_nothing_does_not_start_without_a_database(fleet):
    a = fleet.host("a", start=False, url=f"postgresql://telltale:hunter2@127.0.0.1:{free_port()}/x")
    refuses_to_start(a, "store 127.0.0.1:")
    assert re.search(r"refused|reach|connect", a.log())


def test_a_machine_without_libpq_says_so(fleet, tmp_path):
    """It is loaded only for a store that needs it."""
    (tmp_path / "libpq.so.5").write_text("no library")
    host = fleet.host("a", start=False)
    host.env = {"LD_LIBRARY_PATH": str(tmp_path)}
    refuses_to_start(host, "PostgreSQL needs libpq.so.5")
    host.config.pop("store")
    host.write_config({**host.config, "store": f"sqlite://{host.directory}/own.db"})
    host.start()
