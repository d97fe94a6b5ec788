#!/bin/bash
# SPDX-License-Identifier: BSD-3-Clause
# Nodes of two DCs find each other (Q-08, D-09, D-10): the DC of the asker learns from public DNS
# whose name it is, asks that DC over their association, and puts the path on an RS of its own. Of
# two RSs each gets its share, one that drains gets nothing new, and paths outlive their DC.
#
#   alice, carol (dc1) -- lan-a -- [A] --+
#                                        +- internet -+-- dc1, rs1, rs2
#   bob, dave (dc2) ----- lan-b -- [B] --+            +-- dc2 (RS and DC)
. "$(dirname "$0")/_init.sh"
. "$top/tests/lab/_flow.sh"

lab_up "$top/tests/lab/two_dcs.toml"
bob=bob.dc2.ntm.example
dave=dave.dc2.ntm.example
alice=alice.dc1.ntm.example

# json NODE COMMAND EXPRESSION: of the answer d.
json() {
	on "$1" ntmctl "$2" --json | python3 -c "import json, sys; d = json.load(sys.stdin); print($3)"
}
# path NODE PEER KEY: of the node's path to the peer.
path() {
	json "$1" paths "*[p['$3'] for p in d['paths'] if p['peer'] == '$2']"
}
dns() { # dns TYPE: the names of this type that dc1 asked the resolver for
	tcpdump -nr "$tmp/wire.pcap" "src host 20.0.1.10 and udp dst port 53" 2>/dev/null |
		sed -n "s/.* $1? \\([^ ]*\\) .*/\\1/p" | sort -u
}
between() { # between FROM TO: packets of the NTM port from one DC to the other
	tcpdump -nr "$tmp/wire.pcap" "src host $1 and dst host $2 and udp port 5525" 2>/dev/null | wc -l
}

assert_eq "associations of dc1" 1 "$(json dc1 status "d['dc']['peers']")"
assert_eq "RSs of dc1" 2 "$(json dc1 status "d['dc']['rss']")"
"$lab" capture internet "$tmp/wire.pcap"
on alice ping -c 2 -i 0.1 -W 5 $bob >"$tmp/ping" || fail "alice does not reach bob: $(cat "$tmp/ping")"
"$lab" capture internet stop
# The addresses that ping shows are the ones of dc2's pool.
saw 'fd4e:544d:2::' <"$tmp/ping" || fail "bob's address is not of dc2: $(cat "$tmp/ping")"
dns NS | saw '^dc2\.ntm\.example\.$' || fail "dc1 asked for no NS: $(dns NS)"
dns TXT | saw '^ns\.dc2\.ntm\.example\.$' || fail "dc1 asked for no mark: $(dns TXT)"
[ "$(between 20.0.1.10 20.0.1.20)" -ge 2 ] || fail "dc1 told dc2 nothing"
[ "$(between 20.0.1.20 20.0.1.10)" -ge 2 ] || fail "dc2 told dc1 nothing"
assert_eq "information given by dc2" 1 "$(counter dc2 counters dc info_ok)"
assert_eq "information refused by dc2" 0 "$(counter dc2 counters dc info_refused)"
assert_eq "the route" rs-s "$(path alice $bob route)"
assert_eq "the route as bob sees it" rs-s "$(path bob $alice route)"
assert_eq "the path" "$(path alice $bob id)" "$(path bob $alice id)"
on bob ping -c 2 -i 0.1 -W 5 $alice >/dev/null || fail "bob does not reach alice"
assert_eq "directions asked of dc2" 0 "$(counter dc2 counters dc dir_asked)"

# The other way round it is dc2 that asks, and its RS that relays.
on dave ping -c 2 -i 0.1 -W 5 carol.dc1.ntm.example >/dev/null || fail "dave does not reach carol"
assert_eq "information given by dc1" 1 "$(counter dc1 counters dc info_ok)"
path dave carol.dc1.ntm.example rs | saw '^20\.0\.1\.20:' || fail "the path of dave is not by dc2's RS"

# Both RSs of dc1 have work: its nodes were given homes by load, and their paths follow.
on carol ping -c 2 -i 0.1 -W 5 $bob >/dev/null || fail "carol does not reach bob"
first=$(path alice $bob rs)
second=$(path carol $bob rs)
[ "${first%:*}" != "${second%:*}" ] || fail "both paths are at $first"
for rs in rs1 rs2; do
	assert_eq "paths at $rs" 1 "$(json $rs status "d['rs']['paths']")"
done

# What begins while alice's RS drains goes to the other, what is there stays.
case ${first%:*} in 20.0.1.11) old=rs1 new=rs2 ;; *) old=rs2 new=rs1 ;; esac
on $old ntmctl drain >/dev/null
on alice ping -c 2 -i 0.1 -W 5 $dave >/dev/null || fail "alice does not reach dave"
assert_eq "RS of the path that began while $old drains" "${second%:*}" "$(path alice $dave rs | sed 's/:[0-9]*$//')"
assert_eq "RS of the path from before" "$first" "$(path alice $bob rs)"
assert_eq "paths at $new" 2 "$(json $new status "d['rs']['paths']")"
on $old ntmctl undrain >/dev/null

# One DC dies, then the other: nothing that is there notices.
flow_begin v4 alice $bob 4
flow_begin v6 alice $bob 6
flow_more v4 || fail "nothing passes"
directions=$(counter alice counters core DIRECTIONS)
"$lab" stop dc1 ntm-appliance --signal KILL
flow_more v4 v6 || fail "nothing passes without dc1"
"$lab" stop dc2 ntm-appliance --signal KILL
flow_more v4 v6 || fail "nothing passes without both DCs"

# dc1 is back alone. carol starts anew, and hears of dc2's names though nobody answers for them.
"$lab" start dc1 ntm-appliance
back() { # back DC WANT: its registered nodes, RSs and peers as digits
	[ "$(json "$1" status "d['dc']['registered'] * 100 + d['dc']['rss'] * 10 + d['dc']['peers']")" = "$2" ]
}
wait_for 60 back dc1 220 || fail "nodes and RSs are not back at dc1"
# alice's last registration has told her nothing of dc2's addresses: her path goes on all the same.
flow_more v4 v6 || fail "nothing passes when dc1 is back"
flow_end v4
flow_end v6
assert_eq "directions of alice" "$directions" "$(counter alice counters core DIRECTIONS)"
assert_eq "paths that alice lost" 0 "$(counter alice counters core PATHS_LOST)"
"$lab" stop carol ntmd
"$lab" start carol ntmd
wait_for 20 back dc1 220 || fail "carol does not register"
on carol dig +tries=1 +time=5 $bob >"$tmp/dig" || fail "no answer for $bob: $(cat "$tmp/dig")"
saw 'status: SERVFAIL' <"$tmp/dig" || fail "bob's name without his DC: $(cat "$tmp/dig")"

# Both are back, and find each other again: what is new can be asked for.
"$lab" start dc2 ntm-appliance
wait_for 60 back dc2 211 || fail "dc2 is not back"
wait_for 60 back dc1 221 || fail "the DCs do not find each other"
# The resolver may remember for some seconds that nobody answered for dc2's zone.
wait_for 40 on carol ping -c 1 -W 5 $bob || fail "carol does not reach bob"
on alice ping -c 2 -i 0.1 -W 5 $bob >/dev/null || fail "alice does not reach bob any more"
# With dc2 its RS died, too, and nobody told alice and dave, whose path may have gone there: who uses
# it finds out.
wait_for 30 on alice ping -c 1 -W 2 $dave || fail "alice does not reach dave any more"
