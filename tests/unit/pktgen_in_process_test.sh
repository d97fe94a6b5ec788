#!/bin/bash
# SPDX-License-Identifier: BSD-3-Clause
# The generator against the real packet path over net_ring, in one process: every packet sent is
# received, once, in order, unaltered, all four ways. Usage: pktgen_in_process_test.sh NTM-PKTGEN
set -euo pipefail

out=$(mktemp)
cpus=0-$(($(nproc --all) - 1))
trap 'rm -f "$out"' EXIT
# A slow rate, and rings larger than what may be under way: whatever else runs on the machine,
# nothing may be lost.
"$1" --lcores "0@($cpus),1@($cpus)" --no-pci --no-huge --no-telemetry --no-shconf -m 256 \
	--file-prefix="ntm-pktgen-$$" --log-level=error -- --in-process --legs 10 --paths 200 --flows 50 \
	--sizes 44,64,577,1400 --rate 10000 --seconds 1 --check 1 --ring 16384 --json "$out"
python3 - "$out" <<'EOF'
import json, sys
run = json.load(open(sys.argv[1]))["runs"][0]
assert run["corrupt"] == 0 and run["strange"] == 0, run
assert sorted(run["ways"]) == ["rs_n.in", "rs_n.out", "rs_s.a", "rs_s.b"], run
for name, way in run["ways"].items():
    assert way["sent"] > 100, (name, way)
    assert way["sent"] == way["received"], (name, way, run["drops"])
    for what in ("refused", "lost", "duplicate", "reordered", "late", "foreign"):
        assert way[what] == 0, (name, what, way)
assert run["drops"] == {}, run["drops"]
EOF
