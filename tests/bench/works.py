"""Work done side by side: the same exchanges with every server, in interleaved rounds."""

import dataclasses
import statistics
import time

from generator import Load, measure, quiet, shuffled, stat
from processes import BenchError
from servers import SAMPLE_TOKEN, SETTINGS, token_for

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
TRIALS = 2  # short rounds for each of nginx's settings
TRIAL_SHARE = 0.3
BARE_KINDS = {"": (), "-daemon": ("--daemon",), "-lean": ("--daemon", "--lean")}
PORTS_FREE_S = 1.1  # until the kernel gives a port in TIME_WAIT to the same client again


@dataclasses.dataclass(frozen=True)
class Work:
    key: str
    title: str
    load: tuple
    unit: str = "GET"
    main: str = "cpu_us"  # what nginx's best setting is chosen by, and the chart shows
    bare: str = "bare"  # which of the bare loop's variants does this work
    count: int = 0  # exchanges a round; 0: as many as fit
    share: float = 1.0  # of the round's usual length
    times: int = 1  # the usual number of rounds
    without: tuple = ()

    @property
    def rate(self):
        """What `load` is to start in a second; 0: as fast as answers come."""
        return self.load[self.load.index("--rate") + 1] if "--rate" in self.load else 0


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
        bare="bare-pair",
        count=6000,
        without=("h2o",),  # its files can't answer a PUT
    ),
    Work(
        "paced",
        "5,000 new connections a second",
        ("--mode", "new", "--connections", 2000, "--rate", 5000),
        main="p99_us",
        share=0.4,  # one stall of the machine's is one round's, and there are others
        times=3,
    ),
)


def start_servers(bench, skip):
    """Every server that can be measured here, by label; and why others can't."""
    makers = {
        "telltale": lambda: {"telltale": bench.telltale_start()},
        "bare": lambda: start_bare(bench),
        "nginx": lambda: start_nginx(bench),
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


def start_bare(bench):
    """The bare loop's variants, each as it is, as a daemon's, and as a daemon's with telltale's loop."""
    options = {"bare": None, "bare-close": "close", "bare-pair": SAMPLE_TOKEN}
    started = {}
    try:
        for name, option in options.items():
            for suffix, flags in BARE_KINDS.items():
                started[name + suffix] = bench.bare(name + suffix, option=option, flags=flags)
    except BaseException:
        stop_servers(started)
        raise
    return started


def nginx_label(setting):
    return f"nginx: {setting}"


def start_nginx(bench):
    started = {}
    try:
        for setting in SETTINGS:
            started[nginx_label(setting)] = bench.nginx(setting)
    except BaseException:
        stop_servers(started)
        raise
    return started


def stop_servers(servers):
    for server in servers.values():
        server.stop()


def contenders(work, servers, setting):
    """The servers that do this work: label in the report -> process."""
    labels = {"telltale": "telltale"} | {f"bare{suffix}": work.bare + suffix for suffix in BARE_KINDS}
    labels |= {"nginx": nginx_label(setting), "h2o": "h2o"}
    return {
        label: servers[name]
        for label, name in labels.items()
        if name in servers and label not in work.without
    }


def load_of(work, seconds, share=1.0):
    """The generator's arguments for a round."""
    share *= work.share
    load = [*work.load, "--seconds", 10 if work.count else seconds * share]
    if work.count:
        load += ["--count", max(int(work.count * min(seconds, 1.0) * share), 100)]
    return load


def one_round(bench, work, server, load, token):
    with_token = [] if work.unit == "pair" else ["--token", token]
    return measure(bench, server, [*load, *with_token])


def late_of_nobody(bench, work, seconds):
    """How late (p99, µs) a program on the server's core is that does nothing but look at the clock."""
    argv = [bench.build / "load", "--mode", "clock", "--rate", work.rate, "--seconds", seconds]
    with Load(argv, bench.server_core) as load:
        load.begin()
        return load.result()["p99_ns"] / 1e3


def try_settings(bench, work, servers, seconds, say):
    """nginx's settings in short rounds: {setting: median of the main figure}; {} without nginx."""
    load = load_of(work, seconds, TRIAL_SHARE if work.times == 1 else 1.0)
    figures = {s: [] for s in SETTINGS if nginx_label(s) in servers}
    trials = TRIALS * work.times
    for number in range(trials):
        for setting in shuffled(figures):
            say(f"{work.key}: nginx's settings, {number + 1} of {trials}, {setting}")
            server = servers[nginx_label(setting)]
            result = one_round(bench, work, server, load, SAMPLE_TOKEN)
            figures[setting].append(result[work.main])
        if work.count:
            time.sleep(PORTS_FREE_S)
    return {setting: statistics.median(values) for setting, values in figures.items()}


def best_of(work, trials):
    sign = -1 if work.main == "rate" else 1
    return min(trials, key=lambda setting: sign * trials[setting]) if trials else None


def run_work(bench, work, servers, rounds, seconds, say):
    """All rounds of one work."""
    rounds *= work.times
    trials = try_settings(bench, work, servers, seconds, say)
    servers = contenders(work, servers, best_of(work, trials))
    load = load_of(work, seconds)
    tokens = {label: token_for(server) for label, server in servers.items()}
    results = {label: [] for label in servers}
    nobody = []
    label = None
    for number in range(rounds + 1):
        if work.rate and number > 0:
            nobody.append(late_of_nobody(bench, work, seconds * work.share))
        for label in shuffled(servers, label):
            say(f"{work.key}: round {number} of {rounds}, {label}")
            result = one_round(bench, work, servers[label], load, tokens[label])
            check(work, label, result)
            if number > 0:  # round 0 warms up
                results[label].append(result)
        if work.count:
            time.sleep(max(0.0, PORTS_FREE_S - len(servers) * 0.4))
    out = summary(work, results, trials) | {"rounds": rounds}
    return out | ({"nobody_p99_us": stat(nobody)} if nobody else {})


def check(work, label, result):
    closes = work.load[1] == "close"
    if closes and result["closed_by_server"] != result["done"]:
        raise BenchError(f"{label} was asked to close and did not")


def check_sizes(results):
    """The bare loop must put on the wire what telltale does, or its figures are no yardstick."""
    sizes = {
        label: results[label][0]["reply_bytes"]
        for label in ("telltale", *(f"bare{suffix}" for suffix in BARE_KINDS))
        if label in results
    }
    if len(set(sizes.values())) > 1:
        raise BenchError(f"replies differ in size: {sizes}")


def summary(work, results, trials):
    """Medians and spread for each server, and ratios against the others, round by round."""
    check_sizes(results)
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
    out["nginx"] = {"setting": best_of(work, trials), "trials": trials}
    out["ratios"] = {
        label: ratios(results["telltale"], rounds)
        for label, rounds in results.items()
        if label != "telltale" and "telltale" in results
    }
    if "bare" in results:
        out["bare"] = {
            label: ratios(results[label], results["bare"]) for label in ("bare-daemon", "bare-lean")
        }
    out["notes"] = notes(work, out["servers"])
    return out | quiet([r for rounds in results.values() for r in rounds])


def share(rounds):
    """How much of the server's CPU time was spent in user mode."""
    user = sum(r["user_ns"] for r in rounds)
    system = sum(r["system_ns"] for r in rounds)
    return user / (user + system) if user + system else 0.0


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
    if work.rate:
        out.append("on schedule, so requests/s are given and the generator's core is always busy")
        late = max(figures["late_p99_us"]["median"] for figures in servers.values())
        if late > LATE_US:
            out.append(f"the generator was up to {late:,.0f} µs (p99) late: latencies say little")
    elif "--serial" in work.load:
        out.append("one at a time: neither core can be full")
    elif bound:
        out.append("the generator was the bottleneck with " + ", ".join(bound) + ": compare CPU")
    return out
