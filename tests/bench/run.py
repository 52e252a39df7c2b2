#!/usr/bin/python3
"""The bench: telltale beside others in one run, and its own limits. See script/bench --help."""

import argparse
import datetime
import json
import os
import pathlib
import platform
import shutil
import signal
import subprocess
import sys
import tempfile

import parts
import report
import works
from processes import BenchError, cores, raise_descriptor_limit
from servers import Bench, find

ROOT = pathlib.Path(__file__).resolve().parents[2]
BUILD = ROOT / "build/bench"
OWN_PARTS = {
    "idle": parts.idle,
    "many": parts.many,
    "change": parts.change,
    "start": parts.start,
}
EVERYTHING = [*(work.key for work in works.WORKS), *OWN_PARTS]
OTHERS = ("bare", "nginx", "nginx-reuseport", "h2o")

DESCRIPTION = """\
Measures telltale beside nginx, a bare epoll loop and, if installed, h2o: all in one run, in
interleaved rounds, the server on one core and the load on another. Prints a table and writes
build/bench/result.json and build/bench/result.svg. Nothing is asserted."""

EPILOG = f"""\
parts: {' '.join(EVERYTHING)}

Figures of two runs, let alone two machines, are not comparable: clocks, neighbours and kernels
differ by more than what is looked for. There is no option to compare with an earlier run; to judge
a change, build both and name the second with TELLTALE_BIN within the same hour, and look only at
their ratios to the bare loop.
"""


class Refuse(argparse.Action):
    """Says why there is no comparing, to those who look for it."""

    def __call__(self, parser, namespace, values, option_string=None):
        parser.error(
            f"{option_string}: figures of different runs are not comparable; only ratios between "
            "servers measured in the same run are"
        )


def parse_arguments():
    parser = argparse.ArgumentParser(
        prog="script/bench",
        description=DESCRIPTION,
        epilog=EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    names = parser.add_argument
    names("parts", nargs="*", metavar="PART", help="measure only these")
    names("--rounds", type=int, default=7, help="interleaved rounds (7)")
    names("--seconds", type=float, default=1.0, help="length of a round (1)")
    names("--quick", action="store_true", help="a smoke test: short, few, meaningless figures")
    names("--skip", action="append", default=[], choices=["telltale", *OTHERS], metavar="SERVER",
          help="leave this server out (may be given again): telltale, " + ", ".join(OTHERS))
    names("--idle", type=int, default=10_000, help="idle connections (10,000)")
    names("--instances", type=int, default=parts.MANY, help="many instances (100,000)")
    names("--compare", "--baseline", action=Refuse, nargs="?", help=argparse.SUPPRESS)
    options = parser.parse_args()
    unknown = [part for part in options.parts if part not in EVERYTHING]
    if unknown:
        parser.error(f"no such part: {unknown[0]} (there are {', '.join(EVERYTHING)})")
    if options.rounds < 1 or not 0 < options.seconds <= 60:
        parser.error("at least one round, of at most a minute")
    if options.quick:
        options.rounds, options.seconds = 2, 0.2
        options.instances, options.idle = min(options.instances, 2000), min(options.idle, 500)
    options.parts = options.parts or EVERYTHING
    return options


def say(text):
    """Progress, for whoever watches."""
    if sys.stderr.isatty():
        print(f"\r\033[K{text}", end="", file=sys.stderr, flush=True)


def version(argv):
    done = subprocess.run(argv, capture_output=True, text=True, check=False)
    return ((done.stdout or done.stderr).strip().splitlines() or ["unknown"])[0]


def cpu_name():
    for line in pathlib.Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines():
        if line.startswith("model name"):
            return line.partition(":")[2].strip()
    return platform.machine()


def machine(bench, options):
    versions = {}
    if bench.telltale is not None:
        versions["telltale"] = version([bench.telltale, "--version"])
    for name, flag in (("nginx", "-v"), ("h2o", "--version")):
        if find(name) and name not in options.skip:
            versions[name] = version([find(name), flag])
    return {
        "cpu": cpu_name(),
        "cores": os.cpu_count(),
        "kernel": platform.release(),
        "server_core": bench.server_core,
        "load_core": bench.load_core,
        "descriptors": bench.descriptors,
        "versions": versions,
    }


def measure_works(bench, options, result):
    wanted = [work for work in works.WORKS if work.key in options.parts]
    if not wanted:
        return
    servers, result["missing"] = works.start_servers(bench, options.skip)
    if "telltale" in result["missing"]:
        result["failed"]["telltale"] = result["missing"].pop("telltale")
    try:
        for work in wanted:
            try:
                done = works.run_work(bench, work, servers, options.rounds, options.seconds, say)
                result["works"].append(done | {"rounds": options.rounds})
            except BenchError as error:
                result["failed"][work.key] = str(error)
    finally:
        works.stop_servers(servers)


def measure_parts(bench, options, result):
    for name, part in OWN_PARTS.items():
        if name in options.parts and (bench.telltale is not None or name == "idle"):
            try:
                result["parts"][name] = part(bench, options, say)
            except BenchError as error:
                result["failed"][name] = str(error)


def write(result):
    (BUILD / "result.json").write_text(json.dumps(result, indent=1) + "\n", encoding="utf-8")
    (BUILD / "result.svg").write_text(report.svg(result), encoding="utf-8")


def run(options, scratch):
    telltale = None
    if "telltale" not in options.skip:
        telltale = pathlib.Path(os.environ.get("TELLTALE_BIN", ROOT / "build/release/telltale"))
        telltale = telltale.resolve()
        if not os.access(telltale, os.X_OK):
            raise BenchError(f"{telltale} is not there; script/setup builds it")
    descriptors = raise_descriptor_limit()
    server_core, load_core = cores()
    os.sched_setaffinity(0, {load_core})
    bench = Bench(BUILD, scratch, telltale, server_core, load_core, descriptors)
    result = {
        "date": datetime.datetime.now().astimezone().isoformat(timespec="seconds"),
        "comparable_with_other_runs": False,
        "machine": machine(bench, options),
        "options": {"rounds": options.rounds, "seconds": options.seconds, "quick": options.quick},
        "missing": {},
        "works": [],
        "parts": {},
        "failed": {},
    }
    measure_works(bench, options, result)
    measure_parts(bench, options, result)
    say("")
    return result


def main():
    options = parse_arguments()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    scratch = tempfile.mkdtemp(prefix="telltale-bench-")
    os.chmod(scratch, 0o755)  # nginx's and h2o's workers may be somebody else
    try:
        result = run(options, scratch)
    except BenchError as error:
        print(f"script/bench: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        return 130
    finally:
        shutil.rmtree(scratch, ignore_errors=True)
    write(result)
    print("\n".join(report.lines(result)))
    print(f"\nwritten: {BUILD}/result.json, {BUILD}/result.svg")
    if options.quick:
        print("a quick run checks the bench, not the servers: its figures mean nothing")
    return 1 if result["failed"] else 0


if __name__ == "__main__":
    sys.exit(main())
