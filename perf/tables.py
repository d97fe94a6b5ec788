# SPDX-License-Identifier: BSD-3-Clause
"""The tables of docs/benchmark.md out of results.json: python3 perf/tables.py [RESULTS.json]."""
import json
import os
import sys

# In the order of the table; goal and stretch are ratios to the floor where nothing else is said.
GOALS = {
    "lookup.1m": "2, 1.3", "lookup.10m": "2, 1.3", "lookup.1m.rte_hash": "", "rs_s.64.1m": "1.5, 1.25",
    "rs_s.64.10m": "1.6, 1.3", "rs_s.64.1m.v6": "", "rs_s.64.1m.v46": "", "rs_n.open.gcm128.64": "2.2, 1.8", "rs_n.open.gcm128.512": "1.6, 1.4",
    "rs_n.open.gcm128.1400": "1.35, 1.2", "rs_n.seal.gcm128.64": "2.2, 1.8",
    "rs_n.seal.gcm128.512": "1.6, 1.4", "rs_n.seal.gcm128.1400": "1.35, 1.2",
    "rs_n.open.gcm128.64.far": "", "rs_n.open.gcm128.1400.far": "", "rs_n.seal.gcm128.1400.far": "",
    "rs_n.open.gcm128.1400.cold64k": "1.3, 1.15", "rs_n.seal.gcm128.1400.cold64k": "", "rs_n.open.cbc_sha256.1400": "1.15, 1.08",
    "rs_n.open.cbc_md5.1400": "1.15, 1.08", "nat.hit.10m": "3, 2", "nat.new.10m": "600 cycles",
    "table.update.1m": "1 M/s", "memory.rs_s.10m": "320 bytes", "memory.rs_n": "2.5 kB, 1.5 kB",
    "scale.rs_s.2w": "0.95, 0.98", "scale.rs_n.2w": "0.95, 0.98", "fat_path.2w": "0.85",
    "session.seal.gcm128.64": "", "session.open.gcm128.64": "", "session.seal.gcm128.1400": "",
    "session.open.gcm128.1400": "", "idle.poll.p99": "", "idle.wake.p99": "",
    "idle.adaptive.p99": "poll and 50 us",
}
NODES = (("NTMobile", "direct", "rs_s"),
         ("wireguard-go", "wireguard_go.direct", "wireguard_go.relay"),
         ("nebula", "nebula.direct", "nebula.relay"), ("no tunnel", "plain", "nft_relay"))
UNITS = {"": "", "cycles": "", "per second": "/s"}


def number(v, unit=""):
    if v is None:
        return ""
    unit = UNITS.get(unit, f" {unit}")
    for size, letter in ((1e6, "M"), (1e4, "k")):
        if v >= size:
            return f"{v / (1e3 if letter == 'k' else size):.3g} {letter}{unit}"
    return (f"{v:.0f}" if v >= 100 else f"{v:.3g}") + unit


def rows_table(rows):
    yield "| name | best | median | floor | ratio | by rounds | goal, stretch |"
    yield "|---|---|---|---|---|---|---|"
    hostile = {n: "2" for n in rows if n.startswith("hostile.") and rows[n]["floor"]}
    for name, goal in {**GOALS, **hostile}.items():
        r = rows.get(name)
        if r:
            yield (f"| `{name}` | {number(r['value'], r['unit'])} "
                   f"| {number(r.get('median'), r['unit'])} | {number(r['floor'], r['unit'])} "
                   f"| {number(r['ratio'])} | {number(r.get('ratio_median'))} | {goal} |")


def nodes_table(rows):
    def cell(name):
        r = rows[name]
        return number(r["value"]) + (f" ({r['ratio']:.1f})" if r["ratio"] else "")

    yield "| | TCP direct, Mbit/s | by a relay | 64 B direct, packets/s | by a relay |"
    yield "|---|---|---|---|---|"
    for label, direct, relay in NODES:
        names = [f"node.tun.{way}{what}" for what in ("", ".pps64") for way in (direct, relay)]
        if all(n in rows for n in names):
            yield f"| {label} | " + " | ".join(cell(n) for n in names) + " |"


def main():
    top = os.path.dirname(os.path.dirname(os.path.realpath(__file__)))
    path = sys.argv[1] if len(sys.argv) > 1 else os.path.join(top, "build/bench/results.json")
    with open(path, encoding="utf-8") as f:
        rows = {r["name"]: r for r in json.load(f)}
    print("\n".join([*rows_table(rows), "", *nodes_table(rows)]))


if __name__ == "__main__":
    main()
