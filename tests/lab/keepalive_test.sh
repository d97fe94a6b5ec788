#!/bin/bash
# SPDX-License-Identifier: BSD-3-Clause
# N-05, D-15: a NAT that forgets a mapping after 6 s, and a node behind it that says nothing of its own
# accord for twice that. Its keep-alives hold both the DC's channel and the leg: a direction from
# outside and the first packet reach it at the first try, by the mappings of the beginning. The node
# without them loses its mapping in the same time, so it is the keep-alives that hold the other's.
#
#   alice (keep-alive 2 s) -- lan-a -- [A] --+
#                                            +- internet -- ap1 (RS and DC)
#   bob (25 s) -------------- lan-b -- [B] --+
. "$(dirname "$0")/_init.sh"

lab_up "$top/tests/lab/keepalive.toml" --bare
for box in A B; do
	# shellcheck disable=SC2016
	on $box sh -c 'for t in udp_timeout udp_timeout_stream; do
		echo 6 >/proc/sys/net/netfilter/nf_conntrack_$t; done'
done
"$lab" start ap1 ntm-appliance
for node in alice bob; do
	"$lab" enrol $node
	"$lab" start $node ntmd
done

# json NODE COMMAND EXPRESSION: of the answer d.
json() {
	on "$1" ntmctl "$2" --json | python3 -c "import json, sys; d = json.load(sys.stdin); print($3)"
}
legs_up() {
	[ "$(json ap1 sessions "sum(s['kind'] == 'leg' for s in d['sessions'])")" = 2 ]
}
mappings() { # mappings BOX: outside ports towards the appliance
	on "$1" conntrack -L -p udp -d 20.0.1.10 2>/dev/null |
		sed -n 's/.* dst=20\.0\.1[12]\.2 sport=\([0-9]*\) dport=\([0-9]*\).*/\1 from \2/p' | sort
}
forgotten() { # forgotten BOX
	[ -z "$(mappings "$1")" ]
}
answered() { # answered N: further keep-alives by the DC
	[ "$(counter ap1 counters dc keepalive_ok)" -ge $((keepalives + $1)) ]
}

wait_for 20 legs_up || fail "no legs"
keepalives=$(counter ap1 counters dc keepalive_ok)
wait_for 10 answered 1 || fail "no keep-alives"
held=$(mappings A)
wait_for 20 forgotten B || fail "B forgets nothing: $(mappings B)"
# Seven keep-alives are 12 s at least, twice the life of a mapping.
wait_for 40 answered 7 || fail "the keep-alives end"
saw '^5525 from' <<<"$held" || fail "no mapping for the DC: $held"
saw '^5530 from' <<<"$held" || fail "no mapping for the leg: $held"
assert_eq "mappings of A" "$held" "$(mappings A)"

on bob ping -c 1 -W 5 alice.dc1.ntm.example >/dev/null || fail "alice is not reached from outside"
assert_eq "mappings of A when she was reached" "$held" "$(mappings A)"
assert_eq "moves of alice" 1 "$(counter alice counters core MOVES)"
assert_eq "directions not acknowledged" 0 "$(counter ap1 counters dc route_unacked)"
