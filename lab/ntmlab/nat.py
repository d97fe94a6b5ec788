# SPDX-License-Identifier: BSD-3-Clause
"""NAT boxes: the nftables rules of each class, their change at run time, and the flush.

Every class drops what arrives unasked for the box itself: a punch that came first would otherwise
make a conntrack entry, hold the port, and change the mapping of the packet it met half way.

A change of class keeps the mappings that exist, as a box with new settings does: a cone class
takes them over as its own, so that what peers have learnt of a node stays true. `flush` is the
box that lost its memory.
"""
import re

from . import ns
from .procs import LabError
from .topo import NAT_CLASSES

CONE = ("full-cone", "address-restricted", "port-restricted")

_ENTRY = re.compile(r"udp\s+17 (\d+) src=(\S+) dst=(\S+) sport=(\d+) dport=(\d+) .*?"
                    r"src=(\S+) dst=(\S+) sport=(\d+) dport=(\d+)")


def _mappings(space, topo):
    """UDP mappings of the box as (idle-left, inside ip, port, outside port, remote ip), those that
    an appliance sees first: they are what the peers of a node have learnt of it."""
    seen_by = {a.partition("/")[0] for t in topo.appliances.values() for a in t["addresses"]}
    out = ns.run(space, ["conntrack", "-L", "-p", "udp"]).stdout
    found = []
    for m in _ENTRY.finditer(out):
        left, src, _dst, sport, _dport, rsrc, rdst, _rsport, rdport = m.groups()
        if rdst != src:  # translated on the way out
            found.append((int(left), src, int(sport), int(rdport), rsrc))
    return sorted(found, key=lambda m: (m[4] in seen_by, m), reverse=True)


def _forget_unanswered(space):
    """End the UDP entries that nothing ever came back to: they are no mappings that anybody uses,
    but would give the next packet to the same peer the port of the old class."""
    out = ns.run(space, ["conntrack", "-L", "-p", "udp"]).stdout
    for line in out.splitlines():
        m = _ENTRY.search(line)
        if m and "[UNREPLIED]" in line:
            _left, src, dst, sport, dport = m.groups()[:5]
            ns.run(space, ["conntrack", "-D", "-p", "udp", "-s", src, "-d", dst,
                           "--sport", sport, "--dport", dport], check=False)


def _elements(items):
    return "elements = { " + ", ".join(items) + " }" if items else ""


def _cone(nat, pub, taken):
    """Endpoint-independent mapping; @rev knows who owns an outside port, @seen who was written to."""
    eim, rev, seen = {}, {}, {}
    for _left, ip, port, outside, remote in taken:
        eim.setdefault(f"{ip} . {port}", f"{pub} . {outside}")
        rev.setdefault(str(outside), f"{ip} . {port}")
        seen[f"{remote} . {outside}"] = 1
    admit = {
        "full-cone": "iifname wan meta l4proto udp dnat ip to udp dport map @rev",
        "address-restricted": "iifname wan meta l4proto udp ip saddr . udp dport @seen "
                              "dnat ip to udp dport map @rev",
        "port-restricted": "",
    }[nat]
    return f"""
	map eim {{
		type ipv4_addr . inet_service : ipv4_addr . inet_service
		{_elements([f"{k} : {v}" for k, v in eim.items()])}
	}}
	map rev {{
		typeof udp dport : ip saddr . udp sport
		size 65535
		flags dynamic
		{_elements([f"{k} : {v}" for k, v in rev.items()])}
	}}
	set seen {{
		type ipv4_addr . inet_service
		size 65535
		flags dynamic
		{_elements(list(seen))}
	}}
	chain pre {{
		type nat hook prerouting priority dstnat
		{admit}
	}}
	chain post {{
		type nat hook postrouting priority srcnat
		oifname wan meta l4proto udp snat ip to ip saddr . udp sport map @eim
		oifname wan masquerade
	}}
	# Behind the translation: the source port here is the outside one.
	chain learn {{
		type filter hook postrouting priority srcnat + 50
		oifname wan meta l4proto udp update @seen {{ ip daddr . udp sport }}
		oifname wan meta l4proto udp ct direction original add @rev {{ udp sport : ct original ip saddr . ct original proto-src }}
	}}"""


def _rules(nat, pub, taken=()):
    if nat == "none":
        return ""
    if nat in CONE:
        body = _cone(nat, pub, taken)
    else:
        port = {"address-dependent":
                f"meta l4proto udp snat to {pub} : jhash ip daddr . udp sport mod 20000 offset 20000",
                "symmetric": "meta l4proto { tcp, udp } masquerade random,fully-random"}[nat]
        body = f"""
	chain post {{
		type nat hook postrouting priority srcnat
		oifname wan {port}
		oifname wan masquerade
	}}"""
    return f"""
table ip lab {{{body}
	chain input {{
		type filter hook input priority 0
		iifname wan ct state new,invalid drop
	}}
	chain forward {{
		type filter hook forward priority 0
		iifname wan ct state new ct status & dnat == 0 drop
	}}
}}
"""


def _rules6(nat):
    """IPv6 is not translated; a box that is not open lets in only what was asked for."""
    drop = "" if nat in ("none", "full-cone") else "iifname wan ct state new drop"
    return f"""
table ip6 lab {{
	chain input {{
		type filter hook input priority 0
		iifname wan meta l4proto {{ tcp, udp }} ct state new drop
	}}
	chain forward {{
		type filter hook forward priority 0
		{drop}
	}}
}}
"""


def apply(lab, topo, name, nat, keep=True):
    """Install a class in one transaction: no packet meets half of it."""
    if name not in topo.boxes:
        raise LabError(f"no NAT box '{name}' (there are: {' '.join(topo.boxes)})")
    if nat not in NAT_CLASSES:
        raise LabError(f"no NAT class '{nat}' (there are: {' '.join(NAT_CLASSES)})")
    space = lab.space(name)
    pub = next((a.partition("/")[0] for a in topo.boxes[name]["addresses"] if ":" not in a), None)
    taken = _mappings(space, topo) if keep and nat in CONE else ()
    text = "table ip lab {}\ndelete table ip lab\ntable ip6 lab {}\ndelete table ip6 lab\n"
    if pub:
        text += _rules(nat, pub, taken)
    ns.run(space, ["nft", "-f", "-"], stdin=text + _rules6(nat))
    if taken:
        _forget_unanswered(space)
    lab.data.setdefault("nat", {})[name] = nat


def flush(lab, topo, name):
    """Forget every mapping of the box."""
    if name not in topo.boxes:
        raise LabError(f"no NAT box '{name}' (there are: {' '.join(topo.boxes)})")
    apply(lab, topo, name, lab.data["nat"][name], keep=False)
    ns.run(lab.space(name), ["conntrack", "-F"])
