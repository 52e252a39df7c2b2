"""Minting and checking tokens, counted in nanoseconds and in system calls."""

import json
import pathlib
import re
import shutil
import subprocess
import tempfile

from generator import stat
from processes import BenchError, pinned

BATCHES = 201
CALLS = 100_000


def token(bench, options, say):
    """Nanoseconds a call on the server's core, and system calls in many of them."""
    program = bench.program("bench_token")
    say("token: minting and checking")
    with pinned(bench.server_core):
        rounds = [timed(program) for _ in range(options.rounds)]
    out = {
        key: stat(value for result in rounds for value in result[key])
        for key in ("mint_ns", "check_ns", "known_ns")
    }
    say("token: counting system calls")
    out["calls"] = CALLS
    if shutil.which("strace") is None:
        return out | {"missing": "system calls were not counted: strace is not installed"}
    none = system_calls(program, "mint", 0)
    for kind in ("mint", "check"):
        many = system_calls(program, kind, CALLS)
        out[f"{kind}_system_calls"] = more = {
            name: n - none.get(name, 0) for name, n in many.items() if n != none.get(name, 0)
        }
        out[f"{kind}_calls_each"] = sum(more.values()) / CALLS
    return out


def timed(program):
    return json.loads(run([program, "time", BATCHES]))


def run(argv):
    argv = [str(word) for word in argv]
    done = subprocess.run(argv, capture_output=True, text=True, check=False, timeout=120)
    if done.returncode != 0:
        raise BenchError(f"{pathlib.Path(argv[0]).name} failed: {done.stderr.strip()[-200:]}")
    return done.stdout


def system_calls(program, kind, n):
    """How many of each kind, from start to end."""
    with tempfile.NamedTemporaryFile(mode="r", prefix="telltale-bench-") as out:
        run(["strace", "-f", "-c", "-o", out.name, program, kind, n])
        lines = out.read().splitlines()
    rows = (re.match(r"\s*[\d.]+\s+[\d.]+\s+\d*\s+(\d+)\s+(?:\d+\s+)?(\w+)$", line) for line in lines)
    return {row[2]: int(row[1]) for row in rows if row and row[2] != "total"}
