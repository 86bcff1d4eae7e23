/*
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * The authentication type that libsrtp2 pairs with AEAD suites, where the
 * cipher itself makes the tag (RFC 7714): it carries the length of the tag and
 * computes nothing. Here for its place in memory only, beside the cipher.
 */
#include "srtp/compact.h"

#if defined(__x86_64__)

#include "base/alloc.h"

struct none {
	srtp_auth_t auth;
};

static srtp_err_status_t make(srtp_auth_t **out, int key_octets, int tag_octets)
{
	struct none *n = tg_compact_alloc(sizeof(*n));

	if(!n)
		return srtp_err_status_alloc_fail;
	n->auth.type = &tg_compact_null;
	n->auth.state = n;
	n->auth.out_len = tag_octets;
	n->auth.prefix_len = tag_octets;
	n->auth.key_len = key_octets;
	*out = &n->auth;
	return srtp_err_status_ok;
}

static srtp_err_status_t dealloc(srtp_auth_t *auth)
{
	struct none *n = (struct none *)auth;

	tg_wipe(n, sizeof(*n));
	tg_compact_free(n);
	return srtp_err_status_ok;
}

static srtp_err_status_t init(void *state, const uint8_t *key, int octets)
{
	(void)state;
	(void)key;
	(void)octets;
	return srtp_err_status_ok;
}

static srtp_err_status_t start(void *state)
{
	(void)state;
	return srtp_err_status_ok;
}

static srtp_err_status_t update(void *state, const uint8_t *data, int octets)
{
	(void)state;
	(void)data;
	(void)octets;
	return srtp_err_status_ok;
}

static srtp_err_status_t compute(void *state, const uint8_t *data, int octets,
		int tag_octets, uint8_t *tag)
{
	(void)state;
	(void)data;
	(void)octets;
	(void)tag_octets;
	(void)tag;
	return srtp_err_status_ok;
}

static const srtp_auth_test_case_t test = {0, NULL, 0, NULL, 0, NULL, NULL};

const srtp_auth_type_t tg_compact_null = {
		.alloc = make,
		.dealloc = dealloc,
		.init = init,
		.compute = compute,
		.update = update,
		.start = start,
		.description = "no authentication of its own, compact",
		.test_data = &test,
		.id = SRTP_NULL_AUTH,
};

#endif
