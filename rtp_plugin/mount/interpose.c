/*
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * The functions that stand in front of libc's. Each finds out what kind of
 * socket it was called for and leaves the work to ng/ or session/:
 *
 *	media socket   recvmsg, recvfrom, recv    unprotect, or drop and read on
 *	               sendmsg, sendto, send      protect a copy, or drop
 *	ng socket      recvmsg, recvfrom          judge and rewrite the request
 *	               sendmsg, sendto            rewrite the reply
 *	any other      libc's own
 *
 * After a drop the next packet is read at once: the daemon's epoll is edge
 * triggered, and an invented EAGAIN would leave packets behind unread. Only
 * under a flood it is invented after all, so that other sockets have a turn.
 */
/* libc's checks of a call come as definitions of it, which are made here */
#undef _FORTIFY_SOURCE

#include <dlfcn.h>
#include <errno.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <sys/uio.h>
#include <syslog.h>
#include <unistd.h>

#include "mount/mount.h"
#include "mount/real.h"
#include "mount/restored.h"
#include "session/packet.h"

#define EXPORT __attribute__((visibility("default")))
#define PACKET_OCTETS_MAX 16384 /* far above any MTU */
#define DROPS_MAX 1000 /* in a row; the next arrival wakes the daemon again */

static _Thread_local struct tg_ngx exchange;
static _Thread_local uint8_t scratch[PACKET_OCTETS_MAX]
		__attribute__((aligned(64)));

/* Where this thread's latest packet came in. Not counted: memory of sockets
 * stays, and nothing but a hint is written to it */
static _Thread_local struct tg_ses_socket *came_by;

static atomic_int ng_fd[2 * TG_MNT_NG_MAX];
static atomic_int n_ng_fd;

/* ---- ng sockets --------------------------------------------------------- */

static bool is_ng(int fd)
{
	int n = atomic_load_explicit(&n_ng_fd, memory_order_acquire);

	for(int i = 0; i < n; i++) {
		if(atomic_load_explicit(&ng_fd[i], memory_order_relaxed) == fd)
			return true;
	}
	return false;
}

/* The listeners are bound by one thread, before the daemon serves */
static bool add_ng(int fd)
{
	int n = atomic_load(&n_ng_fd);

	for(int i = 0; i < n; i++) {
		if(atomic_load(&ng_fd[i]) == -1) {
			atomic_store(&ng_fd[i], fd);
			return true;
		}
	}
	if(n == 2 * TG_MNT_NG_MAX)
		return false;
	atomic_store(&ng_fd[n], fd);
	atomic_store(&n_ng_fd, n + 1);
	return true;
}

static void remove_ng(int fd)
{
	int n = atomic_load(&n_ng_fd);

	for(int i = 0; i < n; i++) {
		if(atomic_load(&ng_fd[i]) == fd)
			atomic_store(&ng_fd[i], -1);
	}
}

static bool listens_ng(uint16_t port)
{
	for(size_t i = 0; i < tg_mnt->n_ng; i++) {
		if(tg_mnt->ng[i].port == port)
			return true;
	}
	return false;
}

static struct tg_ngx *current(void)
{
	if(exchange.host == NULL)
		tg_ngx_init(&exchange, &tg_mnt->host);
	return &exchange;
}

static size_t iov_octets(const struct iovec *iov, size_t n)
{
	size_t octets = 0;

	for(size_t i = 0; i < n; i++)
		octets += iov[i].iov_len;
	return octets;
}

static void gather(
		const struct iovec *iov, size_t n, uint8_t *to, size_t octets)
{
	for(size_t i = 0; i < n && octets != 0; i++) {
		size_t part = iov[i].iov_len < octets ? iov[i].iov_len : octets;

		if(part != 0)
			memcpy(to, iov[i].iov_base, part);
		to += part;
		octets -= part;
	}
}

static void scatter(
		const struct iovec *iov, size_t n, const char *from, size_t octets)
{
	for(size_t i = 0; i < n && octets != 0; i++) {
		size_t part = iov[i].iov_len < octets ? iov[i].iov_len : octets;

		if(part != 0)
			memcpy(iov[i].iov_base, from, part);
		from += part;
		octets -= part;
	}
}

/* Back to the sender, from the address it sent to (pktinfo comes along) */
static void answer(int fd, const struct msghdr *request, struct tg_span text)
{
	struct iovec iov = {
			.iov_base = (void *)(uintptr_t)text.ptr, .iov_len = text.len};
	struct msghdr reply = {.msg_name = request->msg_name,
			.msg_namelen = request->msg_namelen,
			.msg_iov = &iov,
			.msg_iovlen = 1};
	struct cmsghdr *c;

	if(text.len == 0)
		return;
	for(c = CMSG_FIRSTHDR(request); c != NULL;
			c = CMSG_NXTHDR((struct msghdr *)(uintptr_t)request, c)) {
		if((c->cmsg_level == IPPROTO_IP && c->cmsg_type == IP_PKTINFO)
				|| (c->cmsg_level == IPPROTO_IPV6
						&& c->cmsg_type == IPV6_PKTINFO)) {
			reply.msg_control = c;
			reply.msg_controllen = CMSG_ALIGN(c->cmsg_len);
			break;
		}
	}
	(void)!tg_mnt_real()->sendmsg(fd, &reply, 0);
}

static bool sender_allowed(const struct msghdr *msg)
{
	struct tg_addr from;
	uint16_t port;

	if(msg->msg_name != NULL
			&& tg_addr_from_sockaddr(msg->msg_name, &from, &port)
			&& (tg_mnt_ng_allowed(&tg_mnt->conf, &from)
					|| tg_mnt_restored_is_me(&from, port)))
		return true;
	atomic_fetch_add(&tg_mnt->ng_strangers, 1);
	return false;
}

/* One request: octets for the daemon, or -1 when the next one must be read */
static ssize_t ng_request(int fd, struct msghdr *msg, size_t octets)
{
	size_t room = iov_octets(msg->msg_iov, msg->msg_iovlen);
	struct tg_span text, out = {NULL, 0};
	struct tg_ngx *x = current();
	ssize_t result = -1;
	uint8_t *copy;

	if((msg->msg_flags & MSG_TRUNC) || !sender_allowed(msg))
		return -1;
	copy = malloc(octets != 0 ? octets : 1);
	if(copy == NULL)
		return -1;
	gather(msg->msg_iov, msg->msg_iovlen, copy, octets);
	text = tg_span_of((const char *)copy, octets);
	switch(tg_ngx_request(x, text, &out)) {
		case TG_NGX_PASS:
			result = (ssize_t)octets;
			break;
		case TG_NGX_REPLACE:
			if(out.len <= room) {
				scatter(msg->msg_iov, msg->msg_iovlen, out.ptr, out.len);
				result = (ssize_t)out.len;
			}
			break;
		case TG_NGX_ANSWER:
			answer(fd, msg, out);
			break;
	}
	if(result < 0)
		tg_ngx_finish(x);
	tg_wipe(copy, octets);
	free(copy);
	return result;
}

static ssize_t ng_receive(int fd, struct msghdr *msg, int flags)
{
	const struct msghdr before = *msg;
	ssize_t n;

	for(int drops = 0; drops < DROPS_MAX; drops++) {
		msg->msg_namelen = before.msg_namelen;
		msg->msg_controllen = before.msg_controllen;
		n = tg_mnt_real()->recvmsg(fd, msg, flags);
		if(n < 0)
			return n;
		n = ng_request(fd, msg, (size_t)n);
		if(n >= 0)
			return n;
	}
	errno = EAGAIN;
	return -1;
}

static ssize_t ng_reply(int fd, const struct msghdr *msg, int flags)
{
	size_t octets = iov_octets(msg->msg_iov, msg->msg_iovlen);
	struct tg_ngx *x = current();
	struct tg_span out = {NULL, 0};
	struct msghdr mine = *msg;
	struct iovec iov;
	ssize_t n;
	uint8_t *copy = malloc(octets != 0 ? octets : 1);

	if(copy == NULL) {
		tg_ngx_finish(x);
		errno = ENOMEM;
		return -1;
	}
	gather(msg->msg_iov, msg->msg_iovlen, copy, octets);
	if(tg_ngx_reply(x, tg_span_of((const char *)copy, octets), &out)
			== TG_NGX_PASS) {
		n = tg_mnt_real()->sendmsg(fd, msg, flags);
	} else {
		iov.iov_base = (void *)(uintptr_t)out.ptr;
		iov.iov_len = out.len;
		mine.msg_iov = &iov;
		mine.msg_iovlen = 1;
		n = out.len != 0 ? tg_mnt_real()->sendmsg(fd, &mine, flags) : 0;
		if(n >= 0)
			n = (ssize_t)octets;
	}
	tg_ngx_finish(x);
	tg_wipe(copy, octets);
	free(copy);
	return n;
}

/* ---- media sockets ------------------------------------------------------ */

static void path_of(const struct msghdr *msg, struct tg_key_path *out)
{
	if(msg->msg_name == NULL
			|| !tg_addr_from_sockaddr(msg->msg_name, &out->addr, &out->port))
		memset(out, 0, sizeof(*out));
}

/* The packet as it lies in one buffer; false: nothing for the daemon */
static bool media_in(
		struct tg_ses_socket *s, struct msghdr *msg, size_t *octets)
{
	bool one = msg->msg_iovlen == 1;
	uint8_t *packet = one ? msg->msg_iov[0].iov_base : scratch;
	struct tg_key_path from;

	if((msg->msg_flags & MSG_TRUNC) || (!one && *octets > sizeof(scratch))) {
		tg_ses_packet_lost(s, 0, TG_SES_DROP_SIZE);
		return false;
	}
	if(!one)
		gather(msg->msg_iov, msg->msg_iovlen, packet, *octets);
	path_of(msg, &from);
	switch(tg_ses_packet_in(s, &from, packet, octets)) {
		case TG_SES_PASS:
			if(!one)
				scatter(msg->msg_iov, msg->msg_iovlen, (const char *)packet,
						*octets);
			return true;
		case TG_SES_AS_IS:
			return true;
		default:
			return false;
	}
}

static ssize_t media_receive(
		struct tg_ses_socket *s, int fd, struct msghdr *msg, int flags)
{
	const struct msghdr before = *msg;
	size_t octets;
	ssize_t n;

	tg_ses_packet_prefetch(s);
	came_by = s;
	if(atomic_load_explicit(&s->mode, memory_order_acquire) == TG_SES_PLAIN)
		return tg_mnt_real()->recvmsg(fd, msg, flags);
	for(int drops = 0; drops < DROPS_MAX; drops++) {
		n = tg_mnt_real()->recvmsg(fd, msg, flags);
		if(n < 0)
			return n;
		/* no datagram, not even an empty one: silence() shut it down */
		if(n == 0 && before.msg_name != NULL && msg->msg_namelen == 0)
			break;
		octets = (size_t)n;
		if(media_in(s, msg, &octets))
			return (ssize_t)octets;
		msg->msg_namelen = before.msg_namelen;
		msg->msg_controllen = before.msg_controllen;
	}
	errno = EAGAIN;
	return -1;
}

static ssize_t media_send(
		struct tg_ses_socket *s, int fd, const struct msghdr *msg, int flags)
{
	size_t octets = iov_octets(msg->msg_iov, msg->msg_iovlen);
	size_t length = octets;
	struct msghdr mine = *msg;
	struct tg_key_path to;
	struct iovec iov;
	bool stun;
	ssize_t n;

	if(atomic_load_explicit(&s->mode, memory_order_acquire) == TG_SES_PLAIN)
		return tg_mnt_real()->sendmsg(fd, msg, flags);
	if(octets > sizeof(scratch) - TG_SRTP_TRAILER_OCTETS_MAX) {
		tg_ses_packet_lost(s, 1, TG_SES_DROP_SIZE);
		return (ssize_t)octets;
	}
	if(came_by != NULL && came_by != s)
		tg_ses_packet_pair(came_by, s);
	came_by = NULL;
	gather(msg->msg_iov, msg->msg_iovlen, scratch, octets);
	stun = tg_srtp_kind(scratch, octets) == TG_SRTP_KIND_STUN;
	if(stun)
		path_of(msg, &to);
	switch(tg_ses_packet_out(
			s, stun ? &to : NULL, scratch, &length, sizeof(scratch))) {
		case TG_SES_PASS:
			break;
		case TG_SES_AS_IS:
			return tg_mnt_real()->sendmsg(fd, msg, flags);
		default:
			return (ssize_t)octets; /* as if the network had lost it */
	}
	iov.iov_base = scratch;
	iov.iov_len = length;
	mine.msg_iov = &iov;
	mine.msg_iovlen = 1;
	n = tg_mnt_real()->sendmsg(fd, &mine, flags);
	return n < 0 ? n : (ssize_t)octets;
}

/* ---- the interposed functions ------------------------------------------- */

/* Puts a reference back without touching errno */
static void done(struct tg_ses_socket *s)
{
	int saved = errno;

	tg_ses_socket_put(s);
	errno = saved;
}

EXPORT ssize_t recvmsg(int fd, struct msghdr *msg, int flags)
{
	struct tg_ses_socket *s;
	ssize_t n;

	if(tg_mnt == NULL)
		return tg_mnt_real()->recvmsg(fd, msg, flags);
	s = tg_ses_socket_get(fd);
	if(s == NULL)
		return is_ng(fd) ? ng_receive(fd, msg, flags)
						 : tg_mnt_real()->recvmsg(fd, msg, flags);
	n = media_receive(s, fd, msg, flags);
	done(s);
	return n;
}

EXPORT ssize_t sendmsg(int fd, const struct msghdr *msg, int flags)
{
	struct tg_ses_socket *s;
	ssize_t n;

	if(tg_mnt == NULL)
		return tg_mnt_real()->sendmsg(fd, msg, flags);
	s = tg_ses_socket_get(fd);
	if(s == NULL)
		return is_ng(fd) ? ng_reply(fd, msg, flags)
						 : tg_mnt_real()->sendmsg(fd, msg, flags);
	n = media_send(s, fd, msg, flags);
	done(s);
	return n;
}

/* True: neither a media nor an ng socket, libc may do it directly */
static bool stranger(int fd)
{
	struct tg_ses_socket *s;

	if(tg_mnt == NULL)
		return true;
	s = tg_ses_socket_get(fd);
	if(s == NULL)
		return !is_ng(fd);
	done(s);
	return false;
}

EXPORT ssize_t recvfrom(int fd, void *buf, size_t octets, int flags,
		struct sockaddr *from, socklen_t *from_len)
{
	struct sockaddr_storage name = {.ss_family = AF_UNSPEC};
	struct iovec iov = {.iov_base = buf, .iov_len = octets};
	struct msghdr msg = {.msg_name = &name,
			.msg_namelen = sizeof(name),
			.msg_iov = &iov,
			.msg_iovlen = 1};
	ssize_t n;

	if(stranger(fd))
		return tg_mnt_real()->recvfrom(fd, buf, octets, flags, from, from_len);
	n = recvmsg(fd, &msg, flags);
	if(n >= 0 && from != NULL && from_len != NULL) {
		memcpy(from, &name,
				*from_len < msg.msg_namelen ? *from_len : msg.msg_namelen);
		*from_len = msg.msg_namelen;
	}
	return n;
}

EXPORT ssize_t recv(int fd, void *buf, size_t octets, int flags)
{
	if(stranger(fd))
		return tg_mnt_real()->recv(fd, buf, octets, flags);
	return recvfrom(fd, buf, octets, flags, NULL, NULL);
}

EXPORT int recvmmsg(int fd, struct mmsghdr *vec, unsigned n, int flags,
		struct timespec *timeout)
{
	ssize_t octets;

	if(stranger(fd) || n == 0)
		return tg_mnt_real()->recvmmsg(fd, vec, n, flags, timeout);
	octets = recvmsg(fd, &vec[0].msg_hdr, flags & ~MSG_WAITFORONE);
	if(octets < 0)
		return -1;
	vec[0].msg_len = (unsigned)octets;
	return 1;
}

/* The daemon's way to send media up to 10.5, so it looks the socket up once */
EXPORT ssize_t sendto(int fd, const void *buf, size_t octets, int flags,
		const struct sockaddr *to, socklen_t to_len)
{
	struct iovec iov = {.iov_base = (void *)(uintptr_t)buf, .iov_len = octets};
	struct msghdr msg = {.msg_name = (void *)(uintptr_t)to,
			.msg_namelen = to_len,
			.msg_iov = &iov,
			.msg_iovlen = 1};
	struct tg_ses_socket *s;
	ssize_t n;

	if(tg_mnt == NULL)
		return tg_mnt_real()->sendto(fd, buf, octets, flags, to, to_len);
	s = tg_ses_socket_get(fd);
	if(s == NULL)
		return is_ng(fd) ? ng_reply(fd, &msg, flags)
						 : tg_mnt_real()->sendto(
								 fd, buf, octets, flags, to, to_len);
	n = media_send(s, fd, &msg, flags);
	done(s);
	return n;
}

EXPORT ssize_t send(int fd, const void *buf, size_t octets, int flags)
{
	if(stranger(fd))
		return tg_mnt_real()->send(fd, buf, octets, flags);
	return sendto(fd, buf, octets, flags, NULL, 0);
}

EXPORT int sendmmsg(int fd, struct mmsghdr *vec, unsigned n, int flags)
{
	unsigned i;

	if(stranger(fd))
		return tg_mnt_real()->sendmmsg(fd, vec, n, flags);
	for(i = 0; i < n; i++) {
		ssize_t octets = sendmsg(fd, &vec[i].msg_hdr, flags);

		if(octets < 0)
			return i != 0 ? (int)i : -1;
		vec[i].msg_len = (unsigned)octets;
	}
	return (int)i;
}

/* After a successful bind of a datagram socket; false: it must not be used */
static bool bound(int fd, const struct sockaddr *sa)
{
	struct tg_addr addr;
	uint16_t port;

	if(!tg_addr_from_sockaddr(sa, &addr, &port))
		return true;
	if(exchange.host != NULL && exchange.cookie.ptr != NULL)
		return tg_ngx_bound(&exchange, fd, &addr, port);
	if(listens_ng(port))
		return add_ng(fd);
	/* a call that Redis brings back */
	if(tg_mnt->hold_unknown && port >= tg_mnt->port_min
			&& port <= tg_mnt->port_max)
		return tg_mnt_restored_bound(fd, &addr, port);
	return true;
}

EXPORT int bind(int fd, const struct sockaddr *sa, socklen_t len)
{
	int rc = tg_mnt_real()->bind(fd, sa, len);
	socklen_t type_len = sizeof(int);
	int type = 0;

	if(rc != 0 || tg_mnt == NULL || sa == NULL
			|| getsockopt(fd, SOL_SOCKET, SO_TYPE, &type, &type_len) != 0
			|| type != SOCK_DGRAM)
		return rc;
	if(!bound(fd, sa)) {
		errno = ENOMEM;
		return -1;
	}
	return 0;
}

/*
 * Between leaving the table and the real close another thread could still
 * send: as a stranger's socket, in clear. A UDP socket that was shut down
 * sends nothing more (the call itself fails with ENOTCONN, having done it).
 */
static void silence(int fd)
{
	struct tg_ses_socket *s = tg_ses_socket_get(fd);
	int saved = errno;

	if(s == NULL)
		return;
	if(atomic_load(&s->mode) != TG_SES_PLAIN)
		(void)!shutdown(fd, SHUT_RDWR);
	tg_ses_socket_put(s);
	errno = saved;
}

EXPORT int close(int fd)
{
	if(tg_mnt != NULL) {
		if(is_ng(fd))
			remove_ng(fd);
		silence(fd);
		tg_ses_socket_closed(fd);
	}
	return tg_mnt_real()->close(fd);
}

EXPORT int epoll_wait(int fd, struct epoll_event *events, int n, int timeout_ms)
{
	if(tg_mnt != NULL)
		tg_mnt_late();
	return tg_mnt_real()->epoll_wait(fd, events, n, timeout_ms);
}

/* io_uring carries packets past every function above: it must not start */
EXPORT int io_uring_queue_init_params(
		unsigned entries, void *ring, void *params);
EXPORT int io_uring_queue_init_params(
		unsigned entries, void *ring, void *params)
{
	int (*next)(unsigned, void *, void *) = NULL;
	void *p;

	if(tg_mnt != NULL) {
		tg_mnt_log(LOG_ERR, "io_uring refused: packets would bypass us");
		return -ENOSYS;
	}
	p = dlsym(RTLD_NEXT, "io_uring_queue_init_params");
	memcpy(&next, &p, sizeof(next));
	return next != NULL ? next(entries, ring, params) : -ENOSYS;
}
