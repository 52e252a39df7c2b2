"""`telltale serve` with nothing configured: a sample instance for every loopback caller, on the
known ports, and lines to paste. In namespaces of its own, because those ports and the default
places for store and socket are one to a machine."""

import re

import pytest

import wire
from daemon import BINARY, Daemon

ID = "/latest/meta-data/instance-id"


@pytest.fixture
def sample(workshop):
    space = workshop.namespace(network=True)
    for folder in ("/run", "/var/lib"):
        space.run("mount", "-t", "tmpfs", "-o", "mode=755", "tmpfs", folder)
    made = Daemon(workshop.root / "sample", None, prefix=space.prefix, make_socket=space.socket)
    made.port, made.control_port = 1338, 1339
    workshop.daemons.append(made)
    made.start("serve")
    made.space = space
    return made


def test_a_machine_without_ipv6_is_served_on_ipv4(workshop):
    space = workshop.namespace(network=True)
    for folder in ("/run", "/var/lib"):
        space.run("mount", "-t", "tmpfs", "-o", "mode=755", "tmpfs", folder)
    space.run("ip", "-6", "address", "flush", "dev", "lo")
    service = Daemon(workshop.root / "v4", None, prefix=space.prefix, make_socket=space.socket)
    service.port, service.control_port = 1338, 1339
    workshop.daemons.append(service)
    service.start("serve")
    assert service.client("127.0.0.1").get(ID).status == 200
    wire.wait_until(lambda: "no_token" in service.out_path.read_text(), "lines to paste")
    assert "[::1]" not in service.out_path.read_text()


def test_every_loopback_caller_is_the_sample_instance(sample):
    want = sample.client("127.0.0.1").text(ID)
    assert re.fullmatch(r"i-[0-9a-f]{17}", want)
    for source in ("127.0.0.11", "127.1.2.3", "::1"):
        assert sample.client(source).text(ID) == want
    token = sample.client("127.0.0.1").put_token()
    assert sample.client("::1").get(ID, token).status == 200


def test_the_sample_is_realistic(sample):
    caller = sample.client("127.0.0.1")
    assert caller.text("/latest/meta-data/placement/region") == "us-east-1"
    role = caller.text("/latest/meta-data/iam/security-credentials/")
    assert caller.get(f"/latest/meta-data/iam/security-credentials/{role}").status == 200
    for leaf in ("public-keys/0/openssh-key", "mac", "public-ipv4", "local-ipv4"):
        assert caller.get(f"/latest/meta-data/{leaf}").status == 200, leaf
    assert caller.get("/latest/dynamic/instance-identity/document").status == 200


def test_the_options_of_the_sample_are_the_defaults_but_ipv6(sample):
    import json

    out = sample.space.run(BINARY, "instance", "list", "--json")
    (one,) = json.loads(out)["instances"]
    options = one["metadataOptions"]
    assert (options["httpTokens"], options["httpEndpoint"]) == ("optional", "enabled")
    assert options["httpPutResponseHopLimit"] == 1
    assert options["httpProtocolIpv6"] == "enabled"


def test_it_prints_lines_to_paste_that_work(sample):
    """Indented lines are there to be pasted: they are run as they stand, from first to last."""

    def printed():
        return sample.out_path.read_text()

    wire.wait_until(lambda: "no_token" in printed(), "lines to paste")
    assert "127.0.0.1:1338" in printed() and "127.0.0.1:1339" in printed()
    script = "\n".join(line for line in printed().splitlines() if line.startswith("  "))
    assert script.count("curl") >= 3 and "export" in script
    caller = sample.client("127.0.0.1")
    identity = caller.text(ID)
    try:
        sample.space.run("sh", "-c", "command -v curl")
    except RuntimeError:
        pytest.skip("NO curl HERE, LINES TO PASTE NOT TRIED")
    try:
        sample.space.run("sh", "-c", "test -x /usr/bin/aws")
    except RuntimeError:
        script = script.split("  aws lightsail")[0]
    path = f"PATH={BINARY.parent}:/usr/bin:/bin"
    out = sample.space.run("env", path, "sh", "-ec", script)
    assert "aws lightsail" not in script or '"UpdateInstanceMetadataOptions"' in out
    assert identity in out and "telltale_metadata_no_token_total" in out
    assert caller.get(ID).status == 401 and caller.get(ID, caller.put_token()).status == 200


def restarted_banner(service):
    """What a new start prints, after what the earlier ones did."""
    mark = len(service.out_path.read_text())
    service.stop()
    service.start("serve")
    wire.wait_until(lambda: "Ctrl-C" in service.out_path.read_text()[mark:], "lines to paste")
    return service.out_path.read_text()[mark:]


def test_it_says_where_changes_are_kept_and_they_are(sample):
    line = "Changes are kept in /var/lib/telltale/telltale.db, also over restarts."
    sample.space.run(BINARY, "options", "web-1", "--http-tokens", "required")
    out = restarted_banner(sample)
    assert line in out.splitlines()
    assert sample.client("127.0.0.1").get(ID).status == 401
    # What is pasted works with that, too: no request without a token, and the way back.
    assert "the old way" not in out and f"{sample.port}{ID}" not in out
    assert out.count("--http-tokens optional") == 2 and "--http-tokens required" not in out
    sample.space.run(BINARY, "options", "web-1", "--http-tokens", "optional")
    out = restarted_banner(sample)
    assert line in out.splitlines() and f"curl http://127.0.0.1:{sample.port}{ID}" in out
    assert out.count("--http-tokens required") == 2 and "--http-tokens optional" not in out


def test_it_says_when_the_sample_was_deleted(sample):
    sample.space.run(BINARY, "instance", "delete", "web-1")
    out = restarted_banner(sample)
    assert "web-1 was deleted, and stays so." in out.splitlines()
    assert "serves no sample instance on http://127.0.0.1:1338" in out
    assert "TOKEN" not in out and "options web-1" not in out and "--instance-name" not in out
    assert "AWS_ACCESS_KEY_ID=" in out and "get-instances" in out and "/telltale.db" in out


def test_the_cli_finds_it_in_the_default_place(sample):
    assert sample.space.run(BINARY, "instance", "list") != ""
    env = f"AWS_EC2_METADATA_SERVICE_ENDPOINT=http://127.0.0.1:{sample.port}"
    out = sample.space.run("env", env, BINARY, "get", "meta-data/instance-id")
    assert out == sample.client("127.0.0.1").text(ID)


def test_flags_alone_place_the_sample_elsewhere(workshop):
    service = workshop.daemon(None, start=False)
    service.start(
        "serve", "--listen", f"127.0.0.1:{service.port}",
        "--control", f"127.0.0.1:{service.control_port}",
        "--store", f"sqlite://{service.database}", "--workers", "1",
        "--socket", str(service.socket_path),
    )  # fmt: skip
    assert service.client("127.0.0.77").get(ID).status == 200
    assert service.metrics().sum("telltale_instances") == 1
    assert service.database.exists()
