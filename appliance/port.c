/* SPDX-License-Identifier: BSD-3-Clause */
#include "appliance/port.h"
#include "appliance/pipeline/burst.h"
#include "appliance/pipeline/meta.h"
#include "common/log.h"

#include <rte_bus.h>
#include <rte_dev.h>
#include <rte_errno.h>
#include <rte_ethdev.h>

#include <ctype.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>

LOG_TYPE("port");

bool port_is_pci(const char *device)
{
	return isxdigit((unsigned char)device[0]) && strchr(device, ':') != NULL &&
	       strncmp(device, "net_", 4) != 0 && strncmp(device, "eth_", 4) != 0;
}

/* Append ",key=value" unless the string names the key already. */
static void with_default(char *args, size_t size, const char *key, unsigned int value)
{
	char pattern[32];
	size_t n = strlen(args);

	snprintf(pattern, sizeof(pattern), ",%s=", key);
	if (strstr(args, pattern) == NULL)
		snprintf(args + n, size - n, "%s%u", pattern, value);
}

/* AF_PACKET's defaults do not fit: a frame slot must fit an mbuf, queues follow the workers, and
 * the queueing discipline of the device under it is not wanted.
 */
static void complete_args(char *args, size_t size, const struct port_config *c)
{
	unsigned int slot = port_slot(c->mtu);

	if (strncmp(args, "net_af_packet", 13) != 0)
		return;
	with_default(args, size, "qpairs", c->queues);
	with_default(args, size, "framesz", slot);
	with_default(args, size, "blocksz", 4 * slot);
	with_default(args, size, "framecnt", rte_align32pow2(c->descriptors));
	with_default(args, size, "qdisc_bypass", 1);
}

static int fail(const char *device, const char *what, int err)
{
	LOG(ERR, "port %s: %s: %s", device, what, strerror(-err));
	return err;
}

bool port_is_bond(const char *device)
{
	return strncmp(device, "net_bonding", 11) == 0;
}

/* The part of a device string that names it. */
static int name_len(const char *device)
{
	return (int)strcspn(device, ",");
}

static int find(const char *args, uint16_t *id)
{
	char name[64];
	int ret;

	snprintf(name, sizeof(name), "%.*s", name_len(args), args);
	if (rte_eth_dev_get_port_by_name(name, id) == 0)
		return 0; /* PCI: the EAL probed it */
	ret = rte_dev_probe(args);
	if (ret < 0)
		return ret;
	return rte_eth_dev_get_port_by_name(name, id);
}

static void remove_device(const char *device, uint16_t id)
{
	struct rte_eth_dev_info dev;
	int found = rte_eth_dev_info_get(id, &dev);

	(void)rte_eth_dev_stop(id);
	(void)rte_eth_dev_close(id);
	if (found == 0 && !port_is_pci(device))
		(void)rte_dev_remove(dev.device);
}

static void remove_members(struct port_info *info)
{
	char name[RTE_ETH_NAME_MAX_LEN];

	while (info->n_members > 0) {
		uint16_t id = info->members[--info->n_members];

		if (rte_eth_dev_get_name_by_port(id, name) == 0)
			remove_device(name, id);
	}
}

/* A bond is told its members by name, so they are there first. */
static int make(const char *device, const struct port_config *c, struct port_info *info)
{
	char args[1024], member[320];
	size_t n = (size_t)snprintf(args, sizeof(args) / 2, "%s", device);
	int ret = 0;

	complete_args(args, sizeof(args), c);
	for (unsigned int i = 0; i < c->n_members && ret == 0; i++) {
		snprintf(member, sizeof(member), "%s", c->members[i]);
		complete_args(member, sizeof(member), c);
		ret = find(member, &info->members[i]);
		if (ret < 0) {
			LOG(ERR, "port %s: member %s: no such device, or it is busy", device,
			    c->members[i]);
			break;
		}
		info->n_members++;
		n += (size_t)snprintf(args + n, sizeof(args) - n, ",slave=%.*s", name_len(member),
				      member);
		if (n >= sizeof(args))
			ret = -E2BIG;
	}
	if (ret == 0)
		ret = find(args, &info->id);
	if (ret < 0)
		remove_members(info);
	return ret;
}

/* The driver of AF_PACKET knows of 1,500 bytes and passes on what Linux's device takes: there the MTU
 * is Linux's to set. Elsewhere what the driver says holds.
 */
static int mtu_allowed(const char *device, const struct rte_eth_dev_info *dev, uint16_t want,
		       uint16_t *mtu)
{
	*mtu = want;
	if (want <= dev->max_mtu && want + (uint32_t)PORT_LINK_BYTES <= dev->max_rx_pktlen)
		return 0;
	if (strncmp(device, "net_af_packet", 13) == 0) {
		*mtu = RTE_ETHER_MTU;
		return 0;
	}
	LOG(ERR, "port %s: frames of at most %u bytes, an mtu of %u needs %u", device,
	    dev->max_rx_pktlen, want, want + PORT_LINK_BYTES);
	return -EINVAL;
}

static int setup_mtu(const char *device, uint16_t id, uint16_t want)
{
	uint16_t mtu;
	int ret = rte_eth_dev_get_mtu(id, &mtu);

	if (ret < 0 || mtu == want)
		return ret;
	ret = rte_eth_dev_set_mtu(id, want);
	if (ret == -ENOTSUP) {
		LOG(WARN, "port %s: MTU %u cannot be set, the device's own holds", device, want);
		return 0;
	}
	return ret;
}

static int setup_queues(uint16_t id, const struct port_config *c)
{
	uint16_t rx = c->descriptors, tx = c->descriptors;
	unsigned int node = (unsigned int)rte_eth_dev_socket_id(id);
	int ret = rte_eth_dev_adjust_nb_rx_tx_desc(id, &rx, &tx);

	for (uint16_t q = 0; q < c->queues && ret == 0; q++) {
		ret = rte_eth_rx_queue_setup(id, q, rx, node, NULL, c->pool);
		if (ret == 0)
			ret = rte_eth_tx_queue_setup(id, q, tx, node, NULL);
	}
	return ret;
}

/* All of a set, or none. */
static uint64_t if_all(uint64_t have, uint64_t set)
{
	return (have & set) == set ? set : 0;
}

/* What the port offers and we have a use for. */
static void choose(const struct rte_eth_dev_info *dev, const struct port_config *c,
		   struct rte_eth_conf *conf, struct port_info *info)
{
	/* Some drivers hash only what is named in full: without TCP all of it would be queue 0's. */
	const uint64_t hash = RTE_ETH_RSS_IP | RTE_ETH_RSS_UDP | RTE_ETH_RSS_TCP;
	uint64_t rx = if_all(dev->rx_offload_capa,
			     RTE_ETH_RX_OFFLOAD_IPV4_CKSUM | RTE_ETH_RX_OFFLOAD_UDP_CKSUM);
	uint64_t tx = if_all(dev->tx_offload_capa,
			     RTE_ETH_TX_OFFLOAD_IPV4_CKSUM | RTE_ETH_TX_OFFLOAD_UDP_CKSUM);

	info->rx_checksum = rx != 0;
	info->tx_checksum = tx != 0;
	info->vlan_strip = (dev->rx_offload_capa & RTE_ETH_RX_OFFLOAD_VLAN_STRIP) != 0;
	info->rss = c->queues > 1 && (dev->flow_type_rss_offloads & hash) != 0;
	conf->rxmode.offloads = rx | (dev->rx_offload_capa & RTE_ETH_RX_OFFLOAD_VLAN_STRIP);
	conf->txmode.offloads = tx | (dev->tx_offload_capa & RTE_ETH_TX_OFFLOAD_MBUF_FAST_FREE);
	if (info->rss) {
		conf->rxmode.mq_mode = RTE_ETH_MQ_RX_RSS;
		conf->rx_adv_conf.rss_conf.rss_hf = dev->flow_type_rss_offloads & hash;
	}
}

static int configure(const char *device, const struct port_config *c, struct port_info *info)
{
	struct rte_eth_dev_info dev;
	struct rte_eth_conf conf = {.rxmode = {.mtu = RTE_ETHER_MTU}};
	int ret = rte_eth_dev_info_get(info->id, &dev);
	uint16_t mtu;

	if (ret < 0)
		return ret;
	if (c->queues > dev.max_rx_queues || c->queues > dev.max_tx_queues) {
		LOG(ERR, "port %s: has %u queues, lcores.workers is %u", device,
		    RTE_MIN(dev.max_rx_queues, dev.max_tx_queues), c->queues);
		return -EINVAL;
	}
	ret = mtu_allowed(device, &dev, c->mtu, &mtu);
	if (ret < 0)
		return ret;
	conf.rxmode.mtu = mtu;
	choose(&dev, c, &conf, info);
	ret = rte_eth_dev_configure(info->id, c->queues, c->queues, &conf);
	if (ret == 0)
		ret = setup_mtu(device, info->id, mtu);
	if (ret == 0)
		ret = setup_queues(info->id, c);
	return ret;
}

int port_open(const char *device, const struct port_config *c, struct port_info *info)
{
	int ret;

	*info = (struct port_info){0};
	ret = make(device, c, info);
	if (ret < 0)
		return fail(device, "no such device, or it is busy", ret);
	snprintf(info->device, sizeof(info->device), "%s", device);
	info->mtu = c->mtu;
	info->socket = rte_eth_dev_socket_id(info->id);
	ret = configure(device, c, info);
	if (ret < 0) {
		port_close(info);
		return fail(device, "cannot be set up", ret);
	}
	return 0;
}

int port_start(const struct port_info *info)
{
	int ret = rte_eth_dev_start(info->id);

	if (ret < 0)
		return fail(info->device, "cannot be started", ret);
	/* ND needs multicast; a device that cannot filter gets all of it anyway */
	ret = rte_eth_allmulticast_enable(info->id);
	return ret == -ENOTSUP ? 0 : ret;
}

void port_close(struct port_info *info)
{
	remove_device(info->device, info->id);
	remove_members(info);
}

struct rte_mempool *port_pool_create(const char *name, uint32_t packets, uint32_t bytes, int node)
{
	uint32_t cache = RTE_MIN(packets / 16, 256u);

	return rte_pktmbuf_pool_create_by_ops(name, packets, cache, sizeof(struct pkt_meta),
					      (uint16_t)(bytes), node, "ring_mt_rts");
}
