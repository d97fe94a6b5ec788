#!/bin/bash
# SPDX-License-Identifier: BSD-3-Clause
# ntm-pktgen against a real ntm-appliance, with which it speaks as DC and as nodes: through shared
# memory and through AF_PACKET, nodes on IPv4 and on IPv6, every packet sent is received once, in order
# and unaltered, or stands under a name at the appliance; in the end the appliance has forgotten all.
#
#   ntm-pktgen -- net_memif, or net_af_packet on p1 -- p0 -- ntm-appliance -- wan (TAP)
set -euo pipefail

top=$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)
bin=${NTM_BUILD:-$top/build}
if [ "${1:-}" != inside ]; then
	[ "$(id -u)" = 0 ] || { echo "pktgen: skipped: needs root" >&2; exit 77; }
	exec timeout 170 unshare -n -m --propagation private "$0" inside
fi
tmp=$(mktemp -d)
sock=$tmp/rs.sock
appliance=

fail() {
	echo "pktgen: $*" >&2
	[ ! -e "$tmp/rs.log" ] || tail -n 30 "$tmp/rs.log" >&2
	exit 1
}

cleanup() {
	local code=$?
	trap - EXIT
	[ -z "$appliance" ] || { kill "$appliance" && wait "$appliance"; } 2>/dev/null || true
	rm -rf "$tmp"
	exit $code
}
trap cleanup EXIT
trap 'exit 143' INT TERM

# appliance_up PORT DC: an RS that joins the generator.
appliance_up() {
	rm -rf "$tmp/store" "$sock"
	cat >"$tmp/rs.yaml" <<EOF
role: [rs]
control_socket: $sock
dpdk: {memory_mb: 192, file_prefix: ntm-pktgen-rs-$$}
tables: {port_queue: 4096, packets: 16383}
interfaces:
  - name: wan
    port: "$1"
    addresses: [198.19.254.2/24, "2001:2:0:fe::2/64"]
    gateways: [198.19.254.1, "2001:2:0:fe::1"]
rs:
  store: $tmp/store
  join: "$("$bin/perf/ntm-pktgen" --join 7)"
  dc: ["$2"]
  pools: [{prefix: 198.19.253.0/28}]
  inner: [198.18.0.0/15]
EOF
	"$bin/appliance/ntm-appliance" --config "$tmp/rs.yaml" >"$tmp/rs.log" 2>&1 &
	appliance=$!
	local end=$((SECONDS + 20))
	until [ -S "$sock" ]; do
		[ $SECONDS -lt $end ] && kill -0 "$appliance" || fail "the appliance does not start"
		sleep 0.05
	done
}

appliance_down() {
	kill "$appliance"
	wait "$appliance" || fail "the appliance ended with $?"
	appliance=
}

# pktgen PORT ARGS...: a slow rate, for nothing may be lost on a machine that is busy with others.
pktgen() {
	local port=$1
	shift
	"$bin/perf/ntm-pktgen" --lcores "0@(0-$(($(nproc --all) - 1)))" --no-pci --no-huge \
		--no-telemetry --no-shconf -m 192 --file-prefix="ntm-pktgen-$$" --log-level=error -- \
		--port "$port" --ctl "$sock" --seed 7 --check 1 --json "$tmp/out.json" "$@" ||
		fail "ntm-pktgen $* ended with $?"
}

# account WAYS WHAT...: sent = received + the appliance's named drops, and WHAT in Python.
account() {
	python3 - "$tmp/out.json" "$@" <<'EOF' || fail "the account does not balance"
import json, sys
run = json.load(open(sys.argv[1]))["runs"][0]
assert sorted(run["ways"]) == sys.argv[2].split(), run["ways"].keys()
drops, ways = run["drops"], run["ways"]
for name, way in ways.items():
    assert way["sent"] > 500, (name, way)
    for what in ("refused", "duplicate", "reordered", "late", "foreign"):
        assert way[what] == 0, (name, what, way)
assert run["corrupt"] == 0, run
assert run["sent"] == run["received"] + sum(drops.values()), (run, drops)
for what in sys.argv[3:]:
    assert eval(what), (what, run)
print(run["sent"], "sent,", run["received"], "received, drops", drops)
EOF
}

all="rs_n.in rs_n.out rs_s.a rs_s.b"
run="--legs 6 --paths 100 --flows 30 --hosts 2 --rate 3000 --seconds 1"
ip link set lo up

memif="socket=$tmp/memif.sock,socket-abstract=no,rsize=12"
appliance_up "net_memif0,role=server,$memif" 198.19.254.1:5525
# shellcheck disable=SC2086
pktgen "net_memif1,role=client,$memif" $run --sizes 44,64,577,1400
account "$all" "drops == {}"
# What a node's tunnel does not hold has a name, and only that is lost.
# shellcheck disable=SC2086
pktgen "net_memif1,role=client,$memif" $run --mix 0,0,1,1 --sizes 100,1440
account "rs_n.in rs_n.out" "drops == {'MTU': ways['rs_n.in']['lost']}" "drops['MTU'] > 100" \
	"ways['rs_n.out']['lost'] == 0"
left=$("$bin/ctl/ntmctl" status --json --socket "$sock" | python3 -c '
import json, sys
rs = json.load(sys.stdin)["rs"]
print(rs["legs"], rs["paths"])')
[ "$left" = "0 0" ] || fail "legs and paths are left behind: $left"

# The same traffic out of a file, played by dpdk-testpmd: each NTM packet comes back as it went in. The
# player answers no ARP.
pktgen "net_memif1,role=client,$memif" --legs 6 --paths 100 --sizes 64,700 \
	--pcap "$tmp/ntm.pcap" --pcap-packets 500
ip neigh replace 198.19.254.1 lladdr 02:00:00:00:00:47 dev wan nud permanent
LCORES="0@(0-$(($(nproc --all) - 1))),1@(0-$(($(nproc --all) - 1)))" \
	"$top/perf/pktgen/testpmd" replay "$tmp/ntm.pcap" "net_memif1,role=client,$memif" 3 \
	>"$tmp/testpmd.log" 2>&1 || fail "testpmd: $(tail -5 "$tmp/testpmd.log")"
python3 - "$tmp/ntm.pcap" "$tmp/ntm.pcap.out" <<'EOF' || fail "what was played did not come back"
import struct, sys
def frames(path):
    data = open(path, "rb").read()
    at = 24
    while at < len(data):
        (size,) = struct.unpack_from("=I", data, at + 8)
        yield data[at + 16:at + 16 + size]
        at += 16 + size
# from the NTM header on, of UDP over IPv4
went, came = (sorted(f[42:] for f in frames(p) if f[12:14] == b"\x08\x00" and f[23] == 17)
              for p in sys.argv[1:])
assert len(went) == 500 and went == came, (len(went), len(came))
print(len(came), "of", len(went), "packets out of a file came back")
EOF
appliance_down

# The kernel must not see what the appliance polls.
ip link add p0 type veth peer name p1
for i in p0 p1; do
	echo 1 >"/proc/sys/net/ipv6/conf/$i/disable_ipv6"
	nft "add table netdev $i; add chain netdev $i in { type filter hook ingress device $i priority 0; policy drop; }"
	ip link set $i up
done
appliance_up "net_af_packet0,iface=p0" '[2001:2:0:fe::1]:5525'
# shellcheck disable=SC2086
pktgen "net_af_packet1,iface=p1" $run --outer6 --sizes 64,1400 --suite chacha20-poly1305
account "$all" "drops == {}"
appliance_down
