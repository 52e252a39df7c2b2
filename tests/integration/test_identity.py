"""Dynamic data: the identity document and its three signatures, checked with openssl itself."""

import base64
import datetime
import json
import re
import shutil
import subprocess

import pytest

import samples
import wire
from wire import assert_404, masked

IDENTITY = "/latest/dynamic/instance-identity"

pytestmark = pytest.mark.skipif(
    shutil.which("openssl") is None, reason="NO openssl COMMAND HERE, NOT TESTED"
)


@pytest.fixture(scope="module")
def service(module_workshop):
    return module_workshop.daemon(
        {
            "accountId": "210987654321",
            "instances": [
                samples.full(),
                samples.plain("other", "127.0.0.12", privateIpAddress="172.26.9.9"),
            ],
        }
    )


@pytest.fixture(scope="module")
def caller(service):
    return service.client()


@pytest.fixture(scope="module")
def certificate(service):
    path = service.directory / "certificate.pem"
    result = service.cli("identity", "certificate").ok()
    assert result.out.startswith("-----BEGIN CERTIFICATE-----\n"), result
    assert result.out.endswith("-----END CERTIFICATE-----\n"), result
    path.write_text(result.out)
    return path


def openssl(*args, code=0):
    done = subprocess.run(["openssl", *map(str, args)], capture_output=True, timeout=30)
    assert done.returncode == code, (args, done)
    return done.stdout


def signed(caller, leaf):
    """A signature, which may take a moment the first time: it must answer 200 all the same."""
    reply = caller.get(f"{IDENTITY}/{leaf}")
    assert masked(reply) == wire.ok_block(len(reply.body)), reply
    assert re.fullmatch(r"[A-Za-z0-9+/=\n]+", reply.text), reply
    assert not reply.text.endswith("\n"), reply
    return reply.text


def test_dynamic_listings(caller):
    assert caller.text("/latest/dynamic/") == "fws/\ninstance-identity/"
    assert caller.text("/latest/dynamic/fws/") == "instance-monitoring"
    listed = caller.text(IDENTITY).split("\n")
    assert listed == sorted(listed)
    assert {"document", "pkcs7", "rsa2048", "signature"} <= set(listed)


def test_instance_monitoring_is_what_was_configured(service):
    path = "/latest/dynamic/fws/instance-monitoring"
    assert service.client("127.0.0.11").text(path) == "enabled"
    assert service.client("127.0.0.12").text(path) == "disabled"


def test_document_has_its_fields_in_order_and_style(caller):
    reply = caller.get(f"{IDENTITY}/document")
    assert masked(reply) == wire.ok_block(len(reply.body))
    fields = [
        ("accountId", '"210987654321"'),
        ("architecture", '"(x86_64|arm64)"'),
        ("availabilityZone", '"us-west-2a"'),
        ("billingProducts", "null"),
        ("devpayProductCodes", "null"),
        ("marketplaceProductCodes", "null"),
        ("imageId", r'"ami-[0-9a-f]+"'),
        ("instanceId", r'"i-[0-9a-f]{17}"'),
        ("instanceType", r'"[a-z0-9.-]+"'),
        ("kernelId", "null"),
        ("pendingTime", r'"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ"'),
        ("privateIp", r'"172\.26\.2\.10"'),
        ("ramdiskId", "null"),
        ("region", '"us-west-2"'),
        ("version", '"2017-09-30"'),
    ]
    pattern = r"\{\n" + r",\n".join(rf'  "{k}" : {v}' for k, v in fields) + r"\n\}"
    assert re.fullmatch(pattern, reply.text), reply.text


def test_document_agrees_with_the_metadata(caller):
    document = json.loads(caller.text(f"{IDENTITY}/document"))
    for field, leaf in (
        ("imageId", "ami-id"),
        ("instanceId", "instance-id"),
        ("instanceType", "instance-type"),
        ("privateIp", "local-ipv4"),
        ("availabilityZone", "placement/availability-zone"),
        ("region", "placement/region"),
    ):
        assert document[field] == caller.text(f"/latest/meta-data/{leaf}")


def test_pending_time_is_when_the_instance_was_started(caller):
    stamp = json.loads(caller.text(f"{IDENTITY}/document"))["pendingTime"]
    when = datetime.datetime.strptime(stamp, "%Y-%m-%dT%H:%M:%SZ")
    assert when <= datetime.datetime.utcnow() + datetime.timedelta(seconds=2)


def test_signature_verifies(caller, certificate, tmp_path):
    document = caller.get(f"{IDENTITY}/document").body
    (tmp_path / "document").write_bytes(document)
    (tmp_path / "signature").write_bytes(base64.b64decode(signed(caller, "signature")))
    (tmp_path / "key").write_bytes(openssl("x509", "-in", certificate, "-pubkey", "-noout"))
    verify = ["dgst", "-sha256", "-verify", tmp_path / "key"]
    verify += ["-signature", tmp_path / "signature", tmp_path / "document"]
    assert b"Verified OK" in openssl(*verify)
    (tmp_path / "document").write_bytes(document.replace(b"us-west-2", b"us-east-2"))
    openssl(*verify, code=1)


@pytest.mark.parametrize("leaf", ["pkcs7", "rsa2048"])
def test_pkcs7_verifies_as_the_ec2_guide_does_it(caller, certificate, tmp_path, leaf):
    document = caller.get(f"{IDENTITY}/document").body
    text = signed(caller, leaf)
    assert "-----" not in text
    (tmp_path / "document").write_bytes(document)
    (tmp_path / leaf).write_text(f"-----BEGIN PKCS7-----\n{text}\n-----END PKCS7-----\n")
    verify = ["smime", "-verify", "-in", tmp_path / leaf, "-inform", "PEM"]
    verify += ["-content", tmp_path / "document", "-certfile", certificate]
    verify += ["-nointern", "-noverify", "-out", tmp_path / "out"]
    openssl(*verify)
    assert (tmp_path / "out").read_bytes() == document
    # Signed with this very certificate, as a chain of one.
    openssl(*[a for a in verify if a != "-noverify"], "-CAfile", certificate, "-purpose", "any")


def test_a_signature_of_one_instance_does_not_verify_the_document_of_another(
    service, certificate, tmp_path
):
    one, other = service.client("127.0.0.11"), service.client("127.0.0.12")
    (tmp_path / "document").write_bytes(other.get(f"{IDENTITY}/document").body)
    (tmp_path / "signature").write_bytes(base64.b64decode(signed(one, "signature")))
    (tmp_path / "key").write_bytes(openssl("x509", "-in", certificate, "-pubkey", "-noout"))
    verify = ["dgst", "-sha256", "-verify", tmp_path / "key"]
    openssl(*verify, "-signature", tmp_path / "signature", tmp_path / "document", code=1)


def test_the_certificate_is_rsa_2048_with_sha_256(certificate):
    text = openssl("x509", "-in", certificate, "-noout", "-text").decode()
    assert "Public-Key: (2048 bit)" in text
    assert "Signature Algorithm: sha256WithRSAEncryption" in text
    openssl("x509", "-in", certificate, "-noout", "-checkend", "86400")


def test_signatures_are_asked_for_by_many_at_once_and_all_get_them(workshop):
    service = workshop.daemon(
        {"instances": [samples.plain(f"web-{n}", f"127.0.1.{n}") for n in range(1, 21)]}
    )
    conns = []
    for n in range(1, 21):
        conn = service.client(f"127.0.1.{n}").connect()
        conn.send(
            b"".join(wire.request("GET", f"{IDENTITY}/{x}") for x in ("rsa2048", "signature"))
        )
        conns.append(conn)
    seen = set()
    for conn in conns:
        with conn:
            seen |= {conn.read_reply().body, conn.read_reply().body}
    assert len(seen) == 40


def test_head_of_a_signature_has_its_length(caller):
    text = signed(caller, "rsa2048")
    reply = caller.get(f"{IDENTITY}/rsa2048", method="HEAD")
    assert masked(reply) == wire.ok_block(len(text))


def test_the_certificate_and_the_document_stay_the_same_over_restarts(workshop):
    service = workshop.daemon({"instances": [samples.plain()]})
    before = service.cli("identity", "certificate").ok().out
    document = service.client().text(f"{IDENTITY}/document")
    service.restart()
    assert service.cli("identity", "certificate").ok().out == before
    service.kill9()
    service.start()
    assert service.cli("identity", "certificate").ok().out == before
    assert service.client().text(f"{IDENTITY}/document") == document


def verified(caller, certificate, folder):
    """Document and signature, asked for one right after the other, belong together."""
    with caller.connect() as conn:
        conn.send(
            b"".join(wire.request("GET", f"{IDENTITY}/{x}") for x in ("document", "signature"))
        )
        document, signature = conn.read_reply().body, conn.read_reply().body
    (folder / "document").write_bytes(document)
    (folder / "signature").write_bytes(base64.b64decode(signature))
    (folder / "key").write_bytes(openssl("x509", "-in", certificate, "-pubkey", "-noout"))
    verify = ["dgst", "-sha256", "-verify", folder / "key"]
    openssl(*verify, "-signature", folder / "signature", folder / "document")
    return json.loads(document)


def test_signatures_follow_the_document(workshop, tmp_path):
    """pendingTime is the last start; whatever changes the document is signed anew at once."""
    import yaml

    service = workshop.daemon({"instances": [samples.plain()]})
    certificate = tmp_path / "certificate.pem"
    certificate.write_text(service.cli("identity", "certificate").ok().out)
    path = tmp_path / "put.yaml"

    def put(**facts):
        path.write_text(yaml.safe_dump(samples.plain(**facts)))
        service.cli("instance", "put", path).ok()

    first = verified(service.client(), certificate, tmp_path)
    put(bundleId="large_3_0")
    second = verified(service.client(), certificate, tmp_path)
    assert second["instanceType"] != first["instanceType"]
    assert second["pendingTime"] == first["pendingTime"]
    put(state="stopped")
    assert_404(service.client().get(f"{IDENTITY}/document"))
    began = datetime.datetime.strptime(first["pendingTime"], "%Y-%m-%dT%H:%M:%SZ")
    wire.wait_until(
        lambda: datetime.datetime.utcnow() > began + datetime.timedelta(seconds=1.1),
        "another second",
    )
    put()
    third = verified(service.client(), certificate, tmp_path)
    assert third["pendingTime"] > first["pendingTime"]
    assert third["instanceId"] == first["instanceId"]


def test_there_is_no_dynamic_data_for_strangers(service):
    assert_404(service.client("127.0.0.99").get(f"{IDENTITY}/document"))
