/*
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * Preloaded into a test peer that cannot choose its source address: what it
 * would bind to the wildcard address is bound to the IPv4 address in $BINDSRC,
 * an unbound socket is bound there before it connects, and the address is the
 * only one the peer finds on its interfaces. A socket bound elsewhere on
 * purpose stays there. IPv6 is not touched.
 */
#include <arpa/inet.h>
#include <dlfcn.h>
#include <errno.h>
#include <ifaddrs.h>
#include <net/if.h>
#include <netinet/in.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>

static bool source(struct in_addr *out)
{
	const char *text = getenv("BINDSRC");

	return text && inet_pton(AF_INET, text, out) == 1;
}

static void *next(const char *name)
{
	void *fn = dlsym(RTLD_NEXT, name);

	if(!fn)
		abort();
	return fn;
}

static bool is_inet(int fd)
{
	int domain = 0;
	socklen_t len = sizeof(domain);

	return getsockopt(fd, SOL_SOCKET, SO_DOMAIN, &domain, &len) == 0
		   && domain == AF_INET;
}

static int real_bind(int fd, const struct sockaddr *sa, socklen_t len)
{
	int (*fn)(int, const struct sockaddr *, socklen_t) = next("bind");

	return fn(fd, sa, len);
}

int bind(int fd, const struct sockaddr *sa, socklen_t len)
{
	struct sockaddr_in in;

	if(!sa || sa->sa_family != AF_INET || len < sizeof(in))
		return real_bind(fd, sa, len);
	memcpy(&in, sa, sizeof(in));
	if(in.sin_addr.s_addr == htonl(INADDR_ANY))
		(void)source(&in.sin_addr);
	return real_bind(fd, (const struct sockaddr *)&in, sizeof(in));
}

/* Leaves a socket alone that has an address already */
static void bind_before_connect(int fd)
{
	struct sockaddr_in in = {0};
	socklen_t len = sizeof(in);

	if(!is_inet(fd) || getsockname(fd, (struct sockaddr *)&in, &len) != 0
			|| in.sin_port != 0 || in.sin_addr.s_addr != htonl(INADDR_ANY))
		return;
	in.sin_family = AF_INET;
	if(source(&in.sin_addr))
		(void)real_bind(fd, (const struct sockaddr *)&in, sizeof(in));
}

int connect(int fd, const struct sockaddr *sa, socklen_t len)
{
	int (*fn)(int, const struct sockaddr *, socklen_t) = next("connect");
	int keep = errno;

	if(sa && sa->sa_family == AF_INET)
		bind_before_connect(fd);
	errno = keep;
	return fn(fd, sa, len);
}

static void set_address(struct sockaddr *sa, struct in_addr to)
{
	struct sockaddr_in in;

	if(!sa || sa->sa_family != AF_INET)
		return;
	memcpy(&in, sa, sizeof(in));
	in.sin_addr = to;
	memcpy(sa, &in, sizeof(in));
}

int getifaddrs(struct ifaddrs **list)
{
	int (*fn)(struct ifaddrs **) = next("getifaddrs");
	struct in_addr src;
	int rc = fn(list);

	if(rc != 0 || !source(&src))
		return rc;
	for(struct ifaddrs *i = *list; i; i = i->ifa_next) {
		set_address(i->ifa_addr, src);
		/* peers look for an interface that is not the loopback */
		i->ifa_flags &= ~(unsigned)IFF_LOOPBACK;
	}
	return 0;
}

int ioctl(int fd, unsigned long request, ...)
{
	int (*fn)(int, unsigned long, ...) = next("ioctl");
	struct in_addr src;
	va_list ap;
	void *arg;
	int rc;

	va_start(ap, request);
	arg = va_arg(ap, void *);
	va_end(ap);
	rc = fn(fd, request, arg);
	if(rc == 0 && request == SIOCGIFADDR && source(&src))
		set_address(&((struct ifreq *)arg)->ifr_addr, src);
	return rc;
}
