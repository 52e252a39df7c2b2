"""cloud-init's DataSourceEc2, outside a boot.

usage: cloud_init_crawl.py URL PLATFORM FOLDER

PLATFORM "aws" makes it ask with tokens and nothing else; with "unknown" it speaks IMDSv1. At boot
cloud-init takes it from the DMI table, the only thing that is replaced here. Prints JSON; exit
code 1 when cloud-init finds no metadata.
"""

import json
import sys
from unittest import mock

from cloudinit import helpers
from cloudinit.distros import debian
from cloudinit.sources import DataSourceEc2

url, platform, folder = sys.argv[1:]
paths = helpers.Paths({"cloud_dir": f"{folder}/cloud", "run_dir": f"{folder}/run"})
ec2 = {"metadata_urls": [url], "max_wait": 3, "timeout": 3, "strict_id": False}
config = {"datasource": {"Ec2": ec2}}

with mock.patch.object(DataSourceEc2, "identify_platform", lambda: platform):
    source = DataSourceEc2.DataSourceEc2(config, debian.Distro("debian", {}, paths), paths)
    if not source.get_data():
        sys.exit("cloud-init found no metadata")

mac = source.metadata["mac"]
network = DataSourceEc2.convert_ec2_metadata_network_config(
    source.metadata["network"], macs_to_nics={mac: "eth0"}, fallback_nic="eth0"
)

print(
    json.dumps(
        {
            "apiVersion": source._crawled_metadata["_metadata_api_version"],
            "cloudName": source.cloud_name,
            "instanceId": source.get_instance_id(),
            "region": source.region,
            "availabilityZone": source.availability_zone,
            "publicKeys": source.get_public_ssh_keys(),
            "userData": source.get_userdata_raw().decode(),
            "interfaceMac": network["ethernets"]["eth0"]["match"]["macaddress"],
            # True when network/interfaces/macs/MAC/ has no vpc-id.
            "isClassic": source.is_classic_instance(),
        }
    )
)
