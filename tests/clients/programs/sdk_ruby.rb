# The AWS SDK for Ruby: InstanceProfileCredentials, EC2Metadata and a signed call to FAKE_AWS.

require "json"
require "uri"
require "aws-sdk-core"

endpoint = ENV.fetch("AWS_EC2_METADATA_SERVICE_ENDPOINT")
# The SDK ignores the port in an endpoint; it has an option of its own.
options = { endpoint: endpoint, port: URI(endpoint).port, retries: 1 }

provider = Aws::InstanceProfileCredentials.new(
  **options, http_open_timeout: 3, http_read_timeout: 3
)
credentials = provider.credentials

metadata = Aws::EC2Metadata.new(**options)
document = JSON.parse(metadata.get("/latest/dynamic/instance-identity/document"))

absent =
  begin
    metadata.get("/latest/meta-data/no-such-thing")
  rescue Aws::EC2Metadata::MetadataNotFoundError
    nil
  end

sts = Aws::STS::Client.new(
  region: document["region"], endpoint: ENV.fetch("FAKE_AWS"), credentials: provider
)

puts JSON.generate(
  credentials: {
    accessKeyId: credentials.access_key_id,
    secretAccessKey: credentials.secret_access_key,
    sessionToken: credentials.session_token,
  },
  expired: provider.expiration <= Time.now,
  instanceId: metadata.get("/latest/meta-data/instance-id"),
  region: document["region"],
  absent: absent,
  account: sts.get_caller_identity.account,
)
