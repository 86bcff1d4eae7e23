/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "keying/trust.h"

#include <pthread.h>
#include <stdlib.h>

struct tg_key_trust {
	pthread_rwlock_t lock;
	struct tg_x509_store *store; /* NULL: nothing is trusted */
};

struct tg_key_trust *tg_key_trust_new(struct tg_x509_store *store)
{
	struct tg_key_trust *t = calloc(1, sizeof(*t));

	if(t && pthread_rwlock_init(&t->lock, NULL) == 0) {
		t->store = store;
		return t;
	}
	tg_x509_store_free(store);
	free(t);
	return NULL;
}

void tg_key_trust_replace(struct tg_key_trust *t, struct tg_x509_store *store)
{
	struct tg_x509_store *before;

	pthread_rwlock_wrlock(&t->lock);
	before = t->store;
	t->store = store;
	pthread_rwlock_unlock(&t->lock);
	tg_x509_store_free(before);
}

bool tg_key_trust_is_empty(struct tg_key_trust *t)
{
	bool empty;

	pthread_rwlock_rdlock(&t->lock);
	empty = !t->store;
	pthread_rwlock_unlock(&t->lock);
	return empty;
}

void tg_key_trust_verify(struct tg_key_trust *t, X509 *leaf,
		STACK_OF(X509) *untrusted, const struct tg_x509_ask *ask,
		struct tg_x509_answer *out)
{
	pthread_rwlock_rdlock(&t->lock);
	if(t->store) {
		tg_x509_verify(t->store, leaf, untrusted, ask, out);
	} else {
		*out = (struct tg_x509_answer){.reason = TG_REASON_CERT_UNTRUSTED,
				.detail = "nothing is trusted for this peer any more"};
	}
	pthread_rwlock_unlock(&t->lock);
}

void tg_key_trust_free(struct tg_key_trust *t)
{
	if(!t)
		return;
	pthread_rwlock_destroy(&t->lock);
	tg_x509_store_free(t->store);
	free(t);
}
