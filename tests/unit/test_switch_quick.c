/* SPDX-License-Identifier: BSD-3-Clause */
/* The quick ways through the switch against the slow one: the same packet twice, once on a path as it is
 * and once with its record's marks taken off. What comes out is the same to the byte, and so is what is
 * counted.
 */
#include "tests/unit/rs_fixture.h"

#include <rte_ip.h>

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

#define OWN4 "192.0.2.1:4700"
#define OWN6 "[2001:db8::1]:4700"

enum {
	LOCAL4 = 0,
	LOCAL6 = 3,
	ROUNDS = 20000,
	MARKS = SIDE_PLAIN4 | SIDE_PLAIN6 | SIDE_PLAIN_ACROSS
};

static const struct way {
	uint64_t id;
	const char *node[RS_SIDES];
} ways[] = {
	{0x1111, {"198.51.100.10:1111", "198.51.100.20:2222"}},
	{0x2222, {"198.51.100.10:1111", "[2001:db8:b::1]:2222"}},
	{0x3333, {"[2001:db8:a::1]:1111", "[2001:db8:b::1]:2222"}},
	{0x4444, {"[2001:db8:a::1]:65535", "203.0.113.9:1"}}, /* a link of 1400 bytes */
	{0x5555, {"[2001:db8:ffff:ffff:ffff:ffff:ffff:ffff]:65535", "[2001:db8::2]:1"}},
};

static void paths_make(struct fix *f)
{
	for (size_t i = 0; i < RTE_DIM(ways); i++) {
		struct rs_dp_path p = {.id = ways[i].id};

		for (int s = 0; s < RS_SIDES; s++) {
			p.side[s].peer = fix_ep(ways[i].node[s]);
			p.side[s].local = ip_is_v4(&p.side[s].peer.ip) ? LOCAL4 : LOCAL6;
			p.side[s].state = RS_SIDE_CONFIRMED;
		}
		assert_int_equal(rs_dp_path_set(f->dp, &p), 0);
	}
}

/* A packet that comes in, from its IP header on. */
struct packet {
	uint8_t ip[FIX_PACKET_MAX];
	uint16_t len;
	unsigned int hdr; /* bytes of its IP header */
};

/* Nearly always what may pass; now and then something that the quick ways must not take. */
static void packet_make(struct fix *f, struct packet *p, const struct way *way, bool from_a)
{
	struct rng *rng = &f->rng;
	uint16_t len = (uint16_t)(WIRE_HDR_LEN + rng_below(rng, rng_below(rng, 4) ? 200 : 1480));
	struct fix_udp u = {.src = fix_ep(way->node[from_a ? RS_SIDE_A : RS_SIDE_B]),
			    .ttl = (uint8_t)(rng_below(rng, 16) ? rng_u64(rng) : rng_below(rng, 3)),
			    .tos = (uint8_t)rng_u64(rng),
			    .no_checksum = rng_below(rng, 16) == 0};
	uint8_t ntm[2048];
	struct rte_mbuf *m;

	u.dst = fix_ep(ip_is_v4(&u.src.ip) ? OWN4 : OWN6);
	u.src.port ^= rng_below(rng, 32) == 0;
	u.src.ip.b[15] ^= rng_below(rng, 32) == 0;
	u.src.ip.b[8 + rng_below(rng, 2) * 5] ^= !ip_is_v4(&u.src.ip) && rng_below(rng, 32) == 0;
	wire_build(ntm, WIRE_DATA, wire_flags(from_a, 1, 0), 7, way->id);
	rng_fill(rng, ntm + WIRE_HDR_LEN, len - (size_t)WIRE_HDR_LEN);
	m = fix_udp_frame(f, &u, ntm, len);
	p->len = (uint16_t)(rte_pktmbuf_data_len(m) - RTE_ETHER_HDR_LEN);
	memcpy(p->ip, rte_pktmbuf_mtod_offset(m, void *, RTE_ETHER_HDR_LEN), p->len);
	p->hdr = outer_len(&u.src.ip);
	rte_pktmbuf_free(m);
}

static void header_sum(struct packet *p)
{
	uint16_t sum;

	store_be16(p->ip + 10, 0);
	sum = (uint16_t)~rte_raw_cksum(p->ip, IP4_HDR_LEN);
	memcpy(p->ip + 10, &sum, 2);
}

/* As others make them: with an ID or a flow label, bytes behind the datagram, a checksum that is wrong. */
static void packet_ruffle(struct fix *f, struct packet *p)
{
	struct rng *rng = &f->rng;
	uint16_t more = rng_below(rng, 8) == 0 ? (uint16_t)rng_below(rng, 9) : 0;

	rng_fill(rng, p->ip + p->len, more);
	p->len = (uint16_t)(p->len + more);
	if (rng_below(rng, 8) == 0)
		store_be16(p->ip + p->hdr + 6, (uint16_t)(1 + rng_below(rng, 0xffff)));
	if (p->hdr == IP6_HDR_LEN) {
		store_be16(p->ip + 4, (uint16_t)(p->len - IP6_HDR_LEN));
		store_be32(p->ip, load_be32(p->ip) | (uint32_t)rng_below(rng, FLOW_LABEL_MASK + 1));
		return;
	}
	store_be16(p->ip + 2, p->len);
	store_be32(p->ip + 4, (uint32_t)rng_u64(rng) << 16 | (rng_below(rng, 2) ? IP4_DF : 0));
	header_sum(p);
}

static struct path_record *record(struct fix *f, uint64_t id)
{
	return (struct path_record *)(uintptr_t)relay_table_find(f->dp->paths, id);
}

static struct rte_mbuf *pass(struct fix *f, const struct packet *p)
{
	fix_inject(f->w[0], fix_frame(f, p->ip, p->len));
	fix_run(f->w[0]);
	return fix_out(f->w[0]);
}

/* The slow way, on the same record. */
static struct rte_mbuf *pass_slow(struct fix *f, const struct packet *p, uint64_t id)
{
	struct path_record *rec = record(f, id);
	const uint8_t marks[] = {rec->side[0].flags & MARKS, rec->side[1].flags & MARKS};
	struct rte_mbuf *m;

	assert_true(marks[0] != 0 && marks[0] == marks[1]);
	for (int s = 0; s < RS_SIDES; s++)
		rec->side[s].flags &= ~MARKS & 0x3f;
	m = pass(f, p);
	for (int s = 0; s < RS_SIDES; s++)
		rec->side[s].flags |= marks[s] & 0x3f;
	return m;
}

static void outcome_equal(const struct rte_mbuf *a, const struct rte_mbuf *b)
{
	assert_int_equal(a == NULL, b == NULL);
	if (a == NULL)
		return;
	assert_int_equal(rte_pktmbuf_data_len(a), rte_pktmbuf_data_len(b));
	assert_int_equal(rte_pktmbuf_pkt_len(a), rte_pktmbuf_pkt_len(b));
	assert_int_equal(a->data_off, b->data_off);
	assert_int_equal(pkt_meta((struct rte_mbuf *)(uintptr_t)a)->nexthop,
			 pkt_meta((struct rte_mbuf *)(uintptr_t)b)->nexthop);
	assert_memory_equal(rte_pktmbuf_mtod(a, void *), rte_pktmbuf_mtod(b, void *),
			    rte_pktmbuf_data_len(a));
}

/* Add what the packet that came out has for a checksum to what the next one has in it: its checksum will be
 * 0, which is written as ffff.
 */
static void sum_to_zero(struct packet *p, const struct rte_mbuf *out)
{
	const uint8_t *ip = rte_pktmbuf_mtod(out, const uint8_t *);
	const unsigned int hdr = ip[0] >> 4 == 6 ? IP6_HDR_LEN : IP4_HDR_LEN;
	uint8_t *udp = p->ip + p->hdr, *word = udp + UDP_HDR_LEN + 2; /* of the packet's number */
	uint16_t check = load_be16(ip + hdr + 6), was = load_be16(word), now;
	uint32_t sum = (uint32_t)was + check;

	now = (uint16_t)(sum + (sum >> 16));
	store_be16(word, now);
	sum = (uint32_t)(uint16_t)~load_be16(udp + 6) + (uint16_t)~was + now;
	sum = (sum & 0xffff) + (sum >> 16);
	sum = (sum & 0xffff) + (sum >> 16);
	check = (uint16_t)~sum;
	store_be16(udp + 6, check != 0 ? check : 0xffff);
}

struct tally {
	uint64_t drops[DROP_MAX];
	struct rs_dp_path_stats path;
};

static struct tally tally(struct fix *f, uint64_t id)
{
	struct tally t;

	memcpy(t.drops, f->w[0]->stats.drops, sizeof(t.drops));
	assert_int_equal(rs_dp_path_stats(f->dp, id, &t.path), 0);
	return t;
}

/* What came to it between a and b is what came to it between b and c. */
static void tally_equal(const struct tally *a, const struct tally *b, const struct tally *c)
{
	for (int i = 0; i < DROP_MAX; i++)
		assert_int_equal(b->drops[i] - a->drops[i], c->drops[i] - b->drops[i]);
	for (int s = 0; s < RS_SIDES; s++) {
		assert_int_equal(b->path.packets[s] - a->path.packets[s],
				 c->path.packets[s] - b->path.packets[s]);
		assert_int_equal(b->path.bytes[s] - a->path.bytes[s],
				 c->path.bytes[s] - b->path.bytes[s]);
	}
}

/* The packet both ways. The quick one's outcome, which the caller frees. */
static struct rte_mbuf *pass_both(struct fix *f, const struct packet *p, uint64_t id)
{
	struct tally before = tally(f, id), between, after;
	struct rte_mbuf *quick = pass(f, p), *slow;

	between = tally(f, id);
	slow = pass_slow(f, p, id);
	after = tally(f, id);
	outcome_equal(quick, slow);
	tally_equal(&before, &between, &after);
	rte_pktmbuf_free(slow);
	return quick;
}

/* Strangers have nothing left, so that each is dropped. */
static void strangers_spend(struct fix *f)
{
	for (size_t i = 0; i < RTE_DIM(ways); i++) {
		uint32_t number = relay_table_number(f->dp->paths, record(f, ways[i].id));

		for (int s = 0; s < RS_SIDES; s++)
			atomic_store(&f->dp->path_ctl[number].strays[s], 0);
	}
}

static void quick_is_as_slow(void **state)
{
	unsigned int passed = 0, zero = 0;
	struct packet p;
	struct fix f;

	fix_up(&f, NULL);
	paths_make(&f);
	strangers_spend(&f);
	for (int i = 0; i < ROUNDS; i++) {
		const struct way *way = &ways[i / 2 % RTE_DIM(ways)];
		struct rte_mbuf *m;
		struct rs_event ev;

		packet_make(&f, &p, way, i % 2);
		if (rng_below(&f.rng, 2) == 0)
			packet_ruffle(&f, &p);
		m = pass_both(&f, &p, way->id);
		passed += m != NULL;
		if (m != NULL && load_be16(p.ip + p.hdr + 6) != 0 && rng_below(&f.rng, 8) == 0) {
			sum_to_zero(&p, m);
			rte_pktmbuf_free(m);
			m = pass_both(&f, &p, way->id);
			assert_non_null(m);
			zero += load_be16(rte_pktmbuf_mtod_offset(
					m, uint8_t *,
					rte_pktmbuf_mtod(m, uint8_t *)[0] >> 4 == 6 ? 46 : 26)) ==
				0xffff;
		}
		rte_pktmbuf_free(m);
		while (fix_event(&f, &ev))
			continue;
	}
	assert_true(passed > ROUNDS / 2 && zero > ROUNDS / 40);
	fix_down(&f);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(quick_is_as_slow),
	};
	int ret;

	eal_start();
	ret = cmocka_run_group_tests(tests, NULL, NULL);
	eal_stop();
	return ret;
}
