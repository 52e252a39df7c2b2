"""Interfaces that come and go while the daemon runs, and the listeners at them."""

import os
import re

import pytest

import hosts
import samples
import wire
from daemon import error_lines, run_binary
from hosts import ID, LINK_LOCAL, LINK_LOCAL_6, MAC_1, MAC_2, Guest
from wire import assert_404

pytestmark = hosts.NEEDS_IP

MANY = 150


def at(name, address, **match):
    match = {"addresses": [address], **match}
    return samples.plain(name, address, match=match)


def listen_on(interface, **more):
    return {"address": LINK_LOCAL, "port": 80, "interface": interface, "setUp": True, **more}


def is_heard(host, interface, address=LINK_LOCAL):
    return f"{address}%{interface}:80" in hosts.listening(host)


def wait_heard(host, interface, address=LINK_LOCAL):
    wire.wait_until(lambda: is_heard(host, interface, address), f"a listener at {interface}")


def wait_silent(host, interface):
    wire.wait_until(lambda: not is_heard(host, interface), f"no listener at {interface}")


def make_guest(workshop, host, name, mac=MAC_1, address="172.26.2.11"):
    guest = Guest(workshop, host, name, address, mac)
    host.run("ip", "route", "replace", address, "dev", name)
    return guest


@pytest.fixture
def host(workshop):
    return hosts.make_host(workshop)


def test_a_listener_comes_and_goes_with_its_tap(workshop, host):
    service = hosts.serve(workshop, host, [listen_on("tap1")], [at("web-1", "172.26.2.11")])
    lines = re.findall(r".*waiting for an interface.*", service.log())
    assert len(lines) == 1
    assert "level=warn" in lines[0] and "interface=tap1" in lines[0]
    assert not is_heard(host, "tap1")
    guest = make_guest(workshop, host, "tap1")
    wait_heard(host, "tap1")
    assert hosts.addresses(host, "tap1") == {f"{LINK_LOCAL}/32"}
    first = guest.client().text(ID)
    for _ in range(3):
        with guest.client().connect() as conn:
            assert conn.get(ID).status == 200
            guest.unplug()
            wait_silent(host, "tap1")
            # What came by it is gone with it, though no packet says so.
            service.wait_metric(lambda m: m.sum("telltale_connections") == 0, "it is cut off")
        guest.plug()
        host.run("ip", "route", "replace", "172.26.2.11", "dev", "tap1")
        wait_heard(host, "tap1")
        assert guest.client().text(ID) == first
    assert len(re.findall("waiting for an interface", service.log())) == 1


def test_a_real_tap(workshop, host):
    service = hosts.serve(workshop, host, [listen_on("tap1")], [])
    for _ in range(3):
        try:
            host.run("ip", "tuntap", "add", "tap1", "mode", "tap")
        except RuntimeError as why:
            pytest.skip(f"NO TAPS HERE, NOT TESTED: {why}")
        wait_heard(host, "tap1")
        host.run("ip", "link", "set", "tap1", "up")
        host.run("ip", "link", "set", "tap1", "down")
        assert is_heard(host, "tap1")
        host.run("ip", "tuntap", "delete", "tap1", "mode", "tap")
        wait_silent(host, "tap1")
    assert "level=warn src=listen msg=\"can't" not in service.log()


def test_one_line_has_a_listener_at_each_tap_of_a_kind(workshop, host):
    """Guests with the same address, each at a tap of its own, are told apart by it."""
    one = make_guest(workshop, host, "tap-1", MAC_1)
    instances = [at(f"web-{n}", "172.26.2.11", interface=f"tap-{n}") for n in (1, 2)]
    host.run("ip", "link", "add", "other0", "type", "veth", "peer", "name", "other1")
    service = hosts.serve(workshop, host, [listen_on("tap-*")], instances)
    wait_heard(host, "tap-1")
    two = Guest(workshop, host, "tap-2", "172.26.2.11", MAC_2)
    wait_heard(host, "tap-2")
    # Replies leave by the interface that the socket is bound to.
    host.run("ip", "route", "add", "172.26.2.11", "dev", "tap-2", "metric", "7")
    first, second = one.client().text(ID), two.client().text(ID)
    assert first != second
    assert one.client().get(ID, two.client().put_token()).status == 401
    assert not is_heard(host, "other0")
    assert hosts.addresses(host, "other0") == set()
    assert "waiting for an interface" not in service.log()
    two.unplug()
    wait_silent(host, "tap-2")
    assert one.client().text(ID) == first


def test_an_address_at_another_tap_is_a_mismatch(workshop, host):
    instances = [at("web-1", "172.26.2.11", interface="tap-1")]
    service = hosts.serve(workshop, host, [listen_on("tap-*")], instances)
    thief = make_guest(workshop, host, "tap-2")
    wait_heard(host, "tap-2")
    assert_404(thief.client().get(ID))
    assert service.metrics().sum("telltale_identity_mismatch_total") == 1
    assert re.search(r"at another interface.* interface=tap-2", service.log())


def test_an_interface_that_is_renamed(workshop, host):
    guest = make_guest(workshop, host, "tap-1")
    service = hosts.serve(
        workshop, host, [listen_on("tap-*")], [at("web-1", "172.26.2.11", interface="tap-9")]
    )
    assert_404(guest.client().get(ID))
    host.run("ip", "link", "set", "tap-1", "down")
    host.run("ip", "link", "set", "tap-1", "name", "tap-9")
    host.run("ip", "link", "set", "tap-9", "up")
    host.run("ip", "route", "replace", "172.26.2.11", "dev", "tap-9")
    wait_heard(host, "tap-9")
    assert not is_heard(host, "tap-1")
    assert guest.client().get(ID).status == 200
    host.run("ip", "link", "set", "tap-9", "down")
    host.run("ip", "link", "set", "tap-9", "name", "mine")
    wait_silent(host, "tap-9")
    wire.wait_until(lambda: hosts.addresses(host, "mine") == set(), "the address is taken away")
    assert service.process.poll() is None


def test_an_address_that_somebody_gives_the_tap_later(workshop, host):
    """Without setUp the operator's own scripts do it, in whatever order."""
    listen = [
        {"address": LINK_LOCAL, "port": 80, "interface": "tap1"},
        {"address": LINK_LOCAL_6, "port": 80, "interface": "tap1"},
    ]
    service = hosts.serve(workshop, host, listen, [at("web-1", "172.26.2.11")])
    guest = make_guest(workshop, host, "tap1")
    hosts.wait_log(service, "Cannot assign requested address")
    assert not is_heard(host, "tap1")
    host.run("ip", "address", "add", f"{LINK_LOCAL}/32", "dev", "tap1")
    host.run("ip", "address", "add", f"{LINK_LOCAL_6}/128", "dev", "tap1")  # and the kernel looks
    wait_heard(host, "tap1")
    assert guest.client().get(ID).status == 200
    wait_heard(host, "tap1", f"[{LINK_LOCAL_6}]")


def test_an_interface_that_is_there_at_the_start_may_lack_its_address(workshop, host):
    guest = make_guest(workshop, host, "tap1")
    listen = [{"address": LINK_LOCAL, "port": 80, "interface": "tap1"}]
    service = hosts.serve(workshop, host, listen, [at("web-1", "172.26.2.11")])
    hosts.wait_log(service, "Cannot assign requested address")
    host.run("ip", "address", "add", f"{LINK_LOCAL}/32", "dev", "tap1")
    wait_heard(host, "tap1")
    assert guest.client().get(ID).status == 200


def test_the_first_entry_that_means_an_interface_has_it(workshop, host):
    listen = [
        listen_on("tap-1", network="special"),
        listen_on("tap-*", network="guests"),
    ]
    instances = [
        at("special", "172.26.2.11", network="special"),
        at("guest", "172.26.2.11", network="guests"),
    ]
    service = hosts.serve(workshop, host, listen, instances)
    one = make_guest(workshop, host, "tap-1")
    wait_heard(host, "tap-1")
    special = one.client().text(ID)
    one.unplug()
    two = make_guest(workshop, host, "tap-2", MAC_2)
    wait_heard(host, "tap-2")
    assert two.client().text(ID) != special
    assert "already in use" not in service.log()


def test_a_port_that_is_taken_while_the_daemon_runs_is_tried_again(workshop, host):
    """Also when there is no more news of the interface."""
    service = hosts.serve(workshop, host, [listen_on("tap1")], [])
    host.run("ip", "address", "add", f"{LINK_LOCAL}/32", "dev", "lo")
    other = host.socket()
    other.bind((LINK_LOCAL, 80))
    other.listen()
    host.run("ip", "link", "add", "tap1", "type", "bridge")
    hosts.wait_log(service, "Address already in use")
    wire.wait_until(
        lambda: hosts.addresses(host, "tap1") == {f"{LINK_LOCAL}/32"}, "its address is there"
    )
    assert not is_heard(host, "tap1")
    other.close()
    wait_heard(host, "tap1")


def test_a_port_that_is_taken_at_the_start_is_an_error(workshop, host):
    make_guest(workshop, host, "tap1")
    host.run("ip", "address", "add", f"{LINK_LOCAL}/32", "dev", "lo")
    other = host.socket()
    other.bind((LINK_LOCAL, 80))
    other.listen()
    service = hosts.prepare(workshop, host, [listen_on("tap1")], [])
    service.allow_errors("can't listen")
    code, log = service.fails_to_start()
    other.close()
    assert code == 1
    (line,) = error_lines(log)
    assert f"can't listen on {LINK_LOCAL}:80 at tap1: Address already in use" in line
    assert hosts.addresses(host, "tap1") == set(), "what was set up is taken away"


def descriptors(service):
    return len(os.listdir(f"/proc/{service.process.pid}/fd"))


def batch(host, tmp_path, lines):
    path = tmp_path / "batch"
    path.write_text("\n".join(lines) + "\n")
    host.run("ip", "-batch", str(path))


def test_many_that_come_and_go_at_once(workshop, host, tmp_path):
    """Also as fast as the kernel can: news may get lost, what is there is what counts."""
    service = hosts.serve(
        workshop, host, [listen_on("many*")], [at("web-1", "172.26.2.11")], workers=2
    )
    names = [f"many{n}" for n in range(MANY)]
    host.run("ip", "link", "add", "many-first", "type", "bridge")
    wait_heard(host, "many-first")  # sockets for questions to the kernel are open from now on
    before = descriptors(service)
    wanted = {f"{LINK_LOCAL}%{name}:80" for name in names}
    for _ in range(2):
        batch(host, tmp_path, [f"link add {name} group 7 type bridge" for name in names])
        wire.wait_until(lambda: wanted <= hosts.listening(host), "a listener at each")
        assert descriptors(service) == before + 2 * MANY
        host.run("ip", "link", "delete", "group", "7")
        wire.wait_until(lambda: descriptors(service) == before, "none is left")
    guest = make_guest(workshop, host, "many7")
    wait_heard(host, "many7")
    assert guest.client().get(ID).status == 200


def test_news_that_got_lost(workshop, host, tmp_path):
    """The daemon is stopped for so long that the kernel can't keep all news for it."""
    service = hosts.serve(workshop, host, [listen_on("many*")], [])
    batch(host, tmp_path, [f"link add many{n} type bridge" for n in range(20)])
    wait_heard(host, "many19")
    pid = service.process.pid
    os.kill(pid, 19)  # SIGSTOP
    try:
        batch(host, tmp_path, [f"link delete many{n}" for n in range(0, 20, 2)])
        flood = [f"link set many{n} {way}" for n in range(1, 20, 2) for way in ("up", "down")]
        for _ in range(20):
            batch(host, tmp_path, flood)
        batch(host, tmp_path, [f"link add many{n} type bridge" for n in range(20, 30)])
    finally:
        os.kill(pid, 18)  # SIGCONT
    wanted = {n for n in range(1, 20, 2)} | set(range(20, 30))

    def heard():
        found = re.findall(r"%many(\d+):80", " ".join(hosts.listening(host)))
        return {int(n) for n in found} == wanted

    wire.wait_until(heard, "what is there, and nothing else")


def test_a_daemon_that_drains_takes_no_new_interface(workshop, host):
    service = hosts.serve(workshop, host, [listen_on("tap*")], [at("web-1", "172.26.2.11")])
    guest = make_guest(workshop, host, "tap1")
    wait_heard(host, "tap1")
    with guest.client().connect() as conn:
        conn.send(b"GET /latest/meta-data/instance-id HT")
        service.terminate()
        wire.wait_until(lambda: not is_heard(host, "tap1"), "it drains")
        host.run("ip", "link", "add", "tap2", "type", "bridge")
        conn.send(b"TP/1.1\r\nHost: x\r\n\r\n")
        assert conn.read_reply().status == 200
    assert service.wait_end() == 0
    assert hosts.addresses(host, "tap1") == hosts.addresses(host, "tap2") == set()


def test_config_check_does_not_look_for_interfaces(workshop, host):
    service = hosts.prepare(workshop, host, [listen_on("nowhere0", netns="no-such")], [])
    result = run_binary("config", "check", service.config_path).ok()
    assert "ok (0 instances)" in result.out
