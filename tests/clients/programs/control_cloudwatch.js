// CloudWatch's API on the control address, by an SDK for JavaScript: good input and bad. v2 sends
// forms and gets XML; v3 sends JSON 1.0, as `contentType` tells.

const { call, imds, makeClient, pages, refusal, skewed, V3 } = require("./control_sdk");
const printJson = require("./print_json");

const cloudwatch = makeClient("CloudWatch");
const NAMES = { Namespace: "AWS/EC2", MetricName: "MetadataNoToken" };

function hour() {
    const now = Date.now();
    return { StartTime: new Date(now - 3600_000), EndTime: new Date(now + 60_000) };
}

function sum(values) {
    return values.reduce((all, value) => all + value, 0);
}

function statisticsInput(Dimensions) {
    return { ...NAMES, Dimensions, ...hour(), Period: 60, Statistics: ["Sum", "SampleCount"] };
}

function dataInput(Dimensions, more = {}) {
    const Metric = { ...NAMES, Dimensions };
    return {
        MetricDataQueries: [{ Id: "m1", MetricStat: { Metric, Period: 60, Stat: "Sum" } }],
        ...hour(),
        ...more,
    };
}

// What each way to ask counts.
async function counts(Dimensions) {
    const byInstance = await call(cloudwatch, "GetMetricStatistics", statisticsInput(Dimensions));
    const data = await pages(cloudwatch, "GetMetricData", dataInput(Dimensions));
    return {
        statistics: sum(byInstance.Datapoints.map(({ Sum }) => Sum)),
        data: sum(data.flatMap((page) => page.MetricDataResults[0].Values)),
        times: data.flatMap((page) => page.MetricDataResults[0].Timestamps),
        result: data[0].MetricDataResults[0],
    };
}

async function refusals(Dimensions) {
    const by = (key, operation) => refusal(makeClient("CloudWatch", key), operation);
    const statistics = (input) =>
        refusal(cloudwatch, "GetMetricStatistics", { ...statisticsInput(Dimensions), ...input });
    const data = (...queries) =>
        refusal(cloudwatch, "GetMetricData", { ...hour(), MetricDataQueries: queries });
    const { StartTime, EndTime } = hour();
    return {
        wrongSecret: await by("wrong", "ListMetrics"),
        unknownKey: await by("unknown", "ListMetrics"),
        denied: await by("reader", "GetMetricData"),
        allowed: Object.keys((await by("reader", "ListMetrics")).answer),
        missing: await statistics({ Namespace: undefined }),
        badPeriod: await statistics({ Period: 61 }),
        backwards: await statistics({ StartTime: EndTime, EndTime: StartTime }),
        noStatistic: await statistics({ Statistics: ["Median"] }),
        expression: await data({ Id: "e1", Expression: "m1 * 2" }),
        noQuery: await data({ Id: "m1" }),
        badToken: await refusal(cloudwatch, "ListMetrics", { NextToken: "nonsense" }),
        elsewhere: await refusal(cloudwatch, "ListMetrics", { Namespace: "AWS/Nothing" }),
        unsupported: await refusal(cloudwatch, "PutMetricAlarm", { AlarmName: "a" }),
    };
}

function observeContentType(client, found) {
    if (V3) {
        client.middlewareStack.add(
            (next) => (args) => {
                found.push(args.request.headers["content-type"]);
                return next(args);
            },
            { step: "finalizeRequest" },
        );
    } else {
        client.customizeRequests((request) => {
            request.on("send", () => found.push(request.httpRequest.headers["Content-Type"]));
        });
    }
}

async function main() {
    const sent = [];
    observeContentType(cloudwatch, sent);
    const byId = [{ Name: "InstanceId", Value: process.env.INSTANCE_ID }];
    const byName = [{ Name: "InstanceName", Value: "web-1" }];
    await imds(); // one request without a token, so that there is something
    const before = await counts(byId);
    await imds();
    await imds();
    const after = await counts(byId);
    const lightsail = await call(cloudwatch, "GetMetricStatistics", {
        ...statisticsInput(byName),
        Namespace: "AWS/Lightsail",
    });
    const listed = await pages(cloudwatch, "ListMetrics", { Dimensions: byId });
    return {
        contentType: [...new Set(sent)],
        grown: [after.statistics - before.statistics, after.data - before.data],
        lightsail: sum(lightsail.Datapoints.map(({ Sum }) => Sum)) - after.statistics,
        label: lightsail.Label,
        result: after.result,
        listed: listed.flatMap((page) => page.Metrics),
        refusals: await refusals(byId),
        skewed: await skewed("CloudWatch", "ListMetrics", {}),
    };
}

printJson(main);
