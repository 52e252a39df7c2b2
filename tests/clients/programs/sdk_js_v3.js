// The AWS SDK for JavaScript v3: @smithy/credential-provider-imds, and what
// @aws-sdk/credential-providers makes of it. IMDSv1 is disabled, so that nothing falls back to it.

const { fromInstanceMetadata, fromNodeProviderChain } = require("@aws-sdk/credential-providers");
const imds = require("@smithy/credential-provider-imds");
const printJson = require("./print_json");

const OPTIONS = { timeout: 3000, maxRetries: 1, ec2MetadataV1Disabled: true };

function plain({ accessKeyId, secretAccessKey, sessionToken }) {
    return { accessKeyId, secretAccessKey, sessionToken };
}

async function main() {
    const provided = await fromInstanceMetadata(OPTIONS)();
    return {
        smithy: plain(await imds.fromInstanceMetadata(OPTIONS)()),
        provider: plain(provided),
        defaultChain: plain(await fromNodeProviderChain(OPTIONS)()),
        expiresLater: provided.expiration > new Date(),
    };
}

printJson(main);
