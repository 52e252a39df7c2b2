"""`netns`: listeners in network namespaces other than the daemon's."""

import os
import pathlib

import pytest

import hosts
import samples
import wire
from daemon import error_lines
from hosts import ID, LINK_LOCAL, LINK_LOCAL_6, MAC_1, MAC_2, NET_ADMIN, SYS_ADMIN, Guest
from wire import assert_404

pytestmark = hosts.NEEDS_IP

ADDRESS, ADDRESS_6 = "172.26.2.11", "2001:db8::11"


class Tenant:
    """A namespace with a bridge, as a tenant has it on a host, and a guest."""

    def __init__(self, workshop, host, mac, bridge=True):
        self.space = workshop.namespace(network=True, inside=host)
        self.path = f"/proc/{self.space.pid}/ns/net"
        if bridge:
            self.make_bridge()
            self.guest = Guest(
                workshop, self.space, "tap1", ADDRESS, mac, "br0", address_6=ADDRESS_6
            )

    def make_bridge(self):
        run = self.space.run
        run("ip", "link", "add", "br0", "type", "bridge", "forward_delay", "0")
        run("ip", "address", "add", "172.26.2.1/24", "dev", "br0")
        run("ip", "address", "add", "2001:db8::1/64", "dev", "br0", "nodad")
        run("ip", "link", "set", "br0", "up")


def listen_in(netns, network):
    return [
        {"address": address, "port": 80, "interface": "br0", "setUp": True, "netns": netns,
         "network": network}
        for address in (LINK_LOCAL, LINK_LOCAL_6)
    ]  # fmt: skip


def web(n, mac, **match):
    match = {"addresses": [ADDRESS, ADDRESS_6], "network": f"tenant-{n}", "mac": mac, **match}
    return samples.plain(f"web-{n}", ADDRESS, match=match, metadataOptions=samples.options())


@pytest.fixture
def host(workshop):
    made = hosts.make_host(workshop)
    hosts.needs(made, "bridge")
    return made


@pytest.fixture
def tenants(workshop, host):
    return Tenant(workshop, host, MAC_1), Tenant(workshop, host, MAC_2)


def test_tenants_in_namespaces_of_their_own(workshop, host, tenants):
    """The same addresses, the same names of interfaces; each with its own neighbours and ports."""
    listen = listen_in(tenants[0].path, "tenant-1") + listen_in(tenants[1].path, "tenant-2")
    instances = [web(1, MAC_1, interface="tap1"), web(2, MAC_2, interface="tap1")]
    service = hosts.serve(workshop, host, listen, instances)
    one, two = (tenant.guest for tenant in tenants)
    assert one.client().text(ID) != two.client().text(ID)
    assert one.client_6().text(ID) == one.client().text(ID)
    assert two.client_6().text(ID) == two.client().text(ID)
    assert two.client().get(ID, one.client().put_token()).status == 401
    metrics = service.metrics()
    assert metrics.sum("telltale_identity_mismatch_total") == 0
    for tenant in tenants:
        have = hosts.addresses(tenant.space, "br0")
        assert {f"{LINK_LOCAL}/32", f"{LINK_LOCAL_6}/128"} <= have
    assert hosts.interfaces(host) == {"lo"}
    for tenant in tenants:
        wanted = f"msg=listening address={LINK_LOCAL}:80 interface=br0 netns={tenant.path}"
        assert any(line.endswith(wanted) for line in service.log().splitlines())
    service.stop()
    for tenant in tenants:
        assert hosts.addresses(tenant.space, "br0") == {"172.26.2.1/24", "2001:db8::1/64"}


def test_a_mac_of_another_namespace_is_the_wrong_one(workshop, host, tenants):
    listen = listen_in(tenants[0].path, "tenant-1") + listen_in(tenants[1].path, "tenant-2")
    service = hosts.serve(workshop, host, listen, [web(1, MAC_2), web(2, MAC_2)])
    assert_404(tenants[0].guest.client().get(ID))
    assert tenants[1].guest.client().get(ID).status == 200
    assert service.metrics().sum("telltale_identity_mismatch_total") == 1


def test_interfaces_come_and_go_there(workshop, host):
    tenant = Tenant(workshop, host, MAC_1, bridge=False)
    service = hosts.serve(workshop, host, listen_in(tenant.path, "tenant-1"), [web(1, MAC_1)])
    hosts.wait_log(service, "waiting for an interface")
    # One of that name elsewhere is another.
    host.run("ip", "link", "add", "br0", "type", "bridge")
    for _ in range(2):
        tenant.make_bridge()
        wire.wait_until(
            lambda: f"{LINK_LOCAL}%br0:80" in hosts.listening(tenant.space), "a listener there"
        )
        guest = Guest(workshop, tenant.space, "tap1", ADDRESS, MAC_1, "br0", address_6=ADDRESS_6)
        assert guest.client().get(ID).status == 200
        guest.unplug()
        tenant.space.run("ip", "link", "delete", "br0")
        wire.wait_until(lambda: not hosts.listening(tenant.space), "no listener there")
    assert hosts.addresses(host, "br0") == set()


def test_without_an_interface(workshop, host, tenants):
    """A listener is there from the start, and the address on an interface of our own."""
    tenant = tenants[0]
    listen = [
        {"address": LINK_LOCAL, "port": 80, "setUp": True, "netns": tenant.path,
         "network": "tenant-1"}
    ]  # fmt: skip
    before = hosts.interfaces(tenant.space)
    service = hosts.serve(workshop, host, listen, [web(1, MAC_1)])
    assert tenant.guest.client().get(ID).status == 200
    service.stop()
    assert hosts.interfaces(tenant.space) == before
    assert f"{LINK_LOCAL}/32" not in hosts.addresses(tenant.space, "lo")


def test_a_namespace_by_its_name(workshop, host):
    """As ip-netns keeps it."""
    host.run("mount", "-t", "tmpfs", "none", "/run")
    host.run("ip", "netns", "add", "blue")
    for command in (
        ["ip", "link", "set", "lo", "up"],
        ["ip", "address", "add", "172.26.2.11/32", "dev", "lo"],
        ["ip", "address", "add", f"{LINK_LOCAL}/32", "dev", "lo"],
    ):
        host.run("ip", "netns", "exec", "blue", *command)
    listen = [{"address": LINK_LOCAL, "port": 80, "netns": "blue", "network": "tenant-1"}]
    match = {"addresses": [ADDRESS], "network": "tenant-1"}
    hosts.serve(workshop, host, listen, [samples.plain("web-1", ADDRESS, match=match)])
    fetch = (
        "import urllib.request as r, http.client as h, socket\n"
        f"c = h.HTTPConnection('{LINK_LOCAL}', source_address=('{ADDRESS}', 0))\n"
        f"c.request('GET', '{ID}')\n"
        "print(c.getresponse().read().decode())\n"
    )
    out = host.run("ip", "netns", "exec", "blue", "/usr/bin/python3", "-c", fetch)
    assert out.startswith("i-")
    with pytest.raises(OSError):
        wire.Client(LINK_LOCAL, 80, None, host.socket).get(ID)


@pytest.mark.parametrize("netns", ["no-such-tenant", "/proc/0/ns/net"])
def test_a_namespace_that_is_not_there_is_an_error(workshop, host, netns):
    service = hosts.prepare(workshop, host, listen_in(netns, "tenant-1"), [])
    service.allow_errors("netns")
    code, log = service.fails_to_start()
    assert code == 1
    (line,) = error_lines(log)
    path = netns if netns.startswith("/") else f"/run/netns/{netns}"
    assert line == f"telltale: netns {path}: No such file or directory"


def test_a_daemon_that_may_not_go_there_says_so(workshop, host, tenants):
    service = hosts.prepare(workshop, host, listen_in(tenants[0].path, "tenant-1"), [])
    service.prefix += ["capsh", "--drop=cap_sys_admin", "--", "-c", 'exec "$0" "$@"']
    service.allow_errors("netns")
    code, log = service.fails_to_start()
    assert code == 1
    (line,) = error_lines(log)
    assert line == f"telltale: netns {tenants[0].path}: Operation not permitted"


def test_nobody_keeps_the_way_there(workshop, host, tenants):
    listen = listen_in(tenants[0].path, "tenant-1") + listen_in(tenants[1].path, "tenant-2")
    service = hosts.serve(workshop, host, listen, [])
    caps = hosts.capabilities(service).values()
    assert not any(one & SYS_ADMIN for one in caps)
    assert sum(bool(one & NET_ADMIN) for one in caps) == 2
    homes = {os.readlink(task / "ns/net") for task in
             pathlib.Path(f"/proc/{service.process.pid}/task").iterdir()}  # fmt: skip
    assert len(homes) == 3
