"""aws - the AWS SDK's client, strict about answers, for the tests of the control address.

Every answer is held against botocore's own model, as it was sent and as botocore has read it: a member
or element that the model does not have, of another type, or a required one that is missing fails the
test.
"""

import datetime
import json
import re
import shutil
import subprocess
import urllib.parse
import xml.etree.ElementTree
from unittest import mock

import pytest

botocore_session = pytest.importorskip("botocore.session", reason="NO botocore HERE, NOT TESTED")
from botocore import xform_name  # noqa: E402
from botocore.auth import SigV4Auth  # noqa: E402
from botocore.awsrequest import AWSRequest  # noqa: E402
from botocore.config import Config  # noqa: E402
from botocore.credentials import Credentials  # noqa: E402
from botocore.exceptions import ClientError  # noqa: E402

REGION = "us-west-2"
ACCOUNT = "123456789012"
KEY = "AKIAALL"  # may do all
SECRET = "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY"
CLI = "/usr/bin/aws"
needs_cli = pytest.mark.skipif(not shutil.which(CLI), reason="NO aws CLI HERE, NOT TESTED")


def credentials(service, keys):
    """The configuration with these keys; a running daemon has to reload it."""
    control = {**service.config["control"], "credentials": keys}
    service.write_config({**service.config, "control": control})


def start(workshop, instances, keys):
    """A daemon with these instances, and keys beside the one that may do all."""
    made = workshop.daemon({"instances": instances}, start=False)
    (made.directory / "all.key").write_text(SECRET + "\n")
    all_keys = {"accessKeyId": KEY, "secretAccessKeyFile": "all.key", "allow": ["*"]}
    credentials(made, [all_keys, *keys])
    return made.start()


# --- answers held against the model --------------------------------------------------------------

TYPES = {
    "string": str, "integer": int, "long": int, "float": (int, float), "double": (int, float), "boolean": bool,
    "timestamp": (int, float, datetime.datetime), "list": list, "structure": dict, "map": dict,
}  # fmt: skip
TEXTS = {
    "integer": r"-?\d+", "long": r"-?\d+", "float": r"-?\d+(\.\d+)?", "double": r"-?\d+(\.\d+)?",
    "boolean": "true|false", "timestamp": r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d{3})?Z",
}  # fmt: skip


def validate(value, shape, where):
    """A JSON answer, or one of another protocol as botocore has read it."""
    assert isinstance(value, TYPES[shape.type_name]), f"{where}: {value!r} is no {shape.type_name}"
    if shape.type_name != "boolean":
        assert not isinstance(value, bool), where
    if shape.type_name == "structure":
        assert set(value) <= set(shape.members), f"{where}: {set(value) - set(shape.members)}"
        assert set(shape.required_members) <= set(value), where
        for name, member in value.items():
            validate(member, shape.members[name], f"{where}.{name}")
    elif shape.type_name == "list":
        for i, item in enumerate(value):
            validate(item, shape.member, f"{where}[{i}]")
    elif shape.type_name == "map":
        for key, item in value.items():
            validate(item, shape.value, f"{where}.{key}")
    elif shape.type_name == "string" and shape.enum:
        assert value in shape.enum, f"{where}: {value}"


def element_name(shape, otherwise):
    return shape.serialization.get("name", otherwise)


def local(element):
    return element.tag.rpartition("}")[2]


def validate_xml(element, shape, where):
    """An element and all below it; every one must be known to the model and be there once."""
    text = element.text or ""
    if shape.type_name == "structure":
        known = {element_name(member, name): member for name, member in shape.members.items()}
        names = [local(child) for child in element]
        assert set(names) <= set(known), f"{where}: {set(names) - set(known)} not in the model"
        assert len(names) == len(set(names)), f"{where}: twice: {names}"
        assert not text.strip(), f"{where}: {text!r}"
        for child in element:
            validate_xml(child, known[local(child)], f"{where}.{local(child)}")
    elif shape.type_name == "list":
        assert not shape.serialization.get("flattened"), f"{where}: flattened lists are not known here"
        for i, child in enumerate(element):
            assert local(child) == element_name(shape.member, "member"), f"{where}: <{local(child)}>"
            validate_xml(child, shape.member, f"{where}[{i}]")
        assert not text.strip(), f"{where}: {text!r}"
    elif shape.type_name == "map":
        for child in element:
            assert local(child) == "entry", f"{where}: <{local(child)}>"
            assert [local(part) for part in child] == ["key", "value"], where
            validate_xml(child[1], shape.value, f"{where}.{child[0].text}")
    else:
        assert len(element) == 0, f"{where}: elements in a {shape.type_name}"
        pattern = TEXTS.get(shape.type_name)
        assert not pattern or re.fullmatch(pattern, text), f"{where}: {text!r} is no {shape.type_name}"
        if shape.type_name == "string" and shape.enum:
            assert text in shape.enum, f"{where}: {text}"


def parse_xml(body):
    assert body.startswith(b'<?xml version="1.0" encoding="UTF-8"?>\n'), body[:80]
    return xml.etree.ElementTree.fromstring(body)


def validate_ec2(body, operation):
    """The document of an operation of EC2's protocol; what has no shape may say that it is done."""
    root = parse_xml(body)
    assert root.tag == "{http://ec2.amazonaws.com/doc/2016-11-15/}" + operation.name + "Response"
    request_id = root[0]
    assert local(request_id) == "requestId" and len(request_id.text) == 36
    root.remove(request_id)
    if operation.output_shape:
        validate_xml(root, operation.output_shape, operation.name)
    else:
        assert [(local(child), child.text) for child in root] == [("return", "true")]


def validate_query(body, operation, namespace):
    """The same for the other Query protocol."""
    root = parse_xml(body)
    assert root.tag == f"{{{namespace}}}{operation.name}Response"
    parts = {local(child): child for child in root}
    (request_id,) = parts.pop("ResponseMetadata")
    assert local(request_id) == "RequestId" and len(request_id.text) == 36
    (name, result), = parts.items()  # fmt: skip
    wrapper = operation.output_shape.serialization["resultWrapper"] if operation.output_shape else None
    assert name == (wrapper or operation.name + "Result")
    if operation.output_shape:
        validate_xml(result, operation.output_shape, operation.name)


class Client:
    """botocore's client of one service, whose raw answers are validated as well."""

    def __init__(self, service, name, key=KEY, secret=SECRET, region=REGION, token=None):
        self.client = botocore_session.Session().create_client(
            name, region_name=region, endpoint_url=f"http://127.0.0.1:{service.control_port}",
            aws_access_key_id=key, aws_secret_access_key=secret, aws_session_token=token,
            config=Config(retries={"max_attempts": 0}, parameter_validation=False),
        )  # fmt: skip
        self.model = self.client.meta.service_model
        self.raw = None
        http = self.client._endpoint.http_session  # its events give parsed answers only
        send = http.send

        def keep(request):
            self.raw = send(request)
            return self.raw

        http.send = keep

    def call(self, operation, **members):
        """What is answered: JSON as it was sent, XML as botocore has read it."""
        answer = getattr(self.client, xform_name(operation))(**members)
        model = self.model.operation_model(operation)
        assert len(answer.pop("ResponseMetadata")["RequestId"]) == 36
        protocol = self.model.metadata["protocol"]
        kind = self.raw.headers["Content-Type"]
        if protocol == "json":
            assert kind == "application/x-amz-json-" + self.model.metadata["jsonVersion"]
            answer = json.loads(self.raw.content)
        elif protocol == "ec2":
            assert kind == "text/xml;charset=UTF-8"
            validate_ec2(self.raw.content, model)
        else:
            assert kind == "text/xml"
            validate_query(self.raw.content, model, self.model.metadata["xmlNamespace"])
        if model.output_shape:
            validate(answer, model.output_shape, operation)
        return answer

    def refused(self, operation, code, *words, **members):
        with pytest.raises(ClientError) as caught:
            self.call(operation, **members)
        error = caught.value.response["Error"]
        assert error["Code"] == code, caught.value
        assert len(caught.value.response["ResponseMetadata"]["RequestId"]) == 36
        for word in words:
            assert word in error["Message"], error
        return caught.value


# --- requests that botocore would not send -------------------------------------------------------


def sign(service, name, headers, body, key=None, now=None):
    """The fields of a signed POST to the control address, Host apart."""
    request = AWSRequest("POST", f"http://127.0.0.1:{service.control_port}/", headers, body)
    clock = mock.Mock(datetime=mock.Mock(wraps=datetime.datetime))
    clock.datetime.utcnow = lambda: now or datetime.datetime.utcnow()
    with mock.patch("botocore.auth.datetime", clock):
        SigV4Auth(Credentials(*(key or (KEY, SECRET))), name, REGION).add_auth(request)
    return dict(request.headers)


def post(service, fields, body):
    head = f"POST / HTTP/1.1\r\nHost: 127.0.0.1:{service.control_port}\r\nContent-Length: {len(body)}\r\n"
    head += "".join(f"{name}: {value}\r\n" for name, value in fields.items()) + "\r\n"
    with service.control().connect() as conn:
        return conn.exchange(head.encode() + body)


def form(service, name, pairs, key=None):
    """A signed Query request: the reply and its document. pairs: a map, or the form's own text."""
    text = pairs if isinstance(pairs, str) else urllib.parse.urlencode(pairs)
    fields = {"Content-Type": "application/x-www-form-urlencoded; charset=utf-8"}
    fields = sign(service, name, fields, text.encode(), key)
    reply = post(service, fields, text.encode())
    return reply, parse_xml(reply.body)


def run_cli(service, name, *args, code=0, key=KEY, secret=SECRET):
    """The AWS CLI: what it prints, as JSON, or its complaint."""
    done = subprocess.run(
        [CLI, name, *args, "--endpoint-url", f"http://127.0.0.1:{service.control_port}", "--region", REGION,
         "--output", "json", "--no-cli-pager"],
        env={"PATH": "/usr/bin:/bin", "HOME": str(service.directory), "AWS_ACCESS_KEY_ID": key,
             "AWS_SECRET_ACCESS_KEY": secret, "AWS_EC2_METADATA_DISABLED": "true"},
        capture_output=True, text=True, timeout=60, check=False)  # fmt: skip
    assert done.returncode == code, done
    return json.loads(done.stdout or "null") if code == 0 else done.stderr
