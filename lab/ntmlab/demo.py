# SPDX-License-Identifier: BSD-3-Clause
"""The demo: its lab, its eight steps in order, its table, its end."""
import os
import signal
import sys
import time

from . import build, capture, procs, product, topo
from .demo_capture import step_captures
from .demo_moves import step_move, step_optimise
from .demo_paths import (step_direct, step_enrol, step_general_host, step_iperf, step_ping)
from .demo_tools import Demo, StepError
from .procs import LabError
from .state import Lab

NAME = "ntm-demo"
WATCHED = ("A", "B", "C", "carol")  # whose outside links are recorded from the first packet on

STEPS = (
    ("enrol and register", step_enrol),
    ("ping through RS-S", step_ping),
    ("iperf3 over RS-S", step_iperf),
    ("direct, opened from behind the NAT", step_direct),
    ("50 MB through RS-N", step_general_host),
    ("alice moves from NAT A to NAT C", step_move),
    ("cone NATs: direct; symmetric: back", step_optimise),
    ("nothing readable outside", step_captures),
)


def _choose_lab():
    """The usual name, unless another demo runs under it now; what an earlier one left is removed."""
    lab = Lab(os.environ.get("NTM_LAB", NAME))
    if lab.is_up():
        if procs.is_alive(lab.data.get("owner")) or procs.is_alive(lab.data.get("demo")):
            return Lab(f"{NAME}-{os.getpid()}")
        if "demo" not in lab.data:
            raise LabError(f"'{lab.name}' is the name of somebody's lab; choose another by NTM_LAB")
        lab.remove()
    return lab


def _up(lab, topology):
    build.up(lab, topology, bare=True)
    lab.data["demo"] = {"pid": os.getpid(), "start": procs.start_time(os.getpid())}
    lab.save()
    for net in WATCHED:
        capture.start(lab, topology, net, lab.path(f"outside-{net}.pcap"), snaplen=256)
    product.start_appliances(lab, topology)


def _run_step(number, title, step, demo, broken):
    """One line with the word; returns the row of the table."""
    start = time.monotonic()
    try:
        if broken:
            raise StepError(broken)
        figure, ok = step(demo), True
    except Exception as e:  # whatever it is, the step does not hold
        figure, ok = (str(e) if isinstance(e, (StepError, LabError)) else repr(e)), False
        demo.close()
    figure = " ".join(figure.replace("FAIL", "fail").split())
    print(f"{time.strftime('%H:%M:%S')} step {number} {title}: {'PASS' if ok else 'FAIL'} "
          f"({time.monotonic() - start:.1f} s) {figure}", flush=True)
    return number, title, ok, figure


def _table(rows):
    width = max(len(r[1]) for r in rows)
    print(f"\n{'step':<6}{'what':<{width + 2}}{'result':<8}figure")
    for number, title, ok, figure in rows:
        print(f"{number:<6}{title:<{width + 2}}{'ok' if ok else 'no':<8}{figure}")


def _keep(lab):
    tool = f"lab/lab --name {lab.name}"
    print(f"""
The lab is still up. Look around:
  {tool} status
  {tool} exec alice ping bob.dc1.ntm.example
  {tool} exec alice ntmctl paths
  {tool} exec ap1 ntmctl stats
  {tool} move alice lan-c
  {tool} nat A port-restricted
  logs and captures: {lab.dir}
End it:
  {tool} down""")


def _explain(lab):
    """Where a step did not hold: what the programs said last, on standard error."""
    for proc in lab.procs():
        if proc["name"] in ("ntmd", "ntm-appliance"):
            with open(proc["log"], encoding="utf-8", errors="replace") as f:
                tail = f.read().replace("FAIL", "fail").splitlines()[-15:]
            print(f"--- {proc['log']}", *tail, sep="\n", file=sys.stderr)


def main():
    def interrupted(_sig, _frame):
        raise KeyboardInterrupt

    signal.signal(signal.SIGTERM, interrupted)
    signal.signal(signal.SIGHUP, interrupted)
    rows, broken, lab = [], None, None
    keep = os.environ.get("KEEP", "") not in ("", "0")
    started = time.monotonic()
    try:
        topology = topo.Topology(topo.find("demo"))
        lab = _choose_lab()
        demo = Demo(lab, topology)
        try:
            _up(lab, topology)
        except (LabError, OSError) as e:
            broken = f"the lab did not come up: {e}"
        for number, (title, step) in enumerate(STEPS, 1):
            rows.append(_run_step(number, title, step, demo, broken))
        _table(rows)
        ok = all(r[2] for r in rows)
        if not ok and not broken:
            _explain(lab)
        print(f"\n{sum(r[2] for r in rows)} of {len(rows)} steps hold, "
              f"{time.monotonic() - started:.0f} s")
        if keep and not broken:
            _keep(lab)
            lab = None
        return 0 if ok else 1
    except LabError as e:
        print(f"demo: {e}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("demo: interrupted", file=sys.stderr)
        return 130
    finally:
        if lab:
            demo.close()
            lab.remove()
