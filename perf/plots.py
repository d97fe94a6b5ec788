# SPDX-License-Identifier: BSD-3-Clause
"""SVG plots of the rows of results.json: rate against frame size, number of paths, cores. perf/run
writes them beside the rows; `python3 perf/plots.py RESULTS.json FOLDER` draws them again.

A plot is drawn from the rows that exist, a line of two points or more. Cycles become a rate by the
TSC's frequency, which the run wrote as machine.tsc: packets per second of one worker that does
nothing else. Colours are those of Okabe and Ito, which stay apart for most eyes and on both
backgrounds.
"""
import html
import json
import math
import os
import sys

WIDTH, HEIGHT = 760, 440
LEFT, RIGHT, TOP, BOTTOM = 70, 210, 62, 58
COLOURS = ("#0072b2", "#d55e00", "#009e73", "#cc79a7", "#e69f00", "#56b4e9")
STYLE = """
text{font:13px system-ui,sans-serif;fill:#222}
.title{font-size:16px;font-weight:600}.small{font-size:11px}
.axis{stroke:#555;fill:none}.grid{stroke:#ddd}.back{fill:#fff}
@media(prefers-color-scheme:dark){text{fill:#ddd}.axis{stroke:#aaa}.grid{stroke:#444}.back{fill:#1b1b1b}}
"""

SIZES = (64, 512, 1400)
NDR_SIZES = (64, 128, 256, 512, 1024, 1400)  # of perf/ndr
# file: title, x label, x is logarithmic, {line: [(x, name of the row, "floor" in place of value)]}
PLOTS = {
    "rate-frame-size.svg": ("One worker, AES-128-GCM: rate against packet size",
                            "inner packet, bytes", False, {
        "floor of RS-N open": [(s, f"rs_n.open.gcm128.{s}", "floor") for s in SIZES],
        "RS-N open": [(s, f"rs_n.open.gcm128.{s}") for s in SIZES],
        "RS-N seal": [(s, f"rs_n.seal.gcm128.{s}") for s in SIZES],
        "node seals (OpenSSL)": [(s, f"session.seal.gcm128.{s}") for s in SIZES],
        "node opens (OpenSSL)": [(s, f"session.open.gcm128.{s}") for s in SIZES]}),
    "rate-paths.svg": ("One worker, 64 bytes inner: rate against number of paths",
                       "paths, each packet of a random one", True, {
        "one random cache line": [(1e6, "floor.line.1m"), (1e7, "floor.line.10m")],
        "look-up": [(1e6, "lookup.1m"), (1e7, "lookup.10m")],
        "I/O alone": [(1e6, "floor.io.1m"), (1e7, "floor.io.10m")],
        "RS-S": [(1e6, "rs_s.64.1m"), (1e7, "rs_s.64.10m")]}),
    "no-drop-frame-size.svg": ("No-drop rate over net_ring against packet size, generator included",
                               "inner packet, bytes", False, {
        "RS-S": [(s, f"plot.ndr.rs_s.{s}") for s in NDR_SIZES],
        "RS-N": [(s, f"plot.ndr.rs_n.{s}") for s in NDR_SIZES]}),
    "no-drop-paths.svg": ("RS-S, no-drop rate over net_ring against number of paths",
                          "paths", True, {
        "RS-S": [(p, f"plot.ndr.paths.{p}") for p in (1000, 10000, 100000, 1000000)]}),
    "rate-cores.svg": ("Rate against worker lcores", "workers", False, {
        "AEAD alone (floor)": [(1, "scale.floor.1w"), (2, "scale.floor")],
        "RS-N": [(1, "scale.rs_n.1w"), (2, "scale.rs_n.2w")],
        "RS-N, one fat path": [(1, "scale.rs_n.1w"), (2, "fat_path.2w")],
        "RS-S": [(1, "scale.rs_s.1w"), (2, "scale.rs_s.2w")]}),
}


def rate(row, tsc_mhz, which="value"):
    """Million per second, or None."""
    if row is None or not row[which]:
        return None
    if row["unit"] == "per second":
        return row[which] / 1e6
    return tsc_mhz / row[which] if row["unit"] == "cycles" and tsc_mhz else None


def tick_step(top):
    """The step of a scale of four to eight round numbers."""
    base = 10 ** math.floor(math.log10(top / 4))
    return next(base * k for k in (1, 2, 2.5, 5, 10) if top / (base * k) <= 8)


def number(v):
    for size, unit in ((1e6, " M"), (1e3, " k")):
        if v >= 10 * size or v == size:
            return f"{v / size:g}{unit}"
    return f"{v:g}"


def apart(ends):
    """Heights of the labels at the lines' ends, moved so that none covers another."""
    placed = []
    for y, i in sorted(ends):
        y = max(y, placed[-1][0] + 17) if placed else y
        placed.append((y, i))
    down = max(0, placed[-1][0] - (HEIGHT - BOTTOM)) if placed else 0
    return {i: y - down for y, i in placed}


def svg(title, subtitle, x_label, is_log, lines):
    """lines: {name: (colour, [(x, million per second)])}, x rising."""
    xs = sorted({x for _, points in lines.values() for x, _ in points})
    scale = math.log10 if is_log else float
    low, high = scale(xs[0]), scale(xs[-1])
    low = 0.0 if not is_log and len(xs) > 2 else low
    top = max(y for _, points in lines.values() for _, y in points)
    step = tick_step(top)
    top = step * math.ceil(top / step)

    def px(x):
        return LEFT + (scale(x) - low) / (high - low) * (WIDTH - LEFT - RIGHT)

    def py(y):
        return HEIGHT - BOTTOM - y / top * (HEIGHT - TOP - BOTTOM)

    out = [f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {HEIGHT}" '
           f'width="{WIDTH}" height="{HEIGHT}" role="img"><title>{html.escape(title)}</title>',
           f"<style>{STYLE}</style>", f'<rect class="back" width="{WIDTH}" height="{HEIGHT}"/>',
           f'<text class="title" x="{LEFT}" y="24">{html.escape(title)}</text>',
           f'<text class="small" x="{LEFT}" y="42">{html.escape(subtitle)}</text>']
    for k in range(round(top / step) + 1):
        y = py(k * step)
        out.append(f'<line class="grid" x1="{LEFT}" x2="{WIDTH - RIGHT}" y1="{y:.1f}" y2="{y:.1f}"/>'
                   f'<text x="{LEFT - 8}" y="{y + 4:.1f}" text-anchor="end">{k * step:g}</text>')
    for x in xs:
        out.append(f'<line class="axis" x1="{px(x):.1f}" x2="{px(x):.1f}" y1="{HEIGHT - BOTTOM}" '
                   f'y2="{HEIGHT - BOTTOM + 5}"/><text class="small" x="{px(x):.1f}" y="{HEIGHT - BOTTOM + 20}" '
                   f'text-anchor="middle">{number(x)}</text>')
    out.append(f'<path class="axis" d="M{LEFT} {TOP}V{HEIGHT - BOTTOM}H{WIDTH - RIGHT}"/>'
               f'<text x="{(LEFT + WIDTH - RIGHT) / 2}" y="{HEIGHT - 16}" text-anchor="middle">'
               f'{html.escape(x_label)}</text><text transform="translate(20 {HEIGHT / 2}) rotate(-90)"'
               ' text-anchor="middle">million per second</text>')
    labels = apart([(py(points[-1][1]), i) for i, (_, points) in enumerate(lines.values())])
    for i, (name, (colour, points)) in enumerate(lines.items()):
        path = " ".join(f"{px(x):.1f},{py(y):.1f}" for x, y in points)
        out.append(f'<polyline points="{path}" fill="none" stroke="{colour}" stroke-width="2.5"/>')
        out += [f'<circle cx="{px(x):.1f}" cy="{py(y):.1f}" r="4" fill="{colour}"><title>'
                f'{html.escape(name)}, {number(x)}: {y:.3g} million per second</title></circle>'
                for x, y in points]
        x, y = px(points[-1][0]), py(points[-1][1])
        out.append(f'<path d="M{x + 6:.1f} {y:.1f}L{WIDTH - RIGHT + 16} {labels[i]:.1f}h8" '
                   f'stroke="{colour}" fill="none" stroke-opacity=".6"/>'
                   f'<text x="{WIDTH - RIGHT + 28}" y="{labels[i] + 4:.1f}">{html.escape(name)} '
                   f'{points[-1][1]:.3g}</text>')
    return "\n".join([*out, "</svg>", ""])


def write(rows, folder, machine=""):
    """Every plot that rows (by name) suffice for; the files written."""
    tsc = (rows.get("machine.tsc") or {}).get("value")
    done = []
    for file, (title, x_label, is_log, wanted) in PLOTS.items():
        lines = {}
        for (name, points), colour in zip(wanted.items(), COLOURS):
            got = [(x, rate(rows.get(row), tsc, *which)) for x, row, *which in points]
            got = [(x, y) for x, y in got if y]
            if len(got) > 1:
                lines[name] = colour, got
        if not lines:
            continue
        names = [p[1] for points in wanted.values() for p in points if p[1] in rows]
        when = min((rows[n].get("when") or "" for n in names), default="")
        path = os.path.join(folder, file)
        with open(path, "w", encoding="utf-8") as f:
            f.write(svg(title, f"best of the rounds; {machine} {when}".strip(), x_label, is_log,
                        lines))
        done.append(path)
    return done


if __name__ == "__main__":
    with open(sys.argv[1], encoding="utf-8") as results:
        for written in write({r["name"]: r for r in json.load(results)}, sys.argv[2]):
            print(written)
