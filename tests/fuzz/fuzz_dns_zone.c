/* SPDX-License-Identifier: BSD-3-Clause */
/* A zone file: refused with a reason, or a zone. */
#include "dc/dns_zone_file.h"
#include "tests/fuzz/fuzz.h"

#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct dns_zone_base base = {.ns_n = 1, .serial = 7};
	char why[DNS_ZONE_ERROR_MAX] = "", path[64];
	struct dns_zone *zone = NULL;
	struct dns_name apex;
	int fd;

	if (size > 4096)
		return 0;
	FUZZ_CHECK(dns_name_parse("dc1.example", &apex) == 0);
	FUZZ_CHECK(dns_name_parse("ns1.dc1.example", &base.ns[0]) == 0);
	fd = memfd_create("zone", MFD_CLOEXEC);
	FUZZ_CHECK(fd >= 0 && write(fd, data, size) == (ssize_t)size);
	snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	if (dns_zone_load(path, &apex, &base, &zone, why) == 0) {
		FUZZ_CHECK(zone != NULL);
		dns_zone_destroy(zone);
	} else {
		FUZZ_CHECK(why[0] != '\0' && strnlen(why, sizeof(why)) < sizeof(why));
	}
	close(fd);
	return 0;
}
