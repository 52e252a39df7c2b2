// The AWS SDK for JavaScript v2: MetadataService, EC2MetadataCredentials and a signed call to
// FAKE_AWS. With the argument "without-token" only a request that carries no token.

const { promisify } = require("util");
const AWS = require("aws-sdk");
const printJson = require("./print_json");

const options = {
    host: new URL(process.env.AWS_EC2_METADATA_SERVICE_ENDPOINT).host,
    httpOptions: { timeout: 3000 },
    maxRetries: 1,
};
const service = new AWS.MetadataService(options);
const request = promisify(service.request.bind(service));

async function withoutToken() {
    try {
        return { instanceId: await request("/latest/meta-data/instance-id", { headers: {} }) };
    } catch (error) {
        return { status: error.statusCode };
    }
}

async function withToken() {
    const token = await promisify(service.fetchMetadataToken.bind(service))();
    const headers = { "x-aws-ec2-metadata-token": token };
    const credentials = new AWS.EC2MetadataCredentials(options);
    await credentials.getPromise();
    const sts = new AWS.STS({
        credentials,
        region: await request("/latest/meta-data/placement/region", { headers }),
        endpoint: process.env.FAKE_AWS,
    });
    return {
        instanceId: await request("/latest/meta-data/instance-id", { headers }),
        credentials: {
            accessKeyId: credentials.accessKeyId,
            secretAccessKey: credentials.secretAccessKey,
            sessionToken: credentials.sessionToken,
        },
        account: (await sts.getCallerIdentity().promise()).Account,
    };
}

printJson(process.argv[2] === "without-token" ? withoutToken : withToken);
