"""A crawl as cloud-init does it finds every listed leaf, in every version."""

import json

import pytest

import samples
import wire
from wire import masked


@pytest.fixture(scope="module", params=["optional", "required"])
def caller(request, module_workshop):
    one = samples.full(
        metadataOptions=samples.options(httpTokens=request.param, instanceMetadataTags="enabled")
    )
    return module_workshop.daemon({"instances": [one]}).client()


class Crawl:
    """Walks the tree over one connection: a name that ends in a slash is a directory, one with an
    equals sign in public-keys is a key. Roles' documents are read too, which cloud-init skips."""

    def __init__(self, conn, token):
        self.conn = conn
        self.token = token
        self.leaves = {}
        self.directories = {}

    def get(self, path):
        reply = self.conn.get(path, self.token)
        assert reply.status == 200, f"{path} is listed, but: {reply}"
        return reply

    def directory(self, path):
        assert path.endswith("/")
        assert path.count("/") < 12, f"too deep: {path}"
        names = self.get(path).text.split("\n")
        assert len(set(names)) == len(names), f"{path}: {names}"
        self.directories[path] = names
        for name in names:
            assert name.strip("/") and name == name.strip(), f"{path}: {name!r}"
            if name.endswith("/"):
                self.directory(path + name)
            elif path.endswith("/public-keys/"):
                self.directory(path + name.partition("=")[0] + "/")
            else:
                self.leaves[path + name] = self.get(path + name)


def crawl(caller, version):
    token = caller.put_token()
    with caller.connect() as conn:
        walk = Crawl(conn, token)
        for part in walk.get(f"/{version}/").text.split("\n"):
            if part == "user-data":
                walk.leaves[f"/{version}/user-data"] = walk.get(f"/{version}/user-data")
            else:
                walk.directory(f"/{version}/{part}/")
        return walk


def versions(caller):
    return caller.text("/", caller.put_token()).split("\n")


def test_every_listed_leaf_of_every_version_is_served(caller):
    counts = {}
    for version in versions(caller):
        walk = crawl(caller, version)
        counts[version] = len(walk.leaves)
        for path, reply in walk.leaves.items():
            kind = "application/octet-stream" if path.endswith("/user-data") else "text/plain"
            want = wire.ok_block(len(reply.body), token=True, content_type=kind)
            assert masked(reply) == want, path
    assert counts["latest"] >= 60
    ordered = list(counts.values())
    assert ordered == sorted(ordered), f"a later version has fewer leaves: {counts}"


def test_every_leaf_answers_head_with_a_slash_and_doubled_slashes(caller):
    walk = crawl(caller, "latest")
    with caller.connect() as conn:
        for path, reply in walk.leaves.items():
            head = conn.get(path, walk.token, method="HEAD")
            assert masked(head) == masked(reply), path
            assert conn.get(path + "/", walk.token).body == reply.body, path
            assert conn.get(path.replace("/", "//"), walk.token).body == reply.body, path


def test_every_directory_answers_without_its_slash(caller):
    walk = crawl(caller, "latest")
    with caller.connect() as conn:
        for path, names in walk.directories.items():
            assert conn.get(path.rstrip("/"), walk.token).text.split("\n") == names


def test_what_was_configured_is_found_by_the_crawl(caller):
    found = {
        path.removeprefix("/latest/meta-data/"): reply.text
        for path, reply in crawl(caller, "latest").leaves.items()
        if path.startswith("/latest/meta-data/")
    }
    assert found["public-keys/0/openssh-key"] == samples.KEY + "\n"
    assert found["tags/instance/env"] == "prod"
    assert json.loads(found["spot/instance-action"])["action"] == "stop"
    assert json.loads(found["events/maintenance/scheduled"]) == [samples.MAINTENANCE]
    assert found[f"iam/security-credentials/{samples.ROLE}"].startswith("{\n")
    assert json.loads(found[f"iam/security-credentials/{samples.ROLE}"])["Code"] == "Success"


def test_no_leaf_but_the_openssh_key_ends_in_a_newline(caller):
    for path, reply in crawl(caller, "latest").leaves.items():
        ends = reply.body.endswith(b"\n")
        assert ends == path.endswith(("/openssh-key", "/user-data")), path


def test_the_sequence_of_cloud_init(caller):
    token = caller.put_token(21600)
    with caller.connect() as conn:
        for version in ("2021-03-23", "2018-09-24", "2016-09-02", "2009-04-04"):
            assert conn.get(f"/{version}/meta-data/instance-id", token).status == 200
        assert conn.get("/2021-03-23/user-data", token).status == 200
        names = conn.get("/2021-03-23/dynamic/instance-identity", token).text.split("\n")
        for name in names:
            assert conn.get(f"/2021-03-23/dynamic/instance-identity/{name}", token).status == 200
