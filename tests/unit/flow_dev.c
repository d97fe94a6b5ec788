/* SPDX-License-Identifier: BSD-3-Clause */
#include "tests/unit/flow_dev.h"
#include "common/bytes.h"

#include <rte_errno.h>
#include <rte_ethdev.h>
#include <rte_flow.h>
#include <rte_malloc.h>
#include <rte_ring.h>
#include <rte_thash.h>
#include <rte_version.h>

#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>

/* ---- what DPDK 22.11 and its drivers know of each other ----
 *
 * Its headers for drivers are not in Debian's packages. These are the members that lie in front of the
 * last one used here; the first fields of the two structures, and places in the table of operations.
 */
struct rte_eth_dev_data {
	char name[RTE_ETH_NAME_MAX_LEN];
	void **rx_queues, **tx_queues;
	uint16_t nb_rx_queues, nb_tx_queues;
	struct rte_eth_dev_sriov sriov;
	void *dev_private;
	struct rte_eth_link dev_link;
	struct rte_eth_conf dev_conf;
	uint16_t mtu;
	uint32_t min_rx_buf_size;
	uint64_t rx_mbuf_alloc_failed;
	struct rte_ether_addr *mac_addrs;
};

typedef void (*any_fn)(void);

struct rte_eth_dev {
	uint16_t (*rx)(void *queue, struct rte_mbuf **m, uint16_t n);
	uint16_t (*tx)(void *queue, struct rte_mbuf **m, uint16_t n);
	any_fn tx_prepare, rx_count, rx_status, tx_status;
	struct rte_eth_dev_data *data;
	void *process_private;
	const any_fn *ops;
	struct rte_device *device;
};

struct rte_flow_ops {
	int (*validate)(struct rte_eth_dev *dev, const struct rte_flow_attr *attr,
			const struct rte_flow_item *item, const struct rte_flow_action *action,
			struct rte_flow_error *err);
	struct rte_flow *(*create)(struct rte_eth_dev *dev, const struct rte_flow_attr *attr,
				   const struct rte_flow_item *item,
				   const struct rte_flow_action *action,
				   struct rte_flow_error *err);
	int (*destroy)(struct rte_eth_dev *dev, struct rte_flow *flow, struct rte_flow_error *err);
	any_fn others[64]; /* more than there are */
};

struct rte_driver {
	void *links[2];
	const char *name, *alias;
};

struct rte_device {
	void *links[2];
	const char *name, *bus_info;
	const struct rte_driver *driver;
	const void *bus;
	int numa_node;
	void *devargs;
};

enum {
	OP_CONFIGURE = 0,
	OP_START = 1,
	OP_STOP = 2,
	OP_CLOSE = 5,
	OP_LINK_UPDATE = 7,
	OP_INFO = 24,
	OP_RX_QUEUE = 41,
	OP_TX_QUEUE = 45,
	OP_FLOW_OPS = 70,
	OPS = 113
};

struct rte_eth_dev *rte_eth_dev_allocate(const char *name);
void rte_eth_dev_probing_finish(struct rte_eth_dev *dev);

/* ---- the device ---- */

enum { QUEUES_MAX = 16, RING = 1024, RULES_MAX = 2048, ITEMS_MAX = 8, HEADER_MAX = 40 };

struct item {
	enum rte_flow_item_type type;
	uint8_t spec[HEADER_MAX], mask[HEADER_MAX]; /* of the header */
};

/* A rule as the driver keeps it; rte_flow's handle. */
struct rte_flow {
	uint32_t priority;
	uint16_t queue;
	unsigned int n;
	struct item item[ITEMS_MAX];
};

struct flow_dev;

struct queue {
	struct flow_dev *dev;
	struct rte_ring *ring;
};

struct flow_dev {
	struct flow_dev_config c;
	struct flow_dev_counts counts;
	uint16_t port, n_queues;
	struct rte_ring *wire;
	struct queue queue[QUEUES_MAX];
	struct rte_flow *rule[RULES_MAX];
};

static struct flow_dev *devs[RTE_MAX_ETHPORTS];

static struct flow_dev *dev_of(const struct rte_eth_dev *dev)
{
	return dev->data->dev_private;
}

/* ---- sorting ---- */

/* Where the headers of a frame are; NULL for those that it does not have. */
struct frame {
	const uint8_t *eth, *vlan, *ip4, *ip6, *udp, *tcp;
};

static void frame_l4(struct frame *f, const uint8_t *p, uint8_t proto)
{
	f->udp = proto == IPPROTO_UDP ? p : NULL;
	f->tcp = proto == IPPROTO_TCP ? p : NULL;
}

static struct frame frame_of(const struct rte_mbuf *m)
{
	const uint8_t *p = rte_pktmbuf_mtod(m, const uint8_t *);
	struct frame f = {.eth = p};
	uint16_t type = load_be16(p + 12);

	p += 14;
	if (type == RTE_ETHER_TYPE_VLAN) {
		f.vlan = p;
		type = load_be16(p + 2);
		p += 4;
	}
	if (type == RTE_ETHER_TYPE_IPV4) {
		f.ip4 = p;
		if ((load_be16(p + 6) & 0x3fff) == 0) /* a piece has no ports to go by */
			frame_l4(&f, p + 4 * (p[0] & 15), p[9]);
	} else if (type == RTE_ETHER_TYPE_IPV6) {
		f.ip6 = p;
		frame_l4(&f, p + 40, p[6]);
	}
	return f;
}

/* The header that an item speaks of, and how much of the item's structure is that header. */
static const uint8_t *header_of(const struct frame *f, enum rte_flow_item_type type, size_t *len)
{
	switch (type) {
	case RTE_FLOW_ITEM_TYPE_ETH:
		*len = sizeof(struct rte_ether_hdr);
		return f->eth;
	case RTE_FLOW_ITEM_TYPE_VLAN:
		*len = sizeof(struct rte_vlan_hdr);
		return f->vlan;
	case RTE_FLOW_ITEM_TYPE_IPV4:
		*len = sizeof(struct rte_ipv4_hdr);
		return f->ip4;
	case RTE_FLOW_ITEM_TYPE_IPV6:
		*len = sizeof(struct rte_ipv6_hdr);
		return f->ip6;
	case RTE_FLOW_ITEM_TYPE_UDP:
		*len = sizeof(struct rte_udp_hdr);
		return f->udp;
	case RTE_FLOW_ITEM_TYPE_TCP:
		*len = sizeof(struct rte_tcp_hdr);
		return f->tcp;
	default:
		*len = 0;
		return NULL;
	}
}

/* Without a VLAN item a pattern means frames without a tag. */
static bool matches(const struct rte_flow *r, const struct frame *f)
{
	bool tagged = false;

	for (unsigned int i = 0; i < r->n; i++) {
		const struct item *it = &r->item[i];
		const uint8_t *h;
		size_t len;

		tagged |= it->type == RTE_FLOW_ITEM_TYPE_VLAN;
		h = header_of(f, it->type, &len);
		if (h == NULL)
			return false;
		for (size_t k = 0; k < len; k++)
			if ((h[k] ^ it->spec[k]) & it->mask[k])
				return false;
	}
	return tagged == (f->vlan != NULL);
}

static uint16_t rss_queue(const struct flow_dev *d, const struct frame *f)
{
	static const uint8_t key[40] = {0x6d, 0x5a, 0x56, 0xda, 0x25, 0x5b, 0x0e, 0xc2, 0x41, 0x67,
					0x25, 0x3d, 0x43, 0xa3, 0x8f, 0xb0, 0xd0, 0xca, 0x2b, 0xcb,
					0xae, 0x7b, 0x30, 0xb4, 0x77, 0xcb, 0x2d, 0xa3, 0x80, 0x30,
					0xf2, 0x0c, 0x6a, 0x42, 0xb7, 0x3b, 0xbe, 0xac, 0x01, 0xfa};
	const uint8_t *l4 = f->udp != NULL ? f->udp : f->tcp;
	const uint8_t *addrs = f->ip4 != NULL ? f->ip4 + 12 : f->ip6 != NULL ? f->ip6 + 8 : NULL;
	uint32_t tuple[9], n = f->ip4 != NULL ? 2 : 8;

	if (addrs == NULL)
		return 0;
	for (uint32_t i = 0; i < n; i++)
		tuple[i] = load_be32(addrs + 4 * i);
	if (l4 != NULL)
		tuple[n++] = load_be32(l4);
	return (uint16_t)(rte_softrss(tuple, n, key) % d->n_queues);
}

static uint16_t queue_of(struct flow_dev *d, const struct rte_mbuf *m)
{
	struct frame f = frame_of(m);
	const struct rte_flow *best = NULL;
	bool conflict = false;

	for (uint32_t i = 0; i < d->counts.rules; i++) {
		const struct rte_flow *r = d->rule[i];

		if (!matches(r, &f) || (best != NULL && best->priority < r->priority))
			continue;
		conflict = best != NULL && best->priority == r->priority &&
			   (conflict || best->queue != r->queue);
		best = r;
	}
	d->counts.conflicts += conflict;
	if (best == NULL) {
		d->counts.by_rss++;
		return rss_queue(d, &f);
	}
	d->counts.by_rule++;
	return best->queue;
}

static uint16_t rx(void *queue, struct rte_mbuf **m, uint16_t n)
{
	struct queue *q = queue;
	struct flow_dev *d = q->dev;
	void *next;

	while (rte_ring_dequeue(d->wire, &next) == 0) {
		struct rte_mbuf *one = next;

		one->port = d->port;
		if (rte_ring_enqueue(d->queue[queue_of(d, one)].ring, one) != 0)
			abort();
	}
	return (uint16_t)rte_ring_dequeue_burst(q->ring, (void **)m, n, NULL);
}

/* Nobody is at the other end. */
static uint16_t tx(void *queue, struct rte_mbuf **m, uint16_t n)
{
	rte_pktmbuf_free_bulk(m, n);
	return n;
}

void flow_dev_wire(uint16_t port, struct rte_mbuf *m)
{
	if (rte_ring_enqueue(devs[port]->wire, m) != 0)
		abort();
}

struct flow_dev_counts *flow_dev_counts(uint16_t port)
{
	return &devs[port]->counts;
}

/* ---- rules ---- */

static int refuse(struct rte_flow_error *err, const char *what)
{
	return rte_flow_error_set(err, ENOTSUP, RTE_FLOW_ERROR_TYPE_ITEM, NULL, what);
}

static bool is_whole(const uint8_t *mask, size_t len)
{
	for (size_t i = 0; i < len; i++)
		if (mask[i] != 0xff)
			return false;
	return true;
}

/* A frame that has all headers. */
static const struct frame any_frame = {(const uint8_t *)"", (const uint8_t *)"",
				       (const uint8_t *)"", (const uint8_t *)"",
				       (const uint8_t *)"", (const uint8_t *)""};

static int item_check(const struct flow_dev *d, const struct rte_flow_item *item,
		      struct rte_flow_error *err)
{
	const uint8_t *mask = item->mask;
	unsigned int no = d->c.quirks;
	size_t len;

	if (header_of(&any_frame, item->type, &len) == NULL || item->last != NULL ||
	    (item->spec != NULL) != (mask != NULL))
		return refuse(err, "item unknown");
	if (no & FLOW_DEV_NO_VLAN && item->type == RTE_FLOW_ITEM_TYPE_VLAN)
		return refuse(err, "no VLAN tags");
	if (no & FLOW_DEV_NO_PREFIX && mask != NULL &&
	    ((item->type == RTE_FLOW_ITEM_TYPE_IPV4 && !is_whole(mask + 16, 4)) ||
	     (item->type == RTE_FLOW_ITEM_TYPE_IPV6 && !is_whole(mask + 24, 16))))
		return refuse(err, "no masks of addresses");
	if (no & FLOW_DEV_NO_PORT_BITS && mask != NULL &&
	    (item->type == RTE_FLOW_ITEM_TYPE_UDP || item->type == RTE_FLOW_ITEM_TYPE_TCP) &&
	    !is_whole(mask + 2, 2))
		return refuse(err, "no masks of ports");
	return 0;
}

static int validate(struct rte_eth_dev *dev, const struct rte_flow_attr *attr,
		    const struct rte_flow_item *item, const struct rte_flow_action *action,
		    struct rte_flow_error *err)
{
	const struct flow_dev *d = dev_of(dev);
	const struct rte_flow_action_queue *queue = action[0].conf;
	int ret = 0;

	if (d->c.quirks & FLOW_DEV_REFUSES)
		return refuse(err, "no rules today");
	if (!attr->ingress || attr->egress || attr->transfer || attr->group != 0)
		return refuse(err, "ingress of group 0 alone");
	if (d->c.quirks & FLOW_DEV_NO_PRIORITY && attr->priority != 0)
		return refuse(err, "no priorities");
	if (action[0].type != RTE_FLOW_ACTION_TYPE_QUEUE || queue->index >= d->n_queues ||
	    action[1].type != RTE_FLOW_ACTION_TYPE_END)
		return refuse(err, "one queue is all that it knows to do");
	for (; item->type != RTE_FLOW_ITEM_TYPE_END && ret == 0; item++)
		ret = item_check(d, item, err);
	return ret;
}

static struct rte_flow *rule_new(const struct rte_flow_attr *attr, const struct rte_flow_item *item,
				 const struct rte_flow_action *action)
{
	const struct rte_flow_action_queue *queue = action[0].conf;
	struct rte_flow *r = calloc(1, sizeof(*r));

	if (r == NULL)
		abort();
	r->priority = attr->priority;
	r->queue = queue->index;
	for (; item->type != RTE_FLOW_ITEM_TYPE_END; item++) {
		struct item *it = &r->item[r->n++];
		size_t len;

		if (r->n > ITEMS_MAX)
			abort();
		it->type = item->type;
		(void)header_of(&any_frame, item->type, &len);
		if (item->spec == NULL)
			continue;
		memcpy(it->spec, item->spec, len);
		memcpy(it->mask, item->mask, len);
	}
	return r;
}

static struct rte_flow *create(struct rte_eth_dev *dev, const struct rte_flow_attr *attr,
			       const struct rte_flow_item *item,
			       const struct rte_flow_action *action, struct rte_flow_error *err)
{
	struct flow_dev *d = dev_of(dev);
	struct rte_flow *r;

	if (validate(dev, attr, item, action, err) != 0) {
		d->counts.unasked++;
		return NULL;
	}
	if (d->c.quirks & FLOW_DEV_SAYS_YES) {
		(void)refuse(err, "changed its mind");
		return NULL;
	}
	if (d->counts.rules >= RTE_MIN(d->c.room, (uint32_t)RULES_MAX)) {
		d->counts.no_room++;
		rte_flow_error_set(err, ENOSPC, RTE_FLOW_ERROR_TYPE_HANDLE, NULL, "table full");
		return NULL;
	}
	r = rule_new(attr, item, action);
	d->rule[d->counts.rules++] = r;
	return r;
}

static int destroy(struct rte_eth_dev *dev, struct rte_flow *r, struct rte_flow_error *err)
{
	struct flow_dev *d = dev_of(dev);

	for (uint32_t i = 0; i < d->counts.rules; i++) {
		if (d->rule[i] != r)
			continue;
		d->rule[i] = d->rule[--d->counts.rules];
		free(r);
		return 0;
	}
	return rte_flow_error_set(err, ENOENT, RTE_FLOW_ERROR_TYPE_HANDLE, NULL, "no such rule");
}

static int flow_ops_get(struct rte_eth_dev *dev, const struct rte_flow_ops **ops)
{
	static const struct rte_flow_ops flow_ops = {
		.validate = validate, .create = create, .destroy = destroy};

	*ops = dev_of(dev)->c.quirks & FLOW_DEV_NO_RULES ? NULL : &flow_ops;
	return 0;
}

/* ---- life ---- */

static int configure(struct rte_eth_dev *dev)
{
	dev_of(dev)->n_queues = dev->data->nb_rx_queues;
	return 0;
}

static int nothing(struct rte_eth_dev *dev)
{
	return 0;
}

static int link_update(struct rte_eth_dev *dev, int wait)
{
	dev->data->dev_link.link_status = RTE_ETH_LINK_UP;
	return 0;
}

static int info(struct rte_eth_dev *dev, struct rte_eth_dev_info *i)
{
	i->max_mac_addrs = 1;
	i->max_rx_pktlen = 2048;
	i->max_rx_queues = QUEUES_MAX;
	i->max_tx_queues = QUEUES_MAX;
	i->flow_type_rss_offloads = RTE_ETH_RSS_IP | RTE_ETH_RSS_UDP | RTE_ETH_RSS_TCP;
	return 0;
}

static struct rte_ring *ring_new(const struct flow_dev *d, const char *what, unsigned int number)
{
	char name[32];
	struct rte_ring *r;

	snprintf(name, sizeof(name), "flow_%u_%s%u", d->port, what, number);
	r = rte_ring_create(name, RING, SOCKET_ID_ANY, RING_F_SP_ENQ | RING_F_SC_DEQ);
	if (r == NULL)
		abort();
	return r;
}

static int rx_queue(struct rte_eth_dev *dev, uint16_t q, uint16_t n_desc, unsigned int node,
		    const struct rte_eth_rxconf *conf, struct rte_mempool *pool)
{
	struct flow_dev *d = dev_of(dev);

	d->queue[q] = (struct queue){d, ring_new(d, "rx", q)};
	dev->data->rx_queues[q] = &d->queue[q];
	return 0;
}

static int tx_queue(struct rte_eth_dev *dev, uint16_t q, uint16_t n_desc, unsigned int node,
		    const struct rte_eth_txconf *conf)
{
	dev->data->tx_queues[q] = dev_of(dev);
	return 0;
}

static void ring_free(struct rte_ring *r)
{
	void *m;

	while (rte_ring_dequeue(r, &m) == 0)
		rte_pktmbuf_free(m);
	rte_ring_free(r);
}

/* Its memory goes with the port. Rules must have gone before: nobody takes them away here. */
static int close_dev(struct rte_eth_dev *dev)
{
	struct flow_dev *d = dev_of(dev);

	ring_free(d->wire);
	for (uint16_t q = 0; q < d->n_queues; q++)
		ring_free(d->queue[q].ring);
	devs[d->port] = NULL;
	return 0;
}

int flow_dev_create(const char *name, const struct flow_dev_config *c)
{
	static const any_fn ops[OPS] = {
		[OP_CONFIGURE] = (any_fn)configure,
		[OP_START] = (any_fn)nothing,
		[OP_STOP] = (any_fn)nothing,
		[OP_CLOSE] = (any_fn)close_dev,
		[OP_LINK_UPDATE] = (any_fn)link_update,
		[OP_INFO] = (any_fn)info,
		[OP_RX_QUEUE] = (any_fn)rx_queue,
		[OP_TX_QUEUE] = (any_fn)tx_queue,
		[OP_FLOW_OPS] = (any_fn)flow_ops_get,
	};
	static const struct rte_driver driver = {.name = "flow_dev"};
	static struct rte_device device = {.name = "flow_dev", .driver = &driver};
	struct rte_eth_dev *dev;
	struct flow_dev *d;

	if (RTE_VER_YEAR != 22 || RTE_VER_MONTH != 11)
		return -1;
	dev = rte_eth_dev_allocate(name);
	d = rte_zmalloc(NULL, sizeof(*d), 0);
	if (dev == NULL || d == NULL || rte_eth_dev_get_port_by_name(name, &d->port) == 0)
		abort();
	d->c = *c;
	dev->rx = rx;
	dev->tx = tx;
	dev->ops = ops;
	dev->device = &device;
	dev->data->dev_private = d;
	dev->data->mac_addrs = rte_zmalloc(NULL, sizeof(struct rte_ether_addr), 0);
	if (dev->data->mac_addrs == NULL)
		abort();
	rte_eth_random_addr(dev->data->mac_addrs->addr_bytes);
	rte_eth_dev_probing_finish(dev);
	if (rte_eth_dev_get_port_by_name(name, &d->port) != 0)
		abort();
	d->wire = ring_new(d, "wire", 0);
	devs[d->port] = d;
	return 0;
}
