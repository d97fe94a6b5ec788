#!/bin/bash
# SPDX-License-Identifier: BSD-3-Clause
# Moving a node is what a machine sees when it is carried elsewhere: carrier lost, carrier found,
# the old address gone, a new one there. Names resolve the ordinary way, both families work, a
# node may have two links, and captures see what passes.
. "$(dirname "$0")/_init.sh"

lab_up dual --bare

# Names: Unbound asks the lab's root, the root delegates to the zones.
on alice getent ahostsv4 web.site.example | saw '^20\.0\.0\.80 ' || fail "no A by getent"
on dora getent ahostsv6 web.site.example | saw '^2600:2000::80 ' || fail "no AAAA by getent"
assert_eq "delegation of dc2" "ns.dc2.ntm.example." \
	"$(on web dig +norecurse +noall +authority @20.0.0.53 x.dc2.ntm.example | awk '{ print $5 }')"
assert_eq "glue of dc2" "20.0.1.20" \
	"$(on web dig +norecurse +noall +additional @20.0.0.53 x.dc2.ntm.example | awk '$4 == "A" { print $5 }')"
assert_eq "a name that does not exist" NXDOMAIN \
	"$(on alice dig nothing.site.example | sed -n 's/.*status: \([A-Z]*\),.*/\1/p')"

# Every place reaches the web host by each family it has.
for node in alice bob carol erin; do
	on "$node" curl -sf4 --max-time 10 http://web.site.example/index.html >/dev/null ||
		fail "$node: no IPv4"
done
for node in alice bob carol dora erin; do
	on "$node" curl -sf6 --max-time 10 http://web.site.example/index.html >/dev/null ||
		fail "$node: no IPv6"
done

# The file is whole, and pacing paces: 1 MB at 1 MB/s is no faster.
want=$("$lab" status --json | python3 -c 'import json, sys; print(json.load(sys.stdin)["file_sha256"])')
assert_eq "digest" "$want" "$(on carol curl -sf http://web.site.example/file.bin | sha256sum | cut -d' ' -f1)"
seconds=$(on carol curl -sf -r 0-1999999 -o /dev/null -w '%{time_total}' \
	"http://web.site.example/paced/file.bin?rate=1m")
assert_range "2 MB at 1 MB/s" 0.9 30 "$seconds"

# The move.
"$lab" exec alice ip monitor link address >"$tmp/events" &
monitor=$!
is_watching() { # a change of no account shows up once the monitor listens
	on alice sh -c 'ip addr add 127.0.0.2/8 dev lo; ip addr del 127.0.0.2/8 dev lo'
	grep -q 127.0.0.2 "$tmp/events"
}
wait_for 10 is_watching || fail "ip monitor does not start"
"$lab" capture B "$tmp/b.pcap"
"$lab" move alice home-b
on alice ping -c1 -W5 20.0.0.80 >/dev/null || fail "nothing passes after the move"
on alice ping -6 -c1 -W5 2600:2000::80 >/dev/null || fail "no IPv6 after the move"
"$lab" capture B stop
seen() { # the monitor writes an event a moment after it has happened
	wait_often 10 grep -q "$1" "$tmp/events"
}
seen NO-CARRIER || fail "the node saw no loss of carrier"
seen 'Deleted.*192\.168\.1\.' || fail "the node kept its old address"
seen '192\.168\.2\.' || fail "the node saw no new address"
seen '2600:2000:b:' || fail "the node saw no new IPv6 address"
kill $monitor
wait $monitor || true
tcpdump -nr "$tmp/b.pcap" icmp 2>/dev/null | saw '20\.0\.12\.2 > 20\.0\.0\.80: ICMP echo' ||
	fail "the capture of B does not show the ping"

# A link with a delay of its own moves as well, to a network where it has no address of its own.
# The gateway it leaves keeps its hardware address, also if the port that goes had the lowest one.
gateway_mac() {
	on internet cat /sys/class/net/br0/address
}
on internet ip link set carol.0 address 02:00:00:00:00:01
mac=$(gateway_mac)
"$lab" move carol home-a
assert_eq "hardware address of the gateway" "$mac" "$(gateway_mac)"
on carol ping -c1 -W5 20.0.0.80 >/dev/null || fail "carol: nothing passes after the move"
"$lab" move carol internet
on carol ip -br addr show dev eth0 | saw '20\.0\.40\.5/24' || fail "carol has another address"

# Two links; one unplugged leaves the other.
"$lab" link erin:eth0 down
wait_for 5 on erin sh -c 'ip link show dev eth0 | grep -q NO-CARRIER' || fail "carrier stays"
on erin ping -c1 -W5 -I eth1 20.0.0.80 >/dev/null || fail "erin: the second link does not pass"
"$lab" link erin:eth0 up
wait_for 5 on erin ping -c1 -W1 -I eth0 20.0.0.80 || fail "erin: the first link does not come back"

# What is wrong is said in one line.
for wrong in "move alice nowhere" "move nobody home-a" "nat A conical" "link alice delay_ms=x" \
	"exec nobody true" "flush web"; do
	# shellcheck disable=SC2086
	! "$lab" $wrong 2>"$tmp/err" || fail "'lab $wrong' is accepted"
	assert_eq "lines about 'lab $wrong'" 1 "$(wc -l <"$tmp/err")"
done
