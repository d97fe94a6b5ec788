#!/bin/bash
# SPDX-License-Identifier: BSD-3-Clause
# nat_matrix_test.sh with all pairs.
classes="full-cone address-restricted port-restricted address-dependent symmetric"
for a in $classes; do
	for b in $classes; do
		NTM_NAT_PAIRS="$NTM_NAT_PAIRS $a:$b"
	done
done
export NTM_NAT_PAIRS
exec "$(dirname "$0")/nat_matrix_test.sh"
