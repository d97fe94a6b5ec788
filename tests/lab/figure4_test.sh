#!/bin/bash
# SPDX-License-Identifier: BSD-3-Clause
# H-02, E-01 to E-04, N-21: the papers' figure 4 in one run, under one TCP connection of each inner
# family that begins at the first place and ends at the last.
#
#   place of alice                  bob               route
#   1  public IPv4                  private IPv4      direct: he opens (E-01)
#   2  private IPv4, symmetric NAT  private IPv4      RS; direct once the NAT is a cone (E-02)
#   3  IPv4 and IPv6                private IPv4      direct over IPv4 (E-03)
#   4  IPv6 alone                   private IPv4      RS, IPv6 to IPv4 (E-04)
#      the same                     both families     direct over IPv6
#   5  public IPv4                  private IPv4      direct over IPv4
. "$(dirname "$0")/_init.sh"
. "$top/tests/lab/_flow.sh"

lab_up "$top/tests/lab/figure4.toml"
bob=bob.dc1.ntm.example

# json NODE COMMAND EXPRESSION: of the answer d.
json() {
	on "$1" ntmctl "$2" --json | python3 -c "import json, sys; d = json.load(sys.stdin); print($3)"
}
paths() { # paths KEY: of both nodes' paths to each other
	local key=$1
	echo $(json alice paths "*[p['$key'] for p in d['paths']]") $(json bob paths "*[p['$key'] for p in d['paths']]")
}
is_route() { # is_route ROUTE: both send by it
	[ "$(paths route)" = "$1 $1" ]
}
relayed() {
	counter ap1 counters relayed
}
# to PLACE ROUTE [PEER]: the connections go on, by the same path, and go that way; PEER: where he is.
to() {
	flow_more v4 v6 || fail "$1: nothing passes"
	wait_for 40 is_route "$2" || fail "$1: the routes are $(paths route)"
	assert_eq "$1: the path" "$id" "$(paths id)"
	# What was on its way has arrived; from here on an RS that is not needed relays nothing (H-06).
	flow_more v4 v6 || fail "$1: nothing passes by the new route"
	local before after
	before=$(relayed)
	flow_more v4 v6 || fail "$1: nothing passes any more"
	after=$(($(relayed) - before))
	echo "$1: $2, $after packets by the RS"
	if [ "$2" = direct ]; then
		assert_eq "$1: packets by the RS" 0 $after
		on alice ntmctl why $bob | saw "now direct to $3" || fail "$1: $(on alice ntmctl why $bob)"
	else
		[ $after -ge 100 ] || fail "$1: the RS relayed $after packets"
	fi
}
bob_v6() { # bob_v6 add|del
	on bob ip -6 addr "$1" "$v6" dev eth0
}

v6=$(on bob ip -6 -br addr show dev eth0 scope global | awk '{ print $3 }')
bob_v6 del
on alice ping -c 1 -W 5 $bob >/dev/null || fail "no answer"
id=$(paths id)
flow_begin v4 alice $bob 4
flow_begin v6 alice $bob 6
to "1 public IPv4" direct '20\.0\.12\.2:'

"$lab" move alice lan-c
to "2 private IPv4" rs-s
"$lab" nat C port-restricted
to "2 behind a cone" direct '20\.0\.12\.2:'

"$lab" move alice dual
to "3 both families" direct '20\.0\.12\.2:'

"$lab" move alice six
to "4 IPv6 alone" rs-s
bob_v6 add
to "4 bob has IPv6" direct '\[2600:2000:b:'

bob_v6 del
"$lab" move alice internet
to "5 public IPv4 again" direct '20\.0\.12\.2:'
flow_end v4
flow_end v6
assert_eq "directions of alice" 1 "$(counter alice counters core DIRECTIONS)"
for node in alice bob; do
	assert_eq "paths that $node lost" 0 "$(counter $node counters core PATHS_LOST)"
done
