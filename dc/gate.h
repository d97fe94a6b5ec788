/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef DC_GATE_H
#define DC_GATE_H

/* What may cost a strangers' packet: who gets a handshake computed, who gets a cookie first, and who
 * is told that his association is forgotten. DC lcore only.
 *
 * Under load (a rate of handshakes without cookie, or that many in work) a handshake 1 needs MAC2,
 * so its source has proven that it receives there; per source address there is a rate then too.
 */
#include "common/ip.h"
#include "common/responder.h"

struct dc;
struct gate;

struct gate *gate_create(struct dc *dc);
void gate_destroy(struct gate *g);

/* A packet of type 3. */
void gate_handshake(struct dc *dc, uint64_t now, const struct endpoint *src,
		    const struct endpoint *local, const uint8_t *pkt, size_t len);
/* A sealed packet of an index that nobody here knows. */
void gate_unknown(struct dc *dc, uint64_t now, const struct endpoint *src,
		  const struct endpoint *local, uint64_t index, size_t len);
/* Where handshakes from this source came in; port 0 where that is not known any more. */
struct endpoint gate_local(const struct gate *g, const struct endpoint *src);
/* Counted by verdict: this gate's and the responder's. */
/* An answer to a handshake of ours, by the verdict on it. */
void gate_count(struct dc *dc, enum hs_verdict v);
uint64_t gate_verdicts(const struct dc *dc, enum hs_verdict v);

/* With ops.compute, and without. */
extern const struct responder_ops gate_responder_ops, gate_responder_ops_inline;

#endif
