// @aws-sdk/ec2-metadata-service: the metadata client of the AWS SDK for JavaScript v3.

const { MetadataService } = require("@aws-sdk/ec2-metadata-service");
const printJson = require("./print_json");

const service = new MetadataService({
    ec2MetadataV1Disabled: true,
    httpOptions: { timeout: 3000 },
    retries: 1,
});

function get(path) {
    return service.request(`/latest/${path}`, {});
}

async function main() {
    const document = JSON.parse(await get("dynamic/instance-identity/document"));
    return {
        instanceId: await get("meta-data/instance-id"),
        documentInstanceId: document.instanceId,
        region: document.region,
        tokenLength: (await service.fetchMetadataToken()).length,
        absentStatus: await get("meta-data/no-such-thing").then(
            () => 200,
            (error) => error.$metadata.httpStatusCode,
        ),
    };
}

printJson(main);
