/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef CLIENT_STATE_H
#define CLIENT_STATE_H

/* What a node keeps on disk, in one folder of mode 0700: its private key, made here and never
 * leaving (`key`), the lasting PSK, VIPs and number steps (`state.json`), and the keys its peers
 * showed (`pins.json`). Files are replaced whole: written aside, synced, renamed. One thread.
 */
#include "client/node.h"

#include <jansson.h>

struct state {
	char dir[256];
	json_t *pins;
};

/* Make or open the folder. 0 or -errno with one line in the log; -EBADMSG: the pins are there and
 * cannot be read.
 */
int state_open(struct state *s, const char *dir);
void state_close(struct state *s);
/* The static key: read, or made and written. */
int state_key(struct state *s, struct rng *rng, struct noise_keypair *kp);
/* 0 also where nothing was saved yet (zeroed); -EBADMSG: the file is not ours. */
int state_load(struct state *s, struct node_state *n);
int state_save(struct state *s, const struct node_state *n);
/* A file of the folder, whole; for small texts as a saved resolv.conf. */
int state_write(struct state *s, const char *name, const void *data, size_t len);

int state_pin_save(struct state *s, const char *name, const uint8_t key[NOISE_KEY_LEN]);
void state_pins_load(struct state *s, struct node *n);

#endif
