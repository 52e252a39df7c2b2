"""user-data: any bytes, up to 16 KiB, or 404."""

import base64
import gzip

import pytest

import samples
import wire
from wire import assert_404, masked

PATH = "/latest/user-data"
LIMIT = 16384

SUBJECTS = {
    "every-byte": bytes(range(256)) * 4,
    "gzip": gzip.compress(b"#cloud-config\n", mtime=0),
    "crlf": b"line\r\nline\r\n\r\n",
    "one": b"x",
    "limit": bytes(i * 7 % 256 for i in range(LIMIT)),
}


@pytest.fixture(scope="module")
def service(module_workshop):
    directory = module_workshop.root
    (directory / "web.cloud-config").write_bytes(b"#cloud-config\n\xff\x00\n")
    instances = [
        samples.plain(name, f"127.0.2.{n}", userDataBase64=base64.b64encode(data).decode())
        for n, (name, data) in enumerate(SUBJECTS.items(), 1)
    ]
    instances += [
        samples.plain("text", "127.0.2.20", userData="#!/bin/sh\necho h\u00e9\n"),
        samples.plain("file", "127.0.2.21", userDataFile="../web.cloud-config"),
        samples.plain("none", "127.0.2.22"),
    ]
    return module_workshop.daemon({"instances": instances})


@pytest.mark.parametrize("name", SUBJECTS)
def test_user_data_is_passed_through_byte_for_byte(service, name):
    caller = service.client(f"127.0.2.{list(SUBJECTS).index(name) + 1}")
    data = SUBJECTS[name]
    for path in (PATH, PATH + "/", "/1.0/user-data", "/2021-03-23/user-data"):
        reply = caller.get(path)
        assert masked(reply) == wire.ok_block(len(data), content_type="application/octet-stream")
        assert reply.body == data
    head = caller.get(PATH, method="HEAD")
    assert masked(head) == wire.ok_block(len(data), content_type="application/octet-stream")


def test_user_data_as_text_is_utf_8(service):
    assert service.client("127.0.2.20").get(PATH).body == "#!/bin/sh\necho h\u00e9\n".encode()


def test_user_data_from_a_file_is_relative_to_the_configuration(service):
    assert service.client("127.0.2.21").get(PATH).body == b"#cloud-config\n\xff\x00\n"


def test_user_data_with_a_token_has_the_ttl_header(service):
    caller = service.client("127.0.2.4")
    reply = caller.get(PATH, caller.put_token())
    assert masked(reply) == wire.ok_block(1, token=True, content_type="application/octet-stream")


def test_absent_user_data_is_404_but_listed(service):
    caller = service.client("127.0.2.22")
    assert_404(caller.get(PATH))
    assert_404(caller.get(PATH + "/"))
    assert "user-data" in caller.text("/latest/").split("\n")


def test_big_user_data_survives_small_windows_and_slow_readers(service):
    data = SUBJECTS["limit"]
    caller = service.client("127.0.2.5")
    with caller.connect(rcvbuf=2048) as conn:
        conn.send(wire.request("GET", PATH) * 8)
        for _ in range(8):
            head = b""
            while not head.endswith(b"\r\n\r\n"):
                head += conn.sock.recv(1)
            body = b""
            while len(body) < len(data):
                body += conn.sock.recv(min(997, len(data) - len(body)))
            assert body == data


@pytest.mark.parametrize("form", ["userData", "userDataBase64", "userDataFile"])
def test_user_data_over_the_limit_is_refused_where_it_is_written(workshop, form):
    service = workshop.daemon({"instances": [samples.plain()]}, start=False)
    data = b"x" * (LIMIT + 1)
    value = {
        "userData": data.decode(),
        "userDataBase64": base64.b64encode(data).decode(),
        "userDataFile": "big",
    }[form]
    (service.directory / "big").write_bytes(data)
    service.write_config({"instances": [samples.plain(**{form: value})]})
    from daemon import run_binary

    run_binary("config", "check", service.config_path).refused(str(service.config_path))
