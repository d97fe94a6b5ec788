# SPDX-License-Identifier: BSD-3-Clause
"""Steps 1 to 5 of the demo: enrolment, and each kind of path."""
import ipaddress
import os
import re
import signal

from . import capture, product
from .demo_tools import StepError, iperf_mbit, need
from .services import FILE_BYTES, MARKER

PING_PATTERN = MARKER[:16].hex()
DC = "ap1"


def _register_all(demo):
    """Wait until every node is registered; its addresses by name."""
    out = {}
    for node in demo.topo.nodes:
        s = demo.wait(f"registration of {node}",
                      lambda n=node: product.registered(demo.lab, n), 20)
        need(s.get("vip6"), f"{node} got no VIPv6")
        out[node] = (s["vip4"], s["vip6"], s.get("nat"))
    return out


def _nat(demo, node):
    nat = demo.ctl(node, "status").get("nat")
    return nat if nat != "unknown" else None


def _all_at_dc(demo):
    nodes = (product.ctl(demo.lab, DC, "node", "list") or {}).get("nodes", ())
    there = {n["name"] for n in nodes if n["state"] == "registered"}
    return all(demo.fqdn(n) in there for n in demo.topo.nodes)


def _same_vips(demo, what):
    after = _register_all(demo)
    for node, vips in demo.vips.items():
        need(after[node][:2] == vips[:2], f"{node} had {vips[0]}, after {what} {after[node][0]}")


def restart(demo, node, program, sig=signal.SIGTERM):
    with demo.lab.locked() as lab:
        obeyed = lab.stop(node, program, sig, 10)
        need(obeyed, f"{program} on {node} did not end on {signal.Signals(sig).name}")
        product.start(lab, demo.topo, node, program)


def step_enrol(demo):
    with demo.lab.locked() as lab:
        for node in demo.topo.nodes:
            product.enrol(lab, demo.topo, node)
            product.start(lab, demo.topo, node, "ntmd")
    demo.vips = _register_all(demo)
    need(len({v[0] for v in demo.vips.values()}) == len(demo.vips), "a VIPv4 was given twice")
    for node, behind in (("alice", True), ("bob", True), ("carol", False)):
        nat = demo.wait(f"NAT detection of {node}",
                        lambda n=node: _nat(demo, n), 10)
        need((nat != "none") == behind, f"{node} takes its NAT for '{nat}'")
    restart(demo, "alice", "ntmd")
    _same_vips(demo, "a restart of alice")
    restart(demo, DC, "ntm-appliance", signal.SIGKILL)
    # A DC keeps where its nodes are in memory alone: each is back at its next keep-alive.
    demo.wait("nodes to be back at the DC", lambda: _all_at_dc(demo), 40)
    _same_vips(demo, "kill -9 of the DC")
    return ", ".join(f"{n} {v[0]} {v[1]} nat {v[2]}" for n, v in demo.vips.items()) \
        + "; the same after a restart of alice and kill -9 of the DC"


def first_reply_ms(demo, node, name, count=5):
    """ms from the start of ping, its look-up included, to its first answer."""
    out = demo.run(node, "sh", "-c", 'date +%s.%N; exec ping -D -n -c "$1" -i 0.2 -W 5 -p "$2" "$3"',
                   "sh", str(count), PING_PATTERN, name, timeout=30)
    start = float(out.split("\n", 1)[0])
    m = re.search(r"\[([0-9.]+)\] .*bytes from", out)
    need(m, f"{node}: no answer from {name}")
    last = re.findall(r"time=([0-9.]+)", out)
    return (float(m.group(1)) - start) * 1000, float(last[-1])


def step_ping(demo):
    rtt = demo.rtt_ms("A")  # one round trip between a node and the appliance
    first, steady = first_reply_ms(demo, "alice", demo.fqdn("bob"))
    path = demo.path("alice", "bob")
    need(path, "alice has no path to bob")
    need(path["route"] == "rs-s", f"the path goes {path['route']}, not by RS-S")
    return (f"path {path['id']} by {path['rs']}: first reply after {first:.0f} ms = "
            f"{first / rtt:.1f} round trips of {rtt} ms; then {steady:.1f} ms")


def step_iperf(demo):
    figures = []
    for reverse in (False, True):
        before = demo.path("alice", "bob")
        need(before, "alice has no path to bob")
        out = demo.run("alice", "iperf3", "-J", "-t", "3", "-c", demo.fqdn("bob"),
                       *(["-R"] if reverse else []))
        figures.append(iperf_mbit(out))
        after = demo.path("alice", "bob")
        need(after and after["route"] == "rs-s" and after["id"] == before["id"],
             "the path did not stay on RS-S")
        key = "rx_bytes" if reverse else "tx_bytes"
        carried = after[key] - before[key]
        need(carried > figures[-1] * 1e6 / 8 * 2, f"only {carried} bytes went by the path")
    return f"path {after['id']}: {figures[0]:.0f} Mbit/s to bob, {figures[1]:.0f} Mbit/s to alice"


def step_direct(demo):
    first, steady = first_reply_ms(demo, "alice", demo.fqdn("carol"))
    there = demo.wait_route("alice", "carol", "direct", 10)
    # A fresh start of carol forgets the path, so that this time it is she who asks for it.
    restart(demo, "carol", "ntmd")
    demo.wait("registration of carol", lambda: product.registered(demo.lab, "carol"), 20)
    back_first, _ = first_reply_ms(demo, "carol", demo.fqdn("alice"))
    back = demo.wait_route("carol", "alice", "direct", 10)
    for p, who in ((demo.path("alice", "carol"), "alice"), (back, "carol")):
        need(p and p["route"] == "direct", f"the path of {who} is not direct")
    return (f"paths {there['id']}, {back['id']}: alice to carol {first:.0f} ms, carol to alice "
            f"{back_first:.0f} ms to the first reply, then {steady:.1f} ms")


def _log_sources(demo, host, since):
    """Addresses that a web host saw, from its log lines after the first `since`."""
    with open(demo.lab.path(f"nginx-{host}", "access.log"), encoding="utf-8") as f:
        return {line.split()[1] for line in f.readlines()[since:]}


def _log_lines(demo, host):
    path = demo.lab.path(f"nginx-{host}", "access.log")
    if not os.path.exists(path):
        return 0
    with open(path, encoding="utf-8") as f:
        return len(f.readlines())


def fetch(demo, node, url, *options):
    """curl and digest in one: (sha256, bytes per second)."""
    out = demo.run(node, "bash", "-c", 'set -o pipefail; curl -sSf --max-time 60 "$@" '
                   '-w "%{stderr}%{speed_download}" 2>/tmp/curl.$$ | sha256sum; '
                   'r=$?; cat /tmp/curl.$$; rm -f /tmp/curl.$$; exit $r', "sh", *options, url)
    words = out.split()
    need(len(words) >= 3, f"{node}: {url}: {out.strip()}")
    return words[0], float(words[2])


def step_general_host(demo):
    lab, topo = demo.lab, demo.topo
    web, web2 = (f"{h}.{topo.hosts_zone}" for h in ("web", "web2"))
    seen = [_log_lines(demo, "web"), _log_lines(demo, "web2")]
    pcap = lab.path("appliance-web2.pcap")
    with lab.locked():
        capture.start(lab, topo, DC, pcap, snaplen=96,
                      only=f"ip and host {topo.host_ip('web2')}")  # ARP goes to all
    digest, speed = fetch(demo, "alice", f"http://{web}/file.bin")
    need(digest == lab.data["file_sha256"], f"the digest of the {FILE_BYTES} bytes differs")
    fetch(demo, "alice", f"http://{web2}/file.bin", "-r", "0-999999")
    with lab.locked():
        capture.stop(lab, topo, DC)
    sources = _log_sources(demo, "web", seen[0])
    app = topo.appliances[DC]
    own = [a for a in sources if _is_appliance(topo, app, a)]
    need(sources and len(own) == len(sources), f"web saw {' '.join(sources)}")
    direct = _log_sources(demo, "web2", seen[1])
    nat = topo.boxes["A"]["addresses"][0].partition("/")[0]
    need(direct == {nat}, f"web2 saw {' '.join(direct)}, not {nat}")
    touched = len(capture.read(pcap))
    need(touched == 0, f"{touched} packets of web2 touched the appliance")
    return (f"{speed * 8 / 1e6:.0f} Mbit/s, sha256 {digest[:12]} ok, web saw {sources.pop()}; "
            f"web2 saw {nat}, none of its packets at the appliance")


def _is_appliance(topo, app, address):
    ip = ipaddress.ip_address(address)
    pools = [ipaddress.ip_network(p) for p in app.get("pool4", []) + app.get("pool6", [])]
    own = [ipaddress.ip_interface(a).ip for a in app["addresses"]]
    return ip in own or any(ip in p for p in pools)
