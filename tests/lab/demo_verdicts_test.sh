#!/bin/bash
# SPDX-License-Identifier: BSD-3-Clause
# The demo cannot pass by accident: its verdicts on frames and probes are checked by hand-made
# ones, and where our programs are missing every step says so, the exit status too.
. "$(dirname "$0")/_init.sh"

python3 "$top/tests/lab/demo_verdicts.py" || fail "a verdict is wrong"

# A build that has only the lab's own helper.
build=${NTM_BUILD:-$top/build}
mkdir -p "$tmp/build/lab"
cp "$build/lab/link-delay" "$tmp/build/lab/"
if NTM_BUILD=$tmp/build "$top/lab/demo" >"$tmp/out" 2>"$tmp/err"; then
	fail "the demo passes without our programs"
fi
assert_eq "steps that do not hold" 8 "$(grep -c 'FAIL' "$tmp/out")"
assert_eq "steps that hold" 0 "$(grep -c 'PASS' "$tmp/out" || true)"
for step in 1 2 3 4 5 6 7 8; do
	grep -q "step $step .*FAIL" "$tmp/out" || fail "no line for step $step"
done
! "$lab" status >/dev/null 2>&1 || fail "the demo left its lab"
