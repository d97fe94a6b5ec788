#!/bin/bash
# SPDX-License-Identifier: BSD-3-Clause
# An RS is killed under traffic and started again. The DC sends it the keys and paths anew, the
# nodes are told by reset and open their legs again: the same path with the same keys goes on, and
# no application notices more than a pause.
#
#   alice -- lan-a -- [A] --+
#                           +- internet -+-- rs (killed), dc
#   bob ---- lan-b -- [B] --+            +-- web
. "$(dirname "$0")/_init.sh"
. "$top/tests/lab/_flow.sh"

lab_up "$top/tests/lab/parted.toml"
bob=bob.dc1.ntm.example

# json NODE COMMAND EXPRESSION: of the answer d.
json() {
	on "$1" ntmctl "$2" --json | python3 -c "import json, sys; d = json.load(sys.stdin); print($3)"
}
path() {
	json alice paths "*[p['$1'] for p in d['paths'] if p['peer'] == '$bob']"
}

on alice ping -c 1 -W 5 $bob >/dev/null || fail "no answer before"
on alice curl -sf --max-time 10 http://web.site.example/index.html >/dev/null || fail "no web before"
assert_eq "route before" rs-s "$(path route)"
id=$(path id)
directions=$(counter alice counters core DIRECTIONS)
registered=$(json dc status "d['dc']['registered']")

# A TCP connection that was there before and must be there after, and probes every 20 ms.
flow_begin v4 alice $bob 4
flow_more v4 || fail "nothing passes"
on alice ping -D -i 0.02 -c 350 $bob >"$tmp/ping" &
ping=$!
wait_often 10 grep -q icmp_seq=50 "$tmp/ping" || fail "no probes"

"$lab" stop rs ntm-appliance --signal KILL
"$lab" start rs ntm-appliance
last_seq() {
	[ "$(grep -o 'icmp_seq=[0-9]*' "$tmp/ping" | tail -1 | cut -d= -f2)" -ge 340 ]
}
wait_often 30 last_seq || fail "nothing passes after the restart"
wait $ping || true
flow_more v4 || fail "the TCP connection does not go on"
flow_end v4
python3 - "$tmp/ping" <<'PY'
import re, sys
at = [float(m) for m in re.findall(r"\[([0-9.]+)\].*bytes from", open(sys.argv[1]).read())]
gap = max(b - a for a, b in zip(at, at[1:]))
print(f"outage {gap * 1000:.0f} ms with the restart; {len(at)} of 350 probes came")
PY

# Who did what. The new process was told by the DC, reset two legs and let them in again.
rs() {
	counter rs counters rs "$1"
}
assert_eq "legs opened at the new RS" 2 "$(rs legs_opened)"
[ "$(rs resets)" -ge 2 ] || fail "the RS sent no resets"
[ "$(rs dc_rows)" -ge 3 ] || fail "the DC sent no rows"
assert_eq "binds refused" 0 "$(rs binds_refused)"
assert_eq "the path" "$id" "$(path id)"
assert_eq "directions of alice" "$directions" "$(counter alice counters core DIRECTIONS)"
assert_eq "paths that alice lost" 0 "$(counter alice counters core PATHS_LOST)"
assert_eq "registered nodes" "$registered" "$(json dc status "d['dc']['registered']")"
for node in alice bob; do
	for drop in RX_REPLAY RX_AUTH RX_EPOCH RX_REFLECTED; do
		assert_eq "$drop at $node" 0 "$(json $node stats \
			"*[x['count'] for x in d['drops'] if x['name'] == '$drop']")"
	done
done

# The NAT's table went with the process; what begins now is translated again.
on alice curl -sf --max-time 10 http://web.site.example/index.html >/dev/null || fail "no web after"
