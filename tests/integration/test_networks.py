"""Who calls, where loopback cannot tell: guests on interfaces of their own, with the same
addresses, in networks apart, and with the right or a wrong MAC."""

import pytest

import samples
from hosts import ID, LINK_LOCAL, MAC_1, MAC_2, NEEDS_IP, Guest, make_host, serve
from wire import assert_404, assert_empty

pytestmark = NEEDS_IP


@pytest.fixture
def host(workshop):
    made = make_host(workshop)
    made.run("ip", "address", "add", f"{LINK_LOCAL}/32", "dev", "lo")
    return made


def test_guests_are_recognised_on_the_real_address_and_port(workshop, host):
    guests = {}
    for n in (1, 2):
        address = f"172.26.2.{10 + n}"
        guests[n] = Guest(
            workshop, host, f"tap{n}", address, f"02:00:00:00:00:0{n}", host_address="10.0.0.1"
        )
        host.run("ip", "route", "add", address, "dev", f"tap{n}")
    service = serve(
        workshop,
        host,
        [{"address": LINK_LOCAL, "port": 80}],
        [
            {"name": "web-1", "privateIpAddress": "172.26.2.11"},
            samples.plain("web-2", "172.26.2.12"),
        ],
    )
    assert guests[1].client().text("/latest/meta-data/local-ipv4") == "172.26.2.11"
    ids = {guest.client().text(ID) for guest in guests.values()}
    assert len(ids) == 2
    token = guests[1].client().put_token()
    assert_empty(guests[2].client().get(ID, token), "401 Unauthorized")
    assert_404(service.client("127.0.0.1").get(ID))


def two_tenants(workshop, host):
    """Two guests with the same address, each on an interface of its own, told apart by it."""
    guests = []
    for n, mac in ((1, MAC_1), (2, MAC_2)):
        guests.append(
            Guest(workshop, host, f"tap{n}", "172.26.2.10", mac, host_address="10.0.0.1")
        )
        # Replies leave by the interface that the socket is bound to.
        host.run("ip", "route", "add", "172.26.2.10", "dev", f"tap{n}", "metric", str(n))
    return guests


def test_guests_with_the_same_address_are_told_apart_by_network_and_interface(workshop, host):
    one, two = two_tenants(workshop, host)
    listen = [
        {"address": LINK_LOCAL, "port": 80, "interface": f"tap{n}", "network": f"tenant-{n}"}
        for n in (1, 2)
    ]
    serve(
        workshop,
        host,
        listen,
        [
            samples.plain(f"web-{n}", "172.26.2.10",
                          match={"addresses": ["172.26.2.10"], "network": f"tenant-{n}"})
            for n in (1, 2)
        ],
    )  # fmt: skip
    first, second = one.client().text(ID), two.client().text(ID)
    assert first != second
    token = one.client().put_token()
    assert one.client().get(ID, token).status == 200
    assert_empty(two.client().get(ID, token), "401 Unauthorized")


def test_an_instance_of_another_network_is_a_stranger(workshop, host):
    one, two = two_tenants(workshop, host)
    listen = [
        {"address": LINK_LOCAL, "port": 80, "interface": f"tap{n}", "network": f"tenant-{n}"}
        for n in (1, 2)
    ]
    match = {"addresses": ["172.26.2.10"], "network": "tenant-1"}
    serve(workshop, host, listen, [samples.plain("web-1", "172.26.2.10", match=match)])
    assert one.client().get(ID).status == 200
    assert_404(two.client().get(ID))


def test_a_match_by_interface_goes_before_one_without(workshop, host):
    one, two = two_tenants(workshop, host)
    listen = [{"address": LINK_LOCAL, "port": 80, "interface": f"tap{n}"} for n in (1, 2)]
    serve(
        workshop,
        host,
        listen,
        [
            samples.plain("any", "172.26.2.10"),
            samples.plain("on-tap2", "172.26.2.10",
                          match={"addresses": ["172.26.2.10"], "interface": "tap2"}),
        ],
    )  # fmt: skip
    assert one.client().text(ID) != two.client().text(ID)


def test_a_caller_with_the_wrong_mac_is_a_stranger(workshop, host):
    one, two = two_tenants(workshop, host)
    listen = [
        {"address": LINK_LOCAL, "port": 80, "interface": f"tap{n}", "network": f"tenant-{n}"}
        for n in (1, 2)
    ]
    instances = [
        samples.plain(
            f"web-{n}",
            "172.26.2.10",
            match={"addresses": ["172.26.2.10"], "network": f"tenant-{n}", "mac": MAC_1.upper()},
        )
        for n in (1, 2)
    ]
    serve(workshop, host, listen, instances)
    assert one.client().get(ID).status == 200
    assert one.client().text("/latest/meta-data/mac") == MAC_1
    assert_404(two.client().get(ID))
