#!/bin/bash
# SPDX-License-Identifier: BSD-3-Clause
# ssh over inner IPv6 while the outer network takes 1280 bytes: an IPv6 packet of 1280 goes in two
# parts, as IPv6 promises its users. More than a megabyte each way, TCP in bulk over inner IPv4 and
# IPv6 besides. On one side the small MTU is the link's own, on the other a black hole on the way.
#
#   alice (1500) -- lan-a -- [A 1280] --+
#                                       +- internet -- ap1 (RS and DC)
#   bob (1280) ----- lan-b -- [B] ------+
. "$(dirname "$0")/_init.sh"

[ -x /usr/sbin/sshd ] || skip "no sshd (devtools/install-deps test)"
lab_up "$top/tests/lab/ssh.toml"
bob=bob.dc1.ntm.example

for key in host user; do
	ssh-keygen -q -t ed25519 -N '' -f "$tmp/$key"
done
cp "$tmp/user.pub" "$tmp/authorized"
echo "$bob $(cut -d' ' -f1,2 "$tmp/host.pub")" >"$tmp/known"
cat >"$tmp/sshd_config" <<-EOF
	ListenAddress ::
	HostKey $tmp/host
	AuthorizedKeysFile $tmp/authorized
	PidFile none
	PermitRootLogin prohibit-password
	StrictModes no
	UsePAM no
EOF
on bob mkdir -p /run/sshd
on bob /usr/sbin/sshd -D -e -f "$tmp/sshd_config" 2>"$tmp/sshd.log" &
wait_for 10 on bob sh -c 'ss -Hltn | grep -q ":22 "' || fail "sshd: $(cat "$tmp/sshd.log")"

remote() {
	on alice ssh -6 -F none -i "$tmp/user" -o "UserKnownHostsFile=$tmp/known" -o BatchMode=yes \
		-o ConnectTimeout=15 -o ServerAliveInterval=5 root@$bob "$@"
}

"$lab" capture alice "$tmp/alice.pcap"
"$lab" capture A "$tmp/a.pcap"
"$lab" capture B "$tmp/b.pcap"
# The smallest packet that IPv6 lets nobody refuse, and answers as large: 1232 + 48 bytes.
wait_for 15 on alice ping -6 -c 1 -W 1 -s 1232 $bob || fail "1280 bytes do not pass"

head -c 1500000 /dev/urandom >"$tmp/file"
remote "cat >$tmp/there" <"$tmp/file" || fail "ssh to bob: $(tail -3 "$tmp/sshd.log")"
cmp "$tmp/file" "$tmp/there" || fail "what bob got is not what alice sent"
remote "cat $tmp/file" >"$tmp/back" || fail "ssh from bob: $(tail -3 "$tmp/sshd.log")"
cmp "$tmp/file" "$tmp/back" || fail "what alice got is not what bob sent"
remote 'echo $SSH_CONNECTION' | saw '^fd4e:544d:1:' || fail "ssh did not go by inner IPv6"

megabytes() { # of `iperf3 -J`
	python3 -c 'import json, sys; print(json.load(open(sys.argv[1]))["end"]["sum_received"]["bytes"] / 1e6)' \
		"$1"
}
for how in "-4" "-4 -R" "-6" "-6 -R"; do
	# shellcheck disable=SC2086
	on alice iperf3 $how -J -c $bob -t 2 >"$tmp/tcp" || fail "iperf3 $how: $(tail -3 "$tmp/tcp")"
	assert_range "MB by iperf3 $how" 1 2000 "$(megabytes "$tmp/tcp")"
done
for net in alice A B; do
	"$lab" capture $net stop
done

# On the wire: no fragments; beyond the narrow place nothing above 1280 bytes; before it only the
# node's search for the size of its path, which is some dozens of datagrams.
large() {
	packets "$tmp/$1.pcap" 'udp and ip[2:2] > 1280'
}
for net in alice a b; do
	assert_eq "fragments at $net" 0 "$(packets "$tmp/$net.pcap" 'ip[6:2] & 0x3fff != 0')"
done
assert_eq "large packets behind A" 0 "$(large a)"
assert_eq "large packets behind B" 0 "$(large b)"
assert_range "large packets of alice" 1 60 "$(large alice)"
for node in alice bob; do
	[ "$(counter $node counters path TX_PARTS)" -gt 500 ] || fail "$node sent few in two parts"
done
echo "in two parts: alice $(counter alice counters path TX_PARTS)," \
	"bob $(counter bob counters path TX_PARTS); alice's search: $(large alice) large packets"
