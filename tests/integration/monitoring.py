"""monitoring - CloudWatch as its clients ask it: a form with an answer in XML, and JSON 1.0.

Both clients take times as seconds since the epoch, and answer in one shape: a dict as botocore's model
has it, whose times are seconds again. Every answer is held against that model: a member, or an element of
the XML, that it does not have fails the test.
"""

import datetime
import json
import xml.etree.ElementTree as ElementTree

import pytest

botocore_session = pytest.importorskip("botocore.session", reason="NO botocore HERE, NOT TESTED")
from botocore import xform_name  # noqa: E402
from botocore.auth import SigV4Auth, SigV4QueryAuth  # noqa: E402, F401
from botocore.awsrequest import AWSRequest  # noqa: E402
from botocore.config import Config  # noqa: E402
from botocore.credentials import Credentials  # noqa: E402
from botocore.exceptions import ClientError  # noqa: E402

REGION = "us-west-2"
ACCOUNT = "123456789012"
KEY = ("AKIAALL", "everybody")
READER = ("AKIAREAD", "reader")
NOBODY = ("AKIANONE", "nobody")
KEYS = [
    {"accessKeyId": KEY[0], "secretAccessKey": KEY[1], "allow": ["*"]},
    {"accessKeyId": READER[0], "secretAccessKey": READER[1], "allow": ["cloudwatch:ListMetrics"]},
    {"accessKeyId": NOBODY[0], "secretAccessKey": NOBODY[1], "allow": ["lightsail:*"]},
]
NAMESPACE = "{http://monitoring.amazonaws.com/doc/2010-08-01/}"
TARGET = "GraniteServiceVersion20100801."
TIMES = ("StartTime", "EndTime")

MODEL = botocore_session.Session().get_service_model("cloudwatch")


def credentials(service, keys=KEYS):
    control = {**service.config["control"], "credentials": keys}
    service.write_config({**service.config, "control": control})


# --- held against the model ----------------------------------------------------------------------

JSON_TYPES = {
    "string": str, "integer": int, "long": int, "float": (int, float), "double": (int, float),
    "boolean": bool, "timestamp": (int, float), "list": list, "structure": dict, "map": dict,
}  # fmt: skip


def check_json(value, shape, where):
    assert isinstance(value, JSON_TYPES[shape.type_name]), f"{where}: {value!r} is no {shape.type_name}"
    assert shape.type_name == "boolean" or not isinstance(value, bool), where
    if shape.type_name == "structure":
        assert set(value) <= set(shape.members), f"{where}: {set(value) - set(shape.members)}"
        for name, member in value.items():
            check_json(member, shape.members[name], f"{where}.{name}")
    elif shape.type_name == "list":
        for i, item in enumerate(value):
            check_json(item, shape.member, f"{where}[{i}]")
    elif shape.type_name == "map":
        for key, item in value.items():
            check_json(item, shape.value, f"{where}.{key}")
    elif shape.type_name == "string" and shape.enum:
        assert value in shape.enum, f"{where}: {value}"


def tags_of(element):
    assert all(child.tag.startswith(NAMESPACE) for child in element), element.tag
    return [child.tag[len(NAMESPACE) :] for child in element]


def check_xml(element, shape, where):
    tags = tags_of(element)
    if shape.type_name == "structure":
        assert len(tags) == len(set(tags)), f"{where}: {tags}"
        assert set(tags) <= set(shape.members), f"{where}: {set(tags) - set(shape.members)}"
        for name, child in zip(tags, element):
            check_xml(child, shape.members[name], f"{where}.{name}")
    elif shape.type_name == "list":
        assert set(tags) <= {"member"}, f"{where}: {tags}"
        for i, child in enumerate(element):
            check_xml(child, shape.member, f"{where}[{i}]")
    elif shape.type_name == "map":
        assert set(tags) <= {"entry"}, f"{where}: {tags}"
        for child in element:
            assert tags_of(child) == ["key", "value"], where
            check_xml(child[1], shape.value, f"{where}.{child[0].text}")
    else:
        assert not tags, f"{where}: {tags}"
        text = element.text or ""
        if shape.type_name in ("integer", "long"):
            int(text)
        elif shape.type_name in ("float", "double"):
            float(text)
        elif shape.type_name == "boolean":
            assert text in ("true", "false"), f"{where}: {text}"
        elif shape.type_name == "timestamp":
            datetime.datetime.strptime(text, "%Y-%m-%dT%H:%M:%SZ")
        elif shape.enum:
            assert text in shape.enum, f"{where}: {text}"


def seconds(value):
    """The same with times as seconds."""
    if isinstance(value, datetime.datetime):
        return value.timestamp()
    if isinstance(value, dict):
        return {name: seconds(member) for name, member in value.items()}
    return [seconds(one) for one in value] if isinstance(value, list) else value


# --- the clients ---------------------------------------------------------------------------------


class Query:
    """botocore's client, which sends forms."""

    def __init__(self, service, key=KEY):
        self.client = botocore_session.Session().create_client(
            "cloudwatch", region_name=REGION, endpoint_url=f"http://127.0.0.1:{service.control_port}",
            aws_access_key_id=key[0], aws_secret_access_key=key[1],
            config=Config(retries={"max_attempts": 0}, parameter_validation=False),
        )  # fmt: skip
        self.raw = None
        http = self.client._endpoint.http_session  # its events give parsed answers only
        send = http.send

        def keep(request):
            self.raw = send(request)
            return self.raw

        http.send = keep

    def call(self, operation, **members):
        for name in TIMES:
            if isinstance(members.get(name), (int, float)):
                members[name] = datetime.datetime.fromtimestamp(members[name], datetime.timezone.utc)
        answer = getattr(self.client, xform_name(operation))(**members)
        self.check(operation)
        metadata = answer.pop("ResponseMetadata")
        assert len(metadata["RequestId"]) == 36
        return seconds(answer)

    def check(self, operation):
        root = ElementTree.fromstring(self.raw.content)
        assert root.tag == f"{NAMESPACE}{operation}Response"
        assert tags_of(root) == [f"{operation}Result", "ResponseMetadata"]
        assert tags_of(root[1]) == ["RequestId"]
        check_xml(root[0], MODEL.operation_model(operation).output_shape, operation)
        assert self.raw.headers["Content-Type"] == "text/xml"

    def error(self, operation, **members):
        """(code, message) of an answer that is one."""
        with pytest.raises(ClientError) as caught:
            self.call(operation, **members)
        root = ElementTree.fromstring(self.raw.content)
        assert root.tag == f"{NAMESPACE}ErrorResponse"
        assert tags_of(root) == ["Error", "RequestId"]
        assert tags_of(root[0]) == ["Type", "Code", "Message"]
        status = self.raw.status_code
        assert root[0][0].text == ("Sender" if status < 500 else "Receiver")
        error = caught.value.response["Error"]
        return error["Code"], error["Message"]


class Json:
    """What CloudWatch's newer clients send, such as the JavaScript SDK v3: JSON 1.0."""

    # What the error's code is as a shape of the model.
    SHAPES = {
        "InvalidParameterValue": "InvalidParameterValueException",
        "InvalidParameterCombination": "InvalidParameterCombinationException",
        "MissingParameter": "MissingRequiredParameterException",
        "InternalServiceError": "InternalServiceFault",
    }

    def __init__(self, service, key=KEY):
        self.service = service
        self.key = key

    def send(self, operation, body):
        headers = {
            "Content-Type": "application/x-amz-json-1.0",
            "X-Amz-Target": TARGET + operation,
            "x-amzn-query-mode": "true",
        }
        url = f"http://127.0.0.1:{self.service.control_port}/"
        request = AWSRequest("POST", url, headers, body)
        SigV4Auth(Credentials(*self.key), "monitoring", REGION).add_auth(request)
        head = f"POST / HTTP/1.1\r\nHost: 127.0.0.1:{self.service.control_port}\r\n"
        head += f"Content-Length: {len(body)}\r\n"
        head += "".join(f"{name}: {value}\r\n" for name, value in request.headers.items())
        with self.service.control().connect() as conn:
            reply = conn.exchange(head.encode() + b"\r\n" + body)
        assert reply.value("Content-Type") == "application/x-amz-json-1.0"
        assert len(reply.value("x-amzn-RequestId")) == 36
        return reply

    def call(self, operation, **members):
        reply = self.send(operation, json.dumps(members).encode())
        answer = json.loads(reply.body)
        assert reply.status == 200, answer
        check_json(answer, MODEL.operation_model(operation).output_shape, operation)
        return answer

    def error(self, operation, body=None, **members):
        reply = self.send(operation, json.dumps(members).encode() if body is None else body)
        answer = json.loads(reply.body)
        assert 400 <= reply.status < 600, answer
        code, sep, fault = (reply.value("x-amzn-query-error") or "").partition(";")
        assert (sep, fault) == (";", "Sender" if reply.status < 500 else "Receiver")
        assert answer["__type"] == self.SHAPES.get(code, code)
        return code, answer["message"]


PROTOCOLS = {"query": Query, "json": Json}
