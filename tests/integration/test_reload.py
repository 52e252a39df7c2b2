"""SIGHUP and SIGTERM; the file is the wish, the store the truth."""

import copy
import json
import re
import signal

import pytest
import yaml

import samples
import wire
from daemon import error_lines
from wire import assert_404

ID = "/latest/meta-data/instance-id"


def two(**options):
    return {
        "instances": [
            samples.plain(
                "web-1",
                "127.0.0.11",
                tags={"generation": "1"},
                metadataOptions=samples.options(instanceMetadataTags="enabled", **options),
            ),
            samples.plain("web-2", "127.0.0.12"),
        ]
    }


def generation(config, number):
    """The same configuration with another tag, to see when it is in force."""
    config = copy.deepcopy(config)
    config["instances"][0]["tags"]["generation"] = str(number)
    return config


def in_force(service, number):
    path = "/latest/meta-data/tags/instance/generation"
    caller = service.client()

    def probe():
        reply = caller.get(path, caller.put_token())
        return reply.status == 200 and reply.text == str(number)

    return probe


def options(service, name="web-1"):
    shown = json.loads(service.cli("options", name, "--json").ok().out)
    return shown.get("metadataOptions", shown)


def names(service):
    shown = json.loads(service.cli("instance", "list", "--json").ok().out)
    return [one["name"] for one in shown["instances"]]


@pytest.fixture
def service(workshop):
    return workshop.daemon(two())


# -- SIGHUP


def test_sighup_takes_new_instances_in_and_drops_those_that_left(service):
    config = two()
    config["instances"][1] = samples.plain("web-3", "127.0.0.13")
    service.write_config(config)
    with service.client("127.0.0.12").connect() as leaving:
        assert leaving.get(ID).status == 200
        service.reload(lambda: service.client("127.0.0.13").get(ID).status == 200)
        assert_404(leaving.get(ID))
    assert names(service) == ["web-1", "web-3"]


def test_sighup_changes_what_changed_and_keeps_connections_and_tokens(service):
    with service.client().connect() as conn:
        token = conn.put_token()
        service.write_config(generation(two(), 2))
        service.reload(in_force(service, 2))
        assert conn.get("/latest/meta-data/tags/instance/generation", token).text == "2"


def test_sighup_changes_limits(service):
    config = two()
    config["limits"] = {"requestsPerSecond": 1, "burst": 1}
    service.write_config(config)
    service.process.send_signal(signal.SIGHUP)
    with service.client().connect() as conn:
        wire.wait_until(lambda: conn.get(ID).status == 503, "the throttle to be in force")


@pytest.mark.parametrize(
    "text,place",
    [
        ("regoin: us-west-2\n", "telltale.yaml:1:1"),
        ("instances: [\n", "telltale.yaml:"),
        (
            "instances:\n  - name: web-1\n    metadataOptions: {httpTokens: never}\n",
            "telltale.yaml:3:",
        ),
        (
            "instances:\n  - {name: aa, match: {addresses: [127.0.0.11]}}\n"
            "  - {name: bb, match: {addresses: [127.0.0.11]}}\n",
            "127.0.0.11",
        ),
    ],
    ids=["unknown-key", "syntax", "value", "address-twice"],
)
def test_sighup_with_a_bad_file_leaves_everything_alone_and_says_where(service, text, place):
    service.allow_errors(".")
    before = names(service), options(service)
    service.write_config_text(text)
    with service.client().connect() as conn:
        token = conn.put_token()
        service.reload(lambda: place in service.log())
        assert conn.get(ID, token).status == 200
    assert (names(service), options(service)) == before
    assert service.client("127.0.0.12").get(ID).status == 200
    service.write_config(generation(two(), 5))
    service.reload(in_force(service, 5))


def test_sighup_without_the_file_leaves_everything_alone(service):
    service.allow_errors("telltale.yaml")
    service.config_path.rename(service.config_path.with_suffix(".away"))
    mark = len(service.log())
    service.process.send_signal(signal.SIGHUP)
    wire.wait_until(lambda: "telltale.yaml" in service.log()[mark:], "a line about the file")
    assert service.client().get(ID).status == 200
    assert names(service) == ["web-1", "web-2"]
    service.config_path.with_suffix(".away").rename(service.config_path)


def test_sighup_says_which_changed_settings_need_a_restart(service):
    config = generation(two(), 3)
    config["region"] = "us-east-2"
    service.write_config(config)
    log = service.reload(in_force(service, 3))
    wire.wait_until(
        lambda: re.search(r"restart.*region|region.*restart", service.log()), "the line"
    )
    assert "level=error" not in log
    assert service.client().text("/latest/meta-data/placement/region") == "us-west-2"


def settings(service):
    shown = json.loads(service.cli("config", "show", "--json").ok().out)
    return {row["name"]: row for row in shown["settings"]}


def shown_row(service, name):
    return next(x for x in service.cli("config", "show").ok().out.splitlines() if x.startswith(name + " "))


def test_config_show_tells_what_is_in_force_and_what_waits(service):
    before = settings(service)
    assert not any("pending" in row for row in before.values())
    config = {**two(), "region": "us-east-2", "accountId": "999999999999", "limits": {"burst": 77},
              "listen": [{"address": "127.0.0.1", "port": 4711}]}  # fmt: skip
    service.write_config(config)
    service.reload(lambda: settings(service)["limits.burst"]["value"] == 77)
    now = settings(service)
    for name, pending in (
        ("region", "us-east-2"), ("accountId", "999999999999"), ("listen", [{"address": "127.0.0.1", "port": 4711}]),
    ):  # fmt: skip
        assert now[name] == {**before[name], "pending": pending}
    # A changed value that a reload changes is in force and waits for nothing; nor does what stayed.
    assert [name for name, row in now.items() if "pending" in row] == ["listen", "region", "accountId"]
    assert re.search(r" us-west-2 .* restart \(us-east-2 waits\) ", shown_row(service, "region"))
    assert re.search(r" restart \(address=127.0.0.1 port=4711 waits\) ", shown_row(service, "listen"))
    assert "waits" not in shown_row(service, "store") + shown_row(service, "limits.burst")
    # Back in the file is back in force.
    service.write_config({**two(), "limits": {"burst": 78}})
    service.reload(lambda: settings(service)["limits.burst"]["value"] == 78)
    assert not any("pending" in row for row in settings(service).values())
    # And the restart makes it so.
    service.write_config({**two(), "region": "us-east-2"})
    service.restart()
    assert settings(service)["region"]["value"] == "us-east-2" and "pending" not in settings(service)["region"]


def test_config_show_tells_that_a_value_goes_with_the_restart(workshop):
    service = workshop.daemon({**two(), "workers": 1, "limits": {"burst": 76}})
    service.write_config({**two(), "limits": {"burst": 77}})
    service.reload(lambda: settings(service)["limits.burst"]["value"] == 77)
    row = settings(service)["workers"]
    assert row["value"] == 1 and row["pending"] != 1 and row["change"] == "restart"
    assert row["source"].startswith(str(service.config_path))


def test_many_sighups_while_guests_are_served(service):
    with service.client().connect() as conn:
        for number in range(2, 12):
            service.write_config(generation(two(), number))
            service.process.send_signal(signal.SIGHUP)
            for _ in range(20):
                assert conn.get(ID).status == 200
    wire.wait_until(in_force(service, 11), "the last configuration")


def test_a_file_of_a_role_is_read_again_when_it_changes(workshop):
    service = workshop.daemon({"instances": []}, start=False)
    path = service.directory / "role.json"

    def write(key, form):
        if form == "imds":
            document = {
                "Code": "Success", "LastUpdated": "2023-10-02T11:22:33Z", "Type": "AWS-HMAC",
                "AccessKeyId": key, "SecretAccessKey": "s" * 40, "Token": "t" * 40,
                "Expiration": "2033-10-02T17:22:33Z",
            }  # fmt: skip
        else:
            document = {
                "Version": 1, "AccessKeyId": key, "SecretAccessKey": "s" * 40,
                "SessionToken": "t" * 40, "Expiration": "2033-10-02T17:22:33Z",
            }  # fmt: skip
        scratch = path.with_suffix(".new")
        scratch.write_text(json.dumps(document))
        scratch.rename(path)

    write("ASIAFIRST00000000001", "imds")
    role = {"name": "R-1", "credentials": {"file": "role.json"}}
    service.write_config({"instances": [samples.plain(role=role)]})
    service.start()
    caller = service.client()
    where = "/latest/meta-data/iam/security-credentials/R-1"

    def served():
        return json.loads(caller.text(where))

    first = served()
    assert first["AccessKeyId"] == "ASIAFIRST00000000001"
    assert first["Expiration"] == "2033-10-02T17:22:33Z" and first["Code"] == "Success"
    write("ASIASECOND0000000002", "process")
    wire.wait_until(lambda: served()["AccessKeyId"] == "ASIASECOND0000000002", "the new key", 60)
    second = served()
    assert list(second) == list(first)
    assert second["Token"] == "t" * 40 and second["Expiration"] == "2033-10-02T17:22:33Z"


@pytest.mark.parametrize("text", [None, "{oops", "[]", '{"Version": 1}'], ids=repr)
def test_a_role_whose_file_cannot_be_read_says_so_until_it_can(workshop, text):
    """As the real service does it: a document that says what is wrong, with status 200."""
    service = workshop.daemon({"instances": []}, start=False)
    path = service.directory / "role.json"
    if text is not None:
        path.write_text(text)
    role = {"name": "R-1", "credentials": {"file": "role.json"}}
    service.write_config({"instances": [samples.plain(role=role)]})
    service.start()
    caller = service.client()
    where = "/latest/meta-data/iam/security-credentials/R-1"
    document = json.loads(caller.text(where))
    assert document["Code"] == "AssumeRoleUnauthorizedAccess" and document["Message"]
    assert "AccessKeyId" not in document
    assert "role.json" in service.log() and "oops" not in service.log()
    scratch = path.with_suffix(".new")
    scratch.write_text('{"Version":1,"AccessKeyId":"A","SecretAccessKey":"s","SessionToken":"t"}')
    scratch.rename(path)
    wire.wait_until(lambda: json.loads(caller.text(where))["Code"] == "Success", "the key", 60)
    assert json.loads(caller.text(where))["AccessKeyId"] == "A"


# -- the file is the wish, the store the truth


def test_a_live_change_wins_over_an_unchanged_file(service):
    service.cli("options", "web-1", "--http-tokens", "required").ok()
    service.write_config(generation(two(), 2))
    service.reload(in_force(service, 2))
    assert options(service)["httpTokens"] == "required"
    service.restart()
    assert options(service)["httpTokens"] == "required"
    service.kill9()
    service.start()
    assert options(service)["httpTokens"] == "required"


def test_a_value_that_changed_in_the_file_wins_over_the_live_change(service):
    service.cli(
        "options", "web-1", "--http-put-response-hop-limit", "5", "--http-tokens", "required"
    ).ok()
    service.write_config(generation(two(httpPutResponseHopLimit=2), 2))
    service.reload(in_force(service, 2))
    assert options(service)["httpPutResponseHopLimit"] == 2
    assert options(service)["httpTokens"] == "required"


def test_a_file_changed_while_the_daemon_was_down_is_applied(service):
    service.cli(
        "options", "web-1", "--http-put-response-hop-limit", "5", "--http-tokens", "required"
    ).ok()
    service.kill9()
    service.write_config(two(httpPutResponseHopLimit=3))
    service.start()
    assert options(service)["httpPutResponseHopLimit"] == 3
    assert options(service)["httpTokens"] == "required"
    service.cli("options", "web-1", "--http-put-response-hop-limit", "6").ok()
    service.restart()
    assert options(service)["httpPutResponseHopLimit"] == 6


def test_a_field_that_left_the_file_is_back_at_its_default(service):
    config = two()
    config["instances"][1]["userData"] = "hello"
    service.write_config(config)
    caller = service.client("127.0.0.12")
    service.reload(lambda: caller.get("/latest/user-data").status == 200)
    service.write_config(two())
    service.reload(lambda: caller.get("/latest/user-data").status == 404)


def test_instances_made_live_stay_and_those_of_the_file_go_with_it(service):
    path = service.directory / "live.yaml"
    path.write_text(yaml.safe_dump(samples.plain("live-1", "127.0.0.41")))
    service.cli("instance", "put", path).ok()
    config = two()
    del config["instances"][1]
    service.write_config(config)
    service.reload(lambda: service.client("127.0.0.12").get(ID).status == 404)
    assert names(service) == ["live-1", "web-1"]
    service.kill9()
    service.start()
    assert names(service) == ["live-1", "web-1"]
    assert service.client("127.0.0.41").get(ID).status == 200


def test_a_live_delete_of_a_files_instance_lasts_while_the_file_is_unchanged(service):
    service.cli("instance", "delete", "web-2").ok()
    assert_404(service.client("127.0.0.12").get(ID))
    service.restart()
    assert names(service) == ["web-1"]
    assert_404(service.client("127.0.0.12").get(ID))


def test_the_same_file_read_again_changes_nothing(service):
    before = service.client().get(ID).value("Last-Modified")
    log = service.reload()
    assert service.client().get(ID).value("Last-Modified") == before
    assert "level=error" not in log
    service.restart()
    assert service.client().get(ID).value("Last-Modified") == before


# -- SIGTERM


def test_sigterm_ends_with_code_0_and_takes_the_socket_away(service):
    assert service.client().get(ID).status == 200
    service.stop()
    assert not service.socket_path.exists()
    with pytest.raises(OSError):
        service.client().connect()


def refuses(service):
    try:
        service.client().connect().close()
        return False
    except OSError:
        return True


def test_sigterm_answers_the_request_in_flight_and_closes_idle_connections(service):
    busy, idle = service.client().connect(), service.client().connect()
    with busy, idle:
        token = busy.put_token()
        assert idle.get(ID).status == 200
        data = wire.request("GET", ID, token)
        busy.send(data[:-2])
        # The daemon has read the first half: it answers another request on the same worker only
        # after it; a second connection's answer says its loop has turned since.
        for _ in range(20):
            assert service.client().get(ID).status == 200
        service.terminate()
        wire.wait_until(lambda: refuses(service), "the port to close")
        idle.expect_eof()
        busy.send(data[-2:])
        reply = busy.read_reply()
        assert reply.status == 200 and reply.closes
        busy.expect_eof()
    assert service.wait_end() == 0


def test_sigterm_does_not_wait_for_ever_for_a_stuck_client(service):
    with service.client().connect() as conn:
        conn.send(wire.request("GET", ID)[:-2])
        service.terminate()
        assert service.wait_end(20) == 0
        with pytest.raises(wire.Closed):
            conn.read_reply()


def test_sigint_ends_it_as_well(service):
    service.process.send_signal(signal.SIGINT)
    assert service.wait_end() == 0


def test_the_log_is_logfmt(service):
    service.reload()
    service.stop()
    value = r'(?:"(?:[^"\\]|\\.)*"|[^\s"=]*)'
    for line in service.log().splitlines():
        assert re.fullmatch(
            rf"ts=\S+ level=(debug|info|warn|error)(?: [\w.]+={value})*", line
        ), line


def test_a_taken_port_is_said_in_one_line_with_code_1(workshop, service):
    other = workshop.daemon({"instances": []}, start=False)
    other.port = service.port
    other.write_config({"instances": []})
    other.allow_errors(str(service.port))
    code, log = other.fails_to_start()
    assert code == 1
    (line,) = error_lines(log)
    assert f"127.0.0.1:{service.port}" in line


def test_a_second_daemon_does_not_take_the_socket_of_the_first(workshop, service):
    other = workshop.daemon({"instances": []}, start=False)
    other.write_config({"control": {**service.config["control"], "port": other.control_port}})
    other.allow_errors("control.sock")
    code, log = other.fails_to_start()
    assert code == 1
    (line,) = error_lines(log)
    assert "control.sock" in line
    assert service.client().get(ID).status == 200
    assert names(service) == ["web-1", "web-2"]
