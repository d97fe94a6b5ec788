#!/bin/bash
# SPDX-License-Identifier: BSD-3-Clause
# `ntmctl reload` and SIGHUP, at appliance and node, while traffic runs: what may change does, what
# needs a restart is refused by name, a file with errors by its line, and then nothing of the file
# is taken over. No packet is lost to any of it.
#
#   alice -- lan-a -- [A] --+
#                           +- internet -+-- ap1 (RS and DC)
#   bob ---- lan-b -- [B] --+            +-- web
. "$(dirname "$0")/_init.sh"
. "$top/tests/lab/_flow.sh"

lab_up demo
bob=bob.dc1.ntm.example
nodes=${NTM_LAB_DIR:-/run/ntm-lab}/$NTM_LAB/nodes
ap1=$nodes/ap1/ntm-appliance.yaml
alice=$nodes/alice/ntmd.yaml
cp "$ap1" "$tmp/ap1.good"
cp "$alice" "$tmp/alice.good"

edit() { # edit FILE GOOD SED-EXPRESSION: the good one, changed, in place
	sed "$3" "$2" >"$tmp/new"
	cat "$tmp/new" >"$1"
}
reload() { # reload NODE: the answer to $tmp/answer, a refusal to $tmp/refusal
	on "$1" ntmctl reload --json >"$tmp/answer" 2>"$tmp/refusal"
}
changed() { # of the answer: KEY:WAS:IS, sorted
	python3 -c 'import json, sys
print(*sorted(f"{c['"'key'"']}:{c['"'was'"']}:{c['"'is'"']}" for c in json.load(sys.stdin)["changed"]))' \
		<"$tmp/answer"
}
refused() { # refused NODE ERE: the reload, in these words, without a change
	! reload "$1" || fail "$1 takes over what it should refuse: $2"
	cat "$tmp/answer" >>"$tmp/refusal"
	saw "$2" <"$tmp/refusal" || fail "$1: instead of '$2': $(cat "$tmp/refusal")"
}
pid() {
	on "$1" ntmctl status --json | python3 -c 'import json, sys; print(json.load(sys.stdin)["pid"])'
}

on alice ping -c 1 -W 5 $bob >/dev/null || fail "no answer before"
pids="$(pid ap1) $(pid alice)"
flow_begin v4 alice $bob 4
"$lab" exec alice ping -i 0.02 -w 100 $bob >"$tmp/ping" &
ping=$!
wait_often 10 grep -q icmp_seq=20 "$tmp/ping" || fail "no probes"

# The appliance: three keys that may change, each told with what it was.
new='1i log_level: debug\nhung_after: 7s\ntables: {hold_total: 64}
'
edit "$ap1" "$tmp/ap1.good" "$new"
reload ap1 || fail "refused: $(cat "$tmp/refusal")"
assert_eq "changed" "hung_after:5s:7s log_level:info:debug tables.hold_total:256:64" "$(changed)"
reload ap1 || fail "the same file again is refused"
assert_eq "changed by the same file" "" "$(changed)"

# What needs a restart is named, what is wrong stands at its line; either way nothing is taken over.
edit "$ap1" "$tmp/ap1.good" "${new/debug/err}s/^rs:/&\n  legs: 8192/"
refused ap1 'rs\.legs'
edit "$ap1" "$tmp/ap1.good" "${new/debug/err}s/^rs:/&\n  legz: 8192/"
refused ap1 "ntm-appliance.yaml:$(grep -n legz "$ap1" | cut -d: -f1): rs.legz: unknown"
edit "$ap1" "$tmp/ap1.good" "${new/7s/7y}"
refused ap1 'ntm-appliance.yaml:2: hung_after: '
mv "$ap1" "$tmp/away"
refused ap1 'ntm-appliance.yaml: .*No such file'
mv "$tmp/away" "$ap1"
edit "$ap1" "$tmp/ap1.good" "$new"
reload ap1 || fail "the file before is refused"
assert_eq "changed by the file before" "" "$(changed)"

# By signal: the same. The good file again, so the level is what it was.
edit "$ap1" "$tmp/ap1.good" ""
on ap1 kill -HUP "$(pid ap1)"
wait_often 10 grep -q 'changed log_level was=debug is=info' \
	"$(dirname "$nodes")/log/ap1.ntm-appliance.log" || fail "SIGHUP changes nothing"

# The node: what goes through the relay. Who came to the web host says which way it went.
via() { # via ADDRESS-PATTERN: a new look-up and connection come to the web host from there
	on alice curl -sf --max-time 10 -o /dev/null http://web.site.example/index.html || return 1
	# shellcheck disable=SC2254
	case $(tail -1 "$(dirname "$nodes")/nginx-web/access.log" | cut -d' ' -f2) in
	$1) ;;
	*) return 1 ;;
	esac
}
via '20.0.2.*' || fail "web is not served by RS-N"
edit "$alice" "$tmp/alice.good" '1i log: {level: debug}
	s/"web.site.example"/"else.site.example"/'
reload alice || fail "refused: $(cat "$tmp/refusal")"
assert_eq "changed" "log.level:info:debug relay.names:[web.site.example]:[else.site.example]" "$(changed)"
via 20.0.11.2 || fail "web is still served by RS-N"

edit "$alice" "$tmp/alice.good" '1i port: 5600\nlog: {level: err}'
refused alice '"?port"?'
edit "$alice" "$tmp/alice.good" '1i log: {level: err}\nrelais: 1'
refused alice 'ntmd.yaml:2: relais: unknown'
edit "$alice" "$tmp/alice.good" 's/"web.site.example"/"not a name"/'
refused alice 'ntmd.yaml:[0-9]+: relay.names: '
edit "$alice" "$tmp/alice.good" ""
reload alice || fail "the good file is refused: $(cat "$tmp/refusal")"
assert_eq "changed back" \
	"log.level:debug:info relay.names:[else.site.example]:[web.site.example]" "$(changed)"
wait_for 40 via '20.0.2.*' || fail "web is not served by RS-N again"

# Nobody was restarted, and the traffic noticed nothing.
assert_eq "processes" "$pids" "$(pid ap1) $(pid alice)"
kill $ping
wait $ping || true
flow_end v4
seqs=$(sed -n 's/.*bytes from.*icmp_seq=\([0-9]*\).*/\1/p' "$tmp/ping" | sort -nu)
echo "probes: $(wc -l <<<"$seqs")"
assert_eq "probes answered of those up to the last that was" "$(tail -n 1 <<<"$seqs")" "$(wc -l <<<"$seqs")"
