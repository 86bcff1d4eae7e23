/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "mount/trust.h"

#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#define FILE_OCTETS_MAX (1024 * 1024)

struct anchor {
	struct anchor *next;
	struct tg_x509_store *store;
	char peer[256];
};

static struct anchor *anchors; /* written at start only */

static bool wrong(struct tg_diags *d, const char *path, const char *what)
{
	tg_diags_add(d, TG_SEV_ERROR, NULL, "%s: %s", path, what);
	return false;
}

static bool load(const char *path, struct tg_span peer, struct tg_diags *d)
{
	struct tg_x509_blob blob = {.path = tg_span_cstr(path)};
	struct anchor *a = calloc(1, sizeof(*a));
	char *text = malloc(FILE_OCTETS_MAX);
	FILE *f = fopen(path, "re");
	bool ok = false;

	if(f == NULL || text == NULL || a == NULL || peer.len >= sizeof(a->peer)) {
		wrong(d, path, f == NULL ? strerror(errno) : "cannot be kept");
	} else {
		blob.data = tg_span_of(text, fread(text, 1, FILE_OCTETS_MAX, f));
		memcpy(a->peer, peer.ptr, peer.len);
		a->store = tg_x509_store_new(&blob, 1, NULL, 0, d);
		ok = a->store != NULL;
	}
	if(ok) {
		a->next = anchors;
		anchors = a;
	} else {
		free(a);
	}
	if(f != NULL)
		fclose(f);
	free(text);
	return ok;
}

bool tg_mnt_trust_load(const char *dir, struct tg_diags *d)
{
	static const char suffix[] = ".pem";
	DIR *list = opendir(dir);
	struct dirent *e;
	char path[4096];

	if(list == NULL)
		return wrong(d, dir, strerror(errno));
	while((e = readdir(list)) != NULL) {
		size_t n = strlen(e->d_name);

		if(n <= sizeof(suffix) - 1
				|| strcmp(e->d_name + n - (sizeof(suffix) - 1), suffix) != 0)
			continue;
		if((size_t)snprintf(path, sizeof(path), "%s/%s", dir, e->d_name)
				>= sizeof(path))
			wrong(d, dir, "a path is too long");
		else
			load(path, tg_span_of(e->d_name, n - (sizeof(suffix) - 1)), d);
	}
	closedir(list);
	return d->errors == 0;
}

const struct tg_x509_store *tg_mnt_trust_get(void *ctx, struct tg_span peer)
{
	(void)ctx;
	for(const struct anchor *a = anchors; a != NULL; a = a->next) {
		if(tg_span_eq(peer, tg_span_cstr(a->peer)))
			return a->store;
	}
	return NULL;
}
