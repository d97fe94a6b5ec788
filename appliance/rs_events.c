/* SPDX-License-Identifier: BSD-3-Clause */
#include "appliance/mailbox.h"
#include "appliance/rs_shell_impl.h"
#include "common/wire.h"

enum { EVENTS_PER_TURN = 64 };

static bool from_dc(const struct rs_shell *s, const struct endpoint *src)
{
	for (unsigned int i = 0; i < s->params.dc_n; i++)
		if (endpoint_equal(&s->params.dc[i], src))
			return true;
	return false;
}

/* On a port that both roles of this process share: not a leg's, so perhaps the DC's. */
static bool give_to_dc(struct rs_shell *s, struct rs_event *ev)
{
	const struct config *c = atomic_load_explicit(&s->app->config, memory_order_acquire);
	const struct endpoint *own = rs_dp_local(s->dp, ev->local);
	struct pkt_meta *meta = pkt_meta(ev->m);

	if (s->app->dc == NULL || own == NULL || own->port != c->ntm.alt_port)
		return false;
	meta->src = ev->src;
	meta->dst = *own;
	meta->data = 0;
	meta->data_len = rte_pktmbuf_data_len(ev->m);
	if (mailbox_send(&s->app->dc_mb, MAIL_LINK, 0, ev->m) < 0)
		burst_drop(s->stats, ev->m, DROP_DC_FULL);
	else
		s->stats->steered++;
	ev->m = NULL;
	return true;
}

static void packet_event(struct rs_shell *s, struct rs_event *ev, uint64_t now)
{
	const uint8_t *pkt = rte_pktmbuf_mtod(ev->m, const uint8_t *);
	size_t len = rte_pktmbuf_data_len(ev->m);

	if (from_dc(s, &ev->src)) {
		rs_control_dc_packet(s->control, now, &ev->src, pkt, len);
		return;
	}
	switch (ev->type) {
	case RS_EV_HANDSHAKE:
		if ((pkt[0] & 15) == WIRE_HANDSHAKE_1 || !give_to_dc(s, ev))
			rs_control_handshake(s->control, now, ev->local, &ev->src, pkt, len);
		break;
	case RS_EV_UNKNOWN_INDEX:
		if (!give_to_dc(s, ev))
			rs_control_leg_packet(s->control, now, ev->local, &ev->src, pkt, len);
		break;
	default:
		rs_control_leg_packet(s->control, now, ev->local, &ev->src, pkt, len);
		break;
	}
}

static void event(struct rs_shell *s, struct rs_event *ev, uint64_t now)
{
	switch (ev->type) {
	case RS_EV_WRONG_SOURCE:
		rs_control_stray(s->control, now, ev->id, ev->side, ev->local, &ev->src, ev->len);
		break;
	case RS_EV_REBIND:
		rs_control_rebind(s->control, now, ev->id, ev->local, &ev->src, ev->len);
		break;
	case RS_EV_EPOCH_SEEN:
		rs_control_epoch_seen(s->control, now, ev->id, ev->epoch);
		break;
	case RS_EV_KEY_SOFT:
		rs_control_key_soft(s->control, now, ev->id);
		break;
	case RS_EV_ICMP_ERROR:
		if (!wire_is_path_id(ev->id))
			rs_control_too_big(s->control, ev->id, &ev->src, ev->mtu);
		break;
	case RS_EV_TOO_BIG: /* of a path: its ends find its MTU out by probes */
		break;
	default:
		if (ev->m != NULL)
			packet_event(s, ev, now);
		break;
	}
}

uint64_t rs_events_tick(void *ctx, uint64_t now)
{
	struct rs_event ev[EVENTS_PER_TURN];
	struct rs_shell *s = ctx;
	unsigned int n = rs_dp_events(s->dp, ev, EVENTS_PER_TURN);

	for (unsigned int i = 0; i < n; i++) {
		s->stats->from_mailbox += ev[i].m != NULL;
		if (s->control != NULL)
			event(s, &ev[i], now);
		if (ev[i].m != NULL) {
			s->stats->consumed++;
			rte_pktmbuf_free(ev[i].m);
		}
	}
	return n == EVENTS_PER_TURN ? now : UINT64_MAX;
}

void rs_events_link(void *ctx, const struct mail *m, uint64_t now)
{
	struct rs_shell *s = ctx;
	struct rte_mbuf *pkt = m->ptr;
	const struct pkt_meta *meta = pkt_meta(pkt);

	if (s->control != NULL)
		rs_control_dc_packet(s->control, now, &meta->src, pkt_data(pkt), meta->data_len);
	s->stats->consumed++;
	rte_pktmbuf_free(pkt);
}
