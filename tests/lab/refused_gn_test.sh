#!/bin/bash
# SPDX-License-Identifier: BSD-3-Clause
# Names under the relay policy that lead where a relay must not go: loopback, link-local (a cloud's
# metadata), private networks, the appliance itself, virtual addresses, and IPv6 forms of these. Each is refused by the DC, counted, and nothing is sent to it from anywhere.
#
#   alice -- lan-a -- [A] -- internet -- ap1 (RS-N and DC)
#                                    \-- web, ns (the names), resolver
. "$(dirname "$0")/_init.sh"

lab_up "$top/tests/lab/refused_gn.toml"
refused="loop metadata private box vip gn mapped sixtofour nat64 vip6 multi"

on alice curl -sf --max-time 10 http://good.site.example/index.html >/dev/null ||
	fail "a good name does not pass"
hosts=$(on ap1 ntmctl status --json | python3 -c 'import json, sys; print(json.load(sys.stdin)["dc"]["general_hosts"])')
assert_eq "general hosts before" 1 "$hosts"

# At the bridge: what the appliance sends past the queueing discipline is not seen at its own link.
"$lab" capture internet "$tmp/internet.pcap"
"$lab" capture A "$tmp/a.pcap"
"$lab" exec alice tcpdump -ni ntm0 -w "$tmp/tun.pcap" -U 'tcp' 2>/dev/null &
tun=$!
wait_often 5 test -s "$tmp/tun.pcap" || fail "no capture on the TUN"
for name in $refused; do
	before=$(counter ap1 counters dc dir_refused_dst)
	answer=$(on alice dig +tries=1 +time=5 "$name.site.example" A +noall +answer +comments)
	answer6=$(on alice dig +tries=1 +time=5 +short "$name.site.example" AAAA)
	grep -q 'IN.*A[[:space:]]' <<<"$answer" && fail "$name has an address: $answer"
	[ -z "$answer6" ] || fail "$name has an IPv6 address: $answer6"
	! on alice curl -s --max-time 3 "http://$name.site.example/" >/dev/null ||
		fail "$name answered"
	[ "$(counter ap1 counters dc dir_refused_dst)" -gt "$before" ] ||
		fail "$name: dir_refused_dst did not rise"
done
kill $tun
wait $tun || true
"$lab" capture internet stop
"$lab" capture A stop

hosts=$(on ap1 ntmctl status --json | python3 -c 'import json, sys; print(json.load(sys.stdin)["dc"]["general_hosts"])')
assert_eq "general hosts after" 1 "$hosts"
# Nothing to port 80 left the node or the appliance; what it sent at all is there to be seen.
n=$(packets "$tmp/internet.pcap" 'udp and src host 20.0.1.10')
[ "$n" -gt 10 ] || fail "the capture shows $n packets of the appliance"
for at in internet a tun; do
	assert_eq "packets to port 80 at $at" 0 "$(packets "$tmp/$at.pcap" 'tcp dst port 80')"
done
n=$(packets "$tmp/internet.pcap" 'ip and (dst net 127.0.0.0/8 or dst net 169.254.0.0/16 or
	dst net 192.168.0.0/16 or dst net 240.0.0.0/4)')
assert_eq "packets to refused addresses" 0 "$n"

# The good name still passes: what is refused harms nobody else.
on alice curl -sf --max-time 10 http://good.site.example/index.html >/dev/null || fail "good no more"
echo "refused: $(counter ap1 counters dc dir_refused_dst) directions for $(wc -w <<<"$refused") names"
