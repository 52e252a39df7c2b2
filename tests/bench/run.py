#!/usr/bin/python3
"""The bench: telltale beside others in one run, and its own limits. See script/bench --help."""

import argparse
import datetime
import json
import os
import pathlib
import platform
import resource
import shutil
import signal
import subprocess
import sys
import tempfile
import time

import change
import chart
import goals
import growth
import instructions
import parts
import report
import scaling
import storm
import tokens
import works
from generator import busy_ns
from processes import BenchError, Others, cores, raise_descriptor_limit
from servers import Bench, find

ROOT = pathlib.Path(__file__).resolve().parents[2]
BUILD = ROOT / "build/bench"
OTHERS = ("bare", "nginx", "h2o")


class Missing(Exception):
    """A part that can't be measured here, which is no fault of anybody's."""


def count_instructions(bench, _, say):
    say("instructions: three kinds under callgrind")
    try:
        return instructions.measure(bench.program("bench_instructions"))[0]
    except instructions.Unavailable as why:
        raise Missing(str(why)) from why


# Rows of the table, beside the works: what it is, and what measures it.
OWN_PARTS = {
    "token": ("minting and checking a token: time, system calls", tokens.token),
    "instructions": ("instructions per request, counted by callgrind", count_instructions),
    "scaling": ("two workers on two cores", scaling.scaling),
    "idle": ("memory of 10,000 idle connections", parts.idle),
    "many": ("100,000 instances: loading, memory, throughput", parts.many),
    "change": ("one option's change among 10 to 1,000,000 instances", change.change),
    "storm": ("1,000 guests boot at once", storm.storm),
    "start": ("start to ready, memory and size of a small daemon", parts.start),
    "growth": ("cost by instances, connections, header fields, path depth", growth.growth),
}
EVERYTHING = [*(work.key for work in works.WORKS), *OWN_PARTS]

DESCRIPTION = """\
Measures telltale beside nginx, h2o and a bare epoll loop: all in one run, in interleaved rounds,
the server on one core and the load on another. Prints a table and writes build/bench/result.json
and build/bench/result.svg. With no arguments it takes about five minutes."""

EPILOG = f"""\
rows: {' '.join(EVERYTHING)}

Figures of two runs, let alone two machines, are not comparable: clocks, neighbours and kernels
differ by more than what is looked for. There is no option to compare with an earlier run; to judge
a change, build both and name the second with TELLTALE_BIN within the same hour, and look only at
their ratios to the bare loop.
"""


class ListRows(argparse.Action):
    """Shows what can be measured, and ends."""

    def __init__(self, *args, **kwargs):
        super().__init__(*args, nargs=0, **kwargs)

    def __call__(self, parser, namespace, values, option_string=None):
        for work in works.WORKS:
            print(f"{work.key:14}{work.title}")
        for name, (title, _) in OWN_PARTS.items():
            print(f"{name:14}{title}")
        parser.exit()


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
    names("parts", nargs="*", metavar="ROW", help="measure only these")
    names("--list", action=ListRows, help="say what rows there are, and end")
    names("--rounds", type=int, default=5, help="interleaved rounds (5)")
    names("--seconds", type=float, default=0.5, help="length of a round (0.5)")
    names("--quick", action="store_true", help="a smoke test: short, few, meaningless figures")
    names("--skip", action="append", default=[], choices=["telltale", *OTHERS], metavar="SERVER",
          help="leave this server out (may be given again): telltale, " + ", ".join(OTHERS))
    names("--idle", type=int, default=10_000, help="idle connections (10,000)")
    names("--instances", type=int, default=parts.MANY, help="many instances (100,000)")
    names("--guests", type=int, default=1000, help="of the boot storm (1,000)")
    names("--change-most", type=int, default=1_000_000, metavar="N",
          help="the largest number of instances to change one among (1,000,000)")
    names("--check", action="store_true", help="fail when a goal that is a ratio is missed")
    names("--compare", "--baseline", action=Refuse, nargs="?", help=argparse.SUPPRESS)
    options = parser.parse_args()
    unknown = [part for part in options.parts if part not in EVERYTHING]
    if unknown:
        parser.error(f"no such row: {unknown[0]} (there are {', '.join(EVERYTHING)})")
    if options.rounds < 1 or not 0 < options.seconds <= 60:
        parser.error("at least one round, of at most a minute")
    if options.quick:
        options.rounds, options.seconds = 2, 0.2
        options.instances, options.idle = min(options.instances, 2000), min(options.idle, 500)
        options.guests, options.change_most = 50, 1000
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


def measure_works(bench, options, result, others):
    wanted = [work for work in works.WORKS if work.key in options.parts]
    if not wanted:
        return
    servers, result["missing"] = works.start_servers(bench, options.skip)
    if "telltale" in result["missing"]:
        result["failed"]["telltale"] = result["missing"].pop("telltale")
    try:
        for work in wanted:
            begin_s = time.monotonic()
            try:
                done = works.run_work(bench, work, servers, options.rounds, options.seconds, say)
                result["works"].append(done)
            except BenchError as error:
                result["failed"][work.key] = str(error)
            result["took_s"][work.key] = time.monotonic() - begin_s
            others.look()
    finally:
        works.stop_servers(servers)


def measure_parts(bench, options, result, others):
    for name, (_, part) in OWN_PARTS.items():
        if name in options.parts and (bench.telltale is not None or name == "idle"):
            begin_s = time.monotonic()
            try:
                result["parts"][name] = part(bench, options, say)
            except Missing as why:
                result["missing_parts"][name] = str(why)
            except BenchError as error:
                result["failed"][name] = str(error)
            result["took_s"][name] = time.monotonic() - begin_s
            others.look()


def own_cpu_ns():
    """What we and everybody we started have used, once these have ended."""
    both = (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)
    used = [resource.getrusage(who) for who in both]
    return sum(u.ru_utime + u.ru_stime for u in used) * 1e9


def who_else(result, others, before):
    """Whether the machine was quiet: nobody else to speak of, nothing taken by the host."""
    busy, stolen = (now - then for now, then in zip(busy_ns(range(os.cpu_count())), before))
    wall_ns = (time.monotonic() - others.begin_s) * 1e9
    shares = [p for p in (*result["works"], *result["parts"].values()) if "foreign_share" in p]
    all_others = max(0.0, busy - own_cpu_ns()) / wall_ns
    return {
        "used": others.report(),
        "share": all_others,
        "stolen_share": stolen / wall_ns,
        "quiet": all(report.is_quiet(part) for part in shares)
        and all_others <= report.QUIET_OTHERS,
    }


def write(result):
    (BUILD / "result.json").write_text(json.dumps(result, indent=1) + "\n", encoding="utf-8")
    (BUILD / "result.svg").write_text(chart.svg(result), encoding="utf-8")


def run(options, scratch):
    telltale = None
    if "telltale" not in options.skip:
        telltale = pathlib.Path(os.environ.get("TELLTALE_BIN", ROOT / "build/release/telltale"))
        telltale = telltale.resolve()
        if not os.access(telltale, os.X_OK):
            raise BenchError(f"{telltale} is not there; script/setup builds it")
    descriptors = raise_descriptor_limit()
    all_cores = cores()
    os.sched_setaffinity(0, {all_cores[1]})
    bench = Bench(BUILD, scratch, telltale, all_cores, descriptors)
    result = {
        "date": datetime.datetime.now().astimezone().isoformat(timespec="seconds"),
        "comparable_with_other_runs": False,
        "machine": machine(bench, options),
        "options": {"rounds": options.rounds, "seconds": options.seconds, "quick": options.quick},
        "missing": {},
        "missing_parts": {},
        "works": [],
        "parts": {},
        "failed": {},
        "took_s": {},
    }
    others, before = Others(), busy_ns(range(os.cpu_count()))
    measure_works(bench, options, result, others)
    measure_parts(bench, options, result, others)
    result["others"] = who_else(result, others, before)
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
    missed = goals.missed_ratios(result) if options.check else []
    for goal in missed:
        print(f"goal missed: {goal.row}, {goal.what}")
    if options.quick:
        print("a quick run checks the bench, not the servers: its figures mean nothing")
    return 1 if result["failed"] or missed else 0


if __name__ == "__main__":
    sys.exit(main())
