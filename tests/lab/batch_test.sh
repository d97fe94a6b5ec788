#!/bin/bash
# SPDX-License-Identifier: BSD-3-Clause
# A bulk sender's packets leave in batches: the kernel hands ntmd segments of up to 64 kB by the TUN
# (IFF_VNET_HDR), ntmd hands the kernel runs of one size (UDP_SEGMENT). Above 8 packets per system
# call under iperf3, in each direction, counted while it runs.
#
#   alice -- lan-a -- [A] --+
#                           +- internet -+-- ap1 (RS and DC)
#   bob ---- lan-b -- [B] --+
. "$(dirname "$0")/_init.sh"

lab_up "$top/tests/lab/two_nats.toml"
bob=bob.dc1.ntm.example
on alice ping -c 1 -W 5 $bob >/dev/null || fail "no answer before"

# batch NODE BEFORE: packets per call of the sender's side since then; of its receiving side, for the record.
batch() {
	stats "$1" | python3 -c '
import json, sys
now, before = json.load(sys.stdin)["counters"]["io"], json.load(open(sys.argv[1]))["counters"]["io"]
def per_call(packets, calls):
    return sum(now[k] - before[k] for k in packets) / max(sum(now[k] - before[k] for k in calls), 1)
print("%.1f %.1f" % (per_call(("udp_tx_packets", "tun_read_packets"), ("udp_tx_calls", "tun_reads")),
                      per_call(("udp_rx_packets", "tun_write_packets"), ("udp_rx_calls", "tun_writes"))))
' "$2"
}

for way in "alice bob" "bob alice"; do
	read -r from to <<<"$way"
	stats alice >"$tmp/alice"
	stats bob >"$tmp/bob"
	reverse=
	[ "$from" = alice ] || reverse=-R
	# shellcheck disable=SC2086
	on alice iperf3 -c $bob -t 4 $reverse >"$tmp/iperf3" || fail "iperf3: $(tail -3 "$tmp/iperf3")"
	read -r sent _ <<<"$(batch "$from" "$tmp/$from")"
	read -r _ received <<<"$(batch "$to" "$tmp/$to")"
	echo "$from to $to: $sent packets per call sent, $received received"
	assert_range "packets per call of $from" 8 64 "$sent"
done
