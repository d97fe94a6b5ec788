/* SPDX-License-Identifier: BSD-3-Clause */
#include "appliance/worker.h"

/* Packets that leave the workers for another thread: control lcore, DC lcore, kernel. The rings
 * are bounded; what does not fit is dropped under the name of the ring.
 */
static uint16_t hand_over(struct worker *w, struct burst *b, struct mailbox *to,
			  enum drop_reason full)
{
	struct mail msgs[LANE_MAX];
	unsigned int taken = 0;

	if (b->n == 0)
		return 0;
	for (uint16_t i = 0; i < b->n; i++)
		msgs[i] = (struct mail){
			.type = pkt_meta(b->pkt[i])->msg, .arg = w->id, .ptr = b->pkt[i]};
	if (to != NULL)
		taken = mailbox_put(to, msgs, b->n);
	for (uint16_t i = (uint16_t)taken; i < b->n; i++)
		burst_drop(&w->stats, b->pkt[i], to == NULL ? DROP_NO_ROLE : full);
	b->n = 0;
	return (uint16_t)taken;
}

void hand_stage(struct worker *w)
{
	struct lanes *l = &w->lanes;

	for (uint16_t i = 0; i < l->local.n; i++)
		pkt_meta(l->local.pkt[i])->msg = MAIL_FRAME;
	w->stats.to_control += hand_over(w, &l->control, w->control, DROP_CONTROL_FULL);
	w->stats.to_dc += hand_over(w, &l->dc, w->dc, DROP_DC_FULL);
	w->stats.to_tap += hand_over(w, &l->local, w->tap, DROP_TAP_FULL);
}
