# SPDX-License-Identifier: BSD-3-Clause
"""The commands of lab/lab."""
import argparse
import json
import os
import signal
import sys

from . import ns
from .procs import LabError
from .state import Lab

USAGE = """lab [--name LAB] COMMAND ...

  up [TOPOLOGY] [--bare]      bring a lab up (default topology: demo); --bare: without our programs
  down                        end it and leave nothing behind, also after a crash
  exec NODE CMD...            run a command on a node, a box, a host, an appliance or a network
  move NODE[:IF] NETWORK ...  unplug a link and plug it into another network; of several such pairs
                              all are unplugged before one is plugged in
  link NODE[:IF] down|up      unplug a link, plug it in again
  link NODE KEY=NUMBER...     delay_ms, loss_percent, rate_mbit, queue_kb; [up.|down.] one direction
  nat BOX CLASS               change the class of a NAT; its mappings stay
  flush BOX                   forget the mappings of a NAT
  capture NET FILE|stop       tcpdump on a network, a box's outside or a node's link
  enrol NODE                  a join token from the node's DC into its configuration
  start|stop NODE PROGRAM     one of our programs (ntmd, ntm-appliance); stop takes --signal
  status [--json]             who runs, where, with what addresses
"""


def _parser():
    p = argparse.ArgumentParser(prog="lab", usage=USAGE, add_help=True)
    common = argparse.ArgumentParser(add_help=False)
    common.add_argument("--name", default=argparse.SUPPRESS)
    p.add_argument("--name", default=os.environ.get("NTM_LAB", "demo"))
    sub = p.add_subparsers(dest="command", required=True, metavar="COMMAND")

    def add(name, fn, *args):
        s = sub.add_parser(name, parents=[common])
        s.set_defaults(fn=fn)
        for a in args:
            s.add_argument(a)
        return s

    up = add("up", cmd_up)
    up.add_argument("topology", nargs="?", default="demo")
    up.add_argument("--bare", action="store_true")
    add("down", cmd_down)
    add("exec", cmd_exec, "node").add_argument("argv", nargs=argparse.REMAINDER)
    add("move", cmd_move).add_argument("words", nargs="+", metavar="NODE NETWORK")
    add("link", cmd_link, "node").add_argument("change", nargs="+")
    add("nat", cmd_nat, "box", "nat_class")
    add("flush", cmd_flush, "box")
    add("capture", cmd_capture, "net", "file")
    add("enrol", cmd_enrol, "node")
    add("start", cmd_start, "node", "program")
    add("stop", cmd_stop, "node", "program").add_argument("--signal", default="TERM")
    add("status", cmd_status).add_argument("--json", action="store_true")
    return p


def _topo(lab):
    from . import topo
    return topo.Topology(lab.data["topology"])


def cmd_up(lab, args):
    from . import build, topo
    build.up(lab, topo.Topology(topo.find(args.topology)), bare=args.bare)
    print(f"lab {lab.name} is up")


def cmd_down(lab, _args):
    lab.remove()


def cmd_exec(lab, args):
    lab.load()
    if not args.argv:
        raise LabError("exec: which command?")
    return ns.execute(lab.space(args.node), args.argv, lab.env(args.node))


def cmd_move(lab, args):
    from . import net
    pairs = list(zip(args.words[::2], args.words[1::2]))
    if len(args.words) % 2:
        raise LabError("move: each node with a network")
    with lab.locked():
        ms = net.move(lab, _topo(lab), *pairs)
        lab.save()
    for node, network in pairs:
        print(f"{node} is on {network} after {ms:.1f} ms")


def cmd_link(lab, args):
    from . import delay, net
    with lab.locked():
        _key, link = net.find_link(lab, args.node)
        if args.change in (["up"], ["down"]):
            net.set_carrier(lab, link, args.change == ["up"])
            lab.save()
        else:
            for direction, settings in delay.parse(args.change):
                delay.change(link, settings, direction)


def cmd_nat(lab, args):
    from . import nat
    with lab.locked():
        nat.apply(lab, _topo(lab), args.box, args.nat_class)
        lab.save()


def cmd_flush(lab, args):
    from . import nat
    with lab.locked():
        nat.flush(lab, _topo(lab), args.box)


def cmd_capture(lab, args):
    from . import capture
    with lab.locked():
        if args.file == "stop":
            capture.stop(lab, _topo(lab), args.net)
        else:
            capture.start(lab, _topo(lab), args.net, args.file)


def cmd_enrol(lab, args):
    from . import product
    with lab.locked():
        topo = _topo(lab)
        if args.node not in topo.nodes:
            raise LabError(f"no node '{args.node}' (there are: {' '.join(topo.nodes)})")
        product.enrol(lab, topo, args.node)


def cmd_start(lab, args):
    from . import product
    with lab.locked():
        product.start(lab, _topo(lab), args.node, args.program)


def cmd_stop(lab, args):
    sig = getattr(signal, "SIG" + args.signal.upper().removeprefix("SIG"), None)
    if sig is None:
        raise LabError(f"no signal '{args.signal}'")
    with lab.locked():
        if lab.proc(args.node, args.program) is None:
            raise LabError(f"no '{args.program}' was started on '{args.node}'")
        if not lab.stop(args.node, args.program, sig, 10):
            raise LabError(f"{args.program} on {args.node} ignored SIG{args.signal}: killed")


def cmd_status(lab, args):
    from . import status
    lab.load()
    s = status.collect(lab)
    print(json.dumps(s, indent=1) if args.json else status.text(s))


def _stop_on_signal(sig, _frame):
    raise KeyboardInterrupt(f"signal {sig}")


def main(argv):
    args = _parser().parse_args(argv)
    for sig in (signal.SIGTERM, signal.SIGHUP):
        signal.signal(sig, _stop_on_signal)
    try:
        if os.geteuid() != 0:
            raise LabError("namespaces need root")
        return args.fn(Lab(args.name), args) or 0
    except LabError as e:
        print(f"lab: {e}", file=sys.stderr)
    except OSError as e:
        print(f"lab: {e}", file=sys.stderr)
    except KeyboardInterrupt:
        print("lab: interrupted", file=sys.stderr)
        return 130
    return 1
