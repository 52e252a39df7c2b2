"""Cost as the work grows: with the number of instances, connections, header fields, path segments."""

import functools

from generator import interleave, measure, stat
from instances import address, from_file, write_instances
from processes import BenchError
from servers import SAMPLE_TOKEN, token_for

INSTANCES = (1, 10, 100, 1_000, 10_000, 100_000)
CONNECTIONS = (1, 4, 16, 64, 256, 1024)
FIELDS = (0, 7, 14, 28, 56)  # beside curl's three and the token; the cap is 64 in all
DEPTHS = (1, 2, 4, 8, 14)  # below meta-data; the cap is 16 in all
SOURCES_MAX = 10_000  # each has a tree once it was asked, and those are not what is measured
NEW_COUNT = 4_000
SHARE = 0.25  # of a round's usual length
KEPT = ("--mode", "keep", "--connections", 32)
NEW = ("--mode", "new", "--connections", 32)

DEEP = """\
instances:
  - name: bench-1
    match: {addresses: [127.0.0.1]}
    metadataOptions: {httpTokens: required}
    metadata:
"""


def growth(bench, options, say):
    axes = {"instances": by_instances, "connections": by_connections}
    axes |= {"fields": by_fields, "depth": by_depth}
    return {name: axis(bench, options, say) for name, axis in axes.items()}


def seconds(options):
    return ["--seconds", options.seconds * SHARE]


def run_axis(runs, options, say, what):
    """runs  {(line, x): function}; gives {line: [[x, CPU µs, requests/s], …]}."""
    rounds = max(1, options.rounds // 2)
    results = interleave(runs, rounds, say, f"growth: {what}")
    lines = {}
    for (line, x), measured in results.items():
        point = {key: stat(r[key] for r in measured) for key in ("cpu_us", "rate")}
        lines.setdefault(line, []).append({"x": x} | point)
    return lines


def both(bench, servers, points):
    """One run for each server and point: points is {x: the load's arguments}."""
    return {
        (label, x): functools.partial(
            measure, bench, server, [*load, "--token", token_for(server)]
        )
        for label, server in servers.items()
        for x, load in points.items()
    }


def by_connections(bench, options, say):
    points = {
        n: ["--mode", "keep", "--connections", n, *seconds(options)] for n in CONNECTIONS
    }
    with bench.telltale_start() as telltale, bench.bare() as bare:
        runs = both(bench, {"telltale": telltale, "bare": bare}, points)
        return run_axis(runs, options, say, "connections")


def by_fields(bench, options, say):
    points = {n: [*KEPT, "--fields", n, *seconds(options)] for n in FIELDS}
    with bench.telltale_start() as telltale, bench.bare() as bare:
        runs = both(bench, {"telltale": telltale, "bare": bare}, points)
        return run_axis(runs, options, say, "header fields")


def path_of(depth):
    return "/".join(f"level-{level:02}" for level in range(depth - 1)) + f"/leaf-{depth:02}"


def by_depth(bench, options, say):
    """The leaves are as long as an instance id, so replies have one size."""
    leaves = "".join(f"      {path_of(d).strip('/')}: i-0123456789abcdef0\n" for d in DEPTHS)
    points = {
        d: [*KEPT, "--path", f"/latest/meta-data/{path_of(d).strip('/')}", *seconds(options)]
        for d in DEPTHS
    }
    with bench.telltale_start(instances=DEEP + leaves) as telltale, bench.bare() as bare:
        runs = both(bench, {"telltale": telltale, "bare": bare}, points)
        return run_axis(runs, options, say, "path segments")


def by_instances(bench, options, say):
    """One among many asks over kept connections; and many ask, each over a new connection."""
    counts = [n for n in INSTANCES if n <= options.instances]
    servers = {}
    try:
        for count in counts:
            say(f"growth: starting with {count} instances")
            directory = bench.directory("growth")
            file = write_instances(directory / "instances.yaml", count)
            servers[count] = bench.telltale_start(directory, from_file(file))
        with bench.bare() as bare:
            return run_axis(instance_runs(bench, servers, bare, options, say), options, say,
                            "instances")
    finally:
        for server in servers.values():
            server.stop()


def instance_runs(bench, servers, bare, options, say):
    runs = {}
    for count, server in servers.items():
        many = min(count, SOURCES_MAX)
        new = [*NEW, "--source", address(0), "--sources", many]
        kept = [*KEPT, "--source", address(0), *seconds(options)]
        say(f"growth: asking {many} of {count} instances once")
        ask_once(bench, server, many)
        for line, one, token in (
            ("telltale", server, token_for(server, address(0))),
            ("bare", bare, SAMPLE_TOKEN),
        ):
            runs[f"{line}, kept", count] = functools.partial(
                measure, bench, one, [*kept, "--token", token]
            )
            runs[f"{line}, new", count] = functools.partial(
                measure, bench, one, [*new, "--count", new_count(options)]
            )
    return runs


def ask_once(bench, server, many):
    done = measure(bench, server, [*NEW, "--source", address(0), "--sources", many,
                                   "--count", many])["done"]
    if done != many:
        raise BenchError(f"only {done} of {many} instances could be asked")


def new_count(options):
    return max(int(NEW_COUNT * min(options.seconds, 1.0)), 100)
