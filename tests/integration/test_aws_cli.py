"""The stock AWS CLI of Debian walks every operation of the control address, and some that are not there.

What answers mean is tested in test_lightsail.py, test_ec2.py and test_cloudwatch.py; here that the command
itself takes each of them: exit code, and what it prints.
"""

import datetime
import pathlib
import re

import pytest

import aws
import samples
import wire

ROOT = pathlib.Path(__file__).resolve().parents[2]
ID = "/latest/meta-data/instance-id"
SOURCES = {"lightsail": "lightsail.c", "ec2": "ec2.c", "cloudwatch": "cloudwatch.c"}
WEB = ["--instance-name", "web-1"]
METRIC = ["--metric-name", "MetadataNoToken", "--start-time", "START", "--end-time", "END"]
QUERY = (
    '[{"Id": "m1", "MetricStat": {"Metric": {"Namespace": "AWS/EC2", "MetricName": "MetadataNoToken", '
    '"Dimensions": [{"Name": "InstanceId", "Value": "ID"}]}, "Period": 60, "Stat": "Sum"}}]'
)

# Operation: its arguments, and the members of the answer; None: the command prints nothing. ID stands for
# web-1's, OPERATION for that of an operation, START and END for an hour ago and a minute ahead.
LIGHTSAIL = {
    "GetInstance": (WEB, {"instance"}),
    "GetInstances": ([], {"instances"}),
    "GetInstanceState": (WEB, {"state"}),
    "GetInstanceAccessDetails": (WEB, {"accessDetails"}),
    "GetInstanceMetricData": (
        [*WEB, *METRIC, "--period", "300", "--unit", "Count", "--statistics", "Sum", "Maximum"],
        {"metricName", "metricData"},
    ),
    "CreateInstances": (
        ["--instance-names", "made-1", "made-2", "--availability-zone", "us-west-2a", "--blueprint-id",
         "debian_12", "--bundle-id", "nano_3_0", "--tags", "key=by,value=cli"],
        {"operations"},
    ),
    "DeleteInstance": (["--instance-name", "spare", "--force-delete-add-ons"], {"operations"}),
    "StopInstance": (["--instance-name", "web-2", "--force"], {"operations"}),
    "StartInstance": (["--instance-name", "web-2"], {"operations"}),
    "RebootInstance": (WEB, {"operations"}),
    "UpdateInstanceMetadataOptions": (
        [*WEB, "--http-tokens", "optional", "--http-endpoint", "enabled", "--http-put-response-hop-limit", "2",
         "--http-protocol-ipv6", "disabled"],
        {"operation"},
    ),
    "TagResource": (["--resource-name", "web-1", "--tags", "key=a,value=b", "key=c"], {"operations"}),
    "UntagResource": (["--resource-name", "web-1", "--tag-keys", "a", "c"], {"operations"}),
    "GetOperation": (["--operation-id", "OPERATION"], {"operation"}),
    "GetOperations": ([], {"operations"}),
    "GetOperationsForResource": (["--resource-name", "web-1"], {"operations"}),
    "GetBlueprints": (["--include-inactive"], {"blueprints"}),
    "GetBundles": (["--no-include-inactive"], {"bundles"}),
    "GetRegions": (["--include-availability-zones"], {"regions"}),
    "GetKeyPairs": ([], {"keyPairs"}),
}  # fmt: skip
EC2 = {
    "DescribeInstances": (
        ["--filters", "Name=tag:Name,Values=web-*", "Name=instance-state-name,Values=running"],
        {"Reservations"},
    ),
    "DescribeInstanceStatus": (["--instance-ids", "ID", "--include-all-instances"], {"InstanceStatuses"}),
    "DescribeRegions": (["--region-names", aws.REGION], {"Regions"}),
    "DescribeTags": (["--filters", "Name=resource-id,Values=ID"], {"Tags"}),
    "GetInstanceMetadataDefaults": ([], {"AccountLevel"}),
    "ModifyInstanceMetadataOptions": (
        ["--instance-id", "ID", "--http-tokens", "optional", "--http-put-response-hop-limit", "3",
         "--http-endpoint", "enabled", "--instance-metadata-tags", "disabled"],
        {"InstanceId", "InstanceMetadataOptions"},
    ),
    "ModifyInstanceMetadataDefaults": (["--http-tokens", "no-preference"], {"Return"}),
    "CreateTags": (["--resources", "ID", "--tags", "Key=a,Value=b", "Key=c,Value="], None),
    "DeleteTags": (["--resources", "ID", "--tags", "Key=a", "Key=c"], None),
}  # fmt: skip
CLOUDWATCH = {
    "GetMetricData": (
        ["--metric-data-queries", QUERY, "--start-time", "START", "--end-time", "END"],
        {"MetricDataResults", "Messages"},
    ),
    "GetMetricStatistics": (
        ["--namespace", "AWS/EC2", *METRIC, "--dimensions", "Name=InstanceId,Value=ID", "--period", "60",
         "--statistics", "Sum", "SampleCount"],
        {"Label", "Datapoints"},
    ),
    "ListMetrics": (["--namespace", "AWS/EC2", "--recently-active", "PT3H"], {"Metrics"}),
}  # fmt: skip
WALK = {"lightsail": LIGHTSAIL, "ec2": EC2, "cloudwatch": CLOUDWATCH}
ROWS = [(service, operation) for service, rows in WALK.items() for operation in rows]

# Younger than the CLI of Debian 12.
LACKING = {"GetInstanceMetadataDefaults", "ModifyInstanceMetadataDefaults"}

pytestmark = aws.needs_cli


@pytest.fixture(scope="module")
def service(module_workshop):
    instances = [
        samples.plain("web-1", "127.0.0.11"), samples.plain("web-2", "127.0.0.12"),
        samples.plain("spare", "127.0.0.13"),
    ]  # fmt: skip
    made = aws.start(module_workshop, instances, [])
    made.client("127.0.0.11").get(ID)  # something to be counted
    return made


@pytest.fixture(scope="module")
def words(service):
    """What stands for what in arguments."""
    lightsail = aws.Client(service, "lightsail")
    now = datetime.datetime.now(datetime.timezone.utc).replace(microsecond=0)
    (operation,) = lightsail.call("RebootInstance", instanceName="web-2")["operations"]
    return {
        "OPERATION": operation["id"],
        "ID": service.client("127.0.0.11").text(ID),
        "START": (now - datetime.timedelta(hours=1)).isoformat(),
        "END": (now + datetime.timedelta(minutes=1)).isoformat(),
    }


def command(operation):
    return aws.xform_name(operation, "-")


@pytest.mark.parametrize("name", WALK)
def test_the_walk_is_complete(name):
    """The rows of the daemon's own table are those walked here."""
    source = (ROOT / "src/control" / SOURCES[name]).read_text()
    assert set(re.findall(r'\{(?:READ|WRITE)\("(\w+)"\)', source)) == set(WALK[name])


@pytest.mark.parametrize("name, operation", ROWS, ids=[f"{s}-{command(o)}" for s, o in ROWS])
def test_every_operation(service, words, name, operation):
    args, members = WALK[name][operation]
    for word, value in words.items():
        args = [re.sub(rf"\b{word}\b", value, arg) for arg in args]
    if operation in LACKING:
        choices = aws.run_cli(service, name, "none-of-these", code=252)
        if command(operation) not in choices.split():
            pytest.skip(f"THIS aws CLI HAS NO {command(operation)}, NOT TESTED")
    answer = aws.run_cli(service, name, command(operation), *args)
    assert answer is None if members is None else set(answer) == members, answer


@pytest.mark.parametrize(
    "name, operation, args",
    [
        ("lightsail", "GetDisks", []),
        ("lightsail", "CreateDisk", ["--disk-name", "d", "--availability-zone", "a", "--size-in-gb", "8"]),
        ("lightsail", "GetAlarms", []),
        ("ec2", "DescribeVolumes", []),
        ("ec2", "RunInstances", ["--image-id", "ami-1"]),
        ("cloudwatch", "DescribeAlarms", []),
        ("cloudwatch", "ListDashboards", []),
    ],
)
def test_what_is_not_there_is_refused_by_name(service, name, operation, args):
    code = "UnknownOperationException" if name == "lightsail" else "InvalidAction"
    complaint = aws.run_cli(service, name, command(operation), *args, code=254)
    said = f"An error occurred ({code}) when calling the {operation} operation: {operation} is not an operation"
    assert said in complaint


def test_a_script_that_requires_tokens(service):
    """What an operator would do: by the CLI alone find who still serves without a token, and change it."""
    ids = [
        "describe-instances", "--query", "Reservations[].Instances[].InstanceId", "--filters",
        "Name=tag:Name,Values=web-*", "Name=metadata-options.http-tokens,Values=optional",
    ]  # fmt: skip
    left = aws.run_cli(service, "ec2", *ids)
    assert set(left) == {service.client(f"127.0.0.1{n}").text(ID) for n in (1, 2)}
    for one in left:
        required = ["--instance-id", one, "--http-tokens", "required"]
        aws.run_cli(service, "ec2", "modify-instance-metadata-options", *required)
    assert aws.run_cli(service, "ec2", *ids) == []
    for n in (1, 2):
        caller = service.client(f"127.0.0.1{n}")
        wire.wait_until(lambda caller=caller: caller.get(ID).status == 401, "tokens to be required")
    wrong = aws.run_cli(service, "ec2", *ids, code=254, secret="another")
    assert "An error occurred (AuthFailure) when calling the DescribeInstances operation" in wrong
