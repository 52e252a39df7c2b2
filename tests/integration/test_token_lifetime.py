"""Tokens: good for at least their TTL and less than one second more, over restarts; revoked at
once."""

import base64
import hmac
import sqlite3
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


def stored_secrets(service):
    """(from when tokens are made by it, the secret), the oldest first."""
    with sqlite3.connect(f"file:{service.database}?mode=ro", uri=True) as db:
        (value,) = db.execute("SELECT value FROM secret WHERE name = 'token-secret'").fetchone()
    if len(value) == 32:
        return [(0, value)]
    return [(int.from_bytes(value[at : at + 8], "big"), value[at + 8 : at + 40]) for at in range(0, len(value), 40)]


def made_by(service, token, name="web-1"):
    """Which of the store's secrets made a token: docs/protocol.md says how."""
    raw = base64.urlsafe_b64decode(token)
    with sqlite3.connect(f"file:{service.database}?mode=ro", uri=True) as db:
        (epoch,) = db.execute("SELECT token_epoch FROM instance WHERE name = ?", (name,)).fetchone()
    instance_id = service.client().get(ID).body
    message = raw[:16] + epoch.to_bytes(4, "big") + instance_id
    for number, (_, secret) in enumerate(stored_secrets(service)):
        if hmac.new(secret, message, "sha256").digest()[:24] == raw[16:]:
            return number
    raise AssertionError("made by none of them")


def test_a_rotated_secret_makes_the_tokens_and_the_old_one_still_verifies(service):
    old = service.client().put_token()
    assert made_by(service, old) == 0
    said = service.cli("secret", "rotate").ok().out
    assert "in 3 s" in said, said
    service.cli("secret", "rotate").refused("there is a new secret already")
    # Until the new one is used, and from then on, every token is good at every worker.
    deadline = time.time() + 30
    while True:
        token = service.client().put_token()
        for one in (token, old):
            for _ in range(8):
                assert service.client().get(ID, one).status == 200
        if made_by(service, token) == 1:
            break
        assert time.time() < deadline, "tokens are still made by the old secret"
        time.sleep(0.2)
    starts = stored_secrets(service)[1][0]
    assert time.time() >= starts
    service.kill9()
    service.start()
    assert service.client().get(ID, old).status == 200
    assert service.client().get(ID, token).status == 200
    assert made_by(service, service.client().put_token()) == 1
    records = service.cli("audit").ok().out
    assert "a new token secret" in records
