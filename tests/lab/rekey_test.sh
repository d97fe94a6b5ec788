#!/bin/bash
# SPDX-License-Identifier: BSD-3-Clause
# New keys every 200 packets, more than a hundred times under UDP in both directions and under TCP: no
# packet is lost to it, at 40 ms of round trip. The RS-N tunnel does the same under a download.
#
#   alice -- lan-a -- [A] --+
#                           +- internet -+-- ap1 (RS and DC)
#   bob ---- lan-b -- [B] --+            +-- web
. "$(dirname "$0")/_init.sh"

lab_up "$top/tests/lab/rekey.toml"
bob=bob.dc1.ntm.example
on alice ping -c 1 -W 5 $bob >/dev/null || fail "no answer before"

rekeys() { # rekeys KIND: of alice's session of that kind
	on alice ntmctl sessions --json | python3 -c '
import json, sys
print(*[s["rekeys"] for s in json.load(sys.stdin)["sessions"] if s["kind"] == sys.argv[1]])' "$1"
}
clean() { # no drop that new keys could explain, on either node or at RS-N
	local node
	for node in alice bob ap1; do
		stats $node | python3 -c '
import json, sys
bad = [(d["name"], d["count"]) for d in json.load(sys.stdin)["drops"] if d["count"] and d["name"] in (
    "RX_REPLAY", "RX_AUTH", "RX_EPOCH", "RX_KEY_EXPIRED", "RX_SESSION", "TX_HOLD_EXPIRED", "TX_SEAL",
    "NO_KEY", "KEY_SPENT", "REPLAY", "WINDOW_FULL", "AUTH")]
sys.exit(f"{sys.argv[1]}: {bad}" if bad else 0)' $node || fail "drops at $node"
	done
}

on alice iperf3 -J -u -c $bob -b 9M -l 1000 -t 26 --bidir >"$tmp/udp" || fail "iperf3: $(tail -3 "$tmp/udp")"
clean
udp=$(rekeys path)
python3 - "$tmp/udp" <<'PY' || fail "UDP packets were lost"
import json, sys
end = json.load(open(sys.argv[1]))["end"]
lost = [end[k]["lost_packets"] for k in ("sum", "sum_bidir_reverse") if k in end]
sent = [end[k]["packets"] for k in ("sum", "sum_bidir_reverse") if k in end]
print(f"UDP: {sent} packets, lost {lost}")
sys.exit(any(lost) or sum(sent) < 45000)
PY
echo "rekeys of the path under UDP: $udp"
assert_range "rekeys of the path" 100 300 "$udp"

on alice iperf3 -J -c $bob -t 4 >"$tmp/tcp" || fail "TCP: $(tail -3 "$tmp/tcp")"
clean
echo "rekeys after TCP: $(rekeys path)"
[ "$(rekeys path)" -gt "$udp" ] || fail "no rekey under TCP"

want=$("$lab" status --json | python3 -c 'import json, sys; print(json.load(sys.stdin)["file_sha256"])')
assert_eq "digest by RS-N" "$want" "$(on alice curl -sf --max-time 40 \
	http://web.site.example/file.bin | sha256sum | cut -d' ' -f1)"
clean
echo "rekeys of the leg under the download: $(rekeys leg)"
[ "$(rekeys leg)" -ge 5 ] || fail "the leg was not rekeyed"
