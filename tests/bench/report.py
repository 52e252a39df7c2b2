"""What the bench prints: a table for people."""

import goals
from instructions import KINDS


QUIET_FOREIGN = 0.03
QUIET_STOLEN = 0.01
QUIET_OTHERS = 0.05  # of one core, over the whole run
BUSY = 0.97  # a generator that used that much of its core was the bottleneck


def number(value, digits=3):
    """Three significant digits, thousands grouped."""
    if value == 0:
        return "0"
    if abs(value) >= 10 ** (digits - 1):
        return f"{value:,.0f}"
    whole = len(str(int(abs(value)))) if abs(value) >= 1 else 0
    return f"{value:.{digits - whole}f}"


def spread(stat):
    return f"{number(stat['median'])} [{number(stat['low'])}–{number(stat['high'])}]"


def ratio(stat):
    return f"{stat['median']:.3f} [{stat['low']:.3f}–{stat['high']:.3f}]"


def percent(value):
    return f"{value * 100:.0f} %"


def mib(value):
    return f"{value / 2**20:.1f} MiB"


# --- the table

BARE_KINDS = {
    "bare-daemon": "what a second thread and a filter of system calls cost anybody",
    "bare-lean": "the same with telltale's loop: the most that telltale can come to",
}


def work_lines(work):
    yield f"\n{work['title']}   ({work['rounds']} rounds)"
    yield (
        f"  {'':17} {'CPU µs/' + work['unit']:>20} {work['unit'] + 's/s':>27} "
        f"{'p50 µs':>8} {'p99 µs':>20} {'server':>7} {'load':>6} {'user':>6}"
    )
    for label, row in work["servers"].items():
        yield (
            f"  {label:17} {spread(row['cpu_us']):>20} {spread(row['rate']):>27} "
            f"{number(row['p50_us']['median']):>8} {spread(row['p99_us']):>20} "
            f"{percent(row['server_busy']['median']):>7} {percent(row['load_busy']['median']):>6} "
            f"{percent(row['user_share']):>6}"
        )
    for other, figures in work["ratios"].items():
        yield (
            f"  telltale / {other:11} CPU {ratio(figures['cpu_us'])}   "
            f"{work['unit']}s/s {ratio(figures['rate'])}   p99 {ratio(figures['p99_us'])}"
        )
    for label, figures in work.get("bare", {}).items():
        yield (
            f"  {label:11} / bare   CPU {ratio(figures['cpu_us'])}   "
            f"{work['unit']}s/s {ratio(figures['rate'])}   {BARE_KINDS[label]}"
        )
    if "nobody_p99_us" in work:
        yield (
            f"  nobody               p99 {spread(work['nobody_p99_us'])} µs: how late the server's core is "
            "when it does nothing else"
        )
    for note in work["notes"]:
        yield f"  note: {note}"
    yield from setting_lines(work["nginx"])
    yield from quiet_lines(work)


def setting_lines(nginx):
    if nginx and nginx["setting"]:
        tried = ", ".join(f"{setting} {number(v)}" for setting, v in nginx["trials"].items())
        yield f"  nginx: {nginx['setting']}, the best of ({tried})"


def is_quiet(part):
    return part["foreign_share"] <= QUIET_FOREIGN and part["stolen_share"] <= QUIET_STOLEN


def quiet_lines(part):
    if not is_quiet(part):
        yield (
            f"  note: others used {percent(part['foreign_share'])} of the cores, "
            f"the host took {percent(part['stolen_share'])}: this is not a quiet machine"
        )


def idle_lines(idle):
    yield f"\n{idle['connections']:,} idle kept connections   (growth of the server's own memory)"
    for label, row in idle["servers"].items():
        yield (
            f"  {label:16} private dirty {number(row['private_dirty']['each'])} bytes each, "
            f"resident {number(row['rss']['each'])} bytes each, "
            f"{mib(row['rss']['growth'])} in all"
        )
    for label, why in idle["missing"].items():
        yield f"  {label:16} not measured: {why}"


def many_lines(many):
    yield f"\n{many['instances']:,} instances   (a file of {mib(many['file_bytes'])})"
    store = many["store"]
    loads = {"file read, store empty": many["first_start"], "same file again": many["second_start"]}
    if "missing" in store:
        yield f"  from the store alone not measured: {store['missing']}"
    else:
        loads["store alone"] = store
    for title, load in loads.items():
        yield (
            f"  {title:24} exec to ready {spread(load['ready_s']):>20} s, "
            f"CPU {number(load['cpu_s']['median'])} s; "
            f"resident {spread(load['memory']['rss'])}, "
            f"private {number(load['memory']['private']['median'])} bytes each"
        )
    if "put_s" in store:
        yield f"  (put into the store over the control socket in {number(store['put_s'])} s)"
    asked = many["asked"]
    yield (
        f"  {asked['instances']:,} of them asked once    "
        f"resident {number(asked['rss'])}, private {number(asked['private'])} bytes more each"
    )
    yield "  GET over 256 kept connections:"
    titles = {
        "alone": "the only instance",
        "among": "one among these",
        "spread": "256 among these",
        "bare": "bare, one address",
        "bare-spread": "bare, 256 addresses",
    }
    for label, row in many["throughput"].items():
        against = {"among": "alone", "spread": "among", "bare-spread": "bare"}.get(label)
        line = f"    {titles[label]:22} CPU {spread(row['cpu_us'])} µs"
        line += f", {spread(row['rate'])} GETs/s"
        if against:
            figures = row["ratio"]
            line += (
                f"; against {titles[against]}: CPU {ratio(figures['cpu_us'])} "
                f"GETs/s {ratio(figures['rate'])}"
            )
        yield line


def change_lines(change):
    inside = change["inside"]
    yield f"\none option changed, in force in {inside['workers']} busy worker(s) since the commit"
    for count, row in inside["among"].items():
        yield (
            f"  among {int(count):>9,}          seen by a client {spread(row['seen_us']):>22} µs, "
            f"every worker has turned {spread(row['passed_us']):>20} µs, "
            f"published {spread(row['published_us'])} µs; worker at {number(row['rate']['median'])} "
            f"requests/s; loaded in {row['load_s']:.2f} s"
        )
    for count, why in inside["missing"].items():
        yield f"  among {int(count):>9,}          not measured: {why}"
    socket = change["socket"]
    yield "  with the store's commit, in the store and in force when answered:"
    for count, row in socket["among"].items():
        yield (
            f"  among {int(count):>9,}          over the control socket "
            f"{spread(row['socket_ms'])} ms, daemon's CPU {spread(row['cpu_us'])} µs; "
            f"telltale options {spread(row['command_ms'])} ms"
        )
    yield f"  the command's own start (--version) {spread(socket['version_ms'])} ms"


def start_lines(start):
    yield "\nstarting, with ten instances and a store"
    yield f"  exec to ready            {spread(start['ready_ms'])} ms"
    memory = start["two_workers"]
    yield (
        f"  idle, two workers        its own {mib(memory['private_dirty'])}, with libraries that nobody else has "
        f"mapped now {mib(memory['private'])}, resident {mib(memory['rss'])}"
    )
    yield (
        f"  binary                   {start['stripped_bytes'] / 1024:,.0f} KiB stripped, "
        f"{start['binary_bytes'] / 1024:,.0f} KiB as built"
    )


def token_lines(token):
    yield "\ntokens, as a worker mints and checks them"
    for kind in ("mint", "check"):
        line = f"  {kind:24} {spread(token[kind + '_ns'])} ns"
        if f"{kind}_system_calls" in token:
            calls = token[f"{kind}_system_calls"]
            names = ", ".join(f"{n:,} {name}" for name, n in calls.items()) or "none"
            line += f"; system calls in {token['calls']:,}: {names}"
        yield line
    if "missing" in token:
        yield f"  {token['missing']}"


def scaling_lines(scaling):
    yield f"\ntwo workers on two cores, load {scaling['load']}   (GETs over 128 kept connections)"
    for label, row in scaling["servers"].items():
        yield f"  {label}"
        for kind, figures in row["workers"].items():
            yield (
                f"    {kind:24} {spread(figures['rate']):>27} GETs/s, CPU "
                f"{spread(figures['cpu_us'])} µs, server {percent(figures['server_busy']['median'])}, "
                f"load {percent(figures['load_busy']['median'])}"
            )
        yield (
            f"    two to one: GETs/s {ratio(row['two_to_one']['rate'])}; "
            f"to one with the same load {ratio(row['two_to_one_same_load']['rate'])}"
        )
        yield from quiet_lines(row)
    for label, why in scaling["missing"].items():
        yield f"  {label} not measured: {why}"


def storm_lines(storm):
    yield (
        f"\nboot storm: {storm['guests']:,} guests at once, each with cloud-init's "
        f"{storm['requests']} requests, each on a new connection; {storm['errors']} errors"
    )
    for label, row in storm["servers"].items():
        yield (
            f"  {label:17} all done in {spread(row['total_ms']):>20} ms, CPU "
            f"{spread(row['cpu_us']):>18} µs a request, request p50 "
            f"{number(row['p50_us']['median'] / 1e3)} ms, p99 "
            f"{number(row['p99_us']['median'] / 1e3)} ms, guest p99 "
            f"{number(row['guest_p99_ms']['median'])} ms; server "
            f"{percent(row['server_busy']['median'])}, load {percent(row['load_busy']['median'])}"
        )
        if row["load_busy"]["median"] >= BUSY > row["server_busy"]["median"]:
            yield f"  note: the generator was the bottleneck with {label}: compare CPU"
    for label, row in storm["ratios"].items():
        yield (
            f"  {label + ' / nginx':25} total {ratio(row['wall_ns'])}   CPU {ratio(row['cpu_us'])}"
            f"   p99 {ratio(row['p99_us'])}"
        )
    yield "  (telltale: started anew, so trees are compiled and documents signed meanwhile)"
    if "missing" in storm:
        yield f"  nginx not measured: {storm['missing']}"
    yield from setting_lines(storm.get("nginx"))
    yield from quiet_lines(storm)


AXES = {
    "instances": "instances",
    "connections": "kept connections",
    "fields": "header fields beyond four",
    "depth": "path segments below meta-data",
}


def growth_lines(growth):
    yield "\ncost as the work grows: CPU µs a request"
    for axis, lines in growth.items():
        xs = [point["x"] for point in next(iter(lines.values()))]
        yield f"  {AXES[axis]:32}" + "".join(f"{x:>10,}" for x in xs)
        for label, points in lines.items():
            yield f"    {label:30}" + "".join(
                f"{number(point['cpu_us']['median']):>10}" for point in points
            )


def instruction_lines(counts):
    yield "\ninstructions per request (callgrind, plain code of the libraries)"
    for kind, row in counts.items():
        yield (
            f"  {KINDS[kind]:36}{row['total']:>9,.0f}, of them telltale's {row['telltale']:,.0f}, "
            f"libcrypto's {row['libcrypto']:,.0f}"
        )


PARTS = {
    "token": token_lines,
    "instructions": instruction_lines,
    "scaling": scaling_lines,
    "idle": idle_lines,
    "many": many_lines,
    "change": change_lines,
    "storm": storm_lines,
    "start": start_lines,
    "growth": growth_lines,
}


def goal_lines(result):
    checked = goals.check(result)
    if not checked:
        return
    yield "\ngoals"
    for goal, value, met in checked:
        aim = f"{'at least' if goal.least else 'at most'} {goal.aim:g} {goal.unit}".strip()
        yield (
            f"  {goal.row:12} {goal.what:34} {number(value):>8} {goal.unit:6} {aim:18} "
            f"{'met' if met else 'MISSED'}"
        )


def others_lines(result):
    others = result["others"]
    used = ", ".join(f"{name} {percent(share)}" for name, share in others["used"])
    yield (
        f"\nothers used {percent(others['share'])} of one core over the whole run"
        + (f"; of those seen: {used}" if used else "")
    )
    if not others["quiet"]:
        yield "this was NOT a quiet machine: take the figures for a sketch, and measure again"
    took = result["took_s"]
    rows = ", ".join(f"{name} {seconds:.0f}" for name, seconds in took.items())
    yield f"took {sum(took.values()):.0f} s: {rows}"


def lines(result):
    machine = result["machine"]
    yield (
        f"{machine['cpu']}, {machine['cores']} cores, Linux {machine['kernel']}; "
        f"server on core {machine['server_core']}, load on core {machine['load_core']}; "
        f"{result['date']}"
    )
    yield "medians [quartiles]; ratios are taken round by round"
    if "telltale" not in machine["versions"]:
        yield "telltale was left out of this run"
    for label, why in result["missing"].items():
        yield f"{label} not measured: {why}"
    for work in result["works"]:
        yield from work_lines(work)
    for name, show in PARTS.items():
        if name in result["parts"]:
            yield from show(result["parts"][name])
    yield from goal_lines(result)
    for name, why in result["missing_parts"].items():
        yield f"\n{name} not measured: {why}"
    for name, why in result["failed"].items():
        yield f"\n{name} FAILED: {why}"
    yield from others_lines(result)
