/* SPDX-License-Identifier: BSD-3-Clause */
#include "dc/place.h"

#include "common/reset.h"
#include "dc/core.h"
#include "dc/record.h"

#include <errno.h>

enum {
	TICKS_PER_SEC = 50,
	LOOKS_PER_TICK = 4096, /* parties passed by that need not be told */
};
static const uint64_t TIMES_NS[PLACE_TIMES] = {
	DC_NS_PER_SEC / 5, /* the shell has resolved its neighbours by then */
	DC_NS_PER_SEC,
	4 * DC_NS_PER_SEC,
	12 * DC_NS_PER_SEC,
};

static struct dc_write *write_new(const struct party *p)
{
	struct dc_write *w = dc_write_new(DC_TABLE_PLACE);
	size_t n = strlen(p->name);

	if (w == NULL)
		return NULL;
	w->key[0] = p->kind;
	memcpy(w->key + 1, p->name, n);
	w->key_len = (uint16_t)(1 + n);
	return w;
}

void place_note(struct dc *dc, const struct channel *ch)
{
	struct party *p = ch->party;
	struct place is = {
		.index = ch->assoc.live.own_index, .remote = ch->remote, .local = ch->local};
	struct dc_write *w;

	if (!ch->assoc.live.is_used ||
	    (is.index == p->place.index && endpoint_equal(&is.remote, &p->place.remote) &&
	     endpoint_equal(&is.local, &p->place.local)))
		return;
	w = write_new(p);
	if (w == NULL)
		return;
	w->value_len = (uint16_t)record_place_encode(&is, w->value);
	if (dc_write_submit(dc, w, NULL, NULL, NULL) == 0)
		p->place = is;
}

int place_load(struct dc *dc, const uint8_t *key, size_t key_len, const uint8_t *value, size_t len)
{
	char name[NAME_MAX_LEN + 1] = "";
	struct party *p;
	struct place at;

	if (key_len < 2 || !name_is_valid((const char *)key + 1, key_len - 1) ||
	    record_place_decode(&at, value, len) < 0)
		return -EBADMSG;
	memcpy(name, key + 1, key_len - 1);
	p = registry_by_name(dc, (enum party_kind)key[0], name);
	if (p != NULL)
		p->place = at;
	return 0;
}

void place_delete(struct dc *dc, const struct party *p)
{
	struct dc_write *w = p->place.index != 0 ? write_new(p) : NULL;

	if (w == NULL)
		return;
	w->is_delete = true;
	dc_write_submit(dc, w, NULL, NULL, NULL);
}

void place_gone(struct dc *dc, const struct party *p)
{
	if (dc->places.next == p)
		dc->places.next = TAILQ_NEXT(p, link);
}

static bool must_tell(const struct places *s, const struct party *p)
{
	return p->place.index != 0 && (p->ch == NULL || !p->ch->is_up) &&
	       (p->kind == PARTY_NODE) == (s->sweep % 2 == 1);
}

static void tell(struct dc *dc, const struct place *at)
{
	uint8_t pkt[WIRE_RESET_LEN];
	size_t n = reset_build(dc->host.reset_secret, at->index, SIZE_MAX, pkt);

	dc_count(dc, DC_COUNT_RESTART_TOLD);
	dc_count(dc, DC_COUNT_TX_PACKETS);
	dc->ops->send(dc->ctx, &at->local, &at->remote, pkt, n);
}

/* Some of this sweep. True: it is over. */
static bool sweep_on(struct dc *dc)
{
	unsigned int room = dc->params.hs_per_sec / 2 / TICKS_PER_SEC + 1;
	struct places *s = &dc->places;

	for (unsigned int i = 0; i < LOOKS_PER_TICK && room > 0; i++) {
		const struct party *p = s->next;

		if (p == NULL)
			return true;
		s->next = TAILQ_NEXT(p, link);
		if (must_tell(s, p)) {
			tell(dc, &p->place);
			room--;
		}
	}
	return false;
}

static void due(void *owner, uint64_t now)
{
	struct dc *dc = owner;
	struct places *s = &dc->places;
	uint64_t at = now + DC_NS_PER_SEC / TICKS_PER_SEC;

	if (sweep_on(dc)) {
		s->sweep++;
		if (s->sweep == 2 * PLACE_TIMES)
			return;
		s->next = TAILQ_FIRST(&dc->registry.parties);
		if (s->began_ns + TIMES_NS[s->sweep / 2] > at)
			at = s->began_ns + TIMES_NS[s->sweep / 2];
	}
	timer_set(&dc->timers, &s->timer, at);
}

void places_start(struct dc *dc, uint64_t now)
{
	struct places *s = &dc->places;

	s->began_ns = now;
	s->next = TAILQ_FIRST(&dc->registry.parties);
	timer_init(&s->timer, due, dc);
	timer_set(&dc->timers, &s->timer, now + TIMES_NS[0]);
}
