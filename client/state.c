/* SPDX-License-Identifier: BSD-3-Clause */
#include "client/state.h"
#include "common/base64.h"
#include "common/log.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

LOG_TYPE("state");

enum { PATH_TEXT_MAX = 320 };

static void path_of(const struct state *s, const char *name, const char *suffix, char *out)
{
	snprintf(out, PATH_TEXT_MAX, "%s/%s%s", s->dir, name, suffix);
}

/* mkdir -p, the last with mode 0700. */
static int folder_make(const char *dir)
{
	char part[sizeof(((struct state *)0)->dir)];

	for (size_t i = 1; dir[i] != '\0'; i++) {
		if (dir[i] != '/')
			continue;
		memcpy(part, dir, i);
		part[i] = '\0';
		if (mkdir(part, 0755) < 0 && errno != EEXIST)
			return -errno;
	}
	return mkdir(dir, 0700) < 0 && errno != EEXIST ? -errno : 0;
}

int state_open(struct state *s, const char *dir)
{
	char path[PATH_TEXT_MAX];
	int ret;

	snprintf(s->dir, sizeof(s->dir), "%s", dir);
	ret = folder_make(s->dir);
	if (ret < 0) {
		LOG(ERR, "cannot make folder %s: %s", dir, strerror(-ret));
		return ret;
	}
	path_of(s, "pins.json", "", path);
	s->pins = json_load_file(path, 0, NULL);
	if (!json_is_object(s->pins)) {
		json_decref(s->pins);
		s->pins = json_object();
	}
	return s->pins == NULL ? -ENOMEM : 0;
}

void state_close(struct state *s)
{
	json_decref(s->pins);
	s->pins = NULL;
}

static int write_all(int fd, const uint8_t *p, size_t len)
{
	while (len > 0) {
		ssize_t n = write(fd, p, len);

		if (n < 0)
			return -errno;
		p += n;
		len -= (size_t)n;
	}
	return 0;
}

static int folder_sync(const struct state *s)
{
	int fd = open(s->dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC), ret = 0;

	if (fd < 0 || fsync(fd) < 0)
		ret = -errno;
	if (fd >= 0)
		close(fd);
	return ret;
}

int state_write(struct state *s, const char *name, const void *data, size_t len)
{
	char path[PATH_TEXT_MAX], tmp[PATH_TEXT_MAX];
	int fd, ret;

	path_of(s, name, "", path);
	path_of(s, name, ".new", tmp);
	fd = open(tmp, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
	if (fd < 0)
		return -errno;
	ret = write_all(fd, data, len);
	if (ret == 0 && fsync(fd) < 0)
		ret = -errno;
	close(fd);
	if (ret == 0 && rename(tmp, path) < 0)
		ret = -errno;
	return ret == 0 ? folder_sync(s) : ret;
}

int state_key(struct state *s, struct rng *rng, struct noise_keypair *kp)
{
	char path[PATH_TEXT_MAX];
	ssize_t n;
	int fd, ret = 0;

	path_of(s, "key", "", path);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0 && errno == ENOENT) {
		noise_keypair_generate(kp, rng);
		ret = state_write(s, "key", kp->priv, sizeof(kp->priv));
	} else if (fd < 0) {
		ret = -errno;
	} else {
		n = read(fd, kp->priv, sizeof(kp->priv));
		close(fd);
		if (n != sizeof(kp->priv))
			ret = n < 0 ? -errno : -EBADMSG;
		else
			ret = noise_keypair_public(kp);
	}
	if (ret < 0)
		LOG(ERR, "cannot use key file %s: %s", path, strerror(-ret));
	return ret;
}

static void get_bytes(const json_t *o, const char *key, uint8_t *out, size_t len, bool *has)
{
	const char *text = json_string_value(json_object_get(o, key));

	if (text != NULL && base64_decode(text, strlen(text), out, len) == 0 && has != NULL)
		*has = true;
}

static void get_ip(const json_t *o, const char *key, struct ip_addr *ip, bool *has)
{
	const char *text = json_string_value(json_object_get(o, key));

	if (text != NULL && ip_parse(text, ip) == 0)
		*has = true;
}

int state_load(struct state *s, struct node_state *n)
{
	char path[PATH_TEXT_MAX];
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
	n->attempt = (uint64_t)json_integer_value(json_object_get(o, "attempt"));
	n->location = (uint64_t)json_integer_value(json_object_get(o, "location"));
	get_bytes(o, "psk", n->psk, sizeof(n->psk), &n->has_psk);
	get_bytes(o, "reset_secret", n->reset_secret, sizeof(n->reset_secret), NULL);
	get_ip(o, "vip4", &n->vips.v4, &n->has_vips);
	get_ip(o, "vip6", &n->vips.v6, &n->has_vips);
	json_decref(o);
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
