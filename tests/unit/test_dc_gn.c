/* SPDX-License-Identifier: BSD-3-Clause */
#include "tests/unit/dc_cast.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

/* Directions to general hosts: who is reached by NAT at an RS, by which virtual address. */

static const struct world_name names[] = {
	{"web.example.com", DC_LOOKUP_A, DC_LOOKUP_OK, {"93.184.216.34"}},
	{"example.com", DC_LOOKUP_NS, DC_LOOKUP_OK, {"ns.example.com"}},
	{"two.example.com", DC_LOOKUP_A, DC_LOOKUP_OK, {"93.184.216.35"}},
	{"two.example.com", DC_LOOKUP_AAAA, DC_LOOKUP_OK, {"2600::35"}},
	{"loop.example.com", DC_LOOKUP_A, DC_LOOKUP_OK, {"127.0.0.1"}},
	{"meta.example.com", DC_LOOKUP_A, DC_LOOKUP_OK, {"169.254.169.254"}},
	{"map.example.com", DC_LOOKUP_AAAA, DC_LOOKUP_OK, {"64:ff9b::7f00:1"}},
	{"self.example.com", DC_LOOKUP_A, DC_LOOKUP_OK, {"198.51.100.50"}},
	{"pool.example.com", DC_LOOKUP_A, DC_LOOKUP_OK, {"240.1.0.20"}},
	{"lan.example.com", DC_LOOKUP_A, DC_LOOKUP_OK, {"10.9.8.7"}},
	{"mix.example.com", DC_LOOKUP_A, DC_LOOKUP_OK, {"127.0.0.1", "93.184.216.36"}},
	{"gone.example.com", DC_LOOKUP_A, DC_LOOKUP_NXDOMAIN, {NULL}},
	{"gone.example.com", DC_LOOKUP_AAAA, DC_LOOKUP_NXDOMAIN, {NULL}},
	{"www.slow.test", DC_LOOKUP_A, DC_LOOKUP_OK, {"93.184.216.37"}},
	{"slow.test", DC_LOOKUP_NS, DC_LOOKUP_OK, {"ns.slow.test"}},
	{"ns.slow.test", DC_LOOKUP_TXT, DC_LOOKUP_FAILED, {NULL}},
	{"x.evil.test", DC_LOOKUP_A, DC_LOOKUP_OK, {"93.184.216.38"}},
	{"evil.test", DC_LOOKUP_NS, DC_LOOKUP_OK, {"ns.evil.test"}},
	{"ns.evil.test", DC_LOOKUP_TXT, DC_LOOKUP_OK, {"mark"}},
};

static void with_names(struct world *w)
{
	w->names = names;
	w->names_n = sizeof(names) / sizeof(names[0]);
}

static void test_general_host(void **state)
{
	struct cast *c = cast_new();
	const struct msg *a = &c->alice->answer;
	struct ip_addr rip, vip;

	with_names(&c->w);
	peer_direct(c->alice, "web.example.com");
	assert_int_equal(a->has & HAS(ERROR), 0);
	assert_int_equal(a->relay_type, RELAY_NAT);
	assert_int_equal(a->bindings_n, 2);
	assert_int_equal(ip_parse("93.184.216.34", &rip), 0);
	/* Both virtual addresses lead there, also the one of the other family. */
	assert_true(ip_equal(&a->bindings[0].rip_gn, &rip));
	assert_true(ip_equal(&a->bindings[1].rip_gn, &rip));
	assert_true(prefix_contains(&c->w.params.gn4, &a->bindings[0].vip_gn));
	assert_true(prefix_contains(&c->w.params.gn6, &a->bindings[1].vip_gn));
	assert_int_equal(c->rs->got[MSG_RELAY_DIRECTION].bindings_n, 2);
	assert_int_equal(c->rs->got[MSG_RELAY_DIRECTION].relay_type, RELAY_NAT);
	vip = a->bindings[0].vip_gn;
	/* Asked again, also by address: the same, and the RS is not asked again. */
	c->rs->got_n[MSG_RELAY_DIRECTION] = 0;
	peer_direct_vip(c->alice, &vip);
	assert_true(ip_equal(&a->bindings[0].vip_gn, &vip));
	assert_int_equal(c->rs->got_n[MSG_RELAY_DIRECTION], 0);
	/* Another node has its own block, which is the same block. */
	peer_direct(c->bob, "two.example.com");
	assert_true(ip_equal(&c->bob->answer.bindings[0].vip_gn, &vip));
	/* The RS of this test has IPv4 alone: its AAAA is not used. */
	assert_true(ip_is_v4(&c->bob->answer.bindings[1].rip_gn));
	peer_direct(c->alice, "mix.example.com");
	assert_int_equal(ip_parse("93.184.216.36", &rip), 0);
	assert_true(ip_equal(&a->bindings[0].rip_gn, &rip));
	assert_false(ip_equal(&a->bindings[0].vip_gn, &vip));
	cast_free(c);
}

static void test_refused_hosts(void **state)
{
	static const struct {
		const char *name;
		uint16_t error;
		enum dc_counter counter;
	} rows[] = {
		{"loop.example.com", MSG_ERR_REFUSED_DST, DC_COUNT_DIR_REFUSED_DST},
		{"meta.example.com", MSG_ERR_REFUSED_DST, DC_COUNT_DIR_REFUSED_DST},
		{"map.example.com", MSG_ERR_REFUSED_DST, DC_COUNT_DIR_REFUSED_DST},
		{"self.example.com", MSG_ERR_REFUSED_DST, DC_COUNT_DIR_REFUSED_DST},
		{"pool.example.com", MSG_ERR_REFUSED_DST, DC_COUNT_DIR_REFUSED_DST},
		{"lan.example.com", MSG_ERR_REFUSED_DST, DC_COUNT_DIR_REFUSED_DST},
		{"gone.example.com", MSG_ERR_UNKNOWN_NAME, DC_COUNT_DIR_UNKNOWN_NAME},
		/* perhaps an NTMobile name */
		{"www.slow.test", MSG_ERR_TIMEOUT, DC_COUNT_DIR_TIMEOUT},
		/* the mark proves nothing */
		{"x.evil.test", MSG_ERR_UNREACHABLE, DC_COUNT_DIR_UNREACHABLE},
	};
	struct cast *c = cast_new();

	with_names(&c->w);
	c->rs->got_n[MSG_RELAY_DIRECTION] = 0;
	for (unsigned int i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		uint64_t before = world_count(&c->w, rows[i].counter);

		peer_direct(c->alice, rows[i].name);
		print_message("%s: %s\n", rows[i].name, msg_error_name(c->alice->answer.error));
		assert_int_equal(c->alice->answer.error, rows[i].error);
		assert_int_equal(world_count(&c->w, rows[i].counter), before + 1);
	}
	assert_int_equal(c->rs->got_n[MSG_RELAY_DIRECTION], 0);
	cast_free(c);
}

static void policy(struct dc_params *p)
{
	snprintf(p->relay_suffixes[0], sizeof(p->relay_suffixes[0]), "web.example.com");
	p->relay_suffixes_n = 1;
	assert_int_equal(prefix_parse("10.9.0.0/16", &p->inner[0]), 0);
	p->inner_n = 1;
	p->binding_lifetime_sec = 100;
	p->gn_quarantine_sec = 1000;
	p->rs_silent_sec = 100000;
	p->key_lifetime_sec = 100000;
}

static void test_policy(void **state)
{
	struct cast *c = cast_of(policy);

	with_names(&c->w);
	peer_direct(c->alice, "web.example.com");
	assert_int_equal(c->alice->answer.has & HAS(ERROR), 0);
	peer_direct(c->alice, "two.example.com");
	assert_int_equal(c->alice->answer.error, MSG_ERR_NOT_NTM);
	cast_free(c);
}

static void no_policy(struct dc_params *p)
{
	policy(p);
	p->relay_suffixes_n = 0;
}

/* a virtual address rests before it stands for another host, through a restart too. */
static void test_quarantine(void **state)
{
	struct cast *c = cast_of(no_policy);
	struct ip_addr web, lan;

	with_names(&c->w);
	peer_direct(c->alice, "web.example.com");
	web = c->alice->answer.bindings[0].vip_gn;
	world_run(&c->w, 200 * SEC);
	peer_direct(c->alice, "lan.example.com");
	assert_int_equal(c->alice->answer.has & HAS(ERROR), 0);
	lan = c->alice->answer.bindings[0].vip_gn;
	assert_false(ip_equal(&lan, &web));
	c->rs->has_token = false;
	c->alice->has_token = false;
	peer_restart(c->rs);
	peer_restart(c->alice);
	world_restart_dc(&c->w);
	peer_register(c->rs, rs_own);
	peer_register(c->alice, behind_nat);
	peer_direct(c->alice, "mix.example.com");
	assert_false(ip_equal(&c->alice->answer.bindings[0].vip_gn, &web));
	assert_false(ip_equal(&c->alice->answer.bindings[0].vip_gn, &lan));
	/* The host itself gets its own again. */
	peer_direct(c->alice, "web.example.com");
	assert_true(ip_equal(&c->alice->answer.bindings[0].vip_gn, &web));
	cast_free(c);
}

static void test_rs_refuses_binding(void **state)
{
	struct cast *c = cast_new();

	with_names(&c->w);
	c->rs->refuse_binding = MSG_ERR_REFUSED_DST;
	peer_direct(c->alice, "web.example.com");
	assert_int_equal(c->alice->answer.error, MSG_ERR_REFUSED_DST);
	cast_free(c);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_general_host),
		cmocka_unit_test(test_refused_hosts),
		cmocka_unit_test(test_policy),
		cmocka_unit_test(test_quarantine),
		cmocka_unit_test(test_rs_refuses_binding),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
