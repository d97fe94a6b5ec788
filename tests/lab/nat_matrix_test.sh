#!/bin/bash
# SPDX-License-Identifier: BSD-3-Clause
# B-13: every pair of NAT classes. Each pair talks, by the relay at first; direct become those pairs
# that can, by what RFC 4787 calls mapping and filtering: where one end's port cannot be known, the
# other must let in every port of an address that it has written to. The others stay with the relay
# and `ntmctl why` says for what reason. Once direct, nothing passes the RS any more (H-06).
#
#   alice -- lan-a -- [A] --+
#                           +- internet -+-- dc, rs
#   bob ---- lan-b -- [B] --+
. "$(dirname "$0")/_init.sh"

# One of each kind; `make test-long` has them all.
pairs=${NTM_NAT_PAIRS:-"
	full-cone:symmetric
	address-restricted:symmetric
	port-restricted:port-restricted
	symmetric:port-restricted
	address-dependent:address-dependent
"}
bob=bob.dc1.ntm.example
alice=alice.dc1.ntm.example

lab_up "$top/tests/lab/nat_matrix.toml"

# json NODE COMMAND EXPRESSION: of the answer d.
json() {
	on "$1" ntmctl "$2" --json | python3 -c "import json, sys; d = json.load(sys.stdin); print($3)"
}
route() {
	json "$1" paths "*[p['route'] for p in d['paths']]"
}
why() {
	on alice ntmctl why $bob --json |
		python3 -c "import json, sys; print(json.load(sys.stdin)['reason'])"
}
# can CLASS CLASS: by theory.
can() {
	case $1:$2 in
	symmetric:symmetric | symmetric:address-dependent | address-dependent:*ic) return 1 ;;
	address-dependent:address-dependent) return 1 ;;
	port-restricted:symmetric | symmetric:port-restricted) return 1 ;;
	port-restricted:address-dependent | address-dependent:port-restricted) return 1 ;;
	esac
}
is_direct() {
	[ "$(route alice)" = direct ] && [ "$(route bob)" = direct ]
}
# The first rounds of probes are over: six of a round's probes are more than one round's.
has_tried() {
	[ "$(counter alice counters core PROBES_SENT)" -ge $((probes + 12)) ]
}
registered() {
	[ "$(json "$1" status "d['dc']['state']")" = registered ]
}
# start_behind CLASS CLASS: nodes without a past behind NATs without one. Both end before one begins, or the
# one that is left would find the other again, and take its path into the next pair.
start_behind() {
	"$lab" stop alice ntmd
	"$lab" stop bob ntmd
	"$lab" nat A "$1"
	"$lab" nat B "$2"
	"$lab" flush A
	"$lab" flush B
	"$lab" start alice ntmd
	"$lab" start bob ntmd
}

for pair in $pairs; do
	a=${pair%:*} b=${pair#*:}
	start_behind "$a" "$b"
	wait_for 20 registered alice && wait_for 20 registered bob || fail "$pair: not registered"
	on alice ping -c 1 -W 5 $bob >/dev/null || fail "$pair: no answer"
	probes=$(counter alice counters core PROBES_SENT)
	if can "$a" "$b"; then
		wait_for 20 is_direct || fail "$pair: not direct: $(route alice), $(route bob): $(why)"
		relayed=$(counter rs counters relayed)
		on alice ping -q -c 50 -i 0.01 -W 5 $bob >"$tmp/ping" || fail "$pair: no answer when direct"
		grep -q ' 50 received' "$tmp/ping" || fail "$pair: direct, and packets are lost: $(cat "$tmp/ping")"
		assert_eq "$pair: packets that still pass the RS" "$relayed" "$(counter rs counters relayed)"
	else
		wait_for 30 has_tried || fail "$pair: no probes"
		assert_eq "$pair: the route" "rs-s rs-s" "$(route alice) $(route bob)"
		case $(why) in
		*"ports at DC and RS differ"*) ;;
		*) fail "$pair: the reason is $(why)" ;;
		esac
	fi
	echo "$a with $b: $(route alice), $(why)"
done
