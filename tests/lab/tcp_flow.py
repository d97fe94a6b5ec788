#!/usr/bin/python3
# SPDX-License-Identifier: BSD-3-Clause
"""One long TCP connection from one node to another, both ways at once, until told to end.

usage: tcp_flow.py LAB-PROGRAM FROM TO FAMILY PORT
TO is a node's full name, FAMILY 4 or 6: that of the inner packets. Every byte is known beforehand
and compared on arrival. A line on standard input ends it. Prints "ready", then how many bytes have come in the slower direction, each
time that this grows; in the end the sums. Exit status 0: each byte that was sent came, as it was.
"""
import os
import subprocess
import sys
import threading

AGENT = os.path.join(os.path.dirname(os.path.abspath(__file__)), "tcp_agent.py")
lab, one, name, family, port = sys.argv[1:]
nodes = (one, name.partition(".")[0])
lock = threading.Lock()
came = [0, 0]


def agent(node, *words):
    return subprocess.Popen([lab, "exec", node, "/usr/bin/python3", AGENT, *words], text=True,
                            stdin=subprocess.PIPE, stdout=subprocess.PIPE)


def follow(side, p, last):
    """Until the agent ends; its last line is its verdict."""
    for line in p.stdout:
        last[side] = line.split()
        if line.startswith("came"):
            with lock:
                came[side] = int(line.split()[1])
                print(min(came), flush=True)


listener = agent(nodes[1], "listen", family, port)
if listener.stdout.readline() != "listening\n":
    sys.exit(f"no agent on {nodes[1]}")
both = [agent(one, "connect", family, port, name), listener]
for p in both:
    if p.stdout.readline() != "ready\n":
        sys.exit("no connection")
print("ready", flush=True)
last = [[], []]
threads = [threading.Thread(target=follow, args=(i, p, last)) for i, p in enumerate(both)]
for t in threads:
    t.start()
sys.stdin.readline()
for p in both:
    p.stdin.close()
for t in threads:
    t.join()
bad = any(p.wait() != 0 for p in both)
if bad or any(words[:1] != ["done"] for words in last):
    sys.exit(f"the connection broke: {last}")
sent, got = ([int(words[i]) for words in last] for i in (1, 2))
print(f"IPv{family} {nodes[0]} to {nodes[1]}: {sent[0]} bytes sent, {got[1]} came; back {sent[1]}, "
      f"{got[0]}", flush=True)
sys.exit(sent != got[::-1])
