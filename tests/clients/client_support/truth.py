"""What the service itself says, to compare with what a client got from it.

Always asks with a token (IMDSv2), so that it never moves the counter of requests without one.
"""

import json
import urllib.error
import urllib.request
from dataclasses import dataclass

USER_AGENT = "telltale-tests-truth"

# urllib would ask a proxy that the environment names, even for a loopback address.
DIRECT = urllib.request.build_opener(urllib.request.ProxyHandler({}))


@dataclass(frozen=True)
class Facts:
    """What most clients ask for."""

    instance_id: str
    instance_type: str
    availability_zone: str
    region: str
    mac: str
    role: str
    credentials: dict  # accessKeyId, secretAccessKey, sessionToken
    public_key: str
    user_data: str


class Truth:
    """A minimal IMDSv2 client."""

    def __init__(self, url):
        self._url = url
        self._token = None

    def get(self, path):
        """The text at a path under /latest/; LookupError if there is none."""
        if self._token is None:
            ttl = {"X-aws-ec2-metadata-token-ttl-seconds": "21600"}
            self._token = self._ask("PUT", "/latest/api/token", ttl)
        return self._ask("GET", f"/latest/{path}", {"X-aws-ec2-metadata-token": self._token})

    def facts(self):
        zone = self.get("meta-data/placement/availability-zone")
        role = self.get("meta-data/iam/security-credentials/")
        document = json.loads(self.get(f"meta-data/iam/security-credentials/{role}"))
        return Facts(
            instance_id=self.get("meta-data/instance-id"),
            instance_type=self.get("meta-data/instance-type"),
            availability_zone=zone,
            region=zone[:-1],
            mac=self.get("meta-data/mac"),
            role=role,
            credentials={
                "accessKeyId": document["AccessKeyId"],
                "secretAccessKey": document["SecretAccessKey"],
                "sessionToken": document["Token"],
            },
            public_key=self.get("meta-data/public-keys/0/openssh-key").strip(),
            user_data=self.get("user-data"),
        )

    def _ask(self, method, path, headers):
        request = urllib.request.Request(
            self._url + path, method=method, headers={"User-Agent": USER_AGENT, **headers}
        )
        try:
            with DIRECT.open(request, timeout=10) as answer:
                return answer.read().decode()
        except urllib.error.HTTPError as error:
            raise LookupError(f"{method} {path}: {error.code}") from error
