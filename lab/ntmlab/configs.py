# SPDX-License-Identifier: BSD-3-Clause
"""Configuration files of our programs, from the topology. All key names are in this file."""
import base64
import hashlib

from .services import resolver_ip


def yaml(value, indent=0):
    """Nested dicts and lists as block YAML, scalars quoted where they could be mistaken."""
    pad = "  " * indent
    out = []
    if isinstance(value, dict):
        for key, v in value.items():
            if isinstance(v, (dict, list)) and v:
                out.append(f"{pad}{key}:\n{yaml(v, indent + 1)}")
            else:
                out.append(f"{pad}{key}: {_scalar(v)}\n")
    else:
        for v in value:
            if isinstance(v, dict):
                out.append(pad + "- " + yaml(v, indent + 1).lstrip(" "))
            else:
                out.append(f"{pad}- {_scalar(v)}\n")
    return "".join(out)


def _scalar(v):
    if isinstance(v, bool):
        return "yes" if v else "no"
    if v in ([], {}):
        return "[]"
    return str(v) if isinstance(v, (int, float)) else '"' + str(v).replace('"', '\\"') + '"'


AF_PACKET = "net_af_packet0,iface=ap0,framesz=2048,blocksz=65536,qdisc_bypass=1"


def merge(conf, changes):
    """A topology's own keys over the ones made here, table by table."""
    for key, v in changes.items():
        if isinstance(v, dict) and isinstance(conf.get(key), dict):
            merge(conf[key], v)
        else:
            conf[key] = v
    return conf


def zone_of(topo, appliance):
    return f"{topo.appliances[appliance]['dc']}.{topo.zone}"


def fqdn(topo, node):
    return f"{node}.{topo.nodes[node]['dc']}.{topo.zone}"


def appliance(lab, topo, name, join=None):
    """Configuration of an ntm-appliance; an RS without a DC beside it needs that DC's join string."""
    t = topo.appliances[name]
    addrs = topo.addresses(name, t["network"])
    gateways = [str(g) for g in (topo.gateway_for(t["network"], a) for a in addrs) if g]
    conf = {
        "role": t["roles"],
        "dpdk": {"memory_mb": 256, "file_prefix": f"ntm-lab-{lab.name}-{name}"},
        "lcores": {"workers": t.get("workers", 1)},
        "interfaces": [{
            "name": "wan",
            "port": t.get("port", AF_PACKET),
            "addresses": [str(a) for a in addrs],
            "gateways": gateways,
            "mtu": t.get("mtu", 1500),
        }],
    }
    if "rs" in t["roles"]:
        conf["rs"] = {"pools": [{"prefix": p} for p in t.get("pool4", []) + t.get("pool6", [])]}
    if join:
        there = topo.dc_appliance(t["dc"])
        conf["rs"].update(join=join, store=lab.make_dir("nodes", name, "store"), dc=[
            f"[{a.ip}]:5525" if a.version == 6 else f"{a.ip}:5525"
            for a in topo.addresses(there, topo.appliances[there]["network"])])
        conf["dc"] = {"pool4": topo.appliances[there]["vip4"],
                      "pool6": topo.appliances[there]["vip6"]}
    if "dc" in t["roles"]:
        conf["dc"] = {
            "zone": zone_of(topo, name),
            "store": lab.make_dir("nodes", name, "store"),
            "pool4": t["vip4"], "pool6": t["vip6"],
            "relay_names": _relayed(topo),
            "resolver": str(resolver_ip(topo)),
        }
        peers = _peers(lab, topo, name)
        if peers:
            conf["dc"]["peers"] = peers
    return merge(conf, t.get("config", {}))


def _peers(lab, topo, name):
    """The other DCs of the topology, as far as their keys are known."""
    out = []
    for other, key in lab.data.get("dc_keys", {}).items():
        if other == name:
            continue
        pair = " ".join(sorted((name, other)))
        psk = hashlib.sha256(f"{lab.name} {pair}".encode()).digest()
        zone = zone_of(topo, other)
        out.append({"name": f"ns.{zone}", "key": key, "psk": base64.b64encode(psk).decode(),
                    "endpoint": f"{topo.host_ip(other)}:5525", "zones": [zone]})
    return out


def node(lab, topo, name, join):
    """Configuration of an ntmd, with the join line that `ntmctl node add` gave."""
    conf = {
        "join": join,
        "state_dir": lab.make_dir("nodes", name, "state"),
        "relay": {"names": _relayed(topo)},
    }
    return merge(conf, topo.nodes[name].get("config", {}))


def _relayed(topo):
    """General hosts whose connections shall survive moves."""
    return [f"{h}.{topo.hosts_zone}" for h, v in topo.hosts.items() if v.get("relay")]
