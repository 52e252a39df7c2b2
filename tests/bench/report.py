"""What the bench prints: a table for people, bars for the eye."""

from xml.sax.saxutils import escape


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


def work_lines(work):
    yield f"\n{work['title']}   ({work['rounds']} rounds)"
    yield (
        f"  {'':17} {'CPU µs/' + work['unit']:>20} {work['unit'] + 's/s':>27} "
        f"{'p50 µs':>8} {'p99 µs':>20} {'server':>7} {'load':>6} {'user':>6}"
    )
    for label, row in work["servers"].items():
        mark = " *" if label == work["better_nginx"] else ""
        yield (
            f"  {label + mark:17} {spread(row['cpu_us']):>20} {spread(row['rate']):>27} "
            f"{number(row['p50_us']['median']):>8} {spread(row['p99_us']):>20} "
            f"{percent(row['server_busy']['median']):>7} {percent(row['load_busy']['median']):>6} "
            f"{percent(row['user_share']):>6}"
        )
    for other, figures in work["ratios"].items():
        yield (
            f"  telltale / {other:7} CPU {ratio(figures['cpu_us'])}   "
            f"{work['unit']}s/s {ratio(figures['rate'])}   p99 {ratio(figures['p99_us'])}"
        )
    for note in work["notes"]:
        yield f"  note: {note}"
    if work["foreign_share"] > 0.03 or work["stolen_share"] > 0.01:
        yield (
            f"  note: others used {percent(work['foreign_share'])} of the two cores, "
            f"the host took {percent(work['stolen_share'])}: this is not a quiet machine"
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
    yield "\none option changed live, in the store and in force when answered"
    for count, row in change["among"].items():
        yield (
            f"  among {int(count):>9,}          over the control socket "
            f"{spread(row['socket_ms'])} ms, daemon's CPU {spread(row['cpu_us'])} µs; "
            f"telltale options {spread(row['command_ms'])} ms"
        )
    yield f"  the command's own start (--version) {spread(change['version_ms'])} ms"


def start_lines(start):
    yield "\nstarting, with ten instances and a store"
    yield f"  exec to ready            {spread(start['ready_ms'])} ms"
    memory = start["two_workers"]
    yield (
        f"  idle, two workers        private {mib(memory['private'])}, "
        f"resident {mib(memory['rss'])}"
    )
    yield f"  binary                   {start['binary_bytes'] / 1024:,.0f} KiB"


PARTS = {"idle": idle_lines, "many": many_lines, "change": change_lines, "start": start_lines}


def lines(result):
    machine = result["machine"]
    yield (
        f"{machine['cpu']}, {machine['cores']} cores, Linux {machine['kernel']}; "
        f"server on core {machine['server_core']}, load on core {machine['load_core']}; "
        f"{result['date']}"
    )
    yield "medians [quartiles]; ratios are taken round by round; * is nginx's better setting"
    if "telltale" not in machine["versions"]:
        yield "telltale was left out of this run"
    for label, why in result["missing"].items():
        yield f"{label} not measured: {why}"
    for work in result["works"]:
        yield from work_lines(work)
    for name, show in PARTS.items():
        if name in result["parts"]:
            yield from show(result["parts"][name])
    for name, why in result["failed"].items():
        yield f"\n{name} FAILED: {why}"


# --- the chart

COLOURS = {
    "telltale": "#0b6e4f",
    "bare": "#8a8f98",
    "nginx": "#c8553d",
    "nginx, reuseport": "#c8553d",
    "h2o": "#6c5b9e",
}
WIDTH, LEFT, RIGHT, BAR, GAP = 860, 130, 190, 18, 30


def groups(result):
    """(title, [(label, value, low, high, text)]) for each group of bars; shorter is better."""
    for work in result["works"]:
        key = "p99_us" if work["main"] == "p99_us" else "cpu_us"
        what = "p99 latency" if key == "p99_us" else f"server's CPU time per {work['unit']}"
        rows = []
        for label, row in work["servers"].items():
            if label.startswith("nginx") and label != work["better_nginx"]:
                continue
            stat = row[key]
            text = f"{number(stat['median'])} µs, {number(row['rate']['median'])}/s"
            rows.append((label.replace("-", ", "), stat["median"], stat["low"], stat["high"], text))
        yield f"{work['title']}: {what}", rows
    idle = result["parts"].get("idle")
    if idle:
        values = [(label, row["rss"]["each"]) for label, row in idle["servers"].items()]
        yield (
            f"an idle connection, of {idle['connections']:,}: server's resident memory",
            [(label, v, v, v, f"{number(v)} bytes") for label, v in values],
        )
    change = result["parts"].get("change")
    if change:
        rows = []
        for count, row in change["among"].items():
            stat = row["socket_ms"]
            text = f"{number(stat['median'])} ms"
            label = f"among {int(count):,}"
            rows.append((label, stat["median"], stat["low"], stat["high"], text))
        yield "one option changed live, over the control socket", rows


def svg_text(x, y, text, extra=""):
    return f'<text x="{x:.1f}" y="{y:.1f}"{extra}>{escape(text)}</text>'


def svg_bar(y, scale, row):
    label, value, low, high, text = row
    end = LEFT + max(value, 0) * scale
    middle = y + BAR / 2
    colour = COLOURS.get(label, "#0b6e4f")
    yield svg_text(LEFT - 8, middle + 4, label, ' text-anchor="end"')
    yield (
        f'<rect x="{LEFT}" y="{y}" width="{end - LEFT:.1f}" height="{BAR - 4}" fill="{colour}"/>'
    )
    if high > low:
        yield (
            f'<path d="M{LEFT + low * scale:.1f} {middle - 2}H{LEFT + high * scale:.1f}" '
            'stroke="#111" stroke-width="1.5"/>'
        )
    yield svg_text(max(end, LEFT + high * scale) + 6, middle + 3, text, ' fill="#444"')


def svg(result):
    """Hand-written bars: each group has its own scale, spread is the thin line."""
    machine = result["machine"]
    body, y = [], 72
    for title, rows in groups(result):
        top = max((high for _, _, _, high, _ in rows), default=0) or 1
        scale = (WIDTH - LEFT - RIGHT) / top
        body.append(svg_text(LEFT, y, title, ' font-weight="bold"'))
        y += 10
        for row in rows:
            body += svg_bar(y, scale, row)
            y += BAR
        y += GAP
    caption = f"{machine['cpu']}, Linux {machine['kernel']}, {result['date']}"
    head = [
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{WIDTH}" height="{y}" '
        f'viewBox="0 0 {WIDTH} {y}" font-family="sans-serif" font-size="12" role="img">',
        f"<title>{escape('telltale beside others: shorter is better')}</title>",
        f'<rect width="{WIDTH}" height="{y}" fill="#fff"/>',
        svg_text(20, 24, "telltale beside others: shorter is better", ' font-size="16"'),
        svg_text(20, 42, f"{caption}; medians, the line spans the quartiles", ' fill="#444"'),
    ]
    return "\n".join([*head, *body, "</svg>"]) + "\n"
