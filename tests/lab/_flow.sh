# SPDX-License-Identifier: BSD-3-Clause
# Long TCP connections for scenarios that change the network under them. After _init.sh:
#
#	flow_begin v4 alice bob.dc1.ntm.example 4	# NAME FROM TO FAMILY
#	flow_more v4 || fail "nothing passes"		# both ways, from now on; of several: each
#	flow_end v4					# fails unless each byte came as it was sent
flows=0

flow_begin() {
	local port=$((7000 + flows))
	flows=$((flows + 1))
	mkfifo "$tmp/$1.stop"
	"$top/tests/lab/tcp_flow.py" "$lab" "$2" "$3" "$4" $port <>"$tmp/$1.stop" >"$tmp/$1.flow" 2>&1 &
	echo $! >"$tmp/$1.pid"
	wait_often 15 grep -q ready "$tmp/$1.flow" || fail "flow $1 does not begin: $(cat "$tmp/$1.flow")"
}

flow_bytes() {
	tail -n 1 "$tmp/$1.flow" | awk '{ print $1 + 0 }'
}

# flow_more NAME...: 100 kB more came in each direction of each. What waits in the kernel's buffers when
# the way breaks comes later, so the count begins now.
flow_more() {
	local name
	for name in "$@"; do
		echo $(($(flow_bytes "$name") + 100000)) >"$tmp/$name.want"
	done
	for name in "$@"; do
		wait_often 30 flow_has_come "$name" && flow_is_alive "$name" || return 1
	done
}
flow_is_alive() {
	kill -0 "$(cat "$tmp/$1.pid")"
}
flow_has_come() {
	[ "$(flow_bytes "$1")" -ge "$(cat "$tmp/$1.want")" ] || ! flow_is_alive "$1"
}

flow_end() {
	local all=0
	echo >"$tmp/$1.stop"
	wait "$(cat "$tmp/$1.pid")" || all=$?
	tail -n 1 "$tmp/$1.flow"
	[ $all = 0 ] || fail "flow $1: $(tail -n 3 "$tmp/$1.flow")"
}
