"""Work done side by side: the same exchanges with every server, in interleaved rounds."""

import dataclasses
import time

from generator import measure, stat
from processes import BenchError
from servers import SAMPLE_TOKEN, token_for

FIGURES = (
    "cpu_us",
    "rate",
    "p50_us",
    "p99_us",
    "p999_us",
    "late_p99_us",
    "server_busy",
    "load_busy",
)
LATE_US = 200  # a schedule kept worse than that is none
FULL = 0.97  # a core that busy has nothing left


@dataclasses.dataclass(frozen=True)
class Work:
    key: str
    title: str
    load: tuple
    unit: str = "GET"
    main: str = "cpu_us"  # what the better nginx is chosen by, and the chart shows
    bare: str = "bare"  # which of the bare loop's variants does this work
    count: int = 0  # exchanges a round; 0: as many as fit
    share: float = 1.0  # of the round's usual length
    without: tuple = ()


# A new connection leaves its port in TIME_WAIT, and with more than about 14,000 of those the kernel
# searches long for the next one: hence a count instead of a time.
WORKS = (
    Work("kept-32", "GET over 32 kept connections", ("--mode", "keep", "--connections", 32)),
    Work("kept-256", "GET over 256 kept connections", ("--mode", "keep", "--connections", 256)),
    Work(
        "new",
        "a new connection for each GET, the client closes",
        ("--mode", "new", "--connections", 32),
        count=12000,
    ),
    Work(
        "close",
        "a new connection for each GET, the server closes",
        ("--mode", "close", "--connections", 32),
        bare="bare-close",
        count=12000,
    ),
    Work(
        "serial",
        "one client after another, new connections",
        ("--mode", "new", "--serial"),
        main="rate",
        count=12000,
        share=0.5,
    ),
    Work(
        "pair",
        "PUT token then GET, each on a new connection",
        ("--mode", "pair", "--connections", 32),
        unit="pair",
        bare="bare-token",
        count=6000,
        without=("h2o",),  # its files can't answer a PUT
    ),
    Work(
        "paced",
        "5,000 new connections a second",
        ("--mode", "new", "--connections", 2000, "--rate", 5000),
        main="p99_us",
    ),
)


def start_servers(bench, skip):
    """Every server that can be measured here, by label; and why others can't."""
    makers = {
        "telltale": lambda: {"telltale": bench.telltale_start()},
        "bare": lambda: {
            "bare": bench.bare(),
            "bare-close": bench.bare("bare-close", closes=True),
            "bare-token": bench.bare("bare-token", body=SAMPLE_TOKEN),
        },
        "nginx": lambda: {"nginx": bench.nginx()},
        "nginx-reuseport": lambda: {"nginx-reuseport": bench.nginx(reuseport=True)},
        "h2o": lambda: {"h2o": bench.h2o()},
    }
    servers, missing = {}, {}
    try:
        for name, make in makers.items():
            if name not in skip:
                try:
                    servers |= make()
                except BenchError as error:
                    missing[name] = str(error)
    except BaseException:
        stop_servers(servers)
        raise
    return servers, missing


def stop_servers(servers):
    for server in servers.values():
        server.stop()


def contenders(work, servers):
    """The servers that do this work: label in the report -> process."""
    labels = {"telltale": "telltale", "bare": work.bare}
    labels |= {label: label for label in ("nginx", "nginx-reuseport", "h2o")}
    return {
        label: servers[name]
        for label, name in labels.items()
        if name in servers and label not in work.without
    }


def run_work(bench, work, servers, rounds, seconds, say):
    """All rounds of one work."""
    servers = contenders(work, servers)
    load = list(work.load)
    load += ["--seconds", max(seconds * work.share, 10 if work.count else 0)]
    if work.count:
        load += ["--count", max(int(work.count * min(seconds, 1.0) * work.share), 100)]
    tokens = {label: token_for(server) for label, server in servers.items()}
    results = {label: [] for label in servers}
    order = list(servers)
    for number in range(rounds + 1):
        for label in order:
            say(f"{work.key}: round {number} of {rounds}, {label}")
            token = [] if work.unit == "pair" else ["--token", tokens[label]]
            result = measure(bench, servers[label], [*load, *token])
            check(work, label, result)
            if number > 0:  # round 0 warms up
                results[label].append(result)
        order = order[1:] + order[:1]
        if work.count:
            time.sleep(max(0.0, 1.1 - len(order) * 0.4))  # ports are free again after a second
    return summary(work, results)


def check(work, label, result):
    closes = work.load[1] == "close"
    if closes and result["closed_by_server"] != result["done"]:
        raise BenchError(f"{label} was asked to close and did not")


def summary(work, results):
    """Medians and spread for each server, and ratios against the others, round by round."""
    best = best_nginx(work, results)
    out = {"key": work.key, "title": work.title, "unit": work.unit, "main": work.main}
    out["servers"] = {
        label: {name: stat(r[name] for r in rounds) for name in FIGURES}
        | {
            "reply_bytes": rounds[0]["reply_bytes"],
            "done": sum(r["done"] for r in rounds),
            "user_share": share(rounds),
        }
        for label, rounds in results.items()
    }
    out["better_nginx"] = best
    out["ratios"] = {}
    if "telltale" in results:
        for name, label in (("bare", "bare"), ("nginx", best), ("h2o", "h2o")):
            if label in results:
                out["ratios"][name] = ratios(results["telltale"], results[label])
    out["notes"] = notes(work, out["servers"])
    every = [r for rounds in results.values() for r in rounds]
    wall = sum(r["wall_ns"] for r in every)
    out["foreign_share"] = max(0.0, sum(r["foreign_ns"] for r in every) / wall / 2)
    out["stolen_share"] = sum(r["stolen_ns"] for r in every) / wall / 2
    return out


def share(rounds):
    """How much of the server's CPU time was spent in user mode."""
    user = sum(r["user_ns"] for r in rounds)
    system = sum(r["system_ns"] for r in rounds)
    return user / (user + system) if user + system else 0.0


def best_nginx(work, results):
    """nginx is judged by the better of its settings."""
    found = [label for label in ("nginx", "nginx-reuseport") if label in results]
    sign = -1 if work.main == "rate" else 1
    medians = {
        label: sign * stat(r[work.main] for r in results[label])["median"] for label in found
    }
    return min(medians, key=medians.get) if medians else None


def ratios(ours, theirs):
    """Of the figures in the same round, so that what disturbs both cancels out."""
    return {
        name: stat(a[name] / b[name] for a, b in zip(ours, theirs))
        for name in ("cpu_us", "rate", "p50_us", "p99_us")
    }


def notes(work, servers):
    """Where requests per second say nothing, because the load could not give more."""
    out = []
    bound = [
        label
        for label, figures in servers.items()
        if figures["load_busy"]["median"] >= FULL > figures["server_busy"]["median"]
    ]
    if "--rate" in work.load:
        out.append("on schedule, so requests/s are given and the generator's core is always busy")
        late = max(figures["late_p99_us"]["median"] for figures in servers.values())
        if late > LATE_US:
            out.append(f"the generator was up to {late:,.0f} µs (p99) late: latencies say little")
    elif "--serial" in work.load:
        out.append("one at a time: neither core can be full")
    elif bound:
        out.append("the generator was the bottleneck with " + ", ".join(bound) + ": compare CPU")
    return out
