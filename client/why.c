/* SPDX-License-Identifier: BSD-3-Clause */
#include "client/node_impl.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

static struct why *find(const struct node *n, const char *name)
{
	struct why *w;

	TAILQ_FOREACH(w, &n->whys, link)
	if (strcmp(w->name, name) == 0)
		return w;
	return NULL;
}

static struct why *get(struct node *n, const char *name)
{
	struct why *w = find(n, name);

	if (w != NULL) {
		TAILQ_REMOVE(&n->whys, w, link);
	} else if (n->whys_n >= WHY_NAMES_MAX) {
		w = TAILQ_LAST(&n->whys, why_list);
		TAILQ_REMOVE(&n->whys, w, link);
		memset(w, 0, sizeof(*w));
	} else {
		w = calloc(1, sizeof(*w));
		if (w == NULL)
			return NULL;
		n->whys_n++;
	}
	snprintf(w->name, sizeof(w->name), "%s", name);
	TAILQ_INSERT_HEAD(&n->whys, w, link);
	return w;
}

void why_note(struct node *n, const char *name, const char *fmt, ...)
{
	struct why *w = get(n, name);
	struct why_line line = {.at_ns = n->now}, *last;
	va_list ap;

	if (w == NULL)
		return;
	va_start(ap, fmt);
	vsnprintf(line.text, sizeof(line.text), fmt, ap);
	va_end(ap);
	last = &w->lines[(w->next + WHY_LINES_MAX - 1) % WHY_LINES_MAX];
	if (w->used > 0 && strcmp(last->text, line.text) == 0) {
		last->at_ns = n->now;
		return;
	}
	w->lines[w->next] = line;
	w->next = (w->next + 1) % WHY_LINES_MAX;
	if (w->used < WHY_LINES_MAX)
		w->used++;
}

void why_fini(struct node *n)
{
	struct why *w;

	while ((w = TAILQ_FIRST(&n->whys)) != NULL) {
		TAILQ_REMOVE(&n->whys, w, link);
		free(w);
	}
}

/* The route as it is now and what made it so. */
static void reason_now(const struct path *p, char *buf, size_t cap)
{
	const struct chan *c = &p->chan;
	char to[ENDPOINT_TEXT_MAX], words[NODE_WHY_TEXT_MAX];
	const char *way;

	if (p->state != PATH_UP) {
		snprintf(buf, cap, "no keys with the peer yet: handshake %s",
			 p->leg->is_up ? "in flight" : "waits for the leg to the relay");
		return;
	}
	way = p->is_direct ? "direct to" : "by relay";
	endpoint_format(&c->dest[c->number].to, to);
	prober_reason(p, words, sizeof(words));
	snprintf(buf, cap, "now %s %s; Table 1: %s; %s", way, to, p->reason, words);
}

bool node_why(const struct node *n, uint64_t now, const char *name,
	      bool (*each)(void *arg, uint64_t at_ns, const char *text), void *arg)
{
	const struct why *w = find(n, name);
	const struct path *p = path_by_name(n, name);
	char text[2 * NODE_WHY_TEXT_MAX + MSG_TEXT_MAX];

	for (unsigned int i = 0; w != NULL && i < w->used; i++) {
		const struct why_line *l =
			&w->lines[(w->next + WHY_LINES_MAX - w->used + i) % WHY_LINES_MAX];

		if (!each(arg, l->at_ns, l->text))
			return true;
	}
	if (p != NULL) {
		reason_now(p, text, sizeof(text));
		each(arg, now, text);
	}
	return w != NULL || p != NULL;
}
