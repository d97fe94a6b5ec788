#!/bin/bash
# SPDX-License-Identifier: BSD-3-Clause
# Frames of 9,000 bytes: to the box through DPDK, ring and TAP and back; and through RS-N, where a
# datagram of 8,000 bytes that the node sends in fragments leaves whole, and the answer, one frame
# without DF, goes back in pieces that fit the tunnel.
#
#   alice (MTU 1420) -- lan-a -- [A] -- internet -- ap1 (MTU 9000) == web (MTU 9000)
. "$(dirname "$0")/_init.sh"

lab_up "$top/tests/lab/jumbo.toml"

on web ping -M do -s 8972 -c 3 -i 0.2 -W 5 20.0.1.10 || fail "no echo of 9,000 bytes"
on ap1 ping -M do -s 8972 -c 3 -i 0.2 -W 5 20.0.1.80 || fail "none from the box"

cat >"$tmp/agent.py" <<'EOF'
import socket, sys
body = bytes(i * 7 & 0xff for i in range(8000))
s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
s.setsockopt(socket.IPPROTO_IP, 10, 0)  # IP_MTU_DISCOVER: IP_PMTUDISC_DONT
s.settimeout(20)
if sys.argv[1] == "server":
    s.bind(("", 9000))
    while True:
        data, peer = s.recvfrom(65536)
        s.sendto(data, peer)
for i in range(3):
    s.sendto(body, (sys.argv[2], 9000))
    assert s.recv(65536) == body
print("whole")
EOF
# Straight to the appliance: the Internet's router has links of 1,500 bytes.
on web ip route add 20.0.2.0/28 via 20.0.1.10
on web python3 "$tmp/agent.py" server &
wait_for 5 on web sh -c 'ss -Hlun | grep -q :9000' || fail "nobody listens"
"$lab" capture web "$tmp/web.pcap"
got=$(on alice python3 "$tmp/agent.py" client web.site.example)
assert_eq "8,000 bytes there and back" whole "$got"
"$lab" capture web stop
lens=$(tshark -r "$tmp/web.pcap" -Y 'ip.addr == 20.0.2.0/28 && udp' -T fields -e ip.len 2>/dev/null | sort -u)
assert_eq "IP lengths between web and the pool" 8028 "$lens"

stats ap1 | python3 -c '
import json, sys
bad = [d["name"] for d in json.load(sys.stdin)["drops"] if d["name"] in ("MULTI_SEG", "MTU", "NO_MBUF") and d["count"]]
sys.exit(f"dropped: {bad}" if bad else 0)' || fail "drops"
