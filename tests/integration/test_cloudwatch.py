"""CloudWatch's API on the control address: botocore and the AWS CLI with forms, and JSON 1.0."""

import json
import os
import shutil
import subprocess
import time

import pytest

import aws as amazon
import samples
from aws import ACCOUNT, KEY, REGION, SECRET
from botocore.auth import SigV4QueryAuth
from monitoring import ALL, KEYS, NOBODY, PROTOCOLS, READER, Json

ID = "/latest/meta-data/instance-id"
HOUR = 3600
STATISTICS = ["Minimum", "Maximum", "Sum", "Average", "SampleCount"]


@pytest.fixture
def service(workshop):
    instances = [samples.plain("web-1", "127.0.0.11"), samples.plain("web-2", "127.0.0.12")]
    return amazon.start(workshop, instances, KEYS)


@pytest.fixture(params=PROTOCOLS)
def protocol(request):
    return PROTOCOLS[request.param]


@pytest.fixture
def aws(service, protocol):
    return protocol(service)


def id_of(service, name="web-1"):
    return json.loads(service.cli("instance", "show", name, "--json").ok().out)["instance"]["instanceId"]


def ask(service, address="127.0.0.11", times=1, status=200):
    for _ in range(times):
        assert service.client(address).get(ID).status == status


def by_id(value):
    return [{"Name": "InstanceId", "Value": value}]


def by_name(value):
    return [{"Name": "InstanceName", "Value": value}]


def statistics(dimensions, **changes):
    """Members of GetMetricStatistics: the sums of the last hour, a minute each."""
    now = int(time.time())
    members = {
        "Namespace": "AWS/EC2", "MetricName": "MetadataNoToken", "Dimensions": dimensions,
        "StartTime": now - HOUR, "EndTime": now + 60, "Period": 60, "Statistics": ["Sum"],
    }  # fmt: skip
    members.update(changes)
    return {name: value for name, value in members.items() if value is not None}


def query(dimensions, id="m1", stat="Sum", period=60, namespace="AWS/EC2", metric="MetadataNoToken", unit=None, **more):
    """One of MetricDataQueries."""
    which = {"Namespace": namespace, "MetricName": metric, "Dimensions": dimensions}
    stat = {"Metric": which, "Period": period, "Stat": stat, **({"Unit": unit} if unit else {})}
    return {"Id": id, "MetricStat": stat, **more}


def data(*queries, **changes):
    """Members of GetMetricData for the last hour."""
    now = int(time.time())
    members = {"MetricDataQueries": list(queries), "StartTime": now - HOUR, "EndTime": now + 60}
    members.update(changes)
    return {name: value for name, value in members.items() if value is not None}


def total(aws, dimensions, **changes):
    points = aws.call("GetMetricStatistics", **statistics(dimensions, **changes))["Datapoints"]
    assert all(set(point) == {"Timestamp", "Sum", "Unit"} for point in points)
    assert [point["Timestamp"] for point in points] == sorted(point["Timestamp"] for point in points)
    return sum(point["Sum"] for point in points)


# --- what is counted -----------------------------------------------------------------------------


def test_counts_show_at_once_in_every_operation(service, aws):
    web = id_of(service)
    before = time.time()
    ask(service, times=3)
    assert total(aws, by_id(web)) == 3
    assert total(aws, by_name("web-1"), Namespace="AWS/Lightsail") == 3
    (result,) = aws.call("GetMetricData", **data(query(by_id(web))))["MetricDataResults"]
    assert (result["Id"], result["Label"], result["StatusCode"]) == ("m1", "MetadataNoToken", "Complete")
    assert sum(result["Values"]) == 3
    assert all(at % 60 == 0 and before - 60 <= at <= time.time() for at in result["Timestamps"])
    listed = aws.call("ListMetrics")["Metrics"]
    assert listed == [
        {"Namespace": "AWS/EC2", "MetricName": "MetadataNoToken", "Dimensions": by_id(web)},
        {"Namespace": "AWS/Lightsail", "MetricName": "MetadataNoToken", "Dimensions": by_name("web-1")},
    ]
    # Both protocols say the same.
    for other in PROTOCOLS.values():
        assert other(service).call("ListMetrics")["Metrics"] == listed


def test_rejected_ones_are_another_metric(service, aws):
    web = id_of(service)
    service.cli("options", "web-1", "--http-tokens", "required").ok()
    ask(service, times=2, status=401)
    assert total(aws, by_id(web)) == 0
    assert total(aws, by_id(web), MetricName="MetadataNoTokenRejected") == 2
    names = [metric["MetricName"] for metric in aws.call("ListMetrics", Namespace="AWS/EC2")["Metrics"]]
    assert names == ["MetadataNoTokenRejected"]


def test_every_statistic(service, aws):
    ask(service, times=5)
    web, start = id_of(service), int(time.time()) - 80000
    members = statistics(by_id(web), Statistics=STATISTICS, Period=86400, StartTime=start)
    answer = aws.call("GetMetricStatistics", **members)
    assert answer["Label"] == "MetadataNoToken"
    (point,) = answer["Datapoints"]
    n = point["SampleCount"]  # a minute may have turned
    assert (point["Sum"], point["Average"]) == (5, 5 / n) and n in (1, 2)
    assert point["Minimum"] <= point["Average"] <= point["Maximum"] <= 5
    assert (point["Timestamp"], point["Unit"]) == (start // 60 * 60, "Count")
    for stat in STATISTICS:
        members = data(query(by_id(web), stat=stat, period=86400), StartTime=start)
        (result,) = aws.call("GetMetricData", **members)["MetricDataResults"]
        assert (result["Values"], result["Timestamps"]) == ([point[stat]], [start // 60 * 60]), stat


def test_percentiles(service, aws):
    ask(service, times=5)
    web, start = id_of(service), int(time.time()) - 80000
    names = ["p0", "p50", "p99.95", "p100"]
    members = statistics(
        by_id(web), Statistics=None, ExtendedStatistics=names, Period=86400, StartTime=start
    )
    (point,) = aws.call("GetMetricStatistics", **members)["Datapoints"]
    assert set(point) == {"Timestamp", "ExtendedStatistics", "Unit"}
    found = point["ExtendedStatistics"]
    assert list(sorted(found)) == sorted(names) and 1 <= found["p0"] <= found["p50"] <= found["p100"] <= 5
    members = data(query(by_id(web), stat="p50", period=86400), StartTime=start)
    (result,) = aws.call("GetMetricData", **members)["MetricDataResults"]
    assert result["Values"] == [found["p50"]]


def test_what_is_not_there_is_empty(service, aws):
    ask(service)
    web = id_of(service)
    assert total(aws, by_id(web)) == 1
    for changes in (
        {"Namespace": "AWS/S3"},
        {"Namespace": "AWS/Lightsail"},
        {"Namespace": "aws/ec2"},
        {"MetricName": "CPUUtilization"},
        {"Dimensions": None},
        {"Dimensions": []},
        {"Dimensions": by_id("i-0123456789abcdef0")},
        {"Dimensions": by_id(web) * 2},
        {"Dimensions": [{"Name": "InstanceID", "Value": web}]},
        {"Dimensions": by_name("web-1")},
        {"Namespace": "AWS/Lightsail", "Dimensions": by_name("nobody")},
        {"Unit": "Bytes"},
        {"Unit": "None"},
    ):
        members = {**statistics(by_id(web)), **changes}
        members = {name: value for name, value in members.items() if value is not None}
        answer = aws.call("GetMetricStatistics", **members)
        assert answer == {"Label": members["MetricName"], "Datapoints": []}, changes
    assert total(aws, by_id(web), Unit="Count") == 1
    results = aws.call("GetMetricData", **data(
        query(by_id(web), id="a", metric="CPUUtilization"), query(by_id("i-1"), id="b", Label="Other"),
        query(by_id(web), id="c", unit="Percent"), query(by_id(web), id="d", AccountId="1" * 12),
        query(by_id(web), id="e", unit="Count", AccountId=ACCOUNT),
    ))["MetricDataResults"]  # fmt: skip
    assert [(r["Id"], r["Label"], sum(r["Values"]), r["StatusCode"]) for r in results] == [
        ("a", "CPUUtilization", 0, "Complete"), ("b", "Other", 0, "Complete"),
        ("c", "MetadataNoToken", 0, "Complete"), ("d", "MetadataNoToken", 0, "Complete"),
        ("e", "MetadataNoToken", 1, "Complete"),
    ]  # fmt: skip


# --- what lasts ----------------------------------------------------------------------------------


def test_an_orderly_end_loses_nothing(service, protocol):
    ask(service, times=4)
    web = id_of(service)
    service.restart()
    assert total(protocol(service), by_id(web)) == 4
    ask(service)
    service.restart()
    assert total(protocol(service), by_id(web)) == 5


def test_kill_loses_at_most_what_was_not_written(service, protocol):
    web = id_of(service)
    ask(service, times=4)
    service.restart()
    minute = time.time() // 60
    ask(service, times=2)
    assert total(protocol(service), by_id(web)) == 6
    service.kill9()
    service.start()
    kept = total(protocol(service), by_id(web))
    assert kept == 4 or (kept == 6 and time.time() // 60 != minute)


def test_a_deleted_instance_is_found_by_its_id(service, aws):
    web = id_of(service)
    ask(service, times=2)
    service.cli("instance", "delete", "web-1").ok()
    assert total(aws, by_id(web)) == 2
    assert total(aws, by_name("web-1"), Namespace="AWS/Lightsail") == 0
    (listed,) = aws.call("ListMetrics")["Metrics"]
    assert (listed["Namespace"], listed["Dimensions"]) == ("AWS/EC2", by_id(web))
    service.restart()
    assert total(type(aws)(service), by_id(web)) == 2


# --- pages ---------------------------------------------------------------------------------------


def test_pages_of_data_go_across_queries(service, aws):
    ask(service)
    ask(service, "127.0.0.12", times=2)
    one, two = by_id(id_of(service)), by_id(id_of(service, "web-2"))
    now = int(time.time())
    # The same points in queries of several lengths of period.
    queries = [
        query(one, id="a"), query(one, id="none", metric="CPUUtilization"), query(two, id="b", period=300),
        query(two, id="hidden", ReturnData=False), query(two, id="c", stat="Maximum"),
    ]  # fmt: skip
    members = data(*queries, StartTime=now - 7000, EndTime=now + 60)
    whole = aws.call("GetMetricData", **members)
    assert "NextToken" not in whole and whole["Messages"] == []
    assert [result["Id"] for result in whole["MetricDataResults"]] == ["a", "none", "b", "c"]
    pages, token = [], None
    while token or not pages:
        page = aws.call(
            "GetMetricData", **members, MaxDatapoints=1, **({"NextToken": token} if token else {})
        )
        assert sum(len(result["Values"]) for result in page["MetricDataResults"]) == 1
        pages.append(page)
        token = page.get("NextToken")
    assert len(pages) >= 3
    gathered = {}
    for page in pages:
        for result in page["MetricDataResults"]:
            found = gathered.setdefault(result["Id"], [])
            found.extend(zip(result["Timestamps"], result["Values"]))
    assert gathered == {
        result["Id"]: list(zip(result["Timestamps"], result["Values"]))
        for result in whole["MetricDataResults"]
    }


def test_pages_of_metrics(workshop, protocol):
    many = [{"name": f"web-{n:04}", "match": {"addresses": [f"127.0.{n // 200}.{n % 200 + 1}"]}} for n in range(300)]
    service = amazon.start(workshop, many, KEYS)
    for one in many:
        ask(service, one["match"]["addresses"][0])
    aws = protocol(service)
    pages, token = [], None
    while token or not pages:
        pages.append(aws.call("ListMetrics", **({"NextToken": token} if token else {})))
        token = pages[-1].get("NextToken")
    sizes = [len(page["Metrics"]) for page in pages]
    assert sum(sizes) == 600 and max(sizes) <= 500 and len(pages) == 2
    names = {m["Dimensions"][0]["Value"] for page in pages for m in page["Metrics"] if m["Namespace"] == "AWS/Lightsail"}
    assert names == {one["name"] for one in many}
    assert aws.error("ListMetrics", NextToken=pages[0]["NextToken"], MetricName="x")[0] == "InvalidParameterValue"
    assert len(aws.call("ListMetrics", Dimensions=by_name("web-0123"))["Metrics"]) == 1


def test_filters_of_metrics(service, aws):
    ask(service)
    service.cli("options", "web-2", "--http-tokens", "required").ok()
    ask(service, "127.0.0.12", status=401)
    one, two = id_of(service), id_of(service, "web-2")

    def listed(**members):
        answer = aws.call("ListMetrics", **members)
        assert "NextToken" not in answer
        return {(m["Namespace"], m["MetricName"], m["Dimensions"][0]["Value"]) for m in answer["Metrics"]}

    everything = {
        ("AWS/EC2", "MetadataNoToken", one), ("AWS/Lightsail", "MetadataNoToken", "web-1"),
        ("AWS/EC2", "MetadataNoTokenRejected", two), ("AWS/Lightsail", "MetadataNoTokenRejected", "web-2"),
    }  # fmt: skip
    assert listed() == everything
    assert listed(RecentlyActive="PT3H") == everything
    assert listed(Namespace="AWS/EC2") == {m for m in everything if m[0] == "AWS/EC2"}
    assert listed(MetricName="MetadataNoToken") == {m for m in everything if m[1] == "MetadataNoToken"}
    assert listed(Dimensions=[{"Name": "InstanceId"}]) == {m for m in everything if m[0] == "AWS/EC2"}
    assert listed(Dimensions=by_id(two)) == {("AWS/EC2", "MetadataNoTokenRejected", two)}
    assert listed(Dimensions=by_name("web-1")) == {("AWS/Lightsail", "MetadataNoToken", "web-1")}
    for members in (
        {"Namespace": "AWS/S3"}, {"MetricName": "CPUUtilization"}, {"Dimensions": by_id("i-1")},
        {"Dimensions": by_name("nobody")}, {"Dimensions": [{"Name": "Bucket"}]},
        {"Dimensions": by_id(one) + by_id(two)}, {"Dimensions": by_id(one) + [{"Name": "InstanceName"}]},
        {"Namespace": "AWS/Lightsail", "Dimensions": by_id(one)}, {"OwningAccount": "1" * 12},
    ):  # fmt: skip
        assert listed(**members) == set(), members
    assert listed(Dimensions=by_id(one) + [{"Name": "InstanceId"}]) == {("AWS/EC2", "MetadataNoToken", one)}
    answer = aws.call("ListMetrics", IncludeLinkedAccounts=True, OwningAccount=ACCOUNT)
    assert answer["OwningAccounts"] == [ACCOUNT] * 4
    assert "OwningAccounts" not in aws.call("ListMetrics", IncludeLinkedAccounts=False)


# --- what is refused -----------------------------------------------------------------------------

VALUE, COMBINATION, MISSING = "InvalidParameterValue", "InvalidParameterCombination", "MissingParameter"
WEB = by_id("i-1")
BAD_STATISTICS = [
    ({"Namespace": None}, MISSING, "The parameter Namespace is required."),
    ({"MetricName": None}, MISSING, "The parameter MetricName is required."),
    ({"StartTime": None}, MISSING, "The parameter StartTime is required."),
    ({"EndTime": None}, MISSING, "The parameter EndTime is required."),
    ({"Period": None}, MISSING, "The parameter Period is required."),
    ({"Statistics": None}, COMBINATION, "At least one of the parameters Statistics and ExtendedStatistics"),
    ({"ExtendedStatistics": ["p99"]}, COMBINATION, "together"),
    ({"Statistics": ["Total"]}, VALUE, "Total for parameter Statistics.member.1"),
    ({"Statistics": ["Sum", "p99"]}, VALUE, "p99 for parameter Statistics.member.2"),
    ({"Statistics": ["Sum"] * 6}, VALUE, "must not have a size greater than 5"),
    ({"Statistics": None, "ExtendedStatistics": ["Sum"]}, VALUE, "Sum for parameter ExtendedStatistics"),
    ({"Statistics": None, "ExtendedStatistics": ["tm99"]}, VALUE, "tm99"),
    ({"Statistics": None, "ExtendedStatistics": ["p101"]}, VALUE, "p101"),
    ({"Statistics": None, "ExtendedStatistics": ["p1"] * 11}, VALUE, "greater than 10"),
    ({"Namespace": ""}, VALUE, "Namespace is empty"),
    ({"Namespace": "n" * 256}, VALUE, "Namespace is too long"),
    ({"MetricName": "m" * 256}, VALUE, "MetricName is too long"),
    ({"Period": 0}, VALUE, "multiple of 60"),
    ({"Period": 30}, VALUE, "multiple of 60"),
    ({"Period": 90}, VALUE, "multiple of 60"),
    ({"Period": -60}, VALUE, "Period"),
    ({"Period": 2**62}, VALUE, "multiple of 60"),
    ({"Unit": "Counts"}, VALUE, "Counts"),
    ({"EndTime": 1000}, VALUE, "The parameter StartTime must be less than the parameter EndTime."),
    ({"StartTime": 1000, "EndTime": 1000}, VALUE, "The parameter StartTime must not equal parameter EndTime."),
    ({"StartTime": 1000}, COMBINATION, "exceeds the limit of 1,440"),
    ({"Dimensions": [{"Name": "InstanceId"}]}, MISSING, "Dimensions.member.1.Value"),
    ({"Dimensions": WEB + [{"Value": "x"}]}, MISSING, "Dimensions.member.2.Name"),
    ({"Dimensions": WEB * 31}, VALUE, "greater than 30"),
]


@pytest.mark.parametrize("changes, code, says", BAD_STATISTICS)
def test_bad_statistics(shared, protocol, changes, code, says):
    error = protocol(shared).error("GetMetricStatistics", **statistics(WEB, **changes))
    assert error[0] == code and says in error[1], error


@pytest.fixture(scope="module")
def shared(module_workshop):
    return amazon.start(module_workshop, [samples.plain("web-1", "127.0.0.11")], KEYS)


def test_a_day_of_minutes_is_allowed(shared, protocol):
    now = int(time.time())
    aws = protocol(shared)
    assert total(aws, WEB, StartTime=now - 86400, EndTime=now) == 0
    error = aws.error("GetMetricStatistics", **statistics(WEB, StartTime=now - 86400, EndTime=now + 1))
    assert error[0] == COMBINATION and "up to 1441 datapoints" in error[1]


def without(one, *path):
    """A copy without the member at the path."""
    one = json.loads(json.dumps(one))
    inner = one
    for name in path[:-1]:
        inner = inner[name]
    del inner[path[-1]]
    return one


INVALID = "ValidationError"
METRIC = "MetricDataQueries.member.1."
BAD_DATA = [
    (data(), MISSING, "The parameter MetricDataQueries is required."),
    (data(MetricDataQueries=None), MISSING, "The parameter MetricDataQueries is required."),
    (data(query(WEB), StartTime=None), MISSING, "StartTime"),
    (data(query(WEB), EndTime=None), MISSING, "EndTime"),
    (data(without(query(WEB), "Id")), MISSING, METRIC + "Id is required"),
    (data(without(query(WEB), "MetricStat")), MISSING, METRIC + "MetricStat is required"),
    (data(without(query(WEB), "MetricStat", "Metric")), MISSING, METRIC + "MetricStat.Metric is"),
    (data(without(query(WEB), "MetricStat", "Period")), MISSING, METRIC + "MetricStat.Period is"),
    (data(without(query(WEB), "MetricStat", "Stat")), MISSING, METRIC + "MetricStat.Stat is"),
    (data(without(query(WEB), "MetricStat", "Metric", "Namespace")), MISSING, METRIC + "MetricStat.Metric.Namespace"),
    (data(without(query(WEB), "MetricStat", "Metric", "MetricName")), MISSING, METRIC + "MetricStat.Metric.MetricName"),
    (data(query(WEB, id="1m")), INVALID, "The value 1m for parameter MetricDataQueries.member.1.Id is not matching"),
    (data(query(WEB, id="Abc")), INVALID, "^[a-z][a-zA-Z0-9_]*$"),
    (data(query(WEB, id="a-b")), INVALID, "a-b"),
    (data(query(WEB, id="a"), query(WEB, id="a")), INVALID, "not unique"),
    (data(query(WEB, stat="Total")), INVALID, "Total for parameter MetricDataQueries.member.1.MetricStat.Stat"),
    (data(query(WEB, stat="p100.5")), INVALID, "p100.5"),
    (data(query(WEB), query(WEB, id="m2", period=61)), INVALID, "MetricDataQueries.member.2.MetricStat.Period must be"),
    (data(query(WEB, unit="Counts")), INVALID, METRIC + "MetricStat.Unit"),
    (data({"Id": "e1", "Expression": "SUM(METRICS())"}), INVALID, "Expression: metric math and queries are not supported"),
    (data(query(WEB, Expression="m1/2")), INVALID, "Expression"),
    (data(query(WEB, ReturnData=False)), INVALID, "ReturnData"),
    (data(query(WEB), ScanBy="Ascending"), INVALID, "ScanBy"),
    (data(query(WEB), MaxDatapoints=0), INVALID, "MaxDatapoints must be from 1 to 100800"),
    (data(query(WEB), MaxDatapoints=100801), INVALID, "MaxDatapoints"),
    (data(query(WEB), StartTime=1000, EndTime=1000), INVALID, "must not equal"),
    (data(query(WEB), EndTime=1000), INVALID, "must be less than"),
    (data(query(WEB), NextToken="x"), "InvalidNextToken", "NextToken"),
    (data(query(WEB), NextToken="0123456789abcdef.0"), "InvalidNextToken", "NextToken"),
    (data(query(WEB), NextToken="n" * 2000), "InvalidNextToken", "NextToken"),
    (data(*[query(WEB, id=f"m{n}") for n in range(501)]), INVALID, "must not have a size greater than 500"),
]


@pytest.mark.parametrize("members, code, says", BAD_DATA)
def test_bad_data(shared, protocol, members, code, says):
    error = protocol(shared).error("GetMetricData", **members)
    assert error[0] == code and says in error[1], error


def test_many_queries_and_members(shared, protocol):
    aws = protocol(shared)
    queries = [query(WEB, id=f"m{n}", unit="Count", Label=f"l{n}", ReturnData=True) for n in range(500)]
    members = data(*queries, ScanBy="TimestampAscending", MaxDatapoints=100800, LabelOptions={"Timezone": "+0130"})
    results = aws.call("GetMetricData", **members)["MetricDataResults"]
    assert [(r["Id"], r["Label"], r["Values"]) for r in results] == [(f"m{n}", f"l{n}", []) for n in range(500)]
    # There is no limit to the time that is asked for.
    assert aws.call("GetMetricData", **data(query(WEB), StartTime=0))["MetricDataResults"][0]["Values"] == []


BAD_LISTS = [
    ({"RecentlyActive": "PT1H"}, "RecentlyActive must be PT3H"),
    ({"Dimensions": [{"Name": "n"}] * 11}, "greater than 10"),
    ({"Namespace": ""}, "Namespace"),
    ({"NextToken": "x"}, "NextToken"),
    ({"NextToken": "0123456789abcdef.i-1"}, "NextToken"),
]


@pytest.mark.parametrize("members, says", BAD_LISTS)
def test_bad_lists(shared, protocol, members, says):
    error = protocol(shared).error("ListMetrics", **members)
    assert error[0] == VALUE and says in error[1], error
    assert protocol(shared).error("ListMetrics", Dimensions=[{"Value": "x"}])[0] == MISSING


HOSTILE_JSON = [
    ({"Namespace": 7}, VALUE), ({"Namespace": ["AWS/EC2"]}, VALUE), ({"Namespace": {"a": 1}}, VALUE),
    ({"Namespace": None}, MISSING), ({"Period": None}, MISSING), ({"Period": "60s"}, VALUE),
    ({"Period": 60.5}, VALUE), ({"Period": True}, VALUE), ({"Period": []}, VALUE), ({"Period": ""}, VALUE),
    ({"Period": "99999999999999999999"}, VALUE), ({"StartTime": "yesterday"}, VALUE),
    ({"StartTime": ""}, VALUE), ({"StartTime": -1}, VALUE), ({"StartTime": 1e300}, VALUE),
    ({"StartTime": "1e9"}, VALUE), ({"StartTime": "1."}, VALUE), ({"StartTime": ".5"}, VALUE),
    ({"StartTime": "2026-02-30T00:00:00Z"}, VALUE), ({"StartTime": "99999999999999999999"}, VALUE),
    ({"StartTime": 253402300800}, VALUE), ({"StartTime": {}}, VALUE), ({"StartTime": False}, VALUE),
    ({"Statistics": "Sum"}, VALUE), ({"Statistics": ""}, VALUE), ({"Statistics": {"member": "Sum"}}, VALUE),
    ({"Statistics": [None]}, VALUE), ({"Statistics": [["Sum"]]}, VALUE), ({"Statistics": [""]}, VALUE),
    ({"Dimensions": "x"}, VALUE), ({"Dimensions": {}}, VALUE), ({"Dimensions": ["x"]}, VALUE),
    ({"Dimensions": [None]}, VALUE), ({"Dimensions": [{"Name": 1, "Value": "x"}]}, VALUE),
    ({"Dimensions": [{"Name": "a", "Value": "b", "Other": "c"}]}, VALUE),
    ({"Dimensions": [{"Name": "a", "Value": "v" * 1025}]}, VALUE), ({"Unit": 1}, VALUE),
    ({"Other\r\nmember": 1}, VALUE), ({"namespace": "AWS/EC2"}, VALUE),
]  # fmt: skip


@pytest.mark.parametrize("changes, code", HOSTILE_JSON)
def test_hostile_json(shared, changes, code):
    members = {**statistics(WEB), **changes}
    found, message = Json(shared).error("GetMetricStatistics", **members)
    assert found == code and "\n" not in message and message, message


def test_hostile_data_in_json(shared):
    aws = Json(shared)
    for bad in ("x", {}, ["x"], [[]], [None], [{"Id": 1}], [{"Id": "a", "MetricStat": []}],
                [{"Id": "a", "MetricStat": {"Metric": "x"}}], [query(WEB, ReturnData="maybe")],
                [query(WEB, ReturnData=1)], [query(WEB, Label=7)], [query(WEB, Nothing=7)]):  # fmt: skip
        error = aws.error("GetMetricData", **data(MetricDataQueries=bad))
        assert error[0] in (INVALID, MISSING), (bad, error)
    for more in ({"MaxDatapoints": "many"}, {"ScanBy": 1}, {"LabelOptions": "x"}, {"LabelOptions": {"x": 1}}):
        assert aws.error("GetMetricData", **data(query(WEB), **more))[0] == INVALID, more
    assert aws.error("GetMetricData", **data(query(WEB), NextToken=7))[0] == "InvalidNextToken"
    for body in (b"{", b"[]", b'"x"', b"7", b'{"Namespace": "a", "Namespace": "b"}', b"\xff"):
        assert aws.error("ListMetrics", body)[0] == "SerializationException", body


def test_forms_take_texts(shared):
    """What botocore does not send: times as seconds, and texts where lists belong."""
    now = int(time.time())
    answer = raw_form(shared, "GetMetricStatistics", {
        "Namespace": "AWS/EC2", "MetricName": "MetadataNoToken", "Dimensions": "", "Period": "60",
        "StartTime": str(now - 600), "EndTime": f"{now}.25", "Statistics.member.1": "Sum", "Unit": "Count",
    })  # fmt: skip
    assert answer[0] == 200 and "<Datapoints/>" in answer[1]
    base = {"Namespace": "AWS/EC2", "MetricName": "m", "Period": "60", "StartTime": str(now - 600),
            "EndTime": str(now), "Statistics.member.1": "Sum"}  # fmt: skip
    assert raw_form(shared, "GetMetricStatistics", base)[0] == 200
    for changes in ({"Period": "1x"}, {"Period": ""}, {"StartTime": "now"}, {"Dimensions": "x"},
                    {"Dimensions.member.1": "x"}, {"Dimensions.Name": "x"}, {"Namespace.member.1": "x", "Namespace": None},
                    {"Statistics.member.1": None, "Statistics": "Sum"}, {"Other": "1"},
                    {"Statistics.member.1.member.1": "Sum", "Statistics.member.1": None}):  # fmt: skip
        members = {name: value for name, value in {**base, **changes}.items() if value is not None}
        status, text = raw_form(shared, "GetMetricStatistics", members)
        assert status == 400 and "<Code>InvalidParameterValue</Code>" in text, (changes, text)


def raw_form(service, action, members):
    """(status, text) of a signed form."""
    reply, _ = amazon.form(service, "monitoring", {"Action": action, "Version": "2010-08-01", **members})
    return reply.status, reply.body.decode()


def test_a_presigned_link(shared):
    host = f"127.0.0.1:{shared.control_port}"
    url = f"http://{host}/?Action=ListMetrics&Version=2010-08-01&Namespace=AWS%2FEC2"
    request = amazon.AWSRequest("GET", url)
    SigV4QueryAuth(amazon.Credentials(*ALL), "monitoring", REGION, 60).add_auth(request)
    target = request.url.partition(host)[2]
    with shared.control().connect() as conn:
        reply = conn.exchange(f"GET {target} HTTP/1.1\r\nHost: {host}\r\n\r\n".encode())
        assert reply.status == 200 and b"<ListMetricsResult><Metrics/></ListMetricsResult>" in reply.body
        target = target.replace("EC2", "EC3")
        reply = conn.exchange(f"GET {target} HTTP/1.1\r\nHost: {host}\r\n\r\n".encode())
        assert reply.status == 403


def test_other_operations_and_keys(shared, protocol):
    unknown = "UnknownOperationException" if protocol is Json else "InvalidAction"
    denied = "AccessDeniedException" if protocol is Json else "AccessDenied"
    error = protocol(shared).error("DescribeAlarms")
    assert error[0] == unknown and "DescribeAlarms" in error[1]
    for operation in ("ListMetrics", "GetMetricData", "GetMetricStatistics"):
        error = protocol(shared, NOBODY).error(operation)
        assert error[0] == denied and f"cloudwatch:{operation}" in error[1]
    assert protocol(shared, READER).call("ListMetrics")["Metrics"] == []
    assert protocol(shared, READER).error("GetMetricData")[0] == denied


# --- the AWS CLI ---------------------------------------------------------------------------------


def clis():
    """Debian's, and the first on the path: an older one sends forms, a newer one JSON."""
    found = [path for path in ("/usr/bin/aws", shutil.which("aws")) if path and os.path.exists(path)]
    return sorted(set(found)) or ["aws"]


@pytest.mark.parametrize("cli", clis())
def test_the_aws_cli(service, cli):
    if not shutil.which(cli):
        pytest.skip("NO aws HERE, NOT TESTED")
    web = id_of(service)
    ask(service, times=2)
    env = {
        **os.environ, "AWS_ACCESS_KEY_ID": KEY, "AWS_SECRET_ACCESS_KEY": SECRET, "AWS_DEFAULT_REGION": REGION,
        "AWS_EC2_METADATA_DISABLED": "true", "AWS_CONFIG_FILE": "/dev/null", "AWS_SHARED_CREDENTIALS_FILE": "/dev/null",
    }  # fmt: skip

    def run(*args, code=0):
        done = subprocess.run(
            [cli, "cloudwatch", *args, "--endpoint-url", f"http://127.0.0.1:{service.control_port}", "--output", "json"],
            env=env, capture_output=True, text=True, timeout=60,
        )  # fmt: skip
        assert done.returncode == code, done
        return json.loads(done.stdout) if code == 0 else done.stderr

    def iso(at):
        return time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(at))

    times = ["--start-time", iso(time.time() - HOUR), "--end-time", iso(time.time() + 60)]
    found = run(
        "get-metric-statistics", "--namespace", "AWS/EC2", "--metric-name", "MetadataNoToken", "--dimensions",
        f"Name=InstanceId,Value={web}", "--period", "60", "--statistics", "Sum", "Maximum", *times,
    )  # fmt: skip
    assert sum(point["Sum"] for point in found["Datapoints"]) == 2
    found = run("get-metric-data", "--metric-data-queries", json.dumps([query(by_id(web))]), *times)
    assert sum(found["MetricDataResults"][0]["Values"]) == 2
    found = run("list-metrics", "--namespace", "AWS/EC2", "--recently-active", "PT3H")
    assert [metric["Dimensions"] for metric in found["Metrics"]] == [by_id(web)]
    error = run(
        "get-metric-statistics", "--namespace", "AWS/EC2", "--metric-name", "m", "--period", "61",
        "--statistics", "Sum", *times, code=255 if "/usr/bin" not in cli else 254,
    )  # fmt: skip
    assert "(InvalidParameterValue)" in error or "(InvalidParameterValueException)" in error
