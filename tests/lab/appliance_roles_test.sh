#!/bin/bash
# SPDX-License-Identifier: BSD-3-Clause
# The roles RS and DC in one process: the RS enrols at its DC, the name server answers dig, drill
# and Unbound by UDP and TCP over both families, invitations survive kill -9, DPDK's telemetry
# shows the same figures as ntmctl, and what cannot start says so in one line.
. "$(dirname "$0")/_init.sh"

lab_up "$top/tests/lab/roles.toml" --bare
"$lab" start ap1 ntm-appliance
cfg=${NTM_LAB_DIR:-/run/ntm-lab}/$NTM_LAB/nodes/ap1/ntm-appliance.yaml

registered() {
	on ap1 ntmctl status --json | grep -q '"registered": true'
}
wait_for 10 registered || fail "the RS does not register at its DC"

# Names: at the server itself, by both families and transports, and through a resolver.
dig_short() {
	on client dig +short +time=3 +tries=1 "$@"
}
for server in 20.0.0.10 2600:2000::10; do
	for how in +notcp +tcp; do
		assert_eq "mark $server $how" '"NTM1 DC"' "$(dig_short $how @$server ns.dc1.ntm.example TXT)"
	done
done
assert_eq "address of the name server" 20.0.0.10 "$(dig_short @20.0.0.54 ns.dc1.ntm.example A)"
assert_eq "NS" ns.dc1.ntm.example. "$(dig_short @20.0.0.10 dc1.ntm.example NS)"
on client drill -Q @20.0.0.10 dc1.ntm.example SOA | grep -q hostmaster.dc1 || fail "drill: no SOA"
on client dig +time=3 +tries=1 @20.0.0.10 nobody.dc1.ntm.example | grep -q 'status: NXDOMAIN' ||
	fail "a name nobody has: no NXDOMAIN"
on client dig +time=3 +tries=1 @20.0.0.10 web.site.example | grep -q 'status: REFUSED' ||
	fail "another's zone is not refused"

# Many queries on one connection, and more connections than there are places.
on client sh -c 'for i in $(seq 1 40); do echo "n$i.dc1.ntm.example A"; done >"$1"
	dig +tcp +keepopen +noall +comments +time=5 @20.0.0.10 -f "$1"' sh "$tmp/many" |
	grep -c 'status: NXDOMAIN' >"$tmp/count"
assert_eq "answers on one connection" 40 "$(cat "$tmp/count")"

# Invitations are durable: kill -9, start again, the node is still invited and the DC is the same.
on ap1 ntmctl node add alice --json >"$tmp/invitation"
key=$(python3 -c 'import json, sys; print(json.load(open(sys.argv[1]))["dc_public_key"])' "$tmp/invitation")
"$lab" stop ap1 ntm-appliance --signal KILL
"$lab" start ap1 ntm-appliance
on ap1 ntmctl node list --json | grep -q '"alice.dc1.ntm.example"' || fail "the invitation is lost"
on ap1 ntmctl node add bob --json >"$tmp/invitation"
assert_eq "key of the DC" "$key" \
	"$(python3 -c 'import json, sys; print(json.load(open(sys.argv[1]))["dc_public_key"])' "$tmp/invitation")"
wait_for 10 registered || fail "the RS does not come back to its DC"
on ap1 ntmctl node del alice
if on ap1 ntmctl node list --json | grep -q '"alice.dc1.ntm.example"'; then fail "deleted, yet there"; fi

# DPDK's telemetry socket: the same figures.
on ap1 python3 - "/run/dpdk/ntm-lab-$NTM_LAB-ap1/dpdk_telemetry.v2" >"$tmp/telemetry" <<'PY'
import json, socket, sys
s = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
s.connect(sys.argv[1])
s.recv(4096)
for cmd in ("/ntm/stats", "/ntm/drops", "/ntm/stages", "/ntm/worker,1"):
    s.send(cmd.encode())
    print(json.dumps(json.loads(s.recv(65536))))
PY
python3 - "$tmp/telemetry" <<'PY' || fail "telemetry: $(cat "$tmp/telemetry")"
import json, sys
stats, drops, stages, worker = [next(iter(json.loads(l).values())) for l in open(sys.argv[1])]
assert stats["rx"] > 0 and "TX_FULL" in drops and stages["parse"]["packets"] > 0
assert worker["loops"] > 0 and worker["rx"] <= stats["rx"]
PY

# Reload: what needs a restart is refused and named, the rest is taken over.
sed 's/^lcores:/log_level: "debug"\nlcores:/' "$cfg" >"$tmp/new" && cat "$tmp/new" >"$cfg"
on ap1 ntmctl reload --json >"$tmp/reload"
grep -q '"log_level"' "$tmp/reload" || fail "reload: $(cat "$tmp/reload")"
sed 's/workers: 2/workers: 3/' "$cfg" >"$tmp/new" && cat "$tmp/new" >"$cfg"
on ap1 ntmctl reload --json >"$tmp/reload" || true
grep -q 'lcores.workers' "$tmp/reload" || fail "reload: $(cat "$tmp/reload")"
sed 's/workers: 3/workers: 2/' "$cfg" >"$tmp/new" && cat "$tmp/new" >"$cfg"
"$lab" stop ap1 ntm-appliance

# One clear line and a failure: refused LINE-PATTERN, on the configuration in $tmp/bad.
refused() {
	if on ap1 timeout 20 ntm-appliance --config "$tmp/bad" 2>"$tmp/why"; then fail "started: $1"; fi
	grep -q "$1" "$tmp/why" || fail "instead of '$1': $(cat "$tmp/why")"
}
sed 's/^lcores:/lcorez:/' "$cfg" >"$tmp/bad" && refused 'lcorez'
sed 's/iface=ap0/iface=nosuch/' "$cfg" >"$tmp/bad" && refused 'port net_af_packet0'
sed 's/^lcores:/tables:\n  packets: 4194303\nlcores:/' "$cfg" >"$tmp/bad" && refused 'tables.packets'
sed 's#^lcores:#control_socket: /proc/none/x\nlcores:#' "$cfg" >"$tmp/bad" && refused 'control socket'
on ap1 test ! -e "/run/dpdk/ntm-lab-$NTM_LAB-ap1" || fail "a failed start leaves /run/dpdk"
[ -z "$(on ap1 ip -o link show wan 2>/dev/null)" ] || fail "a failed start leaves the TAP"
cp "$cfg" "$tmp/bad" && chmod 755 "$tmp" && chmod 644 "$tmp/bad"
if on ap1 setpriv --reuid 65534 --clear-groups timeout 20 \
	"$top/build/appliance/ntm-appliance" --config "$tmp/bad" 2>"$tmp/why"; then
	fail "started without privilege"
fi
[ -s "$tmp/why" ] || fail "no word about missing privilege"

# And the good one still starts.
"$lab" start ap1 ntm-appliance
wait_for 10 registered || fail "the RS does not register after all this"
"$lab" stop ap1 ntm-appliance

# Addresses left to others: none at the start, and the roles come to life when there is one.
python3 - "$cfg" >"$tmp/kernel" <<'PY'
import re, sys
text = open(sys.argv[1]).read()
text = re.sub(r'( +)addresses:\n( +- .*\n)+', r'\1addresses: ["kernel"]\n', text)
print(re.sub(r' +gateways:\n( +- .*\n)+', '', text), end="")
PY
on ap1 ntm-appliance --config "$tmp/kernel" 2>"$tmp/log" &
running() {
	on ap1 ntmctl status --json | grep -q '"running"'
}
wait_for 10 running || fail "without addresses: $(cat "$tmp/log")"
if registered; then fail "registered without an address"; fi
on ap1 ip address add 20.0.0.10/24 dev wan
wait_for 10 registered || fail "an address came, the RS did not: $(cat "$tmp/log")"
assert_eq "address of the name server" 20.0.0.10 "$(dig_short @20.0.0.10 ns.dc1.ntm.example A)"
assert_eq "mark by TCP" '"NTM1 DC"' "$(dig_short +tcp @20.0.0.10 ns.dc1.ntm.example TXT)"
on ap1 kill -TERM "$(on ap1 ntmctl status --json | python3 -c 'import json, sys; print(json.load(sys.stdin)["pid"])')"
wait
on ap1 test ! -e "/run/dpdk/ntm-lab-$NTM_LAB-ap1" || fail "/run/dpdk is left at the end"
