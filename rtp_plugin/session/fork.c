/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "session/fork.h"

#include <stdlib.h>

#include "session/ice.h"

#define TRIAL_OCTETS 2048

static void free_fork(struct tg_ses_fork *f)
{
	for(int i = 0; i < TG_KEY_COMPONENTS; i++) {
		tg_ses_context_free(&f->far.rx[i], TG_SRTP_RX);
		tg_ses_context_free(&f->far.tx[i], TG_SRTP_TX);
	}
	tg_key_free(f->far.key);
	tg_ses_ice_free(&f->far);
	free(f->far.tag);
	free(f);
}

void tg_ses_forks_free(struct tg_ses_stream *st)
{
	struct tg_ses_fork *next;

	for(struct tg_ses_fork *f = st->fork; f != NULL; f = next) {
		next = f->next;
		/* what DTLS says at its end goes to whom it is for */
		tg_ses_fork_swap(st, f);
		tg_key_free(st->far.key);
		st->far.key = NULL;
		tg_ses_fork_swap(st, f);
		free_fork(f);
	}
	st->fork = st->undo = NULL;
}

static char *copy(struct tg_span s)
{
	char *text = malloc(s.len + 1);

	if(text == NULL)
		return NULL;
	if(s.len != 0)
		memcpy(text, s.ptr, s.len);
	text[s.len] = '\0';
	return text;
}

static bool is_tag(const char *tag, struct tg_span wanted)
{
	return tag != NULL && tg_span_eq(wanted, tg_span_cstr(tag));
}

void tg_ses_fork_swap(struct tg_ses_stream *st, struct tg_ses_fork *f)
{
	struct tg_ses_far present = st->far;

	st->far = f->far;
	f->far = present;
}

static struct tg_ses_fork *new_fork(
		struct tg_ses_stream *st, struct tg_span tag)
{
	struct tg_ses_fork *f = calloc(1, sizeof(*f));

	if(f == NULL)
		return NULL;
	f->fresh = true;
	f->far.tag = copy(tag);
	f->far.key = tg_key_fork(st->far.key, st);
	if(f->far.tag == NULL || f->far.key == NULL) {
		free_fork(f);
		return NULL;
	}
	f->next = st->fork;
	st->fork = f;
	return f;
}

bool tg_ses_fork_enter(struct tg_ses_stream *st, struct tg_span tag)
{
	struct tg_ses_fork *f;
	unsigned n = 0;

	if(st->far.tag == NULL || is_tag(st->far.tag, tag))
		return true;
	for(f = st->fork; f != NULL && !is_tag(f->far.tag, tag); f = f->next)
		n++;
	if(f == NULL && n < TG_SES_FORKS_MAX)
		f = new_fork(st, tag);
	if(f == NULL)
		return false;
	tg_ses_fork_swap(st, f);
	st->far.generation = 0; /* its sending context may be with another one */
	st->undo = f;
	return true;
}

bool tg_ses_fork_keep(struct tg_ses_stream *st, struct tg_span tag)
{
	if(st->undo != NULL)
		st->undo->fresh = false;
	st->undo = NULL;
	if(st->far.tag == NULL)
		st->far.tag = copy(tag);
	return st->far.tag != NULL;
}

void tg_ses_fork_back(struct tg_ses_stream *st)
{
	struct tg_ses_fork *f = st->undo, **p;

	if(f == NULL)
		return;
	st->undo = NULL;
	tg_ses_fork_swap(st, f);
	st->far.generation = 0;
	/* what it sent with, if the refused one had got that far */
	(void)!tg_ses_stream_rekey(st);
	if(!f->fresh)
		return;
	for(p = &st->fork; *p != f; p = &(*p)->next)
		;
	*p = f->next;
	free_fork(f);
}

static bool is_source(
		const struct tg_ses_far *far, const struct tg_key_path *from)
{
	return (from->port == far->remote.port || from->port == far->remote_rtcp)
		   && tg_addr_eq(&from->addr, &far->remote.addr);
}

struct tg_ses_fork *tg_ses_fork_from(
		struct tg_ses_stream *st, const struct tg_key_path *from)
{
	struct tg_ses_fork *f = st->fork;

	if(is_source(&st->far, from))
		return NULL;
	while(f != NULL && !is_source(&f->far, from))
		f = f->next;
	return f;
}

struct tg_srtp *tg_ses_fork_take_tx(
		struct tg_ses_stream *st, const struct tg_srtp_keys *keys)
{
	for(struct tg_ses_fork *f = st->fork; f != NULL; f = f->next) {
		for(int i = 0; i < TG_KEY_COMPONENTS; i++) {
			struct tg_srtp *ctx = f->far.tx[i];

			if(ctx != NULL && tg_srtp_has_keys(ctx, keys)) {
				f->far.tx[i] = NULL;
				return ctx;
			}
		}
	}
	return NULL;
}

static struct tg_srtp *rx_of(const struct tg_ses_far *far, int component)
{
	return far->rx[far->separate ? component : 0];
}

/* A packet that one of them refuses must reach the next one as it came */
enum tg_srtp_rc tg_ses_fork_unprotect(struct tg_ses_stream *st, int component,
		const struct tg_key_path *from, enum tg_srtp_kind kind, uint8_t *packet,
		size_t *octets)
{
	const struct tg_ses_fork *first = tg_ses_fork_from(st, from);
	struct tg_srtp *ctx[2 + TG_SES_FORKS_MAX];
	uint8_t was[TRIAL_OCTETS];
	enum tg_srtp_rc rc = TG_SRTP_NO_KEY;
	size_t n = 0, length = *octets;

	if(first != NULL)
		ctx[n++] = rx_of(&first->far, component);
	ctx[n++] = rx_of(&st->far, component);
	for(const struct tg_ses_fork *f = st->fork; f != NULL; f = f->next) {
		if(f != first)
			ctx[n++] = rx_of(&f->far, component);
	}
	if(length > sizeof(was))
		n = 1;
	else
		memcpy(was, packet, length);
	for(size_t i = 0; i < n; i++) {
		if(ctx[i] == NULL)
			continue;
		rc = tg_srtp_unprotect(ctx[i], kind, packet, octets);
		if(rc != TG_SRTP_AUTH && rc != TG_SRTP_MKI && rc != TG_SRTP_MALFORMED)
			return rc;
		if(n > 1)
			memcpy(packet, was, length);
		*octets = length;
	}
	return rc;
}
