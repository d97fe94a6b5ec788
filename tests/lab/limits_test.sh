#!/bin/bash
# SPDX-License-Identifier: BSD-3-Clause
# Tables as small as they can be, and more than they hold: nodes, paths, ports of the NAT, general hosts.
# What does not fit is refused at once and in words, and counted under its name; the TCP connections that
# were there before, one by RS-S or direct and one by RS-N, go on.
#
#   n1, n2 ... n7 --+
#                   +-- internet -- ap1 (RS and DC: 7 nodes, 16 paths, 16 bindings, 64 ports for each)
#   web, ns --------+
. "$(dirname "$0")/_init.sh"
. "$top/tests/lab/_flow.sh"

lab_up "$top/tests/lab/limits.toml"
zone=dc1.ntm.example

dc() {
	counter ap1 counters dc "$1"
}
rs() {
	counter ap1 counters rs "$1"
}
status() { # status COUNTER: of ap1, by two keys
	on ap1 ntmctl status --json | python3 -c "import json, sys; print(json.load(sys.stdin)$1)"
}
drop() { # drop NAME: at ap1
	stats ap1 | python3 -c '
import json, sys
print(sum(d["count"] for d in json.load(sys.stdin)["drops"] if d["name"] == sys.argv[1]))' "$1"
}
# asks NODE NAME...: of each name, whether it has an address for the node.
asks() {
	local node=$1 name
	shift
	# shellcheck disable=SC2016
	on "$node" sh -c 'for name; do
		echo "$name $(dig +tries=1 +time=5 "$name" A | sed -n "s/.*status: \([A-Z]*\),.*/\1/p")"; done' sh "$@"
}
of_kind() { # of_kind STATUS FILE...
	cat "${@:2}" | grep -c " $1\$" || true
}

flow_begin old n1 n2.$zone 4
flow_more old || fail "nothing passes"
on n1 curl -sf -r 0-7999999 "http://web.site.example/paced/file.bin?rate=1m" >"$tmp/file" &
get=$!
wait_often 10 test -s "$tmp/file" || fail "no download"

# One node more than there may be.
! on ap1 ntmctl node add n8.$zone >"$tmp/add" 2>&1 || fail "an eighth node is enrolled"
saw 'the table is full' <"$tmp/add" || fail "the eighth node: $(cat "$tmp/add")"
assert_eq "nodes" 7 "$(status '["dc"]["nodes"]')"

# Of the 21 pairs 16 have a path.
for a in 1 2 3 4 5 6; do
	asks n$a $(seq -f "n%g.$zone" $((a + 1)) 7) >"$tmp/pairs.$a" &
	asked[a]=$!
done
for a in 1 2 3 4 5 6; do
	wait "${asked[a]}"
done
assert_eq "pairs that have a path" 16 "$(of_kind NOERROR "$tmp"/pairs.*)"
assert_eq "pairs that are refused" 5 "$(of_kind SERVFAIL "$tmp"/pairs.*)"
assert_eq "refusals that the DC counts" 5 "$(dc dir_full)"
assert_eq "paths at DC and RS" "16 16" "$(status '["dc"]["paths"]') $(status '["rs"]["paths"]')"
last=$(grep -l SERVFAIL "$tmp"/pairs.* | head -n 1)
on "n${last##*.}" ntmctl why "$(awk '/SERVFAIL/ { print $1; exit }' "$last")" >"$tmp/why"
saw 'direction refused: a table is full' <"$tmp/why" || fail "why: $(cat "$tmp/why")"

# Ports are given in blocks of 64 and n1 may have one of each protocol: of 80 UDP sources 16 find no port.
on n1 python3 -c '
import socket
to = (socket.gethostbyname("web.site.example"), 9)
many = [socket.socket(socket.AF_INET, socket.SOCK_DGRAM) for _ in range(80)]
for s in many:
    s.sendto(b"x", to)'
limited() {
	[ "$(drop NAT_LIMIT)" -ge 16 ]
}
wait_for 10 limited || fail "NAT_LIMIT is $(drop NAT_LIMIT)"
assert_eq "packets without a port" 16 "$(drop NAT_LIMIT)"
# Another node's ports are its own.
on n2 curl -sf --max-time 5 -o /dev/null http://web.site.example/index.html || fail "n2 does not reach web"

# Each host is bound twice, once for each family: two are there, there is room for six.
asks n3 $(seq -f "g%g.site.example" 1 9) >"$tmp/hosts"
assert_eq "further hosts" 6 "$(of_kind NOERROR "$tmp/hosts")"
assert_eq "hosts that are refused" 3 "$(of_kind SERVFAIL "$tmp/hosts")"
assert_eq "refusals that the DC counts" 8 $(($(dc dir_full) + $(dc dir_no_vip)))
on n3 ntmctl why g9.site.example | saw 'direction refused: ' || fail "why: $(on n3 ntmctl why g9.site.example)"
echo "rows that the RS refused: $(rs dc_rows_refused); NAT_LIMIT $(drop NAT_LIMIT)," \
	"dir_full $(dc dir_full), dir_no_vip $(dc dir_no_vip)"

# What was there goes on, and what has room is still served.
flow_more old || fail "the connection from before does not go on"
flow_end old
on n1 ping -c 3 -i 0.1 -W 5 n2.$zone >/dev/null || fail "n1 does not reach n2 any more"
wait $get || fail "the download broke"
cmp "$tmp/file" <(head -c 8000000 "${NTM_LAB_DIR:-/run/ntm-lab}/$NTM_LAB/www/file.bin") ||
	fail "the download is not what web has"
for node in n1 n2; do
	assert_eq "paths that $node lost" 0 "$(counter $node counters core PATHS_LOST)"
done
