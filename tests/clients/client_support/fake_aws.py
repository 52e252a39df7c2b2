"""A fake AWS API: just enough of STS and S3 for a client to see its call succeed.

It exists to show that a client has all of the credentials: it verifies the signature (SigV4, in
the Authorization header) of every request with the secret key, and compares the session token. So
a client can only get an answer with what the metadata service gave it.
"""

import hashlib
import hmac
import re
import threading
from dataclasses import dataclass
from email.utils import formatdate
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qsl, quote, unquote, urlsplit
from xml.sax.saxutils import escape

ACCOUNT = "123456789012"
BUCKET = "fake-bucket"
OBJECT = "hello.txt"
OBJECT_BODY = b"hello from the fake API\n"

S3_NAMESPACE = "http://s3.amazonaws.com/doc/2006-03-01/"
STS_NAMESPACE = "https://sts.amazonaws.com/doc/2011-06-15/"

AUTHORIZATION = re.compile(
    r"AWS4-HMAC-SHA256 Credential=(?P<credential>[^,\s]+),\s*"
    r"SignedHeaders=(?P<signed>[^,\s]+),\s*Signature=(?P<signature>[0-9a-f]{64})$"
)


@dataclass(frozen=True)
class Call:
    """One request: what it asked for, for which region it was signed, and what was wrong."""

    operation: str
    region: str = ""
    problem: str = ""


@dataclass(frozen=True)
class Scope:
    """What a signature is good for: the middle of the credential field."""

    access_key_id: str
    day: str
    region: str
    service: str


class SignatureProblem(Exception):
    """Why a request is not signed with the expected credentials."""


# --- signatures ---------------------------------------------------------------------------------


def verify(method, target, headers, body, credentials):
    """Return the Scope of a correctly signed request, else raise SignatureProblem.

    headers  an email.message.Message, as http.server has it
    """
    match = AUTHORIZATION.match(headers.get("Authorization", ""))
    if not match:
        raise SignatureProblem("no SigV4 Authorization header")
    scope = Scope(*match["credential"].split("/")[:4])
    if scope.access_key_id != credentials["accessKeyId"]:
        raise SignatureProblem(f"access key {scope.access_key_id}")
    if headers.get("x-amz-security-token") != credentials["sessionToken"]:
        raise SignatureProblem("wrong or no session token")

    key = _signing_key(credentials["secretAccessKey"], scope)
    payload_hash = headers.get("x-amz-content-sha256") or hashlib.sha256(body).hexdigest()
    for path in _canonical_paths(target):
        request = _canonical_request(method, path, target, headers, match["signed"], payload_hash)
        text = _string_to_sign(headers.get("x-amz-date", ""), scope, request)
        if hmac.compare_digest(_hmac(key, text).hex(), match["signature"]):
            return scope
    raise SignatureProblem("the signature does not match")


def _canonical_paths(target):
    """S3 signs the path as it is sent; every other service signs it percent-encoded once more."""
    path = urlsplit(target).path or "/"
    return path, quote(path, safe="/-_.~")


def _canonical_request(method, path, target, headers, signed, payload_hash):
    query = parse_qsl(urlsplit(target).query, keep_blank_values=True)
    canonical_query = "&".join(
        sorted(f"{quote(name, safe='-_.~')}={quote(value, safe='-_.~')}" for name, value in query)
    )
    canonical_headers = "".join(
        f"{name}:{' '.join(','.join(headers.get_all(name, [])).split())}\n"
        for name in signed.split(";")
    )
    return "\n".join([method, path, canonical_query, canonical_headers, signed, payload_hash])


def _string_to_sign(date, scope, canonical_request):
    digest = hashlib.sha256(canonical_request.encode()).hexdigest()
    place = f"{scope.day}/{scope.region}/{scope.service}/aws4_request"
    return "\n".join(["AWS4-HMAC-SHA256", date, place, digest])


def _signing_key(secret, scope):
    key = f"AWS4{secret}".encode()
    for part in (scope.day, scope.region, scope.service, "aws4_request"):
        key = _hmac(key, part)
    return key


def _hmac(key, text):
    return hmac.new(key, text.encode(), hashlib.sha256).digest()


# --- answers ------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Answer:
    """An HTTP answer; headers are those beyond type and length."""

    status: int
    body: bytes = b""
    headers: tuple = ()


def _xml(status, text):
    return Answer(status, f'<?xml version="1.0" encoding="UTF-8"?>\n{text}'.encode())


def _error(status, code, message):
    return _xml(status, f"<Error><Code>{code}</Code><Message>{escape(message)}</Message></Error>")


def _caller_identity():
    return _xml(
        200,
        f'<GetCallerIdentityResponse xmlns="{STS_NAMESPACE}"><GetCallerIdentityResult>'
        f"<Arn>arn:aws:sts::{ACCOUNT}:assumed-role/fake/session</Arn>"
        f"<UserId>AROAFAKE:session</UserId><Account>{ACCOUNT}</Account>"
        "</GetCallerIdentityResult><ResponseMetadata><RequestId>fake</RequestId>"
        "</ResponseMetadata></GetCallerIdentityResponse>",
    )


def _bucket_location(region):
    return _xml(200, f'<LocationConstraint xmlns="{S3_NAMESPACE}">{region}</LocationConstraint>')


def _bucket_listing(prefix):
    contents = ""
    if OBJECT.startswith(prefix):
        contents = (
            f"<Contents><Key>{OBJECT}</Key><LastModified>2026-01-01T00:00:00.000Z</LastModified>"
            f"<ETag>{_etag()}</ETag><Size>{len(OBJECT_BODY)}</Size>"
            "<StorageClass>STANDARD</StorageClass></Contents>"
        )
    return _xml(
        200,
        f'<ListBucketResult xmlns="{S3_NAMESPACE}"><Name>{BUCKET}</Name>'
        f"<Prefix>{escape(prefix)}</Prefix><KeyCount>{1 if contents else 0}</KeyCount>"
        f"<MaxKeys>1000</MaxKeys><IsTruncated>false</IsTruncated>{contents}</ListBucketResult>",
    )


def _object():
    modified = formatdate(1767225600, usegmt=True)
    return Answer(200, OBJECT_BODY, (("ETag", _etag()), ("Last-Modified", modified)))


def _etag():
    return f'"{hashlib.md5(OBJECT_BODY, usedforsecurity=False).hexdigest()}"'


def _answer_s3(path, parameters, region):
    bucket, _, key = unquote(path).lstrip("/").partition("/")
    if bucket != BUCKET:
        return _error(404, "NoSuchBucket", bucket)
    if key == OBJECT:
        return _object()
    if key:
        return _error(404, "NoSuchKey", key)
    if "location" in parameters:
        return _bucket_location(region)
    return _bucket_listing(parameters.get("prefix", ""))


# --- server -------------------------------------------------------------------------------------


class FakeAws:
    """The service on a loopback port of its own; a context manager. `calls` is what came in."""

    def __init__(self, credentials):
        self.calls = []
        self._credentials = credentials
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), self._handler())
        self._server.daemon_threads = True
        self._thread = threading.Thread(
            target=self._server.serve_forever, kwargs={"poll_interval": 0.05}
        )

    @property
    def address(self):
        return self._server.server_address

    @property
    def url(self):
        return "http://{}:{}".format(*self.address)

    def __enter__(self):
        self._thread.start()
        return self

    def __exit__(self, *_):
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()

    def answer(self, method, target, headers, body):
        """Verify one request, note it in `calls` and say what to answer."""
        url = urlsplit(target)
        parameters = dict(parse_qsl(url.query, keep_blank_values=True))
        if "form-urlencoded" in headers.get("Content-Type", ""):
            parameters.update(parse_qsl(body.decode(), keep_blank_values=True))
        operation = parameters.get("Action") or f"S3 {method} {url.path}"

        try:
            scope = verify(method, target, headers, body, self._credentials)
        except SignatureProblem as problem:
            self.calls.append(Call(operation, problem=str(problem)))
            return _error(403, "SignatureDoesNotMatch", str(problem))
        self.calls.append(Call(operation, scope.region))
        if scope.service == "sts" and operation == "GetCallerIdentity":
            return _caller_identity()
        if scope.service == "s3":
            return _answer_s3(url.path, parameters, scope.region)
        return _error(400, "InvalidAction", operation)

    def _handler(self):
        fake = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def serve(self):
                body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
                answer = fake.answer(self.command, self.path, self.headers, body)
                self.send_response(answer.status)
                self.send_header("Content-Type", "application/xml")
                self.send_header("Content-Length", str(len(answer.body)))
                for name, value in answer.headers:
                    self.send_header(name, value)
                self.end_headers()
                if self.command != "HEAD":
                    self.wfile.write(answer.body)

            do_GET = do_HEAD = do_POST = serve

            def log_message(self, *_):
                """The calls are noted in `calls`; the test's output stays clean."""

        return Handler
