"""Replays the conversations of tests/vectors/http1-replay byte for byte."""

import re

import pytest

import samples
import wire
from daemon import ROOT

FOLDER = ROOT / "tests" / "vectors" / "http1-replay"
VECTORS = sorted(FOLDER.glob("*.txt"))


@pytest.fixture(scope="module")
def service(module_workshop):
    one = samples.full(metadataOptions=samples.options(httpTokens="required"))
    return module_workshop.daemon({"instances": [one]})


def parse(path):
    """[("connection",), ("request", status, template), ("save", name), …]"""
    steps = []
    for number, line in enumerate(path.read_text("ascii").splitlines(), 1):
        where = f"{path.name}:{number}"
        if line.startswith("#"):
            continue
        if line == "-- connection":
            steps.append(("connection",))
        elif match := re.fullmatch(r"-- request (\d{3})", line):
            steps.append(("request", int(match.group(1)), []))
        elif match := re.fullmatch(r"-- save ([A-Z]+)", line):
            steps.append(("save", match.group(1)))
        else:
            assert steps and steps[-1][0] == "request", f"{where}: bytes outside a request"
            steps[-1][2].append(line)
    assert steps and steps[0] == ("connection",), path.name
    return steps


def encode(lines, names):
    text = "".join(lines)
    text = re.sub(r"\$\{([A-Z]+)\}", lambda m: names[m.group(1)], text)

    def escape(match):
        return {"\\r": "\r", "\\n": "\n"}.get(match.group(0)) or chr(int(match.group(0)[2:], 16))

    return re.sub(r"\\r|\\n|\\x[0-9a-f]{2}", escape, text).encode("latin-1")


def whole(conn, data):
    conn.send(data)


def byte_by_byte(conn, data):
    for at in range(len(data)):
        conn.send(data[at : at + 1])


def cut_at(position):
    def cut(conn, data):
        conn.send(data[:position])
        if position < len(data):
            conn.send(data[position:])

    return cut


def replay(service, path, send):
    """Play one file; returns the length of its longest request."""
    names = {"HOST": f"127.0.0.1:{service.port}"}
    caller = service.client()
    conn, reply, longest = None, None, 0
    try:
        for step in parse(path):
            if step[0] == "connection":
                if conn is not None:
                    conn.expect_open()
                    conn.close()
                conn = caller.connect()
            elif step[0] == "save":
                names[step[1]] = reply.text
            else:
                data = encode(step[2], names)
                assert data.endswith(b"\r\n\r\n")
                longest = max(longest, len(data))
                send(conn, data)
                reply = conn.read_reply()
                assert reply.status == step[1], (data, reply)
                if data.startswith(b"PUT"):
                    assert wire.masked(reply) == wire.token_block()
                elif reply.status == 200:
                    assert wire.masked(reply) == wire.ok_block(len(reply.body), token=True)
                else:
                    assert wire.masked(reply) == wire.empty_block("401 Unauthorized")
        conn.expect_open()
    finally:
        if conn is not None:
            conn.close()
    return longest


def test_there_are_vectors_for_both_powershells():
    names = " ".join(path.name for path in VECTORS)
    assert "windows-powershell-5.1" in names and "powershell-7" in names
    described = (FOLDER / "README.md").read_text()
    for path in VECTORS:
        assert f"`{path.name}`" in described, f"README.md does not say what {path.name} is"


@pytest.mark.parametrize("path", VECTORS, ids=lambda path: path.stem)
def test_replayed_whole(service, path):
    replay(service, path, whole)


@pytest.mark.parametrize("path", VECTORS, ids=lambda path: path.stem)
def test_replayed_byte_by_byte(service, path):
    replay(service, path, byte_by_byte)


@pytest.mark.parametrize("path", VECTORS, ids=lambda path: path.stem)
def test_replayed_cut_in_two_at_every_position(service, path):
    longest = replay(service, path, whole)
    for position in range(1, longest):
        replay(service, path, cut_at(position))


@pytest.mark.parametrize("path", VECTORS, ids=lambda path: path.stem)
def test_the_replays_count_as_version_2(service, path):
    before = service.metrics().sum("telltale_metadata_no_token_total")
    replay(service, path, whole)
    assert service.metrics().sum("telltale_metadata_no_token_total") == before
