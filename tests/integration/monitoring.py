"""monitoring - CloudWatch as its clients ask it: a form with an answer in XML, and JSON 1.0.

Both clients take times as seconds since the epoch, and answer in one shape: a dict as botocore's model
has it, whose times are seconds again. Answers are held against that model, see aws.py.
"""

import datetime
import json

import pytest

import aws
from aws import KEY, SECRET, ClientError

ALL = (KEY, SECRET)
READER = ("AKIAREAD", "reader")
NOBODY = ("AKIANONE", "nobody")
KEYS = [
    {"accessKeyId": READER[0], "secretAccessKey": READER[1], "allow": ["cloudwatch:ListMetrics"]},
    {"accessKeyId": NOBODY[0], "secretAccessKey": NOBODY[1], "allow": ["lightsail:*"]},
]
NAMESPACE = "{http://monitoring.amazonaws.com/doc/2010-08-01/}"
MODEL = aws.botocore_session.Session().get_service_model("cloudwatch")


def seconds(value):
    """The same with times as seconds."""
    if isinstance(value, datetime.datetime):
        return value.timestamp()
    if isinstance(value, dict):
        return {name: seconds(member) for name, member in value.items()}
    return [seconds(one) for one in value] if isinstance(value, list) else value


class Query:
    """botocore's client, which sends forms."""

    def __init__(self, service, key=ALL):
        self.client = aws.Client(service, "cloudwatch", *key)

    def call(self, operation, **members):
        for name in ("StartTime", "EndTime"):
            if isinstance(members.get(name), (int, float)):
                members[name] = datetime.datetime.fromtimestamp(members[name], datetime.timezone.utc)
        return seconds(self.client.call(operation, **members))

    def error(self, operation, **members):
        """(code, message) of an answer that is one."""
        with pytest.raises(ClientError) as caught:
            self.call(operation, **members)
        root = aws.parse_xml(self.client.raw.content)
        assert root.tag == f"{NAMESPACE}ErrorResponse"
        assert [aws.local(child) for child in root] == ["Error", "RequestId"]
        assert [aws.local(child) for child in root[0]] == ["Type", "Code", "Message"]
        assert root[0][0].text == ("Sender" if self.client.raw.status_code < 500 else "Receiver")
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

    def __init__(self, service, key=ALL):
        self.service = service
        self.key = key

    def send(self, operation, body):
        fields = {
            "Content-Type": "application/x-amz-json-1.0",
            "X-Amz-Target": "GraniteServiceVersion20100801." + operation,
            "x-amzn-query-mode": "true",
        }
        fields = aws.sign(self.service, "monitoring", fields, body, self.key)
        reply = aws.post(self.service, fields, body)
        assert reply.value("Content-Type") == "application/x-amz-json-1.0"
        assert len(reply.value("x-amzn-RequestId")) == 36
        return reply

    def call(self, operation, **members):
        reply = self.send(operation, json.dumps(members).encode())
        answer = json.loads(reply.body)
        assert reply.status == 200, answer
        aws.validate(answer, MODEL.operation_model(operation).output_shape, operation)
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
