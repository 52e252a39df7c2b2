#!/usr/bin/python3
"""Instructions per request, counted by callgrind: did the way of a request become longer?

usage: tests/bench/instructions.py [--accept] [--top N]

Fails when a kind of request takes 5 % more instructions than tests/bench/instructions.json says, in
all or in telltale's own code. With a good reason --accept writes a new baseline; the commit says the
reason. --top shows where the instructions go. Another compiler or library counts differently, so
without the baseline's nothing is compared, and that is said.
"""

import argparse
import collections
import json
import os
import pathlib
import platform
import shutil
import subprocess
import sys
import tempfile

ROOT = pathlib.Path(__file__).resolve().parents[2]
BASELINE = ROOT / "tests/bench/instructions.json"
BUILD = ROOT / "build/release"
PROGRAM = "tests/bench_instructions"
COUNT = 2048  # a multiple of the tokens for which randomness is drawn at once
TOLERATED = 0.05
KINDS = {
    "kept": "GET with a token, kept connection",
    "new": "GET with a token, new connection",
    "put": "PUT for a token, new connection",
}
# The plain code for every processor: valgrind knows few of the new ones' instructions, and which it
# knows depends on the machine.
ENVIRONMENT = {
    "OPENSSL_ia32cap": "0:0",
    "GLIBC_TUNABLES": "glibc.cpu.hwcaps=-AVX2,-AVX512F,-AVX512VL,-AVX512BW,-ERMS,-FSRM,-BMI2",
}


class Unavailable(Exception):
    """Counting is not possible here; its text says why."""


def count(kind, program):
    """Instructions per request by where they are: {(object, function): instructions}."""
    with tempfile.TemporaryDirectory(prefix="telltale-instructions-") as folder:
        out = pathlib.Path(folder) / "out"
        argv = ["valgrind", "--tool=callgrind", f"--callgrind-out-file={out}"]
        argv += ["--toggle-collect=http_worker_run", "--toggle-collect=play_client"]
        argv += ["--zero-before=begin_counting", "--compress-strings=no", "--compress-pos=no"]
        done = subprocess.run(
            [*argv, program, kind, str(COUNT)],
            env=os.environ | ENVIRONMENT,
            capture_output=True,
            text=True,
            check=False,
        )
        if done.returncode != 0:
            raise SystemExit(f"instructions: {kind} failed:\n{done.stderr}")
        return {where: cost / COUNT for where, cost in read_costs(out).items()}


def read_costs(path):
    """What each function did itself, from a file in callgrind's format."""
    costs = collections.Counter()
    where, inclusive = ["", ""], False
    for line in path.read_text(errors="replace").splitlines():
        if line.startswith("ob="):
            where[0] = pathlib.Path(line[3:]).name
        elif line.startswith("fn="):
            where[1] = line[3:]
        elif line.startswith("calls="):
            inclusive = True  # the next line is what the callee did
        elif line[:1].isdigit():
            if not inclusive:
                costs[tuple(where)] += int(line.split()[1])
            inclusive = False
    return costs


def by_object(costs):
    sums = collections.Counter()
    for (name, _), cost in costs.items():
        sums[object_of(name)] += cost
    return {"total": round(sum(sums.values()), 1)} | {
        name: round(sums[name], 1) for name in ("telltale", "libcrypto", "other")
    }


def object_of(name):
    if name == pathlib.Path(PROGRAM).name:
        return "telltale"
    return "libcrypto" if name.startswith("libcrypto") else "other"


def first_line(argv):
    done = subprocess.run(argv, capture_output=True, text=True, check=False)
    return (done.stdout.strip().splitlines() or ["unknown"])[0]


def environment():
    """What the count depends on, beside the code."""
    comment = first_line(["sh", "-c", f"readelf -p .comment {BUILD / PROGRAM} | grep -o 'G.*'"])
    return {
        "machine": platform.machine(),
        "compiler": comment,
        "libcrypto": first_line(["pkg-config", "--modversion", "libcrypto"]),
        "libc": " ".join(platform.libc_ver()),
        "valgrind": first_line(["valgrind", "--version"]),
    }


def measure(program=None):
    """All kinds: {kind: {"total": …, …}}, and the costs they come from."""
    if shutil.which("valgrind") is None:
        raise Unavailable("valgrind is not installed (Debian: valgrind)")
    if program is None:
        if not (BUILD / "build.ninja").exists():
            raise Unavailable("build/release is not there; script/setup makes it")
        subprocess.run(["ninja", "-C", BUILD, PROGRAM], stdout=subprocess.DEVNULL, check=True)
        program = BUILD / PROGRAM
    costs = {kind: count(kind, program) for kind in KINDS}
    return {kind: by_object(cost) for kind, cost in costs.items()}, costs


def comparable(here, baseline):
    """Which figures may be compared: the library's count only with the same libraries."""
    same = {key for key, value in here.items() if baseline["environment"].get(key) == value}
    if not {"machine", "compiler"} <= same:
        return ()
    return ("total", "telltale") if len(same) == len(here) else ("telltale",)


def show(counts, baseline):
    print(f"{'instructions per request':36}{'total':>9}{'telltale':>10}{'libcrypto':>11}{'other':>8}")
    for kind, title in KINDS.items():
        row = counts[kind]
        line = f"  {title:34}{row['total']:>9,.0f}{row['telltale']:>10,.0f}"
        line += f"{row['libcrypto']:>11,.0f}{row['other']:>8,.0f}"
        if baseline:
            was = baseline["requests"][kind]
            line += f"   baseline {was['total']:,.0f}, of it telltale {was['telltale']:,.0f}"
        print(line)


def compare(counts, baseline):
    """Those that have grown too much, as text; says so when nothing can be compared."""
    here = environment()
    figures = comparable(here, baseline)
    if len(figures) < 2:
        left = ", ".join(figures) or "nothing"
        print(f"instructions: SKIPPED but for {left}: the baseline is of {baseline['environment']},")
        print(f"instructions: and here is {here}")
    faults = []
    for kind, title in KINDS.items():
        for figure in figures:
            is_now, was = counts[kind][figure], baseline["requests"][kind][figure]
            if is_now > was * (1 + TOLERATED):
                faults.append(f"{title}: {figure} {is_now:,.0f}, {is_now / was - 1:+.1%}")
    return faults


def show_top(costs, most):
    for kind, title in KINDS.items():
        print(f"\n{title}")
        for (name, function), cost in costs[kind].most_common(most):
            print(f"  {cost:9,.1f}  {object_of(name):10} {function}")


def main():
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--accept", action="store_true", help="write a new baseline")
    parser.add_argument("--top", type=int, default=0, metavar="N", help="the N costliest functions")
    options = parser.parse_args()
    try:
        counts, costs = measure()
    except Unavailable as why:
        print(f"instructions: SKIPPED: {why}")
        return 0
    baseline = json.loads(BASELINE.read_text()) if BASELINE.exists() else None
    show(counts, baseline)
    if options.top:
        show_top({kind: collections.Counter(cost) for kind, cost in costs.items()}, options.top)
    if options.accept:
        new = {"environment": environment(), "requests": counts}
        BASELINE.write_text(json.dumps(new, indent=1) + "\n")
        print(f"written: {BASELINE.relative_to(ROOT)}; the commit says why")
        return 0
    faults = compare(counts, baseline) if baseline else ["there is no baseline"]
    for fault in faults:
        print(f"instructions: FAILED: {fault}")
    return 1 if faults else 0


if __name__ == "__main__":
    sys.exit(main())
