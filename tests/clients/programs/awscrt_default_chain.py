"""The AWS Common Runtime (aws-c-auth, in C): its default chain of credential providers."""

import json

from awscrt.auth import AwsCredentialsProvider

TIMEOUT_S = 20

provider = AwsCredentialsProvider.new_default_chain()
credentials = provider.get_credentials().result(TIMEOUT_S)

print(
    json.dumps(
        {
            "credentials": {
                "accessKeyId": credentials.access_key_id,
                "secretAccessKey": credentials.secret_access_key,
                "sessionToken": credentials.session_token,
            },
            "expires": credentials.expiration is not None,
        }
    )
)
