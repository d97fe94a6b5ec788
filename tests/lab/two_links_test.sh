#!/bin/bash
# SPDX-License-Identifier: BSD-3-Clause
# N-01: a node with two links. The one it prefers is taken when an answer has come over it, and not a
# packet is lost by that; it is not taken while it swallows everything, as behind a captive portal; it
# is left when it dies though its carrier stays; and when it is unplugged. TCP connections go on.
#
#   alice -- eth0 -- lan-w -- [W] --+
#     `----- eth1 -- lan-l -- [L] --+- internet -- ap1 (RS and DC)
#   bob ------------ lan-b -- [B] --+
. "$(dirname "$0")/_init.sh"
. "$top/tests/lab/_flow.sh"

lab_up "$top/tests/lab/two_links.toml"
bob=bob.dc1.ntm.example

# json NODE COMMAND EXPRESSION: of the answer d.
json() {
	on "$1" ntmctl "$2" --json | python3 -c "import json, sys; d = json.load(sys.stdin); print($3)"
}
uses() { # uses LINK: it carries, and what the RS sees is its NAT
	local box=20.0.11.2
	[ "$1" = eth0 ] || box=20.0.13.2
	[ "$(json alice status "*[l['name'] for l in d['links'] if l['state'] == 'in use']")" = "$1" ] &&
		[ "$(json ap1 sessions "sum(s['endpoint'].startswith('$box:') and s['kind'] == 'leg' for s in d['sessions'])")" = 1 ]
}
swallow() { # swallow on|off: W forwards nothing, and its carrier stays
	if [ "$1" = on ]; then
		on W nft -f - <<-EOT
			table inet swallow {
				chain f {
					type filter hook forward priority -300
					drop
				}
			}
		EOT
	else
		on W nft delete table inet swallow
	fi
}
ping_begin() {
	"$lab" exec alice ping -i 0.02 -w 100 $bob >"$tmp/ping" &
	ping=$!
	wait_often 10 grep -q icmp_seq=20 "$tmp/ping" || fail "no probes"
}
# ping_end WHAT: each number below the highest that came has come.
ping_end() {
	local last came
	kill $ping
	wait $ping || true
	last=$(sed -n 's/.*bytes from.*icmp_seq=\([0-9]*\).*/\1/p' "$tmp/ping" | sort -n | tail -n 1)
	came=$(sed -n 's/.*bytes from.*icmp_seq=\([0-9]*\).*/\1/p' "$tmp/ping" | sort -nu | wc -l)
	assert_eq "$1: answers" "$last" "$came"
}
trials() {
	counter alice counters core TRIALS
}
more_trials() { # more_trials THAN
	[ "$(trials)" -gt "$1" ]
}
led_nowhere() { # trials that came to nothing
	grep -c 'led nowhere' "${NTM_LAB_DIR:-/run/ntm-lab}/$NTM_LAB/log/alice.ntmd.log" || true
}
more_nowhere() { # more_nowhere THAN
	[ "$(led_nowhere)" -gt "$1" ]
}

uses eth1 || fail "does not begin on eth1: $(json alice status "d['links']")"
on alice ping -c 1 -W 5 $bob >/dev/null || fail "no answer before"
flow_begin v4 alice $bob 4
flow_begin v6 alice $bob 6
flow_more v4 v6 || fail "nothing passes"

ping_begin
"$lab" link alice:eth0 up
wait_for 20 uses eth0 || fail "the better link is not taken"
flow_more v4 v6 || fail "nothing passes by the better link"
ping_end "make before break"
assert_eq "trials" 1 "$(trials)"

# It dies, and nothing tells but the silence.
swallow on
wait_for 30 uses eth1 || fail "the dead link is not left: $(json alice status "d['links']")"
assert_eq "times that the link in use was silent" 1 "$(counter alice counters core SILENT_LINK)"
flow_more v4 v6 || fail "nothing passes after the link died"

# Unplugged and plugged in again it still leads nowhere: tried and not taken, at no cost.
"$lab" link alice:eth0 down
ping_begin
before=$(trials)
nowhere=$(led_nowhere)
"$lab" link alice:eth0 up
wait_for 20 more_trials "$before" || fail "the link that came back is not tried"
flow_more v4 v6 || fail "nothing passes during the trial"
wait_for 20 more_nowhere "$nowhere" || fail "the trial does not end"
uses eth1 || fail "a link that swallows all is used"
ping_end "a link that leads nowhere"

swallow off
"$lab" link alice:eth0 down
"$lab" link alice:eth0 up
wait_for 20 uses eth0 || fail "the link that works again is not taken"
flow_more v4 v6 || fail "nothing passes by it"

"$lab" link alice:eth0 down
flow_more v4 v6 || fail "nothing passes after the link was unplugged"
uses eth1 || fail "not on the other link"
flow_end v4
flow_end v6
assert_eq "paths that alice lost" 0 "$(counter alice counters core PATHS_LOST)"
assert_eq "directions of alice" 1 "$(counter alice counters core DIRECTIONS)"
