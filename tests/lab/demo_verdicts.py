#!/usr/bin/python3
# SPDX-License-Identifier: BSD-3-Clause
"""What the demo makes of what it measures: frames by hand, arrivals by hand."""
import ipaddress
import os
import struct
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "..", "lab"))
from ntmlab.demo_capture import NEEDLE, classify  # noqa: E402
from ntmlab.demo_tools import Arrivals, StepError, iperf_mbit, need  # noqa: E402

RESOLVER = ipaddress.ip_address("20.0.0.54")
GENERAL = {ipaddress.ip_address("20.0.0.82"), ipaddress.ip_address("2600:2000::82")}
NTM = bytes([0x10, 0x80]) + bytes(14) + bytes(32)


def ip4(src, dst, proto, body, frag=0):
    head = struct.pack("!BBHHHBBH4s4s", 0x45, 0, 20 + len(body), 1, frag, 64, proto, 0,
                       ipaddress.ip_address(src).packed, ipaddress.ip_address(dst).packed)
    return bytes(12) + b"\x08\x00" + head + body


def ip6(src, dst, proto, body):
    head = struct.pack("!IHBB16s16s", 6 << 28, len(body), proto, 64,
                       ipaddress.ip_address(src).packed, ipaddress.ip_address(dst).packed)
    return bytes(12) + b"\x86\xdd" + head + body


def udp(sport, dport, payload):
    return struct.pack("!HHHH", sport, dport, 8 + len(payload), 0) + payload


FRAMES = (
    (bytes(12) + b"\x08\x06" + bytes(28), "arp"),
    (ip4("20.0.11.2", "20.0.1.10", 17, udp(41000, 5530, NTM)), "ntm"),
    (ip6("2600::1", "2600::2", 17, udp(5525, 5525, NTM)), "ntm"),
    (ip4("20.0.11.2", "20.0.1.10", 17, udp(41000, 5530, b"\x20" + NTM[1:])), "udp 41000-5530"),
    (ip4("20.0.11.2", "20.0.1.10", 17, udp(41000, 5530, b"\x10\x81" + NTM[2:])), "udp 41000-5530"),
    (ip4("20.0.11.2", "20.0.1.10", 17, udp(41000, 5530, NTM[:15])), "udp 41000-5530"),
    (ip4("20.0.11.2", "20.0.0.54", 17, udp(5000, 53, b"query")), "dns"),
    (ip4("20.0.11.2", "20.0.0.55", 17, udp(5000, 53, b"query")), "udp 5000-53"),
    (ip4("20.0.11.2", "20.0.0.82", 6, bytes(20)), "web2"),
    (ip4("20.0.11.2", "20.0.0.80", 6, struct.pack("!HH", 4000, 80) + bytes(16)), "tcp 4000-80"),
    (ip4("20.0.11.2", "20.0.1.10", 1, bytes(8)), "protocol 1"),
    (ip4("20.0.11.2", "20.0.1.10", 17, udp(1, 2, NTM), frag=0x2000), "fragment"),
    (ip4("20.0.11.2", "20.0.1.10", 17, NTM, frag=5), "fragment"),
    (ip6("fe80::1", "fe80::2", 58, bytes([135]) + bytes(23)), "nd"),
    (ip6("fe80::1", "fe80::2", 58, bytes([128]) + bytes(23)), "protocol 58"),
    (ip6("fe80::1", "ff02::16", 0, bytes([58, 0, 5, 2, 0, 0, 1, 0, 143]) + bytes(8)), "nd"),
    (ip6("fe80::1", "ff02::16", 0, bytes([17, 0, 5, 2, 0, 0, 1, 0, 143]) + bytes(8)), "protocol 0"),
    (bytes(12) + b"\x88\xcc" + bytes(20), "ethertype 0x88cc"),
)


def check(what, want, have):
    if want != have:
        sys.exit(f"{what}: want {want!r}, have {have!r}")


def refused(what, fn):
    try:
        fn()
    except StepError:
        return
    sys.exit(f"{what}: accepted")


for number, (frame, want) in enumerate(FRAMES):
    check(f"frame {number}", want, classify(frame, GENERAL, RESOLVER))
check("length of what is searched for", 16, len(NEEDLE))

a = Arrivals()
for n in range(300):
    if not 100 <= n < 125:
        a.at[n] = n * 0.01
check("lost", 25, a.lost())
check("outage", 250, round(a.outage_ms()))
few = Arrivals()
few.at = {n: n * 0.01 for n in range(50)}
refused("an outage of hardly any probes", few.outage_ms)

SUM = '{"end": {"sum_received": {"bytes": %d, "seconds": %f, "bits_per_second": %f}}}'
check("Mbit/s", 8.0, iperf_mbit(SUM % (10 ** 6, 1, 8e6)))
refused("iperf3 without a byte", lambda: iperf_mbit(SUM % (0, 1, 0)))
refused("iperf3 that ended early", lambda: iperf_mbit(SUM % (10 ** 6, 1, 8e6), 5))
refused("iperf3 without a result", lambda: iperf_mbit('{"error": "no route"}'))
refused("a need that is not met", lambda: need(False, "x"))
