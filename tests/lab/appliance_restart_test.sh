#!/bin/bash
# SPDX-License-Identifier: BSD-3-Clause
# RS and DC are one process, and it is killed under traffic: all that was in memory is gone, at both.
# The nodes are told by reset, register, get keys and a path anew; a TCP connection lives on.
#
#   alice -- lan-a -- [A] --+
#                           +- internet -+-- ap1 (RS and DC, killed)
#   bob ---- lan-b -- [B] --+
. "$(dirname "$0")/_init.sh"
. "$top/tests/lab/_flow.sh"

lab_up demo
bob=bob.dc1.ntm.example
vips() {
	on "$1" ntmctl status --json |
		python3 -c 'import json, sys; d = json.load(sys.stdin); print(d["vip4"], d["vip6"])'
}
paths_up() { # peers and states of a node's paths
	on "$1" ntmctl paths --json |
		python3 -c 'import json, sys; print(*[p["state"] for p in json.load(sys.stdin)["paths"]])'
}

on alice ping -c 1 -W 5 $bob >/dev/null || fail "no answer before"
before="$(vips alice) $(vips bob)"
flow_begin v4 alice $bob 4
flow_more v4 || fail "nothing passes"
on alice ping -D -i 0.02 -c 450 $bob >"$tmp/ping" 2>&1 &
ping=$!
wait_often 10 grep -q icmp_seq=50 "$tmp/ping" || fail "no probes"
"$lab" stop ap1 ntm-appliance --signal KILL
"$lab" start ap1 ntm-appliance
wait $ping || true
flow_more v4 || fail "the TCP connection does not go on"
flow_end v4
python3 - "$tmp/ping" <<'PY' || fail "too little came through"
import re, sys
at = [float(m) for m in re.findall(r"\[([0-9.]+)\].*bytes from", open(sys.argv[1]).read())]
gap = max(b - a for a, b in zip(at, at[1:]))
print(f"outage {gap * 1000:.0f} ms with the restart; {len(at)} of 450 probes came")
sys.exit(len(at) < 150)
PY

assert_eq "addresses" "$before" "$(vips alice) $(vips bob)"
one_path() {
	[ "$(paths_up alice) $(paths_up bob)" = "up up" ]
}
wait_for 10 one_path || fail "paths: alice $(paths_up alice), bob $(paths_up bob)"
# Each end lost the one path it had and no other: the new one stays.
for node in alice bob; do
	assert_eq "paths lost by $node" 1 "$(counter $node counters core PATHS_LOST)"
done
# The new DC told them, unasked or as an answer, whichever was first; their registrations brought the
# leave for new legs.
dc() {
	counter ap1 counters dc "$1"
}
[ "$(($(dc restart_told) + $(dc reset_sent)))" -ge 3 ] || fail "the DC sent no resets"
# Carol is idle: she was told too, and has not waited for her next keep-alive.
all_legs() {
	[ "$(counter ap1 counters rs legs_opened)" = 3 ]
}
wait_for 5 all_legs || fail "legs: want 3, have $(counter ap1 counters rs legs_opened)"
