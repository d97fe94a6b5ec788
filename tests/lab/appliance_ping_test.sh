#!/bin/bash
# SPDX-License-Identifier: BSD-3-Clause
# The frame of the appliance without its roles' traffic: a ping answered through DPDK, over both
# families, on-link and through the gateway; TCP to a socket on the TAP's address; every packet
# accounted for; nothing left after SIGTERM, and after kill -9 nothing that a restart minds.
#
#   near, far -- [internet] -- ap0 (AF_PACKET) = worker = ring = wan (TAP) -- Linux
. "$(dirname "$0")/_init.sh"

lab_up "$top/tests/lab/appliance.toml" --bare
"$lab" start ap1 ntm-appliance
prefix=ntm-lab-$NTM_LAB-ap1
on ap1 test -d "/run/dpdk/$prefix" || fail "no runtime folder $prefix: is this the appliance?"

on near ping -c 3 -i 0.2 -W 5 20.0.1.10 || fail "no echo over IPv4"
on near ping -6 -c 3 -i 0.2 -W 5 2600:2000::10 || fail "no echo over IPv6"
on far ping -c 3 -i 0.2 -W 5 20.0.1.10 || fail "no echo through the gateway"
on ap1 ping -c 3 -i 0.2 -W 5 20.0.0.80 || fail "no echo from the box"

# Only the TAP may answer ARP: one MAC, the port's.
macs=$(on near ip neigh show 20.0.1.10 | awk '{ print $5 }')
assert_eq "MAC of the appliance" "$(on ap1 cat /sys/class/net/wan/address)" "$macs"
on ap1 ip neigh show 20.0.1.1 | grep -q managed || fail "the gateway is no managed neighbour"

# TCP, both directions, a few hundred segments.
head -c 300000 /dev/urandom >"$tmp/sent"
on ap1 timeout 20 nc -l 20.0.1.10 7000 >"$tmp/got" &
listener=$!
wait_for 5 on ap1 sh -c 'ss -ltn | grep -q 7000' || fail "nobody listens"
on near timeout 20 nc -N 20.0.1.10 7000 <"$tmp/sent"
wait $listener
cmp "$tmp/sent" "$tmp/got" || fail "TCP through the TAP altered the data"

# Refused by name: a packet to nobody's address cannot be made here, one to an NTM port can.
before=$(counter ap1 counters rx)
on near sh -c 'echo not-ntm | nc -u -w 1 20.0.1.10 5530' || true
[ "$(counter ap1 counters rx)" -gt "$before" ] || fail "rx does not count"

accounted ap1 || fail "not each packet is accounted for"
drops=$(stats ap1 | python3 -c '
import json, sys
print(*(d["name"] for d in json.load(sys.stdin)["drops"] if d["name"] in ("TX_FULL", "TAP_FULL", "TAP_WRITE", "LANE_FULL") and d["count"]))')
assert_eq "drops" "" "$drops"

# A second process with the same folder is refused in one line.
cfg=${NTM_LAB_DIR:-/run/ntm-lab}/$NTM_LAB/nodes/ap1/ntm-appliance.yaml
if on ap1 ntm-appliance --config "$cfg" 2>"$tmp/second"; then fail "a second process started"; fi
grep -q 'in use by another process' "$tmp/second" || fail "refused as: $(cat "$tmp/second")"

"$lab" stop ap1 ntm-appliance
on ap1 test ! -e "/run/dpdk/$prefix" || fail "SIGTERM left /run/dpdk/$prefix"
[ -z "$(on ap1 ip -o link show wan 2>/dev/null)" ] || fail "SIGTERM left the TAP"

# After a crash TAP and folder are there; the next process takes them over.
"$lab" start ap1 ntm-appliance
"$lab" stop ap1 ntm-appliance --signal KILL
[ -n "$(on ap1 ip -o link show wan)" ] || fail "the TAP did not outlive the crash"
"$lab" start ap1 ntm-appliance
on near ping -c 3 -i 0.2 -W 5 20.0.1.10 || fail "no echo after a crash"
"$lab" stop ap1 ntm-appliance
on ap1 test ! -e "/run/dpdk/$prefix" || fail "/run/dpdk/$prefix is left after a crash and a restart"
