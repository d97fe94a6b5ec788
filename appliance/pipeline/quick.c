/* SPDX-License-Identifier: BSD-3-Clause */
#include "appliance/pipeline/quick.h"

#include "appliance/iface.h"
#include "appliance/pipeline/nat_quick.h"
#include "appliance/pipeline/outer.h"
#include "appliance/rs_worker.h"
#include "appliance/worker.h"
#include "common/wire.h"

#include <rte_cpuflags.h>
#include <rte_ether.h>
#include <rte_prefetch.h>

#include <errno.h>
#include <immintrin.h>

enum {
	/* The mbufs of a burst are asked for all at once: each is in a page of its own, and a prefetch
	 * does not retire before it has its translation, so that only in a loop of nothing else several are
	 * under way. The headers lie in the same pages.
	 */
	AHEAD_HEAD = 8,

	MIN4 = AT_UDP4 + UDP_HDR_LEN + WIRE_HDR_LEN,
	MIN6 = AT_UDP6 + UDP_HDR_LEN + WIRE_HDR_LEN,
};

#define MAC_MASK 0xffffffffffffULL

static inline uint64_t load64(const uint8_t *p)
{
	uint64_t v;

	memcpy(&v, p, sizeof(v));
	return v;
}

static inline uint32_t load32(const uint8_t *p)
{
	uint32_t v;

	memcpy(&v, p, sizeof(v));
	return v;
}

/* ---- which form ---- */

typedef bool (*match_fn)(const uint8_t *p, const struct quick_form *f);

static __rte_always_inline bool match_scalar(const uint8_t *p, const struct quick_form *f)
{
	uint64_t differ = 0;

	for (unsigned int i = 0; i < QUICK_FORM_BYTES; i += 8)
		differ |= (load64(p + i) ^ load64(f->value + i)) & load64(f->mask + i);
	return differ == 0;
}

static __rte_always_inline bool match_avx2(const uint8_t *p, const struct quick_form *f)
{
	const __m256i *have = (const __m256i *)(const void *)p;
	const __m256i *want = (const __m256i *)(const void *)f->value;
	const __m256i *mask = (const __m256i *)(const void *)f->mask;
	__m256i a = _mm256_xor_si256(_mm256_loadu_si256(have), want[0]);
	__m256i b = _mm256_xor_si256(_mm256_loadu_si256(have + 1), want[1]);

	return _mm256_testz_si256(a, mask[0]) && _mm256_testz_si256(b, mask[1]);
}

__attribute__((target("avx512f"))) static __rte_always_inline bool
match_avx512(const uint8_t *p, const struct quick_form *f)
{
	__m512i have = _mm512_loadu_si512(p);
	__m512i differ = _mm512_xor_si512(have, _mm512_load_si512(f->value));

	return _mm512_test_epi64_mask(differ, _mm512_load_si512(f->mask)) == 0;
}

/* What a scan has in hand: in registers, for packets and hops are written to in between. */
struct scan {
	const struct quick_form *form; /* the last one that fitted, and stands; NULL: none yet */
	uint64_t mac;		       /* of the interface, byte 0 lowest */
	uint32_t in;		       /* port and VLAN that it is of, plus one */
	uint16_t n;		       /* hops */
};

/* Another form than the last one; false where none fits that stands. */
static __rte_always_inline bool form_seek(struct worker *w, struct scan *s, const uint8_t *p,
					  match_fn match)
{
	struct quick *q = &w->quick;
	uint8_t i = 0;

	while (i < q->n && !match(p, &q->form[i]))
		i++;
	if (i == q->n || !quick_form_stands(w, i))
		return false;
	q->last = i;
	s->form = &q->form[i];
	return true;
}

/* ---- frames ---- */

/* The interface that a frame came in on, by its MAC: known for the last port and VLAN. */
static __attribute__((noinline)) bool iface_learn(struct worker *w, uint32_t in, uint16_t port,
						  uint16_t vlan)
{
	struct quick *q = &w->quick;

	for (uint16_t i = 0; i < w->n_ifaces; i++) {
		const struct iface *f = &w->ifaces[i];

		if (f->port != port || f->vlan != vlan)
			continue;
		q->in = in;
		q->iface = i;
		q->mac = 0;
		memcpy(&q->mac, f->mac.addr_bytes, RTE_ETHER_ADDR_LEN);
		return true;
	}
	return false;
}

/* To our MAC and not from it. A tag that is still in the frame shows as its type. */
static __rte_always_inline bool link_is_ours(struct worker *w, struct scan *s,
					     const struct rte_mbuf *m, const uint8_t *p)
{
	bool stripped = (m->ol_flags & RTE_MBUF_F_RX_VLAN_STRIPPED) != 0;
	uint16_t vlan = unlikely(stripped) ? m->vlan_tci & 0x0fff : 0;
	uint32_t in = ((uint32_t)m->port << 12 | vlan) + 1;

	if (unlikely(in != s->in)) {
		if (!iface_learn(w, in, m->port, vlan))
			return false;
		s->in = in;
		s->mac = w->quick.mac;
	}
	return (load64(p) & MAC_MASK) == s->mac &&
	       (load64(p + RTE_ETHER_ADDR_LEN) & MAC_MASK) != s->mac;
}

/* Five words of a header whose checksum is right sum to all ones. */
static __rte_always_inline bool sum4_is_good(const uint8_t *ip)
{
	uint64_t sum = (uint64_t)load32(ip) + load32(ip + 4) + load32(ip + 8) + load32(ip + 12) +
		       load32(ip + 16);

	return csum_fold(sum) == 0xffff;
}

static __rte_always_inline bool lengths_fit(uint16_t total, uint16_t room, uint16_t udp,
					    uint16_t ip_len)
{
	return total <= room && udp + ip_len <= total && udp >= UDP_HDR_LEN + WIRE_HDR_LEN;
}

static __rte_always_inline bool check4(const struct rte_mbuf *m, const uint8_t *p, uint16_t room,
				       uint16_t *udp)
{
	bool good = (m->ol_flags & RTE_MBUF_F_RX_IP_CKSUM_MASK) == RTE_MBUF_F_RX_IP_CKSUM_GOOD;

	*udp = load_be16(p + AT_UDP4 + 4);
	return lengths_fit(load_be16(p + AT_IP + 2), room, *udp, IP4_HDR_LEN) &&
	       (good || sum4_is_good(p + AT_IP));
}

/* A mapped source would be taken for the IPv4 one; UDP needs its checksum here (RFC 8200 8.1). */
static __rte_always_inline bool check6(const uint8_t *p, uint16_t room, uint16_t *udp)
{
	uint64_t high = load64(p + AT_IP + 8), low = load64(p + AT_IP + 16);
	bool is_mapped = high == 0 && (uint32_t)low == 0xffff0000;

	*udp = load_be16(p + AT_UDP6 + 4);
	return room >= MIN6 - AT_IP &&
	       lengths_fit((uint16_t)RTE_MIN(load_be16(p + AT_IP + 4) + IP6_HDR_LEN, UINT16_MAX),
			   room, *udp, IP6_HDR_LEN) &&
	       !is_mapped && (p[AT_UDP6 + 6] | p[AT_UDP6 + 7]) != 0;
}

/* For this host: data on a leg most likely, which goes to w->sealed; what else there is into the ntm lane.
 * Whether the source can be one is left to the stages behind, which know where the leg's node is.
 */
static __rte_always_inline void take_for_host(struct worker *w, struct hops *h, uint16_t i, bool v6)
{
	const uint8_t *ntm = h->ntm[i];

	h->note[i].iface = w->quick.iface;
	h->note[i].flags = v6 ? PKT_IPV6 : 0;
	w->quick.notes = true;
	if (unlikely(!wire_type_is_data(ntm[0] & 15) || (ntm[1] & WIRE_SIDE_A) == 0)) {
		burst_push(&w->stats, &w->lanes.ntm, hop_note(h, i));
		return;
	}
	leg_table_prefetch(w->rs->dp->legs, h->id[i]);
	h->n++;
}

/* What parse.c would drop, by name. */
static bool is_whole(const uint8_t *ip, uint16_t total)
{
	uint16_t udp = load_be16(ip + IP4_HDR_LEN + 4);

	return ip[9] == IPPROTO_TCP ||
	       (ip[9] == IPPROTO_UDP && udp >= UDP_HDR_LEN && udp <= total - IP4_HDR_LEN);
}

/* For the NAT: what it needs of what parse.c notes, and the gn lane. Ports are checked as far as parse.c
 * does; the rest is the NAT's.
 */
static __rte_always_inline bool take_for_pool(struct worker *w, struct rte_mbuf *m,
					      const uint8_t *p, uint16_t room)
{
	const uint8_t *ip = p + AT_IP;
	struct pkt_meta *meta = pkt_meta(m);
	uint16_t total = load_be16(ip + 2);
	bool plain;

	if (unlikely(total > room || total < IP4_HDR_LEN + UDP_HDR_LEN ||
		     ((m->ol_flags & RTE_MBUF_F_RX_IP_CKSUM_MASK) != RTE_MBUF_F_RX_IP_CKSUM_GOOD &&
		      !sum4_is_good(ip))))
		return false;
	plain = nat_quick_is(ip, total);
	if (unlikely(!plain && !is_whole(ip, total)))
		return false;
	meta->flags = plain ? PKT_PLAIN : 0;
	if ((m->ol_flags & RTE_MBUF_F_RX_L4_CKSUM_MASK) == RTE_MBUF_F_RX_L4_CKSUM_GOOD)
		meta->flags |= PKT_L4_GOOD;
	meta->iface = w->quick.iface;
	meta->l3 = AT_IP;
	meta->l3_len = total;
	pkt_cut(m, 0, (uint16_t)(AT_IP + total));
	burst_push(&w->stats, &w->lanes.gn, m);
	w->quick.notes = true;
	return true;
}

static __rte_always_inline void put(struct hops *h, uint16_t i, struct rte_mbuf *m, uint8_t *ntm,
				    uint64_t id, uint16_t udp, uint16_t ip_len)
{
	h->m[i] = m;
	h->ntm[i] = ntm;
	h->id[i] = id;
	h->len[i] = (uint16_t)(udp - UDP_HDR_LEN);
	h->ip_len[i] = ip_len;
}

/* Into the hops, the sealed, the ntm or the gn lane, or false. */
static __rte_always_inline bool take(struct worker *w, struct scan *s, struct rte_mbuf *m,
				     match_fn match)
{
	uint8_t *p = rte_pktmbuf_mtod(m, uint8_t *);
	uint16_t len = rte_pktmbuf_data_len(m), room = (uint16_t)(len - AT_IP), ip_len, udp;
	const struct quick_form *f;
	uint8_t *ntm;
	uint64_t id;

	if (unlikely(m->nb_segs != 1 || len < MIN4 || m->data_off + QUICK_FORM_BYTES > m->buf_len ||
		     !link_is_ours(w, s, m, p)))
		return false;
	if (unlikely(s->form == NULL || !match(p, s->form)) && !form_seek(w, s, p, match))
		return false;
	f = s->form;
	if (f->is_pool)
		return take_for_pool(w, m, p, room);
	ip_len = f->is_v6 ? IP6_HDR_LEN : IP4_HDR_LEN;
	if (unlikely(f->is_v6 ? !check6(p, room, &udp) : !check4(m, p, room, &udp)))
		return false;
	ntm = p + AT_IP + ip_len + UDP_HDR_LEN;
	id = load_be64(ntm + 8);
	if (unlikely((ntm[0] & 15) >= WIRE_TYPE_COUNT))
		return false;
	if (wire_is_path_id(id)) {
		put(&w->hops, s->n++, m, ntm, id, udp, ip_len);
		return true;
	}
	put(&w->sealed, w->sealed.n, m, ntm, id, udp, ip_len);
	take_for_host(w, &w->sealed, w->sealed.n, f->is_v6);
	return true;
}

/* The lines of a packet that this burst will need, judged by the one before. */
static __rte_always_inline void head_fetch(struct rte_mbuf *m, bool two_lines, bool notes)
{
	rte_prefetch0(rte_pktmbuf_mtod(m, void *));
	if (two_lines) /* the Path ID of an IPv6 packet lies in the second */
		rte_prefetch0(rte_pktmbuf_mtod_offset(m, void *, RTE_CACHE_LINE_SIZE));
	if (notes)
		rte_prefetch0(pkt_meta(m));
}

static __rte_always_inline void scan_with(struct worker *w, match_fn match)
{
	struct burst *rx = &w->lanes.rx;
	const struct burst *ahead = &w->lanes.ahead;
	struct quick *q = &w->quick;
	struct scan s = {.mac = q->mac, .in = q->in, .n = w->hops.n};
	const uint16_t n = rx->n, n_ahead = ahead->n;
	const bool notes = q->notes, two_lines = notes || q->form[q->last].is_v6;
	/* What was fetched ahead is one line of each, which is enough for paths of IPv4, or two. */
	uint16_t left = 0, next = notes || (two_lines && !q->known_two) ? 0 : q->known;
	uint64_t bytes = 0;

	q->standing = 0;
	q->notes = false;
	q->known = 0;
	for (uint16_t i = next; i < n; i++)
		rte_prefetch0(rx->pkt[i]);
	while (next < RTE_MIN(n, AHEAD_HEAD))
		head_fetch(rx->pkt[next++], two_lines, notes);
	for (uint16_t i = 0; i < n; i++) {
		struct rte_mbuf *m = rx->pkt[i];

		if (next < n)
			head_fetch(rx->pkt[next++], two_lines, notes);
		if (i < n_ahead)
			rte_prefetch0(ahead->pkt[i]);
		bytes += rte_pktmbuf_pkt_len(m);
		if (unlikely(!take(w, &s, m, match)))
			rx->pkt[left++] = m;
	}
	rx->n = left;
	w->hops.n = s.n;
	w->stats.rx_bytes += bytes;
	if (s.n > 0)
		relay_table_places(w->rs->dp->paths, w->hops.id, s.n, w->hops.place);
}

static void scan_scalar(struct worker *w)
{
	scan_with(w, match_scalar);
}

static void scan_avx2(struct worker *w)
{
	scan_with(w, match_avx2);
}

__attribute__((target("avx512f"))) static void scan_avx512(struct worker *w)
{
	scan_with(w, match_avx512);
}

static bool cpu_has(enum quick_isa isa)
{
	switch (isa) {
	case QUICK_AVX512:
		return rte_cpu_get_flag_enabled(RTE_CPUFLAG_AVX512F) > 0;
	case QUICK_AVX2:
		return rte_cpu_get_flag_enabled(RTE_CPUFLAG_AVX2) > 0;
	default:
		return isa == QUICK_SCALAR;
	}
}

int quick_isa_set(struct worker *w, enum quick_isa isa)
{
	static const quick_scan_fn scans[QUICK_ISAS] = {scan_scalar, scan_avx2, scan_avx512};

	if (!cpu_has(isa))
		return -ENOTSUP;
	w->quick.scan = scans[isa];
	return 0;
}

static void isa_choose(struct worker *w)
{
	for (int isa = QUICK_ISAS - 1; isa >= 0; isa--)
		if (quick_isa_set(w, (enum quick_isa)isa) == 0)
			return;
}

void quick_scan(struct worker *w)
{
	if (unlikely(w->quick.scan == NULL))
		isa_choose(w);
	w->quick.scan(w);
}
