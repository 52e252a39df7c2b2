"""Parts about telltale itself: idle connections, many instances, live change, starting."""

import os
import subprocess
import time

import works
from generator import Load, measure, stat
from processes import BenchError, control, get
from servers import SAMPLE_TOKEN, token_for

MANY = 100_000
FEW = 10
ASKED = 2_000
ASKED_BEFORE = 3  # times as many
PUT_AT_ONCE = 1_000
SPREAD = 256  # instances that share the load in the throughput comparison
FIRST_ADDRESS = (127 << 24) + (1 << 16) + 1  # 127.1.0.1
SETTLE_S = 0.5


def address(index):
    value = FIRST_ADDRESS + index
    return ".".join(str(value >> shift & 255) for shift in (24, 16, 8, 0))


def name(index):
    return f"guest-{index:06}"


def write_instances(path, count):
    """A file of instances, each with a loopback address of its own."""
    with open(path, "w", encoding="ascii") as file:
        for index in range(count):
            file.write(
                f"- {{name: {name(index)}, match: {{addresses: [{address(index)}]}}, "
                "metadataOptions: {httpTokens: optional}, tags: {env: bench}}\n"
            )
    return path


def from_file(path):
    return f"instances: {path}\n"


# --- idle connections


def idle(bench, options, say):
    """What a connection costs that waits for its next request."""
    count = min(options.idle, bench.descriptors - 500)
    makers = {"telltale": bench.telltale_start, "bare": bench.bare, "nginx": bench.nginx}
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
    with Load(bench, server, arguments):
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
        results = {label: [] for label in runs}
        order = list(runs)
        for number in range(options.rounds + 1):
            say(f"many: throughput, round {number} of {options.rounds}")
            for label in order:
                result = measure(bench, *runs[label])
                if number > 0:
                    results[label].append(result)
            order = order[1:] + order[:1]
    out = {
        label: {key: stat(r[key] for r in rounds) for key in works.FIGURES}
        for label, rounds in results.items()
    }
    for label, base in (("among", "alone"), ("spread", "among"), ("bare-spread", "bare")):
        out[label]["ratio"] = works.ratios(results[label], results[base])
    return out


# --- one change of an option


def change(bench, options, say):
    """The time of one option change, among few and among many instances."""
    counts = sorted({FEW, 1000, options.instances})
    running = {}
    try:
        for count in counts:
            say(f"change: starting with {count} instances")
            directory = bench.directory("change")
            file = write_instances(directory / "instances.yaml", count)
            running[count] = (directory, bench.telltale_start(directory, from_file(file)))
        return change_rounds(bench, running, options.rounds * 4, say)
    finally:
        for _, server in running.values():
            server.stop()


def change_rounds(bench, running, rounds, say):
    results = {count: {"socket_ms": [], "cpu_us": [], "command_ms": []} for count in running}
    version = []
    for number in range(rounds + 1):
        say(f"change: round {number} of {rounds}")
        wanted = ("required", "optional")[number % 2]
        other = ("optional", "required")[number % 2]
        for count, (directory, server) in running.items():
            index = number * 7 % count
            path = directory / "control.sock"
            cpu = server.cpu_ns()
            took = timed(set_tokens, path, index, wanted)
            cpu = server.cpu_ns() - cpu
            expect_tokens(server, index, wanted)
            took_command = timed(set_tokens_by_command, bench, path, index, other)
            expect_tokens(server, index, other)
            set_tokens(path, index, wanted)
            if number > 0:
                results[count]["socket_ms"].append(took * 1e3)
                results[count]["cpu_us"].append(cpu / 1e3)
                results[count]["command_ms"].append(took_command * 1e3)
        version.append(timed(command, bench, "--version") * 1e3)
    among = {str(count): {k: stat(v) for k, v in r.items()} for count, r in results.items()}
    return {"version_ms": stat(version[1:]), "among": among}


def set_tokens(path, index, wanted):
    operation = "UpdateInstanceMetadataOptions"
    control(path, operation, instanceName=name(index), httpTokens=wanted)


def set_tokens_by_command(bench, path, index, wanted):
    command(bench, "options", name(index), "--http-tokens", wanted, "--socket", path)


def expect_tokens(server, index, wanted):
    """The change is in force as soon as it has been answered."""
    status, _ = get(server.port, source=address(index))
    if status != (401 if wanted == "required" else 200):
        raise BenchError(f"tokens are {wanted}, yet a GET without one was answered with {status}")


def command(bench, *arguments):
    argv = [str(word) for word in (bench.telltale, *arguments)]
    done = subprocess.run(argv, capture_output=True, text=True, check=False, timeout=60)
    if done.returncode != 0:
        words = (done.stderr or done.stdout).strip().splitlines() or ["it said nothing"]
        raise BenchError(f"telltale {arguments[0]} failed: {words[-1]}")


def timed(action, *arguments):
    begin = time.monotonic()
    action(*arguments)
    return time.monotonic() - begin


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
    return {"ready_ms": stat(ready), "two_workers": memory,
            "binary_bytes": os.stat(bench.telltale).st_size}
