"""A daemon whose control address SDKs use: a small fleet, and keys that may do all, or little."""

import json
import subprocess

from client_support import installed
from client_support.daemon import Daemon
from client_support.truth import Truth

REGION = "us-west-2"
KEYS = {
    "all": ["AKIATELLTALEALL", "not-a-secret/but+with=all/its+characters"],
    "reader": ["AKIATELLTALEREADER", "reads-only"],
    "wrong": ["AKIATELLTALEALL", "another-secret"],
    "unknown": ["AKIATELLTALENOBODY", "nothing"],
}
READS = ["lightsail:Get*", "ec2:Describe*", "cloudwatch:ListMetrics"]

# Enough for a second page of everything that has pages.
FLEET = [f"fleet-{n:04}" for n in range(1000)]
OPTIONS = {
    "state": "applied",
    "httpTokens": "optional",
    "httpEndpoint": "enabled",
    "httpPutResponseHopLimit": 1,
    "httpProtocolIpv6": "disabled",
    "instanceMetadataTags": "disabled",
}


def _credential(name, allow):
    access_key, secret = KEYS[name]
    return {"accessKeyId": access_key, "secretAccessKey": secret, "allow": allow}


# All of the configuration but ports, socket and store. Programs ask for metadata as web-1.
CONFIG = {
    "region": REGION,
    "control": {"credentials": [_credential("all", ["*"]), _credential("reader", READS)]},
    "instances": [
        {"name": "web-1", "match": {"addresses": ["127.0.0.1", "::1"]}, "tags": {"env": "prod"}},
        {"name": "web-2", "match": {"addresses": ["127.0.0.2"]}},
        *(
            {"name": name, "privateIpAddress": f"10.0.{n // 250}.{n % 250 + 1}"}
            for n, name in enumerate(FLEET)
        ),
    ],
}


class Control(Daemon):
    """The daemon, and what its own command line says of its instances."""

    def __init__(self, binary, folder):
        super().__init__(binary, folder, CONFIG)
        self.truth = Truth(f"http://127.0.0.1:{self.port}")

    def names(self):
        return [one["name"] for one in self.ask("instance", "list", "--json")["instances"]]

    def show(self, name):
        return self.ask("instance", "show", name, "--json")["instance"]

    def run(self, folder, *command, timeout_s=60):
        """What a program printed that was told of the control address, as JSON."""
        told = {
            "endpoint": f"http://127.0.0.1:{self.control_port}",
            "metadata": f"http://127.0.0.1:{self.port}",
            "region": REGION,
            "keys": KEYS,
        }
        # Nothing of the caller's environment: no proxy, no credentials, an empty HOME.
        env = {
            "PATH": installed.PATH,
            "HOME": str(folder),
            "LC_ALL": "C.UTF-8",
            "NODE_PATH": str(installed.NODE_MODULES),
            "CONTROL": json.dumps(told),
            "INSTANCE_ID": self.show("web-1")["instanceId"],
            "AWS_EC2_METADATA_DISABLED": "true",
        }
        done = subprocess.run(
            [str(word) for word in command],
            env=env,
            cwd=folder,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=timeout_s,
            check=False,
        )
        ending = f"{command[0]} ended with {done.returncode}\n{done.stdout}{done.stderr}"
        assert done.returncode == 0, ending
        return json.loads(done.stdout)
