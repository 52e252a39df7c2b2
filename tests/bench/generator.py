"""Running the load generator against a server, and what both cost meanwhile."""

import json
import statistics
import subprocess
import time

from processes import TICK_NS, BenchError

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


class Load:
    """One prepared run of the generator: connections are open, nothing is measured yet.

    It runs on the load's core, as this process does.
    """

    def __init__(self, bench, server, arguments):
        argv = [str(bench.build / "load"), "--port", str(server.port), *map(str, arguments)]
        self.process = subprocess.Popen(
            argv, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )
        line = self.process.stdout.readline()
        if line != "ready\n":
            self.close()
            raise BenchError(f"no load on {server.name}: {first_error(line)}")

    def run(self):
        self.process.stdin.write("go\n")
        self.process.stdin.flush()
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


def first_error(line):
    try:
        return json.loads(line)["first_error"]
    except (ValueError, KeyError):
        return "it said nothing"


def measure(bench, server, arguments):
    """One round: the load's figures and the server's CPU time over exactly that load."""
    cores = (bench.server_core, bench.load_core)
    with Load(bench, server, arguments) as load:
        busy, stolen = busy_ns(cores)
        ticks = server.cpu_ticks_ns()
        cpu = server.cpu_ns()
        result = load.run()
        time.sleep(SETTLE_S)  # until the last connections are closed
        cpu = server.cpu_ns() - cpu
        ticks = [after - before for before, after in zip(ticks, server.cpu_ticks_ns())]
        busy_after, stolen_after = busy_ns(cores)
    if result["errors"] or not result["done"]:
        raise BenchError(
            f"{server.name}: {result['errors']} errors among {result['done']} answers, "
            f"the first: {result['first_error'] or 'none'}"
        )
    done, wall = result["done"], result["wall_ns"]
    return {
        "done": done,
        "cpu_us": cpu / done / 1e3,
        "rate": done / wall * 1e9,
        "p50_us": result["p50_ns"] / 1e3,
        "p99_us": result["p99_ns"] / 1e3,
        "p999_us": result["p999_ns"] / 1e3,
        "late_p99_us": result["late_p99_ns"] / 1e3,
        "server_busy": cpu / wall,
        "load_busy": result["cpu_ns"] / wall,
        "reply_bytes": result["reply_bytes"],
        "closed_by_server": result["closed_by_server"],
        "wall_ns": wall,
        "user_ns": ticks[0],
        "system_ns": ticks[1],
        "foreign_ns": busy_after - busy - cpu - result["cpu_ns"],
        "stolen_ns": stolen_after - stolen,
    }
