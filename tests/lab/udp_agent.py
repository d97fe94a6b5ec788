#!/usr/bin/python3
# SPDX-License-Identifier: BSD-3-Clause
"""Sends and receives single datagrams as it is told on standard input, for nat_probe.py.

  send PORT ADDRESS PORT TEXT   from our port
  recv PORT SECONDS             prints "ADDRESS PORT TEXT", or "none" after that time
"""
import socket
import sys

socks = {}


def port(number):
    if number not in socks:
        s = socks[number] = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        s.bind(("0.0.0.0", int(number)))
    return socks[number]


for line in sys.stdin:
    words = line.split()
    sock = port(words[1])
    if words[0] == "send":
        sock.sendto(words[4].encode(), (words[2], int(words[3])))
        print("ok", flush=True)
    else:
        sock.settimeout(float(words[2]))
        try:
            data, addr = sock.recvfrom(2048)
            print(addr[0], addr[1], data.decode(), flush=True)
        except TimeoutError:
            print("none", flush=True)
