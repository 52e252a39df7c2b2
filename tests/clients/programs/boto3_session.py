"""boto3: what its session finds in the metadata service, and a signed call to FAKE_AWS."""

import json
import os

import boto3
from botocore.utils import IMDSRegionProvider

session = boto3.Session()
credentials = session.get_credentials()
frozen = credentials.get_frozen_credentials()
region = IMDSRegionProvider(session._session).provide()
sts = session.client("sts", region_name=region, endpoint_url=os.environ["FAKE_AWS"])

print(
    json.dumps(
        {
            "method": credentials.method,
            "credentials": {
                "accessKeyId": frozen.access_key,
                "secretAccessKey": frozen.secret_key,
                "sessionToken": frozen.token,
            },
            "region": region,
            "account": sts.get_caller_identity()["Account"],
        }
    )
)
