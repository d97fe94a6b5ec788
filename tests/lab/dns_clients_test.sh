#!/bin/bash
# SPDX-License-Identifier: BSD-3-Clause
# The DC's name server as other people's programs see it: dig, drill and Unbound, over both
# families, UDP and TCP. Sizes, truncation, cookies and the rate limit are measured on the wire.
#
#   client (dig, drill) --+
#   resolver (Unbound) ---+-- [internet] -- ap1: worker -> DC lcore (UDP); TAP -> Linux (TCP)
#   ns (NSD, delegates) --+
#   alice (a node) -------+
. "$(dirname "$0")/_init.sh"

sed "s|@here@|$top/tests/lab|" "$top/tests/lab/dns_clients.toml" >"$tmp/dns.toml"
lab_up "$tmp/dns.toml"
zone=dc1.ntm.example
ap=20.0.1.10
vip4=$(on alice ntmctl status --json | python3 -c 'import json, sys; print(json.load(sys.stdin)["vip4"])')
vip6=$(on alice ntmctl status --json | python3 -c 'import json, sys; print(json.load(sys.stdin)["vip6"])')

# At the bridge: what the appliance sends past the queueing discipline is not seen at its own link.
"$lab" capture internet "$tmp/ap1.pcap"

# ask SERVER ARGS...: dig without recursion; all of its output.
ask() {
	on client dig +norecurse +tries=2 +time=3 "@$1" "${@:2}"
}
status() {
	sed -n 's/.*status: \([A-Z]*\),.*/\1/p'
}

for server in $ap 2600:2000:1::10; do
	assert_eq "A at $server" "$vip4" "$(ask $server +short alice.$zone A)"
	assert_eq "AAAA at $server" "$vip6" "$(ask $server +short alice.$zone AAAA)"
	assert_eq "NS" "ns.$zone." "$(ask $server +short $zone NS)"
	assert_eq "SOA's server" "ns.$zone." "$(ask $server +short $zone SOA | cut -d' ' -f1)"
	assert_eq "mark at the apex" '"NTM1 DC"' "$(ask $server +short $zone TXT)"
	assert_eq "mark at the server" '"NTM1 DC"' "$(ask $server +short ns.$zone TXT)"
done
assert_eq "A of the server" "$ap" "$(ask $ap +short ns.$zone A)"
assert_eq "AAAA of the server" "2600:2000:1::10" "$(ask $ap +short ns.$zone AAAA)"
ask $ap alice.$zone A | grep -q 'flags:.* aa' || fail "the answer is not authoritative"

# NTM4, NTM6: family, flags (the other record is there too), VIP, name of the DC in wire format.
hex() {
	python3 -c '
import ipaddress, sys
ip = ipaddress.ip_address(sys.argv[1])
name = b"".join(bytes([len(p)]) + p.encode() for p in sys.argv[2].split(".")) + b"\0"
print((bytes([ip.version, 1]) + ip.packed + name).hex())' "$1" "ns.$zone"
}
rdata() { # of an answer in the form of RFC 3597: \# LENGTH HEX HEX
	awk '{ $1 = $2 = ""; gsub(/ /, ""); print tolower($0) }'
}
assert_eq "NTM4" "$(hex "$vip4")" "$(ask $ap +short alice.$zone TYPE65401 | rdata)"
assert_eq "NTM6" "$(hex "$vip6")" "$(ask $ap +short alice.$zone TYPE65402 | rdata)"
on client drill -o rd "@$ap" alice.$zone TYPE65401 | grep -q "TYPE65401" || fail "drill: no NTM4"

# What is not there: NODATA and NXDOMAIN, each with the SOA; other zones are refused.
nodata=$(ask $ap alice.$zone MX)
assert_eq "status of NODATA" NOERROR "$(status <<<"$nodata")"
grep -q 'ANSWER: 0, AUTHORITY: 1' <<<"$nodata" || fail "NODATA without its SOA: $nodata"
nx=$(ask $ap nobody.$zone A)
assert_eq "status of NXDOMAIN" NXDOMAIN "$(status <<<"$nx")"
grep -q "^$zone.*SOA" <<<"$nx" || fail "NXDOMAIN without its SOA: $nx"
assert_eq "another zone" REFUSED "$(ask $ap www.example.org A | status)"
assert_eq "EDNS 1" BADVERS "$(ask $ap +edns=1 +noednsnegotiation $zone SOA | status)"
ask $ap +noedns +nocookie $zone SOA | grep -q 'OPT PSEUDOSECTION' && fail "EDNS unasked"
ask $ap +edns=0 $zone SOA | grep -q 'udp: 1232' || fail "the EDNS size is not 1232"
drill=$(on client drill "@$ap" alice.$zone AAAA)
grep -q "$vip6" <<<"$drill" || fail "drill: $drill"
on client drill "@$ap" nobody.$zone | grep -q 'rcode: NXDOMAIN' || fail "drill: no NXDOMAIN"

# Sizes: a set below the limit whole, one above it by TCP alone; nobody is sent more than he takes.
# A source without a cookie gets the one below by TCP, too.
assert_eq "records of 'near'" 5 "$(ask $ap +bufsize=4096 +short near.$zone TXT | wc -l)"
ask $ap +ignore +bufsize=512 near.$zone TXT | grep -q 'flags:.* tc' || fail "not truncated at 512"
ask $ap +ignore +bufsize=4096 far.$zone TXT | grep -q 'flags:.* tc' || fail "not truncated"
assert_eq "records of 'far' by TCP" 30 "$(ask $ap +bufsize=4096 +short far.$zone TXT | wc -l)"
assert_eq "records of 'far' by TCP on 6" 30 \
	"$(ask 2600:2000:1::10 +tcp +short far.$zone TXT | wc -l)"
[ "$(counter ap1 counters dns tcp)" -ge 2 ] || fail "TCP is not counted"
[ "$(counter ap1 counters to_tap)" -gt 0 ] || fail "TCP did not go by the TAP"

# Unbound, from the root down: the delegation leads to the DC; truncation sends it to TCP.
assert_eq "A by Unbound" "$vip4" "$(on client dig +short @20.0.0.54 alice.$zone A)"
assert_eq "AAAA by Unbound" "$vip6" "$(on client dig +short @20.0.0.54 alice.$zone AAAA)"
assert_eq "NXDOMAIN by Unbound" NXDOMAIN "$(on client dig @20.0.0.54 nobody.$zone | status)"
assert_eq "'far' by Unbound" 30 "$(on client dig +short +tcp @20.0.0.54 far.$zone TXT | wc -l)"
assert_eq "'near' by Unbound" 5 "$(on client dig +short +tcp @20.0.0.54 near.$zone TXT | wc -l)"

# Cookies (RFC 7873): the server's comes back, and is known again.
good=$(counter ap1 counters dns cookie_good)
ask $ap +cookie $zone SOA | grep -q 'COOKIE: [0-9a-f]* (good)' || fail "no server cookie"
flood() {
	on client python3 "$top/tests/lab/dns_flood.py" "$@"
}
of() { # of KEY: a figure of $result
	python3 -c 'import json, sys; print(json.loads(sys.argv[1])[sys.argv[2]])' "$result" "$1"
}
result=$(flood $ap near.$zone 400 cookie)
assert_eq "answers to a client with a cookie" 400 "$(of answers)"
assert_eq "of them truncated" 0 "$(of truncated)"
[ "$(counter ap1 counters dns cookie_good)" -ge $((good + 400)) ] || fail "cookies are not counted"

# Without a cookie the large set comes by TCP alone: an answer is no more than four times its question,
# also below the rate. Nobody can be drowned by it.
unproven=$(counter ap1 counters dns unproven)
result=$(flood $ap near.$zone 40)
assert_eq "answers without a cookie" "40 40" "$(of answers) $(of truncated)"
assert_eq "of them counted" 40 $(($(counter ap1 counters dns unproven) - unproven))
awk -v s="$(of sent)" -v r="$(of received)" 'BEGIN {
	printf "amplification of a large set: %.2f\n", r / s
	exit !(r <= s) }' || fail "a large set without a cookie: $result"

# The limit: a source without a cookie gets the burst, then each fourth answer, and that empty.
slipped=$(counter ap1 counters dns rrl_slipped)
dropped=$(counter ap1 counters dns rrl_dropped)
start=$(date +%s%N)
result=$(flood 2600:2000:1::10 small.$zone 2000)
ms=$((($(date +%s%N) - start) / 1000000))
slipped=$(($(counter ap1 counters dns rrl_slipped) - slipped))
dropped=$(($(counter ap1 counters dns rrl_dropped) - dropped))
whole=$(($(of answers) - $(of truncated)))
echo "rate limit: $result, slipped $slipped, dropped $dropped, whole $whole, $ms ms"
assert_eq "answers that slipped" "$slipped" "$(of truncated)"
assert_eq "whole + slipped + dropped" 2000 $((whole + slipped + dropped))
assert_range "whole answers" 1 $((60 + 1 + ms * 20 / 1000)) "$whole"
assert_range "one in four of the rest slips" $((dropped / 3 - 1)) $((dropped / 3 + 1)) "$slipped"
awk -v s="$(of sent)" -v r="$(of received)" -v w="$whole" -v l="$(of longest)" 'BEGIN {
	printf "amplification: %.1f at the limit, %.2f beyond it\n", r / s, (r - w * l) / s
	exit !((r - w * l) / s < 1 && l <= 4 * s / 2000) }' || fail "answers are larger than they may be: $result"

# On the wire: no UDP answer above 1,232 bytes, no fragment, none larger than asked for.
"$lab" capture internet stop
# The last field of a packet's UDP lengths is that of its own header.
from_ap="(ip.src == $ap || ipv6.src == 2600:2000:1::10)"
tshark -r "$tmp/ap1.pcap" -Y "udp.srcport == 53 && $from_ap" -T fields -e udp.length >"$tmp/lengths"
udp=$(sort -n "$tmp/lengths" | tail -1)
assert_range "largest UDP answer and its header" 1000 1240 "$udp"
frags=$(tshark -r "$tmp/ap1.pcap" \
	-Y "$from_ap && (ip.flags.mf == 1 || ip.frag_offset > 0 || ipv6.fraghdr)" | wc -l)
assert_eq "fragments" 0 "$frags"
echo "$(wc -l <"$tmp/lengths") UDP answers, the largest of $((udp - 8)) bytes"

# Each query ended as exactly one thing.
stats ap1 | python3 -c '
import json, sys
d = json.load(sys.stdin)["counters"]["dns"]
ends = ("no_error no_data nx_domain referral refused form_err not_imp not_auth bad_vers serv_fail "
        "rrl_slipped rrl_dropped drop_short drop_response").split()
sys.exit(d["queries"] != sum(d[e] for e in ends))' || fail "queries are not conserved"
