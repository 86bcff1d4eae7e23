/*
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * Stands in front of the one function of libhiredis by which the daemon reads
 * a call that it restores, "GET call-id", and passes what came to
 * restored.c. The daemon binds the call's sockets next, on the same thread.
 *
 * Not done: any other way of reading. What a daemon restores by one stays
 * closed.
 */
#include <dlfcn.h>
#include <stdarg.h>
#include <string.h>

#include "mount/mount.h"
#include "mount/restored.h"

#define REPLY_STRING 1
#define EXPORT __attribute__((visibility("default")))

/* The head of a redisReply up to 0.14, and since 1.0 */
struct reply_old {
	int type;
	long long integer;
	size_t len;
	char *str;
};
struct reply_new {
	int type;
	long long integer;
	double dval;
	size_t len;
	char *str;
};

/* 1.0 brought RESP3: the double, and this function for its push messages */
static struct tg_span text_of(const void *reply)
{
	const struct reply_old *o = reply;
	const struct reply_new *n = reply;

	if(reply == NULL || o->type != REPLY_STRING)
		return tg_span_of(NULL, 0);
	if(dlsym(RTLD_DEFAULT, "redisSetPushCallback") != NULL)
		return tg_span_of(n->str, n->len);
	return tg_span_of(o->str, o->len);
}

EXPORT void *redisvCommand(void *context, const char *format, va_list ap);
EXPORT void *redisvCommand(void *context, const char *format, va_list ap)
{
	void *(*next)(void *, const char *, va_list) = NULL;
	void *symbol = dlsym(RTLD_NEXT, "redisvCommand");
	struct tg_span id = {NULL, 0};
	void *reply;
	va_list copy;

	memcpy(&next, &symbol, sizeof(next));
	if(next == NULL)
		return NULL;
	if(tg_mnt == NULL)
		return next(context, format, ap);
	if(strcmp(format, "GET %b") == 0) {
		va_copy(copy, ap);
		id.ptr = va_arg(copy, const char *);
		id.len = va_arg(copy, size_t);
		va_end(copy);
	}
	reply = next(context, format, ap);
	if(id.len != 0)
		tg_mnt_restored_read(id, text_of(reply));
	else
		tg_mnt_restored_forget();
	return reply;
}
