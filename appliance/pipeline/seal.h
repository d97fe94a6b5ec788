/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef PIPELINE_SEAL_H
#define PIPELINE_SEAL_H

/* What the NAT has to know about the tunnel to a node. Owning worker. */
#include <stdint.h>

struct leg;
struct worker;

/* Largest inner packet that the leg takes: the tunnel's MTU, less where the way is narrower, never
 * below 1280 (then a packet goes as two parts).
 */
uint16_t seal_inner_mtu(const struct worker *w, const struct leg *leg);

#endif
