/*
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * Preloaded into Kamailio: as if tls.reload had put new contexts into force
 * between a look at all of them and the choice of one. The next SSL is one
 * whose context nobody had looked at: its info callback is not the module's. $LATESSL names
 * a file that has one octet for each of them, and is shortened by one each.
 */
#include <dlfcn.h>
#include <fcntl.h>
#include <openssl/ssl.h>
#include <stdbool.h>
#include <stdlib.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

static bool is_late(void)
{
	const char *path = getenv("LATESSL");
	int fd = path ? open(path, O_RDWR | O_CLOEXEC) : -1;
	struct stat st = {0};
	bool late;

	if(fd < 0)
		return false;
	late = flock(fd, LOCK_EX) == 0 && fstat(fd, &st) == 0 && st.st_size > 0
		   && ftruncate(fd, st.st_size - 1) == 0;
	close(fd);
	return late;
}

/* Loaded by a module, libssl is in no scope that RTLD_NEXT looks at */
static void *real(const char *name)
{
	void *ssl = dlopen("libssl.so.3", RTLD_LAZY | RTLD_NOLOAD);
	void *fn = ssl ? dlsym(ssl, name) : NULL;

	if(!fn)
		abort();
	return fn;
}

/* Without any of its own an SSL would ask its context */
static void says_nothing(const SSL *ssl, int where, int ret)
{
	(void)ssl;
	(void)where;
	(void)ret;
}

SSL *SSL_new(SSL_CTX *ctx)
{
	void (*set_info)(SSL *, void (*)(const SSL *, int, int));
	SSL *(*make)(SSL_CTX *);
	SSL *ssl;

	*(void **)&make = real("SSL_new");
	*(void **)&set_info = real("SSL_set_info_callback");
	ssl = make(ctx);
	if(ssl && is_late())
		set_info(ssl, says_nothing);
	return ssl;
}
