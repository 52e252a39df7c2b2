"""Tokens: good for at least their TTL and less than one second more, over restarts; revoked at
once."""

import time

import pytest

import samples
from wire import TTL_HEADER, assert_empty

ID = "/latest/meta-data/instance-id"

# A clock that is read in ticks may be behind by one of them.
TICK_S = 0.02


@pytest.fixture
def service(workshop):
    return workshop.daemon(
        {"instances": [samples.plain("web-1", "127.0.0.11"), samples.plain("web-2", "127.0.0.12")]}
    )


def watch_until_expired(conn, token, ttl, minted_after, minted_before):
    """Ask until the token is refused. No reply may prove a lifetime outside [TTL, TTL + 1 s)."""
    left = ttl
    while True:
        asked = time.time()
        reply = conn.get(ID, token)
        answered = time.time()
        if reply.status == 401:
            assert answered - minted_after >= ttl - TICK_S, "expired before its TTL"
            return
        assert reply.status == 200, reply
        assert asked - minted_before < ttl + 1 + TICK_S, "still valid a second after its TTL"
        now_left = int(reply.value(TTL_HEADER))
        assert 0 <= now_left <= left, "the remaining TTL rose"
        left = now_left
        time.sleep(0.01)


@pytest.mark.parametrize("ttl", [1, 2])
def test_a_token_lives_at_least_its_ttl_and_less_than_a_second_more(service, ttl):
    with service.client().connect() as conn:
        for _ in range(2):
            before = time.time()
            token = conn.put_token(ttl)
            watch_until_expired(conn, token, ttl, before, time.time())
        assert_empty(conn.get(ID, token), "401 Unauthorized")
        assert conn.get(ID).status == 200


def test_a_short_token_ends_on_time_over_a_restart_and_kill_9(service):
    before = time.time()
    with service.client().connect() as conn:
        token = conn.put_token(4)
    after = time.time()
    service.restart()
    service.kill9()
    service.start()
    with service.client().connect() as conn:
        watch_until_expired(conn, token, 4, before, after)


def test_tokens_survive_restart_and_kill_9(service):
    token, other = service.client().put_token(), service.client("127.0.0.12").put_token()
    for interruption in (service.restart, service.kill9):
        interruption()
        if service.process is None:
            service.start()
        reply = service.client().get(ID, token)
        assert reply.status == 200 and 21000 < int(reply.value(TTL_HEADER)) <= 21600
        assert service.client("127.0.0.12").get(ID, other).status == 200
        assert_empty(service.client("127.0.0.12").get(ID, token), "401 Unauthorized")


def test_tokens_survive_option_changes_and_reload(service):
    token = service.client().put_token()
    service.cli("options", "web-1", "--http-tokens", "required").ok()
    assert service.client().get(ID, token).status == 200
    service.reload()
    assert service.client().get(ID, token).status == 200


def test_a_new_store_refuses_tokens_of_the_old_one(service):
    token = service.client().put_token()
    service.stop()
    for path in service.directory.glob("telltale.db*"):
        path.unlink()
    service.start()
    assert_empty(service.client().get(ID, token), "401 Unauthorized")


def test_revoke_ends_all_tokens_of_the_instance_at_once_and_of_no_other(service):
    with service.client().connect() as conn, service.client("127.0.0.12").connect() as other:
        tokens = [conn.put_token() for _ in range(20)]
        foreign = other.put_token()
        service.cli("instance", "revoke", "web-1").ok()
        for token in tokens:
            assert_empty(conn.get(ID, token), "401 Unauthorized")
        assert other.get(ID, foreign).status == 200
        fresh = conn.put_token()
        assert conn.get(ID, fresh).status == 200
        service.kill9()
    service.start()
    assert_empty(service.client().get(ID, tokens[0]), "401 Unauthorized")
    assert service.client().get(ID, fresh).status == 200
    assert service.client("127.0.0.12").get(ID, foreign).status == 200


def test_revoke_of_an_instance_that_is_not_there_is_refused(service):
    service.cli("instance", "revoke", "web-9").refused("web-9")


def test_an_instance_that_was_deleted_and_made_again_has_new_tokens(service, tmp_path):
    import yaml

    path = tmp_path / "again.yaml"
    path.write_text(yaml.safe_dump(samples.plain("web-3", "127.0.0.13")))
    service.cli("instance", "put", path).ok()
    token = service.client("127.0.0.13").put_token()
    service.cli("instance", "delete", "web-3").ok()
    service.cli("instance", "put", path).ok()
    assert_empty(service.client("127.0.0.13").get(ID, token), "401 Unauthorized")


def test_tokens_never_show_in_the_log(service):
    token = service.client().put_token()
    assert service.client().get(ID, token).status == 200
    assert service.client().get(ID, token[:8] + "AAAA" + token[12:]).status == 401
    service.stop()
    assert token[12:40] not in service.log()
