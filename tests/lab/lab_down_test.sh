#!/bin/bash
# SPDX-License-Identifier: BSD-3-Clause
# `lab down` leaves nothing behind: after a whole life, after half of the lab was killed, after its
# first process was killed, after `up` itself was interrupted or killed; and one lab does not touch
# another.
. "$(dirname "$0")/_init.sh"

one=$NTM_LAB
two=$NTM_LAB-b
root=${NTM_LAB_DIR:-/run/ntm-lab}
topology=$top/tests/lab/nat.toml

# What the host can see of the labs of this test: namespaces, links, mounts, processes, files.
# Other labs may come and go meanwhile, so only names of ours count.
footprint() {
	ip netns list | grep -F "$one" || true
	ip -o link | grep -E ': (w[0-9]+[ab]|(alice|web|web2|ns|resolver)\.[0-9]|A\.(wan|lan))[@:]' || true
	grep -F "$one" /proc/self/mounts || true
	ls -a /run/dpdk "$root" 2>/dev/null | grep -F "$one" || true
	grep -alF "$root/$one" /proc/[0-9]*/cmdline 2>/dev/null || true
	cat /proc/sys/net/ipv4/tcp_allowed_congestion_control
}

pids() {
	python3 -c '
import json, sys
d = json.load(open(sys.argv[1]))
print(*([d["init"]["pid"]] if sys.argv[2] == "init" else [s["pid"] for s in d["spaces"].values()]))
' "$root/$1/state.json" "$2"
}

# Processes of the lab: inside a PID namespace, with its name in their environment. The number of a
# PID namespace would not do, for it is given anew as soon as the namespace has ended. One that has
# ended and waits for the host's init does not count, and has no environment any more.
ours() {
	local pid outside
	outside=$(readlink /proc/self/ns/pid)
	for pid in $(grep -alzxF "NTM_LAB=$one" /proc/[0-9]*/environ 2>/dev/null | cut -d/ -f3); do
		case $(readlink "/proc/$pid/ns/pid") in
		'' | "$outside") ;;
		*) echo "$pid" ;;
		esac
	done
}

check_gone() {
	"$lab" down --name "$one"
	[ -z "$(ours)" ] || fail "$1: processes are left: $(ours)"
	diff "$tmp/before" <(footprint) || fail "$1: something is left"
}

footprint >"$tmp/before"

"$lab" up "$topology" --bare --name "$one" || fail "up"
[ "$(ours | wc -l)" -gt 10 ] || fail "the lab's processes are not where we look"
! "$lab" up "$topology" --bare --name "$one" 2>/dev/null || fail "a second lab of the same name"
check_gone "a whole life"
"$lab" down --name "$one" || fail "down twice"

# Half of it killed, with a stranger's program still running inside and a capture on.
"$lab" up "$topology" --bare --name "$one"
"$lab" exec --name "$one" alice sleep 1000 &
stranger=$!
"$lab" capture --name "$one" A "$tmp/a.pcap"
victims=$(pids "$one" spaces | tr ' ' '\n' | awk 'NR % 2')
# shellcheck disable=SC2086
kill -9 $victims
check_gone "half of it killed"
wait $stranger || true

"$lab" up "$topology" --bare --name "$one"
kill -9 "$(pids "$one" init)"
# A name whose lab has died can be used again without down.
"$lab" up "$topology" --bare --name "$one" || fail "up after a crash"

# Another lab beside it, with the same addresses, lives through the first one's end.
"$lab" up "$topology" --bare --name "$two"
"$lab" down --name "$one"
"$lab" exec --name "$two" alice ping -c1 -W5 20.0.0.80 >/dev/null || fail "the other lab is hurt"
"$lab" down --name "$two"
check_gone "two labs"

# `up` interrupted and killed at different moments.
for moment in 0.05 0.2 0.4 0.7 1.1; do
	for sig in TERM KILL; do
		"$lab" up "$topology" --bare --name "$one" 2>/dev/null &
		up=$!
		sleep $moment
		kill -$sig $up 2>/dev/null || true
		wait $up 2>/dev/null || true
		[ $sig != TERM ] || [ ! -e "$root/$one" ] || "$lab" status --name "$one" >/dev/null ||
			fail "an interrupted up left half a lab"
		check_gone "$sig after $moment s"
	done
done
