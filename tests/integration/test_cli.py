"""The command line: instances, shapes, exit codes, one clear line for whatever is wrong."""

import json
import re
import socket

import pytest
import yaml

import samples
import wire
from daemon import run_binary
from wire import assert_404, assert_empty

ID = "/latest/meta-data/instance-id"
HELP = [
    [], ["serve"], ["instance"], ["instance", "list"], ["instance", "show"], ["instance", "put"],
    ["instance", "delete"], ["instance", "revoke"], ["options"], ["metrics"], ["identity"],
    ["identity", "certificate"], ["get"], ["config"], ["config", "check"], ["config", "show"],
]  # fmt: skip


@pytest.fixture
def service(workshop):
    return workshop.daemon(
        {
            "instances": [
                samples.full("web-1", ["127.0.0.11", "127.0.0.1"]),
                samples.plain("web-2", "127.0.0.12"),
            ]
        }
    )


def put_file(service, *instances, name="put.yaml"):
    path = service.directory / name
    path.write_text(yaml.safe_dump(list(instances) if len(instances) != 1 else instances[0]))
    return path


def instances(service):
    """`instance list --json` as a list of instances, by name."""
    shown = json.loads(service.cli("instance", "list", "--json").ok().out)
    assert list(shown) == ["instances"], shown
    return {one["name"]: one for one in shown["instances"]}


def show(service, name):
    shown = json.loads(service.cli("instance", "show", name, "--json").ok().out)
    assert list(shown) == ["instance"], shown
    return shown["instance"]


# -- help, usage


@pytest.mark.parametrize("command", HELP, ids=lambda c: " ".join(c) or "telltale")
def test_help_goes_to_stdout_with_code_0(command):
    result = run_binary(*command, "--help").ok()
    assert result.err == "" and "sage" in result.out
    for word in command:
        assert word in result.out


def test_help_names_every_command():
    out = run_binary("--help").ok().out
    for word in ("serve", "instance", "options", "metrics", "identity", "get", "config"):
        assert re.search(rf"\b{word}\b", out), word


def test_version_is_one_line():
    result = run_binary("--version").ok()
    assert re.fullmatch(r"telltale \S+\n", result.out), result


@pytest.mark.parametrize(
    "argv",
    [
        ["flie"], ["instance"], ["instance", "frobnicate"], ["instance", "show"],
        ["instance", "list", "extra"], ["instance", "put"], ["instance", "delete"],
        ["serve", "--prot", "1"], ["serve", "extra"], ["serve", "-c"], ["--nonsense"],
        ["identity"], ["identity", "card"], ["get"], ["config"], ["config", "check"],
        ["serve", "--listen", "nonsense"], ["serve", "--listen", "127.0.0.1:99999"],
        ["serve", "--workers", "0x"], ["serve", "--workers", "-1"],
        ["serve", "--control", "127.0.0.1"],
    ],
    ids=" ".join,
)  # fmt: skip
def test_wrong_usage_is_code_2_and_one_line(argv):
    run_binary(*argv).refused(codes=(2,))


def test_no_command_is_wrong_usage():
    run_binary().refused("usage", "help", codes=(2,))


# -- list and show


def test_list_json_has_lightsails_shape_and_spellings(service):
    found = instances(service)
    assert list(found) == ["web-1", "web-2"]
    one = found["web-1"]
    assert re.fullmatch(
        r"arn:aws:lightsail:us-west-2:\d{12}:Instance/[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}",
        one["arn"],
    )
    assert one["resourceType"] == "Instance"
    assert one["blueprintId"] == "debian_12" and one["bundleId"] == "nano_3_0"
    assert one["location"] == {"availabilityZone": "us-west-2a", "regionName": "us-west-2"}
    assert one["privateIpAddress"] == "172.26.2.10"
    assert one["publicIpAddress"] == "203.0.113.10"
    assert len(one["ipv6Addresses"]) == 1
    assert one["state"] == {"code": 16, "name": "running"}
    assert isinstance(one["createdAt"], (int, float))
    assert re.fullmatch(r"\d{12}/i-[0-9a-f]{17}", one["supportCode"])
    assert {"key": "env", "value": "prod"} in one["tags"]
    assert one["metadataOptions"] == {
        "state": "applied",
        "httpTokens": "optional",
        "httpEndpoint": "enabled",
        "httpPutResponseHopLimit": 1,
        "httpProtocolIpv6": "enabled",
        "instanceMetadataTags": "enabled",
    }


def test_show_json_is_the_same_instance(service):
    shown, listed = show(service, "web-1"), instances(service)["web-1"]
    for counted in ("counters",):
        shown.pop(counted, None)
        listed.pop(counted, None)
    assert shown == listed
    assert shown["instanceId"] == service.client().text(ID) if "instanceId" in shown else True


def test_list_and_show_as_text_name_the_instances(service):
    listed = service.cli("instance", "list").ok().out
    assert "web-1" in listed and "web-2" in listed and "\x1b" not in listed
    shown = service.cli("instance", "show", "web-1").ok().out
    assert "web-1" in shown and "optional" in shown and "\x1b" not in shown


def test_secrets_are_shown_nowhere(service):
    for argv in (
        ["instance", "list", "--json"], ["instance", "show", "web-1", "--json"],
        ["instance", "show", "web-1"], ["config", "show"],
    ):  # fmt: skip
        result = service.cli(*argv).ok()
        assert samples.SECRET_KEY not in result.out and samples.SESSION_TOKEN not in result.out
    service.stop()
    assert samples.SECRET_KEY not in service.log()
    assert samples.SESSION_TOKEN not in service.log()


def test_show_of_an_instance_that_is_not_there_is_refused(service):
    service.cli("instance", "show", "web-9").refused("web-9")
    service.cli("instance", "show", "web-9", "--json").refused("web-9")


# -- put and delete


def test_put_keeps_live_options_that_it_does_not_name(service):
    service.cli("options", "web-1", "--http-tokens", "required").ok()
    service.cli("instance", "put", put_file(service, samples.plain("web-1", "127.0.0.11"))).ok()
    assert instances(service)["web-1"]["metadataOptions"]["httpTokens"] == "required"
    named = samples.plain("web-1", "127.0.0.11", metadataOptions={"httpPutResponseHopLimit": 2})
    service.cli("instance", "put", put_file(service, named)).ok()
    options = instances(service)["web-1"]["metadataOptions"]
    assert (options["httpTokens"], options["httpPutResponseHopLimit"]) == ("required", 2)


def test_put_makes_an_instance_that_is_served_at_once(service):
    assert_404(service.client("127.0.0.13").get(ID))
    with service.client("127.0.0.13").connect() as conn:
        assert_404(conn.get(ID))
        service.cli("instance", "put", put_file(service, samples.plain("web-3", "127.0.0.13"))).ok()
        assert conn.get(ID).status == 200
    assert list(instances(service)) == ["web-1", "web-2", "web-3"]
    service.kill9()
    service.start()
    assert service.client("127.0.0.13").get(ID).status == 200


def test_put_replaces_an_instance(service):
    before = service.client().get(ID)
    changed = samples.full("web-1", ["127.0.0.11", "127.0.0.1"], tags={"env": "test"})
    service.cli("instance", "put", put_file(service, changed)).ok()
    caller = service.client()
    assert caller.text("/latest/meta-data/tags/instance/") == "env"
    assert caller.text("/latest/meta-data/tags/instance/env") == "test"
    after = caller.get(ID)
    assert after.body == before.body
    assert wire.parse_date(after.value("Last-Modified")) >= wire.parse_date(
        before.value("Last-Modified")
    )


def test_put_moves_an_instance_to_another_address(service):
    with service.client("127.0.0.12").connect() as conn:
        identity = conn.get(ID).text
        service.cli("instance", "put", put_file(service, samples.plain("web-2", "127.0.0.22"))).ok()
        assert_404(conn.get(ID))
    assert service.client("127.0.0.22").text(ID) == identity


def test_put_takes_a_list_all_of_it_or_nothing(service):
    many = [samples.plain(f"vm-{n}", f"127.9.0.{n}") for n in range(1, 51)]
    service.cli("instance", "put", put_file(service, *many)).ok()
    assert len(instances(service)) == 52
    for n in (1, 25, 50):
        assert service.client(f"127.9.0.{n}").get(ID).status == 200
    before = instances(service)
    bad = [samples.plain("new-1", "127.9.1.1"), samples.plain("new-2", "127.9.1.2", bundle="x")]
    service.cli("instance", "put", put_file(service, *bad)).refused("put.yaml:", "bundle")
    assert instances(service).keys() == before.keys()
    assert_404(service.client("127.9.1.1").get(ID))


def test_put_of_a_taken_address_is_refused_and_changes_nothing(service):
    before = instances(service).keys()
    taken = samples.plain("web-3", "127.0.0.11")
    service.cli("instance", "put", put_file(service, taken)).refused("web-1", "127.0.0.11")
    assert instances(service).keys() == before
    assert service.client().text("/latest/meta-data/tags/instance/Name") == "web-1"


def test_put_starts_and_stops_an_instance(service):
    with service.client("127.0.0.12").connect() as conn:
        assert conn.get(ID).status == 200
        stopped = samples.plain("web-2", "127.0.0.12", state="stopped")
        service.cli("instance", "put", put_file(service, stopped)).ok()
        assert_404(conn.get(ID))
        assert show(service, "web-2")["state"] == {"code": 80, "name": "stopped"}
        service.cli("instance", "put", put_file(service, samples.plain("web-2", "127.0.0.12"))).ok()
        assert conn.get(ID).status == 200


def test_delete_removes_an_instance_at_once_and_for_good(service):
    service.cli("instance", "put", put_file(service, samples.plain("web-3", "127.0.0.13"))).ok()
    with service.client("127.0.0.13").connect() as conn:
        token = conn.put_token()
        service.cli("instance", "delete", "web-3").ok()
        assert_404(conn.get(ID, token))
    service.cli("instance", "delete", "web-3").refused("web-3")
    service.kill9()
    service.start()
    assert_404(service.client("127.0.0.13").get(ID))
    assert list(instances(service)) == ["web-1", "web-2"]


@pytest.mark.parametrize("name", ["a", "-ab", "ab-", "a b", "a.b", "a/b", "", "x" * 256, "é!"])
def test_names_that_lightsail_would_refuse_are_refused(service, name):
    path = put_file(service, samples.plain(name, "127.0.0.13"))
    service.cli("instance", "put", path).refused(str(path))
    assert list(instances(service)) == ["web-1", "web-2"]


@pytest.mark.parametrize("name", ["ab", "x" * 255, "a-b", "a_b", "1-2", "_-_", "A1"])
def test_names_that_lightsail_allows_are_allowed(service, name):
    service.cli("instance", "put", put_file(service, samples.plain(name, "127.0.0.13"))).ok()
    assert service.client("127.0.0.13").get(ID).status == 200
    assert show(service, name)["name"] == name


def test_put_reads_standard_input(service):
    text = yaml.safe_dump(samples.plain("web-3", "127.0.0.13")).encode()
    service.cli("instance", "put", "-", stdin=text).ok()
    assert service.client("127.0.0.13").get(ID).status == 200
    service.cli("instance", "put", "-", stdin=b"name: web-4\nnmae: x\n").refused(":2:1: ", "nmae")


def test_put_of_a_file_that_is_not_there_is_refused(service):
    service.cli("instance", "put", service.directory / "none.yaml").refused("none.yaml")


# -- the socket


def test_the_socket_is_the_operators_alone(service):
    assert service.socket_path.is_socket()
    assert service.socket_path.stat().st_mode & 0o077 == 0


def test_flags_may_stand_anywhere(service):
    path = service.socket_path
    for argv in (
        ["--socket", path, "instance", "list"], ["instance", "--socket", path, "list"],
        ["instance", "list", f"--socket={path}"], ["instance", f"--socket={path}", "list"],
    ):  # fmt: skip
        assert "web-1" in run_binary(*argv).ok().out, argv
    run_binary("instance", "list", "--socket", path, "--socket", path).refused(codes=(2,))


def test_the_socket_may_come_from_the_environment(service):
    env = {"TELLTALE_CONTROL_SOCKET": str(service.socket_path)}
    assert "web-1" in run_binary("instance", "list", env=env).ok().out
    wrong = {"TELLTALE_CONTROL_SOCKET": "/nonexistent/control.sock"}
    assert "web-1" in service.cli("instance", "list", env=wrong).ok().out


def test_without_a_daemon_commands_say_so_and_name_the_socket(service):
    service.stop()
    for argv in (
        ["instance", "list"], ["options", "web-1"], ["identity", "certificate"],
        ["instance", "delete", "web-1"],
    ):  # fmt: skip
        service.cli(*argv).refused(str(service.socket_path))


def test_a_stale_socket_file_does_not_keep_the_daemon_from_starting(service):
    service.kill9()
    assert service.socket_path.exists()
    service.start()
    assert "web-1" in service.cli("instance", "list").ok().out


def test_nonsense_on_the_socket_does_no_harm(service):
    for data in (b"", b"\n", b"\0" * 100, b"GET / HTTP/1.1\r\n\r\n", b"{" * 100000, b"x" * 2000000):
        with socket.socket(socket.AF_UNIX) as raw:
            raw.settimeout(wire.TIMEOUT_S)
            raw.connect(str(service.socket_path))
            try:
                raw.sendall(data)
                raw.shutdown(socket.SHUT_WR)
                while raw.recv(65536):
                    pass
            except (BrokenPipeError, ConnectionResetError):
                pass
    assert "web-1" in service.cli("instance", "list").ok().out
    assert service.client().get(ID).status == 200


# -- get


def test_get_fetches_with_a_token(service):
    service.cli("options", "web-1", "--http-tokens", "required").ok()
    endpoint = f"http://127.0.0.1:{service.port}"
    want = service.client().text(ID, service.client().put_token())
    for path in ("meta-data/instance-id", ID):
        result = run_binary("get", path, "--endpoint", endpoint).ok()
        assert result.out == want
    assert run_binary("get", ID, "--endpoint", endpoint + "/").ok().out == want
    env = {"AWS_EC2_METADATA_SERVICE_ENDPOINT": endpoint}
    assert run_binary("get", ID, env=env).ok().out == want
    assert run_binary("get", "/", env=env).ok().out.split("\n")[-1] == "latest"
    metrics = service.metrics()
    assert metrics.sum("telltale_metadata_no_token_rejected_total") == 0


def test_get_passes_bytes_through(workshop):
    import base64

    data = bytes(range(256)) * 64
    one = samples.plain("web-1", "127.0.0.1", userDataBase64=base64.b64encode(data).decode())
    service = workshop.daemon({"instances": [one]})
    endpoint = f"http://127.0.0.1:{service.port}"
    assert run_binary("get", "user-data", "--endpoint", endpoint).ok().out_bytes == data


def test_get_over_ipv6(workshop, needs_ipv6):
    one = samples.plain("web-1", "::1", metadataOptions=samples.options())
    service = workshop.daemon({"instances": [one]})
    endpoint = f"http://[::1]:{service.port}"
    want = service.client("::1").text(ID)
    assert run_binary("get", ID, "--endpoint", endpoint).ok().out == want


def test_get_says_that_it_may_be_nobody(workshop):
    service = workshop.daemon({"instances": [samples.plain("web-1", "127.0.0.11")]})
    done = run_binary("get", ID, "--endpoint", f"http://127.0.0.1:{service.port}")
    done.refused("404 Not Found; either no IMDSv2 is spoken there, or this caller is no instance of it")


def test_get_says_what_went_wrong_in_one_line(service):
    endpoint = f"http://127.0.0.1:{service.port}"
    run_binary("get", "meta-data/none", "--endpoint", endpoint).refused("404")
    service.cli("options", "web-1", "--http-endpoint", "disabled").ok()
    run_binary("get", ID, "--endpoint", endpoint).refused("403")
    service.stop()
    run_binary("get", ID, "--endpoint", endpoint).refused(str(service.port))
    run_binary("get", ID, "--endpoint", "https://127.0.0.1").refused(codes=(1, 2))
    run_binary("get", ID, "--endpoint", "nonsense").refused(codes=(1, 2))


# -- config show


def test_config_show_says_what_is_in_force_and_from_where(service):
    out = service.cli("config", "show").ok().out
    assert "us-west-2" in out and "region" in out
    assert re.search(r"telltale\.yaml:\d+:\d+", out), out
    assert "default" in out
    shown = json.loads(service.cli("config", "show", "--json").ok().out)
    by_name = {row["name"]: row for row in shown["settings"]}
    assert by_name["region"]["value"] == "us-west-2"
    assert re.search(r"telltale\.yaml:\d+:\d+$", by_name["region"]["source"])
    assert by_name["limits.connectionsPerInstance"]["value"] == 1024
    assert by_name["limits.connectionsPerInstance"]["source"] == "default"


def test_401_after_revoke_is_told_by_the_counters(service):
    token = service.client().put_token()
    service.cli("instance", "revoke", "web-1").ok()
    assert_empty(service.client().get(ID, token), "401 Unauthorized")
    service.wait_metric(
        lambda m: m.sum("telltale_requests_total", status="401") == 1, "the 401 is counted"
    )
