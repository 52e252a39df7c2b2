"""Real clients against a running daemon: do they get what they came for?

Each test runs twice, with tokens required and with tokens optional. The Guest checks afterwards
that a client which speaks IMDSv2 never asked without a token, and one of IMDSv1 always did.

Each client is used as its own users would. What it got is compared with the service's own answers
(`guest.facts`); what it does with credentials, with a fake AWS API that verifies signatures.
"""

import os

import pytest
from client_support import installed, instance
from client_support.fake_aws import ACCOUNT, BUCKET, OBJECT, OBJECT_BODY
from client_support.installed import PROGRAMS, PYTHON

without_token = pytest.mark.without_token

TTL_HEADER = "X-aws-ec2-metadata-token-ttl-seconds"
TOKEN_HEADER = "X-aws-ec2-metadata-token"


def test_the_service_says_what_it_was_told(facts):
    """What the clients' results are compared with must itself be right."""
    assert facts.instance_id.startswith("i-")
    assert facts.region == instance.REGION
    assert facts.role == instance.ROLE
    assert facts.credentials == instance.CREDENTIALS
    assert facts.public_key == instance.PUBLIC_KEY
    assert facts.user_data == instance.USER_DATA


# --- curl ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("address", ["link_local", "link_local_v6"])
def test_curl(guest, address):
    """The two commands of the EC2 user guide."""
    installed.program("curl", "curl")
    url = getattr(guest, address)
    token = curl_token(guest, url, "--request", "PUT")
    header = f"{TOKEN_HEADER}: {token}"
    path = "/latest/meta-data/instance-id"
    assert curl(guest, url + path, "--header", header) == guest.facts.instance_id
    assert curl(guest, url + path, "--header", header, "--http1.0") == guest.facts.instance_id


def test_curl_uploads_nothing(guest):
    """`curl -T` sends `Expect: 100-continue` and a chunked body, as does s3fs."""
    installed.program("curl", "curl")
    assert curl_token(guest, guest.link_local, "--upload-file", "/dev/null")
    assert curl_token(
        guest, guest.link_local, "--upload-file", "-", "--header", "Expect: 100-continue"
    )


@without_token
def test_curl_without_token(guest, tokens):
    installed.program("curl", "curl")
    done = guest.try_run("curl", "-sSf", f"{guest.link_local}/latest/meta-data/instance-id")
    if tokens == "optional":
        assert done.stdout == guest.facts.instance_id
    else:
        assert "401" in done.stderr


def curl(guest, url, *options):
    # --globoff: the brackets of an IPv6 address are not a pattern.
    return guest.run("curl", "--silent", "--show-error", "--fail", "--globoff", *options, url)


def curl_token(guest, url, *options):
    return curl(guest, f"{url}/latest/api/token", "--header", f"{TTL_HEADER}: 21600", *options)


# --- shell tools of Amazon and Ubuntu -----------------------------------------------------------


def test_ec2_metadata(guest):
    """amazon-ec2-utils: bash and curl; 169.254.169.254 is built in."""
    installed.program("ec2-metadata", "amazon-ec2-utils")
    facts = guest.facts
    assert guest.run("ec2-metadata", "-i") == f"instance-id: {facts.instance_id}\n"
    assert guest.run("ec2-metadata", "-t") == f"instance-type: {facts.instance_type}\n"
    assert guest.run("ec2-metadata", "-z") == f"placement: {facts.availability_zone}\n"

    everything = guest.run("ec2-metadata", "--all")
    assert "ami-id: ami-" in everything
    assert f"instance-id: {facts.instance_id}" in everything
    assert facts.public_key in everything
    assert "root: " in everything  # block-device-mapping
    assert facts.user_data.splitlines()[0] in everything


def test_ec2metadata(guest):
    """cloud-guest-utils; it asks the API version 2009-04-04, and 169.254.169.254 is built in."""
    installed.program("ec2metadata", "cloud-guest-utils")
    facts = guest.facts
    assert guest.run("ec2metadata", "--instance-id").strip() == facts.instance_id
    assert guest.run("ec2metadata", "--availability-zone").strip() == facts.availability_zone
    assert guest.run("ec2metadata", "--instance-type").strip() == facts.instance_type
    assert guest.run("ec2metadata", "--mac").strip() == facts.mac
    assert guest.run("ec2metadata", "--user-data").strip() == facts.user_data.strip()

    everything = guest.run("ec2metadata")
    assert f"instance-id: {facts.instance_id}\n" in everything
    assert facts.public_key in everything


def test_amazon_ec2_net_utils(guest, truth):
    """It names and configures the interface whose MAC the service reports."""
    installed.file("/usr/bin/setup-policy-routes", "amazon-ec2-net-utils")
    interface = f"meta-data/network/interfaces/macs/{guest.facts.mac}"
    written = guest.run("sh", PROGRAMS / "net_utils.sh", with_interface=True)
    assert f"MACAddress={guest.facts.mac}" in written
    assert f"altname {truth.get(f'{interface}/interface-id')}" in written
    # Every private address but the first becomes an alias.
    for address in truth.get(f"{interface}/local-ipv4s").splitlines()[1:]:
        assert f"Address={address}/32" in written


# --- cloud-init ---------------------------------------------------------------------------------


def test_cloud_init_crawl(guest):
    installed.program("cloud-init", "cloud-init")
    got = guest.run_sdk(*cloud_init_crawl(guest, "aws"))
    check_cloud_init_crawl(got, guest.facts)
    assert got["cloudName"] == "aws"


@without_token
def test_cloud_init_crawl_without_token(guest, tokens):
    installed.program("cloud-init", "cloud-init")
    command = cloud_init_crawl(guest, "unknown")
    if tokens == "optional":
        check_cloud_init_crawl(guest.run_sdk(*command), guest.facts)
    else:
        assert "cloud-init found no metadata" in guest.try_run(*command).stderr


def cloud_init_crawl(guest, platform):
    return PYTHON, PROGRAMS / "cloud_init_crawl.py", guest.link_local, platform, guest.folder


def check_cloud_init_crawl(got, facts):
    # One name in a listing that can't be fetched, and all metadata is gone.
    assert got["apiVersion"] == "2021-03-23"
    assert got["instanceId"] == facts.instance_id
    assert got["region"] == facts.region
    assert got["availabilityZone"] == facts.availability_zone
    assert [key.strip() for key in got["publicKeys"]] == [facts.public_key]
    assert got["userData"] == facts.user_data
    assert got["interfaceMac"] == facts.mac
    assert got["isClassic"] is False


def test_cloud_init_boot(guest):
    check_cloud_init_boot(boot_cloud_init(guest, "aws"), guest.facts, cloud_name="aws")


@without_token
@pytest.mark.parametrize("tokens", ["optional"], indirect=True)
def test_cloud_init_boot_without_token(guest):
    check_cloud_init_boot(boot_cloud_init(guest, "unknown"), guest.facts, cloud_name="unknown")


def boot_cloud_init(guest, platform):
    installed.program("cloud-init", "cloud-init")
    if os.geteuid() != 0:
        installed.missing("root, which an overlay of the root file system needs")
    boot = guest.folder / "boot"
    boot.mkdir()
    guest.run(
        "sh", PROGRAMS / "cloud_init_boot.sh", boot, platform, with_interface=True, timeout_s=180
    )
    return boot


def check_cloud_init_boot(boot, facts, cloud_name):
    query = dict(line.split("=", 1) for line in (boot / "query").read_text().splitlines())
    assert query == {
        "cloud_name": cloud_name,
        "instance_id": facts.instance_id,
        "region": facts.region,
        "availability_zone": facts.availability_zone,
    }
    assert (boot / "user-data").read_text() == facts.user_data
    assert facts.public_key in (boot / "authorized_keys").read_text()
    # The user-data was not only read but obeyed.
    assert (boot / "hostname").read_text().strip() == instance.HOSTNAME
    assert (boot / "marker").read_text().strip() == instance.HOSTNAME


# --- AWS CLI and Python -------------------------------------------------------------------------


def test_aws_cli(guest):
    """Debian's AWS CLI: credentials and region from the service, then signed calls."""
    installed.program("aws", "awscli")
    env = {"AWS_EC2_METADATA_SERVICE_ENDPOINT": guest.url + "/"}
    told = guest.run("aws", "configure", "list", env=env)
    columns = {line.split()[0]: line.split()[1:] for line in told.splitlines() if line.split()}
    key_end = guest.facts.credentials["accessKeyId"][-4:]
    assert columns["access_key"][0].endswith(key_end)
    assert columns["access_key"][1] == "iam-role"
    assert columns["region"][:2] == [guest.facts.region, "imds"]

    to_fake = ["--endpoint-url", guest.fake_aws.url, "--output", "text"]
    who = ["sts", "get-caller-identity", "--query", "Account"]
    assert guest.run("aws", *who, *to_fake, env=env).strip() == ACCOUNT
    copy = ["s3", "cp", f"s3://{BUCKET}/{OBJECT}", "-"]
    assert guest.run("aws", *copy, *to_fake, env=env) == OBJECT_BODY.decode()
    guest.assert_signed_calls("GetCallerIdentity")


def test_boto3(guest):
    check_boto3(guest, guest.run_sdk(*boto3_session()))


def test_boto3_ipv6(guest):
    """With no endpoint but a mode, botocore asks [fd00:ec2::254]."""
    env = {
        "AWS_EC2_METADATA_SERVICE_ENDPOINT": "",
        "AWS_EC2_METADATA_SERVICE_ENDPOINT_MODE": "ipv6",
    }
    check_boto3(guest, guest.run_sdk(*boto3_session(), env=env))


def boto3_session():
    installed.python_module("boto3", "python3-boto3")
    return PYTHON, PROGRAMS / "boto3_session.py"


def check_boto3(guest, got):
    assert got == {
        "method": "iam-role",
        "credentials": guest.facts.credentials,
        "region": guest.facts.region,
        "account": ACCOUNT,
    }
    guest.assert_signed_calls("GetCallerIdentity")


def test_aws_crt(guest):
    """The C library aws-c-auth, by way of Python; 169.254.169.254 is built in."""
    installed.python_module("awscrt", "python3-awscrt")
    got = guest.run_sdk(PYTHON, PROGRAMS / "awscrt_default_chain.py")
    assert got == {"credentials": guest.facts.credentials, "expires": True}


def test_s3cmd(guest):
    """169.254.169.254 is built in."""
    installed.program("s3cmd", "s3cmd")
    host = "{}:{}".format(*guest.fake_aws.address)
    settings = guest.folder / "s3cmd.ini"
    settings.write_text(
        "[default]\n"
        "access_key =\n"
        "secret_key =\n"
        f"host_base = {host}\n"
        f"host_bucket = {host}\n"
        f"bucket_location = {guest.facts.region}\n"
        "use_https = False\n"
    )
    listing = guest.run("s3cmd", "--config", settings, "ls", f"s3://{BUCKET}")
    assert f"s3://{BUCKET}/{OBJECT}" in listing
    guest.assert_signed_calls(f"S3 GET /{BUCKET}")


# --- other SDKs ---------------------------------------------------------------------------------


def test_go_sdk_v2(guest, go_program):
    facts = guest.facts
    assert guest.run_sdk(go_program) == {
        "region": facts.region,
        "instanceId": facts.instance_id,
        "documentInstanceId": facts.instance_id,
        "iamInfoCode": "Success",
        "userData": facts.user_data,
        "credentials": facts.credentials,
        "account": ACCOUNT,
    }
    guest.assert_signed_calls("GetCallerIdentity")


def test_ruby_sdk(guest):
    installed.ruby_gem("aws-sdk-core", "ruby-aws-sdk-core")
    facts = guest.facts
    assert guest.run_sdk("ruby", PROGRAMS / "sdk_ruby.rb") == {
        "credentials": facts.credentials,
        "expired": False,
        "instanceId": facts.instance_id,
        "region": facts.region,
        "absent": None,
        "account": ACCOUNT,
    }
    guest.assert_signed_calls("GetCallerIdentity")


def test_javascript_sdk_v3(guest):
    check_javascript_sdk_v3(guest, {})


def test_javascript_sdk_v3_ipv6(guest):
    """With no endpoint but a mode, it asks [fd00:ec2::254]."""
    env = {
        "AWS_EC2_METADATA_SERVICE_ENDPOINT": "",
        "AWS_EC2_METADATA_SERVICE_ENDPOINT_MODE": "IPv6",
    }
    check_javascript_sdk_v3(guest, env)


def check_javascript_sdk_v3(guest, env):
    installed.npm_package("@aws-sdk/credential-providers")
    installed.npm_package("@smithy/credential-provider-imds")
    assert guest.run_sdk("node", PROGRAMS / "sdk_js_v3.js", env=env) == {
        "smithy": guest.facts.credentials,
        "provider": guest.facts.credentials,
        "defaultChain": guest.facts.credentials,
        "expiresLater": True,
    }


def test_javascript_metadata_service(guest):
    installed.npm_package("@aws-sdk/ec2-metadata-service")
    got = guest.run_sdk("node", PROGRAMS / "sdk_js_metadata_service.js")
    assert got == {
        "instanceId": guest.facts.instance_id,
        "documentInstanceId": guest.facts.instance_id,
        "region": guest.facts.region,
        "tokenLength": 56,
        "absentStatus": 404,
    }


def test_javascript_sdk_v2(guest):
    installed.npm_package("aws-sdk")
    assert guest.run_sdk("node", PROGRAMS / "sdk_js_v2.js") == {
        "instanceId": guest.facts.instance_id,
        "credentials": guest.facts.credentials,
        "account": ACCOUNT,
    }
    guest.assert_signed_calls("GetCallerIdentity")


@without_token
def test_javascript_sdk_v2_without_token(guest, tokens):
    installed.npm_package("aws-sdk")
    got = guest.run_sdk("node", PROGRAMS / "sdk_js_v2.js", "without-token")
    if tokens == "optional":
        assert got == {"instanceId": guest.facts.instance_id}
    else:
        assert got == {"status": 401}


def test_rust_sdk(guest):
    installed.npm_package("@lancedb/lancedb")
    installed.npm_package("apache-arrow")
    # The endpoint's slash at the end is one too many for this SDK.
    env = {"AWS_EC2_METADATA_SERVICE_ENDPOINT": guest.url}
    got = guest.run_sdk("node", PROGRAMS / "sdk_rust_lancedb.js", env=env)
    assert got == {"tables": []}
    guest.assert_signed_calls(f"S3 GET /{BUCKET}")
