/* SPDX-License-Identifier: BSD-3-Clause */
#include "dc/direction.h"

enum { ANY4 = NET_G4 | NET_P4, SAME_ANY = -1, SAME_NO = 0, SAME_YES = 1 };

/* The order is the preference: no relay before relay, no NAT before NAT. */
/* clang-format off */
static const struct direction_row rows[] = {
	{"P-02", NET_V6, NET_V6, SAME_ANY, ROUTE_DIRECT, false, "both ends have global IPv6"},
	{"P-01", NET_G4, NET_G4, SAME_ANY, ROUTE_DIRECT, false, "both ends have public IPv4"},
	{"P-03", NET_P4, NET_G4, SAME_ANY, ROUTE_DIRECT, false, "the asker is behind a NAT and opens"},
	{"P-03", NET_G4, NET_P4, SAME_ANY, ROUTE_DIRECT, true, "the peer is behind a NAT and opens"},
	{"P-05", NET_P4, NET_P4, SAME_YES, ROUTE_OPTIMISE, false,
	 "both behind NATs, same public address: relay first, then direct"},
	{"P-04", NET_P4, NET_P4, SAME_NO, ROUTE_OPTIMISE, false,
	 "both behind NATs, different public addresses: relay first, then direct"},
	{"P-06", ANY4, NET_V6, SAME_ANY, ROUTE_RELAY, false, "one end has IPv4 only, the other IPv6 only"},
	{"P-06", NET_V6, ANY4, SAME_ANY, ROUTE_RELAY, false, "one end has IPv6 only, the other IPv4 only"},
};

static const struct direction_gn_row gn_rows[] = {
	{"P-07", GN_RELAY, "general host, same family: RS-N keeps it through moves"},
	{"P-10", GN_RELAY, "general host across families: RS-N"},
	{"P-08", GN_PLAIN, "general host in the same private network: plain, it cannot move"},
	{"P-09", GN_IMPOSSIBLE, "general host in another private network"},
	{"P-10", GN_IMPOSSIBLE, "general host in a private network, asker on IPv6 only"},
};
/* clang-format on */

enum { ROWS = sizeof(rows) / sizeof(rows[0]), GN_ROW_FIRST = 100 };
enum { GN_ROW_SAME, GN_ROW_ACROSS, GN_ROW_PLAIN, GN_ROW_OTHER, GN_ROW_V6 };

static bool is_link_local6(const struct ip_addr *a)
{
	return a->b[0] == 0xfe && (a->b[1] & 0xc0) == 0x80;
}

void direction_classify(const struct candidate *c, unsigned int n, const struct endpoint *observed,
			struct direction_end *out)
{
	bool sees_v4 = ip_is_v4(&observed->ip);
	bool has_v4 = sees_v4;

	memset(out, 0, sizeof(*out));
	if (sees_v4)
		out->public4 = observed->ip;
	for (unsigned int i = 0; i < n; i++) {
		const struct ip_addr *a = &c[i].ep.ip;

		if (!ip_is_unicast(a))
			continue;
		if (ip_is_v4(a)) {
			has_v4 = true;
			if (sees_v4 && ip_equal(a, &observed->ip))
				out->nets |= NET_G4;
		} else if (!ip_is_private(a) && !is_link_local6(a)) {
			out->nets |= NET_V6;
		}
	}
	/* IPv4 that the DC has not seen with its own eyes counts as behind a NAT: relay first. */
	if (has_v4 && (out->nets & NET_G4) == 0)
		out->nets |= NET_P4;
}

bool direction_same_site(const struct direction_end *mn, const struct direction_end *cn)
{
	return (mn->nets & NET_P4) != 0 && (cn->nets & NET_P4) != 0 && !ip_is_none(&mn->public4) &&
	       ip_equal(&mn->public4, &cn->public4);
}

const struct direction_row *direction_choose(const struct direction_end *mn,
					     const struct direction_end *cn)
{
	int8_t same = direction_same_site(mn, cn) ? SAME_YES : SAME_NO;

	for (unsigned int i = 0; i < ROWS; i++) {
		const struct direction_row *r = &rows[i];

		if ((r->mn & mn->nets) != 0 && (r->cn & cn->nets) != 0 &&
		    (r->same == SAME_ANY || r->same == same))
			return r;
	}
	return NULL;
}

uint16_t direction_row_number(const struct direction_row *row)
{
	return (uint16_t)(row - rows + 1);
}

/* A private general host is the asker's neighbour where an address of the asker shares its /24 or
 * /64: the DC knows no netmask, and a wrong guess only changes the words of the refusal.
 */
static bool is_neighbour(const struct candidate *c, unsigned int n, const struct ip_addr *rip)
{
	struct ip_prefix near = {.ip = *rip, .len = ip_is_v4(rip) ? 120 : 64};

	for (unsigned int i = 0; i < n; i++)
		if (prefix_contains(&near, &c[i].ep.ip))
			return true;
	return false;
}

const struct direction_gn_row *direction_choose_gn(const struct direction_end *mn,
						   const struct candidate *c, unsigned int n,
						   const struct ip_addr *rip, bool is_inner)
{
	bool is_same = (mn->nets & (ip_is_v4(rip) ? ANY4 : NET_V6)) != 0;

	if (ip_is_private(rip) && !is_inner) {
		if (is_neighbour(c, n, rip))
			return &gn_rows[GN_ROW_PLAIN];
		return &gn_rows[mn->nets == NET_V6 ? GN_ROW_V6 : GN_ROW_OTHER];
	}
	return &gn_rows[is_same ? GN_ROW_SAME : GN_ROW_ACROSS];
}

uint16_t direction_gn_row_number(const struct direction_gn_row *row)
{
	return (uint16_t)(GN_ROW_FIRST + (row - gn_rows));
}
