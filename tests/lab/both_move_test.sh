#!/bin/bash
# SPDX-License-Identifier: BSD-3-Clause
# X-10: both ends are unplugged at one moment and come up elsewhere, so that each tells the other's old
# place where it is now. Again and again, by the relay and from direct routes, with the DC there and
# with the DC dead: a TCP connection in each family goes on, by the same path.
#
#   alice -- lan-a -- [A] --+
#     `----- lan-c -- [C] --+- internet -+-- dc (killed), rs
#     .----- lan-d -- [D] --+
#   bob ---- lan-b -- [B] --+
. "$(dirname "$0")/_init.sh"
. "$top/tests/lab/_flow.sh"

lab_up "$top/tests/lab/both_move.toml"
bob=bob.dc1.ntm.example

# json NODE COMMAND EXPRESSION: of the answer d.
json() {
	on "$1" ntmctl "$2" --json | python3 -c "import json, sys; d = json.load(sys.stdin); print($3)"
}
path() {
	json "$1" paths "*[p['$2'] for p in d['paths']]"
}
both_move() { # both_move WHAT NETWORK NETWORK
	local before
	before=$(($(counter rs counters rs moves)))
	"$lab" move alice "$2" bob "$3"
	flow_more v4 v6 || fail "$1: nothing passes after the move to $2, $3"
	[ "$(($(counter rs counters rs moves) - before))" -ge 2 ] || fail "$1: the RS saw not both move"
	assert_eq "$1: paths" "$id $id" "$(path alice id) $(path bob id)"
}
is_direct() {
	[ "$(path alice route)" = direct ] && [ "$(path bob route)" = direct ]
}

on alice ping -c 1 -W 5 $bob >/dev/null || fail "no answer before"
id=$(path alice id)
flow_begin v4 alice $bob 4
flow_begin v6 alice $bob 6
flow_more v4 v6 || fail "nothing passes"

both_move "by the relay" lan-c lan-d
both_move "by the relay, back" lan-a lan-b

"$lab" stop dc ntm-appliance --signal KILL
both_move "without a DC" lan-c lan-d
for box in A B C D; do
	"$lab" nat $box port-restricted
done
# A cone that still has two mappings of a node from its symmetric time tells DC and RS different ports, and
# which of them it goes on with is chance. Who is not at home is forgotten, as after some minutes.
"$lab" flush A && "$lab" flush B
both_move "to where a direct way is" lan-a lan-b
"$lab" flush C && "$lab" flush D
wait_for 20 is_direct || fail "no direct route without the DC: $(path alice route), $(path bob route)"
both_move "from a direct route" lan-c lan-d
wait_for 20 is_direct || fail "no direct route again: $(path alice route), $(path bob route)"
both_move "from a direct route, back" lan-a lan-b

"$lab" start dc ntm-appliance
registered() {
	[ "$(json dc status "d['dc']['registered'] * 10 + d['dc']['rss']")" = 21 ]
}
wait_for 40 registered || fail "nodes and RS did not come back to the DC"
both_move "with the DC back" lan-c lan-d
flow_end v4
flow_end v6
for node in alice bob; do
	assert_eq "paths that $node lost" 0 "$(counter $node counters core PATHS_LOST)"
done
assert_eq "directions of both" 1 \
	$(($(counter alice counters core DIRECTIONS) + $(counter bob counters core DIRECTIONS)))
