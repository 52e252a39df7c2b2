"""`setUp`: the daemon gives interfaces the addresses that it serves on, and takes its own away."""

import os
import pwd

import pytest

import hosts
import samples
import wire
from daemon import error_lines
from hosts import ID, LINK_LOCAL, LINK_LOCAL_6, MAC_1, NET_ADMIN, SYS_ADMIN, Guest

pytestmark = hosts.NEEDS_IP

BOTH = [f"{LINK_LOCAL}/32", f"{LINK_LOCAL_6}/128"]
INSTANCES = [
    samples.plain(
        "web-1", ["172.26.2.11", "2001:db8::11"], metadataOptions=samples.options()
    )
]


def listen_on(interface, **more):
    return [
        {"address": address, "port": 80, "interface": interface, "setUp": True, **more}
        for address in (LINK_LOCAL, LINK_LOCAL_6)
    ]


@pytest.fixture
def host(workshop):
    return hosts.make_host(workshop, ["br0"])


def test_a_bridge_has_its_addresses_while_the_daemon_runs(workshop, host):
    before = hosts.addresses(host, "br0")
    guest = Guest(workshop, host, "tap1", "172.26.2.11", MAC_1, "br0", address_6="2001:db8::11")
    service = hosts.serve(workshop, host, listen_on("br0"), INSTANCES)
    assert hosts.addresses(host, "br0") == before | set(BOTH)
    assert LINK_LOCAL_6 not in host.run("ip", "-6", "address", "show", "dev", "br0", "tentative")
    first = guest.client().text(ID)
    assert guest.client_6().text(ID) == first
    assert guest.client_6().get(ID, guest.client_6().put_token()).status == 200
    service.stop()
    assert hosts.addresses(host, "br0") == before


def test_what_somebody_else_has_set_up_stays(workshop, host):
    for address in BOTH:
        host.run("ip", "address", "add", address, "dev", "br0")
    host.run("ip", "address", "add", "169.254.7.7/16", "dev", "br0")
    before = hosts.addresses(host, "br0")
    guest = Guest(workshop, host, "tap1", "172.26.2.11", MAC_1, "br0", address_6="2001:db8::11")
    service = hosts.serve(workshop, host, listen_on("br0"), INSTANCES)
    # The kernel may still be looking whether anybody else has the IPv6 address.
    wire.wait_until(lambda: f"[{LINK_LOCAL_6}]%br0:80" in hosts.listening(host), "IPv6 listens")
    assert guest.client_6().text(ID) == guest.client().text(ID)
    assert hosts.addresses(host, "br0") == before
    service.stop()
    assert hosts.addresses(host, "br0") == before


def test_after_a_kill_the_next_daemon_knows_what_is_ours(workshop, host):
    before = hosts.addresses(host, "br0")
    service = hosts.serve(workshop, host, listen_on("br0"), INSTANCES)
    service.kill9()
    assert hosts.addresses(host, "br0") == before | set(BOTH)
    service.start()
    assert hosts.addresses(host, "br0") == before | set(BOTH)
    service.stop()
    if tuple(map(int, os.uname().release.split(".")[:2])) < (5, 18):
        pytest.skip("ADDRESSES HAVE NO PROTOCOL HERE, NOT TESTED")
    assert hosts.addresses(host, "br0") == before


def test_an_address_that_is_lost_is_given_again(workshop, host):
    hosts.serve(workshop, host, listen_on("br0"), INSTANCES)
    guest = Guest(workshop, host, "tap1", "172.26.2.11", MAC_1, "br0", address_6="2001:db8::11")
    host.run("ip", "address", "delete", f"{LINK_LOCAL}/32", "dev", "br0")
    there = lambda: set(BOTH) <= hosts.addresses(host, "br0")  # noqa: E731
    wire.wait_until(there, "the address is back")
    # An interface that goes down loses its IPv6 addresses.
    host.run("ip", "link", "set", "br0", "down")
    host.run("ip", "link", "set", "br0", "up")
    wire.wait_until(there, "both addresses are back")
    host.run("ip", "address", "replace", "2001:db8::1/64", "dev", "br0", "nodad")
    assert guest.client().get(ID).status == 200
    assert guest.client_6().get(ID).status == 200


def test_without_an_interface_the_addresses_are_on_one_of_our_own(workshop, host):
    """A dummy interface; lo where the kernel has none. What comes in anywhere is heard."""
    before = hosts.interfaces(host), hosts.addresses(host, "lo")
    guest = Guest(workshop, host, "tap1", "172.26.2.11", MAC_1, "br0", address_6="2001:db8::11")
    # To the address of an interface that it is not linked to a guest goes by the host.
    guest.space.run("ip", "-6", "route", "replace", LINK_LOCAL_6, "via", "2001:db8::1")
    before = hosts.interfaces(host), hosts.addresses(host, "lo")
    listen = [{"address": a, "port": 80, "setUp": True} for a in (LINK_LOCAL, LINK_LOCAL_6)]
    service = hosts.serve(workshop, host, listen, INSTANCES)
    own = (hosts.interfaces(host) - before[0]) or {"lo"}
    assert own in ({"telltale0"}, {"lo"}), own
    assert hosts.addresses(host, own.pop()) - before[1] == set(BOTH)
    assert guest.client().text(ID) == guest.client_6().text(ID)
    service.stop()
    assert (hosts.interfaces(host), hosts.addresses(host, "lo")) == before
    service.start()
    service.kill9()
    service.start()
    service.stop()
    assert (hosts.interfaces(host), hosts.addresses(host, "lo")) == before


def test_an_interface_of_our_name_that_is_somebody_elses_stays(workshop, host):
    host.run("ip", "link", "add", "telltale0", "type", "bridge")
    host.run("ip", "link", "set", "telltale0", "up")
    listen = [{"address": LINK_LOCAL, "port": 80, "setUp": True}]
    service = hosts.serve(workshop, host, listen, INSTANCES)
    service.stop()
    assert "telltale0" in hosts.interfaces(host)
    assert hosts.addresses(host, "telltale0") == set()


def test_a_daemon_that_may_not_says_so_in_one_line(workshop, host):
    service = hosts.prepare(workshop, host, listen_on("br0"), INSTANCES)
    service.prefix += ["capsh", "--drop=cap_net_admin", "--", "-c", 'exec "$0" "$@"']
    service.allow_errors("can't give")
    code, log = service.fails_to_start()
    assert code == 1
    (line,) = error_lines(log)
    assert f"can't give br0 the address {LINK_LOCAL}: Operation not permitted" in line


def test_one_thread_alone_may_change_addresses(workshop, host):
    service = hosts.serve(workshop, host, listen_on("br0"), INSTANCES)
    threads = hosts.capabilities(service)
    assert len(threads) > 3
    assert sum(bool(caps & NET_ADMIN) for caps in threads.values()) == 1
    assert not threads[service.process.pid] & NET_ADMIN
    assert not any(caps & SYS_ADMIN for caps in threads.values())


def test_without_set_up_none_may(workshop, host):
    for address in BOTH:
        host.run("ip", "address", "add", address, "dev", "br0", "nodad")
    listen = [{"address": LINK_LOCAL, "port": 80, "interface": "br0"}]
    service = hosts.serve(workshop, host, listen, INSTANCES)
    assert not any(caps & NET_ADMIN for caps in hosts.capabilities(service).values())


@pytest.mark.skipif(os.geteuid() != 0, reason="NOT ROOT HERE, `user:` NOT TESTED")
def test_a_daemon_that_became_a_user_takes_its_addresses_away(workshop):
    host = hosts.make_host(workshop, ["br0"], users=True)
    before = hosts.addresses(host, "br0")
    service = hosts.prepare(workshop, host, listen_on("br0"), INSTANCES)
    for folder in (workshop.root, service.directory):
        folder.chmod(0o755)
    nobody = pwd.getpwnam("nobody")
    store = service.directory / "store"
    store.mkdir()
    os.chown(store, nobody.pw_uid, nobody.pw_gid)
    service.database = service.database.rename(store / "telltale.db")
    os.chown(service.database, nobody.pw_uid, nobody.pw_gid)
    service.socket_path = store / "control.sock"
    listen = service.config["listen"]
    service.write_config({"user": "nobody", "listen": listen, "instances": INSTANCES})
    service.start()
    assert hosts.addresses(host, "br0") == before | set(BOTH)
    host.run("ip", "address", "delete", f"{LINK_LOCAL}/32", "dev", "br0")
    wire.wait_until(lambda: set(BOTH) <= hosts.addresses(host, "br0"), "the address is back")
    service.stop()
    assert hosts.addresses(host, "br0") == before
