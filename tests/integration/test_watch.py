"""A watched folder of instances: files come, change and go while guests are served."""

import json
import os
import re
import signal

import pytest
import yaml

import samples
import wire

ID = "/latest/meta-data/instance-id"
ZONE = "/latest/meta-data/placement/availability-zone"
WRONG = "a file is wrong"


class Folder:
    """A folder of instance files, each with one instance at 127.0.0.N."""

    def __init__(self, path):
        self.path = path
        path.mkdir()

    def text(self, number, **facts):
        spec = samples.plain(f"guest-{number}", f"127.0.0.{number}", **facts)
        return yaml.safe_dump(spec, sort_keys=False)

    def write(self, number, **facts):
        """In place."""
        path = self.path / f"guest-{number}.yaml"
        path.write_text(self.text(number, **facts))
        return path

    def replace(self, number, **facts):
        """As a careful writer does it."""
        scratch = self.path / f".guest-{number}.new"
        scratch.write_text(self.text(number, **facts))
        scratch.rename(self.path / f"guest-{number}.yaml")


@pytest.fixture
def folder(workshop, tmp_path):
    return Folder(tmp_path / "instances.d")


@pytest.fixture
def service(workshop, folder):
    folder.write(11)
    return workshop.daemon({"instances": str(folder.path)})


def names(service):
    shown = json.loads(service.cli("instance", "list", "--json").ok().out)
    return [one["name"] for one in shown["instances"]]


def status(service, number):
    return service.client(f"127.0.0.{number}").get(ID).status


def zone(service, number):
    reply = service.client(f"127.0.0.{number}").get(ZONE)
    return reply.text if reply.status == 200 else None


def comes(service, number):
    wire.wait_until(lambda: status(service, number) == 200, f"guest-{number} to be there")


def goes(service, number):
    wire.wait_until(lambda: status(service, number) == 404, f"guest-{number} to be gone")


def lines(service, text, mark=0):
    return [line for line in service.log()[mark:].splitlines() if text in line]


def says(service, text, times=1, mark=0):
    wire.wait_until(lambda: len(lines(service, text, mark)) >= times, f"a line with {text!r}")
    found = lines(service, text, mark)
    assert len(found) == times, found
    return found[-1]


def passes_a_look(service, folder, number=99):
    """Wait until the folder was looked at, by a guest that comes and goes: no fixed time."""
    path = folder.write(number)
    comes(service, number)
    path.unlink()
    goes(service, number)


def test_a_file_appears_and_the_guest_exists(service, folder):
    assert status(service, 12) == 404
    folder.write(12)
    comes(service, 12)
    folder.replace(13)
    comes(service, 13)
    assert names(service) == ["guest-11", "guest-12", "guest-13"]


def test_a_file_changes_and_so_does_the_guest(service, folder):
    with service.client("127.0.0.11").connect() as conn:
        token = conn.put_token()
        folder.write(11, location={"availabilityZone": "us-west-2b"})
        wire.wait_until(lambda: zone(service, 11) == "us-west-2b", "a change in place")
        folder.replace(11, location={"availabilityZone": "us-west-2c"})
        wire.wait_until(lambda: zone(service, 11) == "us-west-2c", "a renamed file")
        assert conn.get(ID, token).status == 200


def test_a_file_goes_and_the_guest_is_gone_and_named(service, folder):
    folder.write(12)
    comes(service, 12)
    with service.client("127.0.0.12").connect() as conn:
        (folder.path / "guest-12.yaml").unlink()
        goes(service, 12)
        assert conn.get(ID).status == 404
    assert "instance=guest-12" in says(service, "has left its file")
    (folder.path / "guest-11.yaml").rename(folder.path.parent / "elsewhere.yaml")
    goes(service, 11)
    assert names(service) == []


def test_a_renamed_file_is_the_same_guest(service, folder):
    before = service.client("127.0.0.11").get(ID).value("Last-Modified")
    service.cli("options", "guest-11", "--http-put-response-hop-limit", "7").ok()
    (folder.path / "guest-11.yaml").rename(folder.path / "other.yml")
    passes_a_look(service, folder)
    assert status(service, 11) == 200 and before
    shown = json.loads(service.cli("options", "guest-11", "--json").ok().out)
    assert shown.get("metadataOptions", shown)["httpPutResponseHopLimit"] == 7
    (folder.path / "other.yml").unlink()
    goes(service, 11)


def test_names_that_are_no_instances_are_ignored(service, folder):
    for name in (".guest-12.yaml", ".guest-12.yaml.swp", "guest-12.yaml~", "guest-12.txt", "4913"):
        (folder.path / name).write_text(folder.text(12))
    (folder.path / "sub.d").mkdir()
    (folder.path / "sub.d" / "guest-12.yaml").write_text(folder.text(12))
    passes_a_look(service, folder)
    assert names(service) == ["guest-11"]
    assert not lines(service, WRONG)


def test_a_file_that_is_being_written_is_not_read(service, folder):
    """Half of it would be a guest as well, another one."""
    text = folder.text(12) + "tags: {half: other}\n"
    half = text.index("blueprintId")
    with open(folder.path / "guest-12.yaml", "w", encoding="utf-8") as file:
        file.write(text[:half])
        file.flush()
        passes_a_look(service, folder)
        assert status(service, 12) == 404
        file.write(text[half:])
    comes(service, 12)
    assert not lines(service, WRONG)


def test_a_half_written_file_changes_nothing_until_it_is_whole(service, folder):
    service.allow_errors(WRONG)
    (folder.path / "guest-11.yaml").write_text("name: guest-11\nmatch: {addresses: [127.0")
    line = says(service, WRONG)
    assert re.search(r"guest-11\.yaml:\d+:\d+: ", line)
    assert status(service, 11) == 200
    (folder.path / "guest-11.yaml").write_text("")
    says(service, WRONG, 2)
    assert status(service, 11) == 200
    folder.write(11, location={"availabilityZone": "us-west-2b"})
    wire.wait_until(lambda: zone(service, 11) == "us-west-2b", "the whole file")
    says(service, "a file is right again")


def test_a_wrong_file_is_told_once_and_does_not_hold_up_others(service, folder):
    service.allow_errors(WRONG)
    path = folder.write(12)
    comes(service, 12)
    path.write_text(folder.text(12) + "colour: blue\n")
    line = says(service, WRONG)
    assert re.search(r"guest-12\.yaml:\d+:1: ", line) and "colour" in line
    folder.write(13)
    comes(service, 13)
    (folder.path / "guest-11.yaml").unlink()
    goes(service, 11)
    assert status(service, 12) == 200
    assert len(lines(service, WRONG)) == 1
    path.write_text(folder.text(12) + "colours: blue\n")
    says(service, WRONG, 2)
    path.unlink()
    goes(service, 12)


def test_wrong_from_the_beginning_then_right(service, folder):
    service.allow_errors(WRONG)
    path = folder.path / "guest-12.yaml"
    path.write_text("name: guest-12\nmatch: {address: [127.0.0.12]}\n")
    assert "guest-12.yaml:2:9" in says(service, WRONG)
    assert status(service, 12) == 404
    folder.write(12)
    comes(service, 12)


def test_files_that_claim_the_same(service, folder):
    """Whoever had it keeps it; the other is wrong, and comes when the first is gone."""
    service.allow_errors(WRONG)
    same_name = folder.path / "a-copy.yaml"
    same_name.write_text(folder.text(11))
    assert re.search(r"a-copy\.yaml:1:\d+: .*guest-11.* already, at .*guest-11\.yaml", says(service, WRONG))
    same_address = folder.path / "thief.yaml"
    same_address.write_text(folder.text(11).replace("guest-11", "thief"))
    folder.write(13)
    comes(service, 13)
    line = says(service, WRONG, 2)
    assert "thief.yaml:1:" in line and "127.0.0.11" in line
    assert names(service) == ["guest-11", "guest-13"]
    same_name.unlink()
    (folder.path / "guest-11.yaml").unlink()
    wire.wait_until(lambda: names(service) == ["guest-13", "thief"], "the address to be free")
    assert status(service, 11) == 200


def test_guests_change_places_between_files(service, folder):
    folder.write(12)
    comes(service, 12)
    first = (folder.path / "guest-11.yaml").read_text()
    second = (folder.path / "guest-12.yaml").read_text()
    before = service.client("127.0.0.11").text(ID)
    (folder.path / "guest-11.yaml").write_text(second)
    (folder.path / "guest-12.yaml").write_text(first)
    (folder.path / "guest-11.yaml").write_text(first.replace("127.0.0.11", "127.0.0.12"))
    (folder.path / "guest-12.yaml").write_text(second.replace("127.0.0.12", "127.0.0.11"))
    wire.wait_until(
        lambda: service.client("127.0.0.12").get(ID).text == before, "the addresses to be swapped"
    )
    assert names(service) == ["guest-11", "guest-12"]
    assert not lines(service, "has left its file")


def test_changes_beside_one_that_cannot_be(service, folder):
    """All of it at once: an address goes from the last file to the first, and one file is renamed."""
    service.allow_errors(WRONG)
    folder.write(12)
    comes(service, 12)
    service.cli("options", "guest-11", "--http-put-response-hop-limit", "7").ok()
    (folder.path / "a-first.yaml").write_text(folder.text(12).replace("guest-12", "first"))
    (folder.path / "d-thief.yaml").write_text(folder.text(11).replace("guest-11", "thief"))
    (folder.path / "guest-12.yaml").write_text(folder.text(12).replace("127.0.0.12", "127.0.0.13"))
    (folder.path / "guest-11.yaml").rename(folder.path / "c-renamed.yaml")
    comes(service, 13)
    assert names(service) == ["first", "guest-11", "guest-12"]
    assert "d-thief.yaml" in says(service, WRONG)
    shown = json.loads(service.cli("options", "guest-11", "--json").ok().out)
    assert shown.get("metadataOptions", shown)["httpPutResponseHopLimit"] == 7


def test_a_renamed_file_that_cannot_be_keeps_its_guest(service, folder):
    service.allow_errors(WRONG)
    folder.write(12)
    comes(service, 12)
    scratch = folder.path / ".scratch"
    scratch.write_text(folder.text(11).replace("127.0.0.11", "127.0.0.12"))
    scratch.rename(folder.path / "other.yaml")
    (folder.path / "guest-11.yaml").unlink()
    assert "other.yaml" in says(service, WRONG)
    assert status(service, 11) == 200
    (folder.path / "other.yaml").unlink()
    goes(service, 11)


def test_a_live_change_is_not_undone(service, folder):
    service.cli("options", "guest-11", "--http-tokens", "required").ok()
    folder.write(11, location={"availabilityZone": "us-west-2b"})
    token = service.client("127.0.0.11").put_token

    def moved():
        return service.client("127.0.0.11").get(ZONE, token()).text == "us-west-2b"

    wire.wait_until(moved, "the change of the file")
    assert status(service, 11) == 401
    service.restart()
    assert status(service, 11) == 401


def test_instances_of_the_api_are_left_alone(service, folder, tmp_path):
    live = tmp_path / "live.yaml"
    live.write_text(folder.text(41))
    service.cli("instance", "put", live).ok()
    passes_a_look(service, folder)
    (folder.path / "guest-11.yaml").unlink()
    goes(service, 11)
    assert names(service) == ["guest-41"]


def test_a_file_with_many_instances(service, folder):
    specs = [samples.plain(f"many-{n}", f"127.0.1.{n}") for n in range(20)]
    path = folder.path / "many.json"
    path.write_text(json.dumps(specs))
    wire.wait_until(lambda: len(names(service)) == 21, "all of the file")
    path.write_text(json.dumps({"instances": specs[5:]}))
    wire.wait_until(lambda: len(names(service)) == 16, "five to go")
    path.unlink()
    wire.wait_until(lambda: names(service) == ["guest-11"], "all to go")


def test_many_files_at_once(service, folder):
    for number in range(50):
        (folder.path / f"many-{number:03}.yaml").write_text(
            yaml.safe_dump(samples.plain(f"many-{number:03}", f"127.0.2.{number}"))
        )
    wire.wait_until(lambda: len(names(service)) == 51, "fifty more")
    assert len(lines(service, "msg=instances")) < 20, "not a look for each"
    for path in folder.path.glob("many-*"):
        path.unlink()
    wire.wait_until(lambda: names(service) == ["guest-11"], "fifty less")


def test_more_changes_than_the_queue_holds(service, folder):
    """The daemon stands still while they are made, so that the kernel drops some of them."""
    most = int(open("/proc/sys/fs/inotify/max_queued_events", encoding="ascii").read())
    if most > 40000:
        pytest.skip(f"A QUEUE OF {most} EVENTS, NOT TESTED")
    os.kill(service.process.pid, signal.SIGSTOP)
    try:
        scratch = [folder.path / ".scratch-1", folder.path / ".scratch-2"]
        for _ in range(most // 4 + 1):
            for path in scratch:
                os.close(os.open(path, os.O_CREAT | os.O_WRONLY))
                path.unlink()
        folder.write(12)
        (folder.path / "guest-11.yaml").unlink()
    finally:
        os.kill(service.process.pid, signal.SIGCONT)
    comes(service, 12)
    goes(service, 11)
    assert not lines(service, WRONG)


def test_a_folder_that_is_replaced_by_another(service, folder):
    service.allow_errors("can't look at the instances")  # for a moment there is none
    new = Folder(folder.path.with_suffix(".new"))
    new.write(12)
    folder.path.rename(folder.path.with_suffix(".old"))
    new.path.rename(folder.path)
    comes(service, 12)
    goes(service, 11)
    folder.write(13)
    comes(service, 13)


def test_a_folder_behind_a_link_that_is_swapped(workshop, tmp_path):
    first, second = Folder(tmp_path / "first"), Folder(tmp_path / "second")
    first.write(11)
    second.write(12)
    link = tmp_path / "instances.d"
    link.symlink_to("first")
    service = workshop.daemon({"instances": str(link)})
    comes(service, 11)
    scratch = tmp_path / "scratch"
    scratch.symlink_to("second")
    scratch.rename(link)
    comes(service, 12)
    goes(service, 11)
    second.write(13)
    comes(service, 13)


def test_a_folder_that_is_away_keeps_its_guests(service, folder):
    service.allow_errors("can't look at the instances")
    away = folder.path.with_suffix(".away")
    folder.path.rename(away)
    line = says(service, "can't look at the instances")
    assert str(folder.path) in line
    assert status(service, 11) == 200
    Folder(away.with_suffix(".other")).path.rename(folder.path)
    goes(service, 11)
    folder.path.rename(away.with_suffix(".other"))
    away.rename(folder.path)
    comes(service, 11)


def test_links_in_the_folder(service, folder, tmp_path):
    (tmp_path / "elsewhere.yaml").write_text(folder.text(12))
    (folder.path / "guest-12.yaml").symlink_to(tmp_path / "elsewhere.yaml")
    comes(service, 12)
    (tmp_path / "hard.yaml").write_text(folder.text(13))
    (folder.path / "guest-13.yaml").hardlink_to(tmp_path / "hard.yaml")
    comes(service, 13)
    (folder.path / "guest-12.yaml").unlink()
    goes(service, 12)


def test_what_a_file_names_is_read_when_the_file_changes(service, folder):
    (folder.path / "data").write_text("first")
    folder.write(12, userDataFile="data")
    comes(service, 12)
    caller = service.client("127.0.0.12")
    assert caller.text("/latest/user-data") == "first"
    (folder.path / "data").write_text("second")
    (folder.path / "guest-12.yaml").touch()
    folder.write(12, userDataFile="data")
    wire.wait_until(lambda: caller.text("/latest/user-data") == "second", "the other user data")


def test_a_fifo_in_the_folder_holds_up_nobody(service, folder):
    service.allow_errors(WRONG)
    os.mkfifo(folder.path / "pipe.yaml")
    (folder.path / "pipe.yaml").rename(folder.path / "fifo.yaml")
    assert "fifo.yaml" in says(service, WRONG)
    folder.write(12)
    comes(service, 12)


def test_files_and_folders_of_the_command_line(workshop, folder, tmp_path):
    folder.write(11)
    other = Folder(tmp_path / "other.d")
    single = tmp_path / "single.yaml"
    single.write_text(folder.text(21))
    service = workshop.daemon({"instances": []}, start=False)
    service.start(
        "serve", "-c", service.config_path,
        "--instances", folder.path, "--instances", single, "--instances", other.path,
    )  # fmt: skip
    assert names(service) == ["guest-11", "guest-21"]
    other.write(31)
    comes(service, 31)
    scratch = tmp_path / ".scratch"
    scratch.write_text(folder.text(22))
    scratch.rename(single)
    comes(service, 22)
    goes(service, 21)
    single.write_text(folder.text(23))
    comes(service, 23)
    service.allow_errors("can't look at the instances")
    single.unlink()
    assert "single.yaml" in says(service, "can't look at the instances")
    assert names(service) == ["guest-11", "guest-23", "guest-31"]
    single.write_text(folder.text(24))
    comes(service, 24)
    goes(service, 23)


def test_a_file_behind_a_link(workshop, folder, tmp_path):
    target = folder.write(11)
    link = tmp_path / "instances.yaml"
    link.symlink_to(target)
    service = workshop.daemon({"instances": str(link)})
    assert names(service) == ["guest-11"]
    target.write_text(folder.text(12))
    comes(service, 12)


def test_sighup_still_works(service, folder):
    folder.write(12)
    comes(service, 12)
    log = service.reload(lambda: "msg=reloaded" in service.log())
    assert "has left" not in log
    assert names(service) == ["guest-11", "guest-12"]
    service.write_config({"instances": [samples.plain("inline", "127.0.0.51")]})
    service.reload(lambda: status(service, 51) == 200)
    assert names(service) == ["inline"]
    says(service, "has left its file", 2)
    other = Folder(folder.path.with_suffix(".other"))
    other.write(61)
    service.write_config({"instances": str(other.path)})
    service.reload(lambda: status(service, 61) == 200)
    other.write(62)
    comes(service, 62)
    folder.write(13)
    passes_a_look(service, other)
    assert names(service) == ["guest-61", "guest-62"]


def test_sighup_with_a_wrong_file_changes_nothing_and_watching_goes_on(service, folder):
    service.allow_errors(f"{WRONG}|reload failed")
    (folder.path / "guest-12.yaml").write_text("nonsense: 1\n")
    says(service, WRONG)
    service.reload(lambda: lines(service, "reload failed"))
    folder.write(13)
    comes(service, 13)
    folder.write(12)
    comes(service, 12)
    assert names(service) == ["guest-11", "guest-12", "guest-13"]


def test_a_wrong_file_stops_the_start(workshop, folder):
    (folder.path / "guest-12.yaml").write_text("name: guest-12\ncolour: blue\n")
    service = workshop.daemon({"instances": str(folder.path)}, start=False)
    service.allow_errors("guest-12")
    code, log = service.fails_to_start()
    assert code == 1 and "guest-12.yaml:2:1" in log


def test_what_changed_while_the_daemon_was_down(service, folder):
    folder.write(12)
    comes(service, 12)
    service.stop()
    (folder.path / "guest-11.yaml").unlink()
    folder.write(12, location={"availabilityZone": "us-west-2b"})
    folder.write(13)
    service.start()
    assert names(service) == ["guest-12", "guest-13"]
    assert zone(service, 12) == "us-west-2b"


def test_the_number_of_instances_is_shown(service, folder):
    folder.write(12)
    comes(service, 12)

    def shown():
        settings = json.loads(service.cli("config", "show", "--json").ok().out)["settings"]
        return next(one["value"] for one in settings if one["name"] == "instances")

    wire.wait_until(lambda: shown() == 2, "both to be counted")
