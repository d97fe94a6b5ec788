/* SPDX-License-Identifier: BSD-3-Clause */
/* A query to the DC's name server: whatever comes, one outcome is counted, a UDP answer is at most
 * DNS_UDP_MAX bytes, belongs to the question and can be read by ldns. Byte 0: bit 0 for TCP.
 */
#include "dc/dns_answer.h"
#include "dc/dns_zone_file.h"
#include "tests/fuzz/fuzz.h"
#include "tests/vectors/dns.h"

#include <ldns/ldns.h>

#include <sys/mman.h>
#include <unistd.h>

static const uint8_t secret[DNS_COOKIE_SECRET_LEN] = "0123456789abcdef";

static struct dns_name name_of(const char *text)
{
	struct dns_name n;

	FUZZ_CHECK(dns_name_parse(text, &n) == 0);
	return n;
}

static struct ip_addr ip_of(const char *text)
{
	struct ip_addr a;

	FUZZ_CHECK(ip_parse(text, &a) == 0);
	return a;
}

/* The vectors' zone: aliases, wildcards, a delegation, empty non-terminals. */
static struct dns_zone *zone_make(const struct dns_name *apex, const struct dns_zone_base *base)
{
	int fd = memfd_create("zone", MFD_CLOEXEC);
	char path[64], why[DNS_ZONE_ERROR_MAX];
	struct dns_zone *zone;

	FUZZ_CHECK(write(fd, DNS_VECTOR_ZONE, sizeof(DNS_VECTOR_ZONE) - 1) ==
		   sizeof(DNS_VECTOR_ZONE) - 1);
	snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	FUZZ_CHECK(dns_zone_load(path, apex, base, &zone, why) == 0);
	close(fd);
	return zone;
}

/* Made on the first input; answering changes nothing but counters. */
static struct dns_server *server(void)
{
	static struct dns_server s;
	struct siphash_key key = {{1, 2}};
	struct dns_name apex = name_of("dc1.example"), bob = name_of("bob.dc1.example");
	struct dns_node node = {.vip4 = ip_of("240.0.0.2"), .vip6 = ip_of("fd00:1::2")};
	struct dns_zone_base base = {.ns = {name_of("ns1.dc1.example")},
				     .ns_addr = {{ip_of("203.0.113.1"), ip_of("2001:db8::1")}},
				     .ns_n = 1,
				     .serial = 7};
	struct dns_zone *zone;

	if (s.nodes != NULL)
		return &s;
	dns_server_init(&s, dns_nodes_create(&apex, 1, 8, &key), &apex, secret);
	FUZZ_CHECK(dns_nodes_set(s.nodes, &bob, &node) == 0);
	zone = zone_make(&apex, &base);
	dns_server_swap(&s, dns_zones_create(&zone, 1));
	return &s;
}

/* Every query ends as one of the outcomes that come before QUERIES in the list. */
static uint64_t outcomes(const struct dns_server *s)
{
	uint64_t sum = 0;

	for (int i = 0; i < DNS_COUNT_QUERIES; i++)
		sum += s->count[i];
	return sum;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static uint8_t buf[UINT16_MAX];
	struct dns_server *s = server();
	struct dns_from from = {.src = ip_of("192.0.2.99"), .now = 1, .unix_sec = 1700000000};
	uint64_t before = outcomes(s);
	ldns_pkt *pkt = NULL;
	size_t n;

	if (size == 0 || size > sizeof(buf))
		return 0;
	from.tcp = data[0] & 1;
	memcpy(buf, data + 1, size - 1);
	n = dns_answer(s, &from, buf, size - 1, sizeof(buf));
	FUZZ_CHECK(outcomes(s) == before + 1);
	if (n == 0)
		return 0;
	FUZZ_CHECK(n >= DNS_HEADER_LEN && memcmp(buf, data + 1, 2) == 0);
	FUZZ_CHECK(from.tcp || n <= DNS_UDP_MAX);
	FUZZ_CHECK(ldns_wire2pkt(&pkt, buf, n) == LDNS_STATUS_OK);
	FUZZ_CHECK(ldns_pkt_qr(pkt));
	ldns_pkt_free(pkt);
	return 0;
}
