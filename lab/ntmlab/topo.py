# SPDX-License-Identifier: BSD-3-Clause
"""Topologies: TOML data in, checked tables out. Errors name the file and the key."""
import ipaddress
import os
import tomllib

from .procs import LabError
from .state import TOP

NAT_CLASSES = ("none", "full-cone", "address-restricted", "port-restricted", "address-dependent",
               "symmetric")
SERVICES = ("nsd", "unbound", "nginx", "iperf3")

_LINK = {"delay_ms": (int, float), "loss_percent": (int, float), "rate_mbit": (int, float),
         "queue_kb": int, "mtu": int, "seed": int, "shaped": bool, "offload": bool}
_ATTACH = {"network": str, "addresses": list, **_LINK}
_KEYS = {
    "": {"zone": str, "hosts_zone": str, "records": dict, "network": dict, "box": dict, "host": dict,
         "appliance": dict, "node": dict},
    "network": {"gateways": list, "prefixes": list},
    "box": {"inside": str, "outside": str, "addresses": list, "nat": str, **_LINK},
    "host": {"services": list, "relay": bool, **_ATTACH},
    "appliance": {"roles": list, "dc": str, "pool4": list, "pool6": list, "workers": int,
                  "vip4": str, "vip6": str, "port": str, "config": dict, **_ATTACH},
    "node": {"dc": str, "services": list, "link": list, "config": dict, **_ATTACH},
    "link": {**_ATTACH, "up": bool},
}
_NEED = {"box": ("inside", "outside", "addresses"), "host": ("network", "addresses"),
         "appliance": ("network", "addresses", "roles", "dc")}


def _check_table(where, kind, table):
    known = _KEYS[kind]
    for key, val in table.items():
        if key not in known:
            raise LabError(f"{where}: unknown key '{key}' (known: {' '.join(sorted(known))})")
        want = known[key]
        if not isinstance(val, want) or (isinstance(val, bool) and want is not bool):
            raise LabError(f"{where}: '{key}' has the wrong type")
    for key in _NEED.get(kind, ()):
        if key not in table:
            raise LabError(f"{where}: '{key}' is missing")


def find(name):
    """A topology by path, or by name below lab/topologies."""
    if os.path.sep in name or name.endswith(".toml"):
        return os.path.abspath(name)
    return os.path.join(TOP, "lab", "topologies", name + ".toml")


class Topology:
    """The checked content of one file; tables keep the file's order."""

    def __init__(self, path):
        self.path = path
        try:
            with open(path, "rb") as f:
                raw = tomllib.load(f)
        except FileNotFoundError:
            raise LabError(f"no topology {path}") from None
        except tomllib.TOMLDecodeError as e:
            raise LabError(f"{path}: {e}") from None
        _check_table(path, "", raw)
        self.zone = raw.get("zone", "ntm.example")
        self.hosts_zone = raw.get("hosts_zone", "site.example")
        self.records = raw.get("records", {})
        self.networks = raw.get("network", {})
        self.boxes = raw.get("box", {})
        self.hosts = raw.get("host", {})
        self.appliances = raw.get("appliance", {})
        self.nodes = raw.get("node", {})
        self._validate()

    def _validate(self):
        seen = set()
        for kind in ("network", "box", "host", "appliance", "node"):
            for name, table in self.tables(kind).items():
                where = f"{self.path}: {kind}.{name}"
                if name in seen or not 0 < len(name) <= 12 or not name.replace("-", "").isalnum():
                    raise LabError(f"{where}: names are unique, 1-12 of letters, digits and -")
                seen.add(name)
                if not isinstance(table, dict):
                    raise LabError(f"{where}: must be a table")
                _check_table(where, kind, table)
        for name, b in self.boxes.items():
            self._known_network(f"box.{name}", b["inside"], b["outside"])
            if b.setdefault("nat", "port-restricted") not in NAT_CLASSES:
                raise LabError(f"{self.path}: box.{name}.nat: one of {' '.join(NAT_CLASSES)}")
        for kind in ("host", "appliance", "node"):
            for name, t in self.tables(kind).items():
                self._known_network(f"{kind}.{name}", *(a["network"] for a in self.links(name)))
                for s in t.get("services", ()):
                    if s not in SERVICES:
                        raise LabError(f"{self.path}: {kind}.{name}: no service '{s}'")
        dcs = {a["dc"] for a in self.appliances.values() if "dc" in a["roles"]}
        for name, t in self.nodes.items():
            if self.appliances and t.setdefault("dc", next(iter(dcs), "")) not in dcs:
                raise LabError(f"{self.path}: node.{name}: no appliance serves dc '{t['dc']}'")

    def tables(self, kind):
        return {"network": self.networks, "box": self.boxes, "host": self.hosts,
                "appliance": self.appliances, "node": self.nodes}[kind]

    def _known_network(self, where, *names):
        for n in names:
            if n not in self.networks:
                raise LabError(f"{self.path}: {where}: no network '{n}'")

    def machine(self, name):
        """The table of a node, host or appliance."""
        for kind in ("node", "host", "appliance"):
            if name in self.tables(kind):
                return self.tables(kind)[name]
        raise LabError(f"no node '{name}' in {self.path}")

    def links(self, name):
        """The links of a machine, eth0 first: tables with `network`, addresses, link figures."""
        t = self.machine(name)
        links = t.get("link") or [{k: v for k, v in t.items() if k in _ATTACH}]
        for i, link in enumerate(links):
            _check_table(f"{self.path}: {name}.link[{i}]", "link", link)
            if "network" not in link:
                raise LabError(f"{self.path}: {name}: 'network' is missing")
        return links

    def dc_appliance(self, dc):
        """The appliance that is the DC of this name."""
        return next(a for a, t in self.appliances.items() if t["dc"] == dc and "dc" in t["roles"])

    # -- addresses ------------------------------------------------------------------------------

    def gateways(self, network):
        """Router addresses on a network, as interfaces (address with prefix)."""
        t = self.networks[network]
        if "gateways" in t:
            return [ipaddress.ip_interface(g) for g in t["gateways"]]
        out = []
        for p in map(ipaddress.ip_network, t.get("prefixes", ())):
            out.append(ipaddress.ip_interface(f"{p[1]}/{p.prefixlen}"))
        return out

    def gateway_for(self, network, iface):
        """The router that shares a prefix with this address, or None."""
        for g in self.gateways(network):
            if g.version == iface.version and iface.ip in g.network and g.ip != iface.ip:
                return g.ip
        return None

    def addresses(self, machine, network, link=0):
        """What a machine has on a network: written down for its own one, else as DHCP would give."""
        links = self.links(machine)
        if links[link]["network"] == network and "addresses" in links[link]:
            return [ipaddress.ip_interface(a) for a in links[link]["addresses"]]
        everyone = [*self.nodes, *self.hosts, *self.appliances]
        number = 100 + 10 * everyone.index(machine) + link
        out = []
        for p in map(ipaddress.ip_network, self.networks[network].get("prefixes", ())):
            out.append(ipaddress.ip_interface(f"{p[number]}/{p.prefixlen}"))
        if not out:
            raise LabError(f"{self.path}: network.{network} has no prefixes for '{machine}'")
        return out

    def box_of(self, network):
        """The box whose inside this network is, or None."""
        return next((n for n, b in self.boxes.items() if b["inside"] == network), None)

    def host_ip(self, name, version=4):
        for i in self.links(name)[0].get("addresses", ()):
            ip = ipaddress.ip_interface(i).ip
            if ip.version == version:
                return ip
        return None

    def servers(self, service):
        """Names of the hosts that run a service."""
        return [n for n, h in self.hosts.items() if service in h.get("services", ())]
