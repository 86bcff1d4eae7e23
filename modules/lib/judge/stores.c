/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "judge/stores.h"

#include <stdlib.h>

void tg_judge_stores_drop(struct tg_judge_stores *s)
{
	for(size_t i = 0; s->store && i < s->n; i++)
		tg_x509_store_free(s->store[i].built);
	free(s->store);
	memset(s, 0, sizeof(*s));
}

void tg_judge_stores_turn(
		struct tg_judge_stores *s, const struct tg_pol *p, uint64_t generation)
{
	size_t n = tg_pol_trust_count(p);

	if(s->store && s->policy == p && s->generation == generation && s->n == n)
		return;
	tg_judge_stores_drop(s);
	s->store = n ? calloc(n, sizeof(*s->store)) : NULL;
	s->n = s->store ? n : 0;
	s->policy = p;
	s->generation = generation;
}

/* The same octets under x509's name for them */
static struct tg_x509_blob *blobs_of(const struct tg_pol_blob *in, size_t n)
{
	struct tg_x509_blob *out = calloc(n ? n : 1, sizeof(*out));

	for(size_t i = 0; out && i < n; i++) {
		out[i].path = in[i].path;
		out[i].data = in[i].data;
	}
	return out;
}

static struct tg_x509_store *build(
		const struct tg_pol_trust *trust, struct tg_diags *diags)
{
	struct tg_x509_blob *ca = blobs_of(trust->ca, trust->n_ca);
	struct tg_x509_blob *crl = blobs_of(trust->crl, trust->n_crl);
	struct tg_x509_store *store = NULL;

	if(ca && crl)
		store = tg_x509_store_new(ca, trust->n_ca, crl, trust->n_crl, diags);
	else
		tg_diags_add(diags, TG_SEV_ERROR, &trust->where, "out of memory");
	free(ca);
	free(crl);
	return store;
}

const struct tg_x509_store *tg_judge_stores_get(
		struct tg_judge_stores *s, const struct tg_pol_trust *trust)
{
	struct tg_diags unread;

	if(!trust || trust->id >= s->n)
		return NULL;
	if(!s->store[trust->id].built) {
		/* tg_judge_check_trust said at load what there is to say */
		tg_diags_init(&unread, &tg_alloc_libc);
		s->store[trust->id].built = build(trust, &unread);
		tg_diags_deinit(&unread);
	}
	return s->store[trust->id].built;
}

static bool names_crl(const struct tg_pol_trust *trust, struct tg_span path)
{
	for(size_t i = 0; i < trust->n_crl; i++) {
		if(tg_span_eq(trust->crl[i].path, path))
			return true;
	}
	return false;
}

bool tg_judge_check_crl(const struct tg_pol *p, struct tg_span path,
		struct tg_span data, struct tg_diags *diags)
{
	size_t wrong = diags->errors + diags->warnings;
	struct tg_pol_blob crl = {path, data};

	for(size_t i = 0; i < tg_pol_trust_count(p); i++) {
		struct tg_pol_trust trust = *tg_pol_trust_at(p, i);

		if(!names_crl(&trust, path))
			continue;
		trust.crl = &crl;
		trust.n_crl = 1;
		tg_x509_store_free(build(&trust, diags));
	}
	return diags->errors + diags->warnings == wrong;
}

bool tg_judge_check_trust(const struct tg_pol *p, struct tg_diags *diags)
{
	size_t errors = diags->errors;

	for(size_t i = 0; i < tg_pol_trust_count(p); i++)
		tg_x509_store_free(build(tg_pol_trust_at(p, i), diags));
	return diags->errors == errors;
}
