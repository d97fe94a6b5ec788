/* SPDX-License-Identifier: BSD-3-Clause */
#include "perf/pktgen/options.h"

#include <errno.h>
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* clang-format off */
#define OPTIONS(X)                                                                                 \
	X(LEGS,       "legs",       "N", "nodes of each side, each with a leg (64)")               \
	X(PATHS,      "paths",      "N", "RS-S: paths between them (1024); 0: no RS-S")            \
	X(FLOWS,      "flows",      "N", "RS-N: flows to general hosts (0); 0: no RS-N")           \
	X(HOSTS,      "hosts",      "N", "RS-N: general hosts (1)")                                \
	X(OUTER6,     "outer6",     NULL, "nodes reach the RS by IPv6")                            \
	X(SUITE,      "suite",      "NAME", "of paths and, in-process, of legs (aes-128-gcm)")     \
	X(SEED,       "seed",       "N", "of everything that is drawn (1)")                        \
	X(MIX,        "mix",        "A,B,OUT,IN", "shares of the ways (1,1,1,1, as far as there "  \
				    "are paths and flows)")                                        \
	X(SIZES,      "sizes",      "N[:W],...", "inner bytes and how many in turn (64); 64:7,"    \
				    "576:4,1400:1 is a mix")                                       \
	X(ORDER,      "in-order",   NULL, "streams in turn instead of drawn")                      \
	X(RATE,       "rate",       "PPS|P%", "packets a second over all ways (100000), or per "   \
				    "cent of the line")                                            \
	X(LINE,       "line-mbit",  "N", "speed of the line that per cents are of (the port's)")   \
	X(SECONDS,    "seconds",    "S", "length of the run (10)")                                 \
	X(CHECK,      "check",      "N", "look at one packet in N to the last byte (64); 0: none") \
	X(IN_PROCESS, "in-process", NULL, "the RS is a worker in this process, over net_ring; "    \
				    "needs a second lcore")                                        \
	X(PORT,       "port",       "DEV", "a port to the RS, PCI address or vdev; a second one is "\
				    "where general hosts are")                                     \
	X(SETUP,      "setup",      "S", "with --port: longest wait for the RS and its answers "   \
				    "(60)")                                                        \
	X(KEEP,       "keep",       NULL, "with --port: leave paths and legs at the RS at the end")\
	X(CTL,        "ctl",        "SOCKET", "control socket of the RS: its drops by name")       \
	X(PCAP,       "pcap",       "FILE", "with --port: set up, write frames there, send none; " \
				    "implies --keep")                                              \
	X(PCAP_N,     "pcap-packets", "N", "so many (100000)")                                     \
	X(RING,       "ring",       "N", "in-process: packets a ring holds (4096)")                \
	X(PACKETS,    "packets",    "N", "packet buffers (32767)")                                 \
	X(WINDOW,     "window",     "BITS", "2^BITS packets of a way may be under way (20)")       \
	X(SEARCH,     "search",     NULL, "find the highest rate without loss, --rate being the "  \
				    "upper limit")                                                 \
	X(TRIAL,      "trial",      "S", "search: length of a trial (2)")                          \
	X(HOLD,       "hold",       "S", "search: then run so long at the rate found (0)")         \
	X(RESOLUTION, "resolution", "R", "search: ends when this part of the rate is left (0.01)") \
	X(NAME,       "name",       "TEXT", "search: name of the result rows (ndr)")               \
	X(JSON,       "json",       "FILE", "write results there")                                 \
	X(HELP,       "help",       NULL, "this text")
/* clang-format on */

enum option_id {
#define X(id, name, arg, help) OPT_##id,
	OPTIONS(X)
#undef X
		OPT_COUNT,
};

static const struct option_text {
	const char *name, *arg, *help;
} texts[OPT_COUNT] = {
#define X(id, name, arg, help) {name, arg, help},
	OPTIONS(X)
#undef X
};

void options_help(void)
{
	printf("usage: ntm-pktgen [EAL ARGS] -- [ARGS]\n\n");
	for (int i = 0; i < OPT_COUNT; i++)
		printf("  --%-12s %-10s  %s\n", texts[i].name,
		       texts[i].arg != NULL ? texts[i].arg : "", texts[i].help);
}

static int number(const char *text, double low, double high, double *out)
{
	char *end;
	double v = strtod(text, &end);

	if (end == text || *end != '\0' || !(v >= low && v <= high))
		return -EINVAL;
	*out = v;
	return 0;
}

static int count(const char *text, double low, double high, uint32_t *out)
{
	double v;
	int ret = number(text, low, high, &v);

	if (ret == 0)
		*out = (uint32_t)v;
	return ret;
}

/* "64:7,576:4,1400:1" into seven times 64, and so on. */
static int sizes(const char *text, struct gen_conf *c)
{
	const char *p = text;

	c->n_sizes = 0;
	for (;;) {
		char *end;
		unsigned long size = strtoul(p, &end, 10), times = 1;

		if (end == p || size < TRAFFIC_INNER_MIN || size > TRAFFIC_INNER_MAX)
			return -EINVAL;
		if (*end == ':') {
			p = end + 1;
			times = strtoul(p, &end, 10);
			if (end == p)
				return -EINVAL;
		}
		if (times == 0 || c->n_sizes + times > GEN_SIZES_MAX)
			return -EINVAL;
		while (times-- > 0)
			c->size[c->n_sizes++] = (uint16_t)size;
		if (*end == '\0')
			return 0;
		if (*end != ',')
			return -EINVAL;
		p = end + 1;
	}
}

static int mix(const char *text, struct gen_conf *c)
{
	const char *p = text;

	for (int w = 0; w < WAYS; w++) {
		char *end;
		unsigned long v = strtoul(p, &end, 10);

		if (end == p || v > 1000 || *end != (w == WAYS - 1 ? '\0' : ','))
			return -EINVAL;
		c->weight[w] = (unsigned int)v;
		p = end + 1;
	}
	return 0;
}

static int rate(const char *text, struct options *o)
{
	size_t n = strlen(text);
	char digits[32];

	if (n == 0 || n >= sizeof(digits) || text[n - 1] != '%')
		return number(text, 1, 1e9, &o->gen.pps);
	memcpy(digits, text, n - 1);
	digits[n - 1] = '\0';
	return number(digits, 0.001, 100, &o->percent);
}

static int port(const char *text, struct options *o)
{
	if (o->n_ports == TRAFFIC_SIDES)
		return -EINVAL;
	o->port[o->n_ports++] = text;
	return 0;
}

static int seed(const char *text, uint64_t *out)
{
	char *end;

	*out = strtoull(text, &end, 0);
	return end == text || *end != '\0' ? -EINVAL : 0;
}

static int take(struct options *o, enum option_id opt, const char *arg)
{
	switch (opt) {
	case OPT_LEGS:
		return count(arg, 1, PLAN_LEGS_MAX, &o->plan.legs);
	case OPT_PATHS:
		return count(arg, 0, PLAN_PATHS_MAX, &o->plan.paths);
	case OPT_FLOWS:
		return count(arg, 0, PLAN_FLOWS_MAX, &o->plan.flows);
	case OPT_HOSTS:
		return count(arg, 1, PLAN_HOSTS_MAX, &o->plan.hosts);
	case OPT_OUTER6:
		o->plan.outer6 = true;
		return 0;
	case OPT_SUITE:
		return suite_parse(arg, &o->plan.suite);
	case OPT_SEED:
		return seed(arg, &o->plan.seed);
	case OPT_MIX:
		return mix(arg, &o->gen);
	case OPT_SIZES:
		return sizes(arg, &o->gen);
	case OPT_ORDER:
		o->gen.in_order = true;
		return 0;
	case OPT_RATE:
		return rate(arg, o);
	case OPT_LINE:
		return number(arg, 1, 1e6, &o->line_mbit);
	case OPT_SECONDS:
		return number(arg, 0.01, GEN_SECONDS_MAX, &o->gen.seconds);
	case OPT_CHECK:
		return count(arg, 0, 1e9, &o->check_every);
	case OPT_IN_PROCESS:
		o->in_process = true;
		return 0;
	case OPT_PORT:
		return port(arg, o);
	case OPT_SETUP:
		return number(arg, 1, GEN_SECONDS_MAX, &o->setup_s);
	case OPT_KEEP:
		o->keep = true;
		return 0;
	case OPT_CTL:
		o->ctl = arg;
		return 0;
	case OPT_PCAP:
		o->pcap = arg;
		o->keep = true;
		return 0;
	case OPT_PCAP_N:
		return count(arg, 1, 1e8, &o->pcap_packets);
	case OPT_RING:
		return count(arg, 64, 1 << 20, &o->ring);
	case OPT_PACKETS:
		return count(arg, 1023, 1 << 24, &o->packets);
	case OPT_WINDOW:
		return count(arg, 8, 26, &o->window_bits);
	case OPT_SEARCH:
		o->search = true;
		return 0;
	case OPT_TRIAL:
		return number(arg, 0.05, 600, &o->trial_s);
	case OPT_HOLD:
		return number(arg, 0, GEN_SECONDS_MAX, &o->hold_s);
	case OPT_RESOLUTION:
		return number(arg, 0.0001, 0.5, &o->resolution);
	case OPT_NAME:
		o->name = arg;
		return 0;
	case OPT_JSON:
		o->json = arg;
		return 0;
	default:
		return -EINVAL;
	}
}

static void defaults(struct options *o)
{
	*o = (struct options){
		.plan = {.legs = 64, .paths = 1024, .hosts = 1, .suite = SUITE_DEFAULT, .seed = 1},
		.gen = {.pps = 100000,
			.seconds = 10,
			.weight = {1, 1, 1, 1},
			.n_sizes = 1,
			.size = {64}},
		.ring = 4096,
		.packets = 32767,
		.pcap_packets = 100000,
		.window_bits = 20,
		.check_every = 64,
		.setup_s = 60,
		.trial_s = 2,
		.resolution = 0.01,
		.name = "ndr",
	};
}

/* What only the whole can tell. */
static int check(struct options *o)
{
	unsigned int sum = 0;

	for (int w = 0; w < WAYS; w++) {
		if (w <= WAY_B ? o->plan.paths == 0 : o->plan.flows == 0)
			o->gen.weight[w] = 0;
		sum += o->gen.weight[w];
	}
	if (o->in_process == (o->n_ports > 0)) {
		fprintf(stderr, "ntm-pktgen: either --in-process or --port\n");
		return -EINVAL;
	}
	if (o->in_process && o->pcap != NULL) {
		fprintf(stderr, "ntm-pktgen: --pcap needs an RS that outlives us (--port)\n");
		return -EINVAL;
	}
	if (sum == 0) {
		fprintf(stderr, "ntm-pktgen: --paths, --flows and --mix leave nothing to send\n");
		return -EINVAL;
	}
	if (o->plan.flows / o->plan.legs > PLAN_FLOWS_PER_LEG) {
		fprintf(stderr, "ntm-pktgen: at most %d flows per leg\n", PLAN_FLOWS_PER_LEG);
		return -EINVAL;
	}
	return 0;
}

int options_parse(struct options *o, int argc, char **argv)
{
	struct option longs[OPT_COUNT + 1] = {0};
	int at;

	defaults(o);
	for (int i = 0; i < OPT_COUNT; i++)
		longs[i] = (struct option){texts[i].name,
					   texts[i].arg != NULL ? required_argument : no_argument,
					   NULL, i};
	optind = 0; /* glibc: from the start, also after an error */
	while ((at = getopt_long(argc, argv, "", longs, NULL)) != -1) {
		if (at == OPT_HELP) {
			options_help();
			return 1;
		}
		if (at == '?')
			return -EINVAL;
		if (take(o, (enum option_id)at, optarg) < 0) {
			fprintf(stderr, "ntm-pktgen: --%s: cannot take \"%s\"\n", texts[at].name,
				optarg != NULL ? optarg : "");
			return -EINVAL;
		}
	}
	if (optind != argc) {
		fprintf(stderr, "ntm-pktgen: what is \"%s\"?\n", argv[optind]);
		return -EINVAL;
	}
	return check(o);
}
