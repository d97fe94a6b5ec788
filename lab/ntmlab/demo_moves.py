# SPDX-License-Identifier: BSD-3-Clause
"""Steps 6 and 7 of the demo: a node that moves, NATs that change, and what it costs."""
import json
import subprocess
import time

from . import nat, net
from .demo_tools import PingProbe, StreamProbe, StepError, iperf_mbit, need

PACED_BYTES_PER_S = "4m"  # 50 MB last 12 s
LIVE_S = 14
OPTIMISE_S = 60  # a round of probes comes every 30 s by then


def _lab_change(demo, fn, *args):
    with demo.lab.locked() as lab:
        result = fn(lab, demo.topo, *args)
        lab.save()
    return result


def _live_iperf(demo, seconds):
    return demo.popen("alice", "iperf3", "-J", "-t", str(seconds), "-b", "20M", "-c",
                      demo.fqdn("bob"), text=True)


def _finish(proc, what, timeout):
    try:
        out, err = proc.communicate(timeout=timeout)
    except subprocess.TimeoutExpired:
        raise StepError(f"{what} did not end") from None
    need(proc.returncode == 0, f"{what}: {(err.strip() or out.strip())[-200:]}")
    return out


def _late_traffic(text, seconds):
    """Did the last second of `iperf3 -J` still carry something?"""
    intervals = json.loads(text)["intervals"]
    return any(i["sum"]["bytes"] > 0 for i in intervals if i["sum"]["start"] >= seconds - 2)


def _move_with_traffic(demo):
    """Alice moves to NAT C in the middle of a download, an iperf3 and pings that she sends."""
    web = f"http://web.{demo.topo.hosts_zone}/paced/file.bin?rate={PACED_BYTES_PER_S}"
    probe = PingProbe(demo, "alice", demo.fqdn("bob"))
    download = demo.popen("alice", "bash", "-c",
                          'set -o pipefail; curl -sSf --max-time 60 "$1" | sha256sum',
                          "bash", web, text=True)
    iperf = _live_iperf(demo, LIVE_S)
    time.sleep(4)
    need(download.poll() is None and iperf.poll() is None, "the traffic ended before the move")
    _lab_change(demo, net.move, ("alice", "lan-c"))
    time.sleep(4)
    need(download.poll() is None and iperf.poll() is None, "the traffic ended with the move")
    arrivals = probe.stop()
    digest = _finish(download, "the download", 40).split()[0]
    need(digest == demo.lab.data["file_sha256"], "the digest of the download differs")
    text = _finish(iperf, "iperf3", 40)
    mbit = iperf_mbit(text, LIVE_S - 1)
    need(_late_traffic(text, LIVE_S), "iperf3 carried nothing after the move")
    return arrivals, mbit


def _move_receiving(demo):
    """Alice moves back while bob alone sends."""
    probe = StreamProbe(demo, "bob", "alice", demo.fqdn("alice"))
    time.sleep(3)
    _lab_change(demo, net.move, ("alice", "lan-a"))
    time.sleep(4)
    return probe.stop()


def step_move(demo):
    sending, mbit = _move_with_traffic(demo)
    status = demo.ctl("alice", "status")
    need(status["vip4"] == demo.vips["alice"][0], "alice's VIP changed")
    receiving = _move_receiving(demo)
    return (f"sending: outage {sending.outage_ms():.0f} ms, {sending.lost()} lost; only receiving: "
            f"outage {receiving.outage_ms():.0f} ms, {receiving.lost()} lost; download whole, "
            f"iperf3 {mbit:.0f} Mbit/s throughout")


def step_optimise(demo):
    before = demo.path("alice", "bob")
    need(before, "alice has no path to bob")
    need(before["route"] == "rs-s", f"the path starts {before['route']}, not by RS-S")
    probe = PingProbe(demo, "alice", demo.fqdn("bob"))
    live = _live_iperf(demo, OPTIMISE_S)
    time.sleep(1)
    start = time.monotonic()
    for box in ("A", "B"):
        _lab_change(demo, nat.apply, box, "port-restricted")
    for one, other in (("alice", "bob"), ("bob", "alice")):
        demo.wait_route(one, other, "direct", 40)
    took = time.monotonic() - start
    time.sleep(1)
    arrivals = probe.stop()
    lost = arrivals.lost()
    need(lost == 0, f"{lost} packets lost on the way to the direct route")

    probe = PingProbe(demo, "alice", demo.fqdn("bob"))
    time.sleep(1)
    _lab_change(demo, nat.apply, "B", "symmetric")
    _lab_change(demo, nat.flush, "B")
    for one, other in (("alice", "bob"), ("bob", "alice")):
        after = demo.wait_route(one, other, "rs-s", 15)
    time.sleep(1)
    back = probe.stop()
    need(live.poll() is None, "iperf3 ended early")
    mbit = iperf_mbit(_finish(live, "iperf3", 90), OPTIMISE_S - 1)
    why = demo.ctl("alice", "why", demo.fqdn("bob"))
    need(why.get("route") == "rs-s" and why.get("reason"), "ntmctl why has no reason")
    need(after["id"] == before["id"], "the path is another one")
    return (f"direct after {took:.1f} s, 0 lost; B symmetric and flushed: outage "
            f"{back.outage_ms():.0f} ms, {back.lost()} lost, iperf3 {mbit:.0f} Mbit/s throughout; "
            f"why: {why['reason']}")
