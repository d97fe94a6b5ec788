/* SPDX-License-Identifier: BSD-3-Clause */
#include "appliance/pipeline/quick.h"
#include "appliance/worker.h"
#include "common/wire.h"

#include <rte_ether.h>

/* What frames of the quick way look like: learnt from those that took the long one. */

_Static_assert(AT_UDP6 + UDP_HDR_LEN + 2 <= QUICK_FORM_BYTES, "version and flags are in the form");

static void form_set(struct quick_form *f, unsigned int at, uint16_t n, uint64_t value,
		     uint64_t mask)
{
	for (unsigned int i = 0; i < n; i++) {
		f->value[at + i] = (uint8_t)(value >> (8 * (n - 1 - i)));
		f->mask[at + i] = (uint8_t)(mask >> (8 * (n - 1 - i)));
	}
}

static void form_make(struct quick_form *f, const struct endpoint *dst)
{
	unsigned int udp;

	memset(f, 0, sizeof(*f));
	f->dst = *dst;
	f->is_v6 = !ip_is_v4(&dst->ip);
	udp = f->is_v6 ? AT_UDP6 : AT_UDP4;
	if (f->is_v6) {
		form_set(f, AT_TYPE, 2, RTE_ETHER_TYPE_IPV6, 0xffff);
		form_set(f, AT_IP, 1, 0x60, 0xf0);
		form_set(f, AT_IP + 6, 1, IPPROTO_UDP, 0xff);
		for (unsigned int i = 0; i < 16; i++)
			form_set(f, AT_IP + 24 + i, 1, dst->ip.b[i], 0xff);
	} else {
		form_set(f, AT_TYPE, 2, RTE_ETHER_TYPE_IPV4, 0xffff);
		form_set(f, AT_IP, 1, 0x45, 0xff);
		form_set(f, AT_IP + 6, 2, 0, 0x3fff); /* no piece of a datagram */
		form_set(f, AT_IP + 9, 1, IPPROTO_UDP, 0xff);
		form_set(f, AT_IP + 16, 4, load_be32(dst->ip.b + 12), UINT32_MAX);
	}
	form_set(f, udp + 2, 2, dst->port, 0xffff);
	form_set(f, udp + UDP_HDR_LEN, 1, WIRE_VERSION << 4, 0xf0);
	form_set(f, udp + UDP_HDR_LEN + 1, 1, 0, WIRE_ZERO_MASK);
}

/* A place for what leads to dst; NULL if there is a form for it. */
static struct quick_form *form_place(struct quick *q, const struct endpoint *dst)
{
	uint8_t at = q->n;

	for (uint8_t i = 0; i < q->n; i++)
		if (endpoint_equal(&q->form[i].dst, dst))
			return NULL;
	if (q->n < QUICK_FORMS)
		q->n++;
	else
		at = q->oldest++ % QUICK_FORMS;
	q->standing &= (uint8_t) ~(1u << at);
	return &q->form[at];
}

void quick_learn(struct worker *w, const struct endpoint *dst)
{
	struct quick_form *f = form_place(&w->quick, dst);

	if (f != NULL)
		form_make(f, dst);
}

/* Port 0 is nobody's endpoint. IPv6's extensions are parse.c's, so its ranges are not learnt. */
void quick_learn_pool(struct worker *w, const struct local_pool *pool)
{
	const struct endpoint first = {.ip = pool->prefix.ip};
	struct quick_form *f;
	uint8_t bits;

	if (pool->is_shared || !ip_is_v4(&first.ip) || pool->prefix.len < 96)
		return;
	f = form_place(&w->quick, &first);
	if (f == NULL)
		return;
	memset(f, 0, sizeof(*f));
	bits = (uint8_t)(pool->prefix.len - 96);
	f->dst = first;
	f->is_pool = true;
	form_set(f, AT_TYPE, 2, RTE_ETHER_TYPE_IPV4, 0xffff);
	form_set(f, AT_IP, 1, 0x45, 0xff);
	form_set(f, AT_IP + 6, 2, 0, 0x3fff); /* no piece of a datagram */
	form_set(f, AT_IP + 16, 4, load_be32(first.ip.b + 12),
		 bits == 0 ? 0 : UINT32_MAX << (32 - bits));
}

/* An address can be taken from the box, a range from the pool, and either can become the other's as
 * well; one probe per form and burst notices.
 */
static bool form_is_ours(const struct worker *w, const struct quick_form *f)
{
	const struct local_pool *pool = NULL;
	unsigned int kind = local_lookup(w->local, &f->dst.ip, &pool);

	if (!f->is_pool)
		return (kind & LOCAL_BOX) != 0;
	return kind == LOCAL_POOL && !pool->is_shared && ip_equal(&pool->prefix.ip, &f->dst.ip);
}

bool quick_form_stands(struct worker *w, uint8_t at)
{
	struct quick *q = &w->quick;

	if (q->standing & 1u << at)
		return true;
	if (at >= q->n || !form_is_ours(w, &q->form[at]))
		return false; /* also where nothing was learnt yet */
	q->standing |= (uint8_t)(1u << at);
	return true;
}
