"""The hop limit, proved by a router: with limit 1 the reply that carries a token dies there, and so
does every copy of it; what carries none gets through. A container behind a guest is the case."""

import pytest

import hosts
import samples
import sniff
import wire
from hosts import ID, LINK_LOCAL, LINK_LOCAL_6, MAC_1

pytestmark = hosts.NEEDS_IP

GUEST, CONTAINER = "172.26.2.11", "10.88.0.2"
GUEST_6, CONTAINER_6 = "2001:db8::11", "fd88::2"
LIMITS = pytest.mark.parametrize("ipv6", [False, True], ids=["IPv4", "IPv6"])


class Container:
    """A network namespace behind a guest, which routes for it."""

    def __init__(self, workshop, guest):
        self.guest = guest
        self.space = workshop.namespace(network=True, inside=guest.host)
        router, space = guest.space, self.space
        router.run("ip", "link", "add", "cni0", "type", "veth", "peer", "name", "eth0", "netns",
                   str(space.pid))  # fmt: skip
        router.run("ip", "address", "add", "10.88.0.1/24", "dev", "cni0")
        router.run("ip", "address", "add", "fd88::1/64", "dev", "cni0", "nodad")
        router.run("ip", "link", "set", "cni0", "up")
        router.run("sh", "-c", "echo 1 > /proc/sys/net/ipv4/ip_forward")
        router.run("sh", "-c", "echo 1 > /proc/sys/net/ipv6/conf/all/forwarding")
        space.run("ip", "address", "add", f"{CONTAINER}/24", "dev", "eth0")
        space.run("ip", "address", "add", f"{CONTAINER_6}/64", "dev", "eth0", "nodad")
        space.run("ip", "link", "set", "eth0", "up")
        space.run("ip", "route", "add", "default", "via", "10.88.0.1")
        space.run("ip", "-6", "route", "add", "default", "via", "fd88::1")
        # What a router forwards is not changed on its way: the host knows where the container is.
        guest.host.run("ip", "route", "add", "10.88.0.0/24", "via", GUEST)
        guest.host.run("ip", "-6", "route", "add", "fd88::/64", "via", GUEST_6)

    def client(self, ipv6):
        address, source = (LINK_LOCAL_6, CONTAINER_6) if ipv6 else (LINK_LOCAL, CONTAINER)
        return wire.Client(address, 80, source, self.space.socket)


@pytest.fixture(scope="module")
def host(module_workshop):
    return hosts.make_host(module_workshop, ["br0"])


@pytest.fixture(scope="module")
def guest(module_workshop, host):
    return hosts.Guest(module_workshop, host, "tap1", GUEST, MAC_1, "br0", address_6=GUEST_6)


@pytest.fixture(scope="module")
def container(module_workshop, guest):
    return Container(module_workshop, guest)


@pytest.fixture(scope="module")
def service(module_workshop, host, container):
    match = {"addresses": [GUEST, GUEST_6, CONTAINER, CONTAINER_6]}
    listen = [
        {"address": address, "port": 80, "interface": "br0", "setUp": True}
        for address in (LINK_LOCAL, LINK_LOCAL_6)
    ]
    instances = [samples.plain("web-1", GUEST, match=match, metadataOptions=samples.options())]
    return hosts.serve(module_workshop, host, listen, instances)


def limit(service, hops):
    service.cli("options", "web-1", "--http-put-response-hop-limit", str(hops)).ok()


@pytest.fixture
def sniffers(guest):
    """What goes through the router: on the host's side, and on the container's."""
    made = [sniff.Sniffer(guest.space.socket, 80, device) for device in ("eth0", "cni0")]
    yield made
    for one in made:
        one.close()


def port_of(conn):
    return conn.sock.getsockname()[1]


def payloads(sniffer, port):
    return [s for s in sniffer.of(port) if s.payload]


def forget(sniffers):
    for sniffer in sniffers:
        sniffer.collect()
        sniffer.segments.clear()


def token_is_lost(conn, sniffers, copies=1):
    """The reply comes to the router, so and so often, each time with one hop left; nothing of it
    goes on."""
    outside, inside = sniffers
    port = port_of(conn)
    conn.send(wire.token_request())
    wire.wait_until(lambda: len(payloads(outside, port)) >= copies, f"{copies} at the router")
    assert {s.ttl for s in payloads(outside, port)} == {1}
    assert payloads(inside, port) == []
    conn.sock.setblocking(False)
    with pytest.raises(BlockingIOError):
        conn.sock.recv(1)
    conn.sock.setblocking(True)


@LIMITS
def test_with_limit_1_the_token_dies_at_the_router_and_nothing_else(
    service, container, sniffers, ipv6
):
    limit(service, 1)
    caller = container.client(ipv6)
    assert caller.get(ID).status == 200
    with caller.connect() as conn:  # the handshake completes
        assert conn.get(ID).status == 200
        forget(sniffers)
        token_is_lost(conn, sniffers)
    assert caller.get(ID).status == 200


@LIMITS
def test_its_retransmissions_die_there_too(service, container, sniffers, ipv6):
    limit(service, 1)
    with container.client(ipv6).connect() as conn:
        token_is_lost(conn, sniffers, copies=3)


@LIMITS
def test_with_limit_2_it_arrives_with_one_hop_left(service, container, sniffers, ipv6):
    limit(service, 2)
    outside, inside = sniffers
    with container.client(ipv6).connect() as conn:
        token = conn.put_token()
        assert conn.get(ID, token).status == 200
        assert {s.ttl for s in payloads(outside, port_of(conn))} == {2}
        assert {s.ttl for s in payloads(inside, port_of(conn))} == {1}


@LIMITS
def test_a_segment_that_was_lost_is_sent_again_with_the_same_limit(
    service, guest, container, sniffers, ipv6
):
    """The router forgets the way for a moment: the first copy is lost, a later one arrives."""
    limit(service, 2)
    outside, inside = sniffers
    family, net = ("-6", "fd88::/64") if ipv6 else ("-4", "10.88.0.0/24")
    run = guest.space.run
    with container.client(ipv6).connect() as conn:
        port = port_of(conn)
        run("ip", family, "route", "delete", net, "dev", "cni0")
        run("ip", family, "route", "add", "blackhole", net)
        try:
            conn.send(wire.token_request())
            wire.wait_until(lambda: payloads(outside, port), "the reply at the router")
            assert payloads(inside, port) == []
        finally:
            run("ip", family, "route", "delete", "blackhole", net)
            run("ip", family, "route", "add", net, "dev", "cni0")
        reply = conn.read_reply()
        assert reply.status == 200 and len(reply.text) == 56
        copies = payloads(outside, port)
        assert len(copies) > 1, "it was sent again"
        assert len({s.sequence for s in copies}) == 1
        assert {s.ttl for s in copies} == {2}
        assert {s.ttl for s in payloads(inside, port)} == {1}


@LIMITS
def test_the_limit_is_changed_live(service, container, sniffers, ipv6):
    limit(service, 1)
    with container.client(ipv6).connect() as conn:
        token_is_lost(conn, sniffers)
    limit(service, 2)
    token = container.client(ipv6).put_token()
    limit(service, 1)
    assert container.client(ipv6).get(ID, token).status == 200  # a token is good wherever it got
    forget(sniffers)
    with container.client(ipv6).connect() as conn:
        token_is_lost(conn, sniffers)


@LIMITS
def test_the_guest_itself_needs_one_hop(service, guest, ipv6):
    limit(service, 1)
    caller = guest.client_6() if ipv6 else guest.client()
    token = caller.put_token()
    assert caller.get(ID, token).status == 200
