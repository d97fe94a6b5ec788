# SPDX-License-Identifier: BSD-3-Clause
# Sourced by every scenario: a lab of its own, taken down at the end whatever happens.
#
#	. "$(dirname "$0")/_init.sh"
#	lab_up two-nats			# or: lab_up two-nats --bare
#	on alice ping -c1 bob.dc1.ntm.example || fail "no answer"
#
# Exit codes: 0 passed, 77 skipped, anything else failed. On failure the lab's status, our
# programs' counters and the ends of their logs are printed.
set -euo pipefail
# The system's own programs first: a python3 that is a wrapper costs more than what is asked of it.
export PATH=/usr/sbin:/usr/bin:/sbin:/bin:$PATH

top=$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)
lab=$top/lab/lab
scenario=$(basename "$0" _test.sh)
# The PID keeps two runs of one scenario apart; a lab's name has at most 24 characters.
export NTM_LAB="t${scenario//_/-}"
NTM_LAB="${NTM_LAB:0:15}-$$"
tmp=$(mktemp -d)

fail() {
	echo "$scenario: $*" >&2
	exit 1
}

skip() {
	echo "$scenario: skipped: $*" >&2
	exit 77
}

# on NODE CMD...: run a command on a node.
on() {
	"$lab" exec "$@"
}

lab_up() {
	"$lab" up "$@"
}

# wait_for SECONDS CMD...: until the command succeeds. The time is only there to end a hang. Asking a program
# of ours costs a tenth of a second of CPU, so who waits long asks less and less often.
wait_for() {
	_wait "0.05 0.1 0.2 0.3" "$@"
}

# wait_often SECONDS CMD...: the same for a question that costs nothing.
wait_often() {
	_wait 0.05 "$@"
}

_wait() {
	local pauses=$1 end=$((SECONDS + $2))
	shift 2
	until "$@" >/dev/null 2>&1; do
		[ $SECONDS -lt $end ] || return 1
		sleep "${pauses%% *}"
		pauses=${pauses#* }
	done
}

# CMD | saw ERE: a line of it matches. Reads to the end, where `grep -q` stops at the match and the
# writer, killed by the closed pipe, fails the pipeline.
saw() {
	awk -v p="${1//\\/\\\\}" '$0 ~ p { n++ } END { exit !n }'
}

# assert_eq WHAT WANT HAVE
assert_eq() {
	[ "$2" = "$3" ] || fail "$1: want '$2', have '$3'"
}

# assert_range WHAT LOW HIGH HAVE; the numbers may have a fraction.
assert_range() {
	awk -v l="$2" -v h="$3" -v x="$4" 'BEGIN { exit !(x >= l && x <= h) }' ||
		fail "$1: want $2..$3, have $4"
}

# stats NODE: the counters of the program of ours that runs there.
stats() {
	on "$1" ntmctl stats --json
}

# counter NODE PATH...: one number out of them, by keys or list indices.
counter() {
	local node=$1
	shift
	stats "$node" | python3 -c '
import json, sys
v = json.load(sys.stdin)
for key in sys.argv[1:]:
    v = v[int(key) if isinstance(v, list) else key]
print(v)' "$@"
}

# packets FILE FILTER: how many of a capture match. tcpdump reads what tshark takes seconds for.
packets() {
	tcpdump -nr "$1" "$2" 2>/dev/null | wc -l
}

# alive PROGRAM...: the nodes on which one of them runs.
alive() {
	"$lab" status --json | python3 -c '
import json, sys
for p in json.load(sys.stdin)["programs"]:
    if p["alive"] and p["program"] in sys.argv[1:]:
        print(p["node"])' "$@"
}

# balance NODE: how many packets its appliance lost without a name. What came in from the wire, from
# other lcores or was made here went out, over, up or was dropped. "busy": packets came meanwhile, so that
# the sums of several lcores are not of one moment.
balance() {
	on "$1" sh -c 'ntmctl stats --json && ntmctl stats --json' | python3 -c '
import json, sys
text, decode = sys.stdin.read(), json.JSONDecoder().raw_decode
first, end = decode(text)
s = decode(text[end:].lstrip())[0]
c = s["counters"]
come = c["rx"] + c["from_mailbox"] + c["created"]
gone = sum(c[k] for k in ("tx", "to_tap", "to_control", "to_dc", "steered", "consumed", "held"))
gone += sum(d["count"] for d in s["drops"])
busy = any(first["counters"][k] != c[k] for k in ("rx", "from_mailbox", "created", "tx"))
print(0 if come == gone else "busy" if busy else come - gone)'
}

# accounted NODE: its balance comes to 0 within 10 s, or it is never quiet for that long.
accounted() {
	local end=$((SECONDS + 10)) last seen=busy
	until last=$(balance "$1") && [ "$last" = 0 ]; do
		[ "$last" = busy ] || seen=$last
		if [ $SECONDS -ge $end ]; then
			[ "$seen" = busy ] && echo "$scenario: $1 is too busy for its account" && return 0
			echo "$scenario: packets are unaccounted for at $1: $seen" >&2
			return 1
		fi
		sleep 0.1
	done
}

# What the kernel lost in a node's namespace: per interface, and of UDP. Nothing where it lost nothing.
kernel_drops() {
	"$lab" exec "$1" awk -v node="$1" '
		/:/ && FILENAME ~ /dev$/ && $1 != "lo:" && ($5 > 0 || $13 > 0) {
			print node, $1, "rx dropped", $5, "tx dropped", $13 }
		/^Udp: [0-9]/ && ($6 > 0 || $7 > 0) { print node, "UDP no room to receive", $6, "to send", $7 }
		' /proc/net/dev /proc/net/snmp
}

dump() {
	"$lab" status || return 0
	local node
	for node in $("$lab" status --json | python3 -c 'import json, sys; print(*json.load(sys.stdin)["spaces"])'); do
		kernel_drops "$node" || true
	done
	for node in $(alive ntmd ntm-appliance); do
		echo "--- ntmctl stats on $node"
		timeout 5 "$lab" exec "$node" ntmctl stats || true
	done
	local log
	for log in "${NTM_LAB_DIR:-/run/ntm-lab}/$NTM_LAB"/log/*ntm*.log; do
		[ -e "$log" ] || continue
		echo "--- $log"
		tail -n 30 "$log"
	done
}

cleanup() {
	local code=$?
	trap - EXIT INT TERM
	set +e
	if [ $code = 0 ]; then
		local node
		for node in $(alive ntm-appliance 2>/dev/null); do
			accounted "$node" || code=1
		done
	fi
	if [ $code != 0 ] && [ $code != 77 ]; then
		dump >&2
	fi
	"$lab" down || [ $code != 0 ] || code=1
	rm -rf "$tmp"
	exit $code
}
trap cleanup EXIT
trap 'exit 130' INT
trap 'exit 143' TERM

[ "$(id -u)" = 0 ] || skip "needs root"
