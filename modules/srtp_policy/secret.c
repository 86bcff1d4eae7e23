/*
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * The secret shared with the media node's plugin. Read once, before the
 * workers fork; blanks and line ends around it do not count, as in the
 * plugin. Never logged.
 */
#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "core/dprint.h"

#include "srtp_policy/srtpp.h"

static char secret[TG_NG_SECRET_OCTETS_MAX + 1];
static struct tg_ng_key key; /* each process makes a context of its own */

static int read_secret(int fd, const char *path)
{
	struct stat st;
	ssize_t n;

	if(fstat(fd, &st) < 0 || !S_ISREG(st.st_mode)) {
		LM_ERR("%s is not a regular file\n", path);
		return -1;
	}
	if(st.st_mode & (S_IRWXO | S_IWGRP | S_IXGRP)) {
		LM_ERR("%s must be readable by its owner and group alone "
			   "(chmod 0640)\n",
				path);
		return -1;
	}
	n = read(fd, secret, sizeof(secret));
	if(n < 0 || (size_t)n == sizeof(secret)) {
		LM_ERR("%s cannot be read or is too long\n", path);
		return -1;
	}
	tg_ng_key_init(&key, tg_span_trim(tg_span_of(secret, (size_t)n)));
	if(key.secret.len < TG_NG_SECRET_OCTETS_MIN) {
		LM_ERR("%s holds less than %d octets\n", path, TG_NG_SECRET_OCTETS_MIN);
		return -1;
	}
	return 0;
}

int srtpp_secret_init(void)
{
	const char *path = srtpp_params.secret_file;
	int fd, result;

	if(!path || !*path) {
		LM_ERR("the parameter secret_file is missing\n");
		return -1;
	}
	fd = open(path, O_RDONLY | O_CLOEXEC);
	if(fd < 0) {
		LM_ERR("%s cannot be opened: %s\n", path, strerror(errno));
		return -1;
	}
	/* best effort: kept out of core dumps */
	(void)madvise(secret, sizeof(secret), MADV_DONTDUMP);
	result = read_secret(fd, path);
	close(fd);
	return result;
}

struct tg_ng_key *srtpp_key(void)
{
	return &key;
}
