#!/bin/bash
# SPDX-License-Identifier: BSD-3-Clause
# An appliance as on a CPU without AES-NI: it says who protects packets instead, and a download through
# RS-N comes out right.
#
#   alice -- lan-a -- [A] -- internet -- ap1 (RS-N) -- web
. "$(dirname "$0")/_init.sh"

sed '/^\[appliance.ap1\]/a config.rs.aead = "noaesni"' "$top/tests/lab/rekey.toml" >"$tmp/lab.toml"
lab_up "$tmp/lab.toml"

aead=$(on ap1 ntmctl status | sed -n 's/.*rs.aead: *//p')
echo "rs.aead: $aead"
case $aead in
OpenSSL*noaesni) ;;
*) fail "status says '$aead'" ;;
esac
want=$("$lab" status --json | python3 -c 'import json, sys; print(json.load(sys.stdin)["file_sha256"])')
assert_eq "digest by RS-N" "$want" "$(on alice curl -sf --max-time 40 \
	http://web.site.example/file.bin | sha256sum | cut -d' ' -f1)"
