"""The guides' examples, run as they stand there.

A block "```yaml NAME" is a file of that name. In a block "```console" lines that begin with "$ " are
commands, the lines below one are what it prints: "…" stands for anything, a line "…" for any lines,
and "[1]" at the end for the exit code. A command that ends in "&" is a daemon, which is waited for.
Each guide runs in a network namespace of its own, so its ports are free.
"""
import json
import os
import pathlib
import re
import shutil
import subprocess
import sys

import pytest

ROOT = pathlib.Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "tests/integration"))
import postgres  # noqa: E402
BINARY = pathlib.Path(os.environ.get("TELLTALE_BIN", ROOT / "build/release/telltale")).resolve()
GUIDES = ["developer.md", "fleet.md", "guests.md", "operator.md", "security.md"]
BLOCK = re.compile(r"^```(yaml|console) *(\S*)\n(.*?)^```$", re.M | re.S)
MARK = "=== telltale example"
READY_S = 20


def blocks(guide):
    return BLOCK.findall((ROOT / "docs" / guide).read_text())


def commands(text):
    """(command, what it prints) of one console block."""
    found = []
    for line in text.splitlines():
        if line.startswith("$ "):
            found.append((line[2:], []))
        else:
            found[-1][1].append(line)
    return found


def script_of(examples, database=None):
    # Root in the namespace alone, and of the machine's folders only copies: nothing is left behind.
    lines = ["set -m", "exec 2>&1", "ip link set lo up", "mount -t tmpfs none /run", "mount -t tmpfs none /var/lib"]
    if database:  # at the usual place of its socket
        lines += ["mkdir /run/postgresql", f"mount --bind {database.root} /run/postgresql"]
    for number, (command, _) in enumerate(examples):
        lines.append(f"echo; echo '{MARK} {number}'")
        if command.endswith("&"):
            lines.append(f": >err.{number}")  # there before somebody looks into it
            lines.append(f"{command[:-1]} >out.{number} 2>err.{number} &")
            lines.append(f"for i in $(seq {READY_S * 10}); do grep -q msg=ready err.{number} && break; sleep 0.1; done")
            lines.append(f"sleep 0.2; cat out.{number}")
        else:
            lines.append(command)
            lines.append(f"code=$?; echo; echo '{MARK} code' $code")
    lines.append("kill $(jobs -p); wait")
    return "\n".join(lines)


def pattern_of(expected):
    parts = []
    for line in expected:
        if line == "…":
            parts.append(r"(?:.*\n)*?")
        else:
            parts.append(".*".join(re.escape(piece) for piece in line.split("…")).replace(r"\ ", " +") + r" *\n")
    return re.compile("".join(parts) + r"\s*\Z")


def run(directory, examples, database=None):
    environment = {
        "PATH": f"{BINARY.parent}:{os.environ['PATH']}", "HOME": str(directory), "LC_ALL": "C.UTF-8",
        "ASAN_OPTIONS": os.environ.get("ASAN_OPTIONS", ""),
    }
    done = subprocess.run(
        ["unshare", "--user", "--map-root-user", "--net", "--mount", "bash", "-c", script_of(examples, database)],
        cwd=directory, env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
        timeout=180, check=False)
    # The shell tells of a daemon's end whenever it comes.
    return re.sub(r"^\[\d+\][+-]? +(Done|Exit|Terminated).*\n", "", done.stdout, flags=re.M)


def sections(output):
    """{number: (text, exit code)}"""
    found = {}
    for piece in output.split(f"\n{MARK} ")[1:]:
        head, _, text = piece.partition("\n")
        if head.startswith("code"):
            last = max(found)
            found[last] = (found[last][0], int(head.split()[1]))
        else:
            found[int(head)] = (text, 0)
    return found


@pytest.fixture
def database(guide):
    """What fleet.md takes for granted."""
    if guide != "fleet.md":
        yield None
        return
    postgres.require()
    server = postgres.Postgres()
    try:
        server.psql("create database telltale owner telltale")
        (server.root / ".s.PGSQL.5432").symlink_to(f".s.PGSQL.{server.port}")
        server.root.chmod(0o755)
        yield server
    finally:
        server.close()


@pytest.mark.skipif(not shutil.which("unshare"), reason="no unshare: no network namespace for the examples")
@pytest.mark.parametrize("guide", GUIDES)
def test_the_examples_do_what_the_guide_says(guide, tmp_path, database):
    examples = []
    for kind, name, text in blocks(guide):
        if kind == "yaml":
            path = tmp_path / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text)
        else:
            examples += commands(text)
    assert len(examples) > 5, "the guide has lost its examples"
    output = run(tmp_path, examples, database)
    results = sections(output)
    for number, (command, expected) in enumerate(examples):
        text, code = results[number]
        wanted = int(expected.pop()[1:-1]) if expected and re.fullmatch(r"\[\d+\]", expected[-1]) else 0
        assert code == wanted, f"{command}\n{text}"
        assert pattern_of(expected).match(text.lstrip("\n").rstrip() + "\n"), f"{command}\nprinted:\n{text}\n{output[-3000:]}"


def test_the_readme_shows_what_the_server_prints(tmp_path):
    readme = (ROOT / "README.md").read_text()
    shown = readme.split("The first one prints\n\n")[1].split("\nand the second")[0]
    shown = re.sub(r"^    ", "", shown, flags=re.M).strip()
    examples = [(f"build/release/telltale serve &", []), ("kill %1", [])]
    (tmp_path / "build/release").mkdir(parents=True)
    (tmp_path / "build/release/telltale").symlink_to(BINARY)
    printed = sections(run(tmp_path, examples))[0][0].strip()
    printed = re.sub(r"(AWS_ACCESS_KEY_ID=AKIA)[A-Z2-7]{16}$", r"\1…", printed, flags=re.M)
    printed = re.sub(r"(AWS_SECRET_ACCESS_KEY=)[A-Za-z0-9+/]{40}$", r"\1…", printed, flags=re.M)
    printed = re.sub(r"^(Changes are kept in )/\S+(/telltale\.db)", r"\1…\2", printed, flags=re.M)
    assert printed == shown


def test_the_performance_page_has_the_baselines_instructions():
    text = (ROOT / "docs/performance.md").read_text()
    shown = re.findall(r"^\| (?:GET|PUT) .*? \| ([\d,]+) \| ([\d,]+) \| ([\d,]+) \|$", text, re.M)
    baseline = json.loads((ROOT / "tests/bench/instructions.json").read_text())["requests"]
    parts = [[baseline[kind][part] for part in ("total", "telltale", "libcrypto")] for kind in ("kept", "new", "put")]
    assert [[int(number.replace(",", "")) for number in row] for row in shown] == [
        [round(number) for number in row] for row in parts
    ]
    assert f"see below | {'; '.join(row[0] for row in shown)} |" in text


def test_the_architecture_names_files_that_there_are():
    text = (ROOT / "docs/architecture.md").read_text()
    named = set(re.findall(r"`([a-z0-9_/]+\.[ch])`", text))
    there = [str(path.relative_to(ROOT / "src")) for path in (ROOT / "src").rglob("*.[ch]")]
    there += [str(path.relative_to(ROOT)) for path in (ROOT / "tests").rglob("*.[ch]")]
    assert len(named) > 50
    assert [name for name in sorted(named) if not any(f"/{path}".endswith(f"/{name}") for path in there)] == []
    # A back end is found by its table.
    assert {path.name for path in (ROOT / "src/store").glob("*.c")} <= {name.rpartition("/")[2] for name in named}
