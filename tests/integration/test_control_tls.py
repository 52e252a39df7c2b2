"""The control address by TLS: who can listen where, certificates and their exchange, hostile callers."""

import http.client
import json
import os
import re
import shutil
import signal
import socket
import ssl
import subprocess
import time

import pytest

import samples
import wire
from certificates import Pair, openssl
from daemon import error_lines, run_binary

SECRET = "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY"
KEYS = [{"accessKeyId": "AKIAALL", "secretAccessKey": SECRET, "allow": ["*"]}]
TLS = {"certificateFile": "server.pem", "keyFile": "server.key"}
CONNECTIONS_MAX = 256
HEADER_TIMEOUT_S = 10


@pytest.fixture(scope="module")
def pairs(tmp_path_factory):
    if not shutil.which("openssl"):
        pytest.skip("NO openssl HERE, NOT TESTED")
    folder = tmp_path_factory.mktemp("pairs")
    return [Pair(folder, "first"), Pair(folder, "second")]


def control(service, **more):
    """The configuration's control, with something changed in it."""
    service.write_config({**service.config, "control": {**service.config["control"], **more}})


@pytest.fixture
def plain(workshop):
    """Not started, and without TLS so far."""
    instances = [samples.plain("web-1", "127.0.0.11")]
    made = workshop.daemon({"instances": instances}, start=False)
    control(made, credentials=KEYS)
    return made


@pytest.fixture
def service(plain, pairs):
    pairs[0].install(plain)
    control(plain, tls=TLS)
    plain.tls = pairs[0].trusted()
    return plain.start()


def serial_seen(service):
    """What the certificate says that a new connection gets, trusted or not."""
    context = ssl.create_default_context()
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    with service.control().connect(tls=context) as conn:
        return conn.sock.getpeercert(binary_form=True)


def der(pair):
    return ssl.PEM_cert_to_DER_cert(pair.certificate.read_text())


# --- clients --------------------------------------------------------------------------------------


def test_curl_trusts_the_certificate_and_nothing_else(service, pairs):
    def curl(*args):
        url = f"https://127.0.0.1:{service.control_port}/readyz"
        return subprocess.run(["curl", "-sS", *args, url], capture_output=True, timeout=60)

    assert curl("--cacert", pairs[0].certificate).stdout == b"ok\n"
    assert curl("--cacert", pairs[1].certificate).returncode == 60
    assert curl().returncode == 60
    wire.wait_until(lambda: 'a TLS connection failed' in service.log(), "a line about it")
    assert 'from=127.0.0.1 error="tlsv1 alert unknown ca"' in service.log()


def test_python_keeps_a_connection(service):
    conn = http.client.HTTPSConnection("127.0.0.1", service.control_port, context=service.tls)
    for _ in range(20):
        conn.request("GET", "/metrics")
        reply = conn.getresponse()
        assert reply.status == 200
        assert b"telltale_instances 1" in reply.read()
    assert conn.sock.version() == "TLSv1.3"
    conn.close()


def test_botocore_changes_options(service, pairs):
    session = pytest.importorskip("botocore.session", reason="NO botocore HERE, NOT TESTED")
    client = session.Session().create_client(
        "lightsail", region_name="us-west-2", verify=str(pairs[0].certificate),
        endpoint_url=f"https://127.0.0.1:{service.control_port}",
        aws_access_key_id="AKIAALL", aws_secret_access_key=SECRET,
    )  # fmt: skip
    client.update_instance_metadata_options(instanceName="web-1", httpTokens="required")
    assert service.client().get("/latest/meta-data/instance-id").status == 401
    assert [one["name"] for one in client.get_instances()["instances"]] == ["web-1"]


def test_the_socket_and_metadata_stay_plain(service):
    service.cli("options", "web-1", "--http-tokens", "required").ok()
    assert service.client().get("/latest/meta-data/instance-id").status == 401
    with pytest.raises(ssl.SSLError), service.client().connect(tls=service.tls):
        pass


def test_a_chain_leads_to_the_root(plain, tmp_path):
    """Server, intermediate, root; the client knows the root alone."""
    ca = tmp_path / "ca.ext"
    ca.write_text("basicConstraints=critical,CA:TRUE\n")
    leaf = tmp_path / "leaf.ext"
    leaf.write_text("subjectAltName=IP:127.0.0.1\n")

    def sign(name, issuer, extensions):
        request = openssl(
            "req", "-new", "-nodes", "-newkey", "rsa:2048", "-subj", f"/CN={name}",
            "-keyout", tmp_path / f"{name}.key",
        )  # fmt: skip
        by = (
            ("-CA", tmp_path / f"{issuer}.pem", "-CAkey", tmp_path / f"{issuer}.key", "-CAcreateserial")
            if issuer
            else ("-signkey", tmp_path / f"{name}.key")
        )
        openssl(
            "x509", "-req", "-days", "2", "-extfile", extensions, *by,
            "-out", tmp_path / f"{name}.pem", stdin=request,
        )  # fmt: skip
        return (tmp_path / f"{name}.pem").read_text()

    sign("root", None, ca)
    chain = sign("between", "root", ca)
    chain = sign("server", "between", leaf) + chain
    (plain.directory / "server.pem").write_text(chain)
    shutil.copyfile(tmp_path / "server.key", plain.directory / "server.key")
    control(plain, tls=TLS)
    plain.tls = ssl.create_default_context(cafile=tmp_path / "root.pem")
    plain.start()
    assert plain.control_get("/readyz").status == 200


@pytest.mark.filterwarnings("ignore:ssl.TLSVersion")
@pytest.mark.parametrize(
    "version,taken", [("TLSv1", False), ("TLSv1_1", False), ("TLSv1_2", True), ("TLSv1_3", True)]
)
def test_versions(service, pairs, version, taken):
    context = pairs[0].trusted()
    context.set_ciphers("DEFAULT:@SECLEVEL=0")
    context.minimum_version = context.maximum_version = ssl.TLSVersion[version]
    if taken:
        with service.control().connect(tls=context) as conn:
            assert conn.get("/readyz").status == 200
            assert conn.sock.version() == version.replace("_", ".")
    else:
        with pytest.raises(ssl.SSLError, match="(?i)protocol.version"):
            service.control().connect(tls=context)


# --- where it may listen --------------------------------------------------------------------------

NO_LOOPBACK = "is no loopback address: set control.tls, or control.insecure: true to do without TLS"


@pytest.mark.parametrize("address", ["0.0.0.0", "::", "192.0.2.1", "::ffff:192.0.2.1"])
def test_an_address_that_is_not_loopback_needs_tls(plain, address):
    control(plain, address=address)
    plain.allow_errors("loopback")
    code, log = plain.fails_to_start()
    assert code == 1
    (line,) = error_lines(log)
    assert re.search(r"telltale\.yaml:\d+:\d+: control\.address: ", line), line
    assert NO_LOOPBACK in line
    run_binary("config", "check", plain.config_path).refused(NO_LOOPBACK, "telltale.yaml:")


def test_so_does_the_flag(plain):
    args = ("serve", "-c", plain.config_path, "--control", f"0.0.0.0:{plain.control_port}")
    run_binary(*args).refused("--control", "0.0.0.0", NO_LOOPBACK)


def test_insecure_is_a_way_out(plain):
    control(plain, address="0.0.0.0", insecure=True)
    plain.start()
    assert plain.control_get("/readyz").status == 200
    run_binary("config", "check", plain.config_path).ok()


def test_tls_is_the_other(plain, pairs):
    pairs[0].install(plain)
    control(plain, address="0.0.0.0", tls=TLS)
    plain.tls = pairs[0].trusted()
    plain.start()
    assert plain.control_get("/readyz").status == 200


def test_from_another_machine(workshop, pairs):
    """A caller that is not on loopback, in the daemon's network namespace."""
    space = workshop.namespace(network=True)
    space.run("ip", "address", "add", "192.0.2.7/24", "dev", "lo")
    made = workshop.daemon(
        {"instances": []}, start=False, prefix=space.prefix, make_socket=space.socket
    )
    pairs[0].install(made)
    control(made, address="192.0.2.7", tls=TLS)
    made.tls = pairs[0].trusted()
    made.tls.check_hostname = False
    made.control = lambda: wire.Client("192.0.2.7", made.control_port, None, space.socket, made.tls)
    made.start()
    assert made.control_get("/readyz").status == 200


# --- pairs that are no pairs ----------------------------------------------------------------------

BAD = {
    "no certificate": ("server.pem", None, r"certificateFile: .*server\.pem: No such file"),
    "no key": ("server.key", None, r"keyFile: .*server\.key: No such file"),
    "garbage for a certificate": ("server.pem", "x", r"certificateFile: .*no certificate in PEM"),
    "garbage for a key": ("server.key", "x", r"keyFile: .*no private key in PEM"),
    "another's key": ("server.key", "second", r"keyFile: .*not the private key of the certif"),
    "an unreadable key": ("server.key", "unreadable", r"keyFile: .*(Permission denied|regular)"),
}


def spoil(service, pairs, what):
    name, content, message = BAD[what]
    path = service.directory / name
    if content is None:
        path.unlink()
    elif content == "second":
        pairs[1].install(service, certificate=False)
    elif content == "unreadable":
        path.unlink()
        path.mkdir()  # root may read any file
    else:
        path.write_text(content)
    return message


@pytest.mark.parametrize("what", BAD)
def test_a_bad_pair_at_the_start(plain, pairs, what):
    pairs[0].install(plain)
    control(plain, tls=TLS)
    message = spoil(plain, pairs, what)
    plain.allow_errors("control.tls")
    code, log = plain.fails_to_start()
    assert code == 1
    (line,) = error_lines(log)
    assert re.search(r"telltale\.yaml:\d+:\d+: control\.tls\." + message, line), line
    checked = run_binary("config", "check", plain.config_path).refused("telltale.yaml:")
    assert re.search(message, checked.err)


@pytest.mark.parametrize("what", BAD)
def test_a_bad_pair_at_a_reload_changes_nothing(service, pairs, what):
    message = spoil(service, pairs, what)
    service.allow_errors("reload failed")
    config = {**service.config, "logLevel": "debug"}
    service.write_config(config)
    log = service.reload(lambda: "reload failed" in service.log())
    assert re.search(message, log), log
    assert serial_seen(service) == der(pairs[0])
    assert service.control_get("/readyz").status == 200
    shown = json.loads(service.cli("config", "show", "--json").ok().out)
    assert {"info"} == {one["value"] for one in shown["settings"] if one["name"] == "logLevel"}


@pytest.mark.parametrize("one", ["certificateFile", "keyFile"])
def test_one_without_the_other(plain, one):
    control(plain, tls={one: "server.pem"})
    run_binary("config", "check", plain.config_path).refused("telltale.yaml:", one, "needs")


def test_a_key_that_others_may_read_is_told(plain, pairs):
    pairs[0].install(plain)
    (plain.directory / "server.key").chmod(0o644)
    control(plain, tls=TLS)
    plain.tls = pairs[0].trusted()
    plain.start()
    assert re.search(r'level=warn .*msg="others may read the private key" path=\S*server\.key', plain.log())


def test_no_key_is_shown(service, pairs):
    shown = service.cli("config", "show", "--json").ok().out
    rows = {one["name"]: one["value"] for one in json.loads(shown)["settings"]}
    assert rows["control.tls.keyFile"] == str(service.directory / "server.key")
    secret = pairs[0].key.read_text().splitlines()[1]
    assert secret not in shown and secret not in service.log()


# --- SIGHUP ---------------------------------------------------------------------------------------


def test_a_new_certificate_is_for_new_connections(service, pairs):
    with service.control().connect() as kept:
        assert kept.get("/readyz").status == 200
        pairs[1].install(service)
        service.process.send_signal(signal.SIGHUP)
        wire.wait_until(lambda: serial_seen(service) == der(pairs[1]), "the new certificate")
        assert kept.get("/readyz").status == 200
        assert kept.sock.getpeercert(binary_form=True) == der(pairs[0])
    with pytest.raises(ssl.SSLCertVerificationError):
        service.control().connect()
    service.tls = pairs[1].trusted()
    assert service.control_get("/readyz").status == 200


def test_many_exchanges_under_load(service, pairs):
    """Each connection gets the one or the other, whole; a kept one notices nothing."""
    with service.control().connect() as kept:
        for number in range(20):
            pairs[number % 2].install(service)
            service.process.send_signal(signal.SIGHUP)
            assert serial_seen(service) in (der(pairs[0]), der(pairs[1]))
            assert kept.get("/readyz").status == 200
        # While both files are exchanged one after the other, a reload may meet halves of two.
        service.allow_errors("not the private key")
        wire.wait_until(lambda: serial_seen(service) == der(pairs[1]), "the last one")


def test_from_plain_to_tls_and_back(plain, pairs):
    plain.start()
    with plain.control().connect() as old:
        assert old.get("/readyz").status == 200
        pairs[0].install(plain)
        control(plain, tls=TLS)
        plain.reload(lambda: "msg=reloaded" in plain.log())
        plain.tls = pairs[0].trusted()
        wire.wait_until(plain.is_ready, "TLS")
        assert old.get("/readyz").status == 200
        plain.write_config({k: v for k, v in plain.config.items() if k != "control"})
        plain.process.send_signal(signal.SIGHUP)
        plain.tls = None
        wire.wait_until(plain.is_ready, "plain HTTP")
        assert old.get("/readyz").status == 200


def test_tls_cannot_be_taken_away_from_an_open_address(plain, pairs):
    """The address that is listened on is that of the start, whatever the file says now."""
    pairs[0].install(plain)
    control(plain, address="0.0.0.0", tls=TLS)
    plain.tls = pairs[0].trusted()
    plain.start()
    plain.allow_errors("reload failed")
    for address in ("127.0.0.1", "0.0.0.0"):
        mark = len(plain.log())
        plain.config["control"].pop("tls", None)
        control(plain, address=address)
        plain.reload(lambda mark=mark: "reload failed" in plain.log()[mark:])
        assert "0.0.0.0 " + NO_LOOPBACK in plain.log()[mark:]
        assert plain.control_get("/readyz").status == 200


# --- hostile callers ------------------------------------------------------------------------------


def test_plain_http_gets_nothing(service):
    for _ in range(3):
        with service.control().connect(tls=None) as conn:
            conn.send(b"GET /metrics HTTP/1.1\r\nHost: a\r\n\r\n")
            while conn._fill():
                pass
            assert b"HTTP" not in conn.buffer and len(conn.buffer) <= 7  # an alert at the most
    assert service.control_get("/readyz").status == 200
    assert len(re.findall("a TLS connection failed", service.log())) == 1  # not more than one a minute


@pytest.mark.parametrize("junk", [b"\x00" * 4000, os.urandom(100000), b"\x16\x03\x01\xff\xff" * 1000],
                         ids=["zeros", "random", "records"])  # fmt: skip
def test_garbage_is_cut_off(service, junk):
    with service.control().connect(tls=None) as conn:
        try:
            conn.send(junk)
        except OSError:
            pass
        while conn._fill():
            pass
    assert service.control_get("/readyz").status == 200


def hello():
    """A client's first words."""
    incoming, outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
    context = ssl.create_default_context()
    client = context.wrap_bio(incoming, outgoing, server_hostname="localhost")
    with pytest.raises(ssl.SSLWantReadError):
        client.do_handshake()
    return outgoing.read()


def test_slow_handshakes_are_cut_off(service):
    """Silent, dribbling, and stuck in the midst, all at the same time."""
    words = hello()
    start = time.monotonic()
    slow = {name: service.control().connect(tls=None) for name in ("silent", "dribble", "stuck")}
    slow["stuck"].send(words)
    ended, sent = {}, 0
    while len(ended) < len(slow):
        assert time.monotonic() - start < HEADER_TIMEOUT_S + 20
        for name, conn in slow.items():
            if name in ended:
                continue
            try:
                if name == "dribble":
                    conn.send(words[sent : sent + 1])
                    sent += 1
                conn.sock.settimeout(0.1)
                while conn.sock.recv(65536):
                    pass
                ended[name] = time.monotonic() - start
            except TimeoutError:
                pass
            except OSError:
                ended[name] = time.monotonic() - start
    for name, conn in slow.items():
        conn.close()
        assert ended[name] > HEADER_TIMEOUT_S - 1, (name, ended)
    assert service.control_get("/readyz").status == 200


def test_many_connections_up_to_the_cap_and_one_more(service):
    many = [service.control().connect() for _ in range(CONNECTIONS_MAX)]
    try:
        for conn in many[::16]:
            assert conn.get("/readyz").status == 200
        with pytest.raises(OSError):
            service.control().connect()
        for conn in many:
            assert conn.get("/healthz").status == 200
        service.cli("instance", "list").ok()  # the operator's socket has room of its own
    finally:
        for conn in many:
            conn.close()
    wire.wait_until(service.is_ready, "room again")


# --- size -----------------------------------------------------------------------------------------


def post(length, body=b""):
    return f"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: {length}\r\n\r\n".encode() + body


def test_large_bodies(service):
    start = b"Version=2016-11-15&Action="
    body = start + b"x" * (1024 * 1024 - len(start))
    with service.control().connect() as conn:
        reply = conn.exchange(post(len(body), body))
        assert reply.status == 403 and "MissingAuthenticationToken" in reply.text
        reply = conn.exchange(post(1024 * 1024 + 1))
        assert reply.status == 413 and reply.closes
        conn.expect_eof()


def test_a_large_reply_to_a_slow_reader(workshop, pairs):
    """Several times what the sockets take, while others are served."""
    instances = [samples.plain(f"i-{i}", f"10.0.{i // 250}.{i % 250 + 1}") for i in range(2500)]
    made = workshop.daemon({"instances": instances, "metrics": {"perInstance": True}}, start=False)
    pairs[0].install(made)
    control(made, tls=TLS)
    made.tls = pairs[0].trusted()
    made.start()
    with made.control().connect(rcvbuf=4096) as slow:
        for _ in range(8):
            slow.send(wire.request("GET", "/metrics"))
        for _ in range(5):
            assert made.control_get("/readyz").status == 200
        for _ in range(8):
            reply = slow.read_reply()
            assert reply.status == 200 and len(reply.body) > 500000
            assert reply.text.count('instance="i-2499"') >= 4


def test_it_stops_with_connections_open(service):
    conns = [service.control().connect() for _ in range(10)]
    half = service.control().connect(tls=None)
    half.send(hello())
    assert conns[0].get("/readyz").status == 200
    service.stop()
    for conn in [*conns, half]:
        while conn._fill():
            pass
        conn.close()
    with pytest.raises(OSError):
        socket.create_connection(("127.0.0.1", service.control_port), 1).close()
