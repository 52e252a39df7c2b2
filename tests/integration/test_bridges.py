"""Guests on a bridge: who a caller is can't be borrowed, neither with a neighbour's address nor with
its MAC; tenants with the same addresses on two bridges."""

import re

import pytest

import hosts
import samples
import sniff
import wire
from hosts import ID, LINK_LOCAL, LINK_LOCAL_6, MAC_1, MAC_2, Guest
from wire import assert_404

pytestmark = hosts.NEEDS_IP

MISMATCH = "telltale_identity_mismatch_total"
ADDRESS_1, ADDRESS_2 = "172.26.2.11", "172.26.2.12"
ADDRESS_1_6, ADDRESS_2_6 = "2001:db8::11", "2001:db8::12"


def at(name, addresses, **match):
    match = {"addresses": addresses, **match}
    return samples.plain(name, addresses, match=match, metadataOptions=samples.options())


def listen_on(bridge, **more):
    return [
        {"address": address, "port": 80, "interface": bridge, "setUp": True, **more}
        for address in (LINK_LOCAL, LINK_LOCAL_6)
    ]


@pytest.fixture
def host(workshop):
    return hosts.make_host(workshop, ["br0"])


@pytest.fixture
def neighbours(workshop, host):
    """Two guests on one bridge, who are root at home."""
    return (
        Guest(workshop, host, "tap1", ADDRESS_1, MAC_1, "br0", address_6=ADDRESS_1_6),
        Guest(workshop, host, "tap2", ADDRESS_2, MAC_2, "br0", address_6=ADDRESS_2_6),
    )


def two_instances(**match):
    return [
        at("web-1", [ADDRESS_1, ADDRESS_1_6], interface="tap1", **match),
        at("web-2", [ADDRESS_2, ADDRESS_2_6], interface="tap2"),
    ]


def mismatches(service):
    return service.metrics().sum(MISMATCH)


def test_the_interface_of_a_match_is_the_port_of_the_bridge(workshop, host, neighbours):
    one, two = neighbours
    service = hosts.serve(workshop, host, listen_on("br0"), two_instances())
    ids = [one.client().text(ID), two.client().text(ID)]
    assert ids[0] != ids[1]
    assert [one.client_6().text(ID), two.client_6().text(ID)] == ids
    assert mismatches(service) == 0


def test_a_borrowed_address_is_refused_counted_and_logged_once(workshop, host, neighbours):
    one, two = neighbours
    service = hosts.serve(workshop, host, listen_on("br0"), two_instances())
    assert one.client().get(ID).status == 200
    one.space.run("ip", "address", "flush", "dev", "eth0", "scope", "global")
    two.become(ADDRESS_1)
    for n in range(1, 4):
        assert_404(two.client().get(ID))
        assert mismatches(service) == n
    assert service.metrics().sum("telltale_unknown_callers_total") == 3
    lines = re.findall(r".*an instance's address at another interface.*", service.log())
    assert len(lines) == 1
    assert ADDRESS_1 in lines[0] and "interface=tap2" in lines[0]


def test_a_borrowed_ipv6_address_is_refused(workshop, host, neighbours):
    one, two = neighbours
    service = hosts.serve(workshop, host, listen_on("br0"), two_instances())
    assert one.client_6().get(ID).status == 200
    one.space.run("ip", "address", "delete", f"{ADDRESS_1_6}/64", "dev", "eth0")
    two.become(address_6=ADDRESS_1_6)
    assert_404(two.client_6().get(ID))
    assert mismatches(service) == 1


def test_a_borrowed_address_and_mac_are_refused(workshop, host, neighbours):
    """With both a neighbour is still behind its own port."""
    one, two = neighbours
    service = hosts.serve(workshop, host, listen_on("br0"), two_instances(mac=MAC_1))
    assert one.client().get(ID).status == 200
    one.space.run("ip", "link", "set", "eth0", "down")
    two.become(ADDRESS_1, MAC_1)
    assert_404(two.client().get(ID))
    assert mismatches(service) == 1
    # It is the address that was borrowed, and goes back.
    two.space.run("ip", "link", "set", "eth0", "down")
    one.space.run("ip", "link", "set", "eth0", "up")
    one.space.run("ip", "route", "replace", LINK_LOCAL, "dev", "eth0")
    assert one.client().get(ID).status == 200
    assert mismatches(service) == 1


def test_a_bridge_that_does_not_learn_is_not_confused(workshop, host, neighbours):
    """As the guide has it: while both speak with one MAC, only one is behind the right port."""
    one, two = neighbours
    for guest in neighbours:
        host.run("bridge", "link", "set", "dev", guest.name, "learning", "off")
        host.run("bridge", "fdb", "replace", guest.mac, "dev", guest.name, "master", "static", "sticky")
    service = hosts.serve(workshop, host, listen_on("br0"), two_instances(mac=MAC_1))
    two.become("172.26.2.99", MAC_1)  # another's MAC, and an address of its own
    for n in range(3):
        with pytest.raises(OSError), two.client().connect(timeout=0.2) as conn:
            conn.get(ID)
        assert one.client().get(ID).status == 200
    assert mismatches(service) == 0


def test_a_mac_alone_is_compared_where_no_port_is_named(workshop, host, neighbours):
    one, two = neighbours
    instances = [at("web-1", [ADDRESS_1, ADDRESS_1_6], mac=MAC_1)]
    service = hosts.serve(workshop, host, listen_on("br0"), instances)
    assert one.client().get(ID).status == 200
    assert one.client_6().get(ID).status == 200
    one.space.run("ip", "link", "set", "eth0", "down")
    two.become(ADDRESS_1, address_6=ADDRESS_1_6)
    assert_404(two.client().get(ID))
    assert_404(two.client_6().get(ID))
    assert mismatches(service) == 2
    assert service.log().count("an instance's address but not its MAC") == 1


def test_the_bridge_itself_can_be_named_and_a_port_goes_before_it(workshop, host, neighbours):
    one, two = neighbours
    instances = [
        at("on-bridge", [f"{ADDRESS_1[:-2]}0/24"], interface="br0"),
        at("on-port", [f"{ADDRESS_1[:-2]}0/24"], interface="tap2"),
    ]
    hosts.serve(workshop, host, listen_on("br0"), instances)
    hostname = "/latest/meta-data/instance-id"
    assert one.client().text(hostname) != two.client().text(hostname)
    two.become(ADDRESS_1[:-2] + "77")
    assert one.client().text(hostname) != two.client().text(hostname)


def test_tenants_with_the_same_addresses_on_two_bridges(workshop):
    """Each sees itself, over IPv4 and IPv6, and neither the other's token."""
    host = hosts.make_host(workshop)
    hosts.needs(host, "bridge")
    guests = {}
    for n in (1, 2):
        # Replies leave by the bridge that the listener is bound to.
        host.run("ip", "link", "add", f"br{n}", "type", "bridge", "forward_delay", "0")
        host.run("ip", "link", "set", f"br{n}", "up")
        for route in (["172.26.2.0/24"], ["2001:db8::/64"]):
            host.run("ip", "route", "add", *route, "dev", f"br{n}", "metric", str(n))
        guests[n] = [
            Guest(workshop, host, f"tap{n}{k}", f"172.26.2.1{k}", f"02:00:00:00:0{n}:0{k}",
                  f"br{n}", address_6=f"2001:db8::1{k}")
            for k in (1, 2)
        ]  # fmt: skip
    listen = [one for n in (1, 2) for one in listen_on(f"br{n}", network=f"tenant-{n}")]
    instances = [
        at(f"web-{n}{k}", [f"172.26.2.1{k}", f"2001:db8::1{k}"], network=f"tenant-{n}",
           interface=f"tap{n}{k}", mac=f"02:00:00:00:0{n}:0{k}")
        for n in (1, 2) for k in (1, 2)
    ]  # fmt: skip
    service = hosts.serve(workshop, host, listen, instances)
    everybody = guests[1] + guests[2]
    ids = [guest.client().text(ID) for guest in everybody]
    assert len(set(ids)) == 4
    assert [guest.client_6().text(ID) for guest in everybody] == ids
    token = guests[1][0].client().put_token()
    assert guests[1][0].client_6().get(ID, token).status == 200
    for guest in everybody[1:]:
        assert guest.client().get(ID, token).status == 401
    assert mismatches(service) == 0


def test_a_mapped_ipv4_address_is_no_way_in(workshop, host, neighbours):
    """Neither by a socket for IPv6, which speaks IPv4 then, nor as the source of an IPv6 packet."""
    one, two = neighbours
    service = hosts.serve(workshop, host, listen_on("br0"), two_instances())
    mapped = wire.Client(f"::ffff:{LINK_LOCAL}", 80, f"::ffff:{ADDRESS_2}", two.space.socket)
    assert mapped.text(ID) == two.client().text(ID)
    assert two.client_6().get(ID).status == 200  # the host knows it as a neighbour
    raw = two.space.socket(17, 2, 0)  # AF_PACKET, SOCK_DGRAM
    shown = host.run("ip", "link", "show", "dev", "br0")
    bridge = bytes.fromhex(re.search(r"link/ether (\S+)", shown).group(1).replace(":", ""))
    watch = sniff.Sniffer(two.space.socket, 80, device="eth0")
    forged = {7001: f"::ffff:{ADDRESS_1}", 7002: f"::ffff:{ADDRESS_2}", 7003: ADDRESS_2_6}
    for port, source in forged.items():
        packet = sniff.syn_6(source, LINK_LOCAL_6, port, 80)
        raw.sendto(packet, ("eth0", 0x86DD, 0, 0, bridge))
    # The last is as it should be, and is answered: the others would have been before.
    watch.wait_for(7003, lambda s: s.flags & sniff.SYN, "an answer")
    assert watch.of(7001) == watch.of(7002) == []
    assert mismatches(service) == 0
    raw.close()
    watch.close()


def test_a_connection_does_not_outlive_its_instance(workshop, host, neighbours):
    one, _ = neighbours
    service = hosts.serve(workshop, host, listen_on("br0"), two_instances(mac=MAC_1))
    with one.client().connect() as conn:
        assert conn.get(ID).status == 200
        service.cli("instance", "delete", "web-1").ok()
        conn.send(wire.request("GET", ID))
        try:
            assert_404(conn.read_reply())
        except wire.Closed:
            pass
        conn.expect_eof()
    assert_404(one.client().get(ID))


def test_an_address_that_moves_to_another_instance_ends_open_connections(
    workshop, host, neighbours
):
    one, _ = neighbours
    service = hosts.serve(workshop, host, listen_on("br0"), two_instances())
    with one.client().connect() as conn:
        before = conn.get(ID).text
        token = conn.put_token()
        service.config["instances"] = [
            at("web-3", [ADDRESS_1, ADDRESS_1_6], interface="tap1"),
            at("web-2", [ADDRESS_2, ADDRESS_2_6], interface="tap2"),
        ]
        service.write_config(service.config)
        service.reload()
        conn.send(wire.request("GET", ID, token))
        try:
            assert_404(conn.read_reply())
        except wire.Closed:
            pass
        conn.expect_eof()
    after = one.client()
    assert after.text(ID) != before
    assert after.get(ID, token).status == 401


def test_an_instance_that_moves_to_another_port_leaves_its_connections(
    workshop, host, neighbours
):
    """The same instance, but who holds the connection is not behind its port any more."""
    one, _ = neighbours
    service = hosts.serve(workshop, host, listen_on("br0"), two_instances())
    with one.client().connect() as conn:
        assert conn.get(ID).status == 200
        service.config["instances"] = [
            at("web-1", [ADDRESS_1, ADDRESS_1_6], interface="tap9"),
            at("web-2", [ADDRESS_2, ADDRESS_2_6], interface="tap2"),
        ]
        service.write_config(service.config)
        service.reload()
        conn.send(wire.request("GET", ID))
        try:
            assert_404(conn.read_reply())
        except wire.Closed:
            pass
        conn.expect_eof()
    assert mismatches(service) >= 1
