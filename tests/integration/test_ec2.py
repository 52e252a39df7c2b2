"""EC2's Query API on the control address, as the AWS CLI and SDKs speak it.

Answers are held against botocore's model (aws.py). Debian's botocore is older than the operations on the
account's defaults: those are asked for by signed forms.
"""

import json
import pathlib
import re
import sqlite3

import pytest

import aws
import samples
from wire import assert_page

META = "/latest/meta-data/"
ID = META + "instance-id"
VERSION = "2016-11-15"
KEYS = [
    {"accessKeyId": "AKIAREAD", "secretAccessKey": "reader", "allow": ["ec2:Describe*", "ec2:Get*"]},
    {"accessKeyId": "AKIANONE", "secretAccessKey": "nobody", "allow": ["lightsail:*"]},
]
NOBODY = "i-00000000000000000"
OPERATIONS = {  # what each asks for here; X stands for an instance's id
    "DescribeInstances": {},
    "DescribeInstanceStatus": {},
    "DescribeRegions": {},
    "DescribeTags": {},
    "GetInstanceMetadataDefaults": {},
    "ModifyInstanceMetadataOptions": {"InstanceId": "X", "HttpTokens": "required"},
    "ModifyInstanceMetadataDefaults": {"HttpTokens": "required"},
    "CreateTags": {"ResourceId.1": "X", "Tag.1.Key": "a", "Tag.1.Value": "b"},
    "DeleteTags": {"ResourceId.1": "X", "Tag.1.Key": "env"},
}


def instances():
    return [
        samples.full("web-1", samples.addresses("127.0.0.11")),
        samples.plain("web-2", "127.0.0.12", instanceId="i-0123abcd"),
    ]


@pytest.fixture
def service(workshop):
    return aws.start(workshop, instances(), KEYS)


@pytest.fixture
def ec2(service):
    return aws.Client(service, "ec2")


def all_of(client, **members):
    """All instances that are described, by their Name."""
    answer = client.call("DescribeInstances", **members)
    found = {}
    for reservation in answer["Reservations"]:
        (one,) = reservation["Instances"]
        (name,) = [tag["Value"] for tag in one["Tags"] if tag["Key"] == "Name"]
        found[name] = {**one, "reservation": reservation}
    return found


def id_of(client, name="web-1"):
    return all_of(client)[name]["InstanceId"]


def ask(service, action, key=None, **pairs):
    """(status, what the reply has below its root) of a signed form."""
    reply, root = aws.form(service, "ec2", {"Action": action, "Version": VERSION, **pairs}, key)
    assert reply.value("Content-Type") == "text/xml;charset=UTF-8"
    return reply.status, tree(root)


def tree(element):
    if len(element) == 0:
        return element.text or ""
    if aws.local(element[0]) == "item":
        return [tree(child) for child in element]
    return {aws.local(child): tree(child) for child in element}


def error(service, action, key=None, **pairs):
    """(status, code, message) of a form that is refused."""
    status, answer = ask(service, action, key, **pairs)
    assert len(answer["RequestID"]) == 36
    found = answer["Errors"]["Error"]
    assert set(found) == {"Code", "Message"} and set(answer) == {"Errors", "RequestID"}
    return status, found["Code"], found["Message"]


def audits(service):
    """Who, what, on which and how it ended, of all that was recorded; the daemon is stopped."""
    service.stop()
    with sqlite3.connect(service.database) as db:
        return db.execute("SELECT who, action, resource, result FROM audit ORDER BY number").fetchall()


# --- options -------------------------------------------------------------------------------------


def test_options_change_the_running_instance_at_once(service, ec2):
    caller, one = service.client("127.0.0.11"), id_of(ec2)
    with caller.connect() as conn:
        assert conn.get(ID).text == one
        answer = ec2.call("ModifyInstanceMetadataOptions", InstanceId=one, HttpTokens="required")
        assert conn.get(ID).status == 401
        assert caller.get(ID, caller.put_token()).text == one
    want = {
        "State": "pending", "HttpTokens": "required", "HttpPutResponseHopLimit": 1, "HttpEndpoint": "enabled",
        "HttpProtocolIpv6": "enabled", "InstanceMetadataTags": "enabled",
    }  # fmt: skip
    assert answer == {"InstanceId": one, "InstanceMetadataOptions": want}
    answer = ec2.call("ModifyInstanceMetadataOptions", InstanceId=one)
    assert answer["InstanceMetadataOptions"] == want, "a call with no option changes nothing"
    changes = {"HttpTokens": "optional", "HttpPutResponseHopLimit": 64, "InstanceMetadataTags": "disabled"}
    answer = ec2.call("ModifyInstanceMetadataOptions", InstanceId=one, **changes)
    assert answer["InstanceMetadataOptions"] == {**want, **changes}
    assert caller.get(META + "tags/").status == 404
    assert caller.get(ID).status == 200
    options = all_of(ec2)["web-1"]["MetadataOptions"]
    assert options == {**want, **changes, "State": "applied"}
    shown = json.loads(service.cli("options", "web-1", "--json").ok().out)
    assert 64 in shown.values() or "64" in json.dumps(shown)
    ec2.call("ModifyInstanceMetadataOptions", InstanceId=one, HttpEndpoint="disabled")
    assert caller.get(ID).status == 403
    service.restart()
    assert service.client("127.0.0.11").get(ID).status == 403


def test_the_option_for_ipv6(service, ec2, needs_ipv6):
    one, caller = id_of(ec2), service.client("::1")
    assert caller.get(ID).text == one
    ec2.call("ModifyInstanceMetadataOptions", InstanceId=one, HttpProtocolIpv6="disabled")
    assert_page(caller.get(ID), 403)
    assert service.client("127.0.0.11").get(ID).status == 200
    ec2.call("ModifyInstanceMetadataOptions", InstanceId=one, HttpProtocolIpv6="enabled")
    assert caller.get(ID).status == 200


def test_options_that_are_refused(service, ec2):
    one, operation = id_of(ec2), "ModifyInstanceMetadataOptions"
    before = all_of(ec2)["web-1"]["MetadataOptions"]
    value, again = "InvalidParameterValue", " and try again."
    for members, code, message in (
        ({}, "MissingParameter", "The request must contain the parameter InstanceId"),
        ({"InstanceId": ""}, "InvalidInstanceID.Malformed", 'Invalid id: ""'),
        ({"InstanceId": "web-1"}, "InvalidInstanceID.Malformed", 'Invalid id: "web-1"'),
        ({"InstanceId": "i-xyz"}, "InvalidInstanceID.Malformed", 'Invalid id: "i-xyz"'),
        ({"InstanceId": one[:-1]}, "InvalidInstanceID.Malformed", f'Invalid id: "{one[:-1]}"'),
        ({"InstanceId": one.upper()}, "InvalidInstanceID.Malformed", f'Invalid id: "{one.upper()}"'),
        ({"InstanceId": "i-0123ABCD"}, "InvalidInstanceID.Malformed", 'Invalid id: "i-0123ABCD"'),
        ({"InstanceId": NOBODY}, "InvalidInstanceID.NotFound", f"The instance ID '{NOBODY}' does not exist"),
        ({"InstanceId": NOBODY, "HttpTokens": "required"}, "InvalidInstanceID.NotFound", NOBODY),
        ({"InstanceId": one, "HttpEndpoint": ""}, value,
         "A value of '' is not valid for HttpEndpoint. Specify either 'enabled' or 'disabled'" + again),
        ({"InstanceId": one, "HttpTokens": "maybe"}, value,
         "A value of 'maybe' is not valid for HttpTokens. Specify either 'optional' or 'required'" + again),
        ({"InstanceId": one, "HttpTokens": "no-preference"}, value, "'no-preference' is not valid"),
        ({"InstanceId": one, "HttpProtocolIpv6": "on"}, value, "'on' is not valid for HttpProtocolIpv6"),
        ({"InstanceId": one, "InstanceMetadataTags": "Enabled"}, value, "InstanceMetadataTags"),
        *(({"InstanceId": one, "HttpPutResponseHopLimit": n}, value,
           f"A value of '{n}' is not valid for HttpPutResponseHopLimit. Specify a value from 1 to 64" + again)
          for n in (0, 65, -1, 1 << 64)),
        ({"InstanceId": one, "HttpTokens": "required", "HttpEndpoint": "x"}, value, "HttpEndpoint"),
    ):  # fmt: skip
        ec2.refused(operation, code, message, **members)
    for pairs, code in (
        ({"InstanceId.1": one, "HttpTokens": "required"}, value),
        ({"InstanceId": one, "HttpTokens.1": "required"}, value),
        ({"InstanceId": one, "HttpPutResponseHopLimit": "1.5"}, value),
        ({"InstanceId": one, "HttpPutResponseHopLimit": ""}, value),
        ({"InstanceId": one, "HttpTokens": "required", "State": "applied"}, "UnknownParameter"),
    ):
        assert error(service, operation, **pairs)[:2] == (400, code), pairs
    assert all_of(ec2)["web-1"]["MetadataOptions"] == before
    assert service.client("127.0.0.11").get(ID).status == 200


# --- the account's defaults ----------------------------------------------------------------------


def defaults(service):
    status, answer = ask(service, "GetInstanceMetadataDefaults")
    assert status == 200 and set(answer) == {"requestId", "accountLevel"}
    return answer["accountLevel"]


def prefer(service, **pairs):
    status, answer = ask(service, "ModifyInstanceMetadataDefaults", **pairs)
    assert (status, answer.get("return")) == (200, "true"), answer


def test_defaults(service, ec2):
    assert defaults(service) == {"managedBy": "account"}
    prefer(service)
    wanted = {
        "HttpTokens": "required", "HttpPutResponseHopLimit": "2", "HttpEndpoint": "enabled",
        "InstanceMetadataTags": "enabled", "HttpTokensEnforced": "disabled",
    }  # fmt: skip
    prefer(service, **wanted)
    shown = {name[0].lower() + name[1:]: value for name, value in wanted.items()}
    assert defaults(service) == {**shown, "managedBy": "account"}
    file = service.directory / "new.json"
    file.write_text(json.dumps(samples.plain("new", "127.0.0.13")))
    service.cli("instance", "put", str(file)).ok()
    options = all_of(ec2)["new"]["MetadataOptions"]
    assert (options["HttpTokens"], options["HttpPutResponseHopLimit"]) == ("required", 2)
    assert service.client("127.0.0.13").get(ID).status == 401
    assert all_of(ec2)["web-2"]["MetadataOptions"]["HttpTokens"] == "optional", "only new ones"
    prefer(service, HttpPutResponseHopLimit="-1", InstanceMetadataTags="no-preference", HttpEndpoint="no-preference")
    left = {"httpTokens": "required", "httpTokensEnforced": "disabled", "managedBy": "account"}
    assert defaults(service) == left
    service.restart()
    assert defaults(service) == left
    prefer(service, HttpTokens="no-preference", HttpTokensEnforced="no-preference")
    assert defaults(service) == {"managedBy": "account"}


def test_enforced_tokens(service, ec2):
    one, two = id_of(ec2), id_of(ec2, "web-2")
    change = "ModifyInstanceMetadataOptions"
    ec2.call(change, InstanceId=one, HttpTokens="required")
    prefer(service, HttpTokensEnforced="enabled")
    ec2.refused(change, "OperationNotPermitted", "web-1", InstanceId=one, HttpTokens="optional")
    ec2.refused(change, "OperationNotPermitted", InstanceId=one, HttpTokens="optional", DryRun=True)
    assert service.client("127.0.0.11").get(ID).status == 401
    ec2.call(change, InstanceId=two, HttpPutResponseHopLimit=3)  # has optional ones, and keeps them
    assert service.client("127.0.0.12").get(ID).status == 200
    prefer(service, HttpTokensEnforced="disabled")
    ec2.call(change, InstanceId=one, HttpTokens="optional")


def test_defaults_that_are_refused(service):
    prefer(service, HttpTokens="required")
    for pairs, words in (
        ({"HttpTokens": "maybe"}, "Specify either 'optional', 'required' or 'no-preference' and try again."),
        ({"HttpEndpoint": ""}, "Specify either 'enabled', 'disabled' or 'no-preference' and try again."),
        ({"InstanceMetadataTags": "required"}, "InstanceMetadataTags"),
        ({"HttpTokensEnforced": "true"}, "HttpTokensEnforced"),
        *(({"HttpPutResponseHopLimit": n}, "Specify a value from 1 to 64 or -1 and") for n in ("0", "65", "-2", "x")),
        ({"HttpTokens": "optional", "HttpPutResponseHopLimit": "99"}, "99"),
    ):
        status, code, message = error(service, "ModifyInstanceMetadataDefaults", **pairs)
        assert (status, code) == (400, "InvalidParameterValue") and words in message, message
    assert error(service, "ModifyInstanceMetadataDefaults", HttpProtocolIpv6="enabled")[1] == "UnknownParameter"
    assert defaults(service) == {"httpTokens": "required", "managedBy": "account"}


# --- instances -----------------------------------------------------------------------------------


def test_what_is_described_is_what_the_instance_is_told(workshop):
    overridden = samples.full(
        "web-3", "127.0.0.13", privateIpAddress="172.26.2.11", publicIpAddress="203.0.113.11",
        ipv6Addresses=["2001:db8:0:1::11", "2001:db8:0:1::12"], productCodes=["abc"], securityGroups=["a", "b"],
        hibernation={"configured": True}, instanceLifeCycle="spot", architecture="arm64",
        metadata={
            "ami-id": "ami-0123456789abcdef0", "ami-launch-index": "7", "instance-type": "t4g.micro",
            "local-ipv4": "172.26.2.99", "placement": {"availability-zone": "us-west-2c", "group-name": "blue"},
            "public-hostname": None, "reservation-id": "r-0123456789abcdef0",
        },
    )  # fmt: skip
    service = aws.start(workshop, [*instances(), overridden], KEYS)
    described = all_of(aws.Client(service, "ec2"))
    assert set(described) == {"web-1", "web-2", "web-3"}
    for address, one in zip(("127.0.0.11", "127.0.0.12", "127.0.0.13"), described.values()):
        compare(service.client(address), one)
    one = described["web-3"]
    assert one["ImageId"] == "ami-0123456789abcdef0" and one["AmiLaunchIndex"] == 7
    assert one["Placement"] == {"AvailabilityZone": "us-west-2c", "GroupName": "blue", "Tenancy": "default"}
    assert one["reservation"]["ReservationId"] == "r-0123456789abcdef0" and one["PublicDnsName"] == ""
    assert one["InstanceLifecycle"] == "spot" and one["HibernationOptions"] == {"Configured": True}
    assert [group["GroupName"] for group in one["SecurityGroups"]] == ["a", "b"]


def compare(caller, one):
    """Everything that both an instance's description and its metadata have."""

    def said(path):
        reply = caller.get(path if path.startswith("/") else META + path)
        assert reply.status in (200, 404), reply
        return reply.text if reply.status == 200 else None

    mac = said("mac")
    (interface,) = one["NetworkInterfaces"]
    (address,) = interface["PrivateIpAddresses"]
    document = json.loads(said("/latest/dynamic/instance-identity/document"))
    profile = json.loads(said("iam/info") or "{}")
    here = "network/interfaces/macs/" + mac + "/"
    for got, path in (
        (one["InstanceId"], "instance-id"),
        (one["ImageId"], "ami-id"),
        (str(one["AmiLaunchIndex"]), "ami-launch-index"),
        (one["InstanceType"], "instance-type"),
        (one["PrivateDnsName"], "local-hostname"),
        (one["PrivateIpAddress"], "local-ipv4"),
        (one["PublicDnsName"] or None, "public-hostname"),
        (one.get("PublicIpAddress"), "public-ipv4"),
        (one.get("Ipv6Address"), "ipv6"),
        (one["Placement"]["AvailabilityZone"], "placement/availability-zone"),
        (one["Placement"]["GroupName"] or None, "placement/group-name"),
        (one["RootDeviceName"], "block-device-mapping/root"),
        (one["reservation"]["ReservationId"], "reservation-id"),
        (one["Monitoring"]["State"], "/latest/dynamic/fws/instance-monitoring"),
        (one["SubnetId"], here + "subnet-id"),
        (one["VpcId"], here + "vpc-id"),
        (interface["SubnetId"], here + "subnet-id"),
        (interface["VpcId"], here + "vpc-id"),
        (interface["MacAddress"], here + "mac"),
        (interface["NetworkInterfaceId"], here + "interface-id"),
        (interface["OwnerId"], here + "owner-id"),
        (str(interface["Attachment"]["DeviceIndex"]), here + "device-number"),
        (interface["PrivateIpAddress"], "local-ipv4"),
        (address["PrivateIpAddress"], "local-ipv4"),
        (address.get("Association", {}).get("PublicIp"), "public-ipv4"),
        ("\n".join(a["Ipv6Address"] for a in interface["Ipv6Addresses"]) or None, here + "ipv6s"),
        ("\n".join(g["GroupName"] for g in one["SecurityGroups"]), "security-groups"),
        ("\n".join(c["ProductCodeId"] for c in one["ProductCodes"]) or None, "product-codes"),
    ):
        assert got == said(path), path
    assert one.get("KeyName") == ((said("public-keys/") or "").partition("=")[2] or None)
    assert one["Architecture"] == document["architecture"]
    assert one["LaunchTime"].strftime("%Y-%m-%dT%H:%M:%SZ") == document["pendingTime"]
    assert one["reservation"]["OwnerId"] == document["accountId"]
    assert one.get("IamInstanceProfile", {}).get("Arn") == profile.get("InstanceProfileArn")
    assert one.get("IamInstanceProfile", {}).get("Id") == profile.get("InstanceProfileId")
    life = said("instance-life-cycle")
    assert one.get("InstanceLifecycle", "on-demand") == life


def test_instances_by_id(service, ec2):
    one, two = id_of(ec2), id_of(ec2, "web-2")
    assert two == "i-0123abcd"
    assert list(all_of(ec2, InstanceIds=[one])) == ["web-1"]
    assert list(all_of(ec2, InstanceIds=[two, one, two])) == ["web-1", "web-2"], "in order of their names"
    assert len(all_of(ec2, InstanceIds=[])) == 2
    assert all_of(ec2, InstanceIds=[one], Filters=[{"Name": "tag:Name", "Values": ["web-2"]}]) == {}
    not_found = "InvalidInstanceID.NotFound"
    ec2.refused("DescribeInstances", not_found, f"ID '{NOBODY}' does not exist", InstanceIds=[one, NOBODY])
    ec2.refused("DescribeInstances", not_found, f"The instance IDs '{NOBODY}, i-00000000' do not exist",
                InstanceIds=[NOBODY, one, "i-00000000"])  # fmt: skip
    for bad in ("web-1", "", "i-", "i-0123abc", "i-0123abcg", one + "0"):
        ec2.refused("DescribeInstances", "InvalidInstanceID.Malformed", f'Invalid id: "{bad}"', InstanceIds=[one, bad])
    for more in ({"MaxResults": 5}, {"NextToken": "d2ViLTE="}):
        for operation in ("DescribeInstances", "DescribeInstanceStatus"):
            ec2.refused(operation, "InvalidParameterCombination", "The parameter instancesSet cannot be used with",
                        InstanceIds=[one], **more)  # fmt: skip
    assert error(service, "DescribeInstances", InstanceId=one)[1] == "InvalidParameterValue"
    assert error(service, "DescribeInstances", **{"InstanceId.1.Id": one})[1] == "InvalidParameterValue"


FLEET = [
    samples.plain("web-1", "127.0.0.11", tags={"env": "prod", "Name": "front"}),
    samples.plain("web-2", "127.0.0.12", tags={"env": "test*", "empty": ""}, bundleId="micro_3_0"),
    samples.plain("db-1", "127.0.0.13", location={"availabilityZone": "us-west-2b"}, state="stopped"),
    samples.plain(
        "db-2", "127.0.0.14", tags={"env": "production", 'a"b\\c': "x"}, publicKeys={"mine": samples.KEY},
        publicIpAddress="203.0.113.7", imageId="ami-0123456789abcdef0", architecture="arm64",
        metadataOptions=samples.options(
            httpTokens="required", httpPutResponseHopLimit=33, instanceMetadataTags="disabled"),
        metadata={"placement": {"availability-zone": "us-west-2c"}},
    ),
]  # fmt: skip


@pytest.fixture(scope="module")
def fleet(module_workshop):
    return aws.Client(aws.start(module_workshop, FLEET, KEYS), "ec2")


def names_of(client, *filters, operation="DescribeInstances", **members):
    """The instances' own names, by the filters' names and values."""
    wanted = [{"Name": name, "Values": list(values)} for name, *values in filters]
    answer = client.call(operation, Filters=wanted, **members)
    ids = {"i-": None}
    for one in client.client.describe_instances()["Reservations"]:
        tags = {tag["Key"]: tag["Value"] for tag in one["Instances"][0]["Tags"]}
        ids[one["Instances"][0]["InstanceId"]] = {"front": "web-1"}.get(tags["Name"], tags["Name"])
    if operation == "DescribeInstances":
        return [ids[one["Instances"][0]["InstanceId"]] for one in answer["Reservations"]]
    return [ids[one["InstanceId"]] for one in answer["InstanceStatuses"]]


@pytest.mark.parametrize(
    ("filters", "names"),
    [
        ([("tag:Name", "front")], ["web-1"]),
        ([("tag:Name", "web-1")], []),  # its Name is another
        ([("tag:Name", "web-2")], ["web-2"]),
        ([("tag:Name", "db-?")], ["db-1", "db-2"]),
        ([("tag:Name", "*")], ["db-1", "db-2", "web-1", "web-2"]),
        ([("tag:env", "prod")], ["web-1"]),
        ([("tag:env", "prod*")], ["db-2", "web-1"]),
        ([("tag:env", "Prod")], []),
        ([("tag:env", "prod", "test\\*")], ["web-1", "web-2"]),
        ([("tag:env", "test\\*x")], []),
        ([("tag:env", "*")], ["db-2", "web-1", "web-2"]),
        ([("tag:empty", "")], ["web-2"]),
        ([('tag:a"b\\c', "x")], ["db-2"]),
        ([("tag:none", "*")], []),
        ([("tag-key", "env")], ["db-2", "web-1", "web-2"]),
        ([("tag-key", "e*y", "none")], ["web-2"]),
        ([("tag-key", "Name")], ["db-1", "db-2", "web-1", "web-2"]),
        ([("instance-state-name", "stopped")], ["db-1"]),
        ([("instance-state-name", "pending", "running")], ["db-2", "web-1", "web-2"]),
        ([("instance-state-code", "80")], ["db-1"]),
        ([("metadata-options.http-tokens", "required")], ["db-2"]),
        ([("metadata-options.http-endpoint", "disabled")], []),
        ([("metadata-options.http-put-response-hop-limit", "33")], ["db-2"]),
        ([("metadata-options.http-put-response-hop-limit", "3?")], ["db-2"]),
        ([("metadata-options.http-protocol-ipv6", "enabled")], ["db-2"]),
        ([("metadata-options.instance-metadata-tags", "enabled")], []),
        ([("availability-zone", "us-west-2b")], ["db-1"]),
        ([("availability-zone", "us-west-2c")], ["db-2"]),  # by an override
        ([("instance-type", "t3.micro")], ["web-2"]),
        ([("image-id", "ami-0123456789abcdef0")], ["db-2"]),
        ([("architecture", "arm64")], ["db-2"]),
        ([("ip-address", "203.0.113.*")], ["db-2"]),
        ([("dns-name", "ec2-203-0-113-7.*")], ["db-2"]),
        ([("key-name", "mine")], ["db-2"]),
        ([("owner-id", aws.ACCOUNT)], ["db-1", "db-2", "web-1", "web-2"]),
        ([("vpc-id", "vpc-*"), ("subnet-id", "subnet-*"), ("reservation-id", "r-*")],
         ["db-1", "db-2", "web-1", "web-2"]),
        ([("tag:env", "*"), ("instance-type", "t3.nano"), ("metadata-options.http-tokens", "optional")], ["web-1"]),
        ([("tag:env", "prod"), ("tag:env", "test*")], []),
    ],
    ids=str,
)  # fmt: skip
def test_filters(fleet, filters, names):
    assert names_of(fleet, *filters) == names


def test_filters_by_what_is_described(fleet):
    """Whatever can be filtered by finds the instance that is described with it."""
    for name, one in all_of(fleet).items():
        for filter_name, value in (
            ("instance-id", one["InstanceId"]), ("private-ip-address", one["PrivateIpAddress"]),
            ("private-dns-name", one["PrivateDnsName"]), ("reservation-id", one["reservation"]["ReservationId"]),
        ):  # fmt: skip
            filters = [{"Name": filter_name, "Values": [value]}]
            assert list(all_of(fleet, Filters=filters)) == [name], filter_name
        for filter_name, value in (("vpc-id", one["VpcId"]), ("subnet-id", one["SubnetId"])):
            assert name in all_of(fleet, Filters=[{"Name": filter_name, "Values": [value]}])


def documented_filters():
    """{operation: the names of its filters}, as docs/control.md lists them: `.http-tokens` goes on from the name before."""
    text = (pathlib.Path(__file__).resolve().parents[2] / "docs/control.md").read_text()
    text = text.split("\nFilters of ")[1].split("In a value")[0]
    found = {}
    for part in re.split(r"\bOf\s+(?=[A-Z])", text):
        operation, names = part.split(":", 1)
        found[operation.strip()] = full = []
        for name in re.findall(r"`([^`]+)`", names):
            full.append(full[-1].rsplit(".", 1)[0] + name if name.startswith(".") else name)
    return found


def test_each_documented_filter_is_there(fleet):
    documented = documented_filters()
    assert {operation: len(names) for operation, names in documented.items()} == {
        "DescribeInstances": 23, "DescribeInstanceStatus": 7, "DescribeTags": 5, "DescribeRegions": 3}  # fmt: skip
    for operation, names in documented.items():
        for name in names:
            fleet.call(operation, Filters=[{"Name": name, "Values": ["x"]}])


def test_filters_that_are_refused(fleet):
    value = "InvalidParameterValue"
    for operation, filters, code, message in (
        ("DescribeInstances", [{"Name": "public-ip", "Values": ["x"]}], value, "The filter 'public-ip' is invalid"),
        ("DescribeInstances", [{"Values": ["x"]}], value, "The filter 'null' is invalid"),
        ("DescribeInstances", [{"Name": "tag:Name"}], value, "The filter 'tag:Name' must have a value"),
        ("DescribeInstances", [{"Name": "tag:Name", "Values": []}], value, "must have a value"),
        ("DescribeInstances", [{"Name": "tag:Name", "Values": ["x" * 256]}], value, "255"),
        ("DescribeInstances", [{"Name": "tag:Name", "Values": ["x"] * 201}], "FilterLimitExceeded", "200"),
        ("DescribeInstances", [{"Name": "tag:Name", "Values": ["x"]}] * 51, "FilterLimitExceeded", "50"),
        ("DescribeInstanceStatus", [{"Name": "tag:Name", "Values": ["x"]}], value, "The filter 'tag:Name' is invalid"),
        ("DescribeTags", [{"Name": "tag-key", "Values": ["x"]}], value, "The filter 'tag-key' is invalid"),
        ("DescribeRegions", [{"Name": "zone", "Values": ["x"]}], value, "The filter 'zone' is invalid"),
    ):
        fleet.refused(operation, code, message, Filters=filters)
    assert names_of(fleet, ("tag:Name", "x" * 255), ("tag:Name", *["x"] * 200)) == []


def test_pages(workshop):
    many = [samples.plain(f"web-{n:02}", f"127.0.1.{n}") for n in range(1, 13)]
    many += [samples.plain("db-1", "127.0.2.1")]
    ec2 = aws.Client(aws.start(workshop, many, KEYS), "ec2")
    web = [{"Name": "tag:Name", "Values": ["web-*"]}]
    names, token, sizes = [], {}, []
    for _ in range(3):
        answer = ec2.call("DescribeInstances", Filters=web, MaxResults=5, **token)
        names += [r["Instances"][0]["Tags"][0]["Value"] for r in answer["Reservations"]]
        sizes.append(len(answer["Reservations"]))
        token = {"NextToken": answer.get("NextToken")}
    assert (sizes, token) == ([5, 5, 2], {"NextToken": None})
    assert names == [f"web-{n:02}" for n in range(1, 13)]
    for operation, result in (("describe_instances", "Reservations"), ("describe_instance_status", "InstanceStatuses")):
        pages = list(ec2.client.get_paginator(operation).paginate(PaginationConfig={"PageSize": 6}))
        assert [len(page[result]) for page in pages] == [6, 6, 1]
    assert "NextToken" not in ec2.call("DescribeInstances", MaxResults=13)
    for operation in ("DescribeInstances", "DescribeInstanceStatus", "DescribeTags"):
        wrong = "InvalidParameterValue"
        for n in (4, 0, -1):
            ec2.refused(operation, wrong, f"Value ( {n} ) for parameter maxResults is invalid. "
                        "Expecting a value greater than 5.", MaxResults=n)  # fmt: skip
        ec2.refused(operation, wrong, "Expecting a value less than 1000.", MaxResults=1001)
        ec2.call(operation, MaxResults=1000)
        for bad in ("x", "%%%%", "AAAA", ""):
            ec2.refused(operation, "InvalidNextToken", NextToken=bad)


def test_status(fleet):
    status = "DescribeInstanceStatus"
    assert names_of(fleet, operation=status) == ["db-2", "web-1", "web-2"]
    assert names_of(fleet, operation=status, IncludeAllInstances=True) == ["db-1", "db-2", "web-1", "web-2"]
    stopped = ("instance-state-name", "stopped")
    assert names_of(fleet, stopped, operation=status) == []
    assert names_of(fleet, stopped, operation=status, IncludeAllInstances=True) == ["db-1"]
    assert names_of(fleet, ("instance-status.status", "ok"), operation=status) == ["db-2", "web-1", "web-2"]
    assert names_of(fleet, ("system-status.reachability", "failed"), operation=status) == []
    assert names_of(fleet, ("availability-zone", "*c"), operation=status) == ["db-2"]
    (one,) = fleet.call(status, InstanceIds=[id_of(fleet, "db-2")])["InstanceStatuses"]
    assert one["InstanceState"] == {"Code": 16, "Name": "running"}
    assert one["SystemStatus"] == one["InstanceStatus"] == {
        "Status": "ok", "Details": [{"Name": "reachability", "Status": "passed"}]}  # fmt: skip
    down = id_of(fleet, "db-1")
    assert fleet.call(status, InstanceIds=[down])["InstanceStatuses"] == []
    (one,) = fleet.call(status, InstanceIds=[down], IncludeAllInstances=True)["InstanceStatuses"]
    assert one["InstanceState"] == {"Code": 80, "Name": "stopped"}
    assert one["InstanceStatus"] == {"Status": "not-applicable"}


def test_regions(fleet):
    (region,) = fleet.call("DescribeRegions")["Regions"]
    assert region == {
        "RegionName": aws.REGION, "Endpoint": "ec2.us-west-2.amazonaws.com", "OptInStatus": "opt-in-not-required",
    }  # fmt: skip
    assert fleet.call("DescribeRegions", RegionNames=[aws.REGION], AllRegions=True)["Regions"] == [region]
    for name, value, found in (
        ("region-name", "us-*", 1), ("region-name", "eu-*", 0), ("endpoint", "*.amazonaws.com", 1),
        ("opt-in-status", "opt-in-not-required", 1), ("opt-in-status", "opted-in", 0),
    ):  # fmt: skip
        filters = [{"Name": name, "Values": [value]}]
        assert len(fleet.call("DescribeRegions", Filters=filters)["Regions"]) == found
    fleet.refused("DescribeRegions", "InvalidParameterValue", "mars-1", RegionNames=[aws.REGION, "mars-1"])


# --- tags ----------------------------------------------------------------------------------------


def tags_of(client, name="web-1"):
    return {tag["Key"]: tag["Value"] for tag in all_of(client)[name]["Tags"]}


def test_tags(service, ec2):
    one, two = id_of(ec2), id_of(ec2, "web-2")
    caller = service.client("127.0.0.11")
    before = tags_of(ec2)
    assert ec2.call("CreateTags", Resources=[one, two, one], Tags=[
        {"Key": "env", "Value": "test"}, {"Key": "new"}]) == {}  # fmt: skip
    assert tags_of(ec2) == {**before, "env": "test", "new": ""}
    assert tags_of(ec2, "web-2") == {"Name": "web-2", "env": "test", "new": ""}
    assert caller.text(META + "tags/instance/env") == "test"
    ec2.call("DeleteTags", Resources=[one, two], Tags=[{"Key": "env", "Value": "prod"}, {"Key": "new", "Value": ""}])
    assert tags_of(ec2) == {**before, "env": "test"}, "only the tag of that value goes"
    ec2.call("DeleteTags", Resources=[one], Tags=[{"Key": "env"}, {"Key": "not there"}])
    assert "env" not in tags_of(ec2) and tags_of(ec2, "web-2")["env"] == "test"
    assert caller.get(META + "tags/instance/env").status == 404
    ec2.call("DeleteTags", Resources=[one])
    assert tags_of(ec2) == {"Name": "web-1"}
    assert caller.get(META + "tags/instance/Name").status == 404, "it is what the instance is called, no tag"
    ec2.call("CreateTags", Resources=[two], Tags=[{"Key": "Name", "Value": "back"}])
    assert list(all_of(ec2, Filters=[{"Name": "tag:Name", "Values": ["back"]}])) == ["back"]
    kept = service.cli("instance", "show", "web-2", "--json").ok().out
    assert "back" in kept and "web-2" in kept
    service.restart()
    assert tags_of(aws.Client(service, "ec2"), "back") == {"Name": "back", "env": "test"}
    changes = [(action, resource) for who, action, resource, result in audits(service) if result == "ok"
               and who == aws.KEY]  # fmt: skip
    create, delete = "ec2:CreateTags", "ec2:DeleteTags"
    assert changes == [
        (create, "web-1"), (create, "web-2"), (delete, "web-1"), (delete, "web-2"), (delete, "web-1"),
        (delete, "web-1"), (create, "web-2"),
    ]  # fmt: skip


def test_tags_that_are_refused_change_nothing(service, ec2):
    one, two = id_of(ec2), id_of(ec2, "web-2")
    before = all_of(ec2)
    value, good = "InvalidParameterValue", [{"Key": "a", "Value": "b"}]
    for resources, tags, code, message in (
        ([], good, "MissingParameter", "The request must contain the parameter ResourceId"),
        ([one], [], "MissingParameter", "The request must contain the parameter Tag"),
        ([one, NOBODY], good, "InvalidInstanceID.NotFound", f"'{NOBODY}' does not exist"),
        ([one, "i-x"], good, "InvalidInstanceID.Malformed", "i-x"),
        ([one, "vol-12345678"], good, "InvalidID", "The ID 'vol-12345678' is not valid"),
        ([one], [{"Key": "", "Value": "x"}], value, "empty"),
        ([one], [{"Value": "x"}], value, "empty"),
        ([one], [{"Key": "k" * 129}], value, "Tag key exceeds the maximum length of 128 characters"),
        ([one], [{"Key": "k", "Value": "v" * 257}], value, "Tag value exceeds the maximum length of 256 characters"),
        ([one], [{"Key": "aws:x"}], value, "Tag keys starting with 'aws:' are reserved for internal use"),
        ([one], good + good, value, "Duplicate tag key 'a' specified."),
        ([two, one], [{"Key": "has/slash"}], value, "tags: \"has/slash\" can't be shown"),
        ([two, one], [{"Key": f"k{n}"} for n in range(50)], "TagLimitExceeded", "50"),
        ([two], [{"Key": f"k{n}"} for n in range(51)], "TagLimitExceeded", "50"),
    ):
        error = ec2.refused("CreateTags", code, message, Resources=resources, Tags=tags)
        assert not re.match(r"\d", error.response["Error"]["Message"])
    ec2.refused("DeleteTags", "InvalidInstanceID.NotFound", Resources=[one, NOBODY])
    ec2.refused("DeleteTags", "MissingParameter", Resources=[])
    assert all_of(ec2) == before
    ec2.call("CreateTags", Resources=[two], Tags=[{"Key": f"k{n}"} for n in range(50)])
    ec2.call("CreateTags", Resources=[one], Tags=[{"Key": "k" * 128, "Value": "\u00e4" * 256}])


def described(client, **filters):
    wanted = [{"Name": name.replace("_", "-"), "Values": values} for name, values in filters.items()]
    return [(tag["Key"], tag["Value"]) for tag in client.call("DescribeTags", Filters=wanted)["Tags"]]


def test_describing_tags(fleet):
    one = id_of(fleet, "web-2")
    answer = fleet.call("DescribeTags", Filters=[{"Name": "resource-id", "Values": [one]}])["Tags"]
    common = {"ResourceId": one, "ResourceType": "instance"}
    assert answer == [{**common, "Key": k, "Value": v} for k, v in (
        ("Name", "web-2"), ("empty", ""), ("env", "test*"))]  # fmt: skip
    everything = described(fleet)
    assert len(everything) == 9 and ("Name", "db-1") in everything
    assert described(fleet, key=["env"]) == [("env", "production"), ("env", "prod"), ("env", "test*")]
    assert described(fleet, key=["env"], value=["prod*"]) == [("env", "production"), ("env", "prod")]
    assert described(fleet, resource_type=["instance"]) == everything
    assert described(fleet, resource_type=["volume"]) == []
    assert described(fleet, value=["x"], resource_id=["i-*"]) == [('a"b\\c', "x")]
    filters = [{"Name": "tag:env", "Values": ["prod"]}]
    assert [tag["Value"] for tag in fleet.call("DescribeTags", Filters=filters)["Tags"]] == ["prod"]


def test_pages_of_tags(workshop):
    many = [
        samples.plain(f"web-{n}", f"127.0.1.{n}", tags={f"key-{k:02}": str(k % 2) for k in range(n * 4)})
        for n in range(1, 5)
    ]
    ec2 = aws.Client(aws.start(workshop, many, KEYS), "ec2")
    for filters in ([], [{"Name": "value", "Values": ["1"]}], [{"Name": "key", "Values": ["key-0*"]}]):
        whole = ec2.call("DescribeTags", Filters=filters)["Tags"]
        for size in (5, 7, 10, len(whole)):
            pages = list(ec2.client.get_paginator("describe_tags").paginate(
                Filters=filters, PaginationConfig={"PageSize": size}))  # fmt: skip
            assert [tag for page in pages for tag in page["Tags"]] == whole
            assert all(len(page["Tags"]) <= size for page in pages)
    assert len(ec2.call("DescribeTags")["Tags"]) == 4 + 8 + 12 + 16 + 4


# --- what holds for all of them ------------------------------------------------------------------


def with_id(operation, one):
    return {name: one if value == "X" else value for name, value in OPERATIONS[operation].items()}


@pytest.mark.parametrize("operation", OPERATIONS)
def test_dry_run(service, ec2, operation):
    one = id_of(ec2)
    before, tags = all_of(ec2), tags_of(ec2)
    pairs = with_id(operation, one)
    want = (412, "DryRunOperation", "Request would have succeeded, but DryRun flag is set.")
    assert error(service, operation, **pairs, DryRun="true") == want
    assert all_of(ec2) == before and defaults(service) == {"managedBy": "account"}
    assert service.client("127.0.0.11").get(ID).status == 200
    nobody = ("AKIANONE", "nobody")
    assert error(service, operation, nobody, **pairs, DryRun="true")[1] == "UnauthorizedOperation"
    assert error(service, operation, **pairs, DryRun="perhaps")[:2] == (400, "InvalidParameterValue")
    if one in pairs.values():
        missing = {name: NOBODY if value == one else value for name, value in pairs.items()}
        assert error(service, operation, **missing, DryRun="true")[1] == "InvalidInstanceID.NotFound"
        malformed = {name: "i-x" if value == one else value for name, value in pairs.items()}
        assert error(service, operation, **malformed, DryRun="true")[1] == "InvalidInstanceID.Malformed"
    status, answer = ask(service, operation, **pairs, DryRun="false")
    assert status == 200 and "requestId" in answer
    assert tags_of(ec2) == {
        "CreateTags": {**tags, "a": "b"},
        "DeleteTags": {key: value for key, value in tags.items() if key != "env"},
    }.get(operation, tags)
    results = [result for who, action, _, result in audits(service) if (who, action) == (aws.KEY, "ec2:" + operation)]
    writes = not operation.startswith(("Describe", "Get"))
    assert results.count("ok") == (1 if writes else 0)
    assert results.count("DryRunOperation") == (1 if writes else 0)


@pytest.mark.parametrize("operation", OPERATIONS)
def test_every_row_needs_its_action(service, ec2, operation):
    one = id_of(ec2)
    pairs = with_id(operation, one)
    before = all_of(ec2)
    status, code, message = error(service, operation, ("AKIANONE", "nobody"), **pairs)
    assert (status, code) == (403, "UnauthorizedOperation") and "ec2:" + operation in message
    if operation.startswith(("Describe", "Get")):
        assert ask(service, operation, ("AKIAREAD", "reader"), **pairs)[0] == 200
    else:
        assert error(service, operation, ("AKIAREAD", "reader"), **pairs)[1] == "UnauthorizedOperation"
    assert all_of(ec2) == before


@pytest.mark.parametrize("operation", OPERATIONS)
def test_parameters_that_are_unknown(service, ec2, operation):
    pairs = with_id(operation, id_of(ec2))
    before = all_of(ec2)
    assert error(service, operation, **pairs, More="1")[:2] == (400, "UnknownParameter")
    if operation.startswith("Describe"):
        wrong = {"Filter.1.Name": "key", "Filter.1.Values.1": "x"}
        assert error(service, operation, **wrong)[1:] == (
            "UnknownParameter", "The parameter Values is not recognized")  # fmt: skip
    assert all_of(ec2) == before


def test_other_operations_and_versions(service, ec2):
    ec2.refused("RunInstances", "InvalidAction", "RunInstances", ImageId="ami-12345678", MinCount=1, MaxCount=1)
    ec2.refused("DescribeVpcs", "InvalidAction", "DescribeVpcs")
    reply, root = aws.form(service, "ec2", {"Action": "DescribeRegions", "Version": "1999-01-01"})
    assert reply.status == 400 and "NoSuchVersion" in reply.text


def test_signatures_that_are_wrong(service, ec2):
    wrong = aws.Client(service, "ec2", secret="another").refused("DescribeInstances", "AuthFailure")
    unknown = aws.Client(service, "ec2", key="AKIAWHO").refused("DescribeInstances", "AuthFailure")
    assert wrong.response["Error"] == unknown.response["Error"]
    assert wrong.response["ResponseMetadata"]["HTTPStatusCode"] == 401
    form = f"Action=DescribeInstances&Version={VERSION}".encode()
    reply = aws.post(service, {"Content-Type": "application/x-www-form-urlencoded"}, form)
    assert reply.status == 403 and "MissingAuthenticationToken" in reply.text


def test_texts_are_escaped(service, ec2):
    one = id_of(ec2, "web-2")
    nasty = "<a href=\"x\">&amp;'\u00e4\U0001f41f]]>"
    ec2.call("CreateTags", Resources=[one], Tags=[{"Key": nasty, "Value": nasty}])
    assert tags_of(ec2, "web-2")[nasty] == nasty
    ec2.refused("DescribeInstances", "InvalidInstanceID.Malformed", nasty, InstanceIds=[nasty])


# --- the AWS CLI ---------------------------------------------------------------------------------


def cli(service, *args, **options):
    return aws.run_cli(service, "ec2", *args, **options)


@aws.needs_cli
def test_the_aws_cli(service):
    caller = service.client("127.0.0.11")
    (found,) = cli(service, "describe-instances", "--filters", "Name=tag:Name,Values=web-1")["Reservations"]
    one = found["Instances"][0]["InstanceId"]
    assert one == caller.text(ID)
    out = cli(service, "modify-instance-metadata-options", "--instance-id", one, "--http-tokens", "required",
              "--http-put-response-hop-limit", "2", "--http-endpoint", "enabled", "--http-protocol-ipv6", "enabled",
              "--instance-metadata-tags", "enabled")  # fmt: skip
    assert out["InstanceMetadataOptions"]["HttpTokens"] == "required"
    assert caller.get(ID).status == 401
    (found,) = cli(service, "describe-instances", "--instance-ids", one)["Reservations"]
    assert found["Instances"][0]["MetadataOptions"]["HttpPutResponseHopLimit"] == 2
    required = ["--filters", "Name=metadata-options.http-tokens,Values=required"]
    text = cli(service, "describe-instances", *required, "--query", "Reservations[].Instances[].InstanceId")
    assert text == [one]
    assert len(cli(service, "describe-instances", "--page-size", "5")["Reservations"]) == 2
    assert cli(service, "describe-instance-status")["InstanceStatuses"][0]["InstanceStatus"]["Status"] == "ok"
    cli(service, "create-tags", "--resources", one, "--tags", "Key=team,Value=a b", "Key=only")
    out = cli(service, "describe-tags", "--filters", f"Name=resource-id,Values={one}", "Name=key,Values=team,only")
    assert [(tag["Key"], tag["Value"]) for tag in out["Tags"]] == [("only", ""), ("team", "a b")]
    cli(service, "delete-tags", "--resources", one, "--tags", "Key=team", "Key=only,Value=other")
    out = cli(service, "describe-tags", "--filters", f"Name=resource-id,Values={one}", "Name=key,Values=team,only")
    assert [tag["Key"] for tag in out["Tags"]] == ["only"]
    assert cli(service, "describe-regions")["Regions"][0]["RegionName"] == aws.REGION
    complaint = cli(service, "modify-instance-metadata-options", "--instance-id", one, "--http-tokens", "optional",
                    "--dry-run", code=254)  # fmt: skip
    assert "An error occurred (DryRunOperation) when calling the ModifyInstanceMetadataOptions operation" in complaint
    assert complaint.endswith(": Request would have succeeded, but DryRun flag is set.\n")
    assert caller.get(ID).status == 401
    complaint = cli(service, "describe-instances", "--instance-ids", NOBODY, code=254)
    assert f"(InvalidInstanceID.NotFound) when calling the DescribeInstances operation: The instance ID '{NOBODY}'" \
           " does not exist" in complaint  # fmt: skip


@aws.needs_cli
@pytest.mark.parametrize(
    ("command", "args", "answer"),
    [
        ("modify-instance-metadata-defaults", ["--http-tokens", "required"], {"Return": True}),
        ("get-instance-metadata-defaults", [], {"AccountLevel": {"ManagedBy": "account"}}),
    ],
)
def test_the_aws_cli_and_the_defaults(service, command, args, answer):
    try:
        assert cli(service, command, *args) == answer
    except AssertionError as refused:
        if "Invalid choice" not in str(refused):
            raise
        pytest.skip(f"THIS aws CLI HAS NO {command}, NOT TESTED WITH IT")
