#!/usr/bin/python3
# SPDX-License-Identifier: BSD-3-Clause
"""Numbered datagrams between alice and bob, both ways at once, until standard input closes.

usage: flows.py LAB-PROGRAM RATE OVERTAKEN
RATE is in datagrams per second each way. Each must come exactly once, and some of each direction
must have been overtaken by OVERTAKEN others at least: where routes switch, 0 elsewhere.
Prints "ready" when both ways run.
"""
import json
import os
import subprocess
import sys

AGENT = os.path.join(os.path.dirname(os.path.abspath(__file__)), "flow_agent.py")
PORT = 7000
lab, rate, overtaken = sys.argv[1], sys.argv[2], int(sys.argv[3])


def agent(node, *words):
    p = subprocess.Popen([lab, "exec", node, "/usr/bin/python3", AGENT, *words], text=True,
                         stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    if p.stdout.readline() != "ready\n":
        sys.exit(f"no agent on {node}")
    return p


pairs = (("alice", "bob"), ("bob", "alice"))
recvs = [agent(to, "recv", str(PORT)) for _, to in pairs]
sends = [agent(one, "send", f"{to}.dc1.ntm.example", str(PORT), rate) for one, to in pairs]
print("ready", flush=True)
sys.stdin.read()
counts = [p.communicate("")[0] for p in sends]
bad = False
for (one, to), p, count in zip(pairs, recvs, counts):
    got = json.loads(p.communicate(count)[0])
    print(f"{one} to {to}: {got['sent']} datagrams, {got['sent'] - got['came']} lost, "
          f"{got['again']} twice, {got['late']} late, overtaken by up to {got['deepest']}")
    bad |= got["came"] != got["sent"] or got["again"] > 0 or got["deepest"] < overtaken
sys.exit(bad)
