// EC2's API on the control address, by an SDK for JavaScript: good input and bad.

const { call, imds, makeClient, pages, refusal, skewed, wait } = require("./control_sdk");
const printJson = require("./print_json");

const ec2 = makeClient("EC2");
const NO_DEFAULTS = {
    HttpTokens: "no-preference",
    HttpPutResponseHopLimit: -1,
    HttpEndpoint: "no-preference",
    InstanceMetadataTags: "no-preference",
};

function instances(page) {
    return page.Reservations.flatMap(({ Instances }) => Instances);
}

async function named(name) {
    const filter = { Filters: [{ Name: "tag:Name", Values: [name] }] };
    return instances(await call(ec2, "DescribeInstances", filter));
}

// Change options, and show them once they are applied.
async function modify(InstanceId, change) {
    const answer = await call(ec2, "ModifyInstanceMetadataOptions", { InstanceId, ...change });
    for (;;) {
        const described = await call(ec2, "DescribeInstances", { InstanceIds: [InstanceId] });
        const shown = instances(described)[0].MetadataOptions;
        if (shown.State === "applied") {
            return { answer, shown };
        }
    }
}

async function options(id) {
    const before = await imds();
    const changed = await modify(id, { HttpTokens: "required", HttpPutResponseHopLimit: 3 });
    const during = await imds();
    const found = await call(ec2, "DescribeInstances", {
        Filters: [{ Name: "metadata-options.http-tokens", Values: ["required"] }],
    });
    await modify(id, { HttpTokens: "optional", HttpPutResponseHopLimit: 1 });
    return {
        ...changed,
        found: instances(found).map(({ InstanceId }) => InstanceId),
        imds: [before, during, await imds()],
    };
}

async function defaults() {
    const level = async () => (await call(ec2, "GetInstanceMetadataDefaults")).AccountLevel;
    const change = (input) => call(ec2, "ModifyInstanceMetadataDefaults", input);
    const before = await level();
    const answer = await change({ HttpTokens: "required", HttpPutResponseHopLimit: 2 });
    const during = await level();
    await change(NO_DEFAULTS);
    return { before, answer, during, after: await level() };
}

async function tags(id) {
    const Tags = [{ Key: "team", Value: "blue & <green>" }];
    const of = { Filters: [{ Name: "resource-id", Values: [id] }] };
    await call(ec2, "CreateTags", { Resources: [id], Tags });
    const tagged = (await call(ec2, "DescribeTags", of)).Tags;
    await call(ec2, "DeleteTags", { Resources: [id], Tags: [{ Key: "team" }] });
    return { tagged, untagged: (await call(ec2, "DescribeTags", of)).Tags };
}

async function refusals(InstanceId) {
    const change = (input) =>
        refusal(ec2, "ModifyInstanceMetadataOptions", { InstanceId, ...input });
    const by = (key, operation, input) => refusal(makeClient("EC2", key), operation, input);
    const required = { InstanceId, HttpTokens: "required" };
    return {
        wrongSecret: await by("wrong", "DescribeRegions"),
        unknownKey: await by("unknown", "DescribeRegions"),
        denied: await by("reader", "ModifyInstanceMetadataOptions", required),
        allowed: Object.keys((await by("reader", "DescribeRegions")).answer),
        dryRun: await change({ HttpTokens: "required", DryRun: true }),
        dryRunRead: await refusal(ec2, "DescribeInstances", { DryRun: true }),
        notFound: await change({ InstanceId: "i-00000000000000000", HttpTokens: "required" }),
        malformed: await change({ InstanceId: "i-x", HttpTokens: "required" }),
        missing: await change({ InstanceId: undefined, HttpTokens: "required" }),
        notInEnum: await change({ HttpTokens: "maybe" }),
        outOfRange: await change({ HttpPutResponseHopLimit: 65 }),
        noFilter: await refusal(ec2, "DescribeInstances", {
            Filters: [{ Name: "colour", Values: ["red"] }],
        }),
        tooMany: await refusal(ec2, "DescribeInstances", { MaxResults: 1001 }),
        badToken: await refusal(ec2, "DescribeInstances", { NextToken: "nonsense" }),
        unsupported: await refusal(ec2, "DescribeVolumes"),
    };
}

async function main() {
    const [web] = await named("web-1");
    const id = { InstanceIds: [web.InstanceId] };
    const all = await pages(ec2, "DescribeInstances", { MaxResults: 400 });
    const status = await call(ec2, "DescribeInstanceStatus", id);
    const regions = await call(ec2, "DescribeRegions");
    return {
        web,
        wildcard: (await named("web-*")).length,
        pages: all.map((page) => instances(page).length),
        ids: all.flatMap((page) => instances(page).map(({ InstanceId }) => InstanceId)),
        status: status.InstanceStatuses.map(({ InstanceState }) => InstanceState.Name),
        regions: regions.Regions.map(({ RegionName }) => RegionName),
        waits: [await wait(ec2, "InstanceRunning", id), await wait(ec2, "InstanceExists", id)],
        options: await options(web.InstanceId),
        defaults: await defaults(),
        tags: await tags(web.InstanceId),
        refusals: await refusals(web.InstanceId),
        skewed: await skewed("EC2", "DescribeRegions", {}),
    };
}

printJson(main);
