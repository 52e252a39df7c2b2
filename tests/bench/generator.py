"""Running the load generator against a server, and what both cost meanwhile."""

import contextlib
import json
import random
import statistics
import subprocess
import time

from processes import TICK_NS, BenchError, pinned

SETTLE_S = 0.02


def stat(values):
    """Median and spread (quartiles and extremes) of one figure over the rounds."""
    values = list(values)
    if len(values) > 1:
        low, _, high = statistics.quantiles(values, n=4, method="inclusive")
    else:
        low = high = values[0]
    return {
        "median": statistics.median(values),
        "low": low,
        "high": high,
        "min": min(values),
        "max": max(values),
        "rounds": values,
    }


def busy_ns(cores):
    """Time the machine's given cores were busy, with whatever, and stolen by the host."""
    busy = stolen = 0
    with open("/proc/stat", encoding="ascii") as file:
        for line in file:
            name, *fields = line.split()
            if name in [f"cpu{core}" for core in cores]:
                user, nice, system, _idle, _iowait, irq, softirq, steal = map(int, fields[:8])
                busy += (user + nice + system + irq + softirq) * TICK_NS
                stolen += steal * TICK_NS
    return busy, stolen


def load_argv(bench, server, arguments):
    return [bench.build / "load", "--port", server.port, *arguments]


class Load:
    """One prepared run of a load program: connections are open, nothing is measured yet."""

    def __init__(self, argv, core):
        with pinned(core):
            self.process = subprocess.Popen(
                [str(word) for word in argv],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                text=True,
            )
        line = self.process.stdout.readline()
        if line != "ready\n":
            self.close()
            raise BenchError(f"no load: {first_error(line)}")

    def begin(self):
        self.process.stdin.write("go\n")
        self.process.stdin.flush()

    def result(self):
        line = self.process.stdout.readline()
        if not line.startswith("{"):
            raise BenchError("the load generator ended without a result")
        return json.loads(line)

    def close(self):
        self.process.stdin.close()
        try:
            self.process.wait(10)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
        self.process.stdout.close()

    def __enter__(self):
        return self

    def __exit__(self, *exc):
        self.close()


def merge(results):
    """Of several generators that ran at the same time: sums, and the worst latencies."""
    out = dict(results[0])
    for result in results[1:]:
        for key, value in result.items():
            if key in ("done", "errors", "cpu_ns", "closed_by_server"):
                out[key] += value
            elif key.endswith("_ns"):
                out[key] = max(out[key], value)
        out["first_error"] = out["first_error"] or result["first_error"]
    return out


def first_error(line):
    try:
        return json.loads(line)["first_error"]
    except (ValueError, KeyError):
        return "it said nothing"


def measure(bench, server, arguments, argv=None, load_cores=None):
    """One round: the load's figures and the server's CPU time over exactly that load.

    argv  of another load program, instead of load's with these arguments
    load_cores  one generator on each, instead of one on the load's core
    """
    argv = argv or load_argv(bench, server, arguments)
    load_cores = load_cores or [bench.load_core]
    cores = {*bench.cores_of(server), *load_cores}
    with contextlib.ExitStack() as stack:
        loads = [stack.enter_context(Load(argv, core)) for core in load_cores]
        busy, stolen = busy_ns(cores)
        ticks = server.cpu_ticks_ns()
        cpu = server.cpu_ns()
        for load in loads:
            load.begin()
        result = merge([load.result() for load in loads])
        time.sleep(SETTLE_S)  # until the last connections are closed
        cpu = server.cpu_ns() - cpu
        ticks = [after - before for before, after in zip(ticks, server.cpu_ticks_ns())]
        busy_after, stolen_after = busy_ns(cores)
    if result["errors"] or not result["done"]:
        raise BenchError(
            f"{server.name}: {result['errors']} errors among {result['done']} answers, "
            f"the first: {result['first_error'] or 'none'}"
        )
    return figures(result, cpu) | {
        "user_ns": ticks[0],
        "system_ns": ticks[1],
        "foreign_ns": (busy_after - busy - cpu - result["cpu_ns"]) / len(cores),
        "stolen_ns": (stolen_after - stolen) / len(cores),
    }


def shuffled(labels, last=None):
    """In any order: what disturbs the machine every few seconds would meet the same one in each round.

    last  who had the last turn before, and so not the first now, if there is another one
    """
    order = random.sample(list(labels), len(labels))
    return order[1:] + order[:1] if order[0] == last else order


def interleave(runs, rounds, say, what):
    """Rounds of all runs, each in another order; without round 0, which warms up.

    runs  {label: function that measures once}
    """
    results = {label: [] for label in runs}
    label = None
    for number in range(rounds + 1):
        for label in shuffled(runs, label):
            say(f"{what}: round {number} of {rounds}, {label}")
            result = runs[label]()
            if number > 0:
                results[label].append(result)
    return results


def figures(result, cpu):
    """What a load program says, and the server's CPU time, as what the bench shows."""
    done, wall = result["done"], result["wall_ns"]
    return {
        "done": done,
        "cpu_us": cpu / done / 1e3,
        "rate": done / wall * 1e9,
        "p50_us": result["p50_ns"] / 1e3,
        "p99_us": result["p99_ns"] / 1e3,
        "p999_us": result["p999_ns"] / 1e3,
        "late_p99_us": result.get("late_p99_ns", 0) / 1e3,
        "server_busy": cpu / wall,
        "load_busy": result["cpu_ns"] / wall,
        "reply_bytes": (result.get("put_reply_bytes", 0), result.get("reply_bytes", 0)),
        "closed_by_server": result.get("closed_by_server", 0),
        "wall_ns": wall,
        "all": result,
    }


def quiet(rounds):
    """How much others, and the host, took of the cores that were measured on."""
    wall = sum(r["wall_ns"] for r in rounds)
    return {
        "foreign_share": max(0.0, sum(r["foreign_ns"] for r in rounds) / wall),
        "stolen_share": sum(r["stolen_ns"] for r in rounds) / wall,
    }
