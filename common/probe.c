/* SPDX-License-Identifier: BSD-3-Clause */
#include "common/probe.h"
#include "common/bytes.h"

#include <errno.h>

static void put_observed(uint8_t *buf, const struct endpoint *e)
{
	memcpy(buf + 8, e->ip.b, 16);
	store_be16(buf + 24, e->port);
}

void probe_build(const struct probe *p, uint8_t *buf, size_t len)
{
	memset(buf, 0, len);
	buf[0] = p->kind;
	store_be16(buf + 2, p->outer_size);
	store_be32(buf + 4, p->number);
	put_observed(buf, &p->observed);
}

int probe_parse(const uint8_t *buf, size_t len, struct probe *p)
{
	if (len < PROBE_LEN || buf[0] > PROBE_ANSWER || buf[1] != 0)
		return -EBADMSG;
	p->kind = buf[0];
	p->outer_size = load_be16(buf + 2);
	p->number = load_be32(buf + 4);
	memcpy(p->observed.ip.b, buf + 8, 16);
	p->observed.port = load_be16(buf + 24);
	return 0;
}

void probe_answer(uint8_t *buf, const struct endpoint *observed)
{
	buf[0] = PROBE_ANSWER;
	put_observed(buf, observed);
}
