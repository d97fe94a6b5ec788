/* SPDX-License-Identifier: BSD-3-Clause */
#include "dc/direction.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>

#include <cmocka.h>

/* Every cell of Table 1 of the architecture paper (P-01 to P-10). Expectations are written from the
 * paper's letters, not from the code: O end to end, T through an RS, Q end to end after optimisation
 * (O with footnote 2), x impossible, p plain without mobility.
 */
enum { G4, PA, PB, V6, KINDS };

static const char *const names[KINDS] = {"global v4", "private A", "private B", "IPv6"};

/* clang-format off */
static const char node_node[KINDS][KINDS + 1] = {
	[G4] = "OOOT",
	[PA] = "OQQT",
	[PB] = "OQQT",
	[V6] = "TTTO",
};
static const char node_gn[KINDS][KINDS + 1] = {
	[G4] = "TxxT",
	[PA] = "TpxT",
	[PB] = "TxpT",
	[V6] = "TxxT",
};
/* Who opens, where it matters: a the asker, b the peer, - whoever. */
static const char opener[KINDS][KINDS + 1] = {
	[G4] = "abb-",
	[PA] = "aaa-",
	[PB] = "aaa-",
	[V6] = "---a",
};
/* clang-format on */

struct who {
	struct candidate c;
	struct endpoint observed;
	struct direction_end end;
};

static struct who who(int kind, bool is_peer)
{
	static const char *const own[KINDS][2] = {
		[G4] = {"192.0.2.10", "192.0.2.20"},
		[PA] = {"192.168.1.2", "192.168.1.3"},
		[PB] = {"10.0.7.2", "10.0.7.3"},
		[V6] = {"2001:db8:1::10", "2001:db8:2::20"},
	};
	static const char *const seen[KINDS] = {[PA] = "203.0.113.1", [PB] = "203.0.113.2"};
	struct who w = {.observed.port = 1000};

	assert_int_equal(ip_parse(own[kind][is_peer], &w.c.ep.ip), 0);
	assert_int_equal(
		ip_parse(seen[kind] != NULL ? seen[kind] : own[kind][is_peer], &w.observed.ip), 0);
	direction_classify(&w.c, 1, &w.observed, &w.end);
	return w;
}

static void check_pair(int m, int c)
{
	struct who mn = who(m, false), cn = who(c, true);
	const struct direction_row *row = direction_choose(&mn.end, &cn.end);
	int route[256] = {['O'] = ROUTE_DIRECT, ['T'] = ROUTE_RELAY, ['Q'] = ROUTE_OPTIMISE};

	print_message("%s -> %s: %s\n", names[m], names[c], row != NULL ? row->id : "none");
	assert_non_null(row);
	assert_int_equal(row->route, route[(int)node_node[m][c]]);
	if (opener[m][c] != '-')
		assert_int_equal(row->cn_is_a, opener[m][c] == 'b');
	assert_int_equal(direction_same_site(&mn.end, &cn.end), m == c && (m == PA || m == PB));
}

static void test_nodes(void **state)
{
	for (int m = 0; m < KINDS; m++)
		for (int c = 0; c < KINDS; c++)
			check_pair(m, c);
}

static void test_general_hosts(void **state)
{
	static const char *const rips[KINDS] = {[G4] = "93.184.216.34",
						[PA] = "192.168.1.80",
						[PB] = "10.0.7.80",
						[V6] = "2600::1"};
	enum direction_gn way[256] = {['T'] = GN_RELAY, ['p'] = GN_PLAIN, ['x'] = GN_IMPOSSIBLE};

	for (int m = 0; m < KINDS; m++)
		for (int g = 0; g < KINDS; g++) {
			struct who mn = who(m, false);
			struct ip_addr rip;
			const struct direction_gn_row *row;

			assert_int_equal(ip_parse(rips[g], &rip), 0);
			row = direction_choose_gn(&mn.end, &mn.c, 1, &rip, false);
			print_message("%s -> GN %s: %s\n", names[m], names[g], row->id);
			assert_int_equal(row->way, way[(int)node_gn[m][g]]);
			/* What config opens is relayed, wherever it is. */
			row = direction_choose_gn(&mn.end, &mn.c, 1, &rip, true);
			assert_int_equal(row->way, GN_RELAY);
		}
}

/* Reasons are the seeds': every row names its requirement, numbers are distinct and lasting. */
static void test_rows(void **state)
{
	struct who mn = who(PA, false), cn = who(PB, true), same = who(PA, true);

	assert_string_equal(direction_choose(&mn.end, &cn.end)->id, "P-04");
	assert_string_equal(direction_choose(&mn.end, &same.end)->id, "P-05");
	assert_int_equal(direction_row_number(direction_choose(&mn.end, &same.end)), 5);
	assert_int_equal(direction_row_number(direction_choose(&mn.end, &cn.end)), 6);
}

/* An end with both families takes IPv6 with who has it, and IPv4 with who has not; an end that the
 * DC hears by IPv6 alone is taken for a NATed one in IPv4; without any address there is no path.
 */
static void test_dual_stack(void **state)
{
	struct who v6 = who(V6, true), pa = who(PA, true);
	struct candidate c[2] = {who(PB, false).c, who(V6, false).c};
	struct direction_end dual, none;
	struct endpoint nowhere = {.port = 1};

	direction_classify(c, 2, &c[1].ep, &dual);
	assert_int_equal(dual.nets, NET_P4 | NET_V6);
	assert_int_equal(direction_choose(&dual, &v6.end)->route, ROUTE_DIRECT);
	assert_int_equal(direction_choose(&dual, &pa.end)->route, ROUTE_OPTIMISE);
	assert_false(direction_same_site(&dual, &pa.end));
	direction_classify(c, 0, &nowhere, &none);
	assert_null(direction_choose(&none, &pa.end));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_nodes),
		cmocka_unit_test(test_general_hosts),
		cmocka_unit_test(test_rows),
		cmocka_unit_test(test_dual_stack),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
