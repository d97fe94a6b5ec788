# SPDX-License-Identifier: BSD-3-Clause
"""Debian's own programs on the lab's hosts: NSD, Unbound, nginx, iperf3, each in the foreground
with a configuration in the lab's state directory.

NSD is the whole public DNS of the lab: it serves the root, the parent zone (which delegates each
DC's zone to the DC) and the zone of the general hosts. Unbound starts from its root hints as
anywhere else, so a name resolves along the same way as on the Internet.
"""
import hashlib
import random
import time

from . import ns, procs
from .procs import LabError

FILE_BYTES = 50 * 1000 * 1000
MARKER = b"NTM-LAB-PLAINTEXT-MARKER"
_SERIAL = 1


def _ns_host(topo):
    hosts = topo.servers("nsd")
    return hosts[0] if hosts else None


def _records(topo, names, origin):
    """A and AAAA of machines by name."""
    out = []
    for name in names:
        for version, kind in ((4, "A"), (6, "AAAA")):
            ip = topo.host_ip(name, version)
            if ip:
                out.append(f"{name}.{origin}. {kind} {ip}")
    return out


def _zone(topo, origin, records):
    server = _ns_host(topo)
    dot = origin + "." if origin else "."
    soa = (f"{dot} SOA {server}.{topo.zone}. admin.{topo.zone}. "
           f"{_SERIAL} 3600 600 86400 30")
    return "\n".join(["$TTL 60", soa, f"{dot} NS {server}.{topo.zone}.", *records]) + "\n"


def zones(topo):
    """All zones of the lab's NSD: name -> text."""
    server = _ns_host(topo)
    glue = _records(topo, [server], topo.zone)
    parent = list(glue)
    for name, app in topo.appliances.items():
        if "dc" in app["roles"]:
            zone = f"{app['dc']}.{topo.zone}"
            parent.append(f"{zone}. NS ns.{zone}.")
            for version, kind in ((4, "A"), (6, "AAAA")):
                ip = topo.host_ip(name, version)
                if ip:
                    parent.append(f"ns.{zone}. {kind} {ip}")
    root = [f"{z}. NS {server}.{topo.zone}." for z in (topo.zone, topo.hosts_zone)] + glue
    hosts = _records(topo, topo.hosts, topo.hosts_zone)
    for name, data in topo.records.items():
        hosts += [f"{name}.{topo.hosts_zone}. {r}" for r in data]
    return {"": _zone(topo, "", root), topo.zone: _zone(topo, topo.zone, parent),
            topo.hosts_zone: _zone(topo, topo.hosts_zone, hosts)}


def start_nsd(lab, topo, host):
    base = lab.make_dir("nsd")
    conf = ["server:", " username: root", f' zonesdir: "{base}"', f' pidfile: "{base}/nsd.pid"',
            f' database: ""', f' zonelistfile: "{base}/zone.list"', f' xfrdfile: "{base}/xfrd"',
            f' xfrdir: "{base}"', " server-count: 1", " refuse-any: yes", " rrl-ratelimit: 0",
            "remote-control:", " control-enable: no"]
    conf[1:1] = [f" ip-address: {a.ip}" for a in topo.addresses(host, _net(topo, host))]
    for name, text in zones(topo).items():
        lab.write(f"nsd/{name or 'root'}.zone", text)
        conf += ["zone:", f' name: "{name or "."}"', f' zonefile: "{name or "root"}.zone"']
    lab.write("nsd/nsd.conf", "\n".join(conf) + "\n")
    lab.start(host, "nsd", ["nsd", "-d", "-c", f"{base}/nsd.conf"])


def _net(topo, host):
    return topo.links(host)[0]["network"]


def start_unbound(lab, topo, host):
    base = lab.make_dir("unbound")
    server = _ns_host(topo)
    hints = [f". 3600 NS {server}.{topo.zone}."] + [
        r.replace(". A", ". 3600 A") for r in _records(topo, [server], topo.zone)]
    lab.write("unbound/root.hints", "\n".join(hints) + "\n")
    six = "yes" if topo.host_ip(host, 6) else "no"
    conf = ["server:", " interface: 0.0.0.0", *([" interface: ::0"] if six == "yes" else []),
            " access-control: 0.0.0.0/0 allow", " access-control: ::/0 allow", ' username: ""',
            ' chroot: ""', f' directory: "{base}"', f' pidfile: "{base}/unbound.pid"',
            f' root-hints: "{base}/root.hints"', ' module-config: "iterator"', " use-syslog: no",
            " do-daemonize: no", " num-threads: 1", f" do-ip6: {six}", " verbosity: 1",
            " log-time-ascii: yes", " qname-minimisation: yes", " ip-freebind: yes",
            " infra-host-ttl: 60", "remote-control:", " control-enable: no"]
    lab.write("unbound/unbound.conf", "\n".join(conf) + "\n")
    lab.start(host, "unbound", ["unbound", "-d", "-c", f"{base}/unbound.conf"])


def make_file(path):
    """The file the web hosts serve, of records that a capture can be searched for; its digest."""
    rng = random.Random(20)
    digest = hashlib.sha256()
    with open(path, "wb") as f:
        left = FILE_BYTES
        while left:
            noise = rng.randbytes(40 * 1024)
            block = b"".join(MARKER + noise[i:i + 40] for i in range(0, len(noise), 40))[:left]
            f.write(block)
            digest.update(block)
            left -= len(block)
    return digest.hexdigest()


def start_nginx(lab, topo, host):
    base = lab.make_dir("nginx-" + host)
    www = lab.make_dir("www")
    if "file_sha256" not in lab.data:
        lab.data["file_sha256"] = make_file(f"{www}/file.bin")
        lab.write("www/index.html", "served by the lab\n")
    six = "listen [::]:80;" if topo.host_ip(host, 6) else ""
    lab.write(f"nginx-{host}/nginx.conf", f"""
daemon off;
user root;
worker_processes 1;
pid {base}/nginx.pid;
error_log {base}/error.log notice;
events {{ worker_connections 256; }}
http {{
	default_type application/octet-stream;
	log_format lab '$msec $remote_addr $remote_port "$request" $status $bytes_sent $request_time';
	access_log {base}/access.log lab;
	client_body_temp_path {base}/body;
	proxy_temp_path {base}/proxy;
	fastcgi_temp_path {base}/fastcgi;
	uwsgi_temp_path {base}/uwsgi;
	scgi_temp_path {base}/scgi;
	sendfile on;
	tcp_nodelay on;
	map $arg_rate $paced_rate {{
		default $arg_rate;
		"" 1m;
	}}
	server {{
		listen 80;
		{six}
		root {www};
		# /paced/file.bin?rate=2m: that many bytes per second, 1m if not said
		location /paced/ {{
			alias {www}/;
			limit_rate $paced_rate;
		}}
	}}
}}
""")
    lab.start(host, "nginx", ["nginx", "-c", f"{base}/nginx.conf", "-p", base,
                              "-e", f"{base}/error.log"])


def start_iperf3(lab, _topo, host):
    lab.start(host, "iperf3", ["iperf3", "-s"])


_START = {"nsd": start_nsd, "unbound": start_unbound, "nginx": start_nginx,
          "iperf3": start_iperf3}
_PORT = {"nsd": 53, "unbound": 53, "nginx": 80, "iperf3": 5201}


def start_all(lab, topo):
    """Start every service of the topology and wait until each one listens."""
    started = []
    for name in [*topo.hosts, *topo.nodes]:
        for service in topo.machine(name).get("services", ()):
            _START[service](lab, topo, name)
            started.append((name, service))
    for name, service in started:
        wait_listening(lab, name, service)


def wait_listening(lab, name, service, timeout=10.0):
    deadline = time.monotonic() + timeout
    port = f":{_PORT[service]}"
    while True:
        out = ns.run(lab.space(name), ["ss", "-Hltn"]).stdout
        if any(line.split()[3].endswith(port) for line in out.splitlines()):
            return
        proc = lab.proc(name, service)
        if not procs.is_alive(proc) or time.monotonic() > deadline:
            with open(proc["log"], encoding="utf-8", errors="replace") as f:
                raise LabError(f"{service} on {name} does not listen: {f.read().strip()[-500:]}")
        time.sleep(0.02)


def resolver_ip(topo, version=4):
    hosts = topo.servers("unbound")
    return topo.host_ip(hosts[0], version) if hosts else None


def etc_files(lab, topo, name):
    """The files a machine sees in /etc in place of the host's."""
    own = topo.addresses(name, topo.links(name)[0]["network"])
    servers = [resolver_ip(topo, v) for v in sorted({a.version for a in own})]
    resolv = "".join(f"nameserver {ip}\n" for ip in servers if ip)
    base = f"nodes/{name}/etc"
    return {
        "/etc/resolv.conf": lab.write(f"{base}/resolv.conf",
                                      resolv + "options timeout:2 attempts:2\n"),
        "/etc/hosts": lab.write(f"{base}/hosts", f"127.0.0.1 localhost {name}\n::1 localhost\n"),
        "/etc/nsswitch.conf": lab.write(
            f"{base}/nsswitch.conf",
            "passwd: files\ngroup: files\nshadow: files\nhosts: files dns\nnetworks: files\n"
            "protocols: files\nservices: files\n"),
    }
