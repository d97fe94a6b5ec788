# SPDX-License-Identifier: BSD-3-Clause
"""Networks, links and addresses of a lab: built by `up`, changed by `move` and `link`.

A network is a space with a bridge `br0`. Whatever is attached to it has a veth into it; a link
with delay, loss or rate is two veths that meet in the space `.wires`, joined there by link-delay.
"""
import fcntl
import hashlib
import ipaddress
import struct
import time

from . import delay, ns
from .procs import LabError

WIRES = ".wires"
SIOCGIFFLAGS = 0x8913
IFF_RUNNING = 0x40

_SYSCTLS = {
    "net/ipv4/ping_group_range": "0 2147483647",
    "net/ipv4/conf/all/rp_filter": "0",
    "net/ipv4/conf/default/rp_filter": "0",
    "net/ipv4/conf/all/send_redirects": "0",
    "net/ipv4/conf/default/send_redirects": "0",
    "net/ipv4/conf/all/accept_redirects": "0",
    # As a network manager that takes routes away with the carrier.
    "net/ipv4/conf/all/ignore_routes_with_linkdown": "1",
    "net/ipv4/conf/default/ignore_routes_with_linkdown": "1",
    "net/ipv6/conf/all/ignore_routes_with_linkdown": "1",
    "net/ipv6/conf/default/ignore_routes_with_linkdown": "1",
    "net/ipv6/conf/all/accept_ra": "0",
    "net/ipv6/conf/default/accept_ra": "0",
    "net/ipv6/conf/all/accept_dad": "0",
    "net/ipv6/conf/default/accept_dad": "0",
}
_FORWARD = {"net/ipv4/ip_forward": "1", "net/ipv6/conf/all/forwarding": "1"}


def sysctls(space, values):
    def write():
        for key, value in values.items():
            with open("/proc/sys/" + key, "w", encoding="ascii") as f:
                f.write(value)
    ns.call(space, write)


def _use_cubic(space):
    """Debian's default congestion control, also on a host that has chosen another one.

    A namespace may only take what the host allows to unprivileged users. Where cubic is not among
    these it is allowed for the moment of this write, under a lock, and the list put back: in a
    child that no signal to us reaches, so that not even our being killed leaves a trace.
    """
    def write():
        allowed = "/proc/sys/net/ipv4/tcp_allowed_congestion_control"
        with open(allowed, "r+", encoding="ascii") as f:
            fcntl.flock(f, fcntl.LOCK_EX)
            before = f.read().split()
            try:
                if "cubic" not in before:
                    _rewrite(f, [*before, "cubic"])
                ns.enter_net(space)
                with open("/proc/sys/net/ipv4/tcp_congestion_control", "w",
                          encoding="ascii") as own:
                    own.write("cubic")
            finally:
                if "cubic" not in before:
                    _rewrite(f, before)

    ns.call_unhurried(write)


def _rewrite(f, words):
    f.seek(0)
    f.write(" ".join(words))
    f.flush()


def prepare(space, forward=False):
    """What every space needs before its first link."""
    sysctls(space, {**_SYSCTLS, **(_FORWARD if forward else {})})
    _use_cubic(space)
    ns.run(space, ["ip", "link", "set", "lo", "up"])


def batch(space, lines):
    ns.run(space, ["ip", "-batch", "-"], stdin="\n".join(lines) + "\n")


def add_network(lab, topo, name):
    gateways = topo.networks[name].get("gateways", [])
    space = lab.add_space(name)
    prepare(space, forward=bool(gateways))
    # Only a network with gateways has the kernel as a router on it; elsewhere it only bridges.
    if not gateways:
        sysctls(space, {"net/ipv6/conf/default/disable_ipv6": "1"})
    # An address of its own: a bridge otherwise takes the lowest of its ports' and changes it when
    # that port moves away, and everybody's neighbour entry for the gateway is wrong.
    batch(space, [f"link add br0 address {_bridge_mac(lab, name)} type bridge stp_state 0 "
                  "forward_delay 0 mcast_snooping 0",
                  "link set br0 up",
                  *(f"addr add {g} dev br0 {_flags(g)}" for g in gateways)])


def _bridge_mac(lab, name):
    """A locally administered address, the same for the same network of the same lab."""
    digest = hashlib.sha256(f"{lab.name} {name}".encode()).digest()
    return "02:" + ":".join(f"{b:02x}" for b in digest[:5])


def _flags(addr):
    return "nodad" if ":" in str(addr) else ""


def is_shaped(figures):
    return any(figures.get(k) for k in ("delay_ms", "loss_percent", "rate_mbit", "shaped"))


class Carrier:
    """Whether an interface is operational, asked without starting a program.

    The kernel tells a carrier's change to the machine from a work queue, and until then drops what
    the machine sends. A cable is plugged by hand, far slower than that; the lab waits for it.
    """

    def __init__(self, space, ifname):
        self.ifname = ifname
        self.sock = ns.socket_in(space)

    def is_up(self):
        req = struct.pack("16s24x", self.ifname.encode())
        flags, = struct.unpack_from("<H", fcntl.ioctl(self.sock, SIOCGIFFLAGS, req), 16)
        return bool(flags & IFF_RUNNING)

    def wait(self, up, timeout=20.0):
        """Until the machine has noticed; the time only ends a hang."""
        deadline = time.monotonic() + timeout
        while self.is_up() != up:
            if time.monotonic() > deadline:
                raise LabError(f"{self.ifname} does not go {'up' if up else 'down'}")
            time.sleep(0.0005)


def wait_plugged(lab):
    """Until every link that is plugged in is operational at both ends."""
    for link in lab.data.get("links", {}).values():
        if not link.get("down"):
            Carrier(lab.space(link["space"]), link["if"]).wait(True)
            _wait_port(lab.space(link["network"]), link["port"])


def _wait_port(space, port):
    """Until a network forwards for a port: the bridge hears of the carrier under the same kernel
    lock as the change that follows here, so it is done when that is."""
    Carrier(space, port).wait(True)
    batch(space, [f"link set {port} up"])


def add_link(lab, space_name, ifname, network, port, figures):
    """Join `ifname` of a space to a network's bridge, where its other end is called `port`."""
    space, net = lab.space(space_name), lab.space(network)
    mtu = figures.get("mtu", 1500)
    link = {"space": space_name, "if": ifname, "network": network, "port": port, "wire": None}
    if is_shaped(figures):
        wires = lab.space(WIRES)
        n = lab.data["wires"] = lab.data.get("wires", 0) + 1
        link["wire"] = [f"w{n}a", f"w{n}b"]
        batch(wires, [
            f"link add w{n}a mtu {mtu} type veth peer name {ifname} mtu {mtu} netns {space['pid']}",
            f"link add w{n}b mtu {mtu} type veth peer name {port} mtu {mtu} netns {net['pid']}",
            f"link set w{n}a up", f"link set w{n}b up"])
    else:
        batch(space, [f"link add {ifname} mtu {mtu} type veth peer name {port} mtu {mtu} "
                      f"netns {net['pid']}"])
    _offload(space, ifname, figures)
    _offload(net, port, figures)
    batch(net, [f"link set {port} master br0 up"])
    key = f"{space_name}:{ifname}"
    lab.data.setdefault("links", {})[key] = link
    if link["wire"]:
        delay.start(lab, key, link, figures)
    return link


def _offload(space, ifname, figures):
    """A veth passes on frames without checksums and larger than the MTU; a wire never does. With
    offload it stands for a NIC that cuts and joins segments: then it may, and joins what arrives.
    """
    word = ["gro", "on"] if figures.get("offload") else ["tx", "off"]
    ns.run(space, ["ethtool", "-K", ifname, *word])


def _address_lines(topo, link, addrs, metric, clear):
    dev = link["if"]
    lines = [f"addr flush dev {dev} scope global"] if clear else []
    lines += [f"addr add {a} dev {dev} {_flags(a)}" for a in addrs]
    for a in addrs:
        gw = topo.gateway_for(link["network"], a)
        if gw:
            lines.append(f"route replace default via {gw} dev {dev}"
                         + (f" metric {metric}" if metric else ""))
    link["addresses"] = [str(a) for a in addrs]
    return lines


def _allow_ip6(lab, link, addrs):
    """IPv6 is on where the network has it; a link without it stays silent (no ND, no MLD)."""
    six = any(a.version == 6 for a in addrs)
    if link.get("ip6") != six:
        sysctls(lab.space(link["space"]),
                {f"net/ipv6/conf/{link['if']}/disable_ipv6": "0" if six else "1"})
    link["ip6"] = six


def set_addresses(lab, topo, link, addrs, metric=0):
    """Give a link its addresses and default routes."""
    _allow_ip6(lab, link, addrs)
    batch(lab.space(link["space"]), _address_lines(topo, link, addrs, metric, False))


def add_box(lab, topo, name):
    """A NAT box or plain router between its inside and its outside network."""
    box = topo.boxes[name]
    prepare(lab.add_space(name), forward=True)
    wan = add_link(lab, name, "wan", box["outside"], f"{name}.wan", box)
    lan = add_link(lab, name, "lan", box["inside"], f"{name}.lan", {k: box[k] for k in ("mtu", "offload") if k in box})
    batch(lab.space(name), ["link set wan up", "link set lan up"])
    set_addresses(lab, topo, lan, topo.gateways(box["inside"]))
    set_addresses(lab, topo, wan, _ifaces(box["addresses"]))


def _ifaces(texts):
    return [ipaddress.ip_interface(t) for t in texts]


def add_routes(lab, topo):
    """Prefixes that live behind somebody: the pools of the appliances, unNATed inside networks."""
    for name, app in topo.appliances.items():
        for pool in app.get("pool4", []) + app.get("pool6", []):
            via = topo.host_ip(name, 6 if ":" in pool else 4)
            _route(lab, topo, app["network"], pool, via)
    for box in topo.boxes.values():
        for p in topo.networks[box["inside"]].get("prefixes", ()):
            if box["nat"] == "none" or ":" in p:
                version = 6 if ":" in p else 4
                via = next((a.ip for a in _ifaces(box["addresses"]) if a.version == version), None)
                if via:
                    _route(lab, topo, box["outside"], p, via)


def _route(lab, topo, network, prefix, via):
    router = network if "gateways" in topo.networks[network] else topo.box_of(network)
    if router is None:
        raise LabError(f"{topo.path}: nobody on '{network}' could route {prefix}")
    batch(lab.space(router), [f"route add {prefix} via {via}"])


def add_machine(lab, topo, name, etc, ifname="eth"):
    """A node, host or appliance with all its links."""
    prepare(lab.add_space(name, etc))
    for i, figures in enumerate(topo.links(name)):
        link = add_link(lab, name, f"{ifname}{i}", figures["network"],
                        f"{name}.{i}", figures)
        batch(lab.space(name), [f"link set {link['if']} up"])
        if ifname == "eth":
            set_addresses(lab, topo, link, topo.addresses(name, link["network"], i),
                          metric=100 * i)
        if figures.get("up") is False:
            set_carrier(lab, link, False)


def find_link(lab, name):
    """A link by `NODE` (its first) or `NODE:IF`."""
    links = lab.data.get("links", {})
    for key in (name, f"{name}:eth0", f"{name}:wan", f"{name}:ap0"):
        if key in links:
            return key, links[key]
    lab.space(name.partition(":")[0])
    raise LabError(f"no link '{name}' (there are: {' '.join(sorted(links))})")


def set_carrier(lab, link, up):
    """Plug or unplug the far end; the machine sees its carrier come or go."""
    word = "up" if up else "down"
    if link["wire"]:
        batch(lab.space(WIRES), [f"link set {link['wire'][0]} {word}"])
    batch(lab.space(link["network"]), [f"link set {link['port']} {word}"])
    Carrier(lab.space(link["space"]), link["if"]).wait(up)
    if up:
        _wait_port(lab.space(link["network"]), link["port"])
    link["down"] = not up


class _Plug:
    """One link on its way to another network: what can be made ready is, before anything moves."""

    def __init__(self, lab, topo, name, network):
        key, self.link = find_link(lab, name)
        if network not in topo.networks:
            raise LabError(f"no network '{network}' (there are: {' '.join(topo.networks)})")
        self.topo, self.network, self.space = topo, network, lab.space(network)
        machine, ifname = key.split(":")
        self.index = int(ifname[3:]) if ifname.startswith("eth") else 0
        self.addrs = topo.addresses(machine, network, self.index)
        _allow_ip6(lab, self.link, self.addrs)
        self.old_ip = ns.Waiting(lab.space(self.link["network"]))
        self.new_ip = ns.Waiting(self.space)
        self.node_ip = ns.Waiting(lab.space(machine))
        wired = self.link["wire"]
        self.wire_ips = [ns.Waiting(lab.space(WIRES)) for _ in range(2)] if wired else []
        self.carrier = Carrier(lab.space(machine), ifname)

    def unplug(self):
        port = self.link["port"]
        if self.wire_ips:
            self.wire_ips[0].do([f"link set {self.link['wire'][0]} down"])
        self.old_ip.do([f"link set {port} down",
                        f"link set {port} netns {self.space['pid']}"])
        self.carrier.wait(False)

    def plug(self):
        port = self.link["port"]
        self.new_ip.do([f"link set {port} master br0 up"])
        if self.wire_ips:
            self.wire_ips[1].do([f"link set {self.link['wire'][0]} up"])
        self.link["network"] = self.network
        self.link["down"] = False
        self.carrier.wait(True)
        Carrier(self.space, port).wait(True)
        self.node_ip.do(_address_lines(self.topo, self.link, self.addrs, 100 * self.index, True))


def move(lab, topo, *moves):
    """Unplug the links of all (name, network) pairs, then plug each into its new network with an
    address of that one.

    Returns the milliseconds from the first carrier loss to the last default route.
    """
    plugs = [_Plug(lab, topo, name, network) for name, network in moves]
    start = time.monotonic()
    for p in plugs:
        p.unplug()
    for p in plugs:
        p.plug()
    return (time.monotonic() - start) * 1000
