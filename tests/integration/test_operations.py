"""Lightsail's operations as records with a life, instances made by the API, and who changed what."""

import json
import os
import time

import pytest

import samples
from test_lightsail import OPERATIONS, REGION, Client, aws_raw, credentials
from wire import wait_until

KEYS = [
    {"accessKeyId": "AKIAALL", "secretAccessKey": "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY", "allow": ["*"]},
    {"accessKeyId": "AKIAREAD", "secretAccessKey": "reader", "allow": ["lightsail:Get*"]},
]
ID = "/latest/meta-data/instance-id"
NEW = OPERATIONS["CreateInstances"]


@pytest.fixture
def service(workshop):
    instances = [samples.full("web-1", "127.0.0.11"), samples.plain("web-2", "127.0.0.12")]
    made = workshop.daemon({"instances": instances}, start=False)
    credentials(made, KEYS)
    return made.start()


@pytest.fixture
def aws(service):
    return Client(service)


def ended(aws, operation):
    def look():
        now = aws.call("GetOperation", operationId=operation["id"])["operation"]
        return now if now["isTerminal"] else None

    return wait_until(look, "the operation's end")


# --- operations ----------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["StopInstance", "StartInstance", "RebootInstance", "UpdateInstanceMetadataOptions",
                                  "TagResource", "UntagResource", "DeleteInstance"])  # fmt: skip
def test_an_operation_starts_and_succeeds(aws, name):
    members = {**OPERATIONS[name]}
    answer = aws.call(name, **members)
    (begun,) = answer.get("operations") or [answer["operation"]]
    assert (begun["status"], begun["isTerminal"]) == ("Started", False)
    assert begun["createdAt"] == begun["statusChangedAt"]
    end = ended(aws, begun)
    assert end["status"] == "Succeeded"
    assert end["statusChangedAt"] >= end["createdAt"] == begun["createdAt"]
    same = {"status", "isTerminal", "statusChangedAt"}
    assert {k: v for k, v in end.items() if k not in same} == {k: v for k, v in begun.items() if k not in same}
    assert aws.call("GetOperations")["operations"][0] == end
    assert aws.call("GetOperationsForResource", resourceName="web-1")["operations"] == [end]


def test_what_is_refused_is_no_operation(aws):
    aws.refused("StopInstance", "NotFoundException", "there is no instance 'nobody'", instanceName="nobody")
    aws.refused("UpdateInstanceMetadataOptions", "InvalidInputException", "httpTokens",
                instanceName="web-1", httpTokens="perhaps")  # fmt: skip
    aws.call("StopInstance", instanceName="web-1")
    aws.refused("RebootInstance", "OperationFailureException", "is not running", instanceName="web-1")
    assert [o["operationType"] for o in aws.call("GetOperations")["operations"]] == ["StopInstance"]
    aws.refused("GetOperation", "NotFoundException", "there is no operation", operationId="0" * 36)


def test_operations_come_in_pages_the_newest_first(aws):
    made = []
    for n in range(103):
        (operation,) = aws.call("RebootInstance", instanceName=f"web-{1 + n % 2}")["operations"]
        made.append(operation["id"])
    first = aws.call("GetOperations")
    assert [o["id"] for o in first["operations"]] == made[:2:-1]
    rest = aws.call("GetOperations", pageToken=first["nextPageToken"])
    assert [o["id"] for o in rest["operations"]] == made[2::-1]
    assert "nextPageToken" not in rest
    of_one = aws.call("GetOperationsForResource", resourceName="web-2")
    assert [o["id"] for o in of_one["operations"]] == made[1::2][::-1]
    for token in ("", "x", "-1", "0", "1x", "99999999999999999999999"):
        aws.refused("GetOperations", "InvalidInputException", "pageToken", pageToken=token)


def test_operations_outlive_the_daemon(service, aws):
    (begun,) = aws.call("StopInstance", instanceName="web-1")["operations"]
    service.kill9()
    service.start()
    end = Client(service).call("GetOperation", operationId=begun["id"])["operation"]
    assert (end["status"], end["isTerminal"]) == ("Succeeded", True)
    assert end["statusChangedAt"] >= begun["createdAt"]


def test_state_and_pending_time_follow(service, aws):
    caller = service.client("127.0.0.11")
    document = "/latest/dynamic/instance-identity/document"
    first = json.loads(caller.text(document))["pendingTime"]
    aws.call("StopInstance", instanceName="web-1")
    assert aws.call("GetInstanceState", instanceName="web-1")["state"] == {"code": 80, "name": "stopped"}
    assert caller.get(ID).status == 404
    time.sleep(1.1)  # pendingTime has seconds
    aws.call("StartInstance", instanceName="web-1")
    assert aws.call("GetInstanceState", instanceName="web-1")["state"] == {"code": 16, "name": "running"}
    second = json.loads(caller.text(document))["pendingTime"]
    assert second > first
    aws.call("RebootInstance", instanceName="web-1")
    assert json.loads(caller.text(document))["pendingTime"] == second, "a reboot is no launch"


# --- instances that the API makes ----------------------------------------------------------------


def test_instances_are_made(service, aws):
    (key,) = aws.call("GetKeyPairs")["keyPairs"]
    assert key["name"] == "my-key"
    made = aws.call(
        "CreateInstances", instanceNames=["db-1", "db-2"], availabilityZone="us-west-2b", blueprintId="amazon_linux_2023",
        bundleId="small_3_0", userData="#!/bin/sh\n", keyPairName="my-key", tags=[{"key": "env", "value": "test"}],
        ipAddressType="ipv4",
    )["operations"]  # fmt: skip
    assert [(o["resourceName"], o["operationType"]) for o in made] == [("db-1", "CreateInstance"), ("db-2", "CreateInstance")]
    assert ended(aws, made[1])["status"] == "Succeeded"
    one = aws.call("GetInstance", instanceName="db-1")["instance"]
    assert one["location"] == {"availabilityZone": "us-west-2b", "regionName": REGION}
    assert (one["blueprintId"], one["bundleId"]) == ("amazon_linux_2023", "small_3_0")
    assert one["sshKeyName"] == "my-key"
    assert one["tags"] == [{"key": "env", "value": "test"}]
    assert one["metadataOptions"]["httpTokens"] == "required", "as its blueprint has it"
    other = aws.call("GetInstance", instanceName="db-2")["instance"]
    assert one["privateIpAddress"] != other["privateIpAddress"]
    service.restart()
    names = [i["name"] for i in Client(service).call("GetInstances")["instances"]]
    assert names == ["db-1", "db-2", "web-1", "web-2"]


def test_many_instances_find_their_addresses(aws):
    """More than the derived addresses alone would let stand side by side."""
    names = [f"n{n:03}" for n in range(1000)]
    aws.call("CreateInstances", **{**NEW, "instanceNames": names})
    shown = aws.call("GetInstances")
    found = [i["privateIpAddress"] for i in shown["instances"]]
    assert len(set(found)) == len(found) == 1000
    assert all(a.startswith("172.26.") for a in found if not a.startswith("127."))


@pytest.mark.parametrize(
    "change, words",
    [
        ({"instanceNames": ["web-1"]}, ["web-1", "already"]),
        ({"instanceNames": ["a-1", "a-1"]}, ["a-1"]),
    ],
)
def test_names_that_are_taken(aws, change, words):
    aws.refused("CreateInstances", "OperationFailureException", *words, **{**NEW, **change})
    assert len(aws.call("GetInstances")["instances"]) == 2


@pytest.mark.parametrize(
    "change, words",
    [
        ({"instanceNames": []}, ["instanceNames"]),
        ({"instanceNames": ["x"]}, ["name"]),
        ({"instanceNames": ["ok", "has space"]}, ["name"]),
        ({"instanceNames": "web-9"}, ["instanceNames"]),
        ({"instanceNames": [7]}, ["instanceNames"]),
        ({"instanceNames": [f"n{n}" for n in range(1001)]}, ["instanceNames", "1000"]),
        ({"availabilityZone": "eu-west-1a"}, ["availabilityZone"]),
        ({"availabilityZone": "us-west-2"}, ["availabilityZone"]),
        ({"blueprintId": "no_such"}, ["blueprintId"]),
        ({"bundleId": "no_such"}, ["bundleId"]),
        ({"ipAddressType": "ipv5"}, ["ipAddressType"]),
        ({"userData": "x" * 16385}, ["userData"]),
        ({"tags": [{"key": ""}]}, ["tag"]),
        ({"addOns": [{"addOnType": "AutoSnapshot"}]}, ["addOns"]),
    ],
)
def test_instances_that_can_not_be(service, aws, change, words):
    status, code = aws_raw(service, "CreateInstances", {**NEW, **change})
    assert (status, code) == (400, "InvalidInputException")
    if not isinstance(change.get("instanceNames"), str) and change.get("instanceNames") != [7]:
        aws.refused("CreateInstances", "InvalidInputException", *words, **{**NEW, **change})
    assert len(aws.call("GetInstances")["instances"]) == 2


def test_a_key_pair_that_is_none(aws):
    aws.refused("CreateInstances", "NotFoundException", "key pair 'lost'", **NEW, keyPairName="lost")


def test_how_to_get_in(aws):
    details = aws.call("GetInstanceAccessDetails", instanceName="web-1", protocol="ssh")["accessDetails"]
    assert details["ipAddress"] == "203.0.113.10" and details["protocol"] == "ssh" and details["username"]
    aws.refused("GetInstanceAccessDetails", "InvalidInputException", "ssh", instanceName="web-1", protocol="rdp")


# --- audit records -------------------------------------------------------------------------------


def records(service, *args):
    return json.loads(service.cli("audit", *args, "--json").ok().out)["auditRecords"]


def test_every_change_has_its_record(service, aws):
    before = records(service)
    assert {r["action"] for r in before} == {"telltale:ApplyFiles"}
    assert {(r["who"], r["resource"]) for r in before} == {("files", "web-1"), ("files", "web-2")}
    (operation,) = aws.call("StopInstance", instanceName="web-1")["operations"]
    aws.refused("DeleteInstance", "NotFoundException", instanceName="nobody")
    reader = Client(service, "AKIAREAD", "reader")
    reader.refused("DeleteInstance", "AccessDeniedException", instanceName="web-2")
    reader.call("GetInstances")
    Client(service, secret="wrong").refused("DeleteInstance", "InvalidSignatureException", instanceName="web-2")
    service.cli("options", "web-2", "--http-tokens", "required").ok()
    newest = records(service)[: -len(before)]
    assert [(r["who"], r["from"], r["action"], r["resource"], r["result"]) for r in newest] == [
        (f"uid {os.getuid()}", "socket", "telltale:UpdateInstanceMetadataOptions", "web-2", "ok"),
        ("AKIAREAD", "127.0.0.1", "lightsail:DeleteInstance", "web-2", "AccessDenied"),
        ("AKIAALL", "127.0.0.1", "lightsail:DeleteInstance", "nobody", "NotFoundException"),
        ("AKIAALL", "127.0.0.1", "lightsail:StopInstance", "web-1", "ok"),
    ]
    assert newest[-1]["at"] == operation["createdAt"] and len(newest[-1]["requestId"]) == 36
    assert [r["resource"] for r in records(service, "web-1")] == ["web-1", "web-1"]
    service.restart()
    assert records(service)[: len(newest)] == newest


def test_audit_as_a_table(service, aws):
    aws.call("StopInstance", instanceName="web-1")
    out = service.cli("audit").ok().out.splitlines()
    assert out[0].split() == ["TIME", "WHO", "FROM", "ACTION", "RESOURCE", "CHANGE", "RESULT"]
    assert out[1].split()[1:] == ["AKIAALL", "127.0.0.1", "lightsail:StopInstance", "web-1", "state", "running", "->", "stopped", "ok"]
    service.cli("audit", "a", "b").refused(codes=(2,))
