// Lightsail's API on the control address, by an SDK for JavaScript: good input and bad.

const { call, imds, makeClient, pages, refusal, skewed } = require("./control_sdk");
const printJson = require("./print_json");

const lightsail = makeClient("Lightsail");
const WEB = { instanceName: "web-1" };
const NEW = {
    instanceNames: ["js-1", "js-2"],
    availabilityZone: "us-west-2a",
    blueprintId: "amazon_linux_2023",
    bundleId: "nano_3_0",
    tags: [{ key: "made-by", value: "sdk" }],
};

async function instance(instanceName) {
    return (await call(lightsail, "GetInstance", { instanceName })).instance;
}

async function terminal({ id }) {
    for (;;) {
        const { operation } = await call(lightsail, "GetOperation", { operationId: id });
        if (operation.isTerminal) {
            return operation;
        }
    }
}

async function options() {
    const before = await imds();
    const update = { ...WEB, httpTokens: "required", httpPutResponseHopLimit: 2 };
    const { operation } = await call(lightsail, "UpdateInstanceMetadataOptions", update);
    const ended = await terminal(operation);
    const during = await imds();
    const shown = (await instance("web-1")).metadataOptions;
    const back = { ...WEB, httpTokens: "optional", httpPutResponseHopLimit: 1 };
    await terminal((await call(lightsail, "UpdateInstanceMetadataOptions", back)).operation);
    const listed = await call(lightsail, "GetOperationsForResource", { resourceName: "web-1" });
    return {
        operation,
        ended,
        listed: listed.operations.map(({ id }) => id).includes(operation.id),
        shown,
        imds: [before, during, await imds()],
    };
}

async function tags() {
    const resource = { resourceName: "web-1" };
    const tag = { ...resource, tags: [{ key: "team", value: "blue & <green>" }] };
    await call(lightsail, "TagResource", tag);
    const tagged = (await instance("web-1")).tags;
    await call(lightsail, "UntagResource", { ...resource, tagKeys: ["team"] });
    return { tagged, untagged: (await instance("web-1")).tags };
}

async function life() {
    const created = await call(lightsail, "CreateInstances", NEW);
    const shown = await instance("js-1");
    const states = [];
    for (const operation of ["StopInstance", "StartInstance", "RebootInstance"]) {
        await call(lightsail, operation, { instanceName: "js-1" });
        const { state } = await call(lightsail, "GetInstanceState", { instanceName: "js-1" });
        states.push(state.name);
    }
    for (const instanceName of NEW.instanceNames) {
        await call(lightsail, "DeleteInstance", { instanceName });
    }
    const gone = await refusal(lightsail, "GetInstance", { instanceName: "js-1" });
    return { created: created.operations, shown, states, gone };
}

async function metric() {
    const now = Math.floor(Date.now() / 1000);
    const asked = {
        ...WEB,
        metricName: "MetadataNoToken",
        period: 60,
        startTime: new Date((now - 3600) * 1000),
        endTime: new Date((now + 60) * 1000),
        unit: "Count",
        statistics: ["Sum", "SampleCount"],
    };
    const sum = async () =>
        (await call(lightsail, "GetInstanceMetricData", asked)).metricData
            .reduce((all, point) => all + point.sum, 0);
    const before = await sum();
    await imds(); // one request without a token
    return { grown: (await sum()) - before };
}

async function refusals() {
    const update = (input) =>
        refusal(lightsail, "UpdateInstanceMetadataOptions", { ...WEB, ...input });
    const by = (key, operation = "GetInstance") =>
        refusal(makeClient("Lightsail", key), operation, WEB);
    const tag = (key) =>
        refusal(lightsail, "TagResource", { resourceName: "web-1", tags: [{ key, value: "" }] });
    return {
        wrongSecret: await by("wrong"),
        unknownKey: await by("unknown"),
        denied: await by("reader", "DeleteInstance"),
        allowed: Object.keys((await by("reader")).answer),
        notFound: await refusal(lightsail, "GetInstance", { instanceName: "nobody" }),
        missing: await refusal(lightsail, "GetInstance", {}),
        notInEnum: await update({ httpTokens: "maybe" }),
        outOfRange: await update({ httpPutResponseHopLimit: 65 }),
        taken: await refusal(lightsail, "CreateInstances", { ...NEW, instanceNames: ["web-1"] }),
        badTag: await tag(""),
        unsupported: await refusal(lightsail, "CreateDisk", { diskName: "d", sizeInGb: 8 }),
    };
}

async function main() {
    const instances = await pages(lightsail, "GetInstances");
    return {
        pages: instances.map((page) => page.instances.length),
        names: instances.flatMap((page) => page.instances.map(({ name }) => name)),
        options: await options(),
        tags: await tags(),
        life: await life(),
        metric: await metric(),
        refusals: await refusals(),
        skewed: await skewed("Lightsail", "GetInstanceState", WEB),
    };
}

printJson(main);
