"""What is aimed for, beside what was measured: ratios of one run, and a few absolute figures."""

import dataclasses


@dataclasses.dataclass(frozen=True)
class Goal:
    row: str
    what: str
    aim: float
    least: bool  # at least the aim; otherwise at most
    unit: str  # "": a ratio
    value: object  # of the result: a number, or None when it was not measured


def work(result, key):
    return next((w for w in result["works"] if w["key"] == key), None)


def ratio(key, other, figure):
    def value(result):
        found = work(result, key)
        rounds = (found or {}).get("ratios", {}).get(other)
        return rounds[figure]["median"] if rounds else None

    return value


def part(name, *path):
    """One figure of a part; a list of rounds is taken for its median."""

    def value(result):
        at = result["parts"].get(name)
        for step in path:
            at = at.get(step) if isinstance(at, dict) else None
        return at["median"] if isinstance(at, dict) else at

    return value


def scaled(value, factor):
    def of(result):
        got = value(result)
        return None if got is None else got * factor

    return of


def spread(name, *path):
    """Of one figure over the number of instances: the largest to the smallest."""

    def value(result):
        among = (result["parts"].get(name) or {}).get("inside", {}).get("among", {})
        values = [row[path[0]]["median"] for row in among.values()]
        return max(values) / min(values) if len(values) > 1 else None

    return value


def slowest(name, figure):
    def value(result):
        among = (result["parts"].get(name) or {}).get("inside", {}).get("among", {})
        return max((row[figure]["median"] for row in among.values()), default=None)

    return value


def at_least(row, what, aim, value, unit=""):
    return Goal(row, what, aim, True, unit, value)


def at_most(row, what, aim, value, unit=""):
    return Goal(row, what, aim, False, unit, value)


GOALS = (
    at_least("kept-32", "requests/s to bare's", 0.97, ratio("kept-32", "bare", "rate")),
    at_least("kept-32", "requests/s to nginx's", 1.2, ratio("kept-32", "nginx", "rate")),
    at_least("kept-256", "requests/s to bare's", 0.95, ratio("kept-256", "bare", "rate")),
    at_least("kept-256", "requests/s to nginx's", 1.15, ratio("kept-256", "nginx", "rate")),
    at_most("new", "CPU to bare's", 0.94, ratio("new", "bare", "cpu_us")),
    at_most("new", "CPU to nginx's", 0.88, ratio("new", "nginx", "cpu_us")),
    at_most("close", "CPU to bare's", 0.85, ratio("close", "bare", "cpu_us")),
    at_most("close", "CPU to nginx's", 0.80, ratio("close", "nginx", "cpu_us")),
    at_least("serial", "requests/s to bare's", 1.08, ratio("serial", "bare", "rate")),
    at_least("serial", "requests/s to nginx's", 1.15, ratio("serial", "nginx", "rate")),
    at_most("pair", "CPU to bare's", 0.97, ratio("pair", "bare", "cpu_us")),
    at_most("paced", "p99 to nginx's", 0.5, ratio("paced", "nginx", "p99_us")),
    at_most("token", "minting", 300, part("token", "mint_ns"), "ns"),
    at_most("token", "checking", 240, part("token", "check_ns"), "ns"),
    at_most("token", "checking one seen lately", 240, part("token", "known_ns"), "ns"),
    at_most("token", "system calls of a mint", 0, part("token", "mint_calls_each"), "each"),
    at_most("token", "system calls of a check", 0, part("token", "check_calls_each"), "each"),
    at_most(
        "idle",
        "user memory for an idle connection",
        64,
        part("idle", "servers", "telltale", "private_dirty", "each"),
        "bytes",
    ),
    at_most(
        "idle",
        "resident growth in all",
        6,
        scaled(part("idle", "servers", "telltale", "rss", "growth"), 2**-20),
        "MiB",
    ),
    at_most("many", "load from the store", 2, part("many", "store", "ready_s"), "s"),
    at_most("many", "load from YAML", 5, part("many", "first_start", "ready_s"), "s"),
    at_most(
        "many",
        "memory of an instance",
        1.5,
        scaled(part("many", "store", "memory", "rss"), 1 / 1024),
        "KiB",
    ),
    at_most("many", "more once asked", 6, scaled(part("many", "asked", "rss"), 1 / 1024), "KiB"),
    at_least(
        "many",
        "GETs/s to one instance's",
        0.97,
        part("many", "throughput", "among", "ratio", "rate"),
    ),
    at_most("change", "seen after the commit, slowest", 1000, slowest("change", "seen_us"), "µs"),
    at_most("change", "slowest to fastest count", 1.5, spread("change", "seen_us")),
    at_most("storm", "errors", 0, part("storm", "errors"), "errors"),
    at_most("start", "ready with ten instances", 20, part("start", "ready_ms"), "ms"),
    at_most(
        "start",
        "size of the stripped binary",
        500,
        scaled(part("start", "stripped_bytes"), 1 / 1024),
        "KiB",
    ),
    at_most(
        "start",
        "private memory idle, two workers",
        3,
        scaled(part("start", "two_workers", "private_dirty"), 2**-20),
        "MiB",
    ),
)


def check(result):
    """[(goal, value, met)] of those that were measured."""
    out = []
    for goal in GOALS:
        value = goal.value(result)
        if value is not None:
            met = value >= goal.aim if goal.least else value <= goal.aim
            out.append((goal, value, met))
    return out


def missed_ratios(result):
    """The only ones that a machine's speed does not excuse."""
    return [goal for goal, _, met in check(result) if not met and goal.unit == ""]
