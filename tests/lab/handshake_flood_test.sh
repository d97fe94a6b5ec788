#!/bin/bash
# SPDX-License-Identifier: BSD-3-Clause
# A flood of things that look like handshakes, from sources that do not exist, while a real node
# comes up. Answers are few and shorter than what they answer, the DC asks for cookies, the node
# registers by returning one, and paths of others notice nothing.
#
#   alice -- lan-a -- [A] --+             +-- ap1 (RS and DC)
#                           +- internet --+
#   bob ---- lan-b -- [B] --+             +-- web (floods as 20.0.77.0/24)
. "$(dirname "$0")/_init.sh"

lab_up "$top/tests/lab/two_workers.toml"
bob=bob.dc1.ntm.example
key=$(on ap1 ntmctl status --json | python3 -c 'import json, sys; print(json.load(sys.stdin)["dc"]["public_key"])')
# A real attacker's provider does not look at sources.
on internet sh -c 'for f in /proc/sys/net/ipv4/conf/*/rp_filter; do echo 0 >"$f"; done'

on alice ping -c 1 -W 5 $bob >/dev/null || fail "no answer before"
"$lab" stop bob ntmd
reset=$(counter ap1 counters dc reg_ok)

"$lab" capture ap1 "$tmp/ap1.pcap"
"$lab" capture internet "$tmp/out.pcap"
on web python3 "$top/tests/lab/hs_flood.py" 20.0.1.10 5525 "$key" 20000 20.0.77 >"$tmp/flood" &
flood=$!
cookies() {
	[ "$(counter ap1 counters dc handshake cookie_sent)" -gt 100 ]
}
wait_for 10 cookies || fail "the DC sends no cookies"
"$lab" start bob ntmd
registered() {
	[ "$(counter ap1 counters dc reg_ok)" -gt "$reset" ]
}
wait_for 15 registered || fail "the node does not register"
kill -0 $flood 2>/dev/null && echo "bob registered during the flood"
on alice ping -q -c 20 -i 0.05 -W 5 $bob >"$tmp/ping" || fail "no answers: $(cat "$tmp/ping")"
wait $flood
cat "$tmp/flood"
"$lab" capture ap1 stop
"$lab" capture internet stop

# Answers to the made-up sources, and their questions, in bytes of UDP payload. The answers are seen
# at the router: the appliance's port sends past the taps of its own space.
payloads() {
	tcpdump -nqr "$1" "udp and $2" 2>/dev/null | sed -n 's/.* length \([0-9]*\)$/\1/p'
}
payloads "$tmp/ap1.pcap" 'src net 20.0.77.0/24' | sed 's/^/in /' >"$tmp/flows"
payloads "$tmp/out.pcap" 'dst net 20.0.77.0/24' | sed 's/^/out /' >>"$tmp/flows"
awk '{ n[$1]++; bytes[$1] += $2 }
	$1 == "out" && $2 > max { max = $2 }
	END { printf "%d questions of %d bytes, %d answers of %d bytes, the longest %d: amplification %.3f\n",
		n["in"], bytes["in"], n["out"], bytes["out"], max, bytes["out"] / bytes["in"]
		exit !(n["in"] > 15000 && n["out"] > 100 && max < 128 && bytes["out"] / bytes["in"] < 0.2) }' \
	"$tmp/flows" || fail "answers are many or long"

hs() {
	counter ap1 counters dc handshake "$1"
}
[ "$(hs bad_mac1)" -gt 1000 ] || fail "bad_mac1 is $(hs bad_mac1)"
[ $(($(hs short) + $(hs unpadded))) -gt 1000 ] || fail "short ones are not counted"
[ "$(hs auth)" -gt 0 ] || fail "none was even tried"
echo "cookie_sent $(hs cookie_sent), bad_mac1 $(hs bad_mac1), short $(hs short)," \
	"unpadded $(hs unpadded), auth $(hs auth), busy $(hs busy)"
