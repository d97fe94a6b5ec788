/* SPDX-License-Identifier: BSD-3-Clause */
#include "client/state.h"
#include "common/base64.h"
#include "common/log.h"
#include "common/state_dir.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

LOG_TYPE("state");

enum { PATH_TEXT_MAX = 320 };

static void path_of(const struct state *s, const char *name, const char *suffix, char *out)
{
	snprintf(out, PATH_TEXT_MAX, "%s/%s%s", s->dir, name, suffix);
}

int state_open(struct state *s, const char *dir)
{
	char path[PATH_TEXT_MAX];
	int ret;

	snprintf(s->dir, sizeof(s->dir), "%s", dir);
	ret = state_dir_make(s->dir);
	if (ret < 0) {
		LOG(ERR, "cannot make folder %s: %s", dir, strerror(-ret));
		return ret;
	}
	path_of(s, "pins.json", "", path);
	if (access(path, F_OK) < 0) {
		s->pins = json_object();
		return s->pins == NULL ? -ENOMEM : 0;
	}
	/* Begun anew in silence, the list would take any key for the next one. */
	s->pins = json_load_file(path, 0, NULL);
	if (!json_is_object(s->pins)) {
		json_decref(s->pins);
		s->pins = NULL;
		LOG(ERR, "cannot use %s: remove it to forget the keys of all peers", path);
		return -EBADMSG;
	}
	return 0;
}

void state_close(struct state *s)
{
	json_decref(s->pins);
	s->pins = NULL;
}

int state_write(struct state *s, const char *name, const void *data, size_t len)
{
	return state_dir_write(s->dir, name, data, len);
}

int state_key(struct state *s, struct rng *rng, struct noise_keypair *kp)
{
	int ret = state_dir_key(s->dir, rng, kp);

	if (ret < 0)
		LOG(ERR, "cannot use key file %s/key: %s", s->dir, strerror(-ret));
	return ret;
}

/* Each takes a value that is there, and says false to one that is not what we write. */
static bool get_number(const json_t *o, const char *key, uint64_t *out)
{
	const json_t *v = json_object_get(o, key);

	*out = (uint64_t)json_integer_value(v);
	return v == NULL || (json_is_integer(v) && json_integer_value(v) >= 0);
}

static bool get_bytes(const json_t *o, const char *key, uint8_t *out, size_t len, bool *has)
{
	const json_t *v = json_object_get(o, key);
	const char *text = json_string_value(v);

	if (v == NULL)
		return true;
	*has = text != NULL && base64_decode(text, strlen(text), out, len) == 0;
	return *has;
}

static bool get_ip(const json_t *o, const char *key, struct ip_addr *ip, bool *has)
{
	const json_t *v = json_object_get(o, key);
	const char *text = json_string_value(v);

	if (v == NULL)
		return true;
	*has = true;
	return text != NULL && ip_parse(text, ip) == 0;
}

int state_load(struct state *s, struct node_state *n)
{
	char path[PATH_TEXT_MAX];
	bool has_secret = false, good;
	json_error_t err;
	json_t *o;

	memset(n, 0, sizeof(*n));
	path_of(s, "state.json", "", path);
	if (access(path, F_OK) < 0)
		return 0;
	o = json_load_file(path, 0, &err);
	if (!json_is_object(o)) {
		LOG(ERR, "cannot use %s: %s", path, err.text);
		json_decref(o);
		return -EBADMSG;
	}
	good = get_number(o, "attempt", &n->attempt) && get_number(o, "location", &n->location) &&
	       get_bytes(o, "psk", n->psk, sizeof(n->psk), &n->has_psk) &&
	       get_bytes(o, "reset_secret", n->reset_secret, sizeof(n->reset_secret),
			 &has_secret) &&
	       get_ip(o, "vip4", &n->vips.v4, &n->has_vips) &&
	       get_ip(o, "vip6", &n->vips.v6, &n->has_vips);
	json_decref(o);
	if (!good) {
		LOG(ERR, "cannot use %s: a value is not what was written there", path);
		return -EBADMSG;
	}
	return 0;
}

static void set_bytes(json_t *o, const char *key, const uint8_t *p, size_t len)
{
	char text[BASE64_KEY_SIZE];

	base64_encode(p, len, false, text);
	json_object_set_new(o, key, json_string(text));
	explicit_bzero(text, sizeof(text));
}

static void set_ip(json_t *o, const char *key, const struct ip_addr *ip)
{
	char text[IP_TEXT_MAX];

	if (!ip_is_none(ip))
		json_object_set_new(o, key, json_string(ip_format(ip, text)));
}

int state_save(struct state *s, const struct node_state *n)
{
	json_t *o = json_object();
	char *text;
	int ret = -ENOMEM;

	json_object_set_new(o, "attempt", json_integer((json_int_t)n->attempt));
	json_object_set_new(o, "location", json_integer((json_int_t)n->location));
	if (n->has_psk)
		set_bytes(o, "psk", n->psk, sizeof(n->psk));
	set_bytes(o, "reset_secret", n->reset_secret, sizeof(n->reset_secret));
	if (n->has_vips) {
		set_ip(o, "vip4", &n->vips.v4);
		set_ip(o, "vip6", &n->vips.v6);
	}
	text = json_dumps(o, JSON_INDENT(2));
	json_decref(o);
	if (text != NULL) {
		ret = state_write(s, "state.json", text, strlen(text));
		explicit_bzero(text, strlen(text));
		free(text);
	}
	if (ret < 0)
		LOG(ERR, "cannot save state in %s: %s", s->dir, strerror(-ret));
	return ret;
}

int state_pin_save(struct state *s, const char *name, const uint8_t key[NOISE_KEY_LEN])
{
	char *text;
	int ret;

	set_bytes(s->pins, name, key, NOISE_KEY_LEN);
	text = json_dumps(s->pins, JSON_INDENT(2) | JSON_SORT_KEYS);
	if (text == NULL)
		return -ENOMEM;
	ret = state_write(s, "pins.json", text, strlen(text));
	free(text);
	return ret;
}

void state_pins_load(struct state *s, struct node *n)
{
	const char *name;
	json_t *v;

	json_object_foreach(s->pins, name, v)
	{
		uint8_t key[NOISE_KEY_LEN];

		if (json_is_string(v) && base64_decode(json_string_value(v), json_string_length(v),
						       key, sizeof(key)) == 0)
			node_pin_add(n, name, key);
	}
}
