/* SPDX-License-Identifier: BSD-3-Clause */
#include "common/token.h"
#include "dc/core.h"
#include "dc/directing.h"
#include "dc/dispatch.h"
#include "dc/relay.h"

#include <errno.h>

/* Who may open an association (docs/protocol.md section 3). Message 1 has proven the static key; the
 * PSK is proven by the first sealed packet alone, and until then nothing of the party changes.
 */

static int kind_of(uint8_t hs_kind)
{
	switch (hs_kind) {
	case HS_NODE_DC:
		return PARTY_NODE;
	case HS_RS_DC:
		return PARTY_RS;
	case HS_DC_DC:
		return PARTY_PEER;
	default:
		return -EINVAL;
	}
}

/* The association a party's handshake belongs to; a new one where there is none yet. */
static struct channel *channel_for(struct dc *dc, struct party *p, const struct hs_job *job,
				   bool is_staged)
{
	struct channel **at = is_staged ? &p->staged : &p->ch;
	struct assoc_conf conf = {
		.kind = job->clear.kind,
		.suite = job->clear.suite,
		.is_control_only = true,
		.id = WIRE_ID_NONE,
		.limits = dc->params.limits,
	};

	if (*at != NULL &&
	    memcmp((*at)->assoc.conf.peer_key, job->peer_key, sizeof(job->peer_key)) != 0) {
		channel_destroy(*at);
		*at = NULL;
	}
	if (*at == NULL) {
		memcpy(conf.peer_key, job->peer_key, sizeof(conf.peer_key));
		*at = channel_create(dc, p, &conf);
	}
	if (*at != NULL)
		(*at)->is_staged = is_staged;
	return *at;
}

static void admit(struct dc *dc, uint64_t now, struct hs_job *job, struct channel *ch,
		  const uint8_t *psk, bool is_lasting)
{
	uint8_t tlvs[2 * (4 + NAME_MAX_LEN)];
	int len = 0;

	if (ch == NULL || ch->assoc.conf.is_side_a) {
		dc_count(dc, ch == NULL ? DC_COUNT_MSG_NO_MEMORY : DC_COUNT_HS_WRONG_KIND);
		responder_drop(dc->responder, job);
		return;
	}
	memcpy(ch->assoc.conf.psk, psk, sizeof(ch->assoc.conf.psk));
	ch->has_lasting = is_lasting;
	if (ch->party->kind == PARTY_PEER)
		len = dispatch_names(dc, ch->party, tlvs, sizeof(tlvs));
	if (len < 0)
		responder_drop(dc->responder, job);
	else
		responder_accept(dc->responder, now, job, &ch->assoc, tlvs, (size_t)len);
}

static void refuse(struct dc *dc, uint64_t now, struct hs_job *job, enum dc_counter why,
		   const uint8_t *psk, enum msg_error code)
{
	dc_count(dc, why);
	if (psk != NULL)
		responder_refuse(dc->responder, now, job, psk, code);
	else
		responder_drop(dc->responder, job);
}

static void by_token(struct dc *dc, uint64_t now, struct hs_job *job, const struct msg *m, int kind)
{
	struct party *p = registry_by_token(dc, m->token_id);
	struct party *other = registry_by_key(dc, job->peer_key);
	bool is_same;

	if (p == NULL) {
		refuse(dc, now, job, DC_COUNT_HS_UNKNOWN_TOKEN, NULL, 0);
		return;
	}
	if (p->kind != kind || strcmp(p->name, m->name) != 0) {
		refuse(dc, now, job, DC_COUNT_HS_WRONG_NAME, NULL, 0);
		return;
	}
	is_same = p->token.is_used &&
		  memcmp(p->token.used_key, job->peer_key, sizeof(job->peer_key)) == 0;
	/* Its first user may come again: it may have lost our answer. */
	if ((p->token.is_used && !is_same) || (other != NULL && other != p)) {
		refuse(dc, now, job, DC_COUNT_HS_TOKEN_TAKEN, p->token.secret, MSG_ERR_NOT_ALLOWED);
		return;
	}
	if (!is_same && dc_real(dc, now) >= p->token.expiry) {
		refuse(dc, now, job, DC_COUNT_HS_EXPIRED_TOKEN, p->token.secret, MSG_ERR_EXPIRED);
		return;
	}
	admit(dc, now, job, channel_for(dc, p, job, !(is_same && p->ch != NULL)), p->token.secret,
	      false);
}

static void by_key(struct dc *dc, uint64_t now, struct hs_job *job, const struct msg *m, int kind)
{
	struct party *p = registry_by_key(dc, job->peer_key);

	if (p == NULL || !p->has_psk)
		refuse(dc, now, job, DC_COUNT_HS_UNKNOWN_KEY, NULL, 0);
	else if (p->kind != kind)
		refuse(dc, now, job, DC_COUNT_HS_WRONG_KIND, NULL, 0);
	else if (strcmp(p->name, m->name) != 0)
		refuse(dc, now, job, DC_COUNT_HS_WRONG_NAME, NULL, 0);
	else if (p->ch != NULL && p->ch->assoc.conf.is_side_a)
		refuse(dc, now, job, DC_COUNT_HS_WRONG_KIND, NULL, 0);
	else
		admit(dc, now, job, channel_for(dc, p, job, false), p->psk, true);
}

void enrol_request(struct dc *dc, uint64_t now, struct hs_job *job)
{
	struct msg *m = &dc->rx;
	int kind = kind_of(job->clear.kind);

	if (kind < 0 || msg_decode_payload(m, job->payload, job->payload_len) < 0 ||
	    (m->has & (HAS(NAME) | HAS(PEER_NAME))) != (HAS(NAME) | HAS(PEER_NAME))) {
		refuse(dc, now, job, DC_COUNT_HS_BAD_PAYLOAD, NULL, 0);
		return;
	}
	if (strcmp(m->peer_name, dc->params.name) != 0)
		refuse(dc, now, job, DC_COUNT_HS_WRONG_NAME, NULL, 0);
	else if ((m->has & HAS(TOKEN_ID)) != 0)
		by_token(dc, now, job, m, kind);
	else
		by_key(dc, now, job, m, kind);
}

/* Another key than before: what the old one was promised is over. */
static void forget_old_key(struct dc *dc, struct party *p)
{
	explicit_bzero(p->psk, sizeof(p->psk));
	p->has_psk = false;
	if (p->kind == PARTY_RS) {
		rs_down(dc, rs_of_party(p));
		return;
	}
	registration_forget(dc, party_node(p));
}

void enrol_proven(struct dc *dc, struct channel *ch)
{
	struct party *p = ch->party;
	struct channel *old = p->ch;
	const uint8_t *key = ch->assoc.conf.peer_key;

	if (!ch->is_staged)
		return;
	if (!p->has_key || memcmp(p->key, key, sizeof(p->key)) != 0)
		forget_old_key(dc, p);
	if (registry_set_key(dc, p, key) < 0) {
		dc_count(dc, DC_COUNT_HS_TOKEN_TAKEN);
		return; /* stays staged: none of its messages is taken */
	}
	p->token.is_used = true;
	memcpy(p->token.used_key, key, sizeof(p->token.used_key));
	p->staged = NULL;
	p->ch = ch;
	ch->is_staged = false;
	if (old != NULL)
		channel_destroy(old);
}

static void token_closed(struct dc *dc, uint64_t now, void *arg, int status)
{
	/* Where the store failed the token is still in the record: it opens for its key alone. */
}

void enrol_heard(struct dc *dc, struct channel *ch)
{
	struct party *p = ch->party;

	if (ch->is_staged || !ch->has_lasting || !p->token.is_open || !p->token.is_used)
		return;
	registry_set_token(dc, p, NULL);
	dc_write_party(dc, p, token_closed, NULL);
}
