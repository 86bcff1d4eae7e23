/*
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * The secret that the relays check credentials with. To change it without a
 * break: give the relays the new one beside the old one, write it into the
 * file, `mras.reload`, and take the old one from the relays when the longest
 * duration is over. Never logged.
 */
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "core/dprint.h"
#include "core/locking.h"
#include "core/mem/shm.h"

#include "base/alloc.h"
#include "mras/mras.h"

static struct shared {
	gen_lock_t lock;
	size_t octets; /* 0: none */
	char secret[TG_MRAS_SECRET_MAX];
} * shared;

static bool read_file(const char *path, char *buffer, size_t room, size_t *n)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	struct stat st;
	ssize_t got = -1;

	if(fd < 0 || fstat(fd, &st) < 0) {
		LM_ERR("%s cannot be opened: %s\n", path, strerror(errno));
	} else if(!S_ISREG(st.st_mode)) {
		LM_ERR("%s is not a regular file\n", path);
	} else if(st.st_mode & (S_IRWXO | S_IWGRP | S_IXGRP)) {
		LM_ERR("%s must be readable by its owner and group alone "
			   "(chmod 0640)\n",
				path);
	} else {
		got = read(fd, buffer, room);
		if(got < 0)
			LM_ERR("%s cannot be read: %s\n", path, strerror(errno));
	}
	if(fd >= 0)
		close(fd);
	*n = got > 0 ? (size_t)got : 0;
	return got >= 0;
}

static bool take(const char *path)
{
	char buffer[TG_MRAS_SECRET_MAX + 2];
	struct tg_span secret;
	bool good = false;
	size_t n;

	if(read_file(path, buffer, sizeof(buffer), &n)) {
		secret = tg_span_trim(tg_span_of(buffer, n));
		good = secret.len >= TG_MRAS_SECRET_MIN
			   && secret.len <= TG_MRAS_SECRET_MAX;
		if(good) {
			lock_get(&shared->lock);
			tg_wipe(shared->secret, sizeof(shared->secret));
			memcpy(shared->secret, secret.ptr, secret.len);
			shared->octets = secret.len;
			lock_release(&shared->lock);
		} else {
			LM_ERR("%s must hold %d to %d octets\n", path, TG_MRAS_SECRET_MIN,
					TG_MRAS_SECRET_MAX);
		}
	}
	tg_wipe(buffer, sizeof(buffer));
	return good;
}

bool mras_secret_reload(void)
{
	const struct tg_pol *p = mras_tlsp.ref();
	const struct tg_pol_mras *rule = tg_pol_mras(p);
	bool good = false;

	if(rule)
		good = take(rule->secret_file.ptr);
	else
		LM_ERR("the policy has no [mras]\n");
	mras_tlsp.unref(p);
	return good;
}

int mras_secret_init(void)
{
	shared = shm_malloc(sizeof(*shared));
	if(!shared) {
		SHM_MEM_ERROR;
		return -1;
	}
	memset(shared, 0, sizeof(*shared));
	if(!lock_init(&shared->lock)) {
		LM_ERR("cannot make a lock\n");
		return -1;
	}
	return mras_secret_reload() ? 0 : -1;
}

void mras_secret_destroy(void)
{
	if(!shared)
		return;
	tg_wipe(shared, sizeof(*shared));
	shm_free(shared);
	shared = NULL;
}

bool mras_secret_get(char out[TG_MRAS_SECRET_MAX], size_t *octets)
{
	lock_get(&shared->lock);
	*octets = shared->octets;
	memcpy(out, shared->secret, shared->octets);
	lock_release(&shared->lock);
	return *octets > 0;
}
