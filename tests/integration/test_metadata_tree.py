"""What the tree holds: versions, categories per version, and every leaf (docs/protocol.md)."""

import ipaddress
import json
import re

import pytest

import samples
import wire
from wire import assert_404, masked

VERSIONS = """1.0 2007-01-19 2007-03-01 2007-08-29 2007-10-10 2007-12-15 2008-02-01 2008-09-01
2009-04-04 2011-01-01 2011-05-01 2012-01-12 2014-02-25 2014-11-05 2015-10-20 2016-04-19 2016-06-30
2016-09-02 2018-03-28 2018-08-17 2018-09-24 2019-10-01 2020-10-27 2021-01-03 2021-03-23 2021-07-15
2022-09-24 2024-04-11 latest""".split()

FULL = "127.0.0.11"
PLAIN = "127.0.0.12"
META = "/latest/meta-data"


@pytest.fixture(scope="module")
def service(module_workshop):
    overridden = samples.plain(
        "overridden",
        "127.0.0.13",
        metadata={
            "placement": {"group-name": "blue", "partition-number": "3"},
            "ami-id": "ami-0123456789abcdef0",
            "autoscaling": {"target-lifecycle-state": "InService"},
            "product-codes": "abc123",
        },
    )
    return module_workshop.daemon(
        {
            "instances": [
                samples.full("full", FULL),
                samples.plain("plain", PLAIN, privateIpAddress="172.26.3.20"),
                overridden,
            ]
        }
    )


@pytest.fixture(scope="module")
def full(service):
    return service.client(FULL)


@pytest.fixture(scope="module")
def bare(service):
    return service.client(PLAIN)


# -- versions


def test_the_root_lists_the_versions(full, bare):
    for caller in (full, bare):
        reply = caller.get("/")
        text = "\n".join(VERSIONS)
        assert reply.text == text
        assert masked(reply) == wire.ok_block(len(text))


@pytest.mark.parametrize("version", ["2009-04-04", "2016-09-02", "2021-03-23", "latest"])
def test_a_version_lists_its_three_parts_without_slashes(full, bare, version):
    for caller in (full, bare):
        assert caller.text(f"/{version}/") == "dynamic\nmeta-data\nuser-data"


def test_versions_older_than_dynamic_do_not_have_it(full):
    assert full.text("/1.0/") == "meta-data\nuser-data"
    assert_404(full.get("/1.0/dynamic/"))
    assert_404(full.get("/2008-09-01/dynamic/instance-identity/document"))
    assert full.get("/2009-04-04/dynamic/instance-identity/document").status == 200


# ec2metadata asks for the MAC below 2009-04-04, where it is not listed.
ANSWERED_SINCE = {"mac": "2009-04-04"}

# The first listed version that has a category; what has no date of its own is left out.
SINCE = {
    "ami-id": "1.0",
    "ami-launch-index": "1.0",
    "ami-manifest-path": "1.0",
    "block-device-mapping/": "2007-12-15",
    "events/": "2018-08-17",
    "events/maintenance/history": "2018-08-17",
    "events/maintenance/scheduled": "2018-08-17",
    "events/recommendations/rebalance": "2020-10-27",
    "hostname": "1.0",
    "iam/": "2012-01-12",
    "iam/info": "2012-01-12",
    "identity-credentials/": "2018-08-17",
    "instance-action": "2008-09-01",
    "instance-id": "1.0",
    "instance-life-cycle": "2019-10-01",
    "instance-type": "2007-08-29",
    "ipv6": "2021-01-03",
    "local-hostname": "2007-01-19",
    "local-ipv4": "1.0",
    "mac": "2011-01-01",
    "metrics/vhostmd": "2011-05-01",
    "network/": "2011-01-01",
    "placement/": "2008-02-01",
    "placement/availability-zone": "2008-02-01",
    "placement/availability-zone-id": "2019-10-01",
    "placement/region": "2020-10-27",
    "public-hostname": "2007-01-19",
    "public-ipv4": "2007-01-19",
    "public-keys/": "1.0",
    "reservation-id": "1.0",
    "security-groups": "1.0",
    "services/domain": "2014-02-25",
    "services/partition": "2015-10-20",
    "spot/instance-action": "2018-03-28",
    "spot/termination-time": "2014-11-05",
    "tags/": "2021-03-23",
}


# Served, though not listed, already before: ec2metadata asks for it there.
ANSWERED = {"mac": "2009-04-04"}


def has(version, since):
    return VERSIONS.index(version) >= VERSIONS.index(since)


@pytest.mark.parametrize("version", VERSIONS)
def test_a_version_has_the_categories_of_its_time_and_no_later_ones(full, version):
    with full.connect() as conn:
        listed = conn.get(f"/{version}/meta-data/").text.split("\n")
        for category, since in SINCE.items():
            reply = conn.get(f"/{version}/meta-data/{category}")
            want = 200 if has(version, ANSWERED_SINCE.get(category, since)) else 404
            assert reply.status == want, f"{version}/{category}: {reply}"
            if "/" not in category.rstrip("/"):
                assert (category in listed) == has(version, since), f"{category} in {listed}"


def test_1_0_lists_the_first_categories_only(full):
    listed = full.text("/1.0/meta-data/").split("\n")
    assert listed == [
        "ami-id", "ami-launch-index", "ami-manifest-path", "hostname", "instance-id",
        "local-ipv4", "public-keys/", "reservation-id", "security-groups",
    ]  # fmt: skip


def test_2009_04_04_lists_what_old_clients_know(full):
    listed = full.text("/2009-04-04/meta-data/").split("\n")
    assert set(listed) - {"profile"} == {
        "ami-id", "ami-launch-index", "ami-manifest-path", "block-device-mapping/", "hostname",
        "instance-action", "instance-id", "instance-type", "local-hostname", "local-ipv4",
        "placement/", "public-hostname", "public-ipv4", "public-keys/", "reservation-id",
        "security-groups",
    }  # fmt: skip
    assert full.text("/2009-04-04/meta-data/placement/") == "availability-zone"


def test_2021_03_23_has_tags_and_lacks_what_came_later(full):
    listed = full.text("/2021-03-23/meta-data/").split("\n")
    assert "tags/" in listed and "system" not in listed
    assert "system" in full.text("/latest/meta-data/").split("\n")
    assert_404(full.get("/2021-03-23/meta-data/system"))


def test_latest_lists_the_real_services_top_level(bare):
    listed = set(bare.text(f"{META}/").split("\n"))
    expected = {
        "ami-id", "ami-launch-index", "ami-manifest-path", "block-device-mapping/", "events/",
        "hostname", "identity-credentials/", "instance-action", "instance-id",
        "instance-life-cycle", "instance-type", "local-hostname", "local-ipv4", "mac", "metrics/",
        "network/", "placement/", "profile", "reservation-id", "security-groups", "services/",
        "system",
    }  # fmt: skip
    assert expected <= listed
    assert listed <= expected | {"public-hostname", "public-ipv4", "ipv6"}


def test_the_full_instance_lists_everything_it_was_given(full):
    listed = full.text(f"{META}/").split("\n")
    for name in (
        "iam/",
        "public-keys/",
        "public-hostname",
        "public-ipv4",
        "ipv6",
        "spot/",
        "tags/",
    ):
        assert name in listed, listed


# -- leaves

HOST = "ip-172-26-2-10.us-west-2.compute.internal"
PUBLIC = "ec2-203-0-113-10.us-west-2.compute.amazonaws.com"

LEAVES = {
    "ami-id": r"ami-[0-9a-f]{8}([0-9a-f]{9})?",
    "ami-launch-index": r"0",
    "ami-manifest-path": r"\(unknown\)",
    "block-device-mapping/ami": r"(/dev/)?(xvda|sda1?|nvme0n1)",
    "block-device-mapping/root": r"/dev/(xvda|sda1|nvme0n1)",
    "events/maintenance/history": r"\[[\s\S]*\]",
    "hostname": re.escape(HOST),
    "instance-action": r"none",
    "instance-id": r"i-[0-9a-f]{17}",
    "instance-life-cycle": r"on-demand|spot",
    "instance-type": r"[a-z][a-z0-9-]*\.[a-z0-9-]+",
    "local-hostname": re.escape(HOST),
    "local-ipv4": r"172\.26\.2\.10",
    "mac": r"0[26ae](:[0-9a-f]{2}){5}",
    "metrics/vhostmd": r'<\?xml version="1\.0" encoding="UTF-8"\?>',
    "placement/availability-zone": r"us-west-2a",
    "placement/availability-zone-id": r"usw2-az[1-6]",
    "placement/region": r"us-west-2",
    "profile": r"default-hvm",
    "public-hostname": re.escape(PUBLIC),
    "public-ipv4": r"203\.0\.113\.10",
    "reservation-id": r"r-[0-9a-f]{17}",
    "security-groups": r"[\w .-]+(\n[\w .-]+)*",
    "services/domain": r"amazonaws\.com",
    "services/partition": r"aws",
    "system": r"nitro",
}


@pytest.mark.parametrize("leaf", LEAVES)
def test_leaf(full, leaf):
    reply = full.get(f"{META}/{leaf}")
    assert masked(reply) == wire.ok_block(len(reply.body))
    assert re.fullmatch(LEAVES[leaf], reply.text), reply.text


@pytest.mark.parametrize(
    "path",
    [
        "ancestor-ami-ids", "autoscaling/target-lifecycle-state", "elastic-gpus/",
        "elastic-inference/", "events/recommendations/rebalance", "iam/", "iam/info",
        "iam/security-credentials/", "ipv6", "kernel-id", "placement/group-name",
        "placement/host-id", "placement/partition-number", "product-codes", "public-keys/",
        "public-keys/0/openssh-key", "public-ipv4", "public-hostname", "ramdisk-id", "spot/",
        "spot/instance-action", "spot/termination-time", "tags/", "tags/instance",
        "managed-ssh-keys/", "hibernation/configured",
    ],
)  # fmt: skip
def test_what_an_instance_does_not_have_is_404_and_not_listed(bare, path):
    listed = bare.text(f"{META}/").split("\n")
    if path in ("ipv6", "public-ipv4", "public-hostname") and path in listed:
        pytest.skip(f"{path} is derived for every instance")
    assert_404(bare.get(f"{META}/{path}"))
    top = path.split("/")[0]
    if top not in ("events", "placement", "public-ipv4"):
        assert top not in listed and f"{top}/" not in listed


def test_what_is_left_out_is_derived_from_the_name_the_same_way_every_time(workshop):
    paths = [
        f"{META}/{leaf}"
        for leaf in ("instance-id", "mac", "local-ipv4", "reservation-id", "ami-id", "hostname",
                     "security-groups", "instance-type", "placement/availability-zone-id")
    ]  # fmt: skip

    def look(name):
        service = workshop.daemon({"instances": [samples.plain(name)]})
        caller = service.client()
        mac = caller.text(f"{META}/mac")
        more = [
            f"{META}/network/interfaces/macs/{mac}/{leaf}"
            for leaf in ("interface-id", "subnet-id", "vpc-id", "security-group-ids", "owner-id")
        ]
        seen = [caller.text(path) for path in paths + more]
        service.stop()
        return seen

    first, again, other = look("same"), look("same"), look("other")
    assert first == again
    assert first[0] != other[0] and first[1] != other[1] and first[3] != other[3]


def test_a_matched_private_address_is_the_local_address(workshop):
    service = workshop.daemon(
        {"instances": [{"name": "by-address", "privateIpAddress": "127.0.0.15"}]}
    )
    caller = service.client("127.0.0.15")
    assert caller.text(f"{META}/local-ipv4") == "127.0.0.15"
    assert_404(service.client("127.0.0.11").get("/"))


# -- public keys


def test_public_keys_list_index_and_name(full):
    assert full.text(f"{META}/public-keys/") == "0=my-key"
    assert full.text(f"{META}/public-keys/0") == "openssh-key"
    assert full.text(f"{META}/public-keys/0/") == "openssh-key"


def test_the_openssh_key_ends_in_a_newline(full):
    reply = full.get(f"{META}/public-keys/0/openssh-key")
    assert reply.text == samples.KEY + "\n"
    assert masked(reply) == wire.ok_block(len(samples.KEY) + 1)


def test_several_public_keys_are_numbered(workshop):
    keys = {"alpha": samples.KEY, "beta": samples.KEY.replace(" me", " you")}
    caller = workshop.daemon({"instances": [samples.plain(publicKeys=keys)]}).client()
    listed = caller.text(f"{META}/public-keys/").split("\n")
    assert [line.split("=")[0] for line in listed] == ["0", "1"]
    assert sorted(line.split("=")[1] for line in listed) == ["alpha", "beta"]
    for line in listed:
        index, name = line.split("=")
        assert caller.text(f"{META}/public-keys/{index}/openssh-key") == keys[name] + "\n"


# -- interfaces


@pytest.fixture(scope="module")
def interface(full):
    mac = full.text(f"{META}/mac")
    assert full.text(f"{META}/network/") == "interfaces/"
    assert full.text(f"{META}/network/interfaces/") == "macs/"
    assert full.text(f"{META}/network/interfaces/macs/") == f"{mac}/"
    return f"{META}/network/interfaces/macs/{mac}"


def test_the_interface_lists_what_the_real_one_has(full, interface):
    listed = full.text(interface).split("\n")
    assert listed == [
        "device-number", "interface-id", "ipv4-associations/", "ipv6s", "local-hostname",
        "local-ipv4s", "mac", "owner-id", "public-hostname", "public-ipv4s",
        "security-group-ids", "security-groups", "subnet-id", "subnet-ipv4-cidr-block",
        "subnet-ipv6-cidr-blocks", "vpc-id", "vpc-ipv4-cidr-block", "vpc-ipv4-cidr-blocks",
        "vpc-ipv6-cidr-blocks",
    ]  # fmt: skip


INTERFACE = {
    "device-number": r"0",
    "interface-id": r"eni-[0-9a-f]{17}",
    "ipv4-associations/203.0.113.10": r"172\.26\.2\.10",
    "local-hostname": re.escape(HOST),
    "local-ipv4s": r"172\.26\.2\.10",
    "owner-id": r"\d{12}",
    "public-hostname": re.escape(PUBLIC),
    "public-ipv4s": r"203\.0\.113\.10",
    "security-group-ids": r"sg-[0-9a-f]{17}(\nsg-[0-9a-f]{17})*",
    "security-groups": r"[\w .-]+(\n[\w .-]+)*",
    "subnet-id": r"subnet-[0-9a-f]{17}",
    "subnet-ipv4-cidr-block": r"172\.26\.\d+\.\d+/\d\d",
    "vpc-id": r"vpc-[0-9a-f]{17}",
    "vpc-ipv4-cidr-block": r"172\.26\.0\.0/16",
    "vpc-ipv4-cidr-blocks": r"172\.26\.0\.0/16(\n[\d./]+)*",
}


@pytest.mark.parametrize("leaf", INTERFACE)
def test_interface_leaf(full, interface, leaf):
    assert re.fullmatch(INTERFACE[leaf], full.text(f"{interface}/{leaf}"))


def test_interface_ipv6_values(full, interface):
    address = ipaddress.ip_address("2001:db8:0:1::10")
    assert ipaddress.ip_address(full.text(f"{META}/ipv6")) == address
    assert [ipaddress.ip_address(a) for a in full.text(f"{interface}/ipv6s").split("\n")] == [
        address
    ]
    for leaf in ("subnet-ipv6-cidr-blocks", "vpc-ipv6-cidr-blocks"):
        text = full.text(f"{interface}/{leaf}")
        for block in text.split("\n"):
            assert re.fullmatch(r"[0-9a-f]{1,4}(:[0-9a-f]{1,4}){7}/\d+", block), text
            assert address in ipaddress.ip_network(block)


def test_the_interface_agrees_with_the_top_level(full, interface):
    for leaf, top in (
        ("mac", "mac"), ("local-hostname", "local-hostname"), ("local-ipv4s", "local-ipv4"),
        ("public-hostname", "public-hostname"), ("security-groups", "security-groups"),
    ):  # fmt: skip
        assert full.text(f"{interface}/{leaf}") == full.text(f"{META}/{top}")
    subnet = ipaddress.ip_network(full.text(f"{interface}/subnet-ipv4-cidr-block"))
    assert ipaddress.ip_address(full.text(f"{META}/local-ipv4")) in subnet


@pytest.mark.parametrize(
    "leaf", ["network-card", "network-card-index", "ipv4-prefix", "ipv6-prefix"]
)
def test_what_the_interface_does_not_have_is_404(full, interface, leaf):
    assert_404(full.get(f"{interface}/{leaf}"))


def test_interface_values_by_version(full, interface):
    old = interface.replace("/latest/", "/2011-01-01/")
    assert full.get(f"{old}/mac").status == 200
    assert_404(full.get(f"{old}/ipv6s"))
    assert_404(full.get(interface.replace("/latest/", "/2016-04-19/") + "/ipv6s"))
    assert full.get(interface.replace("/latest/", "/2016-06-30/") + "/ipv6s").status == 200


def test_an_interface_without_public_address_lists_no_public_values(bare):
    if bare.get(f"{META}/public-ipv4").status == 200:
        pytest.skip("a public address is derived for every instance")
    mac = bare.text(f"{META}/mac")
    listed = bare.text(f"{META}/network/interfaces/macs/{mac}/").split("\n")
    assert not {"public-hostname", "public-ipv4s", "ipv4-associations/"} & set(listed)


# -- IAM

STAMP = r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ"


def imds_json(*members):
    """The IMDS's JSON style: two spaces of indent, a space before the colon, no newline at last."""
    return r"\{\n" + r",\n".join(rf'  "{k}" : {v}' for k, v in members) + r"\n\}"


def string(pattern):
    return f'"{pattern}"'


def test_iam_info(full):
    assert full.text(f"{META}/iam/") == "info\nsecurity-credentials/"
    reply = full.get(f"{META}/iam/info")
    assert masked(reply) == wire.ok_block(len(reply.body))
    assert re.fullmatch(
        imds_json(
            ("Code", string("Success")),
            ("LastUpdated", string(STAMP)),
            ("InstanceProfileArn", string(r"arn:aws:iam::\d{12}:instance-profile/[\w+=,.@-]+")),
            ("InstanceProfileId", string(r"AIPA[A-Z0-9]{12,28}")),
        ),
        reply.text,
    ), reply.text


def test_iam_security_credentials_list_just_the_role(full):
    reply = full.get(f"{META}/iam/security-credentials/")
    assert reply.text == samples.ROLE
    assert masked(reply) == wire.ok_block(len(samples.ROLE))


def test_iam_role_document(full):
    reply = full.get(f"{META}/iam/security-credentials/{samples.ROLE}")
    assert masked(reply) == wire.ok_block(len(reply.body))
    assert re.fullmatch(
        imds_json(
            ("Code", string("Success")),
            ("LastUpdated", string(STAMP)),
            ("Type", string("AWS-HMAC")),
            ("AccessKeyId", string(re.escape(samples.ACCESS_KEY))),
            ("SecretAccessKey", string(re.escape(samples.SECRET_KEY))),
            ("Token", string(re.escape(samples.SESSION_TOKEN))),
            ("Expiration", string(STAMP)),
        ),
        reply.text,
    ), reply.text
    document = json.loads(reply.text)
    assert document["LastUpdated"] < document["Expiration"]


def test_a_role_of_another_name_is_404(full):
    assert_404(full.get(f"{META}/iam/security-credentials/Other"))


def test_identity_credentials(full, bare):
    for caller in (full, bare):
        base = f"{META}/identity-credentials/ec2"
        assert caller.text(f"{META}/identity-credentials/") == "ec2/"
        assert caller.text(f"{base}/") == "info\nsecurity-credentials/"
        assert caller.text(f"{base}/security-credentials/") == "ec2-instance"
        info = caller.text(f"{base}/info")
        assert re.fullmatch(
            imds_json(
                ("Code", string("Success")),
                ("LastUpdated", string(STAMP)),
                ("AccountId", string(r"\d{12}")),
            ),
            info,
        ), info
        document = caller.text(f"{base}/security-credentials/ec2-instance")
        assert re.fullmatch(
            imds_json(
                ("Code", string("Success")),
                ("LastUpdated", string(STAMP)),
                ("Type", string("AWS-HMAC")),
                ("AccessKeyId", string("ASIA[A-Z0-9]{12,28}")),
                ("SecretAccessKey", string('[^"]{20,}')),
                ("Token", string('[^"]+')),
                ("Expiration", string(STAMP)),
            ),
            document,
        ), document


# -- events and spot


def test_maintenance_events_are_spelled_as_documented(workshop):
    events = {"maintenance": {"scheduled": [dict(samples.MAINTENANCE)], "history": []}}
    caller = workshop.daemon({"instances": [samples.plain(events=events)]}).client()
    assert caller.text(f"{META}/events/maintenance/scheduled") == (
        "[ \n"
        "  {\n"
        '    "NotBefore" : "21 Jan 2019 09:00:43 GMT",\n'
        '    "Code" : "system-reboot",\n'
        '    "Description" : "scheduled reboot",\n'
        '    "EventId" : "instance-event-0d59937288b749b32",\n'
        '    "NotAfter" : "21 Jan 2019 09:17:23 GMT",\n'
        '    "State" : "active"\n'
        "  } \n"
        "]"
    )
    assert caller.text(f"{META}/events/maintenance/history") == "[]"
    assert caller.text(f"{META}/events/") == "maintenance/"


def test_several_maintenance_events_are_all_there(workshop):
    many = [dict(samples.MAINTENANCE, EventId=f"instance-event-{n}") for n in range(3)]
    events = {"maintenance": {"scheduled": many, "history": [dict(samples.COMPLETED)]}}
    caller = workshop.daemon({"instances": [samples.plain(events=events)]}).client()
    assert json.loads(caller.text(f"{META}/events/maintenance/scheduled")) == many
    assert json.loads(caller.text(f"{META}/events/maintenance/history")) == [samples.COMPLETED]


def test_events_are_empty_lists_when_there_are_none(bare):
    assert bare.text(f"{META}/events/") == "maintenance/"
    assert bare.text(f"{META}/events/maintenance/") == "history\nscheduled"
    assert bare.text(f"{META}/events/maintenance/history") == "[]"
    assert bare.text(f"{META}/events/maintenance/scheduled") == "[]"


def test_rebalance_recommendation(full):
    assert full.text(f"{META}/events/") == "maintenance/\nrecommendations/"
    assert full.text(f"{META}/events/recommendations/") == "rebalance"
    want = '{"noticeTime": "2020-11-05T08:22:00Z"}'
    assert full.text(f"{META}/events/recommendations/rebalance") == want


def test_spot(full):
    assert full.text(f"{META}/spot/") == "instance-action\ntermination-time"
    want = '{"action": "stop", "time": "2017-09-18T08:22:00Z"}'
    assert full.text(f"{META}/spot/instance-action") == want
    assert full.text(f"{META}/spot/termination-time") == "2015-01-05T18:02:00Z"


# -- tags


def test_tags_are_listed_and_read_when_enabled(full):
    assert full.text(f"{META}/tags/") == "instance/"
    assert full.text(f"{META}/tags/instance/") == "Name\na.b:c@d=e\nempty\nenv"
    assert full.text(f"{META}/tags/instance/env") == "prod"
    assert full.text(f"{META}/tags/instance/Name") == "full"


def test_a_tag_without_value_is_200_and_empty(full):
    reply = full.get(f"{META}/tags/instance/empty")
    assert masked(reply) == wire.ok_block(0)
    assert reply.body == b""


def test_tags_are_hidden_when_disabled(workshop):
    one = samples.full(metadataOptions=samples.options(instanceMetadataTags="disabled"))
    caller = workshop.daemon({"instances": [one]}).client()
    assert "tags/" not in caller.text(f"{META}/").split("\n")
    for path in ("tags", "tags/", "tags/instance", "tags/instance/", "tags/instance/env"):
        assert_404(caller.get(f"{META}/{path}"))


# -- overrides


def test_anything_in_the_tree_can_be_set_or_overridden_by_path(service):
    caller = service.client("127.0.0.13")
    assert caller.text(f"{META}/placement/group-name") == "blue"
    assert caller.text(f"{META}/placement/partition-number") == "3"
    assert caller.text(f"{META}/ami-id") == "ami-0123456789abcdef0"
    assert caller.text(f"{META}/autoscaling/target-lifecycle-state") == "InService"
    assert caller.text(f"{META}/product-codes") == "abc123"
    assert caller.text(f"{META}/placement/region") == "us-west-2"
    listed = caller.text(f"{META}/placement/").split("\n")
    assert {"group-name", "partition-number", "availability-zone", "region"} <= set(listed)
    assert {"autoscaling/", "product-codes"} <= set(caller.text(f"{META}/").split("\n"))
