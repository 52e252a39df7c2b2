"""boto3 on the control address: what the JavaScript programs do, in the same shape, and its resources.

Arguments: lightsail, ec2 or cloudwatch. CONTROL is as in control_sdk.js.
"""

import datetime
import http.client
import json
import os
import sys
from unittest import mock
from urllib.parse import urlsplit

import boto3
from botocore.auth import AUTH_TYPE_MAPS
from botocore.config import Config
from botocore.exceptions import ClientError

CONTROL = json.loads(os.environ["CONTROL"])
HOUR = datetime.timedelta(hours=1)
WEB = {"instanceName": "web-1"}


def place(key="all"):
    """What a client or a resource is made with. Nothing is checked before it is sent."""
    access_key, secret = CONTROL["keys"][key]
    return {
        "endpoint_url": CONTROL["endpoint"],
        "region_name": CONTROL["region"],
        "aws_access_key_id": access_key,
        "aws_secret_access_key": secret,
        "config": Config(parameter_validation=False),
    }


def answered(call, **members):
    """An answer without what botocore adds."""
    answer = call(**members)
    answer.pop("ResponseMetadata", None)
    return answer


def refusal(call, **members):
    try:
        return {"answer": answered(call, **members)}
    except ClientError as error:
        about = error.response["ResponseMetadata"]
        return {
            "code": error.response["Error"]["Code"],
            "message": error.response["Error"]["Message"],
            "status": about["HTTPStatusCode"],
            "requestId": about["RequestId"],
            "attempts": about["RetryAttempts"] + 1,
        }


def pages(client, operation, **members):
    return list(client.get_paginator(operation).paginate(**members))


def skewed(call, **members):
    """The codes of refusals with a clock ten minutes early and late: botocore does not correct it."""
    signer = sys.modules[AUTH_TYPE_MAPS["v4"].__module__]  # in Python, or in C where that is there
    result = {}
    for minutes in (-10, 10):
        off = datetime.datetime.utcnow() + datetime.timedelta(minutes=minutes)
        clock = mock.Mock(wraps=datetime, timezone=datetime.timezone)
        clock.datetime.utcnow = lambda off=off: off
        with mock.patch.object(signer, "datetime", clock):
            result[str(minutes)] = refusal(call, **members)["code"]
    return result


# --- the metadata service -------------------------------------------------------------------------

URL = urlsplit(CONTROL["metadata"])
CONNECTION = http.client.HTTPConnection(URL.hostname, URL.port)  # always the same


def metadata(path, method="GET", **headers):
    CONNECTION.request(method, path, headers={k.replace("_", "-"): v for k, v in headers.items()})
    reply = CONNECTION.getresponse()
    return reply.status, reply.read().decode()


def imds():
    """What the instance is answered without a token, which is counted by then, and with one."""
    ttl = {"X_aws_ec2_metadata_token_ttl_seconds": "60"}
    _, token = metadata("/latest/api/token", "PUT", **ttl)
    path = "/latest/meta-data/instance-id"
    return [metadata(path)[0], metadata(path, X_aws_ec2_metadata_token=token)[0]]


# --- Lightsail ------------------------------------------------------------------------------------

NEW = {
    "instanceNames": ["boto-1", "boto-2"],
    "availabilityZone": "us-west-2a",
    "blueprintId": "amazon_linux_2023",
    "bundleId": "nano_3_0",
    "tags": [{"key": "made-by", "value": "sdk"}],
}


def lightsail():
    client = boto3.client("lightsail", **place())
    listed = pages(client, "get_instances")
    return {
        "pages": [len(page["instances"]) for page in listed],
        "names": [one["name"] for page in listed for one in page["instances"]],
        "options": lightsail_options(client),
        "tags": lightsail_tags(client),
        "life": lightsail_life(client),
        "metric": {"grown": lightsail_grown(client)},
        "refusals": lightsail_refusals(client),
        "skewed": skewed(client.get_instance_state, **WEB),
    }


def lightsail_options(client):
    def update(**change):
        """The operation as it begins and as it ends."""
        operation = client.update_instance_metadata_options(**WEB, **change)["operation"]
        ended = operation
        while not ended["isTerminal"]:
            ended = client.get_operation(operationId=operation["id"])["operation"]
        return operation, ended

    before = imds()
    operation, ended = update(httpTokens="required", httpPutResponseHopLimit=2)
    during = imds()
    shown = client.get_instance(**WEB)["instance"]["metadataOptions"]
    update(httpTokens="optional", httpPutResponseHopLimit=1)
    listed = client.get_operations_for_resource(resourceName="web-1")["operations"]
    return {
        "operation": operation,
        "ended": ended,
        "listed": operation["id"] in [one["id"] for one in listed],
        "shown": shown,
        "imds": [before, during, imds()],
    }


def lightsail_tags(client):
    def shown():
        return client.get_instance(**WEB)["instance"]["tags"]

    client.tag_resource(resourceName="web-1", tags=[{"key": "team", "value": "blue & <green>"}])
    tagged = shown()
    client.untag_resource(resourceName="web-1", tagKeys=["team"])
    return {"tagged": tagged, "untagged": shown()}


def lightsail_life(client):
    created = client.create_instances(**NEW)["operations"]
    one = {"instanceName": "boto-1"}
    shown = client.get_instance(**one)["instance"]
    states = []
    for change in (client.stop_instance, client.start_instance, client.reboot_instance):
        change(**one)
        states.append(client.get_instance_state(**one)["state"]["name"])
    for name in NEW["instanceNames"]:
        client.delete_instance(instanceName=name)
    gone = refusal(client.get_instance, **one)
    return {"created": created, "shown": shown, "states": states, "gone": gone}


def lightsail_grown(client):
    now = datetime.datetime.now(datetime.timezone.utc)

    def count():
        answer = client.get_instance_metric_data(
            **WEB,
            metricName="MetadataNoToken",
            period=60,
            startTime=now - HOUR,
            endTime=now + HOUR / 60,
            unit="Count",
            statistics=["Sum", "SampleCount"],
        )
        return sum(point["sum"] for point in answer["metricData"])

    before = count()
    imds()  # one request without a token
    return count() - before


def lightsail_refusals(client):
    def by(key):
        return boto3.client("lightsail", **place(key))

    update = client.update_instance_metadata_options
    return {
        "wrongSecret": refusal(by("wrong").get_instance, **WEB),
        "unknownKey": refusal(by("unknown").get_instance, **WEB),
        "denied": refusal(by("reader").delete_instance, **WEB),
        "allowed": list(refusal(by("reader").get_instance, **WEB)["answer"]),
        "notFound": refusal(client.get_instance, instanceName="nobody"),
        "missing": refusal(client.get_instance),
        "notInEnum": refusal(update, **WEB, httpTokens="maybe"),
        "outOfRange": refusal(update, **WEB, httpPutResponseHopLimit=65),
        "taken": refusal(client.create_instances, **{**NEW, "instanceNames": ["web-1"]}),
        "badTag": refusal(client.tag_resource, resourceName="web-1", tags=[{"key": ""}]),
        "unsupported": refusal(client.create_disk, diskName="d", sizeInGb=8),
    }


# --- EC2 ------------------------------------------------------------------------------------------


def instances(page):
    return [one for reservation in page["Reservations"] for one in reservation["Instances"]]


def ec2():
    client, resource = boto3.client("ec2", **place()), boto3.resource("ec2", **place())

    def named(name):
        by_name = [{"Name": "tag:Name", "Values": [name]}]
        return instances(client.describe_instances(Filters=by_name))

    (web,) = named("web-1")
    identity = web["InstanceId"]
    listed = pages(client, "describe_instances", MaxResults=400)
    status = client.describe_instance_status(InstanceIds=[identity])["InstanceStatuses"]
    return {
        "web": web,
        "wildcard": len(named("web-*")),
        "pages": [len(instances(page)) for page in listed],
        "ids": [one["InstanceId"] for page in listed for one in instances(page)],
        "status": [one["InstanceState"]["Name"] for one in status],
        "regions": [one["RegionName"] for one in client.describe_regions()["Regions"]],
        "waits": [ec2_waits(client, name, identity) for name in ("running", "exists")],
        "options": ec2_options(client, identity),
        "defaults": ec2_defaults(client),
        "tags": ec2_tags(client, identity),
        "resource": ec2_resource(resource, identity),
        "refusals": ec2_refusals(client, identity),
        "skewed": skewed(client.describe_regions),
    }


def ec2_waits(client, what, identity):
    once = {"Delay": 1, "MaxAttempts": 1}
    client.get_waiter(f"instance_{what}").wait(InstanceIds=[identity], WaiterConfig=once)
    return True


def ec2_options(client, identity):
    def modify(**change):
        """The answer, and the options once they are applied."""
        answer = answered(client.modify_instance_metadata_options, InstanceId=identity, **change)
        shown = answer["InstanceMetadataOptions"]
        while shown["State"] != "applied":
            (one,) = instances(client.describe_instances(InstanceIds=[identity]))
            shown = one["MetadataOptions"]
        return answer, shown

    before = imds()
    answer, shown = modify(HttpTokens="required", HttpPutResponseHopLimit=3)
    during = imds()
    required = [{"Name": "metadata-options.http-tokens", "Values": ["required"]}]
    found = instances(client.describe_instances(Filters=required))
    modify(HttpTokens="optional", HttpPutResponseHopLimit=1)
    return {
        "answer": answer,
        "shown": shown,
        "found": [one["InstanceId"] for one in found],
        "imds": [before, during, imds()],
    }


def ec2_defaults(client):
    """None where this boto3 is older than the operations."""
    if not hasattr(client, "modify_instance_metadata_defaults"):
        return None

    def level():
        return client.get_instance_metadata_defaults()["AccountLevel"]

    modify = client.modify_instance_metadata_defaults
    none = "no-preference"
    before = level()
    answer = answered(modify, HttpTokens="required", HttpPutResponseHopLimit=2)
    during = level()
    modify(
        HttpTokens=none, HttpPutResponseHopLimit=-1, HttpEndpoint=none, InstanceMetadataTags=none
    )
    return {"before": before, "answer": answer, "during": during, "after": level()}


def ec2_tags(client, identity):
    def shown():
        of = [{"Name": "resource-id", "Values": [identity]}]
        return client.describe_tags(Filters=of)["Tags"]

    client.create_tags(Resources=[identity], Tags=[{"Key": "team", "Value": "blue & <green>"}])
    tagged = shown()
    client.delete_tags(Resources=[identity], Tags=[{"Key": "team"}])
    return {"tagged": tagged, "untagged": shown()}


def ec2_resource(resource, identity):
    running = [{"Name": "instance-state-name", "Values": ["running"]}]
    one = resource.Instance(identity)
    one.create_tags(Tags=[{"Key": "by", "Value": "resource"}])
    tags = {tag["Key"]: tag["Value"] for tag in one.tags}
    resource.meta.client.delete_tags(Resources=[identity], Tags=[{"Key": "by"}])
    return {
        "running": sum(1 for _ in resource.instances.filter(Filters=running)),
        "limited": len(list(resource.instances.limit(3))),
        "tags": tags,
        "state": one.state,
        "privateIpAddress": one.private_ip_address,
        "metadataOptions": one.metadata_options,
    }


def ec2_refusals(client, identity):
    def by(key):
        return boto3.client("ec2", **place(key))

    def modify(who=client, **change):
        change = {"InstanceId": identity, **change}
        return refusal(who.modify_instance_metadata_options, **change)

    describe = client.describe_instances
    missing = refusal(client.modify_instance_metadata_options, HttpTokens="required")
    return {
        "wrongSecret": refusal(by("wrong").describe_regions),
        "unknownKey": refusal(by("unknown").describe_regions),
        "denied": modify(by("reader"), HttpTokens="required"),
        "allowed": list(refusal(by("reader").describe_regions)["answer"]),
        "dryRun": modify(HttpTokens="required", DryRun=True),
        "dryRunRead": refusal(describe, DryRun=True),
        "notFound": modify(InstanceId="i-00000000000000000", HttpTokens="required"),
        "malformed": modify(InstanceId="i-x", HttpTokens="required"),
        "missing": missing,
        "notInEnum": modify(HttpTokens="maybe"),
        "outOfRange": modify(HttpPutResponseHopLimit=65),
        "noFilter": refusal(describe, Filters=[{"Name": "colour", "Values": ["red"]}]),
        "tooMany": refusal(describe, MaxResults=1001),
        "badToken": refusal(describe, NextToken="nonsense"),
        "unsupported": refusal(client.describe_volumes),
    }


# --- CloudWatch -----------------------------------------------------------------------------------

NAMES = {"Namespace": "AWS/EC2", "MetricName": "MetadataNoToken"}


def hour():
    now = datetime.datetime.now(datetime.timezone.utc)
    return {"StartTime": now - HOUR, "EndTime": now + HOUR / 60}


def cloudwatch():
    client = boto3.client("cloudwatch", **place())
    resource = boto3.resource("cloudwatch", **place())
    sent = []
    client.meta.events.register(
        "before-send.cloudwatch", lambda request, **_: sent.append(request.headers["Content-Type"])
    )
    by_id = [{"Name": "InstanceId", "Value": os.environ["INSTANCE_ID"]}]
    by_name = [{"Name": "InstanceName", "Value": "web-1"}]
    imds()  # one request without a token, so that there is something
    before = counts(client, by_id)
    imds()
    imds()
    after = counts(client, by_id)
    by_lightsail = {**statistics_input(by_name), "Namespace": "AWS/Lightsail"}
    lightsails = client.get_metric_statistics(**by_lightsail)
    metric = resource.Metric(*NAMES.values())
    of_metric = {k: v for k, v in statistics_input(by_id).items() if k not in NAMES}
    of_resource = metric.get_statistics(**of_metric)["Datapoints"]
    listed = pages(client, "list_metrics", Dimensions=by_id)
    return {
        "contentType": sorted({kind.decode() for kind in sent if kind}),
        "grown": [after[name] - before[name] for name in ("statistics", "data")],
        "lightsail": total(lightsails["Datapoints"]) - after["statistics"],
        "label": lightsails["Label"],
        "result": after["result"],
        "listed": [one for page in listed for one in page["Metrics"]],
        "resource": {
            "difference": total(of_resource) - after["statistics"],
            "metrics": len(list(resource.metrics.filter(Dimensions=by_id))),
        },
        "refusals": cloudwatch_refusals(client, by_id),
        "skewed": skewed(client.list_metrics),
    }


def total(points):
    return sum(point["Sum"] for point in points)


def statistics_input(dimensions):
    wanted = ["Sum", "SampleCount"]
    return {**NAMES, "Dimensions": dimensions, **hour(), "Period": 60, "Statistics": wanted}


def counts(client, dimensions):
    answer = client.get_metric_statistics(**statistics_input(dimensions))
    stat = {"Metric": {**NAMES, "Dimensions": dimensions}, "Period": 60, "Stat": "Sum"}
    asked = [{"Id": "m1", "MetricStat": stat}]
    found = pages(client, "get_metric_data", MetricDataQueries=asked, **hour())
    results = [page["MetricDataResults"][0] for page in found]
    return {
        "statistics": total(answer["Datapoints"]),
        "data": sum(value for result in results for value in result["Values"]),
        "result": results[0],
    }


def cloudwatch_refusals(client, dimensions):
    def by(key):
        return boto3.client("cloudwatch", **place(key))

    def statistics(**change):
        wanted = {**statistics_input(dimensions), **change}
        wanted = {name: value for name, value in wanted.items() if value is not None}
        return refusal(client.get_metric_statistics, **wanted)

    def data(query):
        return refusal(client.get_metric_data, MetricDataQueries=[query], **hour())

    span = hour()
    return {
        "wrongSecret": refusal(by("wrong").list_metrics),
        "unknownKey": refusal(by("unknown").list_metrics),
        "denied": refusal(by("reader").get_metric_data),
        "allowed": list(refusal(by("reader").list_metrics)["answer"]),
        "missing": statistics(Namespace=None),
        "badPeriod": statistics(Period=61),
        "backwards": statistics(StartTime=span["EndTime"], EndTime=span["StartTime"]),
        "noStatistic": statistics(Statistics=["Median"]),
        "expression": data({"Id": "e1", "Expression": "m1 * 2"}),
        "noQuery": data({"Id": "m1"}),
        "badToken": refusal(client.list_metrics, NextToken="nonsense"),
        "elsewhere": refusal(client.list_metrics, Namespace="AWS/Nothing"),
        "unsupported": refusal(client.put_metric_alarm, AlarmName="a"),
    }


def as_json(value):
    """Times as JavaScript writes them."""
    return value.astimezone(datetime.timezone.utc).strftime("%Y-%m-%dT%H:%M:%S.000Z")


SERVICES = {"lightsail": lightsail, "ec2": ec2, "cloudwatch": cloudwatch}
print(json.dumps(SERVICES[sys.argv[1]](), default=as_json))
