# SPDX-License-Identifier: BSD-3-Clause
"""Datagrams of 3,000 bytes, whole and in hand-made pieces.

    udp_agent_big.py server PORT                    on the general host: see serve()
    udp_agent_big.py client HOST PORT               on the node: prints as JSON what came

Every datagram is a tag, a space, then a pattern that both ends can check.
"""
import json
import socket
import struct
import sys
import time

SIZE = 3000


def body(tag):
    return tag.encode() + b" " + bytes((i * 7 + len(tag)) & 0xff for i in range(SIZE - len(tag) - 1))


def checksum(data):
    total = sum(struct.unpack(f">{len(data) // 2}H", data)) if len(data) % 2 == 0 else \
        sum(struct.unpack(f">{len(data) // 2 + 1}H", data + b"\0"))
    while total >> 16:
        total = (total & 0xffff) + (total >> 16)
    return ~total & 0xffff


def datagram(src, dst, data):
    """A UDP packet with its checksum; src and dst are (address, port)."""
    size = 8 + len(data)
    pseudo = socket.inet_aton(src[0]) + socket.inet_aton(dst[0]) + struct.pack(">BBH", 0, 17, size)
    head = struct.pack(">HHH", src[1], dst[1], size)
    check = checksum(pseudo + head + b"\0\0" + data) or 0xffff
    return head + struct.pack(">H", check) + data


def fragment(raw, src, dst, number, whole, start, end):
    """One piece of the IP payload `whole`, from byte start to end."""
    more = 0x2000 if end < len(whole) else 0
    head = struct.pack(">BBHHHBBH4s4s", 0x45, 0, 20 + end - start, number, more | start // 8, 64,
                       17, 0, socket.inet_aton(src[0]), socket.inet_aton(dst[0]))
    raw.sendto(head + whole[start:end], (dst[0], 0))


# Byte ranges of the 3,008 bytes behind the IP header, in the order of sending.
PIECES = {
    "in-order": [(0, 1400), (1400, 2800), (2800, 3008)],
    "last-first": [(2800, 3008), (1400, 2800), (0, 1400)],
    "middle-last": [(0, 1400), (2800, 3008), (1400, 2800)],
    "one-missing": [(0, 1400), (2800, 3008)],
    "overlap": [(0, 1400), (1392, 2800), (2800, 3008)],
    "first-missing": [(1400, 2800), (2800, 3008)],
}


def serve(port):
    """Echo what comes as it came; on `pieces` send one datagram in each way of PIECES."""
    sock = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    sock.bind(("", port))
    raw = socket.socket(socket.AF_INET, socket.SOCK_RAW, socket.IPPROTO_RAW)
    while True:
        data, peer = sock.recvfrom(65535)
        if data.split(b" ", 1)[0] != b"pieces":
            sock.sendto(data, peer)
            continue
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as s:
            s.connect(peer)
            own = (s.getsockname()[0], port)
        for number, (tag, pieces) in enumerate(PIECES.items()):
            whole = datagram(own, peer, body(tag))
            for start, end in pieces:
                fragment(raw, own, peer, 0x4000 + number, whole, start, end)
                time.sleep(0.005)
            time.sleep(0.05)


def ask(sock, tag, seconds):
    """Tags of the intact datagrams that come within some seconds of the last one."""
    sock.send(body(tag))
    sock.settimeout(seconds)
    got = []
    try:
        while True:
            data = sock.recv(65535)
            name = data.split(b" ", 1)[0].decode("latin1")
            got.append(name if data == body(name) else name + "-altered")
            if tag != "pieces":
                return got
    except TimeoutError:
        return got


def main():
    if sys.argv[1] == "server":
        serve(int(sys.argv[2]))
    sock = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    sock.connect((socket.gethostbyname(sys.argv[2]), int(sys.argv[3])))
    print(json.dumps({"echo": [ask(sock, f"echo{i}", 5) for i in range(5)],
                      "pieces": ask(sock, "pieces", 3)}))


main()
