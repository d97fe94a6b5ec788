#!/bin/bash
# SPDX-License-Identifier: BSD-3-Clause
# Every NAT class of the lab maps and filters as RFC 4787 describes it, and its mappings outlive a
# change of class but not a flush.
. "$(dirname "$0")/_init.sh"

lab_up "$top/tests/lab/nat.toml" --bare
python3 "$top/tests/lab/nat_probe.py" "$lab" alice A \
	full-cone address-restricted port-restricted address-dependent symmetric

# Nobody outside opens a connection to what is behind the box.
on internet ip route add 192.168.1.0/24 via 20.0.11.2
! on web ping -c1 -W1 192.168.1.100 >/dev/null || fail "the box forwards what nobody asked for"

# TCP and ping pass, and the other family passes untranslated.
on alice curl -sf --max-time 10 http://web.site.example/index.html >/dev/null || fail "no TCP"
on alice ping -c1 -W5 web.site.example >/dev/null || fail "no ping"
on alice ping -6 -c1 -W5 2600:2000::80 >/dev/null || fail "no IPv6"
on alice curl -sf6 --max-time 10 http://web.site.example/index.html >/dev/null || fail "no TCP on 6"
! on web ping -6 -c1 -W1 2600:2000:a::100 >/dev/null || fail "the box lets IPv6 in unasked"
