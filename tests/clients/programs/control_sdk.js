// AWS's two SDKs for JavaScript as one, for the programs that use the control address: the argument
// v2 or v3 says which. CONTROL is JSON: endpoint, metadata, region, keys (name: [id, secret]).

const http = require("http");

const V3 = process.argv[2] === "v3";
const control = JSON.parse(process.env.CONTROL);
const PACKAGES = {
    Lightsail: "@aws-sdk/client-lightsail",
    EC2: "@aws-sdk/client-ec2",
    CloudWatch: "@aws-sdk/client-cloudwatch",
};

// --- clients ---------------------------------------------------------------------------------

// A client of one service. Nothing is checked before it is sent: that is what the daemon is for.
function makeClient(service, keyName = "all", v2Options = {}) {
    const [accessKeyId, secretAccessKey] = control.keys[keyName];
    const { endpoint, region } = control;
    if (V3) {
        const sdk = require(PACKAGES[service]);
        const client = new sdk[service]({
            endpoint,
            region,
            credentials: { accessKeyId, secretAccessKey },
        });
        return Object.assign(client, { sdk });
    }
    const AWS = require("aws-sdk");
    return new AWS[service]({
        endpoint,
        region,
        accessKeyId,
        secretAccessKey,
        paramValidation: false,
        ...v2Options,
    });
}

function methodOf(name) {
    return name[0].toLowerCase() + name.slice(1);
}

// What an operation answers, and in how many attempts.
async function send(client, operation, input) {
    const method = methodOf(operation);
    if (V3) {
        const { $metadata, ...answer } = await client[method](input);
        return { answer, attempts: $metadata.attempts };
    }
    const request = client[method](input);
    try {
        const { $response, ResponseMetadata, ...answer } = await request.promise();
        return { answer, attempts: request.response.retryCount + 1 };
    } catch (error) {
        error.attempts = request.response.retryCount + 1;
        throw error;
    }
}

async function call(client, operation, input = {}) {
    return (await send(client, operation, input)).answer;
}

// How a call was refused, as an application sees it.
async function refusal(client, operation, input = {}) {
    let error;
    try {
        return { answer: await call(client, operation, input) };
    } catch (caught) {
        error = caught;
    }
    const metadata = error.$metadata ?? {};
    return {
        code: error.code ?? error.name,
        message: error.message,
        status: V3 ? metadata.httpStatusCode : error.statusCode,
        requestId: V3 ? metadata.requestId : error.requestId,
        attempts: V3 ? metadata.attempts : error.attempts,
    };
}

// All pages: by the SDK's paginator where it has one. Neither has one for Lightsail.
async function pages(client, operation, input = {}) {
    const found = [];
    const paginate = V3 && client.sdk[`paginate${operation}`];
    if (paginate) {
        for await (const page of paginate({ client }, input)) {
            found.push(page);
        }
    } else if (!V3 && client.paginationConfig(methodOf(operation))) {
        await eachPage(client[methodOf(operation)](input), (page) => found.push(page));
    } else {
        let pageToken;
        do {
            const page = await call(client, operation, { ...input, pageToken });
            found.push(page);
            pageToken = page.nextPageToken;
        } while (pageToken);
    }
    return found;
}

function eachPage(request, take) {
    return new Promise((resolve, reject) => {
        request.eachPage((error, page) => {
            if (error) {
                reject(error);
            } else if (page) {
                take(page);
            } else {
                resolve();
            }
        });
    });
}

// Whether a waiter ("InstanceRunning") saw what it waits for.
async function wait(client, state, input) {
    if (V3) {
        const waiting = { client, maxWaitTime: 5, minDelay: 1, maxDelay: 1 };
        return (await client.sdk[`waitUntil${state}`](waiting, input)).state === "SUCCESS";
    }
    const waiting = { ...input, $waiter: { delay: 1, maxAttempts: 3 } };
    await client.waitFor(methodOf(state), waiting).promise();
    return true;
}

// --- a clock that is off ---------------------------------------------------------------------

const RealDate = Date;

// Run something while this process believes that it is later by so much.
async function withClock(offsetMs, run) {
    globalThis.Date = class extends RealDate {
        constructor(...values) {
            super(...(values.length ? values : [RealDate.now() + offsetMs]));
        }
        static now() {
            return RealDate.now() + offsetMs;
        }
    };
    try {
        return await run();
    } finally {
        globalThis.Date = RealDate;
    }
}

// Ten minutes early and late: in how many attempts a new client's two calls succeed. v3 corrects
// its clock by itself, v2 when it is told to.
async function skewed(service, operation, input) {
    const result = {};
    for (const minutes of [-10, 10]) {
        await withClock(minutes * 60_000, async () => {
            const client = makeClient(service, "all", { correctClockSkew: true });
            const first = await send(client, operation, input);
            const second = await send(client, operation, input);
            result[minutes] = [first.attempts, second.attempts];
        });
    }
    return result;
}

// --- the metadata service --------------------------------------------------------------------

const agent = new http.Agent({ keepAlive: true, maxSockets: 1 }); // always the same connection

function metadata(path, { method = "GET", headers = {} } = {}) {
    const url = new URL(path, control.metadata);
    return new Promise((resolve, reject) => {
        const request = http.request(url, { method, headers, agent }, (response) => {
            const parts = [];
            response.on("data", (part) => parts.push(part));
            response.on("end", () =>
                resolve({ status: response.statusCode, text: Buffer.concat(parts).toString() }),
            );
        });
        request.on("error", reject);
        request.end();
    });
}

// What the instance is answered without a token, and with one. When the last is answered, on the same
// connection, the one without a token has been counted.
async function imds() {
    const path = "/latest/meta-data/instance-id";
    const headers = { "X-aws-ec2-metadata-token-ttl-seconds": "60" };
    const token = await metadata("/latest/api/token", { method: "PUT", headers });
    const withToken = { "X-aws-ec2-metadata-token": token.text };
    return [
        (await metadata(path)).status,
        (await metadata(path, { headers: withToken })).status,
    ];
}

module.exports = { call, imds, makeClient, pages, refusal, send, skewed, V3, wait };
