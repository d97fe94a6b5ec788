#!/bin/bash
# SPDX-License-Identifier: BSD-3-Clause
# The DC dies. Paths notice nothing, a node moves behind another NAT and its connections go on, for
# moving is between the node, the RS and the peer. When the DC is back the nodes register again,
# with the same addresses, and new paths can be asked for.
#
#   alice -- lan-a -- [A] --+
#      \                    +- internet -+-- dc (killed), rs
#       `--- lan-c -- [C] --+            +-- web
#   bob ---- lan-b -- [B] --+
. "$(dirname "$0")/_init.sh"
. "$top/tests/lab/_flow.sh"

lab_up "$top/tests/lab/parted.toml"
bob=bob.dc1.ntm.example

json() {
	on "$1" ntmctl "$2" --json | python3 -c "import json, sys; d = json.load(sys.stdin); print($3)"
}
vips() {
	json "$1" status "d['vip4'], d['vip6']"
}

on alice ping -c 1 -W 5 $bob >/dev/null || fail "no answer before"
id=$(json alice paths "d['paths'][0]['id']")
vips_alice=$(vips alice)
vips_bob=$(vips bob)
peer=$(json bob status "d['vip4']")

# A download through RS-N and a TCP connection through RS-S, both from before the DC's death.
want=$("$lab" status --json | python3 -c 'import json, sys; print(json.load(sys.stdin)["file_sha256"])')
on alice sh -c 'curl -sf --max-time 50 "http://web.site.example/paced/file.bin?rate=4m" | sha256sum' \
	>"$tmp/sha" &
web=$!
flow_begin v4 alice $bob 4
flow_more v4 || fail "nothing passes"

"$lab" stop dc ntm-appliance --signal KILL
on alice ping -q -i 0.02 -c 200 "$peer" >"$tmp/ping" || fail "no answers: $(cat "$tmp/ping")"
# A path that stood still would lose fifty in a second; one or two of them a busy machine has lost by itself.
got=$(sed -n 's/.*transmitted, \([0-9]*\) received.*/\1/p' "$tmp/ping")
assert_range "answers without a DC, of 200" 196 200 "$got"

# The move, with nobody to ask.
on alice ping -D -i 0.01 -c 300 "$peer" >"$tmp/moving" &
ping=$!
wait_often 10 grep -q icmp_seq=50 "$tmp/moving" || fail "no probes"
"$lab" move alice lan-c
wait $ping || true
python3 - "$tmp/moving" <<'PY' || fail "the outage is too long"
import re, sys
at = [float(m) for m in re.findall(r"\[([0-9.]+)\].*bytes from", open(sys.argv[1]).read())]
gap = max(b - a for a, b in zip(at, at[1:]))
print(f"moved without a DC: outage {gap * 1000:.0f} ms, {300 - len(at)} of 300 probes lost")
sys.exit(len(at) < 150)
PY
assert_eq "leg's address" 20.0.13.2 "$(json rs sessions \
	"*[s['endpoint'].split(':')[0] for s in d['sessions'] if '20.0.13.2' in s['endpoint']]")"
[ "$(counter rs counters rs moves)" -ge 1 ] || fail "the RS counted no move"
assert_eq "the path" "$id" "$(json alice paths "d['paths'][0]['id']")"
flow_more v4 || fail "nothing passes after the move"
flow_end v4

# Without a DC a new name gets SERVFAIL, never a real answer. After how long is printed here, and set
# in client/dns_stub.h: 1.4 s.
for name in nobody noone none; do
	on alice dig +tries=1 +time=5 $name.dc1.ntm.example >"$tmp/dig" || fail "no answer for $name"
	assert_eq "a node's name without a DC" SERVFAIL \
		"$(sed -n 's/.*status: \([A-Z]*\),.*/\1/p' "$tmp/dig")"
	sed -n 's/^;; Query time: \([0-9]*\) msec/\1/p' "$tmp/dig"
done >"$tmp/times"
echo "SERVFAIL after $(xargs <"$tmp/times") ms"

"$lab" start dc ntm-appliance
registered() {
	[ "$(json dc status "d['dc']['registered'] * 10 + d['dc']['rss']")" = 21 ]
}
wait_for 40 registered || fail "nodes and RS did not come back to the DC"
assert_eq "addresses of alice" "$vips_alice" "$(vips alice)"
assert_eq "addresses of bob" "$vips_bob" "$(vips bob)"
on alice ping -c 2 -i 0.1 -W 5 $bob >/dev/null || fail "no answer after"
wait $web || fail "the download broke"
assert_eq "digest of the download" "$want" "$(cut -d' ' -f1 "$tmp/sha")"
