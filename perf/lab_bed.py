# SPDX-License-Identifier: BSD-3-Clause
"""What perf/e2e and perf/tun share: a lab with registered nodes, samples beside a probe of the
machine, and rows as perf/run wants them.
"""
import hashlib
import statistics
import time

from ntmlab import build, product
from ntmlab.demo_tools import Demo

PROBE_BYTES = bytes(1 << 20)


class Samples(list):
    """Figures of one case; beside each, how long a fixed piece of arithmetic took just before."""

    best_s = None  # of all cases: the machine with nobody else on it

    def __init__(self):
        super().__init__()
        self.probes = []

    def take(self, fn, *args):
        start = time.monotonic()
        hashlib.sha256(PROBE_BYTES)
        took = time.monotonic() - start
        Samples.best_s = min(took, Samples.best_s or took)
        self.append(fn(*args))
        self.probes.append(took)

    def busy(self):
        return statistics.median(self.probes) / Samples.best_s


def row(name, unit, samples, floor=None, best=max, floors=None):
    """floors: what the floor was in each round; the ratios of the rounds have a median."""
    value = best(samples)
    quartiles = statistics.quantiles(samples, n=4) if len(samples) > 1 else [value] * 3
    middle = statistics.median(samples)
    return {"name": name, "value": value, "unit": unit, "floor": floor,
            "ratio": value / floor if floor else None, "median": middle,
            "ratio_median": statistics.median(s / f for s, f in zip(samples, floors))
            if floors else None,
            "spread": (quartiles[2] - quartiles[0]) / middle if middle else None,
            "busy": samples.busy() if isinstance(samples, Samples) else None}


def show(r):
    text = (f"{r['name']:<34} {r['value']:12.4g} {r['unit']:<10} median {r['median']:10.4g} "
            f"spread {100 * (r['spread'] or 0):3.0f} %")
    if r["floor"]:
        text += f"  floor {r['floor']:10.4g} ratio {r['ratio']:.2f}"
    if r["ratio_median"]:
        text += f" ({r['ratio_median']:.2f})"
    print(text + (f"  busy {r['busy']:.2f}" if r["busy"] else ""), flush=True)


def up(lab, topology):
    """The lab with its appliances, and every node registered."""
    build.up(lab, topology, bare=True)
    demo = Demo(lab, topology)
    product.start_appliances(lab, topology)
    with lab.locked() as held:
        for node in topology.nodes:
            product.enrol(held, topology, node)
            product.start(held, topology, node, "ntmd")
    for node in topology.nodes:
        demo.wait(f"registration of {node}", lambda n=node: product.registered(lab, n), 20)
    return demo
