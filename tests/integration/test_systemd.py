"""What a service manager sees and gives: readiness, reloads, the watchdog, sockets of its own."""

import os
import signal
import socket
import time

import pytest

import daemon as daemon_module
import samples
from daemon import error_lines
from managed import Manager, frozen, hand_down, listening, sockets_at, threads

ID = "/latest/meta-data/instance-id"
TWO = {"workers": 2, "instances": [samples.plain()]}


@pytest.fixture
def service(workshop):
    return workshop.daemon(TWO, start=False)


@pytest.fixture
def managed(service):
    """A daemon that has a manager, and is not started yet."""
    made = []

    def manage(**options):
        made.append(Manager(service, **options))
        return made[-1]

    yield manage
    for manager in made:
        manager.close()


# --- what it says ------------------------------------------------------------------------------


@pytest.mark.parametrize("abstract", [False, True])
def test_ready_is_said_when_guests_are_answered(service, managed, abstract):
    manager = managed(abstract=abstract)
    service.spawn()
    assert manager.message() == {"READY": "1", "STATUS": "Serving 1 instance"}
    assert service.client().get(ID).status == 200  # at the first try
    assert service.control_get("/readyz").status == 200
    service.terminate()
    assert manager.message()["STOPPING"] == "1"
    assert service.wait_end() == 0
    assert manager.heard() == []


def test_a_reload_begins_and_ends(service, managed):
    manager = managed()
    service.start()
    manager.until("READY")
    two = dict(TWO, instances=[samples.plain(), samples.plain("web-2", "127.0.0.12")])
    service.write_config(two)
    before = time.monotonic()
    service.process.send_signal(signal.SIGHUP)
    begun = manager.message()
    assert begun["RELOADING"] == "1"
    assert before * 1e6 - 1 <= int(begun["MONOTONIC_USEC"]) <= time.monotonic() * 1e6
    assert manager.message() == {"READY": "1", "STATUS": "Serving 2 instances"}
    assert service.client("127.0.0.12").get(ID).status == 200


def test_a_reload_that_fails_ends_too_and_says_why(service, managed):
    service.allow_errors("reload failed")
    manager = managed()
    service.start()
    manager.until("READY")
    service.write_config_text("instances: [")
    service.process.send_signal(signal.SIGHUP)
    assert manager.message()["RELOADING"] == "1"
    ended = manager.message()
    assert ended["READY"] == "1"
    assert "reload failed" in ended["STATUS"] and "telltale.yaml:2:" in ended["STATUS"]
    assert service.client().get(ID).status == 200


def test_nobody_is_told_without_a_manager(service):
    service.start()
    assert service.client().get(ID).status == 200


def test_a_manager_that_can_not_be_reached_is_said_in_one_line(service):
    service.env["NOTIFY_SOCKET"] = "somewhere"
    service.allow_errors("NOTIFY_SOCKET")
    code, log = service.fails_to_start()
    assert code == 1
    (line,) = error_lines(log)
    assert "NOTIFY_SOCKET" in line


# --- the watchdog ------------------------------------------------------------------------------


def test_the_watchdog_gets_its_signs_of_life(service, managed):
    manager = managed(WATCHDOG_USEC="2000000")
    service.start()
    manager.until("READY")
    manager.until("WATCHDOG")
    first = time.monotonic()
    manager.until("WATCHDOG")
    # Half of the time that it has.
    assert 0.5 < time.monotonic() - first < 2.0


def test_another_process_watchdog_gets_none(service, managed):
    manager = managed(WATCHDOG_USEC="2000", WATCHDOG_PID=str(os.getpid()))
    service.start()
    service.process.send_signal(signal.SIGHUP)
    heard = manager.until("RELOADING") + manager.until("READY")
    assert not any("WATCHDOG" in message for message in heard), heard


def test_a_worker_that_hangs_is_not_hidden(service, managed):
    service.allow_errors("workers hang")
    manager = managed(WATCHDOG_USEC="400000")
    service.start()
    manager.until("WATCHDOG")
    for name in ("data-0", "data-1"):
        at = len(service.log())
        with frozen(threads(service.process.pid)[name]):
            wait_for_log(service, "workers hang", at)
            manager.heard()
            # The main thread turns, as a reload shows; the watchdog hears nothing all the same.
            end = time.monotonic() + 1.0  # five signs of life
            while time.monotonic() < end:
                service.process.send_signal(signal.SIGHUP)
                between = manager.until("RELOADING") + manager.until("READY")
                assert not any("WATCHDOG" in message for message in between), between
        manager.until("WATCHDOG")
    assert service.client().get(ID).status == 200


def wait_for_log(service, text, at):
    end = time.monotonic() + 20
    while text not in service.log()[at:]:
        assert time.monotonic() < end, f"no {text!r} in the log"
        time.sleep(0.02)


# --- sockets that are there already ---------------------------------------------------------------


def test_all_workers_share_a_socket_that_is_handed_down(service):
    with listening("127.0.0.1", service.port) as ours:
        hand_down(service, ours)
        service.start()
        assert len(sockets_at(service.port)) == 1
        assert "inherited" not in service.log()
        # Whichever of the two hangs, the other answers from the same queue.
        tids = threads(service.process.pid)
        for name in ("data-0", "data-1"):
            with frozen(tids[name]):
                for _ in range(20):
                    assert service.client().get(ID).status == 200


def test_callers_wait_while_the_service_is_started_again(service):
    with listening("127.0.0.1", service.port) as ours:
        hand_down(service, ours)
        service.start()
        assert service.client().get(ID).status == 200
        service.stop()
        with service.client().connect() as waiting:
            waiting.send(f"GET {ID} HTTP/1.1\r\nHost: a\r\n\r\n".encode())
            service.start()
            assert waiting.read_reply().status == 200


def test_control_sockets_are_handed_down(service):
    with socket.socket(socket.AF_UNIX) as door, listening("127.0.0.1", service.control_port) as ours:
        door.bind(str(service.socket_path))
        door.listen(8)
        hand_down(service, door, ours)
        service.start()
        assert len(sockets_at(service.control_port)) == 1
        assert "web-1" in service.cli("instance", "list").ok().out
        service.stop()
        assert service.socket_path.exists()  # it is the manager's
        service.start()
        assert "web-1" in service.cli("instance", "list").ok().out


def test_a_socket_that_no_setting_names_is_told_and_closed(service):
    other = daemon_module.free_port()
    with listening("127.0.0.1", other) as ours:
        hand_down(service, ours)
        service.start()
        assert 'msg="inherited sockets that no setting names are not served" sockets=1' in service.log()
        inodes = {os.readlink(f"/proc/{service.process.pid}/fd/{fd}")
                  for fd in os.listdir(f"/proc/{service.process.pid}/fd")}
        assert not any(inode in text for inode in sockets_at(other) for text in inodes)
        assert service.client().get(ID).status == 200


def test_what_is_no_socket_is_said_in_one_line(service):
    read, write = os.pipe()
    with open(read, "rb") as pipe, open(write, "wb"):
        hand_down(service, pipe)
        service.allow_errors("LISTEN_FDS")
        code, log = service.fails_to_start()
    assert code == 1
    (line,) = error_lines(log)
    assert "LISTEN_FDS: descriptor 3 is no listening stream socket" in line
