/* SPDX-License-Identifier: BSD-3-Clause */
/* One fat leg, its crypto shared by two workers: what leaves is what one worker would have sent, in
 * the same order, whoever did which batch and however late; nothing is lost when keys or legs go, nor
 * at the end.
 */
#include "appliance/batch_fifo.h"
#include "appliance/pipeline/share.h"
#include "appliance/rcu.h"
#include "tests/unit/rs_node.h"

#include <rte_eth_ring.h>
#include <rte_ethdev.h>
#include <rte_ring.h>

#include <pthread.h>
#include <sched.h>
#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

enum { HOST_PORT = 443, BODY = 100, BURST = 64, OUT_MAX = 4096 };

struct rig {
	struct fix f;
	struct node n;
	struct worker *w, *helper;
	struct rng rng;
	/* Numbers of what left, in order. */
	uint32_t out[OUT_MAX];
	unsigned int n_out;
};

static void rig_up(struct rig *r, struct rte_rcu_qsbr *qsbr, uint64_t seed)
{
	struct rs_dp_config cfg = {.share_crypto = true, .qsbr = qsbr};
	struct ip_addr vip = fix_ip("240.128.0.1"), rip = fix_ip("198.51.100.80");

	print_message("seed %llu\n", (unsigned long long)seed);
	fix_up(&r->f, &cfg);
	node_up(&r->n, &r->f, 0, NODE_VIP4, NODE_VIP6);
	assert_int_equal(rs_dp_binding_add(r->f.dp, r->n.index, 1, &vip, &rip), 0);
	r->w = r->f.w[0];
	r->helper = r->f.w[1];
	rng_init_seeded(&r->rng, seed);
	r->n_out = 0;
}

static void rig_down(struct rig *r)
{
	struct rs_event ev;

	while (fix_event(&r->f, &ev))
		;
	assert_int_equal(r->w->stats.held, 0);
	node_down(&r->n);
	fix_down(&r->f);
}

/* Under load from the ports for long enough that the worker shares. */
static void press(struct rig *r)
{
	for (int i = 0; i < SHARE_PRESSURE_MAX; i++)
		share_load(r->w, BURST);
	share_stage(r->w);
	assert_true(r->w->rs->fifo->on);
}

/* A sealed packet of the node; its inner UDP payload begins with number. */
static struct rte_mbuf *sealed(struct rig *r, uint32_t number)
{
	struct endpoint mn = {fix_ip(NODE_VIP4), 5000}, gn = {fix_ip("240.128.0.1"), HOST_PORT};
	uint8_t inner[FIX_PACKET_MAX], body[BODY] = {0};
	uint16_t len;

	store_be32(body, number);
	len = pkt_udp(inner, &mn, &gn, 64, body, sizeof(body));
	return node_frame(&r->n, WIRE_DATA, inner, len);
}

static void note_out(struct rig *r)
{
	struct burst *tx = &r->w->lanes.tx;

	for (uint16_t i = 0; i < tx->n; i++) {
		struct rte_mbuf *m = tx->pkt[i];

		assert_true(r->n_out < OUT_MAX);
		r->out[r->n_out++] =
			load_be32(rte_pktmbuf_mtod_offset(m, uint8_t *, IP4_HDR_LEN + UDP_HDR_LEN));
		rte_pktmbuf_free(m);
	}
	r->w->stats.tx += tx->n;
	tx->n = 0;
}

/* A pass in the order of pipeline.c, over what lies in the rx lane. */
static void pass(struct rig *r)
{
	struct worker *w = r->w;

	parse_stage(w);
	relay_stage(w);
	open_stage(w);
	share_stage(w);
	nat_out_stage(w);
	nat_in_stage(w);
	seal_stage(w);
	note_out(r);
}

static void relax(struct rig *r)
{
	r->w->rs->fifo->pressure = 0;
	r->w->rs->fifo->on = false;
}

static void passes_to_end(struct rig *r)
{
	relax(r);
	while (share_pending(r->w))
		pass(r);
}

static void in_order_whoever_helps(void **state)
{
	enum { PACKETS = 3000 };
	static struct rig r;
	uint32_t sent = 0, again = 0;

	rig_up(&r, NULL, 41);
	press(&r);
	while (sent < PACKETS) {
		unsigned int burst = (unsigned int)rng_below(&r.rng, BURST) + 1;

		for (unsigned int i = 0; i < burst && share_room(r.w) && sent < PACKETS; i++) {
			struct rte_mbuf *m = sealed(&r, sent++);

			/* A replay of the same packet, while the first may still be under way. */
			if (rng_below(&r.rng, 20) == 0) {
				struct rte_mbuf *copy =
					rte_pktmbuf_copy(m, r.f.pool, 0, UINT32_MAX);

				memset(pkt_meta(copy), 0, sizeof(struct pkt_meta));
				fix_inject(r.w, m);
				fix_inject(r.w, copy);
				again++;
				continue;
			}
			fix_inject(r.w, m);
		}
		for (uint64_t help = rng_below(&r.rng, 4); help > 0; help--)
			share_help(r.helper, 0);
		pass(&r);
		fix_conserve(&r.f);
	}
	passes_to_end(&r);
	assert_int_equal(r.n_out, PACKETS);
	for (uint32_t i = 0; i < PACKETS; i++)
		assert_int_equal(r.out[i], i);
	assert_int_equal(r.w->stats.drops[DROP_REPLAY], again);
	assert_true(again > 0);
	assert_int_equal(r.w->stats.opened, PACKETS);
	assert_int_equal(r.w->stats.shared, PACKETS + again);
	assert_true(r.helper->stats.helped > 0);
	assert_true(r.helper->stats.helped < r.w->stats.shared);
	rig_down(&r);
}

/* Towards the node: numbers of the key go out in order, every packet opens there. */
static void sealed_in_order(void **state)
{
	enum { PACKETS = 1000 };
	static struct rig r;
	struct endpoint host = {fix_ip("198.51.100.80"), HOST_PORT}, pub;
	uint8_t ip[FIX_PACKET_MAX], got[FIX_PACKET_MAX], body[BODY] = {0};
	uint32_t sent = 0, seen = 0, v4;
	struct rte_mbuf *m;

	rig_up(&r, NULL, 42);
	/* The flow begins at the node. */
	fix_inject(r.w, sealed(&r, 0));
	fix_run(r.w);
	m = fix_out(r.w);
	memcpy(&v4, rte_pktmbuf_mtod_offset(m, uint8_t *, 12), sizeof(v4));
	pub = (struct endpoint){ip_from_v4(v4),
				load_be16(rte_pktmbuf_mtod_offset(m, uint8_t *, IP4_HDR_LEN))};
	rte_pktmbuf_free(m);
	press(&r);
	while (seen < PACKETS) {
		for (int i = 0; i < BURST && share_room(r.w) && sent < PACKETS; i++) {
			uint16_t len;

			store_be32(body, sent++);
			len = pkt_udp(ip, &host, &pub, 64, body, sizeof(body));
			fix_inject(r.w, fix_frame(&r.f, ip, len));
		}
		if (sent == PACKETS)
			relax(&r);
		if (rng_below(&r.rng, 2) == 0)
			share_help(r.helper, 0);
		parse_stage(r.w);
		share_stage(r.w);
		nat_in_stage(r.w);
		seal_stage(r.w);
		while (r.w->lanes.tx.n > 0) {
			assert_int_equal(node_take(&r.n, got), IP4_HDR_LEN + UDP_HDR_LEN + BODY);
			assert_int_equal(r.n.got_seq, seen);
			assert_int_equal(load_be32(got + IP4_HDR_LEN + UDP_HDR_LEN), seen);
			seen++;
		}
	}
	assert_true(r.helper->stats.helped > 0);
	rig_down(&r);
}

/* Keys and leg go while batches are under way: they stay readable until the owner is through. */
static void leg_goes_meanwhile(void **state)
{
	enum { PACKETS = 96 };
	static struct rig r;
	static struct rcu rcu;
	const uint8_t *key;
	uint8_t wiped[64] = {0};

	assert_int_equal(rcu_init(&rcu, 2), 0);
	rig_up(&r, rcu.qsbr, 43);
	rcu_online(&rcu, 0);
	rcu_online(&rcu, 1);
	key = leg_key_rx(
		r.f.dp->legs,
		&r.f.dp->legs->keys[leg_key_at(leg_table_find(r.f.dp->legs, r.n.index), 0)]);
	press(&r);
	r.w->rs->fifo->helpers = 2;
	r.w->rcu_token = rcu_token(&rcu);
	for (uint32_t i = 0; i < PACKETS; i++)
		fix_inject(r.w, sealed(&r, i));
	parse_stage(r.w);
	relay_stage(r.w);
	open_stage(r.w);
	assert_int_equal(r.w->stats.held, PACKETS);

	assert_int_equal(rs_dp_leg_del(r.f.dp, r.n.index), 0);
	rcu_quiescent_at(&rcu, 0, share_token(r.w));
	rcu_quiescent(&rcu, 1);
	rs_dp_housekeep(r.f.dp, r.w->now);
	assert_memory_not_equal(key, wiped, sizeof(wiped));

	assert_true(share_help(r.helper, 0));
	passes_to_end(&r);
	/* All were authentic; the bindings of the leg are gone, or its last packets still left. */
	assert_int_equal(r.w->stats.drops[DROP_AUTH], 0);
	assert_int_equal(r.n_out + stats_drop_sum(&r.w->stats), PACKETS);
	rcu_quiescent(&rcu, 0);
	rcu_quiescent(&rcu, 1);
	rs_dp_housekeep(r.f.dp, r.w->now);
	assert_memory_equal(key, wiped, sizeof(wiped));
	rig_down(&r);
	rcu_fini(&rcu);
}

/* Nobody has time: nothing is shared; it begins with the pressure and ends with it. */
static void begins_and_ends(void **state)
{
	static struct rig r;
	struct batch_fifo *f;

	rig_up(&r, NULL, 44);
	f = r.w->rs->fifo;
	share_help(r.helper, BURST);
	for (int i = 0; i < SHARE_PRESSURE_MAX; i++)
		share_load(r.w, BURST);
	share_stage(r.w);
	assert_false(f->on);
	share_help(r.helper, 1);
	share_stage(r.w);
	assert_true(f->on);
	assert_false(share_help(r.w, 1)); /* who is helped does not help */
	for (int i = 0; i < SHARE_PRESSURE_MAX; i++)
		share_load(r.w, 1);
	assert_false(f->on);
	fix_inject(r.w, sealed(&r, 0));
	pass(&r);
	assert_int_equal(r.n_out, 1);
	assert_int_equal(r.w->stats.shared, 0);
	rig_down(&r);
}

/* More than the slots hold, with a helper that never finishes what it took. */
static void full_is_told(void **state)
{
	static struct rig r;
	struct batch *stuck;
	uint32_t cursor = 0, sent = 0;

	rig_up(&r, NULL, 45);
	press(&r);
	fix_inject(r.w, sealed(&r, sent++));
	parse_stage(r.w);
	relay_stage(r.w);
	open_stage(r.w);
	stuck = batch_take(r.w->rs->fifo, &cursor);
	assert_non_null(stuck);
	for (; share_room(r.w); pass(&r))
		for (int i = 0; i < AEAD_BURST; i++)
			fix_inject(r.w, sealed(&r, sent++));
	assert_int_equal(r.n_out, 0);
	assert_int_equal(r.w->stats.held, sent);
	for (int i = 0; i < BATCH_SLOTS; i++) {
		fix_inject(r.w, sealed(&r, sent++));
		parse_stage(r.w);
		relay_stage(r.w);
		open_stage(r.w);
	}
	assert_int_equal(r.w->stats.drops[DROP_SHARE_FULL], BATCH_SLOTS - SHARE_RESERVE + 1);
	fix_conserve(&r.f);
	stuck->work(r.helper->rs->aead, stuck);
	batch_done(stuck);
	passes_to_end(&r);
	assert_int_equal(r.n_out, sent - r.w->stats.drops[DROP_SHARE_FULL]);
	for (uint32_t i = 0; i < r.n_out; i++)
		assert_int_equal(r.out[i], i);
	rig_down(&r);
}

struct help {
	struct worker *w;
	_Atomic bool stop;
};

static void *help_main(void *arg)
{
	struct help *h = arg;

	while (!atomic_load(&h->stop))
		if (!share_help(h->w, 0))
			sched_yield();
	return NULL;
}

static struct rte_ring *ring_new(const char *name)
{
	struct rte_ring *ring = rte_ring_create(name, 4096, 0, RING_F_SP_ENQ | RING_F_SC_DEQ);

	assert_non_null(ring);
	return ring;
}

static void port_up(struct rig *r, struct rte_ring *in, struct rte_ring *out)
{
	struct rte_eth_conf conf = {.txmode = {.mq_mode = RTE_ETH_MQ_TX_NONE}};
	int port = rte_eth_from_rings("share", &in, 1, &out, 1, 0);

	assert_true(port >= 0);
	assert_int_equal(rte_eth_dev_configure((uint16_t)port, 1, 1, &conf), 0);
	assert_int_equal(rte_eth_rx_queue_setup((uint16_t)port, 0, 64, 0, NULL, r->f.pool), 0);
	assert_int_equal(rte_eth_tx_queue_setup((uint16_t)port, 0, 64, 0, NULL), 0);
	assert_int_equal(rte_eth_dev_start((uint16_t)port), 0);
	r->w->n_ports = 1;
	r->w->ports[0] = (uint16_t)port;
	r->w->out = calloc(1, sizeof(*r->w->out));
	r->f.ifaces[0].port = (uint16_t)port;
	atomic_store(&r->f.nexthops[1].word, (uint64_t)NEXTHOP_READY << 48 | 0x770000000002);
}

/* The real chain over a port, the helper in a thread of its own, until the process "stops" in the
 * middle of it: what was received leaves, in order.
 */
static void real_helper_then_stop(void **state)
{
	enum { ROUNDS = 40, PACKETS = 1024 };
	const unsigned int at = RTE_ETHER_HDR_LEN + IP4_HDR_LEN + UDP_HDR_LEN;
	static struct rig r;
	struct rte_ring *in = ring_new("share_in"), *out = ring_new("share_out");
	struct help h;
	pthread_t thread;
	uint32_t sent = 0, got = 0;
	struct rte_mbuf *m;
	void *obj;

	rig_up(&r, NULL, 46);
	port_up(&r, in, out);
	h = (struct help){.w = r.helper};
	assert_int_equal(pthread_create(&thread, NULL, help_main, &h), 0);
	for (int round = 0; round < ROUNDS; round++) {
		for (int i = 0; i < PACKETS; i++) {
			m = sealed(&r, sent++);
			m->port = r.w->ports[0];
			assert_int_equal(rte_ring_enqueue(in, m), 0);
		}
		while (rte_ring_count(in) > 0 || r.w->lanes.ahead.n > 0) {
			pipeline_run(r.w);
			r.w->wake_peers = 0;
		}
		if (round == ROUNDS - 1) {
			pipeline_flush(r.w);
			assert_false(share_pending(r.w));
		}
		while (rte_ring_dequeue(out, &obj) == 0) {
			m = obj;
			assert_int_equal(load_be32(rte_pktmbuf_mtod_offset(m, uint8_t *, at)),
					 got++);
			rte_pktmbuf_free(m);
		}
	}
	atomic_store(&h.stop, true);
	pthread_join(thread, NULL);
	if (got != sent)
		fix_print_drops(r.w);
	assert_int_equal(got, sent);
	assert_int_equal(stats_drop_sum(&r.w->stats), 0);
	print_message("%llu packets shared, %llu helped with\n",
		      (unsigned long long)r.w->stats.shared,
		      (unsigned long long)r.helper->stats.helped);
	assert_true(r.w->stats.shared > 0);
	rte_eth_dev_stop(r.w->ports[0]);
	rte_eth_dev_close(r.w->ports[0]);
	free(r.w->out);
	rte_ring_free(in);
	rte_ring_free(out);
	rig_down(&r);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(in_order_whoever_helps), cmocka_unit_test(sealed_in_order),
		cmocka_unit_test(leg_goes_meanwhile),	  cmocka_unit_test(begins_and_ends),
		cmocka_unit_test(full_is_told),		  cmocka_unit_test(real_helper_then_stop),
	};

	eal_start();
	return cmocka_run_group_tests(tests, NULL, NULL);
}
