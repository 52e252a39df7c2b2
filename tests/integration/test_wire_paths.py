"""Targets: slashes, listings, queries, escapes, case, absolute form."""

import pytest

import samples
import wire
from wire import assert_404, masked

META = "/latest/meta-data"
ID = META + "/instance-id"


@pytest.fixture(scope="module")
def caller(module_workshop):
    return module_workshop.daemon({"instances": [samples.full()]}).client()


DIRECTORIES = [
    "/latest",
    "/latest/meta-data",
    "/latest/meta-data/placement",
    "/latest/meta-data/public-keys",
    "/latest/meta-data/public-keys/0",
    "/latest/meta-data/iam",
    "/latest/meta-data/iam/security-credentials",
    "/latest/meta-data/identity-credentials/ec2/security-credentials",
    "/latest/meta-data/network/interfaces/macs",
    "/latest/meta-data/events",
    "/latest/meta-data/events/maintenance",
    "/latest/meta-data/spot",
    "/latest/meta-data/tags",
    "/latest/meta-data/tags/instance",
    "/latest/meta-data/block-device-mapping",
    "/latest/dynamic",
    "/latest/dynamic/instance-identity",
    "/2009-04-04",
    "/2009-04-04/meta-data",
]


@pytest.mark.parametrize("path", DIRECTORIES)
def test_a_directory_lists_the_same_with_and_without_slash(caller, path):
    bare, slash = caller.get(path), caller.get(path + "/")
    assert masked(bare) == wire.ok_block(len(bare.body))
    assert (slash.status, slash.body) == (200, bare.body)
    assert masked(slash) == masked(bare)


@pytest.mark.parametrize("path", ["/", *DIRECTORIES])
def test_a_listing_has_no_newline_at_its_end_and_no_empty_line(caller, path):
    text = caller.text(path)
    assert text and not text.endswith("\n")
    assert all(text.split("\n")), text


@pytest.mark.parametrize("path", [p for p in DIRECTORIES if p not in ("/latest", "/2009-04-04")])
def test_a_listing_is_sorted_bytewise(caller, path):
    names = [line.encode() for line in caller.text(path).split("\n")]
    assert names == sorted(names)


@pytest.mark.parametrize(
    "leaf",
    [
        "instance-id",
        "placement/availability-zone",
        "services/domain",
        "public-keys/0/openssh-key",
        f"iam/security-credentials/{samples.ROLE}",
        "tags/instance/env",
    ],
)
def test_a_leaf_answers_with_a_slash_at_its_end(caller, leaf):
    bare = caller.get(f"{META}/{leaf}")
    slash = caller.get(f"{META}/{leaf}/")
    assert bare.status == 200 and masked(slash) == masked(bare) and slash.body == bare.body


@pytest.mark.parametrize(
    "path", ["/latest/user-data", "/latest/dynamic/instance-identity/document"]
)
def test_user_data_and_document_answer_with_a_slash_at_their_end(caller, path):
    bare, slash = caller.get(path), caller.get(path + "/")
    assert bare.status == 200 and masked(slash) == masked(bare) and slash.body == bare.body


@pytest.mark.parametrize(
    "path",
    [
        "//latest/meta-data/instance-id",
        "/latest//meta-data/instance-id",
        "/latest/meta-data//instance-id",
        "///latest///meta-data///instance-id///",
        "/latest/meta-data/instance-id//",
        "//latest//meta-data//instance-id",
    ],
)
def test_repeated_slashes_count_as_one(caller, path):
    assert caller.text(path) == caller.text(ID)


@pytest.mark.parametrize("query", ["?", "?a=b", "?a=b&c=/../x", "?%zz", "?%00", "??", "/?x"])
def test_a_query_is_ignored(caller, query):
    assert caller.text(ID + query) == caller.text(ID)


@pytest.mark.parametrize("path", ["/?x=y", "?x"])
def test_a_query_on_the_root_is_ignored_and_a_target_needs_its_slash(caller, path):
    reply = caller.get(path)
    if path.startswith("/"):
        assert reply.body == caller.get("/").body
    else:
        assert reply.status == 400


@pytest.mark.parametrize(
    "path",
    [
        "/latest/meta-data/Instance-Id",
        "/LATEST/meta-data/instance-id",
        "/latest/Meta-Data/instance-id",
        "/latest/meta-data/instance-id/x",
        "/latest/meta-data/instance",
        "/latest/meta-data/instance-id2",
        "/latest/user-data/x",
        "/latest/meta-datas",
        "/Latest",
        "/2009-04-05",
        "/2009-04-04x/meta-data",
        "/meta-data/instance-id",
        "/latest/meta-data/public-keys/1",
        "/latest/meta-data/public-keys/00",
        "/latest/meta-data/public-keys/0/other",
        "/latest/meta-data/network/interfaces/macs/02:00:00:00:00:99/mac",
        "/favicon.ico",
        "/index.html",
    ],
)
def test_what_is_not_there_is_404(caller, path):
    assert_404(caller.get(path))


@pytest.mark.parametrize(
    "path",
    [
        "/latest/meta-data/instance%2Did",
        "/latest/meta-data/%69nstance-id",
        "/%6c%61%74%65%73%74/meta-data/instance-id",
        "/latest/meta-data/instance%2did",
    ],
)
def test_an_escaped_path_is_decoded(caller, path):
    assert caller.text(path) == caller.text(ID)


@pytest.mark.parametrize(
    "path",
    ["/latest/meta-data/instance%252Did", "/latest/meta-data/%2569nstance-id", "/%2525"],
)
def test_a_path_is_decoded_only_once(caller, path):
    assert_404(caller.get(path))


def test_escaped_tag_keys_are_found(caller):
    assert caller.text(f"{META}/tags/instance/a.b%3Ac%40d%3De") == "x+y"
    assert caller.text(f"{META}/tags/instance/a.b:c@d=e") == "x+y"


@pytest.mark.parametrize(
    "path",
    [
        "/..",
        "/../latest/meta-data/instance-id",
        "/latest/../latest/meta-data/instance-id",
        "/latest/meta-data/..",
        "/latest/meta-data/../",
        "/latest/meta-data/%2e%2e",
        "/latest/meta-data/%2E%2E/user-data",
        "/latest/meta-data/.%2e",
        "/latest/meta-data/%2e./x",
        "/latest/%00",
        "/latest/meta-data/instance-id%00",
        "/latest/meta-data/instance-id%0a",
        "/latest/meta-data/instance-id%0d%0aX:y",
        "/latest/meta-data/%1f",
        "/latest/meta-data/%7f",
        "/latest/%zz",
        "/latest/%",
        "/latest/%4",
        "/latest/%4g",
        "/latest/%+41",
        "/latest/%u0041",
        "*",
        "latest/meta-data/instance-id",
    ],
)
def test_a_malformed_target_is_400(caller, path):
    with caller.connect() as conn:
        reply = conn.get(path)
        wire.assert_page(reply, 400)
        if reply.closes:
            conn.expect_eof()
        else:
            assert conn.get(ID).status == 200


@pytest.mark.parametrize("path", ["/latest/meta-data/...", "/latest/..x", "/latest/x..", "/...."])
def test_dots_inside_a_name_are_only_a_name(caller, path):
    assert_404(caller.get(path))


@pytest.mark.parametrize(
    "path",
    ["/latest/%ff", "/latest/%c0%ae%c0%ae/", "/latest/meta-data/%c3%a9", "/latest/meta-data/%20"],
)
def test_bytes_beyond_ascii_name_nothing(caller, path):
    assert caller.get(path).status in (400, 404)


@pytest.mark.parametrize("host", ["169.254.169.254", "169.254.169.254:80", "[fd00:ec2::254]", "x"])
def test_an_absolute_target_is_served(caller, host):
    assert caller.text(f"http://{host}{ID}") == caller.text(ID)


def test_an_absolute_target_without_path_is_the_version_list(caller):
    reply = caller.get("http://169.254.169.254")
    assert reply.status in (200, 400)
    if reply.status == 200:
        assert reply.body == caller.get("/").body


@pytest.mark.parametrize("path", ["/latest/meta-data/", "/latest/meta-data/none", ID])
def test_head_has_the_head_of_get(caller, path):
    assert masked(caller.get(path, method="HEAD")) == masked(caller.get(path))
