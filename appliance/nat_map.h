/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef APPLIANCE_NAT_MAP_H
#define APPLIANCE_NAT_MAP_H

/* Mappings of one worker's NAT: the part of nat_flow.h that flows stand on, for nat_flow.c and
 * nat_open.c. Owning worker only.
 */
#include "appliance/nat_flow.h"

static inline enum nat_proto nat_proto_of(uint8_t kind)
{
	return (enum nat_proto)(kind & NAT_KIND_PROTO);
}

uint64_t nat_map_hash_in(const struct nat *n, uint32_t subscriber, uint8_t kind, uint16_t in_port);
uint64_t nat_map_hash_out(const struct nat *n, uint16_t addr, enum nat_proto proto, uint16_t port);

struct nat_map *nat_map_find_in(struct nat *n, uint64_t hash, uint32_t subscriber, uint8_t kind,
				uint16_t in_port);

/* One with a public port, found by its inner side at once (unless it is extra) and by its public one
 * after nat_map_enter(). NULL and why: a limit, no port.
 */
struct nat_map *nat_map_make(struct nat *n, uint32_t subscriber, uint8_t kind, uint16_t in_port,
			     bool is_extra, enum drop_reason *why);
void nat_map_enter(struct nat *n, const struct nat_map *m, uint64_t hash_out);
/* Without flows by now. */
void nat_map_free(struct nat *n, struct nat_map *m);

#endif
