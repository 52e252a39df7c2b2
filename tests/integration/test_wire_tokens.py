"""PUT /latest/api/token and the v1/v2 decision, case by case (docs/protocol.md)."""

import base64
import re

import pytest

import samples
import wire
from wire import TOKEN_PATH, assert_404, assert_empty, assert_page, masked

OPTIONAL = "127.0.0.11"
REQUIRED = "127.0.0.12"
DISABLED = "127.0.0.13"
STOPPED = "127.0.0.14"
UNKNOWN = "127.0.0.99"

ALLOW_TOKEN = ("Allow: OPTIONS, PUT",)
ALLOW_METADATA = ("Allow: GET, HEAD",)
ID = "/latest/meta-data/instance-id"
TTL = "X-aws-ec2-metadata-token-ttl-seconds"


@pytest.fixture(scope="module")
def service(module_workshop):
    return module_workshop.daemon(
        {
            "instances": [
                samples.plain("optional", OPTIONAL, metadataOptions=samples.options()),
                samples.plain(
                    "required", REQUIRED, metadataOptions=samples.options(httpTokens="required")
                ),
                samples.plain(
                    "disabled", DISABLED, metadataOptions=samples.options(httpEndpoint="disabled")
                ),
                samples.plain("stopped", STOPPED, state="stopped"),
            ]
        }
    )


@pytest.fixture(params=[OPTIONAL, REQUIRED], ids=["optional", "required"])
def either(request, service):
    """A caller whose instance has tokens optional, and one that has them required."""
    return service.client(request.param)


# -- PUT that works


@pytest.mark.parametrize("ttl", [1, 2, 5, 60, 300, 900, 21599, 21600])
def test_put_grants_a_token_and_echoes_its_ttl(either, ttl):
    reply = either.raw(wire.token_request(ttl))
    assert masked(reply) == wire.token_block()
    assert reply.value(wire.TTL_HEADER) == str(ttl)
    assert re.fullmatch(rb"AQAEA[A-Za-z0-9_-]{48}[AQgw]==", reply.body), reply.body
    raw = base64.urlsafe_b64decode(reply.body)
    assert len(raw) == 40 and raw[:4] == b"\x01\x00\x04\x00"


def test_every_put_grants_another_token(either):
    with either.connect() as conn:
        tokens = [conn.put_token() for _ in range(20)]
    assert len(set(tokens)) == 20
    for token in tokens:
        assert either.get(ID, token).status == 200


@pytest.mark.parametrize(
    "name",
    [
        "X-aws-ec2-metadata-token-ttl-seconds",
        "x-aws-ec2-metadata-token-ttl-seconds",
        "X-Aws-Ec2-Metadata-Token-Ttl-Seconds",
        "X-AWS-EC2-METADATA-TOKEN-TTL-SECONDS",
    ],
)
def test_header_names_are_case_insensitive(either, name):
    reply = either.raw(wire.token_request(None, [(name, "300")]))
    assert masked(reply) == wire.token_block()
    token = reply.body.decode()
    for spelling in (
        "x-aws-ec2-metadata-token",
        "X-Aws-Ec2-Metadata-Token",
        "X-AWS-EC2-METADATA-TOKEN",
    ):
        assert either.get(ID, headers=[(spelling, token)]).status == 200


@pytest.mark.parametrize("space", ["", " ", "  ", "\t", " \t "])
@pytest.mark.parametrize("after", ["", " ", "\t "])
def test_whitespace_around_a_header_value_does_not_matter(either, space, after):
    put = f"PUT {TOKEN_PATH} HTTP/1.1\r\nHost: a\r\n{TTL}:{space}300{after}\r\n\r\n".encode()
    reply = either.raw(put)
    assert masked(reply) == wire.token_block()
    token = reply.body.decode()
    get = f"GET {ID} HTTP/1.1\r\nX-aws-ec2-metadata-token:{space}{token}{after}\r\n\r\n".encode()
    assert either.raw(get).status == 200


@pytest.mark.parametrize(
    "extra",
    [
        [("Content-Length", "0")],
        [("Expect", "100-continue")],
        [("Expect", "100-continue"), ("Content-Length", "0")],
        [("TE", "trailers"), ("Cookie", "a=b"), ("Accept", "*/*")],
        [("Connection", "keep-alive")],
        [("Origin", "http://example.com"), ("Content-Type", "application/x-www-form-urlencoded")],
    ],
    ids=lambda pairs: "+".join(name for name, _ in pairs),
)
def test_put_tolerates_headers_of_real_clients(either, extra):
    assert masked(either.raw(wire.token_request(60, extra))) == wire.token_block()


@pytest.mark.parametrize("expect", [[], [("Expect", "100-continue")]], ids=["plain", "expect"])
def test_put_accepts_an_empty_chunked_body(either, expect):
    head = wire.token_request(60, [("Transfer-Encoding", "chunked"), *expect])
    with either.connect() as conn:
        assert masked(conn.exchange(head + b"0\r\n\r\n")) == wire.token_block()
        assert conn.get(ID).status in (200, 401)  # the connection is in step


def test_put_without_host_is_served(either):
    reply = either.raw(f"PUT {TOKEN_PATH} HTTP/1.1\r\n{TTL}: 60\r\n\r\n".encode())
    assert masked(reply) == wire.token_block()


@pytest.mark.parametrize("query", ["?", "?a=b", "?/../%zz"])
def test_the_query_of_the_token_path_is_ignored(either, query):
    assert masked(either.raw(wire.token_request(60, path=TOKEN_PATH + query))) == wire.token_block()


def test_put_that_says_close_gets_the_close_line_and_is_closed(either):
    with either.connect() as conn:
        reply = conn.exchange(wire.token_request(60, [("Connection", "close")]))
        assert masked(reply) == wire.token_block(close=True)
        conn.expect_eof()


# -- PUT that does not


@pytest.mark.parametrize(
    "value",
    [
        None, "0", "-1", "+1", "21601", "99999", "4294967297", "18446744073709551617", "9" * 400,
        "abc", "", " ", "1.0", "1e3", "0x10", "60s", "60 60", "60,60", "60;", "\u0663",
    ],
    ids=lambda v: "missing" if v is None else repr(v)[:20],
)  # fmt: skip
def test_put_with_a_bad_ttl_is_400_with_the_two_tab_page(either, value):
    headers = [] if value is None else [(TTL, value.encode("utf-8").decode("latin-1"))]
    with either.connect() as conn:
        reply = conn.exchange(wire.token_request(None, headers))
        assert_page(reply, 400)
        assert len(reply.body) == 343
        if not reply.closes:
            assert conn.get(ID).status in (200, 401)


@pytest.mark.parametrize("value", ["1.2.3.4", "", "127.0.0.1", "unknown, 10.0.0.1"])
@pytest.mark.parametrize("ttl", ["60", "0", None], ids=["good-ttl", "bad-ttl", "no-ttl"])
def test_put_with_x_forwarded_for_is_403_and_empty_whatever_else_is_wrong(either, value, ttl):
    reply = either.raw(wire.token_request(ttl, [("X-Forwarded-For", value)]))
    assert_empty(reply, "403 Forbidden")


def test_x_forwarded_for_is_case_insensitive(either):
    reply = either.raw(wire.token_request(60, [("x-forwarded-FOR", "1.2.3.4")]))
    assert_empty(reply, "403 Forbidden")


@pytest.mark.parametrize(
    "path",
    [
        "/latest/api/token/",
        "/2021-03-23/api/token",
        "/2021-03-23/api/token/",
        "/1.0/api/token",
        "/2009-04-04/api/token",
    ],
)
def test_put_to_another_form_of_the_token_path_is_403_and_empty(either, path):
    assert_empty(either.raw(wire.token_request(60, path=path)), "403 Forbidden")


@pytest.mark.parametrize("method", ["GET", "HEAD", "POST", "DELETE", "PATCH", "TRACE", "BREW"])
def test_other_methods_on_the_token_path_are_405_and_say_what_is_allowed(either, method):
    reply = either.get(TOKEN_PATH, method=method)
    assert_empty(reply, "405 Not Allowed", ALLOW_TOKEN)


def test_options_on_the_token_path_is_200_and_says_what_is_allowed(either):
    assert_empty(either.get(TOKEN_PATH, method="OPTIONS"), "200 OK", ALLOW_TOKEN)


@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE", "OPTIONS", "PATCH", "TRACE", "BREW"])
@pytest.mark.parametrize(
    "path", ["/", "/latest/", ID, "/latest/user-data", "/latest/meta-data/none"]
)
def test_other_methods_on_metadata_paths_are_405_before_any_token_check(either, method, path):
    assert_empty(either.get(path, method=method), "405 Not Allowed", ALLOW_METADATA)


def test_405_closes_only_when_asked(either):
    with either.connect() as conn:
        assert conn.get(ID, method="POST").status == 405
        reply = conn.get(ID, method="DELETE", headers=[("Connection", "close")])
        assert masked(reply) == wire.empty_block("405 Not Allowed", True, ALLOW_METADATA)
        conn.expect_eof()


# -- GET and HEAD: who is let through


def test_get_without_token_is_served_while_tokens_are_optional(service):
    reply = service.client(OPTIONAL).get(ID)
    assert masked(reply) == wire.ok_block(19)
    assert re.fullmatch(r"i-[0-9a-f]{17}", reply.text)


def test_head_without_token_is_served_while_tokens_are_optional(service):
    reply = service.client(OPTIONAL).get(ID, method="HEAD")
    assert masked(reply) == wire.ok_block(19)


@pytest.mark.parametrize("method", ["GET", "HEAD"])
@pytest.mark.parametrize(
    "path",
    ["/", "/latest", "/latest/", "/latest/meta-data/", ID, "/latest/user-data", "/latest/nothing",
     "/none", "/latest/dynamic/instance-identity/document"],
)  # fmt: skip
def test_without_token_everything_is_401_and_empty_while_tokens_are_required(service, method, path):
    reply = service.client(REQUIRED).get(path, method=method)
    assert_empty(reply, "401 Unauthorized")


def test_401_has_no_www_authenticate(service):
    assert service.client(REQUIRED).get(ID).values("WWW-Authenticate") == []


@pytest.mark.parametrize("method", ["GET", "HEAD"])
def test_with_a_valid_token_the_reply_carries_the_remaining_ttl(either, method):
    token = either.put_token(300)
    reply = either.get(ID, token, method=method)
    assert masked(reply) == wire.ok_block(19, token=True)
    assert 180 <= int(reply.value(wire.TTL_HEADER)) <= 300


def test_without_token_there_is_no_ttl_header(service):
    assert service.client(OPTIONAL).get(ID).values(wire.TTL_HEADER) == []


@pytest.mark.parametrize("method", ["GET", "HEAD"])
@pytest.mark.parametrize("path", [ID, "/", "/latest/nothing"])
def test_an_empty_token_is_401(either, method, path):
    assert_empty(either.get(path, "", method=method), "401 Unauthorized")


def test_a_token_of_another_instance_is_401(service):
    one, two = service.client(OPTIONAL), service.client(REQUIRED)
    for mine, other in ((one, two), (two, one)):
        token = mine.put_token()
        assert mine.get(ID, token).status == 200
        assert_empty(other.get(ID, token), "401 Unauthorized")


def test_a_token_with_any_one_character_changed_is_401(either):
    alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"
    token = either.put_token()
    forged = []
    for at, old in enumerate(token):
        new = "A" if old == "=" else alphabet[(alphabet.index(old) + 1) % 64]
        forged.append(token[:at] + new + token[at + 1 :])
    with either.connect() as conn:
        for text in forged:
            assert_empty(conn.get(ID, text), "401 Unauthorized")
        assert conn.get(ID, token).status == 200


def not_canonical(token):
    """Texts that a lenient base64 decoder would take for the same token."""
    alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"
    last = alphabet.index(token[53])
    yield "unused bits set", token[:53] + alphabet[last | 1] + "=="
    yield "no padding", token[:54]
    yield "half the padding", token[:55]
    yield "more padding", token + "="
    yield "standard alphabet", token.replace("-", "+").replace("_", "/") + "/"
    yield "quoted", f'"{token}"'
    yield "percent-encoded padding", token[:54] + "%3D%3D"
    yield "space inside", token[:20] + " " + token[20:]
    yield "comma", token + ","
    yield "twice", token + token
    yield "list", token + ", " + token
    yield "one short", token[1:]
    yield "lower case", token.lower()
    yield "very long", token * 40
    yield "nothing like it", "x"
    yield "high bytes", "\xff" * 56
    yield "null token", "A" * 54 + "=="


def test_only_the_canonical_text_of_a_token_is_accepted(either):
    token = either.put_token()
    with either.connect() as conn:
        for what, text in not_canonical(token):
            reply = conn.get(ID, text)
            assert reply.status == 401, f"{what}: {reply}"
            assert_empty(reply, "401 Unauthorized")


def test_the_same_token_twice_with_different_values_is_400_and_closed(either):
    token, other = either.put_token(), either.put_token()
    with either.connect() as conn:
        reply = conn.get(ID, token, [("x-aws-ec2-metadata-token", other)])
        assert reply.status == 400 and reply.closes
        conn.expect_eof()


def test_a_head_that_is_refused_has_no_body(either):
    token, other = either.put_token(), either.put_token()
    with either.connect() as conn:
        reply = conn.get(ID, token, [("x-aws-ec2-metadata-token", other)], method="HEAD")
        assert reply.status == 400 and reply.closes
        conn.expect_eof("a reply to HEAD has no body")
    with either.connect() as conn:
        reply = conn.get("/latest/..", token, method="HEAD")
        assert reply.status == 400
        assert conn.get(ID, token).status == 200


def test_the_same_ttl_header_twice_with_different_values_is_400_and_closed(either):
    with either.connect() as conn:
        reply = conn.exchange(wire.token_request(60, [(TTL.lower(), "61")]))
        assert reply.status == 400 and reply.closes
        conn.expect_eof()


def test_with_a_token_x_forwarded_for_is_403_and_empty(either):
    token = either.put_token()
    for forwarded in ("1.2.3.4", ""):
        for text in (token, "", "wrong"):
            reply = either.get(ID, text, [("X-Forwarded-For", forwarded)])
            assert_empty(reply, "403 Forbidden")
    assert_empty(
        either.get(ID, token, [("X-Forwarded-For", "1.2.3.4")], method="HEAD"), "403 Forbidden"
    )


def test_without_token_x_forwarded_for_changes_nothing(service):
    forwarded = [("X-Forwarded-For", "1.2.3.4")]
    reply = service.client(OPTIONAL).get(ID, headers=forwarded)
    assert masked(reply) == wire.ok_block(19)
    assert_404(service.client(OPTIONAL).get("/latest/none", headers=forwarded))
    assert_empty(service.client(REQUIRED).get(ID, headers=forwarded), "401 Unauthorized")


def test_a_get_with_only_the_ttl_header_counts_as_one_without_token(service):
    ttl = [(TTL, "60")]
    assert masked(service.client(OPTIONAL).get(ID, headers=ttl)) == wire.ok_block(19)
    assert_empty(service.client(REQUIRED).get(ID, headers=ttl), "401 Unauthorized")


# -- 404


@pytest.mark.parametrize("path", ["/none", "/latest/none", "/latest/meta-data/none", ID + "/more"])
def test_a_missing_path_is_the_339_byte_page(service, path):
    reply = service.client(OPTIONAL).get(path)
    assert masked(reply) == wire.page_block("404 Not Found", 339)
    assert reply.body == wire.PAGE_404
    head = service.client(OPTIONAL).get(path, method="HEAD")
    assert masked(head) == wire.page_block("404 Not Found", 339)


def test_a_missing_path_with_a_valid_token_is_the_same_page(either):
    reply = either.get("/latest/none", either.put_token())
    lines = [line for line in masked(reply) if not line.startswith(wire.TTL_HEADER)]
    assert lines == wire.page_block("404 Not Found", 339)
    assert reply.body == wire.PAGE_404


# -- disabled endpoint, stopped instance, unknown caller


EVERYTHING = [
    wire.token_request(60),
    wire.token_request(None),
    wire.token_request(60, [("X-Forwarded-For", "1.2.3.4")]),
    wire.token_request(60, path="/latest/api/token/"),
    wire.request("GET", "/"),
    wire.request("GET", ID),
    wire.request("GET", ID, "A" * 54 + "=="),
    wire.request("GET", "/latest/none"),
    wire.request("GET", "/latest/../none"),
    wire.request("GET", "/latest/%zz"),
    wire.request("POST", ID),
    wire.request("OPTIONS", TOKEN_PATH),
]


@pytest.mark.parametrize("data", EVERYTHING, ids=lambda d: d.split(b"\r\n")[0].decode())
def test_a_disabled_endpoint_answers_everything_with_the_403_page(service, data):
    reply = service.client(DISABLED).raw(data)
    assert_page(reply, 403)
    assert len(reply.body) == 337


def test_a_disabled_endpoint_answers_head_without_body(service):
    assert_page(service.client(DISABLED).get(ID, method="HEAD"), 403, head_only=True)


@pytest.mark.parametrize("data", EVERYTHING, ids=lambda d: d.split(b"\r\n")[0].decode())
@pytest.mark.parametrize("source", [UNKNOWN, STOPPED], ids=["unknown", "stopped"])
def test_an_unknown_caller_and_a_stopped_instance_get_the_404_page_for_everything(
    service, source, data
):
    assert_404(service.client(source).raw(data))


def test_unreadable_requests_are_400_before_anyone_is_recognised(service):
    for source in (OPTIONAL, REQUIRED, DISABLED, STOPPED, UNKNOWN):
        with service.client(source).connect() as conn:
            reply = conn.exchange(b"GET / HTTP/1.1\r\nBad Header: x\r\n\r\n")
            assert_page(reply, 400)
            assert reply.closes
            conn.expect_eof()
