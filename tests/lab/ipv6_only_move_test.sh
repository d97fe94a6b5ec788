#!/bin/bash
# SPDX-License-Identifier: BSD-3-Clause
# E-04: alice walks out of her dual-stack home into a network that has IPv6 alone, and back, while a
# TCP connection and probes to bob and downloads over inner IPv4 and IPv6 from web go on. In the
# middle bob loses his IPv6 address: what goes between the two is then switched from one family to
# the other by the RS, and so is the download over IPv4 all the time.
#
#   alice -- home-a (v4, v6) -- [A] --+
#     |                               +- internet -+-- ap1 (RS and DC)
#     +----- six (v6 only) ---- [S] --+            +-- web
#   bob ---- home-b (v4, v6) -- [B] --+
. "$(dirname "$0")/_init.sh"
. "$top/tests/lab/_flow.sh"

lab_up dual
bob=bob.dc1.ntm.example
web=web.site.example

# json NODE COMMAND EXPRESSION: of the answer d.
json() {
	on "$1" ntmctl "$2" --json | python3 -c "import json, sys; d = json.load(sys.stdin); print($3)"
}
path() {
	json alice paths "*[p['$1'] for p in d['paths'] if p['peer'] == '$bob']"
}
probes() {
	grep -c 'bytes from' "$tmp/ping"
}
# more_probes N: that many further answers come.
more_probes() {
	local want=$(($(probes) + $1))
	wait_often 15 sh -c "[ \$(grep -c 'bytes from' '$tmp/ping') -ge $want ]"
}
# download FAMILY FILE: 50 MB, paced to last 24 s.
download() {
	on alice bash -c 'set -o pipefail; curl -sSf "$1" --max-time 90 "$2" | sha256sum' bash "$1" \
		"http://$web/paced/file.bin?rate=2100k" >"$2"
}

on alice ping -c 1 -W 5 $bob >/dev/null || fail "no answer before"
wait_for 20 sh -c "[ \"\$('$lab' exec alice ntmctl paths --json | grep -c direct)\" -ge 1 ]" ||
	fail "no direct route at home"
id=$(path id)
relayed=$(counter ap1 counters relayed)

flow_begin tcp alice $bob 4
"$lab" exec alice ping -D -i 0.01 -w 60 $bob >"$tmp/ping" &
ping=$!
download -4 "$tmp/sha4" &
get4=$!
download -6 "$tmp/sha6" &
get6=$!
more_probes 100 || fail "no probes at home"

"$lab" move alice six
more_probes 200 || fail "nothing passes in the IPv6 network"
assert_eq "links of alice" 0 "$(json alice status "sum('.' in l['address'] for l in d['links'])")"

# bob at IPv4 alone, alice at IPv6 alone: only the RS joins them (P-06).
v6=$(on bob ip -6 -br addr show dev eth0 scope global | awk '{ print $3 }')
on bob ip -6 addr del "$v6" dev eth0
more_probes 200 || fail "nothing passes between the families"
wait_for 10 test "$(path route)" = rs-s || fail "the route is $(path route)"
more_probes 100 || fail "the relay holds no longer"
[ "$(counter ap1 counters relayed)" -gt $((relayed + 200)) ] || fail "the RS relayed nothing"

"$lab" move alice home-a
more_probes 200 || fail "nothing passes back home"
on bob ip -6 addr add "$v6" dev eth0 nodad
more_probes 100 || fail "nothing passes with all addresses back"
for get in $get4 $get6; do
	[ -e /proc/$get ] || fail "a download ended before the moves did"
done
kill $ping
wait $ping || true
flow_more tcp || fail "nothing passes in the end"
flow_end tcp

wait $get4 || fail "the download over IPv4 broke"
wait $get6 || fail "the download over IPv6 broke"
want=$("$lab" status --json | python3 -c 'import json, sys; print(json.load(sys.stdin)["file_sha256"])')
assert_eq "what came over IPv4" "$want" "$(cut -d' ' -f1 "$tmp/sha4")"
assert_eq "what came over IPv6" "$want" "$(cut -d' ' -f1 "$tmp/sha6")"
assert_eq "the path" "$id" "$(path id)"
assert_eq "paths that alice lost" 0 "$(counter alice counters core PATHS_LOST)"
python3 - "$tmp/ping" <<'PY'
import re, sys
at = [float(m) for m in re.findall(r"\[([0-9.]+)\].*bytes from", open(sys.argv[1]).read())]
gaps = sorted((b - a for a, b in zip(at, at[1:])), reverse=True)
print("longest pauses, ms:", *(f"{g * 1000:.0f}" for g in gaps[:4]),
      f"of {len(at)} probes")
PY
