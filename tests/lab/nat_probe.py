#!/usr/bin/python3
# SPDX-License-Identifier: BSD-3-Clause
"""Classify a NAT of the lab after RFC 4787: how it maps, what it lets in.

usage: nat_probe.py LAB-PROGRAM NODE BOX CLASS...
Sets the box to each class in turn and checks that a node behind it sees what the class promises.
"""
import os
import subprocess
import sys

AGENT = os.path.join(os.path.dirname(os.path.abspath(__file__)), "udp_agent.py")
WEB, WEB2 = "20.0.0.80", "20.0.0.82"

# class -> (mapping, filtering): EI endpoint-independent, AD address-dependent, APD and port
WANT = {
    "full-cone": ("EI", "EI"),
    "address-restricted": ("EI", "AD"),
    "port-restricted": ("EI", "APD"),
    "address-dependent": ("AD", "APD"),
    "symmetric": ("APD", "APD"),
}


class Agent:
    def __init__(self, lab, node):
        self.proc = subprocess.Popen([lab, "exec", node, "/usr/bin/python3", AGENT], text=True,
                                     stdin=subprocess.PIPE, stdout=subprocess.PIPE)

    def ask(self, *words):
        print(*words, file=self.proc.stdin, flush=True)
        return self.proc.stdout.readline().split()

    def send(self, port, addr, dport):
        self.ask("send", port, addr, dport, "probe")

    def recv(self, port, seconds):
        """(address, port) of the sender, or None."""
        got = self.ask("recv", port, seconds)
        return (got[0], int(got[1])) if got[0] != "none" else None

    def close(self):
        self.proc.stdin.close()
        self.proc.wait()


def mapped(inside, local, outside, addr, port):
    """Send from a local port to a public endpoint; what that endpoint saw."""
    outside.recv(port, 0.01)  # forget what came before
    inside.send(local, addr, port)
    seen = outside.recv(port, 5)
    if seen is None:
        sys.exit(f"nothing sent from {local} arrives at {addr}:{port}")
    return seen


def mapping(inside, web, web2, local):
    a = mapped(inside, local, web, WEB, 7001)
    b = mapped(inside, local, web, WEB, 7002)
    c = mapped(inside, local, web2, WEB2, 7001)
    if a == b == c:
        return "EI"
    return "AD" if a == b else "APD"


def filtering(inside, web, web2, local):
    pub, port = mapped(inside, local, web, WEB, 7001)
    web2.send(7001, pub, port)
    other_host = inside.recv(local, 0.5)
    web.send(7002, pub, port)
    other_port = inside.recv(local, 0.5)
    web.send(7001, pub, port)
    if inside.recv(local, 5) != (WEB, 7001):
        sys.exit("the answer of the endpoint itself does not come back")
    return "EI" if other_host else "AD" if other_port else "APD"


def early_punch(inside, web, local, pub):
    """A packet from outside that comes first must not change the mapping that follows."""
    web.send(7001, pub, local)
    inside.recv(local, 0.2)
    return mapped(inside, local, web, WEB, 7001)[1] == local


def main():
    lab, node, box, *classes = sys.argv[1:]
    inside, web, web2 = (Agent(lab, n) for n in (node, "web", "web2"))
    failed = 0

    def check(what, want, have):
        nonlocal failed
        print(f"{what}: {have}" + ("" if want == have else f", wanted {want}"))
        failed += want != have

    def command(*words):
        subprocess.run([lab, *words], check=True)

    local = 41000
    for nat in classes:
        command("nat", box, nat)
        command("flush", box)
        check(f"{nat}: mapping", WANT[nat][0], mapping(inside, web, web2, local))
        check(f"{nat}: filtering", WANT[nat][1], filtering(inside, web, web2, local + 1))
        if WANT[nat][0] == "EI":
            pub = mapped(inside, local, web, WEB, 7001)[0]
            check(f"{nat}: mapping after a punch", True, early_punch(inside, web, local + 2, pub))
        local += 10

    # A box that becomes a cone keeps the mapping it has, towards new peers as well.
    command("nat", box, "symmetric")
    command("flush", box)
    before = mapped(inside, local, web, WEB, 7001)
    command("nat", box, "port-restricted")
    check("mapping kept", before, mapped(inside, local, web, WEB, 7001))
    check("mapping taken over", before, mapped(inside, local, web2, WEB2, 7002))
    command("nat", box, "full-cone")
    web.send(7002, *before)
    check("full cone of a kept mapping", (WEB, 7002), inside.recv(local, 5))
    command("nat", box, "symmetric")
    command("flush", box)
    check("mapping forgotten", False, mapped(inside, local, web, WEB, 7001) == before)
    for a in (inside, web, web2):
        a.close()
    return 1 if failed else 0


sys.exit(main())
