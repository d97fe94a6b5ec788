#!/bin/bash
# SPDX-License-Identifier: BSD-3-Clause
# Frames of 9,000 bytes to the box and from it: through DPDK, ring and TAP, whole.
#
#   ap1 (MTU 9000) == internet == web (MTU 9000)
. "$(dirname "$0")/_init.sh"

lab_up "$top/tests/lab/jumbo.toml"

on web ping -M do -s 8972 -c 3 -i 0.2 -W 5 20.0.1.10 || fail "no echo of 9,000 bytes"
on ap1 ping -M do -s 8972 -c 3 -i 0.2 -W 5 20.0.1.80 || fail "none from the box"

stats ap1 | python3 -c '
import json, sys
bad = [d["name"] for d in json.load(sys.stdin)["drops"] if d["name"] in ("MULTI_SEG", "MTU", "NO_MBUF") and d["count"]]
sys.exit(f"dropped: {bad}" if bad else 0)' || fail "drops"
