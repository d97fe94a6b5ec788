/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef CLIENT_DNS_IO_H
#define CLIENT_DNS_IO_H

/* Sockets around the stub resolver (client/dns_stub.h): where applications ask, by UDP and TCP, and
 * one socket with a port of its own for each question upstream. One thread.
 */
#include "client/dns_stub.h"
#include "client/loop.h"

struct dns_io;

struct dns_io_conf {
	const struct endpoint *listen;
	unsigned int listen_n;
	uint32_t mark; /* of upstream sockets */
	bool relay_fails_open;
	void (*start_direction)(void *ctx, const char *name);
	void *ctx;
};

/* NULL with errno; one line in the log. */
struct dns_io *dns_io_create(struct loop *l, const struct dns_io_conf *conf, struct rng *rng);
void dns_io_destroy(struct dns_io *d);
struct dns_stub *dns_io_stub(struct dns_io *d);
/* As dns_stub_poll(). */
uint64_t dns_io_poll(struct dns_io *d, uint64_t now);

#endif
