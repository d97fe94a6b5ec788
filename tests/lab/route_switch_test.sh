#!/bin/bash
# SPDX-License-Identifier: BSD-3-Clause
# Two ways between alice and bob that differ by 50 ms: by the relay, then direct when the NATs let it,
# and at each new address of alice's back to the relay until the direct way has proven itself again.
# Under load both ways nothing is lost and nothing comes twice, though what goes direct overtakes
# hundreds of packets each time: a route has a sequence and a replay window of its own.
#
#   alice -- lan-a -- [A] --+
#                           +- internet --(25 ms)-- ap1 (RS and DC)
#   bob ---- lan-b -- [B] --+
. "$(dirname "$0")/_init.sh"

RATE=8000	# datagrams of 1000 bytes a second each way
MOVES=6
bob=bob.dc1.ntm.example

route() { # route NODE
	on "$1" ntmctl paths --json | python3 -c '
import json, sys
print(*[p["route"] for p in json.load(sys.stdin)["paths"]])'
}
is_route() { # is_route ROUTE: both send by it, as they see it
	[ "$(route alice)" = "$1" ] && [ "$(route bob)" = "$1" ]
}
switches() { # switches COUNTER: those of both nodes
	echo $(($(counter alice counters core "$1") + $(counter bob counters core "$1")))
}
switched() { # switched COUNTER N
	[ "$(switches "$1")" -ge "$2" ]
}

lab_up "$top/tests/lab/route_switch.toml"
on alice ping -c 1 -W 5 $bob >/dev/null || fail "no answer before"
relay=$(switches SWITCH_RELAY)
direct=$(switches SWITCH_DIRECT)

mkfifo "$tmp/stop"
# Of the 50 ms, 40 at least must show.
"$top/tests/lab/flows.py" "$lab" $RATE $((RATE * 40 / 1000)) <"$tmp/stop" >"$tmp/flow" &
flow=$!
exec 9>"$tmp/stop"
wait_often 10 grep -q ready "$tmp/flow" || fail "the datagrams do not start"
is_route rs-s || fail "the first route is $(route alice), $(route bob)"
"$lab" nat A port-restricted
"$lab" nat B port-restricted
# The first new address starts the search for a direct way at once; the others leave one.
for i in $(seq $MOVES); do
	on alice ip addr add 192.168.1.$((200 + i))/32 dev eth0
	wait_for 10 switched SWITCH_DIRECT $((direct + 2 * i)) || fail "not direct after address $i"
done
wait_for 5 is_route direct || fail "the last route is $(route alice), $(route bob)"
exec 9>&-
all=0
wait $flow || all=$?
cat "$tmp/flow"
[ $all = 0 ] || fail "not each datagram came once, or none was overtaken"

relay=$(($(switches SWITCH_RELAY) - relay))
direct=$(($(switches SWITCH_DIRECT) - direct))
echo "switches of both together: $direct to direct, $relay to the relay"
[ $direct -ge $((2 * MOVES)) ] || fail "switches to direct: $direct"
[ $relay -ge $((2 * MOVES - 2)) ] || fail "switches to the relay: $relay"
for node in alice bob; do
	stats $node | python3 -c '
import json, sys
bad = [(d["name"], d["count"]) for d in json.load(sys.stdin)["drops"] if d["count"] and d["name"] in (
    "RX_REPLAY", "RX_AUTH", "RX_EPOCH", "RX_KEY_EXPIRED", "RX_SESSION", "TX_HOLD_EXPIRED", "TX_SEAL")]
sys.exit(f"{sys.argv[1]}: {bad}" if bad else 0)' $node || fail "drops at $node"
done
