/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef TESTS_VECTORS_DNS_H
#define TESTS_VECTORS_DNS_H

/* Questions to the DC's name server and what it must say, for the unit tests (which compare the
 * answers as ldns reads them) and as a start for the fuzzer.
 *
 * The zone is dc1.example with the file below on top of the base; the nodes are bob (both
 * families), eve (IPv4 only), deep.lab (so that lab is an empty non-terminal) and open (real
 * addresses published). The same DC has net.dc1.example, a zone of nothing but its base.
 */
#include <stddef.h>
#include <stdint.h>

#define DNS_VECTOR_ZONE                                                                            \
	"$TTL 300\n"                                                                               \
	"@ IN MX 10 mail\n"                                                                        \
	"mail IN A 192.0.2.25\n"                                                                   \
	"www IN CNAME mail\n"                                                                      \
	"www2 IN CNAME www\n"                                                                      \
	"tobob IN CNAME bob\n"                                                                     \
	"out IN CNAME www.elsewhere.test.\n"                                                       \
	"gone IN CNAME nowhere\n"                                                                  \
	"inner IN CNAME x.net\n"                                                                   \
	"loop1 IN CNAME loop2\n"                                                                   \
	"loop2 IN CNAME loop1\n"                                                                   \
	"a.b.c IN TXT \"deep\"\n"                                                                  \
	"*.wild IN A 192.0.2.77\n"                                                                 \
	"x.y.wild IN A 192.0.2.78\n"                                                               \
	"sub IN NS ns.sub\n"                                                                       \
	"sub IN NS ns.other.test.\n"                                                               \
	"ns.sub IN A 192.0.2.53\n"                                                                 \
	"sub IN DS 1 13 2 "                                                                        \
	"0000000000000000000000000000000000000000000000000000000000000001\n"                       \
	"bob IN TXT \"the builder\"\n"                                                             \
	"bob IN HTTPS 1 . alpn=h2\n"                                                               \
	"_sip._udp IN SRV 1 2 5060 mail\n"

enum { DNS_V_AA = 1 };

struct dns_vector {
	const char *name;
	uint16_t type;
	uint16_t class;
	uint8_t rcode;
	uint8_t flags; /* DNS_V_* */
	/* Records as "name TTL TYPE data;" in the order sent, or NULL for an empty section. */
	const char *answer;
	const char *authority;
	const char *additional;
};

#define DNS_V_SOA "dc1.example 30 SOA ns1.dc1.example hostmaster.dc1.example 7 3600 900 1209600 30;"
#define DNS_V_SUB "sub.dc1.example 300 NS ns.other.test;sub.dc1.example 300 NS ns.sub.dc1.example;"
#define DNS_V_DS "1 13 2 0000000000000000000000000000000000000000000000000000000000000001;"

/* clang-format off */
static const struct dns_vector dns_vectors[] = {
	/* nodes */
	{"bob.dc1.example", 1, 1, 0, DNS_V_AA, "bob.dc1.example 30 A 240.0.0.2;", NULL, NULL},
	{"BoB.dC1.ExAmPlE", 1, 1, 0, DNS_V_AA, "bob.dc1.example 30 A 240.0.0.2;", NULL, NULL},
	{"bob.dc1.example", 28, 1, 0, DNS_V_AA, "bob.dc1.example 30 AAAA fd00:1::2;", NULL, NULL},
	{"bob.dc1.example", 65401, 1, 0, DNS_V_AA,
	 "bob.dc1.example 30 TYPE65401 \\# 19 0401f000000203646331076578616d706c6500;", NULL, NULL},
	{"bob.dc1.example", 65402, 1, 0, DNS_V_AA,
	 "bob.dc1.example 30 TYPE65402 \\# 31 "
	 "0601fd00000100000000000000000000000203646331076578616d706c6500;", NULL, NULL},
	{"bob.dc1.example", 16, 1, 0, DNS_V_AA, "bob.dc1.example 300 TXT \"the builder\";", NULL, NULL},
	{"bob.dc1.example", 65, 1, 0, DNS_V_AA, "bob.dc1.example 300 HTTPS 1 . alpn=h2;", NULL, NULL},
	{"bob.dc1.example", 15, 1, 0, DNS_V_AA, NULL, DNS_V_SOA, NULL},
	{"bob.dc1.example", 255, 1, 0, DNS_V_AA, "bob.dc1.example 3600 HINFO \"RFC8482\" \"\";", NULL, NULL},
	{"eve.dc1.example", 1, 1, 0, DNS_V_AA, "eve.dc1.example 30 A 240.0.0.3;", NULL, NULL},
	{"eve.dc1.example", 28, 1, 0, DNS_V_AA, NULL, DNS_V_SOA, NULL},
	{"eve.dc1.example", 65401, 1, 0, DNS_V_AA,
	 "eve.dc1.example 30 TYPE65401 \\# 19 0400f000000303646331076578616d706c6500;", NULL, NULL},
	{"eve.dc1.example", 65402, 1, 0, DNS_V_AA, NULL, DNS_V_SOA, NULL},
	{"open.dc1.example", 1, 1, 0, DNS_V_AA,
	 "open.dc1.example 30 A 198.51.100.7;open.dc1.example 30 A 198.51.100.8;", NULL, NULL},
	{"open.dc1.example", 28, 1, 0, DNS_V_AA, "open.dc1.example 30 AAAA 2001:db8::7;", NULL, NULL},
	{"open.dc1.example", 65401, 1, 0, DNS_V_AA,
	 "open.dc1.example 30 TYPE65401 \\# 19 0400f000000403646331076578616d706c6500;", NULL, NULL},
	/* empty non-terminals exist, what stands below nothing does not */
	{"lab.dc1.example", 1, 1, 0, DNS_V_AA, NULL, DNS_V_SOA, NULL},
	{"lab.dc1.example", 255, 1, 0, DNS_V_AA, NULL, DNS_V_SOA, NULL},
	{"deep.lab.dc1.example", 28, 1, 0, DNS_V_AA, "deep.lab.dc1.example 30 AAAA fd00:1::5;", NULL, NULL},
	{"other.lab.dc1.example", 1, 1, 3, DNS_V_AA, NULL, DNS_V_SOA, NULL},
	{"x.bob.dc1.example", 1, 1, 3, DNS_V_AA, NULL, DNS_V_SOA, NULL},
	{"b.c.dc1.example", 16, 1, 0, DNS_V_AA, NULL, DNS_V_SOA, NULL},
	{"c.dc1.example", 16, 1, 0, DNS_V_AA, NULL, DNS_V_SOA, NULL},
	{"a.b.c.dc1.example", 16, 1, 0, DNS_V_AA, "a.b.c.dc1.example 300 TXT \"deep\";", NULL, NULL},
	{"nobody.dc1.example", 1, 1, 3, DNS_V_AA, NULL, DNS_V_SOA, NULL},
	{"nobody.dc1.example", 255, 1, 3, DNS_V_AA, NULL, DNS_V_SOA, NULL},
	/* the apex and the mark */
	{"dc1.example", 6, 1, 0, DNS_V_AA,
	 "dc1.example 3600 SOA ns1.dc1.example hostmaster.dc1.example 7 3600 900 1209600 30;", NULL, NULL},
	{"dc1.example", 2, 1, 0, DNS_V_AA, "dc1.example 3600 NS ns1.dc1.example;", NULL,
	 "ns1.dc1.example 3600 A 203.0.113.1;ns1.dc1.example 3600 AAAA 2001:db8::1;"},
	{"dc1.example", 16, 1, 0, DNS_V_AA, "dc1.example 3600 TXT \"NTM1 DC\";", NULL, NULL},
	{"ns1.dc1.example", 16, 1, 0, DNS_V_AA, "ns1.dc1.example 3600 TXT \"NTM1 DC\";", NULL, NULL},
	{"ns1.dc1.example", 1, 1, 0, DNS_V_AA, "ns1.dc1.example 3600 A 203.0.113.1;", NULL, NULL},
	{"dc1.example", 1, 1, 0, DNS_V_AA, NULL, DNS_V_SOA, NULL},
	{"dc1.example", 15, 1, 0, DNS_V_AA, "dc1.example 300 MX 10 mail.dc1.example;", NULL, NULL},
	{"_sip._udp.dc1.example", 33, 1, 0, DNS_V_AA,
	 "_sip._udp.dc1.example 300 SRV 1 2 5060 mail.dc1.example;", NULL, NULL},
	/* aliases */
	{"www.dc1.example", 1, 1, 0, DNS_V_AA,
	 "www.dc1.example 300 CNAME mail.dc1.example;mail.dc1.example 300 A 192.0.2.25;", NULL, NULL},
	{"www.dc1.example", 5, 1, 0, DNS_V_AA, "www.dc1.example 300 CNAME mail.dc1.example;", NULL, NULL},
	{"www.dc1.example", 255, 1, 0, DNS_V_AA, "www.dc1.example 300 CNAME mail.dc1.example;", NULL, NULL},
	{"www2.dc1.example", 28, 1, 0, DNS_V_AA,
	 "www2.dc1.example 300 CNAME www.dc1.example;www.dc1.example 300 CNAME mail.dc1.example;",
	 DNS_V_SOA, NULL},
	{"tobob.dc1.example", 1, 1, 0, DNS_V_AA,
	 "tobob.dc1.example 300 CNAME bob.dc1.example;bob.dc1.example 30 A 240.0.0.2;", NULL, NULL},
	{"out.dc1.example", 1, 1, 0, DNS_V_AA, "out.dc1.example 300 CNAME www.elsewhere.test;", NULL, NULL},
	{"gone.dc1.example", 1, 1, 3, DNS_V_AA, "gone.dc1.example 300 CNAME nowhere.dc1.example;",
	 DNS_V_SOA, NULL},
	/* wildcards, RFC 4592 */
	{"any.wild.dc1.example", 1, 1, 0, DNS_V_AA, "any.wild.dc1.example 300 A 192.0.2.77;", NULL, NULL},
	{"p.q.wild.dc1.example", 1, 1, 0, DNS_V_AA, "p.q.wild.dc1.example 300 A 192.0.2.77;", NULL, NULL},
	{"any.wild.dc1.example", 28, 1, 0, DNS_V_AA, NULL, DNS_V_SOA, NULL},
	{"y.wild.dc1.example", 1, 1, 0, DNS_V_AA, NULL, DNS_V_SOA, NULL},
	{"z.y.wild.dc1.example", 1, 1, 3, DNS_V_AA, NULL, DNS_V_SOA, NULL},
	/* delegation */
	{"sub.dc1.example", 1, 1, 0, 0, NULL, DNS_V_SUB, "ns.sub.dc1.example 300 A 192.0.2.53;"},
	{"host.sub.dc1.example", 28, 1, 0, 0, NULL, DNS_V_SUB, "ns.sub.dc1.example 300 A 192.0.2.53;"},
	{"ns.sub.dc1.example", 1, 1, 0, 0, NULL, DNS_V_SUB, "ns.sub.dc1.example 300 A 192.0.2.53;"},
	{"sub.dc1.example", 43, 1, 0, DNS_V_AA, "sub.dc1.example 300 DS " DNS_V_DS, NULL, NULL},
	/* the inner zone answers for its own names */
	{"net.dc1.example", 2, 1, 0, DNS_V_AA, "net.dc1.example 3600 NS ns1.dc1.example;", NULL, NULL},
	{"x.net.dc1.example", 1, 1, 3, DNS_V_AA, NULL,
	 "net.dc1.example 30 SOA ns1.dc1.example hostmaster.net.dc1.example 0 3600 900 1209600 30;", NULL},
	{"inner.dc1.example", 1, 1, 3, DNS_V_AA, "inner.dc1.example 300 CNAME x.net.dc1.example;",
	 "net.dc1.example 30 SOA ns1.dc1.example hostmaster.net.dc1.example 0 3600 900 1209600 30;", NULL},
	/* not ours */
	{"example", 1, 1, 5, 0, NULL, NULL, NULL},
	{"dc2.example", 1, 1, 5, 0, NULL, NULL, NULL},
	{"xdc1.example", 1, 1, 5, 0, NULL, NULL, NULL},
	{".", 2, 1, 5, 0, NULL, NULL, NULL},
	{"version.bind", 16, 3, 5, 0, NULL, NULL, NULL},
	{"bob.dc1.example", 1, 255, 5, 0, NULL, NULL, NULL},
	{"dc1.example", 252, 1, 5, 0, NULL, NULL, NULL},
	{"dc1.example", 251, 1, 5, 0, NULL, NULL, NULL},
	{"dc1.example", 253, 1, 4, 0, NULL, NULL, NULL},
	{"dc1.example", 41, 1, 1, 0, NULL, NULL, NULL},
};
/* clang-format on */

/* RFC 9018 appendix A: secret, client cookie, address, time, server cookie. */
static const struct dns_cookie_vector {
	const char *secret, *client, *address;
	uint32_t unix_sec;
	const char *server;
} dns_cookie_vectors[] __attribute__((unused)) = {
	{"e5e973e5a6b2a43f48e7dc849e37bfcf", "2464c4abcf10c957", "198.51.100.100", 1559731985,
	 "010000005cf79f111f8130c3eee29480"},
	{"dd3bdf9344b678b185a6f5cb60fca715", "22681ab97d52c298",
	 "2001:db8:220:1:59de:d0f4:8769:82b8", 1559741817, "010000005cf7c57926556bd0934c72f8"},
	{"445536bcd2513298075a5d379663c962", "22681ab97d52c298",
	 "2001:db8:220:1:59de:d0f4:8769:82b8", 1559741961, "010000005cf7c609a6bb79d16625507a"},
};

#endif
