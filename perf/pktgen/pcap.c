/* SPDX-License-Identifier: BSD-3-Clause */
#include "perf/pktgen/pcap.h"

#include <errno.h>

/* draft-ietf-opsawg-pcap: the writer's byte order, which the magic tells; 0xa1b23c4d means ns. */
struct file_header {
	uint32_t magic;
	uint16_t major, minor;
	uint32_t reserved[2];
	uint32_t snap_len, link_type;
};

struct packet_header {
	uint32_t sec, nsec, captured, len;
};

_Static_assert(sizeof(struct file_header) == 24 && sizeof(struct packet_header) == 16,
	       "no gaps in what is written");

int pcap_open(struct pcap *p, const char *path)
{
	struct file_header h = {
		.magic = 0xa1b23c4d, .major = 2, .minor = 4, .snap_len = 65535, .link_type = 1};

	p->f = fopen(path, "wb");
	if (p->f == NULL)
		return -errno;
	return fwrite(&h, sizeof(h), 1, p->f) == 1 ? 0 : -EIO;
}

int pcap_add(void *pcap, uint64_t at_ns, const uint8_t *frame, uint16_t len)
{
	struct packet_header h = {.sec = (uint32_t)(at_ns / 1000000000),
				  .nsec = (uint32_t)(at_ns % 1000000000),
				  .captured = len,
				  .len = len};
	struct pcap *p = pcap;

	return fwrite(&h, sizeof(h), 1, p->f) == 1 && fwrite(frame, len, 1, p->f) == 1 ? 0 : -EIO;
}

int pcap_close(struct pcap *p)
{
	return fclose(p->f) == 0 ? 0 : -errno;
}
