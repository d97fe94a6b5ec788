#!/bin/bash
# SPDX-License-Identifier: BSD-3-Clause
# Configurations and surroundings that cannot work, for both programs: an unknown key, a bad value,
# a busy port, a missing privilege, too little memory. Each is one clear line on standard error,
# with file, line and key where a key is to blame, and an exit status that is not zero. Nothing of
# the failed start is left.
#
#   alice, client -- [internet] -- ap1 (RS and DC)
. "$(dirname "$0")/_init.sh"

lab_up "$top/tests/lab/two_workers.toml"
dir=${NTM_LAB_DIR:-/run/ntm-lab}/$NTM_LAB/nodes
"$lab" stop alice ntmd
"$lab" stop ap1 ntm-appliance
chmod 755 "$tmp"

# refused NODE PROGRAM SED-EXPRESSION ERE [WRAPPER...]: its good configuration so changed.
refused() {
	local node=$1 program=$2 edit=$3 words=$4 status=0
	shift 4
	sed "$edit" "$dir/$node/$program.yaml" >"$tmp/bad.yaml"
	chmod 644 "$tmp/bad.yaml"
	on "$node" timeout 30 "$@" "$(command -v "$program" || echo "$top/build/$(paths "$program")")" \
		--config "$tmp/bad.yaml" 2>"$tmp/why" >&2 || status=$?
	case $status in
	0) fail "$program starts: $words" ;;
	124) fail "$program neither starts nor ends: $words" ;;
	1 | 2) ;;
	*) fail "$program ends with $status: $words: $(cat "$tmp/why")" ;;
	esac
	saw "$words" <"$tmp/why" || fail "$program: instead of '$words': $(cat "$tmp/why")"
	echo "$program: $(awk -v p="${words//\\/\\\\}" '$0 ~ p { print; exit }' "$tmp/why")"
}
paths() {
	case $1 in
	ntmd) echo client/ntmd ;;
	*) echo appliance/ntm-appliance ;;
	esac
}

# Keys and values, by file, line and key.
refused ap1 ntm-appliance 's/^lcores:/lcorez:/' 'bad.yaml:[0-9]+: lcorez: '
refused ap1 ntm-appliance '1i log_level: loud' 'bad.yaml:1: log_level: '
refused ap1 ntm-appliance '1i hung_after: 5y' 'bad.yaml:1: hung_after: '
refused ap1 ntm-appliance 's/^rs:/&\n  legs: 5/' 'bad.yaml:[0-9]+: rs.legs: '
refused alice ntmd '1i prot: 5525' 'bad.yaml:1: prot: '
refused alice ntmd '1i port: 65536' 'bad.yaml:1: port: '
refused alice ntmd '1i dc: {key: AAEC}' 'bad.yaml:1: dc.key: '
refused alice ntmd '/^join:/s/"ntm1:.*/"ntm1:x"/' 'bad.yaml:[0-9]+: join: '
refused alice ntmd '1i dc: [' 'bad.yaml:[0-9]+: '

# A busy port: that of the node's stub resolver. (Of the appliance's ports none is the kernel's before
# its TAP is there.)
hold() { # hold NODE ADDRESS PORT
	"$lab" exec "$1" timeout 60 python3 -c '
import socket, sys, time
kinds = (socket.SOCK_STREAM, socket.SOCK_DGRAM)
held = [socket.socket(socket.AF_INET, k) for k in kinds]
for s in held:
    s.bind((sys.argv[1], int(sys.argv[2])))
held[0].listen()
print("held", flush=True)
time.sleep(60)' "$2" "$3" >"$tmp/held" &
	holder=$!
	wait_often 10 grep -q held "$tmp/held" || fail "cannot hold $2 port $3"
}
hold alice 127.0.0.153 53
refused alice ntmd '' '127\.0\.0\.153.*(in use|Address already)'
kill $holder
wait $holder || true

# No privilege, and no memory.
refused ap1 ntm-appliance '' 'err .*(ermi|privilege|root)' setpriv --reuid 65534 --clear-groups
refused alice ntmd '' 'ermission|not permitted' setpriv --reuid 65534 --clear-groups
refused ap1 ntm-appliance 's/^rs:/&\n  paths: 4194304/' 'rs.paths.*annot allocate memory' \
	prlimit --as=1000000000
refused ap1 ntm-appliance 's/mailbox: 16384/packets: 4194303/' 'tables.packets'
on ap1 test ! -e "/run/dpdk/ntm-lab-$NTM_LAB-ap1" || fail "a failed start leaves /run/dpdk"
[ -z "$(on ap1 ip -o link show wan 2>/dev/null)" ] || fail "a failed start leaves the TAP"
[ -z "$(on alice ip -o link show ntm0 2>/dev/null)" ] || fail "a failed start leaves the TUN"

# The good ones still start.
"$lab" start ap1 ntm-appliance
"$lab" start alice ntmd
