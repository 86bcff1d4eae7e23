/*
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * Files that a trust names, read through the host into the snapshot. A file
 * named by several trusts is kept once.
 */
#include "policy/schema.h"

#include <errno.h>
#include <stdio.h>
#include <sys/stat.h>

bool tg_pol_read_file(void *ctx, const char *path, size_t max,
		struct tg_arena *scratch, struct tg_span *out, const char **error)
{
	FILE *f = fopen(path, "rbe");
	struct stat st;
	char *p;
	size_t n;

	(void)ctx;
	*out = tg_span_of(NULL, 0);
	*error = NULL;
	if(!f || fstat(fileno(f), &st) != 0) {
		*error = strerror(errno);
	} else if(!S_ISREG(st.st_mode)) {
		*error = "not a regular file";
	} else if((uintmax_t)st.st_size > max) {
		*error = "too large";
	} else if(!(p = tg_arena_get(scratch, (size_t)st.st_size + 1))) {
		*error = "out of memory";
	} else {
		/* one octet more than it had: a file that grows is noticed */
		n = fread(p, 1, (size_t)st.st_size + 1, f);
		if(ferror(f))
			*error = strerror(errno);
		else if(n != (size_t)st.st_size)
			*error = "it changed while it was read";
		else
			*out = tg_span_of(p, n);
	}
	if(f)
		fclose(f);
	return *error == NULL;
}

/* The path as the host must open it: from the policy file's folder */
static struct tg_span full_path(struct tg_build *b, struct tg_span name)
{
	size_t folder = b->path.len;
	struct tg_span path;
	char *p;

	while(folder && b->path.ptr[folder - 1] != '/')
		folder--;
	if(name.ptr[0] == '/')
		folder = 0;
	p = tg_arena_get(&b->scratch, folder + name.len + 1);
	if(!p) {
		b->no_memory = true;
		return tg_span_of(NULL, 0);
	}
	if(folder)
		memcpy(p, b->path.ptr, folder);
	memcpy(p + folder, name.ptr, name.len);
	path = tg_build_string(b, tg_span_of(p, folder + name.len));
	return path;
}

static struct tg_span known_data(const struct tg_build *b, struct tg_span path)
{
	for(size_t i = 0; i < b->pol->n_trust; i++) {
		const struct tg_pol_trust *t = &b->pol->trust[i];

		for(size_t k = 0; k < t->n_ca; k++) {
			if(t->ca[k].path.ptr == path.ptr)
				return t->ca[k].data;
		}
		for(size_t k = 0; k < t->n_crl; k++) {
			if(t->crl[k].path.ptr == path.ptr)
				return t->crl[k].data;
		}
	}
	return tg_span_of(NULL, 0);
}

static struct tg_span read_blob(
		struct tg_build *b, struct tg_span item, struct tg_span path, bool crl)
{
	struct tg_span data = known_data(b, path), copy = {NULL, 0};
	const char *error = NULL;
	struct tg_arena file;

	if(data.len)
		return data;
	tg_arena_init(&file, &tg_alloc_libc, 0);
	if(!b->host->read_file) {
		tg_build_error(b, item.ptr, "no file can be read here");
	} else if(!b->host->read_file(b->host->ctx, path.ptr,
					  TG_POL_FILE_OCTETS_MAX, &file, &data, &error)) {
		tg_build_error(b, item.ptr, "cannot read '%.*s': %s", TG_SPAN_FMT(path),
				error ? error : "unknown error");
	} else if(!data.len) {
		tg_build_error(b, item.ptr, "'%.*s' is empty", TG_SPAN_FMT(path));
	} else {
		copy = tg_arena_dup(&b->pol->arena, data);
		b->no_memory |= !copy.ptr;
		tg_build_digest(b, data, !crl);
	}
	tg_arena_deinit(&file);
	return copy;
}

static void take_files(struct tg_build *b, const struct tg_ini_entry *e,
		const struct tg_pol_blob **out, size_t *n, bool crl)
{
	struct tg_span rest = e->value, item;
	struct tg_pol_blob *list;

	if(!e->value.len)
		return;
	if(tg_list_count(e->value) > TG_LIST_MAX) {
		tg_build_error(b, e->value.ptr, "'%.*s' takes up to %d items",
				TG_SPAN_FMT(e->key), TG_LIST_MAX);
		return;
	}
	list = tg_build_get(b, tg_list_count(e->value) * sizeof(*list),
			_Alignof(struct tg_pol_blob));
	if(!list)
		return;
	*out = list;
	while(tg_list_next(b, &rest, &item)) {
		struct tg_span path;
		bool twice = false;

		if(!item.len)
			continue;
		path = full_path(b, item);
		if(!path.ptr)
			return;
		for(size_t i = 0; i < *n; i++)
			twice = twice || list[i].path.ptr == path.ptr;
		if(twice) {
			tg_build_error(
					b, item.ptr, "'%.*s' is named twice", TG_SPAN_FMT(item));
			continue;
		}
		list[*n].path = path;
		list[*n].data = read_blob(b, item, path, crl);
		*n += list[*n].data.ptr != NULL;
	}
}

void tg_take_ca_files(struct tg_build *b, const struct tg_key *k,
		const struct tg_ini_entry *e, void *object)
{
	struct tg_pol_trust *t = object;

	(void)k;
	take_files(b, e, &t->ca, &t->n_ca, false);
}

void tg_take_crl_files(struct tg_build *b, const struct tg_key *k,
		const struct tg_ini_entry *e, void *object)
{
	struct tg_pol_trust *t = object;

	(void)k;
	take_files(b, e, &t->crl, &t->n_crl, true);
}

void tg_take_path(struct tg_build *b, const struct tg_key *k,
		const struct tg_ini_entry *e, void *object)
{
	struct tg_span *out =
			(struct tg_span *)(void *)((char *)object + k->offset);

	if(e->value.len)
		*out = full_path(b, e->value);
}
