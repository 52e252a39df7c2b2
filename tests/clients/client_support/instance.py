"""The one instance that the daemon under test serves, and what its configuration says of it."""

NAME = "web-1"
REGION = "us-west-2"
ROLE = "AmazonLightsailInstanceRole"
PUBLIC_KEY = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIJ4mT0VbXHd5bE9yWm1lQ2xpZW50VGVzdEtleTAx me"

HOSTNAME = "told-by-telltale"
USER_DATA = f"""\
#cloud-config
hostname: {HOSTNAME}
runcmd:
  - [cp, /etc/hostname, /tmp/marker]
"""

# Not secret, but with every character that base64 has and that a signature must get right.
CREDENTIALS = {
    "accessKeyId": "ASIATELLTALETEST0001",
    "secretAccessKey": "not-a-secret/but+with=all/its+characters",
    "sessionToken": "not-a-token//" + "0123456789+/" * 40 + "==",
}

# All of the configuration but ports, socket and store.
CONFIG = {
    "region": REGION,
    "instances": [
        {
            "name": NAME,
            "match": {"addresses": ["127.0.0.1", "::1"]},
            "blueprintId": "debian_12",
            "metadataOptions": {"httpTokens": "required", "httpProtocolIpv6": "enabled"},
            "publicKeys": {"my-key": PUBLIC_KEY},
            "tags": {"env": "prod"},
            "userData": USER_DATA,
            "role": {
                "name": ROLE,
                "credentials": {
                    "accessKeyId": CREDENTIALS["accessKeyId"],
                    "secretAccessKey": CREDENTIALS["secretAccessKey"],
                    "token": CREDENTIALS["sessionToken"],
                },
            },
        }
    ],
}
