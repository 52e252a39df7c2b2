"""Parts about telltale itself: idle connections, many instances, starting."""

import functools
import shutil
import subprocess
import time

import works
from generator import Load, interleave, load_argv, measure, stat
from instances import FEW, address, from_file, name, write_instances
from processes import BenchError, control, get, timed
from servers import SAMPLE_TOKEN, token_for

MANY = 100_000
ASKED = 2_000
ASKED_BEFORE = 3  # times as many
PUT_AT_ONCE = 20_000  # what is put is checked against all that are there
SPREAD = 256  # instances that share the load in the throughput comparison
SETTLE_S = 0.5


# --- idle connections


def idle(bench, options, say):
    """What a connection costs that waits for its next request."""
    count = min(options.idle, bench.descriptors - 500)
    makers = {
        "telltale": bench.telltale_start,
        "bare": bench.bare,
        "nginx": lambda: bench.nginx("plain"),
    }
    rows, missing = {}, {}
    for label, make in makers.items():
        if label in options.skip:
            continue
        say(f"idle: {count} connections to {label}")
        try:
            with make() as server:
                rows[label] = idle_cost(bench, server, count)
        except BenchError as error:
            missing[label] = str(error)
    return {"connections": count, "servers": rows, "missing": missing}


def idle_cost(bench, server, count):
    token = ["--token", token_for(server)]
    measure(bench, server, ["--mode", "keep", "--connections", 32, "--count", 1000, *token])
    time.sleep(SETTLE_S)
    before = server.memory()
    arguments = ["--mode", "keep", "--connections", count, "--count", 0, *token]
    with Load(load_argv(bench, server, arguments), bench.load_core):
        time.sleep(SETTLE_S)
        after = server.memory()
    growth = {key: after[key] - before[key] for key in after}
    return {key: {"growth": grown, "each": grown / count} for key, grown in growth.items()}


# --- many instances


def many(bench, options, say):
    """100,000 instances: loading, memory, and whether a GET notices."""
    count, times = options.instances, 3
    file = write_instances(bench.directory("instances") / "many.yaml", count)
    few = write_instances(bench.directory("instances") / "few.yaml", FEW)
    out = {"instances": count, "file_bytes": file.stat().st_size}
    say(f"many: {FEW} instances")
    with bench.telltale_start(instances=from_file(few)) as server:
        time.sleep(SETTLE_S)
        base = server.memory()
    firsts, seconds = [], []
    for turn in range(times):
        directory = bench.directory("many")
        for loads in (firsts, seconds):
            say(f"many: start {turn + 1} of {times}")
            loads.append(timed_load(bench, directory, from_file(file), count))
    out["first_start"] = load_summary(firsts, base, count)
    out["second_start"] = load_summary(seconds, base, count)
    out["store"] = part_or_reason(store_only, bench, file, count, base, say)
    say("many: asking instances for the first time")
    with bench.telltale_start(directory, from_file(file)) as server:
        time.sleep(SETTLE_S)
        out["asked"] = asked_cost(bench, server, min(ASKED, count // (ASKED_BEFORE + 1)))
        out["throughput"] = throughput(bench, server, options, say)
    return out


def timed_load(bench, directory, instances, count):
    """One start with many instances: seconds and CPU seconds until ready, memory then."""
    with bench.telltale_launch(directory, instances) as server:
        ready_s = server.wait_ready(step_s=0.002)
        cpu_s = server.cpu_ns() / 1e9
        expect_instance(server, count - 1)
        time.sleep(SETTLE_S)
        return {"ready_s": ready_s, "cpu_s": cpu_s, "memory": server.memory()}


def load_summary(loads, base, count):
    """Times, and what an instance adds to the memory of a daemon that has only few."""
    memory = {
        kind: stat((load["memory"][kind] - base[kind]) / (count - FEW) for load in loads)
        for kind in base
    }
    return {key: stat(load[key] for load in loads) for key in ("ready_s", "cpu_s")} | {
        "memory": memory
    }


def part_or_reason(function, *arguments):
    try:
        return function(*arguments)
    except BenchError as error:
        return {"missing": str(error)}


def expect_instance(server, index):
    status, body = get(server.port, source=address(index))
    if status != 200 or not body.startswith(b"i-"):
        raise BenchError(f"{name(index)} was answered with {status}")


def store_only(bench, file, count, base, say):
    """Instances that no file names: put through the control socket once, then only in the store."""
    directory = bench.directory("store")
    say("many: putting instances into the store")
    lines = file.read_text(encoding="ascii").splitlines(keepends=True)
    with bench.telltale_start(directory, "instances: []\n"):
        put_s = timed(put_all, directory, lines)
    loads = []
    for turn in range(3):
        say(f"many: start {turn + 1} of 3 from the store alone")
        loads.append(timed_load(bench, directory, "instances: []\n", count))
    return {"put_s": put_s} | load_summary(loads, base, count)


def put_all(directory, lines):
    for first in range(0, len(lines), PUT_AT_ONCE):
        text = "".join(lines[first : first + PUT_AT_ONCE])
        control(directory / "control.sock", "PutInstances", text=text, file=str(directory / "put"))


def asked_cost(bench, server, count):
    """Each of some instances is asked once: the compiled tree stays.

    What loading left free is filled first, so others are asked before, and only the last count.
    """
    for first in range(0, ASKED_BEFORE * count + 1, count):
        before = server.memory()
        load = ["--mode", "new", "--count", count, "--sources", count, "--source", address(first)]
        measure(bench, server, load)
        time.sleep(SETTLE_S)
    after = server.memory()
    return {"instances": count} | {key: (after[key] - before[key]) / count for key in before}


def throughput(bench, server, options, say):
    """Whether a GET gets dearer: one instance among many, and many asking at once.

    The kernel itself takes longer for many addresses, so the bare loop is asked from them too.
    """
    keep = ["--mode", "keep", "--connections", SPREAD, "--seconds", options.seconds / 2]
    first = ["--source", address(0)]
    spread = [*first, "--sources", min(SPREAD, options.instances)]
    with bench.telltale_start() as alone, bench.bare() as bare:
        runs = {
            "alone": (alone, [*keep, "--mint"]),
            "among": (server, [*keep, "--mint", *first]),
            "spread": (server, [*keep, "--mint", *spread]),
            "bare": (bare, [*keep, "--token", SAMPLE_TOKEN, *first]),
            "bare-spread": (bare, [*keep, "--token", SAMPLE_TOKEN, *spread]),
        }
        measured = {
            label: functools.partial(measure, bench, *what) for label, what in runs.items()
        }
        results = interleave(measured, options.rounds, say, "many: throughput")
    out = {
        label: {key: stat(r[key] for r in rounds) for key in works.FIGURES}
        for label, rounds in results.items()
    }
    for label, base in (("among", "alone"), ("spread", "among"), ("bare-spread", "bare")):
        out[label]["ratio"] = works.ratios(results[label], results[base])
    return out


# --- starting


def start(bench, options, say):
    """Start to ready with ten instances and a store; what an idle daemon and the binary weigh."""
    directory = bench.directory("start")
    instances = from_file(write_instances(directory / "instances.yaml", FEW))
    bench.telltale_start(directory, instances).stop()
    ready = []
    for number in range(options.rounds):
        say(f"start: {number + 1} of {options.rounds}")
        with bench.telltale_launch(directory, instances) as server:
            ready.append(server.wait_ready(step_s=0.0002) * 1e3)
    both = {bench.server_core, bench.load_core}
    with bench.telltale_launch(directory, instances, workers=2, core=both) as server:
        server.wait_ready()
        time.sleep(SETTLE_S)
        memory = server.memory()
    return {
        "ready_ms": stat(ready),
        "two_workers": memory,
        "binary_bytes": bench.telltale.stat().st_size,
        "stripped_bytes": stripped_bytes(bench),
    }


def stripped_bytes(bench):
    """The size of the program as a package has it."""
    copy = bench.directory("stripped") / "telltale"
    shutil.copyfile(bench.telltale, copy)
    try:
        subprocess.run(["strip", copy], check=True, capture_output=True)
    except (OSError, subprocess.CalledProcessError) as error:
        raise BenchError(f"strip (Debian: binutils): {error}") from error
    return copy.stat().st_size
