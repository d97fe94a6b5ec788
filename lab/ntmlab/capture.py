# SPDX-License-Identifier: BSD-3-Clause
"""tcpdump in the right namespace: `capture NET FILE`, `capture NET stop`."""
import os
import re
import signal
import struct
import time

from . import procs
from .procs import LabError

_COUNTS = re.compile(r"(\d+) packets? captured, (\d+) packets? received by filter, "
                     r"(\d+) packets? dropped by kernel")


def place(lab, topo, net):
    """Where to listen: a network's bridge, a box's outside, a machine's link (NODE or NODE:IF)."""
    name, _, ifname = net.partition(":")
    if not ifname:
        ifname = ("br0" if name in topo.networks else "wan" if name in topo.boxes
                  else "ap0" if name in topo.appliances else "eth0")
    lab.space(name)
    return name, ifname


def start(lab, topo, net, path, snaplen=0, only=""):
    """Start a capture; it is listening when this returns."""
    space, ifname = place(lab, topo, net)
    name = f"tcpdump-{ifname}"
    if procs.is_alive(lab.proc(space, name)):
        raise LabError(f"{net} is being captured already (lab capture {net} stop)")
    argv = ["tcpdump", "-i", ifname, "-w", os.path.abspath(path), "-U", "-n", "-Z", "root",
            "--immediate-mode", "-B", "16384", "-s", str(snaplen), *only.split()]
    proc = lab.start(space, name, argv)
    deadline = time.monotonic() + 5
    while True:
        with open(proc["log"], encoding="utf-8", errors="replace") as f:
            text = f.read()
        if "listening on" in text.rpartition("packets captured")[2] and os.path.exists(path):
            return
        if not procs.is_alive(proc) or time.monotonic() > deadline:
            raise LabError(f"tcpdump on {net}: {text.strip()[-300:]}")
        time.sleep(0.005)


def _counts(proc, start):
    """What tcpdump has said about itself behind `start`: a list of (captured, received, dropped)."""
    with open(proc["log"], encoding="utf-8", errors="replace") as f:
        f.seek(start)
        return [tuple(map(int, m)) for m in _COUNTS.findall(f.read())]


def _catch_up(proc, timeout=20.0):
    """Until tcpdump has read what its kernel socket held when this began: an interrupted one
    leaves the rest of its ring unread."""
    start, want, asked = os.path.getsize(proc["log"]), None, 0
    deadline = time.monotonic() + timeout
    while procs.is_alive(proc) and time.monotonic() < deadline:
        said = _counts(proc, start)
        if said and want is None:
            want = said[0][1] - said[0][2]
        if said and said[-1][0] >= want:
            return
        if len(said) == asked:
            os.kill(proc["pid"], signal.SIGUSR1)
            asked += 1
        time.sleep(0.005)


def stop(lab, topo, net):
    """End a capture; its file is complete when this returns: all that was seen on the link before."""
    space, ifname = place(lab, topo, net)
    name = f"tcpdump-{ifname}"
    proc = lab.proc(space, name)
    if proc is None:
        raise LabError(f"{net} is not being captured")
    _catch_up(proc)
    lab.stop(space, name, signal.SIGINT)


def read(path):
    """The frames of a capture file as bytes, as much of each as was kept."""
    with open(path, "rb") as f:
        data = f.read()
    if len(data) < 24 or struct.unpack_from("<I", data)[0] not in (0xa1b2c3d4, 0xa1b23c4d):
        raise LabError(f"{path} is no capture of this machine's tcpdump")
    frames, at = [], 24
    while at + 16 <= len(data):
        kept, = struct.unpack_from("<I", data, at + 8)
        frames.append(data[at + 16:at + 16 + kept])
        at += 16 + kept
    return frames
