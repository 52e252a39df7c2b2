"""samples - configurations that several test files share."""

from daemon import have_ipv6, instance

KEY = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIJ8xPc3Nw3nYl0ZoqYg1p0m8m0Qm1mJmQ2Z0dGVsbHRh me"
ROLE = "AmazonLightsailInstanceRole"
ACCESS_KEY = "ASIAEXAMPLE000000001"
SECRET_KEY = "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY"
SESSION_TOKEN = "IQoJb3JpZ2luX2VjEXAMPLE//////////wEaCXVzLXdlc3QtMiJGMEQCIExample=="

MAINTENANCE = {
    "NotBefore": "21 Jan 2019 09:00:43 GMT",
    "Code": "system-reboot",
    "Description": "scheduled reboot",
    "EventId": "instance-event-0d59937288b749b32",
    "NotAfter": "21 Jan 2019 09:17:23 GMT",
    "State": "active",
}
COMPLETED = dict(
    MAINTENANCE,
    EventId="instance-event-0d59937288b749b33",
    Description="[Completed] scheduled reboot",
    State="completed",
)


def addresses(first):
    """An IPv4 loopback address, and ::1 as well where the machine has it."""
    return [first, "::1"] if have_ipv6() else [first]


def options(**changes):
    """metadataOptions with everything said."""
    base = {
        "httpTokens": "optional",
        "httpEndpoint": "enabled",
        "httpPutResponseHopLimit": 1,
        "httpProtocolIpv6": "enabled",
        "instanceMetadataTags": "disabled",
    }
    base.update(changes)
    return base


def plain(name="web-1", address="127.0.0.11", **facts):
    """An instance with nothing optional: no key, no role, no tags, no public address."""
    return instance(name, address, **facts)


def full(name="web-1", address="127.0.0.11", **facts):
    """An instance with everything that can be configured."""
    everything = {
        "privateIpAddress": "172.26.2.10",
        "publicIpAddress": "203.0.113.10",
        "ipv6Addresses": ["2001:db8:0:1::10"],
        "metadataOptions": options(instanceMetadataTags="enabled"),
        "publicKeys": {"my-key": KEY},
        "tags": {"env": "prod", "Name": name, "empty": "", "a.b:c@d=e": "x+y"},
        "userData": "#cloud-config\nhostname: web-1\n",
        "role": {
            "name": ROLE,
            "credentials": {
                "accessKeyId": ACCESS_KEY,
                "secretAccessKey": SECRET_KEY,
                "token": SESSION_TOKEN,
            },
        },
        "events": {
            "maintenance": {"scheduled": [dict(MAINTENANCE)], "history": [dict(COMPLETED)]},
            "recommendations": {"rebalance": {"noticeTime": "2020-11-05T08:22:00Z"}},
        },
        "spot": {
            "instanceAction": {"action": "stop", "time": "2017-09-18T08:22:00Z"},
            "terminationTime": "2015-01-05T18:02:00Z",
        },
        "monitoring": "enabled",
    }
    everything.update(facts)
    return instance(name, address, **everything)
