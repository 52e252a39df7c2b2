"""One option's change, among few and among very many instances."""

import json
import subprocess

from generator import stat
from instances import FEW, address, from_file, name, write_instances
from processes import BenchError, control, get, pinned, timed

COUNTS = (10, 1_000, 100_000, 1_000_000)
BYTES_EACH = 3000  # of memory and of disk's cache, with room to spare
CHANGES = 10  # a round
SOCKET_TURNS = 3  # of a round: each is a few milliseconds


def change(bench, options, say):
    """In force in busy workers after the store's commit; and all of it, over the control socket."""
    return {
        "inside": inside(bench, options, say),
        "socket": over_socket(bench, options, say),
    }


# --- inside one process: from the commit on


class Inside:
    """bench_change with its instances: it waits until it is told to make changes."""

    def __init__(self, bench, count, cores):
        argv = [bench.program("bench_change"), bench.directory("inside"), count]
        argv += [",".join(map(str, cores))]
        with pinned(set(cores)):
            self.process = subprocess.Popen(
                [str(word) for word in argv],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                text=True,
            )

    def answer(self):
        line = self.process.stdout.readline()
        if not line.startswith("{"):
            raise BenchError("bench_change ended; what it said is above")
        return json.loads(line)

    def change(self, times):
        self.process.stdin.write(f"{times}\n")
        self.process.stdin.flush()
        return self.answer()

    def stop(self):
        self.process.kill()  # a million instances are slow to free
        self.process.wait()
        self.process.stdin.close()
        self.process.stdout.close()


def available_bytes():
    with open("/proc/meminfo", encoding="ascii") as file:
        for line in file:
            if line.startswith("MemAvailable:"):
                return int(line.split()[1]) * 1024
    return 0


def counts_that_fit(most):
    """Those that the machine has memory for, and why others are left out."""
    counts = [count for count in COUNTS if count <= most]
    room = available_bytes()
    fit = [count for count in counts if sum(c for c in counts if c <= count) * BYTES_EACH < room]
    left = [count for count in counts if count not in fit]
    return fit, {count: f"{room / 2**30:.1f} GiB of memory are too few" for count in left}


def inside(bench, options, say):
    counts, missing = counts_that_fit(options.change_most)
    cores = bench.all_cores
    out = {"missing": missing, "workers": len(cores) - 1, "among": {}}
    running = {}
    try:
        for count in counts:
            say(f"change: {count:,} instances into the store and from it")
            running[count] = Inside(bench, count, cores)
            out["among"][count] = {"load_s": running[count].answer()["load_s"]}
        rounds = {count: [] for count in counts}
        for number in range(options.rounds + 1):
            say(f"change: inside, round {number} of {options.rounds}")
            for count, one in running.items():
                result = one.change(CHANGES)
                if number > 0:
                    rounds[count].append(result)
        for count, results in rounds.items():
            out["among"][count] |= inside_summary(results)
    finally:
        for one in running.values():
            one.stop()
    return out


def inside_summary(results):
    kinds = ("published_us", "seen_us", "passed_us")
    return {kind: stat(value for r in results for value in r[kind]) for kind in kinds} | {
        "rate": stat(r["rate"] for r in results)
    }


# --- over the control socket: with the daemon


def over_socket(bench, options, say):
    running = {}
    try:
        for count in sorted({FEW, options.instances}):
            say(f"change: starting with {count} instances")
            directory = bench.directory("change")
            file = write_instances(directory / "instances.yaml", count)
            running[count] = (directory, bench.telltale_start(directory, from_file(file)))
        return socket_rounds(bench, running, options.rounds * SOCKET_TURNS, say)
    finally:
        for _, server in running.values():
            server.stop()


def socket_rounds(bench, running, rounds, say):
    results = {count: {"socket_ms": [], "cpu_us": [], "command_ms": []} for count in running}
    version = []
    for number in range(rounds + 1):
        say(f"change: over the socket, round {number} of {rounds}")
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
