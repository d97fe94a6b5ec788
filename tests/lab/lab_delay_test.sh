#!/bin/bash
# SPDX-License-Identifier: BSD-3-Clause
# The lab's line gives the delay, loss and rate it is told, also while it runs, and counts every
# frame it took.
. "$(dirname "$0")/_init.sh"

lab_up "$top/tests/lab/delay.toml" --bare

# Smallest round trip of some pings: what the line adds, without what a busy machine adds.
min_rtt() {
	on a ping -q -n -c 10 -i 0.05 20.0.0.3 | awk -F/ '/^rtt/ { sub(/.* = /, "", $4); print $4 }'
}

on a ping -c1 20.0.0.3 >/dev/null # ARP
assert_range "round trip at 10 ms" 20.0 26 "$(min_rtt)"
"$lab" link a up.delay_ms=30
assert_range "round trip at 30 + 10 ms" 40.0 46 "$(min_rtt)"
"$lab" link a delay_ms=0
assert_range "round trip without delay" 0 5 "$(min_rtt)"

"$lab" link a up.loss_percent=20
lost=$(on a ping -q -n -c 500 -i 0.002 20.0.0.3 | sed -n 's/.* \([0-9.]*\)% packet loss.*/\1/p')
assert_range "packets lost at 20 %" 10 30 "$lost"
"$lab" link a loss_percent=100
! on a ping -q -c 3 -i 0.05 -W 1 20.0.0.3 >/dev/null || fail "an answer at 100 % loss"
"$lab" link a loss_percent=0

"$lab" link a rate_mbit=10
rate=$(on a iperf3 -c 20.0.0.3 -t 3 -J | python3 -c '
import json, sys
print(json.load(sys.stdin)["end"]["sum_received"]["bits_per_second"] / 1e6)')
assert_range "TCP at 10 Mbit/s" 6 10 "$rate"
"$lab" link a rate_mbit=0

# A carrier lost and found, and the address kept.
"$lab" link a down
wait_for 5 on a sh -c 'ip link show dev eth0 | grep -q NO-CARRIER' || fail "carrier stays"
"$lab" link a up
wait_for 5 on a ping -c1 -W1 20.0.0.3 || fail "nothing passes after link up"

"$lab" status --json | python3 -c '
import json, sys
for name, link in json.load(sys.stdin)["links"].items():
    for way, s in link.get("delay", {}).items():
        out = sum(s[k] for k in ("tx_packets", "lost", "drop_queue", "drop_ring", "drop_long",
                                 "tx_error", "held"))
        assert s["rx_packets"] == out, (name, way, s)
        assert s["rx_packets"] > 500 and s["drop_long"] == 0, (name, way, s)
' || fail "frames are not conserved"
