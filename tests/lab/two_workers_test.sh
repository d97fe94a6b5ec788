#!/bin/bash
# SPDX-License-Identifier: BSD-3-Clause
# Two workers behind a port that knows nothing of whose packet is whose: what arrives at the wrong
# one goes to the right one by ring and is counted. RS-S, RS-N, DNS and the TAP all work, and every
# packet of every lcore is accounted for.
#
#   alice -- lan-a -- [A] --+             +-- ap1: queue 0 = worker 0 --+
#                           +- internet --+        queue 1 = worker 1 --+-- rings
#   bob ---- lan-b -- [B] --+             +-- web
. "$(dirname "$0")/_init.sh"

lab_up "$top/tests/lab/two_workers.toml"
bob=bob.dc1.ntm.example
want=$("$lab" status --json | python3 -c 'import json, sys; print(json.load(sys.stdin)["file_sha256"])')

on alice ping -q -c 50 -i 0.02 $bob >"$tmp/ping" || fail "no answers"
grep -q ' 0% packet loss' "$tmp/ping" || fail "packets were lost: $(cat "$tmp/ping")"

# Legs are spread over the workers' ports; each node keeps its own for life.
legs=$(on ap1 ntmctl sessions --json | python3 -c '
import json, sys
print(len([s for s in json.load(sys.stdin)["sessions"] if s["kind"] == "leg"]))')
assert_eq "legs" 2 "$legs"
ports=$(for node in alice bob; do
	on $node ntmctl sessions --json | python3 -c '
import json, sys
print(*[s["endpoint"].rpartition(":")[2] for s in json.load(sys.stdin)["sessions"] if s["kind"] == "leg"])'
done | sort | xargs)
assert_eq "ports of the legs" "5530 5531" "$ports"

# Both nodes through RS-N at once, alice and bob through RS-S besides.
sums=()
for node in alice bob; do
	on $node sh -c 'curl -sf --max-time 40 http://web.site.example/file.bin | sha256sum' \
		>"$tmp/sum.$node" &
	sums+=($!)
done
on alice iperf3 -c $bob -t 3 >"$tmp/iperf" || fail "iperf3: $(tail -3 "$tmp/iperf")"
on alice iperf3 -R -c $bob -t 3 >"$tmp/iperf" || fail "iperf3 -R: $(tail -3 "$tmp/iperf")"
wait "${sums[@]}"
for node in alice bob; do
	assert_eq "digest at $node" "$want" "$(cut -d' ' -f1 "$tmp/sum.$node")"
done
on web dig +short +tcp @20.0.1.10 $bob AAAA | grep -q : || fail "no DNS by TCP"
on web ping -c 3 -i 0.2 -W 5 20.0.1.10 >/dev/null || fail "no echo from the box"

miss=$(counter ap1 counters steer_miss)
[ "$miss" -gt 1000 ] || fail "only $miss packets arrived at the wrong worker"
busy=$(on ap1 ntmctl status --json | python3 -c '
import json, sys
print(sum(l["busy_loops"] > 100 for l in json.load(sys.stdin)["lcores"] if l["role"] == "worker"))')
assert_eq "workers that worked" 2 "$busy"

way=$(on ap1 ntmctl status --json | python3 -c '
import json, sys
print(json.load(sys.stdin)["ports"][0]["to_workers_by"])')
assert_eq "way to the workers" "the device's own choice of queues" "$way"

accounted ap1 || fail "not each packet is accounted for"
wrong=$(stats ap1 | python3 -c '
import json, sys
bad = ("WRONG_WORKER", "MAILBOX_FULL", "REPLAY", "AUTH", "NO_ASSOC", "NO_PATH", "PATH_SOURCE")
print(*[(d["name"], d["count"]) for d in json.load(sys.stdin)["drops"] if d["name"] in bad and d["count"]])')
assert_eq "drops" "" "$wrong"
echo "steer_miss $miss of $(counter ap1 counters rx) packets; all accounted for"
