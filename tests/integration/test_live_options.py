"""Options change on a running instance: at the next request, also of an open connection, and for
good."""

import re

import pytest

import samples
import wire
from wire import assert_404, assert_empty, assert_page

ID = "/latest/meta-data/instance-id"


@pytest.fixture
def service(workshop):
    return workshop.daemon(
        {
            "instances": [
                samples.full("web-1", samples.addresses("127.0.0.11")),
                samples.plain("web-2", "127.0.0.12"),
            ]
        }
    )


def test_tokens_required_takes_effect_on_the_next_request_of_an_open_connection(service):
    with service.client().connect() as conn, service.client("127.0.0.12").connect() as other:
        assert conn.get(ID).status == 200
        assert other.get(ID).status == 200
        service.cli("options", "web-1", "--http-tokens", "required").ok()
        assert_empty(conn.get(ID), "401 Unauthorized")
        token = conn.put_token()
        assert conn.get(ID, token).status == 200
        assert other.get(ID).status == 200
        service.cli("options", "web-1", "--http-tokens", "optional").ok()
        assert conn.get(ID).status == 200
        assert conn.get(ID, token).status == 200


def test_endpoint_disabled_takes_effect_on_the_next_request_of_an_open_connection(service):
    with service.client().connect() as conn:
        token = conn.put_token()
        service.cli("options", "web-1", "--http-endpoint", "disabled").ok()
        assert_page(conn.get(ID, token), 403)
        assert_page(conn.exchange(wire.token_request()), 403)
        service.cli("options", "web-1", "--http-endpoint", "enabled").ok()
        assert conn.get(ID, token).status == 200


def test_tags_appear_and_disappear_on_an_open_connection(service):
    path = "/latest/meta-data/tags/instance/env"
    with service.client().connect() as conn:
        assert conn.get(path).text == "prod"
        service.cli("options", "web-1", "--instance-metadata-tags", "disabled").ok()
        assert_404(conn.get(path))
        assert "tags/" not in conn.get("/latest/meta-data/").text.split("\n")
        service.cli("options", "web-1", "--instance-metadata-tags", "enabled").ok()
        assert conn.get(path).text == "prod"
        assert "tags/" in conn.get("/latest/meta-data/").text.split("\n")


def test_ipv6_is_switched_on_an_open_connection(service, needs_ipv6):
    with service.client("::1").connect() as conn, service.client().connect() as over_ipv4:
        assert conn.get(ID).status == 200
        service.cli("options", "web-1", "--http-protocol-ipv6", "disabled").ok()
        assert_page(conn.get(ID), 403)
        assert over_ipv4.get(ID).status == 200
        service.cli("options", "web-1", "--http-protocol-ipv6", "enabled").ok()
        assert conn.get(ID).status == 200


def test_several_options_change_in_one_command(service):
    service.cli(
        "options", "web-1", "--http-tokens", "required", "--http-put-response-hop-limit", "7",
        "--instance-metadata-tags", "disabled",
    ).ok()  # fmt: skip
    assert options(service) == {
        "httpTokens": "required",
        "httpEndpoint": "enabled",
        "httpPutResponseHopLimit": 7,
        "httpProtocolIpv6": "enabled",
        "instanceMetadataTags": "disabled",
    }


def options(service, name="web-1"):
    """The options of an instance as `options NAME --json` shows them, without their state."""
    import json

    shown = json.loads(service.cli("options", name, "--json").ok().out)
    shown = shown.get("metadataOptions", shown)
    assert shown.pop("state") == "applied"
    return shown


def test_an_option_left_out_keeps_its_value(service):
    before = options(service)
    service.cli("options", "web-1", "--http-put-response-hop-limit", "64").ok()
    assert options(service) == {**before, "httpPutResponseHopLimit": 64}
    service.cli("options", "web-1", "--http-tokens", "required").ok()
    assert options(service) == {**before, "httpPutResponseHopLimit": 64, "httpTokens": "required"}


def test_options_without_flags_shows_and_changes_nothing(service):
    before = options(service)
    shown = service.cli("options", "web-1").ok().out
    for word in ("optional", "enabled", "1"):
        assert re.search(rf"\b{word}\b", shown), shown
    assert options(service) == before


@pytest.mark.parametrize(
    "flags",
    [
        ["--http-tokens", "maybe"],
        ["--http-tokens", ""],
        ["--http-tokens", "Required"],
        ["--http-endpoint", "on"],
        ["--http-put-response-hop-limit", "0"],
        ["--http-put-response-hop-limit", "65"],
        ["--http-put-response-hop-limit", "-1"],
        ["--http-put-response-hop-limit", "many"],
        ["--http-put-response-hop-limit", "1.5"],
        ["--http-put-response-hop-limit", "4294967297"],
        ["--http-protocol-ipv6", "yes"],
        ["--instance-metadata-tags", "true"],
        ["--http-tokens", "required", "--http-endpoint", "broken"],
    ],
    ids=" ".join,
)
def test_a_wrong_option_value_is_refused_with_one_line_and_changes_nothing(service, flags):
    before = options(service)
    service.cli("options", "web-1", *flags).refused(codes=(1, 2))
    assert options(service) == before
    assert service.client().get(ID).status == 200


def test_an_unknown_option_flag_is_wrong_usage(service):
    service.cli("options", "web-1", "--http-token", "required").refused("--http-token", codes=(2,))
    service.cli("options").refused(codes=(2,))
    service.cli("options", "web-1", "--http-tokens").refused("--http-tokens", codes=(2,))
    assert service.client().get(ID).status == 200


def test_tags_that_are_no_names_cannot_be_shown(workshop):
    one = samples.plain(tags={"a b/c": "d"})
    service = workshop.daemon({"instances": [one]})
    service.cli("options", "web-1", "--instance-metadata-tags", "enabled").refused("a b/c")
    assert options(service)["instanceMetadataTags"] == "disabled"
    service.kill9()
    service.start()
    assert options(service)["instanceMetadataTags"] == "disabled"


def test_options_of_an_instance_that_is_not_there_are_refused(service):
    service.cli("options", "web-9").refused("web-9")
    service.cli("options", "web-9", "--http-tokens", "required").refused("web-9")


def test_a_change_is_still_true_after_kill_9(service):
    service.cli(
        "options", "web-1", "--http-tokens", "required", "--http-put-response-hop-limit", "9"
    ).ok()
    service.kill9()
    service.start()
    assert_empty(service.client().get(ID), "401 Unauthorized")
    assert options(service)["httpTokens"] == "required"
    assert options(service)["httpPutResponseHopLimit"] == 9
    assert service.client("127.0.0.12").get(ID).status == 200


def test_every_acknowledged_change_survives_kill_9_at_any_moment(service):
    limit = 1
    for turn in range(5):
        for _ in range(turn + 1):
            limit += 1
            service.cli("options", "web-1", "--http-put-response-hop-limit", str(limit)).ok()
        service.kill9()
        service.start()
        assert options(service)["httpPutResponseHopLimit"] == limit


def test_changes_of_other_instances_do_not_touch_this_one(service):
    with service.client().connect() as conn:
        before = [conn.get(p).body for p in ("/latest/meta-data/", ID)]
        modified = conn.get(ID).value("Last-Modified")
        for value in ("required", "optional", "required"):
            service.cli("options", "web-2", "--http-tokens", value).ok()
            assert [conn.get(p).body for p in ("/latest/meta-data/", ID)] == before
            assert conn.get(ID).value("Last-Modified") == modified


def test_guests_are_served_while_options_change(service):
    """Every reply during a burst of changes is one of the two states, never an error."""
    import threading

    done = threading.Event()
    seen, problems = set(), []

    def guest():
        with service.client().connect() as conn:
            token = conn.put_token()
            while not done.is_set():
                reply = conn.get(ID)
                seen.add(reply.status)
                if conn.get(ID, token).status != 200:
                    problems.append("a valid token was refused")

    threads = [threading.Thread(target=guest) for _ in range(4)]
    for thread in threads:
        thread.start()
    try:
        for turn in range(10):
            value = "required" if turn % 2 else "optional"
            service.cli("options", "web-1", "--http-tokens", value).ok()
    finally:
        done.set()
        for thread in threads:
            thread.join()
    assert not problems and seen == {200, 401}
