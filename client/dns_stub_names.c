/* SPDX-License-Identifier: BSD-3-Clause */
#include "client/dns_stub_priv.h"

#include <errno.h>

struct stub_name *stub_name_find(struct dns_stub *s, const struct dns_name *n)
{
	for (uint32_t i = 0; i < s->names_n; i++)
		if (s->names[i].state != STUB_NAME_FREE && dns_name_equal(&s->names[i].name, n))
			return &s->names[i];
	return NULL;
}

struct stub_name *stub_name_find_vip(struct dns_stub *s, const struct ip_addr *vip)
{
	for (uint32_t i = 0; i < s->names_n; i++) {
		struct stub_name *e = &s->names[i];

		if (e->state == STUB_NAME_VIPS &&
		    (ip_equal(&e->vip4, vip) || ip_equal(&e->vip6, vip)))
			return e;
	}
	return NULL;
}

bool stub_name_is_fresh(const struct stub_name *e, uint64_t now)
{
	return (e->state == STUB_NAME_VIPS || e->state == STUB_NAME_NOT_NTM) &&
	       (e->is_forever || now < e->until);
}

bool stub_name_is_other(struct dns_stub *s, uint64_t now, const struct dns_name *n)
{
	const struct stub_name *e = stub_name_find(s, n);

	return e != NULL && e->state == STUB_NAME_NOT_NTM && stub_name_is_fresh(e, now);
}

bool stub_name_is_hidden(struct dns_stub *s, uint64_t now, const struct dns_name *n)
{
	return stub_name_is_ours(s, n) && !stub_name_is_other(s, now, n);
}

/* A free place, or the longest stale of what is only remembered. Names that are asked for have
 * questions waiting and stay.
 */
static struct stub_name *victim_find(struct dns_stub *s, uint64_t now)
{
	struct stub_name *oldest = NULL;

	for (uint32_t i = 0; i < s->names_n; i++) {
		struct stub_name *e = &s->names[i];

		if (e->state == STUB_NAME_FREE)
			return e;
		if (e->is_forever || (e->state == STUB_NAME_ASKED && now < e->until))
			continue;
		if (oldest == NULL || e->until < oldest->until)
			oldest = e;
	}
	return oldest;
}

struct stub_name *stub_name_get(struct dns_stub *s, uint64_t now, const struct dns_name *n)
{
	struct stub_name *e = stub_name_find(s, n);

	if (e != NULL)
		return e;
	e = victim_find(s, now);
	if (e == NULL)
		return NULL;
	*e = (struct stub_name){.name = *n, .state = STUB_NAME_NOT_NTM}; /* stale from the start */
	return e;
}

/* Asked names whose answer never came may be asked for anew. */
uint64_t stub_names_expire(struct dns_stub *s, uint64_t now)
{
	uint64_t next = UINT64_MAX;

	for (uint32_t i = 0; i < s->names_n; i++) {
		struct stub_name *e = &s->names[i];

		if (e->state != STUB_NAME_ASKED)
			continue;
		if (e->until <= now)
			e->state = STUB_NAME_FREE;
		else if (e->until < next)
			next = e->until;
	}
	return next;
}

void stub_names_let_go(struct dns_stub *s, const struct dns_name *relay, unsigned int n)
{
	for (uint32_t i = 0; i < s->names_n; i++) {
		struct stub_name *e = &s->names[i];
		unsigned int k = 0;

		/* A peer's name may stand under no list: it is no business of the policy. */
		if (e->state != STUB_NAME_VIPS || e->is_forever ||
		    !stub_list_has(s, DNS_STUB_RELAY, &e->name))
			continue;
		while (k < n && !dns_name_under(&e->name, &relay[k]))
			k++;
		if (k == n)
			e->until = 0; /* its PTR stays: what runs goes on */
	}
}

int dns_stub_learn(struct dns_stub *s, uint64_t now, const char *name, const struct ip_addr *vip4,
		   const struct ip_addr *vip6, bool forever)
{
	struct stub_name *e;
	struct dns_name n;

	if (dns_name_parse(name, &n) < 0)
		return -EINVAL;
	e = stub_name_get(s, now, &n);
	if (e == NULL)
		return -ENOSPC;
	e->vip4 = *vip4;
	e->vip6 = *vip6;
	e->is_forever |= forever;
	if (e->state == STUB_NAME_ASKED) {
		char text[DNS_NAME_TEXT_MAX]; /* what waits for it need not wait longer */

		dns_stub_direction(s, now, dns_name_format(&n, text), DNS_STUB_IS_VIPS, vip4, vip6);
		return 0;
	}
	e->state = STUB_NAME_VIPS;
	e->until = now + DNS_STUB_TTL_SEC * STUB_NS_PER_SEC;
	return 0;
}

void dns_stub_forget(struct dns_stub *s, const char *name)
{
	struct stub_name *e = NULL;
	struct dns_name n;

	if (dns_name_parse(name, &n) == 0)
		e = stub_name_find(s, &n);
	if (e == NULL || e->state == STUB_NAME_ASKED || e->is_forever)
		return;
	e->until = 0; /* not fresh, but its PTR stays */
}
