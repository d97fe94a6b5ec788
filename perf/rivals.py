# SPDX-License-Identifier: BSD-3-Clause
"""The other tunnels of perf/tun, from Debian: wireguard-go and nebula on alice, bob and carol, and a
host whose nftables sends on to bob what comes to it. Both get our tunnel's MTU and the buffers that
their manuals recommend.
"""
import subprocess

from ntmlab import net, ns
from ntmlab.state import program

MTU = 1420
WG_PORT, NEBULA_PORT = 51820, 4242
TCP_PORTS, UDP_PORTS = (5201,), (5301, WG_PORT, NEBULA_PORT)
NODES = {"alice": 1, "bob": 2, "carol": 3}
NETS = {"wireguard_go": "10.77.0", "nebula": "10.78.0"}


def inner(who, node):
    return f"{NETS[who]}.{NODES[node]}"


def address(topo, name):
    return next(str(a.ip) for a in topo.addresses(name, topo.links(name)[0]["network"])
                if a.version == 4)


def _dnat(match, to):
    ports = [("tcp", TCP_PORTS), ("udp", UDP_PORTS)]
    return "\n".join(f"{match} {proto} dport {{ {', '.join(map(str, p))} }} dnat to {to}"
                     for proto, p in ports)


def _relay_start(lab, topo):
    """alice -> relay -> bob's NAT box, which lets the relay in."""
    box = topo.boxes["B"]["addresses"][0].partition("/")[0]
    net.sysctls(lab.space("relay"), {"net/ipv4/ip_forward": "1"})
    ns.run(lab.space("relay"), ["nft", "-f", "-"], stdin=f"""
table ip relay {{
	chain pre {{
		type nat hook prerouting priority dstnat
		{_dnat("", box)}
	}}
	chain post {{
		type nat hook postrouting priority srcnat
		masquerade
	}}
}}
""")
    ns.run(lab.space("B"), ["nft", "-f", "-"], stdin=f"""
table ip forwarded {{
	chain pre {{
		type nat hook prerouting priority dstnat - 1
		{_dnat(f"iifname wan ip saddr {address(topo, 'relay')}", address(topo, "bob"))}
	}}
}}
""")


def _reached_at(topo, node):
    return address(topo, "relay" if node == "bob" else node)


def _wg(*args, stdin=None):
    return subprocess.run(["wg", *args], input=stdin, capture_output=True, text=True,
                          check=True).stdout.strip()


def _wireguard_start(lab, demo):
    private = {n: _wg("genkey") for n in NODES}
    public = {n: _wg("pubkey", stdin=k) for n, k in private.items()}
    for node in NODES:
        lab.start(node, "wireguard-go", ["wireguard-go", "-f", "wg0"])
        key = lab.write(f"nodes/{node}/wg.key", private[node], 0o600)
        demo.wait(f"wireguard-go on {node}",
                  lambda n=node: ns.run(lab.space(n), ["ip", "link", "show", "wg0"],
                                        check=False).returncode == 0, 10)
        argv = ["wg", "set", "wg0", "listen-port", str(WG_PORT), "private-key", key]
        for peer in ("bob", "carol") if node == "alice" else ("alice",):
            argv += ["peer", public[peer], "allowed-ips", inner("wireguard_go", peer) + "/32"]
            if node == "alice":
                argv += ["endpoint", f"{_reached_at(demo.topo, peer)}:{WG_PORT}"]
        demo.run(node, *argv)
        net.batch(lab.space(node), [f"addr add {inner('wireguard_go', node)}/24 dev wg0",
                                    f"link set wg0 mtu {MTU} up"])


def _nebula_conf(lab, topo, node):
    base = lab.path("nebula")
    known = "".join(f'  "{inner("nebula", p)}": ["{_reached_at(topo, p)}:{NEBULA_PORT}"]\n'
                    for p in ("bob", "carol"))
    rule = "    - {port: any, proto: any, host: any}\n"
    return f"""
pki: {{ca: {base}/ca.crt, cert: {base}/{node}.crt, key: {base}/{node}.key}}
static_host_map:{chr(10) + known if node == "alice" else " {}"}
lighthouse: {{am_lighthouse: false, hosts: []}}
listen: {{host: 0.0.0.0, port: {NEBULA_PORT}, read_buffer: 10485760, write_buffer: 10485760}}
punchy: {{punch: true}}
tun: {{dev: neb0, mtu: {MTU}, tx_queue: 500}}
logging: {{level: warning, format: text}}
firewall:
  outbound:
{rule}  inbound:
{rule}"""


def _nebula_start(lab, demo):
    base = lab.make_dir("nebula")

    def cert(*args):
        subprocess.run(["nebula-cert", *args], cwd=base, check=True, capture_output=True)

    cert("ca", "-name", "perf")
    for node in NODES:
        cert("sign", "-name", node, "-ip", inner("nebula", node) + "/24")
        conf = lab.write(f"nebula/{node}.yml", _nebula_conf(lab, demo.topo, node), 0o600)
        lab.start(node, "nebula", ["nebula", "-config", conf])


def start(lab, demo):
    """All of them up and reaching each other, and udp-rate listening at bob and carol."""
    with lab.locked() as held:
        _relay_start(held, demo.topo)
        _wireguard_start(held, demo)
        _nebula_start(held, demo)
        for node in ("bob", "carol"):
            held.start(node, "udp-rate", [program("perf/udp-rate"), "-l"])
    for who in NETS:
        for node in ("bob", "carol"):
            demo.wait(f"{who} to {node}",
                      lambda a=inner(who, node): _pings(lab, a), 15)


def _pings(lab, to):
    return ns.run(lab.space("alice"), ["ping", "-c1", "-W1", to], check=False).returncode == 0
