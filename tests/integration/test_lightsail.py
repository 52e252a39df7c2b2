"""Lightsail's API on the control address, as the AWS CLI and SDKs speak it.

Every answer is held against botocore's own model (aws.py).
"""

import datetime
import json
import re

import pytest

import aws as aws_client
import samples
from aws import REGION, SECRET, credentials

ID = "/latest/meta-data/instance-id"
KEYS = [
    {"accessKeyId": "AKIAREAD", "secretAccessKey": "reader", "allow": ["lightsail:Get*"]},
    {"accessKeyId": "AKIANONE", "secretAccessKey": "nobody", "allow": ["ec2:*"]},
]
OPERATIONS = {
    "GetInstance": {"instanceName": "web-1"},
    "GetInstances": {},
    "GetInstanceState": {"instanceName": "web-1"},
    "DeleteInstance": {"instanceName": "web-1"},
    "StartInstance": {"instanceName": "web-1"},
    "StopInstance": {"instanceName": "web-1"},
    "RebootInstance": {"instanceName": "web-1"},
    "UpdateInstanceMetadataOptions": {"instanceName": "web-1", "httpTokens": "required"},
    "TagResource": {"resourceName": "web-1", "tags": [{"key": "a", "value": "b"}]},
    "UntagResource": {"resourceName": "web-1", "tagKeys": ["a"]},
    "GetBlueprints": {},
    "GetBundles": {},
    "GetRegions": {},
    "GetKeyPairs": {},
    "GetInstanceAccessDetails": {"instanceName": "web-1"},
    "GetOperations": {},
    "GetOperationsForResource": {"resourceName": "web-1"},
    "CreateInstances": {
        "instanceNames": ["new-1"], "availabilityZone": "us-west-2a", "blueprintId": "debian_12",
        "bundleId": "nano_3_0",
    },
}  # fmt: skip


def instances():
    return [samples.full("web-1", "127.0.0.11"), samples.plain("web-2", "127.0.0.12")]


@pytest.fixture
def service(workshop):
    return aws_client.start(workshop, instances(), KEYS)


def Client(service, *args, **options):
    return aws_client.Client(service, "lightsail", *args, **options)


@pytest.fixture
def aws(service):
    return Client(service)


# --- what is good --------------------------------------------------------------------------------


def test_options_change_the_running_instance_at_once(service, aws):
    caller = service.client("127.0.0.11")
    with caller.connect() as conn:
        assert conn.get(ID).status == 200
        operation = aws.call(
            "UpdateInstanceMetadataOptions", instanceName="web-1", httpTokens="required",
            httpPutResponseHopLimit=3, httpProtocolIpv6="disabled",
        )["operation"]  # fmt: skip
        assert conn.get(ID).status == 401
    assert operation["operationType"] == "UpdateInstanceMetadataOptions"
    assert (operation["resourceName"], operation["resourceType"]) == ("web-1", "Instance")
    assert (operation["status"], operation["isTerminal"]) == ("Started", False)
    assert operation["location"] == {"availabilityZone": "us-west-2a", "regionName": REGION}
    want = {
        "state": "applied", "httpTokens": "required", "httpEndpoint": "enabled",
        "httpPutResponseHopLimit": 3, "httpProtocolIpv6": "disabled",
    }  # fmt: skip
    assert aws.call("GetInstance", instanceName="web-1")["instance"]["metadataOptions"] == want
    shown = json.loads(service.cli("options", "web-1", "--json").ok().out)
    assert "required" in json.dumps(shown)
    assert caller.get(ID, caller.put_token()).status == 200


def test_instances_are_shown_as_lightsail_does(aws):
    one = aws.call("GetInstance", instanceName="web-1")["instance"]
    assert one["arn"].startswith("arn:aws:lightsail:us-west-2:123456789012:Instance/")
    assert {"key": "env", "value": "prod"} in one["tags"]
    answer = aws.call("GetInstances")
    assert [i["name"] for i in answer["instances"]] == ["web-1", "web-2"]
    assert "nextPageToken" not in answer
    assert answer["instances"][0] == one
    last = aws.call("GetInstances", pageToken="web-1")
    assert [i["name"] for i in last["instances"]] == ["web-2"]


def test_pages(workshop):
    many = [{"name": f"web-{n:04}", "privateIpAddress": f"10.0.{n // 256}.{n % 256}"} for n in range(1001)]
    service = aws_client.start(workshop, many, KEYS)
    reader = Client(service, "AKIAREAD", "reader")
    pages = list(reader.client.get_paginator("get_instances").paginate())
    names = [i["name"] for page in pages for i in page["instances"]]
    assert len(pages) == 2 and names == [one["name"] for one in many]


def test_stop_start_and_reboot(service, aws):
    assert aws.call("GetInstanceState", instanceName="web-2")["state"] == {"code": 16, "name": "running"}
    (operation,) = aws.call("StopInstance", instanceName="web-2", force=True)["operations"]
    assert operation["operationType"] == "StopInstance"
    assert aws.call("GetInstanceState", instanceName="web-2")["state"] == {"code": 80, "name": "stopped"}
    aws.refused("RebootInstance", "OperationFailureException", "web-2", instanceName="web-2")
    aws.call("StartInstance", instanceName="web-2")
    assert aws.call("GetInstanceState", instanceName="web-2")["state"]["name"] == "running"
    aws.call("RebootInstance", instanceName="web-2")
    service.restart()
    assert Client(service).call("GetInstanceState", instanceName="web-2")["state"]["name"] == "running"


def test_tags(service, aws):
    (operation,) = aws.call(
        "TagResource", resourceName="web-1", tags=[{"key": "env", "value": "test"}, {"key": "new"}]
    )["operations"]
    assert operation["status"] == "Started"
    assert "operationType" not in operation, "the model has none for it"
    caller = service.client("127.0.0.11")
    assert caller.text("/latest/meta-data/tags/instance/env") == "test"
    tags = aws.call("GetInstance", instanceName="web-1")["instance"]["tags"]
    assert {"key": "new", "value": ""} in tags and {"key": "Name", "value": "web-1"} in tags
    aws.call("UntagResource", resourceName="web-1", tagKeys=["env", "not there"])
    assert caller.get("/latest/meta-data/tags/instance/env").status == 404
    before = aws.call("GetInstance", instanceName="web-1")["instance"]["tags"]
    for tags in ([{"key": ""}], [{"key": "a" * 129}], [{"key": "has/slash"}], [{"value": "x"}], [{"key": 1}],
                 [{"key": f"k{n}", "value": ""} for n in range(51)]):  # fmt: skip
        error = aws_raw(service, "TagResource", {"resourceName": "web-1", "tags": tags})
        assert error == (400, "InvalidInputException"), tags
    assert aws.call("GetInstance", instanceName="web-1")["instance"]["tags"] == before


def test_delete(service, aws):
    (operation,) = aws.call("DeleteInstance", instanceName="web-2", forceDeleteAddOns=True)["operations"]
    assert operation["operationType"] == "DeleteInstance"
    aws.refused("GetInstance", "NotFoundException", "web-2", instanceName="web-2")
    assert service.client("127.0.0.12").get(ID).status == 404


def test_what_there_is_to_choose_from(aws):
    ids = {b["blueprintId"] for b in aws.call("GetBlueprints", includeInactive=True)["blueprints"]}
    assert {"debian_12", "amazon_linux_2023"} <= ids
    assert "nano_3_0" in {b["bundleId"] for b in aws.call("GetBundles")["bundles"]}
    (region,) = aws.call("GetRegions", includeAvailabilityZones=True)["regions"]
    assert region["name"] == REGION
    assert region["availabilityZones"][0] == {"zoneName": "us-west-2a", "state": "available"}


# --- what is refused -----------------------------------------------------------------------------


def aws_raw(service, operation, members, body=None, target="Lightsail_20161128.", now=None, change=None, key=None):
    """(status, code) of a signed request, which change() may spoil afterwards."""
    body = json.dumps(members).encode() if body is None else body
    headers = {"Content-Type": "application/x-amz-json-1.1", "X-Amz-Target": target + operation}
    fields = aws_client.sign(service, "lightsail", headers, body, key, now)
    if change:
        body = change(fields, body) or body
    reply = aws_client.post(service, fields, body)
    answer = json.loads(reply.body)
    assert reply.value("x-amzn-RequestId")
    if reply.status != 200:
        assert answer["__type"] == answer["code"] and answer["message"]
    return reply.status, answer.get("code")


def test_bad_input(service, aws):
    aws.refused("GetInstance", "NotFoundException", "nobody", instanceName="nobody")
    aws.refused("GetInstance", "InvalidInputException", "instanceName")
    update = "UpdateInstanceMetadataOptions"
    aws.refused(update, "NotFoundException", instanceName="nobody", httpTokens="required")
    for bad in ({"httpTokens": "maybe"}, {"httpPutResponseHopLimit": 0}, {"httpPutResponseHopLimit": 65},
                {"httpEndpoint": ""}):  # fmt: skip
        aws.refused(update, "InvalidInputException", instanceName="web-1", **bad)
    for operation, members, body in (
        ("GetInstance", {"instanceName": 1}, None),
        ("GetInstance", {"instanceName": "web-1", "more": 1}, None),
        (update, {"instanceName": "web-1", "instanceMetadataTags": "enabled"}, None),
        ("TagResource", {"resourceName": "web-1", "tags": "x"}, None),
        ("UntagResource", {"resourceName": "web-1", "tagKeys": [1]}, None),
        ("GetInstances", {"pageToken": 1}, None),
    ):
        assert aws_raw(service, operation, members, body) == (400, "InvalidInputException"), members
    for body in (b"{", b"[]", b'"x"', b'{"a": 1, "a": 2}', b"\xff"):
        assert aws_raw(service, "GetInstance", None, body) == (400, "SerializationException"), body


def test_every_other_operation_is_refused_by_name(aws):
    others = [name for name in aws.model.operation_names if name not in OPERATIONS]
    assert len(others) > 100
    for name in others[::10] + ["PutAlarm", "CreateDisk"]:
        aws.refused(name, "UnknownOperationException", name)


def test_another_protocol_is_refused(service):
    assert aws_raw(service, "GetInstance", {}, target="") == (404, "UnknownOperationException")
    assert aws_raw(service, "GetInstance", {}, target="DynamoDB_20120810.") == (404, "UnknownOperationException")


@pytest.mark.parametrize("operation", OPERATIONS)
def test_every_row_needs_its_action(service, operation):
    Client(service, "AKIANONE", "nobody").refused(
        operation, "AccessDeniedException", f"lightsail:{operation}", **OPERATIONS[operation])
    reader = Client(service, "AKIAREAD", "reader")
    if operation.startswith("Get"):
        reader.call(operation, **OPERATIONS[operation])
    else:
        reader.refused(operation, "AccessDeniedException", **OPERATIONS[operation])
        assert service.client("127.0.0.11").get(ID).status == 200


def test_signatures_that_are_wrong(service):
    members = {"instanceName": "web-1"}
    wrong = Client(service, secret="another")
    error = wrong.refused("GetInstance", "InvalidSignatureException", **members)
    region = Client(service, region="eu-west-1").refused("GetInstance", "InvalidSignatureException", **members)
    assert error.response["Error"] == region.response["Error"], "nothing about which part was wrong"
    Client(service, key="AKIAWHO").refused("GetInstance", "UnrecognizedClientException", **members)
    assert Client(service, token="a session's").call("GetInstance", **members)

    def spoil(name, value):
        return lambda fields, body: fields.update({name: value})

    def drop(name):
        return lambda fields, body: fields.pop(name) and None

    invalid, cut = (400, "InvalidSignatureException"), (400, "IncompleteSignatureException")
    missing = (400, "MissingAuthenticationTokenException")
    for change, want in (
        (None, (200, None)),
        (drop("Authorization"), missing),
        (spoil("Authorization", "Basic eDp5"), cut),
        (drop("X-Amz-Date"), cut),
        (spoil("X-Amz-Target", "Lightsail_20161128.DeleteInstance"), invalid),
        (spoil("X-Amz-Other", "1"), invalid),
        (spoil("X-Amz-Content-Sha256", "UNSIGNED-PAYLOAD"), invalid),
        (lambda fields, body: body.replace(b"1", b"2"), invalid),
    ):
        assert aws_raw(service, "GetInstance", members, change=change) == want
    assert "web-1" in service.cli("instance", "list").ok().out


def test_clocks(service):
    now = datetime.datetime.utcnow()
    for seconds, want in ((-290, 200), (290, 200), (-310, 400), (310, 400)):
        then = now + datetime.timedelta(seconds=seconds)
        status, code = aws_raw(service, "GetInstances", {}, now=then)
        assert (status, code) == (want, None if want == 200 else "InvalidSignatureException"), seconds


def test_without_credentials_nobody_may(workshop):
    service = workshop.daemon({"instances": instances()})
    Client(service).refused("GetInstances", "UnrecognizedClientException", "No credentials")


def test_keys_are_reloaded_and_never_shown(service, aws):
    aws.call("GetInstances")
    credentials(service, [{"accessKeyId": "AKIANEW", "secretAccessKey": "fresh+secret", "allow": ["lightsail:*"]}])
    service.reload()
    aws.refused("GetInstances", "UnrecognizedClientException")
    Client(service, "AKIANEW", "fresh+secret").call("DeleteInstance", instanceName="web-2")
    shown = service.cli("config", "show").ok().out + service.cli("config", "show", "--json").ok().out
    assert "AKIANEW" in shown and "fresh+secret" not in shown
    log = service.log()
    assert SECRET not in log and "fresh+secret" not in log
    (line,) = [line for line in log.splitlines() if "msg=audit" in line]
    for word in ("who=AKIANEW", "from=127.0.0.1", "operation=lightsail:DeleteInstance", "instance=web-2", "result=ok"):
        assert word in line, line
    assert "msg=refused" in log


def test_a_secret_key_that_others_may_read_is_told(service):
    """At the start and with every reload, until nobody else may."""
    path = service.directory / "all.key"
    line = r'level=warn .*msg="others may read the secret key" path=\S*all\.key'
    keys = [
        {"accessKeyId": "AKIANEW", "secretAccessKey": "fresh+secret", "allow": ["*"]},
        {"accessKeyId": aws_client.KEY, "secretAccessKeyFile": "all.key", "allow": ["*"]},
    ]
    credentials(service, keys)

    def reloaded(mode):
        path.chmod(mode)
        mark = len(service.log())
        return service.reload(lambda: "msg=reloaded" in service.log()[mark:])

    assert re.search(line, reloaded(0o644)) and re.search(line, reloaded(0o602))
    assert "others may read" not in reloaded(0o640)
    mark = len(service.log())
    service.restart()
    assert "others may read" not in service.log()[mark:]
    path.chmod(0o644)
    mark = len(service.log())
    service.restart()
    assert len(re.findall(line, service.log()[mark:])) == 1


# --- the AWS CLI -----------------------------------------------------------------------------------


@aws_client.needs_cli
def test_the_aws_cli(service):
    def run(*args, **options):
        return aws_client.run_cli(service, "lightsail", *args, **options)

    caller = service.client("127.0.0.11")
    out = run("update-instance-metadata-options", "--instance-name", "web-1", "--http-tokens", "required")
    assert out["operation"]["status"] == "Started"
    assert caller.get(ID).status == 401
    assert len(run("get-instances")["instances"]) == 2
    run("update-instance-metadata-options", "--instance-name", "web-1", "--http-tokens", "optional")
    assert caller.get(ID).status == 200
    error = run("get-instance", "--instance-name", "nobody", code=254)
    assert "An error occurred (NotFoundException) when calling the GetInstance operation: " in error
