# SPDX-License-Identifier: BSD-3-Clause
"""Bring a lab up, whole or not at all."""
from . import nat, net, ns, services
from .net import WIRES


def up(lab, topo, bare=False):
    """Everything of the topology, ready to be used when this returns; undone if it fails."""
    lab.create()
    try:
        lab.data["topology"] = topo.path
        ns.start_init(lab.dir, lambda proc: _record(lab, proc))
        _networks(lab, topo)
        _machines(lab, topo)
        net.wait_plugged(lab)
        lab.save()
        services.start_all(lab, topo)
        lab.save()
        if not bare:
            from . import product
            product.start_all(lab, topo)
        lab.data["owner"] = None
        lab.save()
    except BaseException:
        lab.remove()
        raise


def _record(lab, proc):
    lab.data["init"] = proc
    lab.save()


def _networks(lab, topo):
    wires = lab.add_space(WIRES)
    net.sysctls(wires, {"net/ipv6/conf/all/disable_ipv6": "1",
                        "net/ipv6/conf/default/disable_ipv6": "1"})
    for name in topo.networks:
        net.add_network(lab, topo, name)
    for name, box in topo.boxes.items():
        net.add_box(lab, topo, name)
        nat.apply(lab, topo, name, box["nat"])
    net.add_routes(lab, topo)


def _machines(lab, topo):
    for name in [*topo.hosts, *topo.nodes]:
        net.add_machine(lab, topo, name, services.etc_files(lab, topo, name))
    for name in topo.appliances:
        net.add_machine(lab, topo, name, services.etc_files(lab, topo, name), ifname="ap")
        # The appliance polls this end; AF_PACKET sees a frame before this drops it, the kernel
        # of the namespace must not answer it as well.
        ns.run(lab.space(name), ["nft", "-f", "-"], stdin="""
table netdev lab {
	chain ingress {
		type filter hook ingress device ap0 priority 0
		policy drop
	}
}
""")
        net.sysctls(lab.space(name), {"net/ipv6/conf/ap0/disable_ipv6": "1"})
