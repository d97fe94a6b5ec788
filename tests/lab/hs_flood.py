# SPDX-License-Identifier: BSD-3-Clause
"""Packets that look like handshake 1 to a DC, from sources that are made up.

    hs_flood.py DC PORT PUBLIC_KEY COUNT PREFIX     PREFIX: the first three bytes of the sources

Of five packets, three have a right MAC1, as anybody who knows the DC's public key can make them;
one has a wrong one and one is shorter than the protocol allows. At most 20,000 packets, about
4,000 a second.
"""
import base64
import hashlib
import hmac
import os
import random
import socket
import struct
import sys
import time


def handshake(key, kind):
    """A whole packet; `kind` says what is wrong with it."""
    head = bytes([0x13, 0x80]) + bytes(6) + b"\xff" * 8
    index = bytes([0x80 | os.urandom(1)[0]]) + os.urandom(7)
    body = index + bytes([1, 1, 0, 0]) + os.urandom(512 - 16 - 12 - 32)
    if kind == "short":
        return head + body[:100]
    mac1 = hmac.new(key, head + body, hashlib.sha256).digest()[:16]
    if kind == "wrong":
        mac1 = os.urandom(16)
    return head + body + mac1 + bytes(16)


def ip_udp(src, sport, dst, dport, data):
    """IPv4 and UDP; the kernel fills in the IP checksum, the UDP one is left out (0)."""
    udp = struct.pack(">HHHH", sport, dport, 8 + len(data), 0) + data
    return struct.pack(">BBHHHBBH4s4s", 0x45, 0, 20 + len(udp), 0, 0x4000, 64, 17, 0,
                       socket.inet_aton(src), socket.inet_aton(dst)) + udp


def main():
    dc, port, count, prefix = sys.argv[1], int(sys.argv[2]), int(sys.argv[4]), sys.argv[5]
    key = hashlib.sha256(b"ntm1 mac1" + base64.b64decode(sys.argv[3])).digest()
    raw = socket.socket(socket.AF_INET, socket.SOCK_RAW, socket.IPPROTO_RAW)
    kinds = ("right", "right", "right", "wrong", "short")
    start = time.monotonic()
    for number in range(min(count, 20000)):
        src = f"{prefix}.{random.randint(1, 254)}"
        raw.sendto(ip_udp(src, random.randint(1024, 65535), dc, port,
                          handshake(key, kinds[number % len(kinds)])), (dc, 0))
        behind = number / 4000 - (time.monotonic() - start)
        if behind > 0.005:
            time.sleep(behind)
    print(f"{number + 1} packets in {time.monotonic() - start:.1f} s")


main()
