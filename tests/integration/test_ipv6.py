"""IPv6: reached only where httpProtocolIpv6 is enabled, and then the same service."""

import pytest

import samples
import wire
from wire import assert_404, assert_empty, assert_page, masked

ID = "/latest/meta-data/instance-id"

pytestmark = pytest.mark.usefixtures("needs_ipv6")


@pytest.fixture(scope="module")
def enabled(module_workshop):
    return module_workshop.daemon(
        {
            "instances": [
                samples.full(
                    "web-1",
                    ["127.0.0.11", "::1"],
                    metadataOptions=samples.options(httpTokens="required"),
                )
            ]
        }
    )


@pytest.fixture(scope="module")
def disabled(module_workshop):
    off = samples.options(httpProtocolIpv6="disabled")
    return module_workshop.daemon(
        {"instances": [samples.full("web-1", ["127.0.0.11", "::1"], metadataOptions=off)]}
    )


def test_over_ipv6_the_same_instance_answers(enabled):
    over6, over4 = enabled.client("::1"), enabled.client()
    reply = over6.raw(wire.token_request(60))
    assert masked(reply) == wire.token_block()
    token = reply.text
    assert masked(over6.get(ID, token)) == wire.ok_block(19, token=True)
    assert over6.get(ID, token).body == over4.get(ID, token).body
    assert_empty(over6.get(ID), "401 Unauthorized")
    token = over4.put_token()
    assert_empty(over6.get(ID, token[:8] + "AAAA" + token[12:]), "401 Unauthorized")


@pytest.mark.parametrize(
    "data",
    [
        wire.token_request(60),
        wire.token_request(None),
        wire.request("GET", ID),
        wire.request("GET", "/"),
        wire.request("GET", "/none"),
        wire.request("POST", "/"),
    ],
    ids=lambda data: data.split(b"\r\n")[0].decode(),
)
def test_with_ipv6_disabled_everything_over_it_is_the_403_page(disabled, data):
    assert_page(disabled.client("::1").raw(data), 403)
    assert disabled.client().get(ID).status == 200


def test_ipv6_is_disabled_by_default(workshop):
    service = workshop.daemon({"instances": [samples.plain("web-1", ["127.0.0.11", "::1"])]})
    assert service.client().get(ID).status == 200
    assert_page(service.client("::1").get(ID), 403)


def test_an_unknown_caller_over_ipv6_gets_the_404_page(workshop):
    service = workshop.daemon({"instances": [samples.plain()]})
    assert_404(service.client("::1").get(ID))


def test_an_ipv6_prefix_matches(workshop):
    on = samples.options()
    service = workshop.daemon({"instances": [samples.plain("web-1", "::/64", metadataOptions=on)]})
    assert service.client("::1").get(ID).status == 200
