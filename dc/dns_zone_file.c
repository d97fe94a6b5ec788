/* SPDX-License-Identifier: BSD-3-Clause */
#include "dc/dns_zone_file.h"

#include <ldns/ldns.h>

#include <errno.h>
#include <stdio.h>
#include <string.h>

static const char *add_error(int err)
{
	switch (err) {
	case -EXDEV:
		return "the name is outside of the zone";
	case -EOPNOTSUPP:
		return "this type cannot be served here (DNSSEC and meta types)";
	case -E2BIG:
		return "too many records";
	case -EINVAL:
		return "the data is not what its type asks for";
	default:
		return strerror(-err);
	}
}

static int record_add(const ldns_rr *rr, struct dns_zone_builder *b, const char **reason)
{
	const ldns_rdf *owner = ldns_rr_owner(rr);
	struct dns_name name;
	ldns_buffer *buf;
	size_t off = 0;
	int ret = -EINVAL;

	*reason = "class IN only";
	if (ldns_rr_get_class(rr) != LDNS_RR_CLASS_IN)
		return ret;
	*reason = "bad owner name";
	if (dns_name_read(ldns_rdf_data(owner), ldns_rdf_size(owner), &off, false, &name) < 0)
		return ret;
	*reason = "no memory";
	buf = ldns_buffer_new(LDNS_MAX_PACKETLEN);
	if (buf == NULL)
		return -ENOMEM;
	*reason = "bad record data";
	if (ldns_rr_rdata2buffer_wire(buf, rr) == LDNS_STATUS_OK) {
		ret = dns_zone_builder_add(b, &name, (uint16_t)ldns_rr_get_type(rr),
					   ldns_rr_ttl(rr), ldns_buffer_begin(buf),
					   ldns_buffer_position(buf));
		*reason = add_error(ret);
	}
	ldns_buffer_free(buf);
	return ret;
}

/* One entry of the file: 0 for a record, a directive or an empty line. */
static int entry_read(FILE *f, struct dns_zone_builder *b, uint32_t *ttl, ldns_rdf **origin,
		      ldns_rdf **prev, int *line, const char **reason)
{
	ldns_rr *rr = NULL;
	ldns_status st = ldns_rr_new_frm_fp_l(&rr, f, ttl, origin, prev, line);
	int ret = 0;

	switch (st) {
	case LDNS_STATUS_OK:
		ret = record_add(rr, b, reason);
		ldns_rr_free(rr);
		return ret;
	case LDNS_STATUS_SYNTAX_EMPTY:
	case LDNS_STATUS_SYNTAX_TTL:
	case LDNS_STATUS_SYNTAX_ORIGIN:
		return 0;
	default:
		*reason = ldns_get_errorstr_by_id(st);
		return -EINVAL;
	}
}

int dns_zone_file_load(const char *path, struct dns_zone_builder *b, const struct dns_name *apex,
		       char why[DNS_ZONE_ERROR_MAX])
{
	ldns_rdf *origin = NULL, *prev = NULL;
	uint32_t ttl = DNS_ZONE_TTL_DEFAULT;
	const char *reason = "";
	int line = 1, at = 1, ret = 0;
	FILE *f = fopen(path, "re");

	if (f == NULL) {
		ret = -errno;
		snprintf(why, DNS_ZONE_ERROR_MAX, "%s: %s", path, strerror(errno));
		return ret;
	}
	origin = ldns_dname_new_frm_data(apex->len, apex->b);
	if (origin == NULL) {
		ret = -ENOMEM;
		reason = "no memory";
	}
	while (ret == 0 && !feof(f)) {
		at = line;
		ret = entry_read(f, b, &ttl, &origin, &prev, &line, &reason);
	}
	if (ret < 0)
		snprintf(why, DNS_ZONE_ERROR_MAX, "%s:%d: %s", path, at, reason);
	ldns_rdf_deep_free(origin);
	ldns_rdf_deep_free(prev);
	fclose(f);
	return ret;
}

int dns_zone_load(const char *path, const struct dns_name *apex, const struct dns_zone_base *base,
		  struct dns_zone **zone, char why[DNS_ZONE_ERROR_MAX])
{
	struct dns_zone_builder *b = dns_zone_builder_create(apex);
	const char *reason = "no memory";
	int ret = b != NULL ? 0 : -ENOMEM;

	why[0] = '\0';
	if (ret == 0 && path != NULL)
		ret = dns_zone_file_load(path, b, apex, why);
	if (ret == 0) {
		ret = dns_zone_builder_base(b, base);
		reason = add_error(ret);
	}
	if (ret == 0)
		ret = dns_zone_builder_finish(b, zone, &reason);
	if (ret < 0 && why[0] == '\0')
		snprintf(why, DNS_ZONE_ERROR_MAX, "%s: %s", path != NULL ? path : "zone", reason);
	dns_zone_builder_destroy(b);
	return ret;
}
