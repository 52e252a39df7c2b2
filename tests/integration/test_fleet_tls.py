"""A fleet's database by TLS, as libpq has it: what the URL asks of the server's certificate is held to."""

import os
import shutil

import pytest

import fleets
import postgres
from certificates import Pair
from daemon import error_lines
from fleets import instance, put, show, wait_applied


@pytest.fixture(scope="module")
def pairs(tmp_path_factory):
    if not shutil.which("openssl"):
        pytest.skip("NO openssl HERE, NOT TESTED")
    folder = tmp_path_factory.mktemp("pairs")
    return {name: Pair(folder, name) for name in ("right", "other")}


@pytest.fixture(scope="module")
def server(pairs):
    """Nobody is let in without TLS."""
    postgres.require()
    made = postgres.Postgres()
    try:
        for source, name in ((pairs["right"].certificate, "server.pem"), (pairs["right"].key, "server.key")):
            target = made.data / name
            shutil.copyfile(source, target)
            target.chmod(0o600)
            if made.user:
                os.chown(target, made.user["user"], made.user["group"])
        with open(made.data / "postgresql.conf", "a", encoding="utf-8") as file:
            file.write("ssl = on\nssl_cert_file = 'server.pem'\nssl_key_file = 'server.key'\n")
        (made.data / "pg_hba.conf").write_text("local all all trust\nhostssl all all 127.0.0.1/32 scram-sha-256\n")
        made.restart()
        yield made
    finally:
        made.close()


def url(fleet, pair):
    return f"{fleet.server.url(fleet.database)}?sslmode=verify-full&sslrootcert={pair.certificate}"


def sessions(fleet):
    """By TLS or not, of each connection to the database."""
    return fleet.server.psql(
        "select ssl from pg_stat_ssl join pg_stat_activity using (pid) "
        f"where datname = '{fleet.database}' and application_name = 'telltale'"
    )


def test_changes_and_notices_come_by_tls(fleet, pairs):
    a, b = (fleet.host(name, url=url(fleet, pairs["right"])) for name in ("a", "b"))
    put(a, instance(1))
    assert show(b, "web-1")["host"] == "a"
    fleets.change(b, "web-1", httpTokens="required").ok()
    wait_applied(b, "web-1", httpTokens="required")
    found = sessions(fleet)
    assert len(found) >= 4 and all(row == ["t"] for row in found), found


def by_another_name(text):
    """The same server, whose certificate is for 127.0.0.1."""
    return text.replace("@127.0.0.1:", "@elsewhere:") + "&hostaddr=127.0.0.1"


def test_the_password_may_stand_in_a_file(fleet, pairs, tmp_path):
    file = tmp_path / "pgpass"
    file.write_text("*:*:*:telltale:hunter2\n")
    file.chmod(0o600)
    without = url(fleet, pairs["right"]).replace(":hunter2@", "@")
    a = fleet.host("a", url=f"{without}&passfile={file}")
    put(a, instance(1))
    assert show(a, "web-1")["host"] == "a"
    host = fleet.host("b", start=False, url=without)
    host.allow_errors("no password supplied")
    assert host.fails_to_start()[0] == 1


@pytest.mark.parametrize("wrong, words", [
    ("other", "certificate verify failed"), ("plain", "no encryption"), ("name", "does not match host name"),
])  # fmt: skip
def test_a_server_that_is_not_the_right_one_is_none(fleet, pairs, wrong, words):
    text = {"other": url(fleet, pairs["other"]), "plain": fleet.server.url(fleet.database) + "?sslmode=disable",
            "name": by_another_name(url(fleet, pairs["right"]))}[wrong]  # fmt: skip
    host = fleet.host("a", start=False, url=text)
    host.allow_errors(".")
    code, log = host.fails_to_start()
    (line,) = error_lines(log)
    assert code == 1 and words in line and "hunter2" not in log, log
