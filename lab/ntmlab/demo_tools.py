# SPDX-License-Identifier: BSD-3-Clause
"""What the demo's steps share: ordinary programs on nodes, ntmctl, and what to make of them."""
import json
import os
import re
import subprocess
import sys
import threading
import time

from . import configs, product
from .procs import LabError
from .state import TOP


class StepError(Exception):
    """Why a step does not hold."""


def need(condition, text):
    if not condition:
        raise StepError(text)


class Demo:
    def __init__(self, lab, topo):
        self.lab, self.topo = lab, topo
        self.running = []
        self.vips = {}

    # -- programs on nodes ------------------------------------------------------------------------

    def _argv(self, node, argv):
        return [sys.executable, os.path.join(TOP, "lab", "lab"), "--name", self.lab.name, "exec",
                node, *argv]

    def popen(self, node, *argv, **kw):
        p = subprocess.Popen(self._argv(node, argv), stdout=subprocess.PIPE,
                             stderr=subprocess.PIPE, **kw)
        self.running.append(p)
        return p

    def run(self, node, *argv, timeout=60):
        """Run a program on a node; its standard output, or StepError with its last words."""
        p = self.popen(node, *argv, text=True)
        try:
            out, err = p.communicate(timeout=timeout)
        except subprocess.TimeoutExpired:
            p.terminate()
            raise StepError(f"{node}: {argv[0]} did not end within {timeout} s") from None
        if p.returncode:
            words = (err.strip() or out.strip()).splitlines()[-1:]
            raise StepError(f"{node}: {argv[0]}: {' '.join(words) or f'exit {p.returncode}'}")
        return out

    def close(self):
        for p in self.running:
            if p.poll() is None:
                p.kill()
                p.wait()

    # -- what our programs say ----------------------------------------------------------------------

    def fqdn(self, node):
        return configs.fqdn(self.topo, node)

    def ctl(self, node, *args):
        answer = product.ctl(self.lab, node, *args)
        need(answer is not None, f"{node}: ntmctl {' '.join(args)} has no answer")
        return answer

    def path(self, node, peer):
        """The path of a node to a peer as `ntmctl paths` has it, or None."""
        for p in (product.ctl(self.lab, node, "paths") or {}).get("paths", ()):
            if p["peer"] == self.fqdn(peer):
                return p
        return None

    def wait(self, what, test, timeout):
        try:
            return product.wait(what, test, timeout)
        except LabError as e:
            raise StepError(str(e)) from None

    def wait_route(self, node, peer, route, timeout):
        def has():
            p = self.path(node, peer)
            return p if p and p["route"] == route else None
        try:
            return product.wait("", has, timeout)
        except LabError:
            p = self.path(node, peer)
            raise StepError(f"{node} to {peer}: wanted {route} within {timeout} s, have "
                            f"{p['route'] if p else 'no path'}") from None

    def rtt_ms(self, *boxes):
        """What the lab's own delays add up to, there and back."""
        return sum(2 * self.figures(b).get("delay_ms", 0) for b in boxes)

    def figures(self, name):
        return self.topo.boxes.get(name) or self.topo.machine(name)


def iperf_mbit(text, want_seconds=0):
    """Mbit/s at the receiver of `iperf3 -J`, or StepError."""
    try:
        end = json.loads(text)["end"]
        received = end["sum_received"]
    except (ValueError, KeyError):
        raise StepError("iperf3 gave no result") from None
    need(received["bytes"] > 0, "iperf3 carried nothing")
    need(received["seconds"] >= want_seconds, f"iperf3 ended after {received['seconds']:.1f} s")
    return received["bits_per_second"] / 1e6


class Arrivals:
    """When each numbered probe arrived; the gap is the outage."""

    def __init__(self):
        self.at = {}  # number -> seconds

    def outage_ms(self):
        """The longest time without an arrival, less the 10 ms there are anyway."""
        times = sorted(self.at.values())
        need(len(times) > 100, f"only {len(times)} probes arrived")
        return max(b - a for a, b in zip(times, times[1:])) * 1000 - 10

    def lost(self):
        numbers = sorted(self.at)
        return numbers[-1] - numbers[0] + 1 - len(numbers)


class PingProbe:
    """`ping` every 10 ms from a node to a name: the node sends, and hears from its peer."""

    LINE = re.compile(rb"\[([0-9.]+)\] \d+ bytes from .* icmp_seq=(\d+) .*time=([0-9.]+)")

    def __init__(self, demo, node, name):
        self.proc = demo.popen(node, "ping", "-D", "-n", "-i", "0.01", "-s", "56", name)

    def stop(self):
        """End it when the answers under way are in; returns Arrivals."""
        time.sleep(0.3)
        self.proc.send_signal(2)
        try:
            out, err = self.proc.communicate(timeout=10)
        except subprocess.TimeoutExpired:
            self.proc.kill()
            raise StepError("ping does not end") from None
        a = Arrivals()
        for m in self.LINE.finditer(out):
            a.at.setdefault(int(m.group(2)), float(m.group(1)))
        need(a.at, f"ping: no answer {err.decode().strip()[-100:]}")
        return a


class StreamProbe:
    """`nc -u` from one node to a listening one, a line every 10 ms: the receiver sends nothing."""

    PORT = "5999"

    def __init__(self, demo, sender, receiver, name):
        self.rx = demo.popen(receiver, "nc", "-u", "-l", "-n", self.PORT)
        self.arrivals = Arrivals()
        self.reader = threading.Thread(target=self._read, daemon=True)
        self.reader.start()
        demo.wait("nc listens", lambda: "5999" in demo.run(receiver, "ss", "-Huln"), 10)
        self.tx = demo.popen(sender, "nc", "-4", "-u", name, self.PORT, stdin=subprocess.PIPE)
        self.stopping = threading.Event()
        self.writer = threading.Thread(target=self._write, daemon=True)
        self.writer.start()

    def _read(self):
        for line in self.rx.stdout:
            words = line.split()
            if words and words[0].isdigit():
                self.arrivals.at.setdefault(int(words[0]), time.monotonic())

    def _write(self):
        due, number = time.monotonic(), 0
        while not self.stopping.is_set():
            try:
                self.tx.stdin.write(b"%d NTM-LAB-PLAINTEXT-MARKER\n" % number)
                self.tx.stdin.flush()
            except OSError:
                return
            number += 1
            due += 0.01
            time.sleep(max(0.0, due - time.monotonic()))

    def stop(self):
        self.stopping.set()
        self.writer.join()
        time.sleep(0.3)
        self.tx.kill()
        self.rx.kill()
        self.reader.join(5)
        return self.arrivals
