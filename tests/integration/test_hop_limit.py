"""The hop limit: token replies, and nothing before them, leave with the configured IP TTL (IPv6:
hop limit), which never rises again on their connection."""

import pytest

import samples
import sniff
import wire

ID = "/latest/meta-data/instance-id"
NORMAL = 64


@pytest.fixture(scope="module")
def network(module_workshop):
    return module_workshop.namespace(network=True)


@pytest.fixture(scope="module")
def service(module_workshop, network):
    try:
        network.socket(17, 2, 0).close()  # AF_PACKET, SOCK_DGRAM
    except OSError as why:
        pytest.skip(f"NO PACKET SOCKETS IN A NAMESPACE HERE, NOT TESTED: {why}")
    return module_workshop.daemon(
        {
            "instances": [
                samples.plain("one", ["127.0.0.11", "::1"],
                              metadataOptions=samples.options(httpPutResponseHopLimit=1)),
                samples.plain("two", "127.0.0.12",
                              metadataOptions=samples.options(httpPutResponseHopLimit=2)),
                samples.plain("most", "127.0.0.64",
                              metadataOptions=samples.options(httpPutResponseHopLimit=64)),
                samples.plain("required", "127.0.0.13",
                              metadataOptions=samples.options(httpTokens="required",
                                                              httpPutResponseHopLimit=3)),
                samples.plain("default", "127.0.0.14"),
            ]
        },
        prefix=network.prefix,
        make_socket=network.socket,
    )  # fmt: skip


@pytest.fixture
def sniffer(service):
    made = sniff.Sniffer(service.make_socket, service.port)
    yield made
    made.close()


def port_of(conn):
    return conn.sock.getsockname()[1]


def carrying(sniffer, conn, text):
    """The segments that carry a token to this connection."""
    data = text.encode()
    return sniffer.wait_for(port_of(conn), lambda s: data in s.payload, "a token's segment")


def split(segments, first):
    """What was sent before a segment, and from it on."""
    at = segments.index(first)
    return segments[:at], segments[at:]


def set_limit(service, name, limit):
    service.cli("options", name, "--http-put-response-hop-limit", str(limit)).ok()


@pytest.mark.parametrize(
    "source,limit",
    [("127.0.0.11", 1), ("127.0.0.12", 2), ("127.0.0.13", 3), ("127.0.0.14", 1),
     ("127.0.0.64", 64)],
)  # fmt: skip
def test_a_token_reply_leaves_with_the_hop_limit_and_what_came_before_with_64(
    service, sniffer, source, limit
):
    with service.client(source).connect() as conn:
        token = conn.put_token()
        found = carrying(sniffer, conn, token)
        assert [s.ttl for s in found] == [limit] * len(found), found
        before, _ = split(sniffer.of(port_of(conn)), found[0])
        assert before and before[0].flags & sniff.SYN
        assert all(s.ttl == NORMAL for s in before), before


def test_ipv6_token_replies_leave_with_the_hop_limit(service, sniffer):
    with service.client("::1").connect() as conn:
        token = conn.put_token()
        found = carrying(sniffer, conn, token)
        assert [s.ttl for s in found] == [1] * len(found), found
        before, _ = split(sniffer.of(port_of(conn)), found[0])
        assert before and all(s.ttl == NORMAL for s in before), before


@pytest.mark.parametrize("source", ["127.0.0.11", "::1"])
def test_replies_to_get_on_a_fresh_connection_have_the_normal_ttl(service, sniffer, source):
    caller = service.client(source)
    token = caller.put_token()
    with caller.connect() as conn:
        reply = conn.get(ID, token)
        found = sniffer.wait_for(
            port_of(conn), lambda s: reply.body in s.payload, "the reply's segment"
        )
        assert all(s.ttl == NORMAL for s in found), found
        assert all(s.ttl == NORMAL for s in sniffer.of(port_of(conn)))


def test_a_put_that_is_refused_carries_no_token_and_a_later_one_is_limited(service, sniffer):
    with service.client().connect() as conn:
        assert conn.exchange(wire.token_request(0)).status == 400
        token = conn.put_token()
        assert [s.ttl for s in carrying(sniffer, conn, token)] == [1]


def test_after_a_token_the_ttl_of_the_connection_never_rises_again(service, sniffer):
    try:
        with service.client("127.0.0.12").connect() as conn:
            tokens = [conn.put_token()]
            conn.get(ID, tokens[0])
            for limit in (9, 64, 1, 5):
                set_limit(service, "two", limit)
                tokens.append(conn.put_token())
                conn.get(ID, tokens[-1])
                conn.get("/latest/none")
            last = carrying(sniffer, conn, tokens[-1])
            assert last[0].ttl == 1
            seen = sniffer.of(port_of(conn))
            before, after = split(seen, carrying(sniffer, conn, tokens[0])[0])
            assert all(s.ttl == NORMAL for s in before)
            ttls = [s.ttl for s in after]
            assert ttls[0] == 2
            assert ttls == sorted(ttls, reverse=True), f"rose again: {after}"
            assert set(ttls) == {2, 1}
            conn.get(ID, tokens[0], [("Connection", "close")])
            conn.expect_eof()
            ends = sniffer.wait_for(port_of(conn), lambda s: s.flags & sniff.FIN, "the end")
            assert all(s.ttl == 1 for s in ends)
    finally:
        set_limit(service, "two", 2)


def test_ipv6_hop_limits_never_rise_again_either(service, sniffer):
    try:
        with service.client("::1").connect() as conn:
            first = conn.put_token()
            set_limit(service, "one", 33)
            second = conn.put_token()
            conn.get(ID, second)
            carrying(sniffer, conn, second)
            _, after = split(sniffer.of(port_of(conn)), carrying(sniffer, conn, first)[0])
            assert {s.ttl for s in after} == {1}, after
        with service.client("::1").connect() as conn:
            assert {s.ttl for s in carrying(sniffer, conn, conn.put_token())} == {33}
    finally:
        set_limit(service, "one", 1)


def test_a_changed_limit_is_in_force_for_the_next_token(service, sniffer):
    try:
        with service.client("127.0.0.14").connect() as conn:
            conn.get(ID)
            set_limit(service, "default", 17)
            token = conn.put_token()
            assert {s.ttl for s in carrying(sniffer, conn, token)} == {17}
        with service.client("127.0.0.14").connect() as conn:
            set_limit(service, "default", 4)
            token = conn.put_token()
            assert {s.ttl for s in carrying(sniffer, conn, token)} == {4}
    finally:
        set_limit(service, "default", 1)


def test_pipelined_replies_with_a_token_among_them_are_limited(service, sniffer):
    """However replies are put into segments: a segment with a token has the limit, and none
    behind it more."""
    with service.client("127.0.0.13").connect() as conn:
        conn.send(wire.token_request() * 3 + wire.request("GET", ID))
        tokens = [conn.read_reply().text for _ in range(3)]
        assert conn.read_reply().status == 401
        first = carrying(sniffer, conn, tokens[0])[0]
        for token in tokens:
            assert all(s.ttl == 3 for s in carrying(sniffer, conn, token))
        _, after = split(sniffer.of(port_of(conn)), first)
        assert all(s.ttl == 3 for s in after), after


def test_a_token_is_never_sent_with_more_hops_even_with_a_reply_before_it(service, sniffer):
    with service.client("127.0.0.12").connect() as conn:
        conn.send(wire.request("GET", ID) * 5 + wire.token_request())
        for _ in range(5):
            assert conn.read_reply().status == 200
        token = conn.read_reply().text
        assert {s.ttl for s in carrying(sniffer, conn, token)} == {2}


def test_a_container_behind_one_hop_gets_the_token_only_with_limit_2(service, network):
    """What the limit is for, with the kernel as the judge: a segment of too few hops is dropped
    where IP_MINTTL asks for more, as a router would drop it."""
    import socket

    ip_minttl = 21
    for source, passes in (("127.0.0.11", False), ("127.0.0.12", True)):
        with service.client(source).connect() as conn:
            conn.sock.setsockopt(socket.IPPROTO_IP, ip_minttl, 2)
            conn.send(wire.token_request())
            conn.sock.settimeout(2.0 if not passes else wire.TIMEOUT_S)
            if passes:
                assert conn.read_reply().status == 200
            else:
                with pytest.raises(TimeoutError):
                    conn.read_reply()
