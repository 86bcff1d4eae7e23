/*
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * The functions of libc behind the ones that this object puts in front of
 * them. Resolved once, in the constructor of a mounted process or at the
 * first call in any other.
 */
#ifndef TG_MOUNT_REAL_H
#define TG_MOUNT_REAL_H

#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/types.h>

struct tg_mnt_real {
	int (*bind)(int, const struct sockaddr *, socklen_t);
	int (*close)(int);
	ssize_t (*recvmsg)(int, struct msghdr *, int);
	ssize_t (*recvfrom)(
			int, void *, size_t, int, struct sockaddr *, socklen_t *);
	ssize_t (*recv)(int, void *, size_t, int);
	int (*recvmmsg)(int, struct mmsghdr *, unsigned, int, struct timespec *);
	ssize_t (*sendmsg)(int, const struct msghdr *, int);
	ssize_t (*sendto)(
			int, const void *, size_t, int, const struct sockaddr *, socklen_t);
	ssize_t (*send)(int, const void *, size_t, int);
	int (*sendmmsg)(int, struct mmsghdr *, unsigned, int);
	int (*epoll_wait)(int, struct epoll_event *, int, int);
};

/* Never NULL, every member set; the process is ended when libc lacks one */
const struct tg_mnt_real *tg_mnt_real(void);

#endif
