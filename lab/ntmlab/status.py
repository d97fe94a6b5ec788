# SPDX-License-Identifier: BSD-3-Clause
"""What a lab looks like now, as data and as text."""
import contextlib
import json

from . import delay, ns, procs


def _addresses(space):
    out = {}
    for link in json.loads(ns.run(space, ["ip", "-j", "addr"]).stdout or "[]"):
        addrs = [f"{a['local']}/{a['prefixlen']}" for a in link.get("addr_info", ())
                 if a.get("scope") == "global"]
        if addrs:
            out[link["ifname"]] = addrs
    return out


def collect(lab):
    spaces = {}
    for name, space in lab.data["spaces"].items():
        if name.startswith("."):
            continue
        alive = procs.is_alive(space)
        spaces[name] = {"pid": space["pid"], "alive": alive,
                        "addresses": _addresses(space) if alive else {}}
    links = {}
    for key, link in lab.data.get("links", {}).items():
        links[key] = {"network": link["network"], "up": not link.get("down", False)}
        with contextlib.suppress(OSError, ValueError):
            if link.get("control"):
                links[key]["delay"] = delay.stats(link)
    programs = [{"node": p["space"], "program": p["name"], "pid": p["pid"],
                 "alive": procs.is_alive(p), "log": p["log"]} for p in lab.procs()]
    return {"name": lab.name, "topology": lab.data["topology"], "dir": lab.dir,
            "nat": lab.data.get("nat", {}), "file_sha256": lab.data.get("file_sha256"),
            "spaces": spaces, "links": links, "programs": programs}


# Of a line that delays, what is no loss that the topology asked for.
DROPS = ("drop_queue", "drop_ring", "drop_long", "tx_error", "overrun")


def _drops(link):
    found = [f"{way} {name} {d[name]}" for way, d in link.get("delay", {}).items()
             if isinstance(d, dict) for name in DROPS if d.get(name)]
    return " DROPPED: " + ", ".join(found) if found else ""


def text(s):
    lines = [f"lab {s['name']}: {s['topology']}, state in {s['dir']}", ""]
    for name, space in s["spaces"].items():
        addrs = " ".join(f"{i} {','.join(a)}" for i, a in space["addresses"].items())
        nat = f" [{s['nat'][name]}]" if name in s["nat"] else ""
        lines.append(f"  {name:<10}{'' if space['alive'] else ' DEAD'}{nat} {addrs}")
    lines.append("")
    for key, link in s["links"].items():
        d = link.get("delay", {}).get("ab")
        figures = f" {d['delay_us'] / 1000:g} ms, loss {d['loss_ppm'] / 10000:g} %" if d else ""
        lines.append(f"  {key:<14} on {link['network']}{'' if link['up'] else ' (unplugged)'}"
                     + figures + _drops(link))
    lines.append("")
    for p in s["programs"]:
        lines.append(f"  {p['node']:<10} {p['program']:<16} pid {p['pid']}"
                     + ("" if p["alive"] else " (ended)"))
    return "\n".join(lines)
