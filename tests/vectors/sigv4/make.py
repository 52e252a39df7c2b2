#!/usr/bin/python3
"""Writes the *.txt here: requests as botocore signs them (Debian's python3-botocore).

The first line of each is "REGION SERVICE SECONDS SECRET", the rest the request's bytes.
"""
import datetime
import pathlib
from unittest import mock
from urllib.parse import urlsplit

import botocore.auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials

HERE = pathlib.Path(__file__).parent
NOW = datetime.datetime(2026, 11, 24, 12, 34, 56)
NOW_S = int(NOW.replace(tzinfo=datetime.timezone.utc).timestamp())
SECRET = "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY"
TOKEN = "IQoJb3JpZ2luX2VjEXAMPLE/+token//////////wEaCXVzLWVhc3QtMSJIMEYCIQ=="
JSON = {"Content-Type": "application/x-amz-json-1.1", "X-Amz-Target": "Lightsail_20161128.GetInstance"}
FORM = {"Content-Type": "application/x-www-form-urlencoded; charset=utf-8"}
HOST = "http://127.0.0.1:1339"


class Frozen(datetime.datetime):
    @classmethod
    def utcnow(cls):
        return NOW


def save(name, request, region, service, unsigned=("User-Agent: telltale-test",)):
    url = urlsplit(request.url)
    target = (url.path or "/") + ("?" + url.query if url.query else "")
    body = request.body or b""
    body = body.encode() if isinstance(body, str) else body
    fields = [(key, value) for key, value in request.headers.items()]
    if not any(key.lower() == "host" for key, _ in fields):
        fields.insert(0, ("Host", url.netloc))
    lines = [f"{request.method} {target} HTTP/1.1"]
    lines += [f"{key}: {value.decode() if isinstance(value, bytes) else value}" for key, value in fields]
    lines += list(unsigned)
    if body:
        lines.append(f"Content-Length: {len(body)}")
    head = "\r\n".join(lines) + "\r\n\r\n"
    first = f"{region} {service} {NOW_S} {SECRET}\n"
    (HERE / f"{name}.txt").write_bytes(first.encode() + head.encode() + body)


def sign(name, method, path, *, region="us-east-1", service="lightsail", headers=None, body=b"", token=None,
         expires=None, secret=SECRET):
    request = AWSRequest(method=method, url=HOST + path, headers=dict(headers or {}), data=body)
    credentials = Credentials("AKIAIOSFODNN7EXAMPLE", secret, token)
    with mock.patch("botocore.auth.datetime", mock.Mock(datetime=Frozen, timedelta=datetime.timedelta)):
        if expires:
            botocore.auth.SigV4QueryAuth(credentials, service, region, expires=expires).add_auth(request)
        else:
            botocore.auth.SigV4Auth(credentials, service, region).add_auth(request)
    save(name, request, region, service)


def main():
    sign("json", "POST", "/", headers=JSON, body=b'{"instanceName": "web-1"}')
    sign("json-no-body", "POST", "/", headers=JSON)
    sign("json-token", "POST", "/", headers=JSON, body=b"{}", token=TOKEN)
    sign("json-date", "POST", "/", headers={**JSON, "Date": "Tue, 24 Nov 2026 12:00:00 GMT"}, body=b"{}")
    sign("json-spaces", "POST", "/", headers={**JSON, "X-Amz-Meta": "a   b c"}, body=b"{}")
    sign("json-utf8", "POST", "/", headers=JSON, body='{"instanceName": "wéb €"}'.encode())
    sign("json-region", "POST", "/", region="eu-north-1", headers=JSON, body=b"{}")
    sign("form", "POST", "/", service="ec2", headers=FORM,
         body=b"Action=DescribeInstances&Version=2016-11-15&Filter.1.Name=tag%3AName")
    sign("query", "GET", "/?Version=2016-11-15&Action=DescribeInstances&Empty=", service="ec2")
    sign("query-order", "GET", "/?b=2&a=%20&b=1&a=%2B&A=%7B&a-b=1&a=", service="monitoring")
    sign("query-token", "GET", "/?Action=X", service="monitoring", token=TOKEN)
    sign("path", "GET", "/a/b%20c/d~e", service="ec2")
    sign("path-dots", "GET", "/a/./b/../c//d/", service="ec2")
    sign("path-root", "GET", "/..", service="ec2")
    sign("presigned", "GET", "/?Action=DescribeRegions&Version=2016-11-15", service="ec2", expires=60)
    sign("presigned-token", "GET", "/?Action=ListMetrics&Name=a%20b", service="monitoring", token=TOKEN,
         expires=604800)
    sign("delete", "DELETE", "/x?y=z", service="ec2")


main()
