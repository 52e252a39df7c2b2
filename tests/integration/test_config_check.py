"""Configuration files: what is right is accepted; what is wrong is named with file, line, column."""

import re

import pytest

import samples
from daemon import run_binary

GOOD_INSTANCE = """instances:
  - name: web-1
    match: {addresses: [127.0.0.11]}
"""

# Tags that are shown in metadata must be names there; others may be called what Lightsail allows.
SHOWN = """instances:
  - name: web-1
    metadataOptions: {instanceMetadataTags: enabled}
"""

# The mark § stands where the fault is: at the key, at the value, or at either.
BAD = {
    "unknown key at the top": ("§lisen: []\n", "lisen"),
    "unknown key in limits": ("limits:\n  §burts: 3\n", "burts"),
    "unknown key in control": ("control: {§adress: 127.0.0.1}\n", "adress"),
    "unknown key of an instance": ("instances:\n  - name: web-1\n    §mach: {}\n", "mach"),
    "unknown key in match": ("instances:\n  - name: web-1\n    match: {§adresses: []}\n", "adresses"),
    "unknown metadata option": (
        "instances:\n  - name: web-1\n    metadataOptions:\n      §httpToken: required\n",
        "httpToken",
    ),
    "key twice": ("region: us-west-2\n§region: us-east-1\n", "region"),
    "instance key twice": ("instances:\n  - name: web-1\n    §name: web-2\n", "name"),
    "bad tokens value": (
        "instances:\n  - name: web-1\n    metadataOptions: {§httpTokens: §sometimes}\n",
        "sometimes",
    ),
    "hop limit 0": (
        "instances:\n  - name: web-1\n    metadataOptions: {§httpPutResponseHopLimit: §0}\n",
        "httpPutResponseHopLimit",
    ),
    "hop limit 65": (
        "instances:\n  - name: web-1\n    metadataOptions: {§httpPutResponseHopLimit: §65}\n",
        "httpPutResponseHopLimit",
    ),
    "hop limit in words": (
        "instances:\n  - name: web-1\n    metadataOptions: {§httpPutResponseHopLimit: §one}\n",
        "httpPutResponseHopLimit",
    ),
    "endpoint true": (
        "instances:\n  - name: web-1\n    metadataOptions: {§httpEndpoint: §true}\n",
        "httpEndpoint",
    ),
    "bad port": ("listen:\n  - {address: 127.0.0.1, §port: §70000}\n", "port"),
    "port 0x50": ("listen:\n  - {address: 127.0.0.1, §port: §eighty}\n", "port"),
    "bad listen address": ("listen:\n  - {§address: §127.0.0.256, port: 1338}\n", "127.0.0.256"),
    "listen is no list": ("§listen: §nowhere\n", "listen"),
    "bad match address": (
        "instances:\n  - name: web-1\n    match: {§addresses: [§127.0.0.300]}\n",
        "127.0.0.300",
    ),
    "bad match prefix": (
        "instances:\n  - name: web-1\n    match: {§addresses: [§127.0.0.0/33]}\n",
        "127.0.0.0/33",
    ),
    "bad mac": ("instances:\n  - name: web-1\n    match: {§mac: §02:00:00}\n", "mac"),
    "bad instance name": ("instances:\n  - §name: §-web\n", "name"),
    "instance without name": ("instances:\n  - §match: {addresses: [127.0.0.11]}\n", "name"),
    "name is a map": ("instances:\n  - §name: §{a: b}\n", "name"),
    "two instances of one name": (
        "instances:\n  - name: web-1\n    match: {addresses: [127.0.0.11]}\n"
        "  - §name: §web-1\n    match: {addresses: [127.0.0.12]}\n",
        "web-1",
    ),
    "unknown blueprint": (
        "instances:\n  - name: web-1\n    §blueprintId: §debian_1\n",
        "debian_1",
    ),
    "unknown bundle": ("instances:\n  - name: web-1\n    §bundleId: §huge\n", "huge"),
    "bad private address": (
        "instances:\n  - name: web-1\n    §privateIpAddress: §10.0.0\n",
        "10.0.0",
    ),
    "bad ipv6 address": (
        "instances:\n  - name: web-1\n    §ipv6Addresses: [§\"2001:db8::g\"]\n",
        "2001:db8::g",
    ),
    "bad base64": ("instances:\n  - name: web-1\n    §userDataBase64: §\"a=b\"\n", "userDataBase64"),
    "user data twice": (
        "instances:\n  - name: web-1\n    §userData: a\n    §userDataBase64: YQ==\n",
        "userData",
    ),
    "user data file is not there": (
        "instances:\n  - name: web-1\n    §userDataFile: §none.cloud-config\n",
        "none.cloud-config",
    ),
    "bad tag key": (SHOWN + "    tags: {§\"a b\": c}\n", "a b"),
    "tag key with a slash": (SHOWN + "    tags: {§a/b: c}\n", "a/b"),
    "tag key dot dot": (SHOWN + "    tags: {§..: c}\n", ".."),
    "tag key _index": (SHOWN + "    tags: {§_index: c}\n", "_index"),
    "tags are a list": ("instances:\n  - name: web-1\n    §tags: §[a, b]\n", "tags"),
    "role without credentials key": (
        "instances:\n  - name: web-1\n    role: {§name: R, §credentials: §{§accessKeyId: A}}\n",
        "",
    ),
    "bad state": ("instances:\n  - name: web-1\n    §state: §paused\n", "paused"),
    "bad monitoring": ("instances:\n  - name: web-1\n    §monitoring: §maybe\n", "monitoring"),
    "bad account": ("§accountId: §\"12345\"\n", "accountId"),
    "negative limit": ("limits: {§requestsPerSecond: §-1}\n", "requestsPerSecond"),
    "limit in words": ("limits: {§connectionsPerInstance: §lots}\n", "connectionsPerInstance"),
    "zero timeout": ("limits: {§headerTimeoutSeconds: §0}\n", "headerTimeoutSeconds"),
    "bad store": ("§store: §mysql://localhost/x\n", "store"),
    "instances are a map": ("instances:\n  §name: web-1\n", ""),
    "top level is a list": ("§- a\n- b\n", ""),
    "broken yaml": ("region: us-west-2\nlisten: [§{address: 127.0.0.1§\n§", ""),
    "tab as indent": ("limits:\n§\t§burst: 3\n", ""),
    "unclosed quote": ("§region: §\"us-west-2\n§", ""),
    "anchors": ("§region: §&r us-west-2\n", ""),
    "two documents": ("region: us-west-2\n§---\n§region: us-east-1\n", ""),
    "undefined alias": ("§region: §*nowhere\n", ""),
}  # fmt: skip


def marked(text):
    """The text without its marks, and the places (line, column), from 1, where they stood."""
    places, line, column, out = set(), 1, 1, ""
    for char in text:
        if char == "§":
            places.add((line, column))
            continue
        out += char
        line, column = (line + 1, 1) if char == "\n" else (line, column + 1)
    return out, places


@pytest.mark.parametrize("what", BAD)
def test_a_fault_is_named_with_file_line_and_column(tmp_path, what):
    text, word = BAD[what]
    text, places = marked(text)
    path = tmp_path / "bad.yaml"
    path.write_text(text)
    result = run_binary("config", "check", path).refused(str(path), word)
    match = re.search(re.escape(str(path)) + r":(\d+):(\d+): \S", result.err)
    assert match, f"no file:line:column in {result.err!r}"
    at = (int(match.group(1)), int(match.group(2)))
    if what in ("broken yaml", "tab as indent", "unclosed quote", "two documents"):
        assert any(abs(at[0] - line) <= 1 for line, _ in places), (at, places, result.err)
    else:
        assert at in places, (at, places, result.err)


@pytest.mark.parametrize("what", ["unknown key at the top", "hop limit 65", "broken yaml"])
def test_serve_with_a_bad_file_ends_with_code_1_and_the_same_line(workshop, what):
    text, _ = marked(BAD[what][0])
    service = workshop.daemon(None, start=False, fresh=True)
    service.write_config_text(text)
    service.allow_errors(".")
    code, log = service.fails_to_start()
    said = run_binary("config", "check", service.config_path).refused().err.strip()
    place = re.search(r"telltale\.yaml:\d+:\d+", said).group(0)
    assert code == 1 and place in log
    assert len(log.splitlines()) == 1, log
    assert not service.database.exists()


def test_a_file_that_is_not_there_is_named(tmp_path):
    run_binary("config", "check", tmp_path / "none.yaml").refused("none.yaml")
    run_binary("serve", "-c", tmp_path / "none.yaml").refused("none.yaml")
    run_binary("config", "check", tmp_path).refused(str(tmp_path))


@pytest.mark.parametrize(
    "data",
    [b"\xff\xfe\x00", b"region: \xc3\x28\n", b"region: us-west-2\x00\n", b"\x00" * 10000,
     b"a: &a [*a]\n", b"[" * 20000, b"{" * 20000, b"x: " + b"y" * 3000000 + b": z"],
    ids=["utf-16", "bad-utf-8", "nul", "nuls", "recursive-alias", "deep-list", "deep-map", "long"],
)  # fmt: skip
def test_hostile_files_are_refused_with_one_line(tmp_path, data):
    path = tmp_path / "bad.yaml"
    path.write_bytes(data)
    run_binary("config", "check", path).refused(str(path))


def test_an_alias_bomb_is_refused_quickly(tmp_path):
    lines = ["a0: &a0 [x, x, x, x, x, x, x, x, x, x]"]
    for n in range(1, 9):
        lines.append(f"a{n}: &a{n} [" + ", ".join([f"*a{n - 1}"] * 10) + "]")
    path = tmp_path / "bomb.yaml"
    path.write_text("\n".join(lines) + "\n")
    run_binary("config", "check", path, timeout=20).refused(str(path))


@pytest.mark.parametrize(
    "text",
    [
        GOOD_INSTANCE,
        "",
        "# nothing\n",
        "{}\n",
        "region: eu-central-1\naccountId: \"000000000000\"\n",
        "limits: {requestsPerSecond: 200, burst: 400, connectionsPerInstance: 64,"
        " headerTimeoutSeconds: 1, idleTimeoutSeconds: 1, requestTimeoutSeconds: 1}\n",
        "metrics: {perInstance: true}\n" + GOOD_INSTANCE,
        "listen:\n  - {address: 127.0.0.1, port: 80, interface: lo, network: tenant-a}\n",
        "{\"region\": \"us-west-2\", \"instances\": [{\"name\": \"web-1\"}]}\n",
        GOOD_INSTANCE + "    tags: {\"a b/c\": d, _index: e}\n",
    ],
    ids=["instance", "empty", "comment", "braces", "region", "limits", "metrics", "listen", "json",
         "tags"],
)  # fmt: skip
def test_a_right_file_is_accepted(tmp_path, text):
    path = tmp_path / "good.yaml"
    path.write_text(text)
    result = run_binary("config", "check", path).ok()
    assert result.err == ""


def test_everything_configurable_is_accepted(tmp_path):
    import yaml

    path = tmp_path / "good.yaml"
    path.write_text(yaml.safe_dump({"instances": [samples.full()]}, sort_keys=False))
    run_binary("config", "check", path).ok()


def test_two_instances_with_one_address_are_named(tmp_path):
    file = tmp_path / "two.yaml"
    file.write_text(GOOD_INSTANCE + "  - name: web-2\n    match: {addresses: [127.0.0.11]}\n")
    result = run_binary("config", "check", str(file))
    assert result.code == 1 and result.out == ""
    assert "web-1" in result.err and "web-2" in result.err and "127.0.0.11" in result.err


def test_check_creates_nothing(tmp_path):
    path = tmp_path / "good.yaml"
    path.write_text(f"store: sqlite://{tmp_path}/telltale.db\n" + GOOD_INSTANCE)
    run_binary("config", "check", path).ok()
    assert [p.name for p in tmp_path.iterdir()] == ["good.yaml"]
