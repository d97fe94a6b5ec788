/* SPDX-License-Identifier: BSD-3-Clause */
#include "dc/dns_answer.h"
#include "common/bytes.h"

#include <string.h>

enum {
	CNAME_HOPS_MAX = 8,
	COOKIE_ANSWER_LEN = DNS_COOKIE_CLIENT_LEN + DNS_COOKIE_SERVER_LEN,
	META_TYPE_FIRST = 128, /* RFC 6895 3.1 */
	META_TYPE_LAST = 255,
};

/* One query on its way to an answer. */
struct answer {
	struct dns_server *s;
	const struct dns_zones *zones;
	const struct dns_zone *z; /* the one that the question is about */
	const struct dns_from *from;
	struct dns_query q;
	struct dns_writer w;
	const struct dns_name *name; /* in question now: the query's, or a CNAME's target */
	struct dns_name target;
	uint8_t cookie[COOKIE_ANSWER_LEN];
	uint8_t cookie_len;
	int rcode;
	bool aa;
	bool truncated;
	bool is_unproven; /* a source that may be made up, by UDP */
	enum dns_counter kind;
};

void dns_server_init(struct dns_server *s, struct dns_nodes *nodes, const struct dns_name *dc,
		     const uint8_t secret[DNS_COOKIE_SECRET_LEN])
{
	memset(s, 0, sizeof(*s));
	atomic_init(&s->zones, NULL);
	s->nodes = nodes;
	s->dc = *dc;
	s->node_ttl = DNS_NODE_TTL_SEC;
	dns_cookie_init(&s->cookie, secret);
}

const struct dns_zones *dns_server_swap(struct dns_server *s, const struct dns_zones *zones)
{
	/* pairs with the load in solve(): the zones are whole before they can be seen */
	return atomic_exchange_explicit(&s->zones, zones, memory_order_acq_rel);
}

uint16_t dns_ntm_rdata(const struct dns_node *node, bool v6, const struct dns_name *dc,
		       uint8_t *out)
{
	bool dual = !ip_is_none(&node->vip4) && !ip_is_none(&node->vip6);
	uint8_t n = v6 ? 16 : 4;

	out[0] = v6 ? 6 : 4;
	out[1] = dual ? DNS_NTM_FLAG_DUAL : 0;
	memcpy(out + DNS_NTM_HEAD_LEN, v6 ? node->vip6.b : node->vip4.b + 12, n);
	memcpy(out + DNS_NTM_HEAD_LEN + n, dc->b, dc->len);
	return (uint16_t)(DNS_NTM_HEAD_LEN + n + dc->len);
}

/* Records that must be in the answer: without room for one there is none, and TC says so. */
static bool must(struct answer *a, bool written)
{
	a->truncated |= !written;
	return written;
}

static bool put_set(struct answer *a, enum dns_section sec, const struct dns_name *owner,
		    const struct dns_rrset *set, uint32_t ttl)
{
	struct dns_writer_mark m = dns_writer_save(&a->w);
	uint32_t at = set->data;

	for (uint16_t i = 0; i < set->count; i++) {
		uint16_t len;
		const uint8_t *rdata = dns_zone_rdata(a->z, &at, &len);

		if (!dns_writer_rr(&a->w, sec, owner, set->type, ttl, rdata, len)) {
			dns_writer_restore(&a->w, &m); /* a set goes whole or not at all */
			return false;
		}
	}
	return true;
}

/* The zone's own addresses of the name servers of a set. With cut, those below it are glue, without
 * which the referral is of no use (RFC 9471).
 */
static void put_ns_addrs(struct answer *a, const struct dns_rrset *ns, const struct dns_name *cut)
{
	static const uint16_t types[] = {DNS_A, DNS_AAAA};
	uint32_t at = ns->data;

	for (uint16_t i = 0; i < ns->count; i++) {
		uint16_t len;
		const uint8_t *rdata = dns_zone_rdata(a->z, &at, &len);
		const struct dns_zone_node *node;
		struct dns_name host;
		size_t off = 0;

		if (dns_name_read(rdata, len, &off, false, &host) < 0)
			continue;
		node = dns_zone_find(a->z, host.b, host.len);
		for (int k = 0; k < 2 && node != NULL; k++) {
			const struct dns_rrset *set = dns_zone_rrset(a->z, node, types[k]);

			if (set != NULL && !put_set(a, DNS_ADDITIONAL, &host, set, set->ttl) &&
			    cut != NULL && dns_name_under(&host, cut))
				a->truncated = true;
		}
	}
}

/* NXDOMAIN and NODATA carry the SOA, its TTL how long that may be remembered (RFC 2308 3). */
static void solve_negative(struct answer *a, enum dns_counter kind, int rcode)
{
	a->kind = kind;
	a->rcode = rcode;
	must(a, put_set(a, DNS_AUTHORITY, &a->z->apex, a->z->soa, a->z->negative_ttl));
}

static void solve_referral(struct answer *a, const struct dns_zone_node *cut)
{
	const struct dns_rrset *ns = dns_zone_rrset(a->z, cut, DNS_NS);
	const struct dns_rrset *ds = dns_zone_rrset(a->z, cut, DNS_DS);

	a->kind = DNS_COUNT_REFERRAL;
	a->aa = a->w.count[DNS_ANSWER] > 0; /* of the first owner name, RFC 1035 4.1.1 */
	if (!must(a, put_set(a, DNS_AUTHORITY, &cut->name, ns, ns->ttl)))
		return;
	if (ds != NULL && a->q.do_bit)
		must(a, put_set(a, DNS_AUTHORITY, &cut->name, ds, ds->ttl));
	put_ns_addrs(a, ns, &cut->name);
}

/* A or AAAA of a node: its VIP, or by policy where it really is. */
static bool put_node_addrs(struct answer *a, const struct dns_node *node, bool v6)
{
	uint16_t type = v6 ? DNS_AAAA : DNS_A;
	const struct ip_addr *ip = v6 ? &node->vip6 : &node->vip4;
	unsigned int n = ip_is_none(ip) ? 0 : 1;

	if (node->publish_real) {
		ip = node->real;
		n = node->real_n;
	}
	for (; n > 0; n--, ip++) {
		if (ip_is_v4(ip) == v6)
			continue;
		if (!dns_writer_rr(&a->w, DNS_ANSWER, a->name, type, a->s->node_ttl,
				   v6 ? ip->b : ip->b + 12, v6 ? 16 : 4))
			return false;
	}
	return true;
}

static bool put_node_ntm(struct answer *a, const struct dns_node *node, bool v6)
{
	uint8_t rdata[DNS_NTM_RDATA_MAX];
	uint16_t n;

	if (ip_is_none(v6 ? &node->vip6 : &node->vip4))
		return true;
	n = dns_ntm_rdata(node, v6, &a->s->dc, rdata);
	return dns_writer_rr(&a->w, DNS_ANSWER, a->name, v6 ? DNS_NTM6 : DNS_NTM4, a->s->node_ttl,
			     rdata, n);
}

/* The types that only the registry knows of a node; false for all others. */
static bool solve_node(struct answer *a, const struct dns_node *node)
{
	uint16_t before = a->w.count[DNS_ANSWER];

	switch (a->q.type) {
	case DNS_A:
	case DNS_AAAA:
		must(a, put_node_addrs(a, node, a->q.type == DNS_AAAA));
		break;
	case DNS_NTM4:
	case DNS_NTM6:
		must(a, put_node_ntm(a, node, a->q.type == DNS_NTM6));
		break;
	default:
		return false;
	}
	if (a->w.count[DNS_ANSWER] == before && !a->truncated)
		solve_negative(a, DNS_COUNT_NO_DATA, DNS_NOERROR);
	return true;
}

/* RFC 8482 4.2: one made-up record instead of everything. */
static void solve_any(struct answer *a)
{
	static const uint8_t hinfo[] = "\x07RFC8482";

	must(a, dns_writer_rr(&a->w, DNS_ANSWER, a->name, DNS_HINFO, DNS_ZONE_TTL_DEFAULT, hinfo,
			      sizeof(hinfo))); /* the closing NUL is the empty OS field */
}

/* The name exists: as a static name, as a node, as both. Returns true when a CNAME leads on. */
static bool solve_hit(struct answer *a, const struct dns_zone_node *node,
		      const struct dns_node *dyn)
{
	const struct dns_rrset *set = NULL, *cname = NULL;
	uint32_t at;
	uint16_t len;
	size_t off = 0;
	const uint8_t *rdata;

	if (dyn != NULL && solve_node(a, dyn))
		return false;
	if (node != NULL) {
		set = dns_zone_rrset(a->z, node, a->q.type);
		cname = dyn == NULL ? dns_zone_rrset(a->z, node, DNS_CNAME) : NULL;
	}
	if (set == NULL && cname != NULL) {
		if (!must(a, put_set(a, DNS_ANSWER, a->name, cname, cname->ttl)) ||
		    a->q.type == DNS_ANY)
			return false;
		at = cname->data;
		rdata = dns_zone_rdata(a->z, &at, &len);
		a->name = &a->target;
		if (dns_name_read(rdata, len, &off, false, &a->target) < 0)
			return false;
		a->z = dns_zones_find(a->zones, &a->target);
		return a->z != NULL;
	}
	if (a->q.type == DNS_ANY && (dyn != NULL || (node != NULL && node->sets > 0)))
		solve_any(a);
	else if (set == NULL)
		solve_negative(a, DNS_COUNT_NO_DATA, DNS_NOERROR);
	else if (must(a, put_set(a, DNS_ANSWER, a->name, set, set->ttl)) && set->type == DNS_NS)
		put_ns_addrs(a, set, NULL);
	return false;
}

/* The delegation at or above the name, if any. DS of the cut itself is the parent's: ours. */
static const struct dns_zone_node *find_cut(const struct answer *a, const uint8_t *at,
					    unsigned int labels)
{
	unsigned int deepest = labels < a->z->labels_max ? labels : a->z->labels_max;

	for (unsigned int n = a->z->apex_labels + 1u; n <= deepest; n++) {
		uint8_t off = at[labels - n];
		const struct dns_zone_node *node =
			dns_zone_find(a->z, a->name->b + off, (uint8_t)(a->name->len - off));

		if (node != NULL && node->is_cut && (n < labels || a->q.type != DNS_DS))
			return node;
	}
	return NULL;
}

static bool name_exists(const struct answer *a, const uint8_t *name, uint8_t len)
{
	const struct dns_node *dyn;

	return dns_zone_find(a->z, name, len) != NULL ||
	       dns_nodes_find(a->s->nodes, name, len, &dyn) != DNS_FOUND_NONE;
}

/* RFC 4592 3.3: "*" directly below the closest name that exists, and nowhere else. */
static const struct dns_zone_node *find_wildcard(const struct answer *a, const uint8_t *at,
						 unsigned int labels)
{
	uint8_t star[DNS_NAME_MAX] = {1, '*'};

	for (unsigned int n = labels - 1; n >= a->z->apex_labels; n--) {
		uint8_t off = at[labels - n], len = (uint8_t)(a->name->len - off);

		if (!name_exists(a, a->name->b + off, len))
			continue;
		if (len + 2 > DNS_NAME_MAX)
			return NULL;
		memcpy(star + 2, a->name->b + off, len);
		return dns_zone_find(a->z, star, (uint8_t)(len + 2));
	}
	return NULL;
}

/* One turn of RFC 1034 4.3.2 step 3 for a->name, which is in the zone. */
static bool solve_name(struct answer *a)
{
	uint8_t at[DNS_NAME_LABELS_MAX + 1];
	unsigned int labels = 0;
	const struct dns_zone_node *node;
	const struct dns_node *dyn = NULL;
	enum dns_found found;

	if (a->z->has_cuts || a->z->has_wildcards)
		labels = dns_name_offsets(a->name, at);
	node = a->z->has_cuts ? find_cut(a, at, labels) : NULL;
	if (node != NULL) {
		solve_referral(a, node);
		return false;
	}
	node = dns_zone_find(a->z, a->name->b, a->name->len);
	found = dns_nodes_find(a->s->nodes, a->name->b, a->name->len, &dyn);
	if (found != DNS_FOUND_NODE)
		dyn = NULL;
	if (node == NULL && found == DNS_FOUND_NONE && a->z->has_wildcards)
		node = find_wildcard(a, at, labels);
	if (node != NULL || found != DNS_FOUND_NONE)
		return solve_hit(a, node, dyn);
	solve_negative(a, DNS_COUNT_NX_DOMAIN, DNS_NXDOMAIN);
	return false;
}

static void refuse(struct answer *a, enum dns_counter kind, int rcode)
{
	a->kind = kind;
	a->rcode = rcode;
}

static void solve(struct answer *a)
{
	uint16_t type = a->q.type;

	if (type == DNS_OPT)
		return refuse(a, DNS_COUNT_FORM_ERR, DNS_FORMERR);
	if (a->q.class != DNS_IN || type == DNS_AXFR || type == DNS_IXFR)
		return refuse(a, DNS_COUNT_REFUSED, DNS_REFUSED);
	if (type >= META_TYPE_FIRST && type <= META_TYPE_LAST && type != DNS_ANY)
		return refuse(a, DNS_COUNT_NOT_IMP, DNS_NOTIMP);
	/* pairs with dns_server_swap() */
	a->zones = atomic_load_explicit(&a->s->zones, memory_order_acquire);
	if (a->zones == NULL)
		return refuse(a, DNS_COUNT_SERV_FAIL, DNS_SERVFAIL);
	a->z = dns_zones_find(a->zones, &a->q.name);
	if (a->z == NULL)
		return refuse(a, DNS_COUNT_REFUSED, DNS_REFUSED);
	a->aa = true;
	a->name = &a->q.name;
	for (int hop = 0; hop <= CNAME_HOPS_MAX; hop++)
		if (!solve_name(a))
			return;
}

static void refuse_unparsed(struct answer *a, int rcode)
{
	switch (rcode) {
	case DNS_NOTIMP:
		return refuse(a, DNS_COUNT_NOT_IMP, rcode);
	case DNS_NOTAUTH:
		return refuse(a, DNS_COUNT_NOT_AUTH, rcode);
	case DNS_BADVERS:
		return refuse(a, DNS_COUNT_BAD_VERS, rcode);
	default:
		return refuse(a, DNS_COUNT_FORM_ERR, rcode);
	}
}

/* Judge the client's cookie and prepare ours. True when the source address is proven by it. */
static bool cookie_judge(struct answer *a)
{
	const struct dns_query *q = &a->q;
	enum dns_cookie_verdict v;

	if (q->cookie_len == 0)
		return false;
	v = dns_cookie_check(&a->s->cookie, q->cookie, q->cookie_len, &a->from->src,
			     a->from->unix_sec);
	a->cookie_len = COOKIE_ANSWER_LEN;
	memcpy(a->cookie, q->cookie, DNS_COOKIE_CLIENT_LEN);
	if (v == DNS_COOKIE_GOOD)
		memcpy(a->cookie, q->cookie, COOKIE_ANSWER_LEN);
	else
		dns_cookie_make(&a->s->cookie, q->cookie, &a->from->src, a->from->unix_sec,
				a->cookie + DNS_COOKIE_CLIENT_LEN);
	if (q->cookie_len == DNS_COOKIE_CLIENT_LEN)
		a->s->count[DNS_COUNT_COOKIE_NEW]++;
	else
		a->s->count[v != DNS_COOKIE_BAD ? DNS_COUNT_COOKIE_GOOD : DNS_COUNT_COOKIE_BAD]++;
	return v != DNS_COOKIE_BAD;
}

static size_t opt_len(const struct answer *a)
{
	return !a->q.has_edns ? 0 : DNS_OPT_LEN + (a->cookie_len > 0 ? 4u + a->cookie_len : 0);
}

/* is_tight: it is the query's length that sets the limit. */
static size_t answer_limit(const struct answer *a, size_t len, size_t room, bool *is_tight)
{
	size_t limit = UINT16_MAX, most = len * a->s->unproven_factor, least;

	if (!a->from->tcp)
		limit = a->q.udp_size < DNS_UDP_MAX ? a->q.udp_size : DNS_UDP_MAX;
	limit = room < limit ? room : limit;
	*is_tight = a->is_unproven && most != 0 && most < limit;
	if (!*is_tight)
		return limit;
	least = DNS_HEADER_LEN + a->q.question_len + opt_len(a); /* of an answer at all */
	return most > least ? most : least;
}

static size_t answer_finish(struct answer *a, size_t limit, bool is_tight)
{
	uint16_t flags = (uint16_t)(DNS_FLAG_QR | (a->q.flags & (DNS_FLAG_OPCODE | DNS_FLAG_RD)) |
				    (a->rcode & DNS_FLAG_RCODE));
	bool has_question = a->q.question_len > 0;

	if (a->truncated) {
		a->s->count[DNS_COUNT_UNPROVEN] += is_tight;
		dns_writer_init(&a->w, a->w.buf, limit, &a->q.name, a->q.question_len);
		a->s->count[DNS_COUNT_TRUNCATED]++;
		flags |= DNS_FLAG_TC;
	}
	if (a->aa)
		flags |= DNS_FLAG_AA;
	if (a->q.has_edns)
		dns_writer_opt(&a->w, (uint8_t)(a->rcode >> 4), a->q.do_bit, a->cookie,
			       a->cookie_len);
	a->s->count[a->kind]++;
	return dns_writer_finish(&a->w, a->q.id, flags, has_question);
}

size_t dns_answer(struct dns_server *s, const struct dns_from *from, uint8_t *buf, size_t len,
		  size_t room)
{
	struct answer a;
	enum dns_rrl_verdict rate = DNS_RRL_PASS;
	bool is_tight;
	size_t limit;
	int parsed = dns_query_parse(buf, len, &a.q);

	s->count[DNS_COUNT_QUERIES]++;
	s->count[DNS_COUNT_TCP] += from->tcp;
	if (parsed < 0 || room < DNS_UDP_MIN) {
		s->count[parsed == DNS_QUERY_IS_RESPONSE ? DNS_COUNT_RESPONSE : DNS_COUNT_SHORT]++;
		return 0;
	}
	a.s = s;
	a.from = from;
	a.cookie_len = 0;
	a.rcode = DNS_NOERROR;
	a.aa = a.truncated = false;
	a.kind = DNS_COUNT_NO_ERROR;
	a.is_unproven = !cookie_judge(&a) && !from->tcp;
	if (a.is_unproven && s->rrl != NULL)
		rate = dns_rrl_check(s->rrl, &from->src, from->now);
	if (rate == DNS_RRL_DROP) {
		s->count[DNS_COUNT_RRL_DROPPED]++;
		return 0;
	}
	limit = answer_limit(&a, len, room, &is_tight);
	dns_writer_init(&a.w, buf, limit - opt_len(&a), &a.q.name, a.q.question_len);
	if (parsed != DNS_NOERROR) {
		refuse_unparsed(&a, parsed);
	} else if (rate == DNS_RRL_SLIP) {
		a.truncated = true;
		a.kind = DNS_COUNT_RRL_SLIPPED;
		is_tight = false;
	} else {
		solve(&a);
	}
	return answer_finish(&a, limit, is_tight);
}

#define X(sym, name, text) [DNS_COUNT_##sym] = #name,
static const char *const counter_names[DNS_COUNT_MAX] = {DNS_COUNTERS(X)};
#undef X
#define X(sym, name, text) [DNS_COUNT_##sym] = text,
static const char *const counter_texts[DNS_COUNT_MAX] = {DNS_COUNTERS(X)};
#undef X

const char *dns_counter_name(enum dns_counter c)
{
	return counter_names[c];
}

const char *dns_counter_text(enum dns_counter c)
{
	return counter_texts[c];
}
