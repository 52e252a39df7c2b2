"""A store that is damaged, read-only or full: said at once, in one line, and never overwritten."""

import hashlib
import os
import sqlite3

import pytest

import samples
import wire
from daemon import error_lines

ID = "/latest/meta-data/instance-id"
CONFIG = {"instances": [samples.plain("web-1", "127.0.0.11"), samples.plain("web-2", "127.0.0.12")]}


def digest(path):
    return hashlib.sha256(path.read_bytes()).hexdigest()


def refuses_to_start(service, *words):
    """Starting fails with code 1 and exactly one error line that names the database."""
    service.allow_errors(".")
    code, log = service.fails_to_start()
    assert code == 1, log
    (line,) = error_lines(log)
    assert str(service.database) in line
    for word in words:
        assert word in line.lower(), line
    with pytest.raises(OSError):
        service.client().connect()


def overwrite(path, offset, data):
    with open(path, "r+b") as file:
        file.seek(offset)
        file.write(data)


def damage_header(path):
    overwrite(path, 0, b"\xa5" * 100)


def damage_everything_after_the_first_page(path):
    size = path.stat().st_size
    assert size > 4096
    overwrite(path, 4096, os.urandom(size - 4096))


def damage_schema_page(path):
    overwrite(path, 100, os.urandom(3000))


def cut_in_half(path):
    with open(path, "r+b") as file:
        file.truncate(path.stat().st_size // 2 // 4096 * 4096 + 100)


def not_sqlite(path):
    path.write_bytes(b"This is my thesis, please do not overwrite it.\n" * 300)


@pytest.mark.parametrize(
    "damage",
    [damage_header, damage_everything_after_the_first_page, damage_schema_page, cut_in_half,
     not_sqlite],
)  # fmt: skip
def test_a_damaged_database_is_refused_and_left_as_it_is(workshop, damage):
    service = workshop.daemon(CONFIG)
    service.stop()
    for side in ("-wal", "-shm"):
        rest = service.database.with_name(service.database.name + side)
        if rest.exists():
            rest.unlink()
    damage(service.database)
    before = digest(service.database)
    refuses_to_start(service)
    assert digest(service.database) == before
    refuses_to_start(service)
    assert digest(service.database) == before


def test_somebody_elses_database_is_refused_and_left_as_it_is(workshop):
    service = workshop.daemon(CONFIG, start=False, fresh=True)
    with sqlite3.connect(service.database) as other:
        other.execute("create table instances (mine text)")
        other.execute("insert into instances values ('precious')")
    other.close()
    before = digest(service.database)
    refuses_to_start(service)
    assert digest(service.database) == before


def test_a_database_of_a_later_version_is_refused_and_left_as_it_is(workshop):
    service = workshop.daemon(CONFIG)
    service.stop()
    with sqlite3.connect(service.database) as newer:
        version = newer.execute("pragma user_version").fetchone()[0]
        newer.execute(f"pragma user_version = {version + 1000}")
    newer.close()
    if version == 0:
        pytest.skip("the schema's version is not kept in user_version")
    before = digest(service.database)
    refuses_to_start(service)
    assert digest(service.database) == before


def test_an_empty_file_is_a_new_database(workshop):
    service = workshop.daemon(CONFIG, start=False, fresh=True)
    service.database.touch()
    service.start()
    assert service.client().get(ID).status == 200


def test_a_database_that_is_a_directory_is_refused(workshop):
    service = workshop.daemon(CONFIG, start=False, fresh=True)
    service.database.mkdir()
    refuses_to_start(service)


def test_a_missing_directory_is_refused_or_made_but_never_silently_elsewhere(workshop):
    service = workshop.daemon(None, start=False, fresh=True)
    service.database = service.directory / "missing" / "telltale.db"
    service.write_config(CONFIG)
    service.allow_errors(".")
    service.spawn()
    code = wire.wait_until(lambda: service.process.poll() is not None or answers(service), "a sign")
    if service.process.poll() is not None:
        assert code and service.process.returncode == 1
        service.process = None
        assert "telltale.db" in service.log() or "missing" in service.log()
    else:
        assert service.database.exists()


def answers(service):
    try:
        service.client().connect().close()
        return True
    except OSError:
        return False


def test_the_database_is_its_owners_alone(workshop):
    service = workshop.daemon(CONFIG)
    for path in service.directory.glob("telltale.db*"):
        assert path.stat().st_mode & 0o077 == 0, path


def test_the_database_is_a_sound_sqlite_database_after_kill_9(workshop):
    service = workshop.daemon(CONFIG)
    service.cli("options", "web-1", "--http-tokens", "required").ok()
    service.kill9()
    with sqlite3.connect(service.database) as check:
        assert check.execute("pragma integrity_check").fetchall() == [("ok",)]
    check.close()
    service.start()
    service.stop()
    with sqlite3.connect(service.database) as check:
        assert check.execute("pragma integrity_check").fetchall() == [("ok",)]
    check.close()


@pytest.fixture
def mounts(workshop):
    return workshop.namespace(network=False)


def stored_apart(workshop, mounts):
    """A daemon in the mount namespace whose database has a directory of its own."""
    service = workshop.daemon(None, start=False, fresh=True, prefix=mounts.prefix)
    store = service.directory / "store"
    store.mkdir()
    service.database = store / "telltale.db"
    service.write_config(CONFIG)
    return service, store


def test_a_read_only_directory_is_refused_at_start(workshop, mounts):
    service, store = stored_apart(workshop, mounts)
    mounts.run("mount", "--bind", store, store)
    mounts.run("mount", "-o", "remount,bind,ro,nosuid,nodev", store)
    refuses_to_start(service)
    assert list(store.iterdir()) == []


def test_a_read_only_database_is_refused_at_start_and_left_as_it_is(workshop, mounts):
    service, store = stored_apart(workshop, mounts)
    service.start()
    service.cli("options", "web-1", "--http-tokens", "required").ok()
    service.stop()
    before = {path.name: digest(path) for path in store.iterdir()}
    mounts.run("mount", "--bind", store, store)
    mounts.run("mount", "-o", "remount,bind,ro,nosuid,nodev", store)
    refuses_to_start(service)
    assert {path.name: digest(path) for path in store.iterdir()} == before
    mounts.run("umount", store)
    service.start()
    assert service.client().get(ID).status == 401


def test_a_full_disk_is_refused_at_start(workshop, mounts):
    service, store = stored_apart(workshop, mounts)
    mounts.run("mount", "-t", "tmpfs", "-o", "size=16k,mode=700", "tmpfs", store)
    mounts.run("sh", "-c", f"head -c 12288 /dev/zero >{store}/filler; test -s {store}/filler")
    refuses_to_start(service)


def test_on_a_disk_that_fills_up_changes_are_refused_and_guests_are_served(workshop, mounts):
    service, store = stored_apart(workshop, mounts)
    mounts.run("mount", "-t", "tmpfs", "-o", "size=4m,mode=700", "tmpfs", store)
    service.start()
    service.allow_errors("(?i)full|no space|disk|store|telltale.db")
    caller = service.client()
    service.cli("options", "web-1", "--http-put-response-hop-limit", "2").ok()
    mounts.run("sh", "-c", f"cat /dev/zero >{store}/filler 2>/dev/null; test -s {store}/filler")

    # What is left of pages that are already there may take a few changes more. A change that is
    # acknowledged counts; the first one that is not must change nothing, and say so in one line.
    acknowledged, refused = 2, None
    for limit in range(3, 65):
        result = service.cli("options", "web-1", "--http-put-response-hop-limit", str(limit))
        if result.code != 0:
            refused = result
            break
        acknowledged = limit
    if refused is None:
        big = service.directory / "big.yaml"
        big.write_text(
            "[" + ", ".join(
                f"{{name: big-{n}, match: {{addresses: [127.8.0.{n}]}}, userData: '{'x' * 16000}'}}"
                for n in range(1, 250)
            ) + "]"
        )  # fmt: skip
        refused = service.cli("instance", "put", big)
    refused.refused()

    def limit_now():
        import json

        shown = json.loads(service.cli("options", "web-1", "--json").ok().out)
        return shown.get("metadataOptions", shown)["httpPutResponseHopLimit"]

    assert limit_now() == acknowledged
    with caller.connect() as conn:
        token = conn.put_token()
        assert conn.get(ID, token).status == 200
    assert service.client("127.0.0.12").get(ID).status == 200

    mounts.run("rm", f"{store}/filler")
    service.cli("options", "web-1", "--http-tokens", "required").ok()
    assert service.client().get(ID).status == 401
    service.kill9()
    service.start()
    assert limit_now() == acknowledged
    assert service.client().get(ID).status == 401
    assert service.client().get(ID, token).status == 200
