/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "mount/trust.h"

#include <dirent.h>
#include <errno.h>
#include <limits.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "policy/load.h"
#include "x509/x509.h"

#define PEER_OCTETS_MAX 255

/* A peer that has, or had, a file. None is ever taken out: legs borrow it */
struct anchor {
	struct anchor *next;
	struct tg_key_trust *trust;
	struct tg_x509_store *fresh; /* while the folder is read */
	char peer[PEER_OCTETS_MAX + 1];
};

/* of the list; one thread at a time reads the folder and makes it longer */
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static struct anchor *anchors;
static const char *folder;

static bool wrong(struct tg_diags *d, const char *path, const char *what)
{
	tg_diags_add(d, TG_SEV_ERROR, NULL, "%s: %s", path, what);
	return false;
}

/* ---- one peer ------------------------------------------------------------ */

/* Of a peer's file; out: PATH_MAX octets. False: too long, and d says so */
static bool path_of(
		struct tg_span peer, const char *suffix, char *out, struct tg_diags *d)
{
	return snprintf(out, PATH_MAX, "%s/%.*s%s", folder, TG_SPAN_FMT(peer),
				   suffix)
				   < PATH_MAX
		   || wrong(d, folder, "a path is too long");
}

static bool read_one(const char *path, struct tg_arena *text,
		struct tg_x509_blob *out, struct tg_diags *d)
{
	const char *error;

	out->path = tg_span_cstr(path);
	if(!tg_pol_read_file(
			   NULL, path, TG_POL_FILE_OCTETS_MAX, text, &out->data, &error))
		return wrong(d, path, error);
	return true;
}

/* NULL: d says why */
static struct tg_x509_store *read_peer(struct tg_span peer, struct tg_diags *d)
{
	char ca_path[PATH_MAX], crl_path[PATH_MAX];
	struct tg_x509_blob ca, crl;
	struct tg_x509_store *store = NULL;
	struct tg_arena text;
	bool listed;

	if(!path_of(peer, ".pem", ca_path, d)
			|| !path_of(peer, ".crl", crl_path, d))
		return NULL;
	listed = access(crl_path, F_OK) == 0;
	tg_arena_init(&text, &tg_alloc_libc, 3 * TG_POL_FILE_OCTETS_MAX);
	if(read_one(ca_path, &text, &ca, d)
			&& (!listed || read_one(crl_path, &text, &crl, d)))
		store = tg_x509_store_new(&ca, 1, &crl, listed, d);
	tg_arena_deinit(&text);
	return store;
}

static struct anchor *anchor_of(struct tg_span peer)
{
	for(struct anchor *a = anchors; a != NULL; a = a->next) {
		if(tg_span_eq(peer, tg_span_cstr(a->peer)))
			return a;
	}
	return NULL;
}

static struct anchor *new_anchor(struct tg_span peer)
{
	struct anchor *a = calloc(1, sizeof(*a));

	if(a == NULL || (a->trust = tg_key_trust_new(NULL)) == NULL) {
		free(a);
		return NULL;
	}
	memcpy(a->peer, peer.ptr, peer.len);
	pthread_mutex_lock(&lock);
	a->next = anchors;
	anchors = a;
	pthread_mutex_unlock(&lock);
	return a;
}

static void load_peer(struct tg_span peer, struct tg_diags *d)
{
	struct anchor *a;

	if(peer.len > PEER_OCTETS_MAX) {
		wrong(d, folder, "a name is too long");
		return;
	}
	a = anchor_of(peer);
	if(a == NULL && (a = new_anchor(peer)) == NULL) {
		wrong(d, folder, "out of memory");
		return;
	}
	a->fresh = read_peer(peer, d);
}

/* ---- the folder ------------------------------------------------------------ */

/* The peer whose file this is; empty: another file */
static struct tg_span peer_of(const char *name, const char *suffix)
{
	size_t n = strlen(name), s = strlen(suffix);

	return n > s && strcmp(name + n - s, suffix) == 0 ? tg_span_of(name, n - s)
													  : tg_span_of(NULL, 0);
}

static void read_folder(DIR *list, struct tg_diags *d)
{
	struct dirent *e;

	while((e = readdir(list)) != NULL) {
		struct tg_span peer = peer_of(e->d_name, ".pem");
		struct tg_span listed = peer_of(e->d_name, ".crl");
		char ca[PATH_MAX];

		if(peer.len != 0)
			load_peer(peer, d);
		if(listed.len != 0 && path_of(listed, ".pem", ca, d)
				&& access(ca, F_OK) != 0)
			wrong(d, ca, "missing, beside the peer's revocation list");
	}
}

/* Into force, or away; -> how many peers have trust */
static size_t settle(bool good)
{
	size_t n = 0;

	for(struct anchor *a = anchors; a != NULL; a = a->next) {
		if(good)
			tg_key_trust_replace(a->trust, a->fresh);
		else
			tg_x509_store_free(a->fresh);
		n += good && a->fresh != NULL;
		a->fresh = NULL;
	}
	return n;
}

bool tg_mnt_trust_reload(struct tg_diags *d, size_t *peers)
{
	DIR *list;

	if(folder == NULL)
		return wrong(d, "trust_dir", "not set");
	list = opendir(folder);
	if(list == NULL)
		return wrong(d, folder, strerror(errno));
	read_folder(list, d);
	closedir(list);
	*peers = settle(d->errors == 0);
	return d->errors == 0;
}

bool tg_mnt_trust_load(const char *dir, struct tg_diags *d)
{
	size_t peers;

	folder = dir;
	return tg_mnt_trust_reload(d, &peers);
}

struct tg_key_trust *tg_mnt_trust_get(void *ctx, struct tg_span peer)
{
	struct anchor *a;

	(void)ctx;
	pthread_mutex_lock(&lock);
	a = anchor_of(peer);
	pthread_mutex_unlock(&lock);
	return a != NULL && !tg_key_trust_is_empty(a->trust) ? a->trust : NULL;
}
