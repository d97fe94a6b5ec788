#!/bin/bash
# SPDX-License-Identifier: BSD-3-Clause
# New keys every 200 packets, more than a hundred times under UDP in both directions and as often under
# iperf3: no packet is lost to it, at 40 ms of round trip. The RS-N tunnel does the same under a download.
#
#   alice -- lan-a -- [A] --+
#                           +- internet -+-- ap1 (RS and DC)
#   bob ---- lan-b -- [B] --+            +-- web
. "$(dirname "$0")/_init.sh"

lab_up "$top/tests/lab/rekey.toml"
bob=bob.dc1.ntm.example
on alice ping -c 1 -W 5 $bob >/dev/null || fail "no answer before"

rekeys() { # rekeys KIND: of alice's session of that kind
	on alice ntmctl sessions --json | python3 -c '
import json, sys
print(*[s["rekeys"] for s in json.load(sys.stdin)["sessions"] if s["kind"] == sys.argv[1]])' "$1"
}
clean() { # no drop that new keys could explain, on either node or at RS-N
	local node
	for node in alice bob ap1; do
		stats $node | python3 -c '
import json, sys
bad = [(d["name"], d["count"]) for d in json.load(sys.stdin)["drops"] if d["count"] and d["name"] in (
    "RX_REPLAY", "RX_AUTH", "RX_EPOCH", "RX_KEY_EXPIRED", "RX_SESSION", "TX_HOLD_EXPIRED", "TX_SEAL",
    "NO_KEY", "KEY_SPENT", "REPLAY", "AUTH")]
sys.exit(f"{sys.argv[1]}: {bad}" if bad else 0)' $node || fail "drops at $node"
	done
}

# Numbered datagrams, 1,200 a second each way, into receive buffers that outlast a pause of the machine,
# until the keys have changed often enough.
rekeyed() {
	[ "$(rekeys path)" -gt 105 ]
}
mkfifo "$tmp/stop"
"$top/tests/lab/flows.py" "$lab" 1200 0 <"$tmp/stop" >"$tmp/flow" &
flow=$!
exec 9>"$tmp/stop"
wait_often 10 grep -q ready "$tmp/flow" || fail "the datagrams do not start"
wait_for 58 rekeyed || fail "only $(rekeys path) rekeys"
exec 9>&-
lossless=0
wait $flow || lossless=$?
cat "$tmp/flow"
[ $lossless = 0 ] || fail "not each datagram came once"
clean
udp=$(rekeys path)
echo "rekeys of the path under UDP: $udp"

# The same under iperf3, paced so that no queue on the way overflows: what one end sealed the other opened.
sealed_and_opened() { # of alice, of bob
	local node
	for node in alice bob; do
		stats $node | python3 -c '
import json, sys
c = json.load(sys.stdin)["counters"]["path"]
print(c["TX_DATA"], c["RX_DATA"])'
	done | xargs
}
quiet() {
	local first
	first=$(sealed_and_opened)
	sleep 0.3
	[ "$first" = "$(sealed_and_opened)" ]
}
wait_for 10 quiet || fail "nodes that do not rest"
read -r a_tx0 a_rx0 b_tx0 b_rx0 < <(sealed_and_opened)
on alice iperf3 -J -c $bob -b 20M -t 26 >"$tmp/tcp" || fail "TCP: $(tail -3 "$tmp/tcp")"
wait_for 10 quiet || fail "nodes that do not rest"
read -r a_tx a_rx b_tx b_rx < <(sealed_and_opened)
clean
echo "rekeys under iperf3: $(($(rekeys path) - udp)); $((a_tx - a_tx0)) packets there, $((b_tx - b_tx0)) back"
[ $(($(rekeys path) - udp)) -ge 100 ] || fail "only $(($(rekeys path) - udp)) rekeys under iperf3"
[ $((a_tx - a_tx0)) -gt 20000 ] || fail "iperf3 sent little"
assert_eq "packets from alice that bob opened" $((a_tx - a_tx0)) $((b_rx - b_rx0))
assert_eq "packets from bob that alice opened" $((b_tx - b_tx0)) $((a_rx - a_rx0))

want=$("$lab" status --json | python3 -c 'import json, sys; print(json.load(sys.stdin)["file_sha256"])')
assert_eq "digest by RS-N" "$want" "$(on alice curl -sf --max-time 40 \
	http://web.site.example/file.bin | sha256sum | cut -d' ' -f1)"
clean
echo "rekeys of the leg under the download: $(rekeys leg)"
[ "$(rekeys leg)" -ge 5 ] || fail "the leg was not rekeyed"
