/* SPDX-License-Identifier: BSD-3-Clause */
#include "common/bytes.h"
#include "common/rng.h"
#include "dc/dns_answer.h"
#include "dc/dns_zone_file.h"
#include "tests/vectors/dns.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>
#include <ldns/ldns.h>

#define SEC UINT64_C(1000000000)

static const uint8_t secret[DNS_COOKIE_SECRET_LEN] = "0123456789abcdef";

struct fixture {
	struct dns_server s;
	struct dns_zones *zones;
	struct dns_from from;
};

static struct dns_name name_of(const char *text)
{
	struct dns_name n;

	assert_int_equal(dns_name_parse(text, &n), 0);
	return n;
}

static struct ip_addr ip_of(const char *text)
{
	struct ip_addr a;

	assert_int_equal(ip_parse(text, &a), 0);
	return a;
}

static int zone_from_text(const char *text, struct dns_zone **zone, char *why)
{
	char path[] = "/tmp/ntm_zone_XXXXXX";
	struct dns_name apex = name_of("dc1.example");
	struct dns_zone_base base = {
		.ns = {name_of("ns1.dc1.example")},
		.ns_addr = {{ip_of("203.0.113.1"), ip_of("2001:db8::1")}},
		.ns_n = 1,
		.serial = 7,
	};
	int fd = mkstemp(path), ret;

	assert_true(fd >= 0);
	assert_int_equal(write(fd, text, strlen(text)), (ssize_t)strlen(text));
	close(fd);
	ret = dns_zone_load(path, &apex, &base, zone, why);
	unlink(path);
	return ret;
}

/* dc1.example as in the text, and net.dc1.example, a zone of its own inside of it. */
static struct dns_zones *zones_from_text(const char *text)
{
	struct dns_name inner = name_of("net.dc1.example");
	struct dns_zone_base base = {.ns = {name_of("ns1.dc1.example")}, .ns_n = 1};
	struct dns_zone *z[2];
	char why[DNS_ZONE_ERROR_MAX];

	if (zone_from_text(text, &z[0], why) < 0 ||
	    dns_zone_load(NULL, &inner, &base, &z[1], why) < 0)
		fail_msg("%s", why);
	return dns_zones_create(z, 2);
}

static void node_add(struct dns_nodes *t, const char *name, const char *vip4, const char *vip6)
{
	struct dns_name n = name_of(name);
	struct dns_node node = {0};

	if (vip4 != NULL)
		node.vip4 = ip_of(vip4);
	if (vip6 != NULL)
		node.vip6 = ip_of(vip6);
	if (strcmp(name, "open.dc1.example") == 0) {
		node.publish_real = true;
		node.real[0] = ip_of("198.51.100.7");
		node.real[1] = ip_of("2001:db8::7");
		node.real[2] = ip_of("198.51.100.8");
		node.real_n = 3;
	}
	assert_int_equal(dns_nodes_set(t, &n, &node), 0);
}

static int setup(void **state)
{
	struct fixture *f = calloc(1, sizeof(*f));
	struct dns_name apex = name_of("dc1.example");
	struct siphash_key key = {{1, 2}};
	struct dns_nodes *nodes = dns_nodes_create(&apex, 1, 64, &key);

	node_add(nodes, "bob.dc1.example", "240.0.0.2", "fd00:1::2");
	node_add(nodes, "eve.dc1.example", "240.0.0.3", NULL);
	node_add(nodes, "open.dc1.example", "240.0.0.4", NULL);
	node_add(nodes, "deep.lab.dc1.example", NULL, "fd00:1::5");
	dns_server_init(&f->s, nodes, &apex, secret);
	f->zones = zones_from_text(DNS_VECTOR_ZONE);
	assert_null(dns_server_swap(&f->s, f->zones));
	f->from.src = ip_of("192.0.2.99");
	f->from.now = 100 * SEC;
	f->from.unix_sec = 1700000000;
	*state = f;
	return 0;
}

static int teardown(void **state)
{
	struct fixture *f = *state;

	dns_nodes_destroy(f->s.nodes);
	dns_rrl_destroy(f->s.rrl);
	dns_zones_destroy(f->zones);
	free(f);
	return 0;
}

/* A query with the name spelled as given; edns 0 for none. */
static size_t query_make(uint8_t *buf, const char *name, uint16_t type, uint16_t class,
			 uint16_t edns)
{
	static const uint8_t header[DNS_HEADER_LEN] = {0xab, 0xcd, 0x01, 0x00, 0, 1};
	uint8_t *p = buf + sizeof(header), *label = p++;

	memcpy(buf, header, sizeof(header));
	*label = 0;
	for (const char *c = strcmp(name, ".") == 0 ? "" : name; *c != '\0'; c++) {
		if (*c == '.') {
			label = p++;
			*label = 0;
		} else {
			*p++ = (uint8_t)*c;
			++*label;
		}
	}
	if (*label != 0)
		*p++ = 0;
	store_be16(p, type);
	store_be16(p + 2, class);
	p += 4;
	if (edns != 0) {
		memset(p, 0, DNS_OPT_LEN);
		store_be16(p + 1, DNS_OPT);
		store_be16(p + 3, edns);
		p += DNS_OPT_LEN;
		buf[11] = 1;
	}
	return (size_t)(p - buf);
}

static size_t option_add(uint8_t *buf, size_t len, uint16_t code, const void *data, uint16_t n)
{
	uint8_t *rdlen = buf + len - 2; /* of an OPT that ends the message with its first option */

	store_be16(rdlen, 4u + n);
	store_be16(buf + len, code);
	store_be16(buf + len + 2, n);
	memcpy(buf + len + 4, data, n);
	return len + 4 + n;
}

/* "name TTL TYPE data;" for each record, as ldns reads them. OPT is left out by ldns itself. */
static void section_text(const ldns_rr_list *list, char *out, size_t size)
{
	size_t n = 0;

	out[0] = '\0';
	for (size_t i = 0; i < ldns_rr_list_rr_count(list); i++) {
		char *text = ldns_rr2str(ldns_rr_list_rr(list, i)), *save = NULL, *word;
		bool first = true;

		for (word = strtok_r(text, " \t\n", &save); word != NULL;
		     word = strtok_r(NULL, " \t\n", &save)) {
			size_t w = strlen(word);

			if (strcmp(word, "IN") == 0)
				continue;
			if (w > 1 && word[w - 1] == '.')
				word[w - 1] = '\0';
			for (char *c = word; first && *c != '\0'; c++)
				if (*c >= 'A' && *c <= 'Z')
					*c += 32;
			n += (size_t)snprintf(out + n, size - n, first ? "%s" : " %s", word);
			first = false;
		}
		n += (size_t)snprintf(out + n, size - n, ";");
		free(text);
	}
}

static void section_check(const struct dns_vector *v, const char *what, const ldns_rr_list *list,
			  const char *want)
{
	char got[8192];

	section_text(list, got, sizeof(got));
	if (strcmp(got, want != NULL ? want : "") != 0)
		fail_msg("%s type %u %s:\n got  %s\n want %s", v->name, v->type, what, got,
			 want != NULL ? want : "");
}

static ldns_pkt *answer_read(const uint8_t *buf, size_t len)
{
	ldns_pkt *pkt = NULL;
	ldns_status st = ldns_wire2pkt(&pkt, buf, len);

	if (st != LDNS_STATUS_OK)
		fail_msg("ldns cannot read the answer: %s", ldns_get_errorstr_by_id(st));
	return pkt;
}

static void vector_check(struct fixture *f, const struct dns_vector *v, uint16_t edns)
{
	uint8_t buf[4096], query[512];
	size_t qlen = query_make(query, v->name, v->type, v->class, edns), n;
	ldns_pkt *pkt;

	memcpy(buf, query, qlen);
	n = dns_answer(&f->s, &f->from, buf, qlen, sizeof(buf));
	assert_in_range(n, 1, DNS_UDP_MAX);
	pkt = answer_read(buf, n);
	if (ldns_pkt_get_rcode(pkt) != v->rcode || ldns_pkt_aa(pkt) != !!(v->flags & DNS_V_AA) ||
	    ldns_pkt_tc(pkt))
		fail_msg("%s type %u: rcode %d aa %d tc %d", v->name, v->type,
			 ldns_pkt_get_rcode(pkt), ldns_pkt_aa(pkt), ldns_pkt_tc(pkt));
	assert_true(ldns_pkt_qr(pkt) && ldns_pkt_rd(pkt) && !ldns_pkt_ra(pkt));
	assert_int_equal(ldns_pkt_id(pkt), 0xabcd);
	assert_int_equal(ldns_pkt_edns(pkt), edns != 0);
	/* the question comes back in its own spelling */
	assert_memory_equal(buf + DNS_HEADER_LEN, query + DNS_HEADER_LEN,
			    qlen - DNS_HEADER_LEN - (edns != 0 ? DNS_OPT_LEN : 0));
	section_check(v, "answer", ldns_pkt_answer(pkt), v->answer);
	section_check(v, "authority", ldns_pkt_authority(pkt), v->authority);
	section_check(v, "additional", ldns_pkt_additional(pkt), v->additional);
	ldns_pkt_free(pkt);
}

static void test_vectors(void **state)
{
	for (size_t i = 0; i < sizeof(dns_vectors) / sizeof(dns_vectors[0]); i++) {
		vector_check(*state, &dns_vectors[i], 0);
		vector_check(*state, &dns_vectors[i], 1232);
		vector_check(*state, &dns_vectors[i], 0xffff);
	}
}

static uint64_t counters_sum(const struct dns_server *s)
{
	uint64_t sum = 0;

	for (int i = 0; i < DNS_COUNT_QUERIES; i++)
		sum += s->count[i];
	return sum;
}

static void test_loop_ends(void **state)
{
	struct fixture *f = *state;
	uint8_t buf[1500];
	size_t n = query_make(buf, "loop1.dc1.example", DNS_A, DNS_IN, 1232);
	ldns_pkt *pkt;

	n = dns_answer(&f->s, &f->from, buf, n, sizeof(buf));
	pkt = answer_read(buf, n);
	assert_in_range(ldns_pkt_ancount(pkt), 2, 16);
	ldns_pkt_free(pkt);
}

/* What must not be answered, and what is refused before the question counts. */
static void test_malformed(void **state)
{
	struct fixture *f = *state;
	uint8_t q[512], buf[2048];
	size_t n = query_make(q, "bob.dc1.example", DNS_A, DNS_IN, 1232), out;
	static const struct {
		size_t at;
		uint8_t value;
		int rcode; /* -1: no answer */
		bool has_question;
	} rows[] = {
		{2, 0x81, -1, false},		/* QR */
		{2, 0x29, DNS_NOTIMP, false},	/* opcode 5, update */
		{2, 0x21, DNS_NOTIMP, false},	/* opcode 4, notify */
		{5, 0, DNS_FORMERR, false},	/* no question */
		{5, 2, DNS_FORMERR, false},	/* two */
		{7, 1, DNS_FORMERR, false},	/* an answer in a query */
		{9, 1, DNS_FORMERR, false},	/* an authority */
		{11, 0, DNS_FORMERR, true},	/* bytes behind the end */
		{11, 2, DNS_FORMERR, true},	/* a record that is missing */
		{12, 0xc0, DNS_FORMERR, false}, /* compression in the question */
		{12, 0x40, DNS_FORMERR, false}, /* label type 01 */
		{33, 1, DNS_FORMERR, true},	/* OPT not at the root */
		{39, 1, DNS_BADVERS, true},	/* EDNS version 1 */
		{43, 9, DNS_FORMERR, true},	/* option longer than the message */
	};

	assert_int_equal(q[33], 0);
	assert_int_equal(load_be16(q + 34), DNS_OPT);
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		memcpy(buf, q, n);
		buf[rows[i].at] = rows[i].value;
		out = dns_answer(&f->s, &f->from, buf, n, sizeof(buf));
		if (rows[i].rcode < 0) {
			assert_int_equal(out, 0);
			continue;
		}
		if (out == 0 || (buf[3] & 15) != (rows[i].rcode & 15) ||
		    load_be16(buf + 4) != rows[i].has_question || out > n)
			fail_msg("row %zu: length %zu rcode %u questions %u", i, out, buf[3] & 15,
				 load_be16(buf + 4));
		if (rows[i].rcode == DNS_BADVERS)
			assert_int_equal(buf[out - DNS_OPT_LEN + 5], 1); /* upper bits of 16 */
	}
	assert_int_equal(f->s.count[DNS_COUNT_BAD_VERS], 1);
	assert_int_equal(f->s.count[DNS_COUNT_RESPONSE], 1);
	assert_int_equal(f->s.count[DNS_COUNT_QUERIES], counters_sum(&f->s));
}

static void test_limits(void **state)
{
	struct fixture *f = *state;
	char text[20000] = "";
	size_t n = 0, len;
	uint8_t buf[65535];
	static const struct {
		bool tcp;
		uint16_t edns;
		size_t most;
		bool tc;
	} rows[] = {
		{false, 0, 512, true},	   {false, 100, 512, true},   {false, 600, 600, true},
		{false, 1232, 1232, true}, {false, 4096, 1232, true}, {true, 0, 65535, false},
		{true, 512, 65535, false},
	};

	for (int i = 0; i < 200; i++)
		n += (size_t)snprintf(text + n, sizeof(text) - n, "big IN A 10.0.%d.%d\n", i / 250,
				      i % 250);
	dns_server_swap(&f->s, NULL);
	dns_zones_destroy(f->zones);
	f->zones = zones_from_text(text);
	dns_server_swap(&f->s, f->zones);
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		ldns_pkt *pkt;

		len = query_make(buf, "big.dc1.example", DNS_A, DNS_IN, rows[i].edns);
		f->from.tcp = rows[i].tcp;
		len = dns_answer(&f->s, &f->from, buf, len, sizeof(buf));
		assert_in_range(len, 12, rows[i].most);
		pkt = answer_read(buf, len);
		assert_int_equal(ldns_pkt_tc(pkt), rows[i].tc);
		assert_int_equal(ldns_pkt_ancount(pkt), rows[i].tc ? 0 : 200);
		assert_int_equal(ldns_pkt_edns(pkt), rows[i].edns != 0);
		ldns_pkt_free(pkt);
	}
	/* a room below the least is refused, not overrun */
	len = query_make(buf, "big.dc1.example", DNS_A, DNS_IN, 0);
	assert_int_equal(dns_answer(&f->s, &f->from, buf, len, 511), 0);
}

static void test_no_zone(void **state)
{
	struct fixture *f = *state;
	uint8_t buf[512];
	size_t n = query_make(buf, "bob.dc1.example", DNS_A, DNS_IN, 0);

	assert_ptr_equal(dns_server_swap(&f->s, NULL), f->zones);
	assert_int_equal(dns_answer(&f->s, &f->from, buf, n, sizeof(buf)), n);
	assert_int_equal(buf[3] & 15, DNS_SERVFAIL);
}

/* The rate limit slips and drops; a cookie of ours is let through; a stranger's is not. */
static void test_rate_and_cookies(void **state)
{
	struct fixture *f = *state;
	struct siphash_key key = {{3, 4}};
	struct dns_rrl_conf conf = {
		.rate = 5, .burst = 10, .slip = 2, .entries = 64, .v4_len = 24, .v6_len = 56};
	uint8_t q[512], buf[2048], cookie[24];
	size_t n, out;

	f->s.rrl = dns_rrl_create(&conf, &key);
	assert_non_null(f->s.rrl);
	n = query_make(q, "bob.dc1.example", DNS_A, DNS_IN, 1232);
	n = option_add(q, n, 10, "clientck", 8);
	for (int i = 0; i < 40; i++) {
		memcpy(buf, q, n);
		out = dns_answer(&f->s, &f->from, buf, n, sizeof(buf));
		if (i < 10)
			assert_int_equal(load_be16(buf + 6), 1);
		else if (out > 0)
			assert_true((buf[2] & 2) != 0 && load_be16(buf + 6) == 0);
		if (out > 0) /* the cookie ends the message */
			memcpy(cookie, buf + out - 24, 24);
	}
	assert_int_equal(f->s.count[DNS_COUNT_NO_ERROR], 10);
	assert_int_equal(f->s.count[DNS_COUNT_RRL_SLIPPED], 15);
	assert_int_equal(f->s.count[DNS_COUNT_RRL_DROPPED], 15);
	assert_int_equal(f->s.count[DNS_COUNT_COOKIE_NEW], 40);
	assert_memory_equal(cookie, "clientck", 8);

	n = query_make(q, "bob.dc1.example", DNS_A, DNS_IN, 1232);
	n = option_add(q, n, 10, cookie, 24);
	for (int i = 0; i < 100; i++) {
		memcpy(buf, q, n);
		assert_true(dns_answer(&f->s, &f->from, buf, n, sizeof(buf)) > 0);
		assert_int_equal(load_be16(buf + 6), 1);
	}
	assert_int_equal(f->s.count[DNS_COUNT_COOKIE_GOOD], 100);
	f->from.src = ip_of("192.0.2.98"); /* the same /24 with another's cookie */
	memcpy(buf, q, n);
	out = dns_answer(&f->s, &f->from, buf, n, sizeof(buf));
	assert_int_equal(f->s.count[DNS_COUNT_COOKIE_BAD], 1);
	assert_true(out == 0 || load_be16(buf + 6) == 0);
	f->from.tcp = true; /* TCP proves the source */
	memcpy(buf, q, n);
	assert_true(dns_answer(&f->s, &f->from, buf, n, sizeof(buf)) > 0);
	assert_int_equal(load_be16(buf + 6), 1);
	assert_int_equal(f->s.count[DNS_COUNT_QUERIES], counters_sum(&f->s));
}

/* One set of n addresses at fat.dc1.example. */
static void zone_fat(struct fixture *f, int n)
{
	size_t at = 0;
	char text[4000];

	for (int i = 0; i < n; i++)
		at += (size_t)snprintf(text + at, sizeof(text) - at, "fat IN A 10.0.0.%d\n", i);
	dns_server_swap(&f->s, NULL);
	dns_zones_destroy(f->zones);
	f->zones = zones_from_text(text);
	dns_server_swap(&f->s, f->zones);
}

/* The bound on amplification: whoever may be a made-up source is sent so many times the bytes that came
 * at most, and then either all of the answer or nothing of it and TC, however large the answer is.
 */
static void test_unproven(void **state)
{
	static const uint32_t factors[] = {1, 2, 4, 20};
	struct fixture *f = *state;
	uint64_t cut = 0, whole = 0, counted = 0;

	for (int n = 1; n < 72; n++) {
		zone_fat(f, n);
		for (int i = 0; i < 3 * 4; i++) {
			uint16_t edns = i % 3 == 0 ? 0 : DNS_UDP_MAX;
			uint32_t factor = factors[i / 3];
			uint8_t q[512], buf[2048], want[2048];
			size_t len = query_make(q, "fat.dc1.example", DNS_A, DNS_IN, edns), full,
			       out;

			if (i % 3 == 2)
				len = option_add(q, len, 10, "clientck", 8);
			memcpy(want, q, len);
			f->s.unproven_factor = 0;
			full = dns_answer(&f->s, &f->from, want, len, sizeof(want));
			memcpy(buf, q, len);
			f->s.unproven_factor = factor;
			out = dns_answer(&f->s, &f->from, buf, len, sizeof(buf));
			assert_true(out > 0);
			assert_true(out <= factor * len || (factor == 1 && out <= len + 16));
			counted += (buf[2] & 2) && factor * len < (edns != 0 ? edns : DNS_UDP_MIN);
			if (full <= factor * len) {
				assert_int_equal(out, full);
				assert_memory_equal(buf, want, out);
				whole++;
			} else {
				assert_true((buf[2] & 2) != 0 && load_be16(buf + 6) == 0);
				cut++;
			}
		}
	}
	assert_in_range(whole, 100, 71 * 12);
	assert_in_range(cut, 100, 71 * 12);
	assert_int_equal(f->s.count[DNS_COUNT_UNPROVEN], counted);
	assert_int_equal(f->s.count[DNS_COUNT_QUERIES], counters_sum(&f->s));
}

/* Who proves its address, by a cookie of ours or by TCP, is under no such limit. */
static void test_proven(void **state)
{
	struct fixture *f = *state;
	uint8_t q[512], buf[2048];
	size_t n, len;

	zone_fat(f, 60);
	f->s.unproven_factor = 4;
	n = query_make(q, "fat.dc1.example", DNS_A, DNS_IN, 1232);
	n = option_add(q, n, 10, "clientck", 8);
	memcpy(buf, q, n);
	len = dns_answer(&f->s, &f->from, buf, n, sizeof(buf));
	assert_true((buf[2] & 2) != 0 && load_be16(buf + 6) == 0);
	n = query_make(q, "fat.dc1.example", DNS_A, DNS_IN, 1232);
	n = option_add(q, n, 10, buf + len - 24, 24); /* even that answer brings the cookie */
	memcpy(buf, q, n);
	(void)dns_answer(&f->s, &f->from, buf, n, sizeof(buf));
	assert_int_equal(load_be16(buf + 6), 60);
	f->from.src = ip_of("192.0.2.98"); /* not with another's */
	memcpy(buf, q, n);
	(void)dns_answer(&f->s, &f->from, buf, n, sizeof(buf));
	assert_true((buf[2] & 2) != 0 && load_be16(buf + 6) == 0);
	assert_int_equal(f->s.count[DNS_COUNT_UNPROVEN], 2);
	f->from.tcp = true;
	n = query_make(buf, "fat.dc1.example", DNS_A, DNS_IN, 0);
	(void)dns_answer(&f->s, &f->from, buf, n, sizeof(buf));
	assert_int_equal(load_be16(buf + 6), 60);
}

/* With no limit but the rate: the largest answer to a small query, asked for by a stranger for others of
 * a network. The rate is that of the sample config. What goes there is bounded by it, and is less than
 * what came at any rate that is worth the name of a flood. With the factor of the sample, for comparison.
 */
static void test_megaphone(void **state)
{
	static const unsigned int rates[] = {200, 2000, 20000};
	const struct dns_rrl_conf conf = {
		.rate = 200, .burst = 400, .slip = 2, .entries = 64, .v4_len = 24, .v6_len = 56};
	const unsigned int seconds = 20;
	struct fixture *f = *state;
	struct siphash_key key = {{3, 4}};
	uint8_t q[512], buf[2048];
	size_t n, len;

	zone_fat(f, 72);
	len = query_make(q, "fat.dc1.example", DNS_A, DNS_IN, 1232);
	for (size_t r = 0; r < 2 * sizeof(rates) / sizeof(rates[0]); r++) {
		uint32_t rate = rates[r / 2];
		uint64_t in = 0, out = 0, most = 0;

		f->s.unproven_factor = r % 2 ? 4 : 0;
		f->s.rrl = dns_rrl_create(&conf, &key);
		assert_non_null(f->s.rrl);
		for (unsigned int i = 0; i < rate * seconds; i++) {
			f->from.now += SEC / rate;
			memcpy(buf, q, len);
			n = dns_answer(&f->s, &f->from, buf, len, sizeof(buf));
			in += len;
			out += n;
			most = n > most ? n : most;
		}
		printf("factor %u, %u queries/s of %zu bytes: %llu bytes/s in, %llu out, at most %llu "
		       "each\n",
		       f->s.unproven_factor, rate, len, (unsigned long long)(in / seconds),
		       (unsigned long long)(out / seconds), (unsigned long long)most);
		if (f->s.unproven_factor == 0)
			assert_in_range(most, 1100, DNS_UDP_MAX);
		else
			assert_true(most <= len);
		/* the rate in full, the burst once, and what is truncated is no longer than its query */
		assert_true(out <= (conf.rate * seconds + conf.burst) * most + in / conf.slip);
		if (rate >= 20000 || f->s.unproven_factor != 0)
			assert_true(out <= in);
		dns_rrl_destroy(f->s.rrl);
		f->s.rrl = NULL;
	}
}

/* Cut every query at every byte and change every byte: ldns reads every answer, none is too long. */
static void test_mutations(void **state)
{
	struct fixture *f = *state;
	uint64_t seed = (uint64_t)time(NULL);
	struct rng rng;
	uint8_t q[512], buf[1500];

	print_message("seed %llu\n", (unsigned long long)seed);
	rng_init_seeded(&rng, seed);
	for (size_t v = 0; v < sizeof(dns_vectors) / sizeof(dns_vectors[0]); v += 4) {
		size_t n = query_make(q, dns_vectors[v].name, dns_vectors[v].type,
				      dns_vectors[v].class, 700);

		n = option_add(q, n, 10, "clientckserverckserverck", 24);
		for (size_t i = 0; i < 40 * n; i++) {
			size_t len = i < n ? i : n, out;

			memcpy(buf, q, n);
			if (i >= n)
				buf[rng_below(&rng, n)] = (uint8_t)rng_u64(&rng);
			if (i >= 20 * n)
				buf[rng_below(&rng, n)] ^= (uint8_t)(1 << rng_below(&rng, 8));
			out = dns_answer(&f->s, &f->from, buf, len, sizeof(buf));
			assert_in_range(out, 0, DNS_UDP_MAX);
			if (out > 0)
				ldns_pkt_free(answer_read(buf, out));
		}
	}
	assert_int_equal(f->s.count[DNS_COUNT_QUERIES], counters_sum(&f->s));
}

static void test_bad_zones(void **state)
{
	static const struct {
		const char *text, *why;
	} rows[] = {
		{"x IN A 1.2.3\n", ":1: "},
		{"a IN A 1.2.3.4\nb IN NS\n", ":2: "},
		{"a.test. IN A 1.2.3.4\n", "outside"},
		{"a IN CNAME b\na IN A 1.2.3.4\n", "CNAME"},
		{"a IN SOA b c 1 2 3 4 5\n", "below the apex"},
		{"@ IN SOA b c 1 2 3 4 5\n@ IN SOA b c 2 2 3 4 5\n", "exactly one SOA"},
		{"a CH A 1.2.3.4\n", ""},
		{"a IN DNSKEY 256 3 13 aaaa\n", "DNSSEC"},
		{"$INCLUDE /etc/passwd\n", ":1: "},
	};
	char why[DNS_ZONE_ERROR_MAX];
	struct dns_zone *z;

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		int ret = zone_from_text(rows[i].text, &z, why);

		if (ret >= 0 || strstr(why, rows[i].why) == NULL)
			fail_msg("%s gave %d, %s", rows[i].text, ret, why);
	}
}

static void test_frames(void **state)
{
	uint8_t buf[32] = {0, 12};
	const uint8_t *msg;
	size_t n;

	for (size_t len = 0; len < 14; len++)
		assert_int_equal(dns_frame_take(buf, len, &msg, &n), 0);
	assert_int_equal(dns_frame_take(buf, 14, &msg, &n), 14);
	assert_int_equal(dns_frame_take(buf, 32, &msg, &n), 14);
	assert_ptr_equal(msg, buf + 2);
	assert_int_equal(n, 12);
	buf[1] = 11;
	assert_true(dns_frame_take(buf, 32, &msg, &n) < 0);
	dns_frame_put(buf, 0x1234);
	assert_int_equal(load_be16(buf), 0x1234);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_vectors, setup, teardown),
		cmocka_unit_test_setup_teardown(test_loop_ends, setup, teardown),
		cmocka_unit_test_setup_teardown(test_malformed, setup, teardown),
		cmocka_unit_test_setup_teardown(test_limits, setup, teardown),
		cmocka_unit_test_setup_teardown(test_no_zone, setup, teardown),
		cmocka_unit_test_setup_teardown(test_rate_and_cookies, setup, teardown),
		cmocka_unit_test_setup_teardown(test_unproven, setup, teardown),
		cmocka_unit_test_setup_teardown(test_proven, setup, teardown),
		cmocka_unit_test_setup_teardown(test_megaphone, setup, teardown),
		cmocka_unit_test_setup_teardown(test_mutations, setup, teardown),
		cmocka_unit_test(test_bad_zones),
		cmocka_unit_test(test_frames),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
