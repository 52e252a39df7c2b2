"""hosts - a hypervisor host in a network namespace, its bridges and taps, and guests behind them."""

import pathlib
import re
import shutil

import pytest

import wire

LINK_LOCAL = "169.254.169.254"
LINK_LOCAL_6 = "fd00:ec2::254"
MAC_1, MAC_2 = "02:aa:bb:cc:dd:01", "02:aa:bb:cc:dd:02"
ID = "/latest/meta-data/instance-id"
NET_ADMIN, SYS_ADMIN = 1 << 12, 1 << 21  # of capabilities(7)

NEEDS_IP = pytest.mark.skipif(
    shutil.which("ip") is None, reason="NO ip COMMAND (iproute2) HERE, NOT TESTED"
)


def needs(host, kind):
    """Skip where the kernel has no such interfaces."""
    try:
        peer = ["peer", "name", "probe1"] if kind == "veth" else []
        host.run("ip", "link", "add", "probe0", "type", kind, *peer)
        host.run("ip", "link", "delete", "probe0")
    except RuntimeError as why:
        pytest.skip(f"NO {kind} INTERFACES HERE, NOT TESTED: {why}")


def make_host(workshop, bridges=(), **options):
    """A host; its bridges have 172.26.2.1 and 2001:db8::1, which guests need for nothing but a
    route back."""
    host = workshop.namespace(network=True, **options)
    for name in bridges:
        needs(host, "bridge")
        # So that an address that moves from one guest to another is believed at once.
        host.run("sh", "-c", "echo 0 > /proc/sys/net/ipv4/neigh/default/locktime || true")
        host.run("ip", "link", "add", name, "type", "bridge", "forward_delay", "0")
        host.run("ip", "address", "add", "172.26.2.1/24", "dev", name)
        host.run("ip", "address", "add", "2001:db8::1/64", "dev", name, "nodad")
        host.run("ip", "link", "set", name, "up")
    return host


class Guest:
    """A network namespace behind a veth pair; its addresses may be those of another guest.

    bridge: the guest is behind a port of it; else the host's end has host_address, if any.
    """

    def __init__(self, workshop, host, name, address, mac, bridge=None, host_address=None,
                 address_6=None):  # fmt: skip
        self.host, self.name, self.mac = host, name, mac
        self.address, self.address_6 = address, address_6
        self.space = workshop.namespace(network=True, inside=host)
        needs(host, "veth")
        self.plug(bridge)
        if host_address:
            host.run("ip", "address", "add", f"{host_address}/32", "dev", name)

    def plug(self, bridge=None):
        """Have a tap on the host, and the guest behind it."""
        host, space = self.host, self.space
        host.run("ip", "link", "add", self.name, "type", "veth", "peer", "name", "eth0", "netns",
                 str(space.pid))  # fmt: skip
        if bridge:
            host.run("ip", "link", "set", self.name, "master", bridge)
        space.run("ip", "link", "set", "eth0", "address", self.mac)
        space.run("ip", "address", "add", f"{self.address}/{24 if bridge else 32}", "dev", "eth0")
        if self.address_6:
            space.run("ip", "address", "add", f"{self.address_6}/64", "dev", "eth0", "nodad")
        host.run("ip", "link", "set", self.name, "up")
        space.run("ip", "link", "set", "eth0", "up")
        space.run("ip", "route", "add", LINK_LOCAL, "dev", "eth0")
        if self.address_6:
            space.run("ip", "-6", "route", "add", LINK_LOCAL_6, "dev", "eth0")

    def unplug(self):
        self.host.run("ip", "link", "delete", self.name)

    def become(self, address=None, mac=None, address_6=None):
        """Take other addresses, as a guest can that is root at home."""
        run = self.space.run
        if mac:
            run("ip", "link", "set", "eth0", "address", mac)
        if address:
            run("ip", "address", "flush", "dev", "eth0", "scope", "global")
            run("ip", "address", "add", f"{address}/24", "dev", "eth0")
            run("ip", "route", "replace", LINK_LOCAL, "dev", "eth0")
            self.address = address
        if address_6:
            run("ip", "address", "add", f"{address_6}/64", "dev", "eth0", "nodad")
            run("ip", "-6", "route", "replace", LINK_LOCAL_6, "dev", "eth0")
            self.address_6 = address_6

    def client(self, port=80):
        return wire.Client(LINK_LOCAL, port, self.address, self.space.socket)

    def client_6(self, port=80):
        return wire.Client(LINK_LOCAL_6, port, self.address_6, self.space.socket)


def prepare(workshop, host, listen, instances, **settings):
    """A daemon that is not started yet; its own port on loopback is there to see that it is ready."""
    service = workshop.daemon(None, start=False, prefix=host.prefix, make_socket=host.socket)
    ready = {"address": "127.0.0.1", "port": service.port}
    service.write_config({"listen": [*listen, ready], "instances": instances, **settings})
    return service


def serve(workshop, host, listen, instances, **settings):
    return prepare(workshop, host, listen, instances, **settings).start()


def addresses(space, interface):
    """What `ip address` shows of an interface: address/length, without those of the kernel."""
    out = space.run("ip", "-o", "address", "show", "dev", interface)
    found = re.findall(r"inet6? (\S+)", out)
    return {one for one in found if not one.startswith(("fe80:", "127.", "::1/"))}


def interfaces(space):
    out = space.run("ip", "-o", "link", "show")
    return set(re.findall(r"^\d+: ([^:@]+)", out, re.M))


def listening(space):
    """The addresses of all TCP listeners, with their interfaces, as `ss` shows them."""
    return set(space.run("sh", "-c", "ss -Hltn | awk '{print $4}' | sort -u").split())


def wait_log(service, pattern, since=0):
    return wire.wait_until(lambda: re.search(pattern, service.log()[since:]), f"{pattern!r} logged")


def capabilities(service):
    """What each thread may do, by the thread's number. One that may reboot the machine is a
    sanitizer's own, and older than the daemon's main()."""
    found = {}
    for task in pathlib.Path(f"/proc/{service.process.pid}/task").iterdir():
        sets = re.findall(r"^Cap(?:Eff|Prm):\s+(\w+)$", (task / "status").read_text(), re.M)
        caps = int(sets[0], 16) | int(sets[1], 16)
        if not caps & 1 << 22:
            found[int(task.name)] = caps
    return found
