# SPDX-License-Identifier: BSD-3-Clause
"""Ask a name server the same TXT question many times and say what came back, as JSON.

    dns_flood.py SERVER NAME COUNT [cookie]

With `cookie` the server's cookie is fetched first and sent along, as a true client does.
"""
import json
import os
import socket
import struct
import sys
import time


def question(number, name, cookie):
    labels = b"".join(bytes([len(p)]) + p.encode() for p in name.split(".")) + b"\0"
    option = struct.pack(">HH", 10, len(cookie)) + cookie if cookie else b""
    opt = b"\0" + struct.pack(">HHIH", 41, 4096, 0, len(option)) + option
    return struct.pack(">6H", number, 0, 1, 0, 0, 1) + labels + struct.pack(">HH", 16, 1) + opt


def server_cookie(sock, name):
    mine = os.urandom(8)
    for number in range(20):
        sock.send(question(0xf000 + number, name, mine))
        try:
            answer = sock.recv(4096)
        except TimeoutError:
            continue
        at = answer.rfind(mine)
        if at > 0 and len(answer) >= at + 24:
            return answer[at:at + 24]
    sys.exit("no server cookie")


def main():
    server, name, count = sys.argv[1], sys.argv[2], int(sys.argv[3])
    sock = socket.socket(socket.AF_INET6 if ":" in server else socket.AF_INET, socket.SOCK_DGRAM)
    sock.connect((server, 53))
    sock.settimeout(1)
    cookie = server_cookie(sock, name) if "cookie" in sys.argv else b""
    sent = received = answers = truncated = longest = 0

    def collect(seconds):
        nonlocal received, answers, truncated, longest
        sock.settimeout(seconds)
        try:
            while True:
                a = sock.recv(65535)
                answers += 1
                received += len(a)
                truncated += bool(a[2] & 2)
                longest = max(longest, len(a))
        except (TimeoutError, BlockingIOError):
            pass

    for number in range(count):
        q = question(number, name, cookie)
        sock.send(q)
        sent += len(q)
        if number % 16 == 15:  # gently: what is measured is the server's limit, not a queue's
            time.sleep(0.002)
            collect(0)
    collect(1)
    print(json.dumps({"queries": count, "sent": sent, "received": received, "answers": answers,
                      "truncated": truncated, "longest": longest}))


main()
