/* SPDX-License-Identifier: BSD-3-Clause */
#include "common/dns_name.h"
#include "common/dns_rdata.h"
#include "common/rng.h"
#include "common/siphash.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <string.h>
#include <time.h>

#include <cmocka.h>
#include <ldns/ldns.h>
#include <openssl/core_names.h>
#include <openssl/evp.h>

#define L63 "abcdefghijklmnopqrstuvwxyzabcdefghijklmnopqrstuvwxyzabcdefghijk"
#define L61 "abcdefghijklmnopqrstuvwxyzabcdefghijklmnopqrstuvwxyzabcdefghi"

static void test_text(void **state)
{
	static const struct {
		const char *in, *out; /* out NULL: refused */
	} rows[] = {
		{"bob.dc1.example", "bob.dc1.example"},
		{"BOB.dc1.Example.", "bob.dc1.example"},
		{".", "."},
		{"a", "a"},
		{"a\\.b.c", "a\\.b.c"},
		{"a\\046b.c", "a\\.b.c"},
		{"\\000\\255.x", "\\000\\255.x"},
		{"\\065", "a"},
		{L63 "." L63 "." L63 "." L61, L63 "." L63 "." L63 "." L61},
		{L63 "." L63 "." L63 "." L61 "x", NULL},
		{L63 "x", NULL},
		{"", NULL},
		{"..", NULL},
		{".a", NULL},
		{"a..b", NULL},
		{"a\\", NULL},
		{"a\\25", NULL},
		{"a\\256", NULL},
	};
	char buf[DNS_NAME_TEXT_MAX];
	struct dns_name n;

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		int ret = dns_name_parse(rows[i].in, &n);

		if ((ret == 0) != (rows[i].out != NULL))
			fail_msg("%s gave %d", rows[i].in, ret);
		if (ret == 0)
			assert_string_equal(dns_name_format(&n, buf), rows[i].out);
	}
}

static void test_under(void **state)
{
	static const struct {
		const char *name, *top;
		bool want;
	} rows[] = {
		{"bob.dc1.example", "dc1.example", true},    {"dc1.example", "dc1.example", true},
		{"xdc1.example", "dc1.example", false},	     {"example", "dc1.example", false},
		{"a.b.dc1.example", "dc1.example", true},    {"dc1.example", ".", true},
		{"dc1.example.net", "dc1.example", false},   {".", ".", true},
		{"x\\003dc1.example", "dc1.example", false},
	};
	struct dns_name n, top;

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		assert_int_equal(dns_name_parse(rows[i].name, &n), 0);
		assert_int_equal(dns_name_parse(rows[i].top, &top), 0);
		if (dns_name_under(&n, &top) != rows[i].want)
			fail_msg("%s under %s", rows[i].name, rows[i].top);
	}
}

/* Random bytes as a message: what we read is what ldns reads, and both refuse the rest. */
static void test_read_twin(void **state)
{
	uint64_t seed = (uint64_t)time(NULL);
	uint8_t msg[64];
	struct rng rng;
	unsigned int good = 0;

	print_message("seed %llu\n", (unsigned long long)seed);
	rng_init_seeded(&rng, seed);
	for (int i = 0; i < 200000; i++) {
		size_t at = DNS_HEADER_LEN + rng_below(&rng, 40), off = at, loff = at;
		ldns_rdf *rdf = NULL;
		struct dns_name n;
		int ret;

		for (size_t k = 0; k < sizeof(msg); k++) {
			uint64_t r = rng_below(&rng, 10);

			msg[k] = (uint8_t)(r < 4   ? rng_below(&rng, 6)
					   : r < 6 ? 0xc0
						   : rng_below(&rng, 64));
		}
		ret = dns_name_read(msg, sizeof(msg), &off, true, &n);
		if (ret < 0)
			continue;
		good++;
		assert_int_equal(ldns_wire2dname(&rdf, msg, sizeof(msg), &loff), LDNS_STATUS_OK);
		ldns_dname2canonical(rdf);
		assert_int_equal(off, loff);
		assert_int_equal(n.len, ldns_rdf_size(rdf));
		assert_memory_equal(n.b, ldns_rdf_data(rdf), n.len);
		ldns_rdf_deep_free(rdf);
	}
	assert_true(good > 1000);
}

static void test_read_bad(void **state)
{
	uint8_t msg[600] = {0};
	struct dns_name n;
	size_t off = 20;

	msg[20] = 0xc0;
	msg[21] = 20; /* at itself */
	assert_int_equal(dns_name_read(msg, 40, &off, true, &n), -EBADMSG);
	off = 20;
	msg[21] = 30; /* forward */
	assert_int_equal(dns_name_read(msg, 40, &off, true, &n), -EBADMSG);
	off = 20;
	msg[21] = 13; /* good, but not where compression is forbidden */
	assert_int_equal(dns_name_read(msg, 40, &off, false, &n), -EBADMSG);
	off = 20;
	assert_int_equal(dns_name_read(msg, 40, &off, true, &n), 0);
	assert_int_equal(off, 22);
	assert_int_equal(n.len, 1);
	off = 20;
	assert_int_equal(dns_name_read(msg, 21, &off, true, &n), -EBADMSG);
	memset(msg, 1, sizeof(msg)); /* labels without an end */
	off = 12;
	assert_int_equal(dns_name_read(msg, sizeof(msg), &off, true, &n), -EBADMSG);
}

static void test_rdata(void **state)
{
	static const uint8_t mx[] = {0, 10, 1, 'a', 0};
	/* header, "b" at 12, then MX data with a pointer to it */
	static const uint8_t msg[] = {0, 0, 0,	 0, 0, 0,  0, 0,   0,	 0, 0,
				      0, 1, 'b', 0, 0, 10, 1, 'A', 0xc0, 12};
	static const uint8_t want[] = {0, 10, 1, 'a', 1, 'b', 0};
	uint8_t out[64];

	assert_true(dns_rdata_valid(DNS_MX, mx, sizeof(mx)));
	assert_false(dns_rdata_valid(DNS_MX, mx, sizeof(mx) - 1));
	assert_false(dns_rdata_valid(DNS_A, mx, 5));
	assert_int_equal(dns_rdata_expand(msg, sizeof(msg), 15, 6, DNS_MX, out, sizeof(out)),
			 sizeof(want));
	assert_memory_equal(out, want, sizeof(want));
	assert_int_equal(dns_rdata_expand(msg, sizeof(msg), 15, 6, DNS_MX, out, 6), -ENOSPC);
	assert_int_equal(dns_rdata_expand(msg, sizeof(msg), 15, 5, DNS_MX, out, 64), -EBADMSG);
	assert_int_equal(dns_rdata_expand(msg, sizeof(msg), 15, 7, DNS_MX, out, 64), -EBADMSG);
}

/* Every length up to 300 bytes against OpenSSL's own SipHash. */
static void test_siphash(void **state)
{
	EVP_MAC *mac = EVP_MAC_fetch(NULL, "SIPHASH", NULL);
	uint8_t key[16], data[300], out[8];
	struct siphash_key k;

	for (int i = 0; i < 16; i++)
		key[i] = (uint8_t)i;
	for (int i = 0; i < 300; i++)
		data[i] = (uint8_t)i;
	siphash_key_load(&k, key);
	assert_int_equal(siphash24(&k, data, 0), 0x726fdb47dd0e0e31);
	for (size_t n = 0; n <= sizeof(data); n++) {
		EVP_MAC_CTX *ctx = EVP_MAC_CTX_new(mac);
		size_t size = 8, got = 0;
		OSSL_PARAM p[] = {OSSL_PARAM_construct_size_t(OSSL_MAC_PARAM_SIZE, &size),
				  OSSL_PARAM_construct_end()};
		uint64_t h = siphash24(&k, data, n);

		assert_int_equal(EVP_MAC_init(ctx, key, sizeof(key), p), 1);
		assert_int_equal(EVP_MAC_update(ctx, data, n), 1);
		assert_int_equal(EVP_MAC_final(ctx, out, &got, sizeof(out)), 1);
		for (int i = 0; i < 8; i++)
			assert_int_equal(out[i], (uint8_t)(h >> 8 * i));
		EVP_MAC_CTX_free(ctx);
	}
	EVP_MAC_free(mac);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_text),	  cmocka_unit_test(test_under),
		cmocka_unit_test(test_read_twin), cmocka_unit_test(test_read_bad),
		cmocka_unit_test(test_rdata),	  cmocka_unit_test(test_siphash),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
