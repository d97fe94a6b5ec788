/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef CLIENT_RESOLV_H
#define CLIENT_RESOLV_H

/* How applications come to the stub: by resolv.conf written in place (it may be a mount, so no
 * rename), or by systemd-resolved, which is told our suffixes alone. Blocking; start, stop and the
 * rare change of suffixes only. One thread.
 */
#include "client/state.h"

enum { RESOLV_SERVERS_MAX = 4, RESOLV_TEXT_MAX = 16384 };

/* Name servers of a resolv.conf, at port 53, without those in own. Returns how many, or -errno. */
int resolv_servers(const char *path, const struct endpoint *own, unsigned int own_n,
		   struct endpoint out[RESOLV_SERVERS_MAX]);

/* Keep a copy in the state folder (`resolv.conf.saved`), then name server as the only one; other
 * lines stay. A copy of an earlier run that did not end well is used instead of our own text.
 */
int resolv_take(struct state *s, const char *path, const struct ip_addr *server);
/* Put the copy back, unless somebody else has written the file since, and remove it. No copy:
 * nothing to do.
 */
int resolv_give_back(const char *state_dir, const char *path);

/* systemd-resolved: link uses server for names below the suffixes alone. -errno of starting
 * resolvectl, or -EIO where it failed.
 */
int resolv_resolved(const char *link, const struct endpoint *server,
		    const char (*suffixes)[NAME_MAX_LEN + 1], unsigned int n);

#endif
