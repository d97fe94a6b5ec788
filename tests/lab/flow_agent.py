#!/usr/bin/python3
# SPDX-License-Identifier: BSD-3-Clause
"""One end of a steady flow of numbered datagrams, for flows.py.

usage: flow_agent.py send ADDRESS PORT RATE    until standard input closes; prints how many it sent
       flow_agent.py recv PORT                 until told that number, and nothing more comes

The receiver prints JSON: how many numbers came, how many of them again, and for those that came
late by how many they had been overtaken.
"""
import json
import select
import socket
import sys
import time

SIZE = 1000
BURST = 32  # more than that at once would test the queues of a machine that was held up
SECONDS = 60
QUIET_S = 0.5
SO_RCVBUFFORCE = 33
BUFFER = 8 << 20


def send(address, port, rate):
    sock = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    sock.connect((address, port))
    pad = bytes(SIZE - 8)
    start = due = time.monotonic()
    number = 0
    print("ready", flush=True)
    while not select.select([sys.stdin], [], [], 0.001)[0] and due - start < SECONDS:
        now = time.monotonic()
        for _ in range(min(int((now - due) * rate), BURST)):
            sock.send(number.to_bytes(8) + pad)
            number += 1
            due += 1 / rate
        due = max(due, now - BURST / rate)
    print(number, flush=True)


def recv(port):
    sock = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    sock.setsockopt(socket.SOL_SOCKET, SO_RCVBUFFORCE, BUFFER)
    sock.bind(("0.0.0.0", port))
    sock.settimeout(QUIET_S)
    seen = bytearray()
    highest, again, late, deepest = -1, 0, 0, 0
    sent = None
    print("ready", flush=True)
    while True:
        try:
            number = int.from_bytes(sock.recv(2048)[:8])
        except TimeoutError:
            if sent is not None:
                break
            if select.select([sys.stdin], [], [], 0)[0]:
                sent = int(sys.stdin.readline())
            continue
        if number >= len(seen):
            seen.extend(bytes(number + 65536 - len(seen)))
        again += seen[number]
        seen[number] = 1
        if number > highest:
            highest = number
        else:
            late += 1
            deepest = max(deepest, highest - number)
    print(json.dumps({"sent": sent, "came": seen.count(1), "again": again, "late": late,
                      "deepest": deepest}), flush=True)


if sys.argv[1] == "send":
    send(sys.argv[2], int(sys.argv[3]), int(sys.argv[4]))
else:
    recv(int(sys.argv[2]))
