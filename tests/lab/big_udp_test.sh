#!/bin/bash
# SPDX-License-Identifier: BSD-3-Clause
# UDP datagrams of 3,000 bytes through RS-N, both ways, in the fragments that each side's MTU makes;
# then fragments made by hand: out of order they arrive, with one missing or overlapping they do not,
# and the counter says so by name.
#
#   alice (MTU 1420) -- lan-a -- [A] -- internet -- ap1 (RS-N) -- web (MTU 1500)
. "$(dirname "$0")/_init.sh"

lab_up "$top/tests/lab/two_nats.toml"

drop() {
	stats ap1 | python3 -c '
import json, sys
print(*[d["count"] for d in json.load(sys.stdin)["drops"] if d["name"] == sys.argv[1]])' "$1"
}

on web python3 "$top/tests/lab/udp_agent_big.py" server 9000 &
wait_for 5 on web sh -c 'ss -Hlun | grep -q :9000' || fail "nobody listens"
"$lab" capture web "$tmp/web.pcap"
on alice python3 "$top/tests/lab/udp_agent_big.py" client web.site.example 9000 >"$tmp/got" ||
	fail "no answer"
"$lab" capture web stop
cat "$tmp/got"
of() {
	python3 -c 'import json, sys; print(*sum(json.load(open(sys.argv[1]))[sys.argv[2]], [])
		if sys.argv[2] == "echo" else sorted(json.load(open(sys.argv[1]))["pieces"]))' "$tmp/got" "$1"
}
assert_eq "datagrams there and back" "echo0 echo1 echo2 echo3 echo4" "$(of echo)"
assert_eq "pieces that make a datagram" "in-order last-first middle-last" "$(of pieces)"

# On the wire web saw fragments, and none from anywhere but the pool.
sources=$(tshark -r "$tmp/web.pcap" -Y 'ip.dst == 20.0.0.80 && (ip.flags.mf == 1 || ip.frag_offset > 0)' \
	-T fields -e ip.src 2>/dev/null | sort -u)
case $sources in
20.0.2.*) ;;
*) fail "fragments came from '$sources'" ;;
esac

assert_eq "FRAG_OVERLAP" 1 "$([ "$(drop FRAG_OVERLAP)" -ge 1 ] && echo 1)"
timed_out() { # the first piece and the last of one, two pieces of the other
	[ "$(drop FRAG_TIMEOUT)" -ge 3 ]
}
wait_for 10 timed_out || fail "FRAG_TIMEOUT is $(drop FRAG_TIMEOUT)"
echo "FRAG_OVERLAP $(drop FRAG_OVERLAP), FRAG_TIMEOUT $(drop FRAG_TIMEOUT)"
