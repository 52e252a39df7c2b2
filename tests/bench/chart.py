"""The bench's chart: bars for what is side by side, lines for what grows. Plain SVG."""

from xml.sax.saxutils import escape

from report import AXES, number

COLOURS = {
    "telltale": "#0b6e4f",
    "bare": "#8a8f98",
    "nginx": "#c8553d",
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
            stat = row[key]
            text = f"{number(stat['median'])} µs, {number(row['rate']['median'])}/s"
            rows.append((label, stat["median"], stat["low"], stat["high"], text))
        yield f"{work['title']}: {what}", rows
    idle = result["parts"].get("idle")
    if idle:
        values = [(label, row["rss"]["each"]) for label, row in idle["servers"].items()]
        yield (
            f"an idle connection, of {idle['connections']:,}: server's resident memory",
            [(label, v, v, v, f"{number(v)} bytes") for label, v in values],
        )
    yield from part_groups(result["parts"])


def part_groups(parts):
    if "change" in parts:
        rows = [
            (f"among {int(count):,}", *bar(row["seen_us"], "µs"))
            for count, row in parts["change"]["inside"]["among"].items()
        ]
        yield "one option changed: seen by a client since the store's commit", rows
    if "storm" in parts:
        rows = [
            (label, *bar(row["total_ms"], "ms"))
            for label, row in parts["storm"]["servers"].items()
        ]
        yield f"boot storm of {parts['storm']['guests']:,} guests: until all are done", rows


def bar(stat, unit):
    text = f"{number(stat['median'])} {unit}"
    return stat["median"], stat["low"], stat["high"], text


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


def svg_groups(result, y):
    """All groups of bars; and where they end."""
    body = []
    for title, rows in groups(result):
        top = max((high for _, _, _, high, _ in rows), default=0) or 1
        scale = (WIDTH - LEFT - RIGHT) / top
        body.append(svg_text(LEFT, y, title, ' font-weight="bold"'))
        y += 10
        for row in rows:
            body += svg_bar(y, scale, row)
            y += BAR
        y += GAP
    return body, y


# --- lines: cost as the work grows

PLOT = {"width": 500, "height": 150, "gap": 70}
DASHES = {"new": ' stroke-dasharray="5 3"'}


def place_x(x, xs):
    """Evenly for each step: they grow as powers do, and 0 may be among them."""
    return PLOT["width"] * xs.index(x) / max(len(xs) - 1, 1)


def plot(axis, lines, left, y):
    """One small chart; it begins at zero, so that flat looks flat."""
    xs = [point["x"] for point in next(iter(lines.values()))]
    top = max(point["cpu_us"]["high"] for points in lines.values() for point in points) * 1.1
    floor = y + PLOT["height"]
    yield svg_text(left, y - 10, f"CPU µs a request, by {AXES[axis]}", ' font-weight="bold"')
    yield f'<path d="M{left} {y}V{floor}H{left + PLOT["width"]}" fill="none" stroke="#999"/>'
    for share in (0, 0.5, 1):
        at = floor - PLOT["height"] * share
        yield svg_text(left - 6, at + 4, number(top * share), ' text-anchor="end" fill="#444"')
    for x in xs:
        middle = ' text-anchor="middle" fill="#444"'
        yield svg_text(left + place_x(x, xs), floor + 16, f"{x:,}", middle)
    scale = PLOT["height"] / top
    for label, points in lines.items():
        yield from plot_line(label, points, xs, left, floor, scale)
    yield from plot_names(lines, left + PLOT["width"] + 6, floor, scale)


def plot_names(lines, x, floor, scale):
    """Each line's name at its end, from the lowest up, and none on another."""
    free = floor
    by_end = sorted(lines, key=lambda label: lines[label][-1]["cpu_us"]["median"])
    for label in by_end:
        y = min(floor - lines[label][-1]["cpu_us"]["median"] * scale, free)
        free = y - 12
        yield svg_text(x, y + 4, label, f' fill="{colour_of(label)}"')


def colour_of(label):
    return COLOURS.get(label.partition(",")[0], "#0b6e4f")


def plot_line(label, points, xs, left, floor, scale):
    places = [
        (left + place_x(point["x"], xs), floor - point["cpu_us"]["median"] * scale)
        for point in points
    ]
    path = "L".join(f"{x:.1f} {y:.1f}" for x, y in places)
    dash = DASHES.get(label.rpartition(" ")[2], "")
    yield (
        f'<path d="M{path}" fill="none" stroke="{colour_of(label)}" stroke-width="1.8"{dash}/>'
    )
    for x, y in places:
        yield f'<circle cx="{x:.1f}" cy="{y:.1f}" r="2.5" fill="{colour_of(label)}"/>'


def svg_plots(growth, y):
    body = []
    y += 20
    for axis, lines in growth.items():
        body += plot(axis, lines, LEFT, y)
        y += PLOT["height"] + PLOT["gap"]
    return body, y


def svg(result):
    """Hand-written: each group of bars has its own scale, spread is the thin line."""
    machine = result["machine"]
    body, y = svg_groups(result, 72)
    if "growth" in result["parts"]:
        plots, y = svg_plots(result["parts"]["growth"], y)
        body += plots
    caption = f"{machine['cpu']}, Linux {machine['kernel']}, {result['date']}"
    if not result["others"]["quiet"]:
        caption += ", NOT a quiet machine"
    head = [
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{WIDTH}" height="{y}" '
        f'viewBox="0 0 {WIDTH} {y}" font-family="sans-serif" font-size="12" role="img">',
        f"<title>{escape('telltale beside others: shorter is better')}</title>",
        f'<rect width="{WIDTH}" height="{y}" fill="#fff"/>',
        svg_text(20, 24, "telltale beside others: shorter is better", ' font-size="16"'),
        svg_text(20, 42, f"{caption}; medians, the line spans the quartiles", ' fill="#444"'),
    ]
    return "\n".join([*head, *body, "</svg>"]) + "\n"
