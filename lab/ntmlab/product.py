# SPDX-License-Identifier: BSD-3-Clause
"""Our own programs in the lab: ntm-appliance, ntmd, and ntmctl to talk to them."""
import base64
import json
import os
import subprocess
import sys
import time

from . import configs, procs
from .procs import LabError
from .state import TOP, program

_PROGRAMS = {"ntm-appliance": "appliance/ntm-appliance", "ntmd": "client/ntmd"}


def ctl(lab, name, *args, timeout=10):
    """`ntmctl --json ARGS` on a node; the answer, or None when there is none."""
    argv = [sys.executable, os.path.join(TOP, "lab", "lab"), "--name", lab.name, "exec", name,
            program("ctl/ntmctl"), "--json", *args]
    try:
        p = subprocess.run(argv, capture_output=True, text=True, timeout=timeout, check=False)
        return json.loads(p.stdout) if p.returncode == 0 else None
    except (subprocess.TimeoutExpired, ValueError):
        return None


def _tail(proc):
    try:
        with open(proc["log"], encoding="utf-8", errors="replace") as f:
            return " | ".join(f.read().strip().splitlines()[-3:])
    except OSError:
        return ""


def wait(what, test, timeout, proc=None):
    """Ask until the answer is not empty; the time only ends a hang."""
    deadline = time.monotonic() + timeout
    while True:
        got = test()
        if got:
            return got
        if proc and not procs.is_alive(proc):
            raise LabError(f"{what}: {os.path.basename(proc['argv'][0])} has ended: {_tail(proc)}")
        if time.monotonic() > deadline:
            raise LabError(f"{what}: not within {timeout:g} s")
        time.sleep(0.1)


def _write_config(lab, name, kind, conf):
    return lab.write(f"nodes/{name}/{kind}.yaml", configs.yaml(conf), 0o600)


def _rs_join(lab, topo, name):
    """The join string of an RS whose DC is another appliance; kept, as an operator would. None for
    an RS that no DC of the topology has: it runs, and waits for one."""
    t = topo.appliances[name]
    if t["roles"] != ["rs"] or not any("dc" in a["roles"] and a["dc"] == t["dc"]
                                       for a in topo.appliances.values()):
        return None
    path = lab.path("nodes", name, "rs.join")
    if not os.path.exists(path):
        answer = wait(f"node add --kind rs {name}",
                      lambda: ctl(lab, topo.dc_appliance(t["dc"]), "node", "add",
                                  f"{name}.{configs.zone_of(topo, name)}", "--kind", "rs"), 5)
        lab.write(f"nodes/{name}/rs.join", answer["join"], 0o600)
    with open(path, encoding="utf-8") as f:
        return f.read()


def start(lab, topo, name, kind):
    """Start one of our programs on a node and wait until it answers ntmctl."""
    if kind not in _PROGRAMS:
        raise LabError(f"no program '{kind}' (there are: {' '.join(_PROGRAMS)})")
    if procs.is_alive(lab.proc(name, kind)):
        raise LabError(f"{kind} runs on {name} already")
    path = lab.path("nodes", name, f"{kind}.yaml")
    if kind == "ntm-appliance" and name in topo.appliances:
        path = _write_config(lab, name, kind,
                             configs.appliance(lab, topo, name, _rs_join(lab, topo, name)))
    elif not os.path.exists(path):
        raise LabError(f"{name} has not been invited (lab enrol {name})")
    proc = lab.start(name, kind, [program(_PROGRAMS[kind]), "--config", path])

    def running():
        s = ctl(lab, name, "status")
        return s and s.get("state") == "running"

    wait(f"{kind} on {name}", running, 15, proc)
    return proc


def enrol(lab, topo, name):
    """Invite a node at its DC and give it the join string."""
    app = topo.dc_appliance(topo.nodes[name]["dc"])
    answer = wait(f"node add {name}",
                  lambda: ctl(lab, app, "node", "add", configs.fqdn(topo, name)), 5)
    _write_config(lab, name, "ntmd", configs.node(lab, topo, name, answer["join"]))


def registered(lab, name):
    """The status of a node that its DC knows, else None."""
    s = ctl(lab, name, "status")
    if s and s.get("vip4") and (s.get("dc") or {}).get("state") == "registered":
        return s
    return None


def start_appliances(lab, topo):
    # An RS of its own is invited by its DC, which so has to be there first.
    dcs = [n for n, t in topo.appliances.items() if "dc" in t["roles"]]
    for name in dcs:
        start(lab, topo, name, "ntm-appliance")
    if len(dcs) > 1:
        _introduce(lab, topo, dcs)
    for name in topo.appliances:
        if name not in dcs:
            start(lab, topo, name, "ntm-appliance")


def _introduce(lab, topo, dcs):
    """Each DC into the configuration of the others, as an operator would: a DC makes its key at its
    first start, and what it is told of others it reads at the next. The smaller key opens: started
    last it finds the others there."""
    lab.data["dc_keys"] = {n: wait(f"key of {n}", lambda n=n: (ctl(lab, n, "status") or {}).get(
        "dc", {}).get("public_key"), 5) for n in dcs}
    for name in sorted(dcs, key=lambda n: base64.b64decode(lab.data["dc_keys"][n]), reverse=True):
        lab.stop(name, "ntm-appliance")
        start(lab, topo, name, "ntm-appliance")
    for name in dcs:
        wait(f"association of {name} with the other DCs", lambda n=name: (ctl(
            lab, n, "status") or {}).get("dc", {}).get("peers") == len(dcs) - 1, 60)


def start_all(lab, topo):
    """Everything of ours: appliances, then the nodes, enrolled and registered."""
    start_appliances(lab, topo)
    for name in topo.nodes if topo.appliances else ():
        enrol(lab, topo, name)
        start(lab, topo, name, "ntmd")
    for name in topo.nodes if topo.appliances else ():
        wait(f"registration of {name}", lambda n=name: registered(lab, n), 20,
             lab.proc(name, "ntmd"))
