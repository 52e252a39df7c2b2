"""SDKs against the control address: Lightsail's, EC2's and CloudWatch's API, with good input and bad.

Each runs a program that does the same in the same order and prints what it saw; here that is held
against the service's own words. Nothing is checked by the SDK before it is sent.
"""

import re

import pytest
from client_support import installed
from client_support.control import FLEET, OPTIONS, REGION, Control
from client_support.installed import PROGRAMS, PYTHON

SDKS = ["v3", "v2", "boto3"]
REQUEST_ID = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")
JSON_1_0, FORM = "application/x-amz-json-1.0", "application/x-www-form-urlencoded; charset=utf-8"
RETRIED_ONCE = {"-10": [2, 1], "10": [2, 1]}


@pytest.fixture(scope="module")
def control(tmp_path_factory, binary):
    service = Control(binary, tmp_path_factory.mktemp("control"))
    service.start()
    yield service
    exit_code = service.stop()
    assert not service.trouble(), service.trouble()
    assert exit_code == 0, f"exit code {exit_code}\n{service.log()}"


@pytest.fixture(params=SDKS)
def sdk(request):
    return request.param


@pytest.fixture
def run(control, sdk, tmp_path):
    """run("ec2") is what the SDK's program for that service printed."""

    def run_program(service):
        npm = {"v3": f"@aws-sdk/client-{service}", "v2": "aws-sdk"}
        if sdk == "boto3":
            installed.python_module("boto3", "python3-boto3")
            return control.run(tmp_path, PYTHON, PROGRAMS / "control_boto3.py", service)
        installed.npm_package(npm[sdk])
        return control.run(tmp_path, "node", PROGRAMS / f"control_{service}.js", sdk)

    return run_program


def check_refusals(got, wanted):
    """Code, status and a word of the message; every one was asked once and has its request's id."""
    assert set(got) == {*wanted, "allowed"}
    for name, (code, status, word) in wanted.items():
        refused = got[name]
        assert (refused["code"], refused["status"]) == (code, status), name
        assert word in refused["message"], name
        assert refused["attempts"] == 1, name
        assert REQUEST_ID.fullmatch(refused["requestId"]), name


def check_skewed(got, sdk, code):
    """A clock that is ten minutes off is corrected, once; boto3 knows no such thing, here or at AWS."""
    assert got == (RETRIED_ONCE if sdk != "boto3" else {"-10": code, "10": code})


# --- Lightsail ------------------------------------------------------------------------------------

LIGHTSAIL_REFUSALS = {
    "wrongSecret": ("InvalidSignatureException", 400, "does not match the signature"),
    "unknownKey": ("UnrecognizedClientException", 400, "security token"),
    "denied": ("AccessDeniedException", 400, "lightsail:DeleteInstance"),
    "notFound": ("NotFoundException", 400, "nobody"),
    "missing": ("InvalidInputException", 400, "instanceName"),
    "notInEnum": ("InvalidInputException", 400, "httpTokens"),
    "outOfRange": ("InvalidInputException", 400, "httpPutResponseHopLimit"),
    "taken": ("OperationFailureException", 400, "web-1"),
    "badTag": ("InvalidInputException", 400, "tag"),
    "unsupported": ("UnknownOperationException", 404, "CreateDisk"),
}


def test_lightsail(control, run, sdk):
    before = control.names()
    got = run("lightsail")
    assert (got["pages"], got["names"]) == ([1000, 2], before)
    check_lightsail_options(got["options"])
    check_lightsail_life(got["life"])
    team = {"key": "team", "value": "blue & <green>"}
    assert team in got["tags"]["tagged"]
    assert got["tags"]["untagged"] == [tag for tag in got["tags"]["tagged"] if tag != team]
    assert got["metric"] == {"grown": 1}
    assert got["refusals"]["allowed"] == ["instance"]
    check_refusals(got["refusals"], LIGHTSAIL_REFUSALS)
    check_skewed(got["skewed"], sdk, "InvalidSignatureException")
    # Nothing is left of it, and nothing that was refused has happened.
    assert control.names() == before
    assert control.show("web-1")["metadataOptions"] == OPTIONS


def check_lightsail_options(got):
    operation, ended = got["operation"], got["ended"]
    assert (operation["status"], operation["isTerminal"]) == ("Started", False)
    assert (ended["status"], ended["isTerminal"]) == ("Succeeded", True)
    assert operation["id"] == ended["id"] and got["listed"]
    assert operation["operationType"] == "UpdateInstanceMetadataOptions"
    assert operation["resourceName"] == "web-1"
    assert got["shown"] == {
        "state": "applied",
        "httpTokens": "required",
        "httpEndpoint": "enabled",
        "httpPutResponseHopLimit": 2,
        "httpProtocolIpv6": "disabled",
    }
    check_imds(got["imds"])


def check_imds(got):
    """Without a token, and with: before, while tokens are required, and afterwards."""
    assert got == [[200, 200], [401, 200], [200, 200]]


def check_lightsail_life(got):
    created, shown = got["created"], got["shown"]
    assert [one["operationType"] for one in created] == ["CreateInstance"] * 2
    assert shown["name"] == created[0]["resourceName"]
    assert shown["blueprintId"] == "amazon_linux_2023"
    assert shown["metadataOptions"]["httpTokens"] == "required", "as the blueprint has it"
    assert shown["tags"] == [{"key": "made-by", "value": "sdk"}]
    assert re.match(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.000Z", shown["createdAt"])
    assert got["states"] == ["stopped", "running", "running"]
    assert got["gone"]["code"] == "NotFoundException"


# --- EC2 ------------------------------------------------------------------------------------------

INVALID = "InvalidParameterValue"
EC2_REFUSALS = {
    "wrongSecret": ("AuthFailure", 401, "could not be validated"),
    "unknownKey": ("AuthFailure", 401, "could not be validated"),
    "denied": ("UnauthorizedOperation", 403, "ec2:ModifyInstanceMetadataOptions"),
    "dryRun": ("DryRunOperation", 412, "would have succeeded"),
    "dryRunRead": ("DryRunOperation", 412, "would have succeeded"),
    "notFound": ("InvalidInstanceID.NotFound", 400, "i-00000000000000000"),
    "malformed": ("InvalidInstanceID.Malformed", 400, '"i-x"'),
    "missing": ("MissingParameter", 400, "InstanceId"),
    "notInEnum": (INVALID, 400, "'maybe' is not valid for HttpTokens"),
    "outOfRange": (INVALID, 400, "HttpPutResponseHopLimit"),
    "noFilter": (INVALID, 400, "'colour'"),
    "tooMany": (INVALID, 400, "1001"),
    "badToken": ("InvalidNextToken", 400, "NextToken"),
    "unsupported": ("InvalidAction", 400, "DescribeVolumes"),
}


def test_ec2(control, run, sdk):
    shown = control.show("web-1")
    got = run("ec2")
    check_ec2_instance(got["web"], shown, control)
    assert got["wildcard"] == 2
    assert got["pages"] == [400, 400, 202]
    assert len(set(got["ids"])) == len(control.names())
    assert got["status"] == ["running"]
    assert got["regions"] == [REGION]
    assert got["waits"] == [True, True]
    check_ec2_options(got["options"], shown["instanceId"])
    check_ec2_defaults(got["defaults"], sdk)
    team = {"Key": "team", "Value": "blue & <green>"}
    about = {"ResourceId": shown["instanceId"], "ResourceType": "instance"}
    assert {**team, **about} in got["tags"]["tagged"]
    assert len(got["tags"]["untagged"]) == len(got["tags"]["tagged"]) - 1
    assert got["refusals"]["allowed"] == ["Regions"]
    check_refusals(got["refusals"], EC2_REFUSALS)
    check_skewed(got["skewed"], sdk, "RequestExpired")
    if sdk == "boto3":
        check_ec2_resource(got["resource"], shown)
    assert control.show("web-1")["metadataOptions"] == OPTIONS


def check_ec2_instance(web, shown, control):
    """As the metadata service says to the instance itself."""
    truth = control.truth.get
    assert web["InstanceId"] == truth("meta-data/instance-id") == shown["instanceId"]
    assert web["ImageId"] == truth("meta-data/ami-id")
    assert web["InstanceType"] == truth("meta-data/instance-type")
    assert web["PrivateIpAddress"] == truth("meta-data/local-ipv4")
    assert web["PrivateDnsName"] == truth("meta-data/local-hostname")
    assert web["Placement"]["AvailabilityZone"] == truth("meta-data/placement/availability-zone")
    (interface,) = web["NetworkInterfaces"]
    mac = truth("meta-data/mac")
    assert interface["MacAddress"] == mac
    assert interface["SubnetId"] == truth(f"meta-data/network/interfaces/macs/{mac}/subnet-id")
    assert {"Key": "Name", "Value": "web-1"} in web["Tags"]
    assert web["State"] == {"Code": 16, "Name": "running"}


def check_ec2_options(got, instance_id):
    options = {
        "HttpTokens": "required",
        "HttpPutResponseHopLimit": 3,
        "HttpEndpoint": "enabled",
        "HttpProtocolIpv6": "disabled",
        "InstanceMetadataTags": "disabled",
    }
    assert got["answer"]["InstanceId"] == instance_id
    assert got["answer"]["InstanceMetadataOptions"] == {"State": "pending", **options}
    assert got["shown"] == {"State": "applied", **options}
    assert instance_id in got["found"]
    check_imds(got["imds"])


def check_ec2_defaults(got, sdk):
    if sdk == "boto3":
        assert got is None, "a boto3 that has these operations: ask for the defaults"
        return
    managed = {"ManagedBy": "account"} if sdk == "v3" else {}  # v2 is older than that member
    assert got["answer"] == {"Return": True}
    assert got["before"] == got["after"] == managed
    assert got["during"] == {"HttpTokens": "required", "HttpPutResponseHopLimit": 2, **managed}


def check_ec2_resource(got, shown):
    assert got["running"] == len(FLEET) + 2
    assert got["limited"] == 3
    assert got["tags"] == {"Name": "web-1", "by": "resource", "env": "prod"}
    assert got["state"]["Name"] == "running"
    assert got["privateIpAddress"] == shown["privateIpAddress"]
    assert got["metadataOptions"]["HttpTokens"] == "optional"


# --- CloudWatch -----------------------------------------------------------------------------------


def cloudwatch_refusals(by_json):
    """Who asks in JSON is refused as the JSON protocols do it, and told Query's codes otherwise."""
    wrong = ("InvalidSignatureException", 400) if by_json else ("SignatureDoesNotMatch", 403)
    unknown = ("UnrecognizedClientException", 400) if by_json else ("InvalidClientTokenId", 403)
    denied = ("AccessDeniedException", 400) if by_json else ("AccessDenied", 403)
    no_action = ("UnknownOperationException", 404) if by_json else ("InvalidAction", 400)
    return {
        "wrongSecret": (*wrong, "does not match the signature"),
        "unknownKey": (*unknown, "security token"),
        "denied": (*denied, "cloudwatch:GetMetricData"),
        "missing": ("MissingParameter", 400, "Namespace"),
        "badPeriod": (INVALID, 400, "Period"),
        "backwards": (INVALID, 400, "StartTime"),
        "noStatistic": (INVALID, 400, "Median"),
        "expression": ("ValidationError", 400, "Expression"),
        "noQuery": ("MissingParameter", 400, "MetricDataQueries"),
        "badToken": (INVALID, 400, "NextToken"),
        "unsupported": (*no_action, "PutMetricAlarm"),
    }


def test_cloudwatch(control, run, sdk):
    instance_id = control.show("web-1")["instanceId"]
    got = run("cloudwatch")
    assert got["contentType"] == [JSON_1_0 if sdk == "v3" else FORM]
    assert got["grown"] == [2, 2]
    assert got["lightsail"] == 0, "the same counts under the instance's name"
    assert got["label"] == "MetadataNoToken"
    assert got["result"]["StatusCode"] == "Complete"
    assert all(time.endswith(":00.000Z") for time in got["result"]["Timestamps"])
    by_id = [{"Name": "InstanceId", "Value": instance_id}]
    own = {"Namespace": "AWS/EC2", "MetricName": "MetadataNoToken", "Dimensions": by_id}
    assert own in got["listed"]
    assert got["refusals"].pop("elsewhere")["answer"]["Metrics"] == []
    assert "Metrics" in got["refusals"]["allowed"]
    check_refusals(got["refusals"], cloudwatch_refusals(by_json=sdk == "v3"))
    check_skewed(got["skewed"], sdk, "RequestExpired")
    if sdk == "boto3":
        assert got["resource"] == {"difference": 0, "metrics": len(got["listed"])}
