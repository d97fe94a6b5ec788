# SPDX-License-Identifier: BSD-3-Clause
"""Step 8 of the demo: what somebody sees who listens on the outside links."""
import collections
import ipaddress
import struct

from . import capture
from .demo_tools import need
from .services import MARKER, resolver_ip

NEEDLE = MARKER[:16]  # also what the demo's pings are filled with
NTM_TYPES = range(0, 9)


def _is_ntm(payload):
    """By its header: version 1, a known type, zero bits where the contract wants them."""
    return (len(payload) >= 16 and payload[0] >> 4 == 1 and payload[0] & 15 in NTM_TYPES
            and payload[1] & 7 == 0)


def _is_mld(frame):
    """Joining the groups that ND asks in (RFC 4861, 7.2.1), behind its hop-by-hop option."""
    at = 54 + (frame[55] + 1) * 8
    return frame[54] == 58 and len(frame) > at and frame[at] in (130, 131, 132, 143)


def classify(frame, general, resolver):
    """What one frame is, in a word; "web2" and "dns" by address."""
    kind, = struct.unpack_from("!H", frame, 12)
    if kind == 0x0806:
        return "arp"
    if kind == 0x0800 and len(frame) >= 34:
        proto, start = frame[23], 14 + (frame[14] & 15) * 4
        ends = {ipaddress.ip_address(frame[26:30]), ipaddress.ip_address(frame[30:34])}
        if struct.unpack_from("!H", frame, 20)[0] & 0x3fff:
            return "fragment"
    elif kind == 0x86dd and len(frame) >= 54:
        proto, start = frame[20], 54
        ends = {ipaddress.ip_address(frame[22:38]), ipaddress.ip_address(frame[38:54])}
        if proto == 58 and 133 <= frame[54] <= 137 or proto == 0 and _is_mld(frame):
            return "nd"
    else:
        return f"ethertype {kind:#x}"
    if ends & general:
        return "web2"
    if proto in (6, 17) and len(frame) >= start + 8:
        ports = struct.unpack_from("!HH", frame, start)
        if resolver in ends and 53 in ports:
            return "dns"
        if proto == 17 and _is_ntm(frame[start + 8:]):
            return "ntm"
        return f"{'tcp' if proto == 6 else 'udp'} {'-'.join(map(str, ports))}"
    return f"protocol {proto}"


ALLOWED = {"arp", "nd", "web2", "dns", "ntm"}


def step_captures(demo):
    lab, topo = demo.lab, demo.topo
    general = {topo.host_ip("web2", v) for v in (4, 6)} - {None}
    resolver = resolver_ip(topo)
    total, control = collections.Counter(), 0
    for net in ("A", "B", "C", "carol"):
        with lab.locked():
            capture.stop(lab, topo, net)
        seen = collections.Counter()
        for frame in capture.read(lab.path(f"outside-{net}.pcap")):
            what = classify(frame, general, resolver)
            seen[what] += 1
            if what == "web2":
                control += NEEDLE in frame
            else:
                need(NEEDLE not in frame, f"plaintext in a packet on {net} ({what})")
        strange = {k: n for k, n in seen.items() if k not in ALLOWED}
        need(not strange, f"on {net}: {strange}")
        need(seen["ntm"] > 10, f"on {net}: only {seen['ntm']} packets of ours")
        total += seen
    need(control > 0, "the search finds nothing even in web2's plain traffic")
    return (f"{sum(total.values())} packets on A, B, C, carol: " +
            ", ".join(f"{n} {k}" for k, n in total.most_common()) +
            f"; no plaintext (the same search finds {control} packets of web2's)")
