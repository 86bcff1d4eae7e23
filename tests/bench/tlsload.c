/*
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * Load over mutual TLS, one thread, blocking: either COUNT warm OPTIONS on
 * CONNS connections, each with WINDOW requests under way, or full handshakes
 * one after the other. Everything that is sent is made before the clock
 * starts. Handshakes print "done SECONDS" or fail; the bench reads the
 * server's CPU.
 * requests: several servers take turns; prints "ready", goes on with a line on
 * stdin, prints "done", ends with another line and prints SECONDS of each.
 * resumed: handshakes that take up the session of a first one, or it fails.
 * A flood is handshakes of which any may fail: "done SECONDS SERVED REFUSED".
 *
 *   tlsload requests HOST PORT[,PORT..] SOURCE CERT KEY CA COUNT CONNS WINDOW
 *   tlsload handshakes|resumed|flood HOST PORT SOURCE CERT KEY CA COUNT
 *
 * CERT - is a client without a certificate.
 */
#include <arpa/inet.h>
#include <openssl/err.h>
#include <openssl/ssl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#define WINDOW_MAX 32
#define CONNS_MAX 64
#define REQUEST_OCTETS 512
#define BRANCH_DIGITS 8
#define READ_OCTETS 65536
#define SERVERS_MAX 4
#define TURN_REQUESTS 1024

struct conn {
	SSL *ssl;
	char (*requests)[REQUEST_OCTETS];
	int octets[WINDOW_MAX];
	char *branch[WINDOW_MAX]; /* its last digits */
};

static void die(const char *what)
{
	fprintf(stderr, "tlsload: %s\n", what);
	ERR_print_errors_fp(stderr);
	exit(1);
}

static double now_sec(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (double)ts.tv_sec + (double)ts.tv_nsec / 1e9;
}

static struct sockaddr_in address(const char *host, int port)
{
	struct sockaddr_in sa = {.sin_family = AF_INET};

	sa.sin_port = htons((uint16_t)port);
	if(inet_pton(AF_INET, host, &sa.sin_addr) != 1)
		die("not an IPv4 address");
	return sa;
}

/* What the next connection shows; NULL: nothing */
static SSL_SESSION *session;

/* Requests under way on a connection */
static int window = WINDOW_MAX;

/* NULL: the other side ended the handshake */
static SSL *try_dial(SSL_CTX *ctx, const struct sockaddr_in *from,
		const struct sockaddr_in *to)
{
	int fd = socket(AF_INET, SOCK_STREAM, 0);
	int one = 1;
	SSL *ssl = SSL_new(ctx);

	if(fd < 0 || !ssl)
		die("out of resources");
	setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one));
	if(bind(fd, (const struct sockaddr *)from, sizeof(*from)) != 0)
		die("cannot bind the source address");
	if(connect(fd, (const struct sockaddr *)to, sizeof(*to)) != 0)
		die("cannot connect");
	SSL_set_fd(ssl, fd);
	if(session)
		SSL_set_session(ssl, session);
	if(SSL_connect(ssl) == 1)
		return ssl;
	SSL_free(ssl);
	close(fd);
	return NULL;
}

static SSL *dial(SSL_CTX *ctx, const struct sockaddr_in *from,
		const struct sockaddr_in *to)
{
	SSL *ssl = try_dial(ctx, from, to);

	if(!ssl)
		die("handshake failed");
	return ssl;
}

static void hang_up(SSL *ssl)
{
	int fd = SSL_get_fd(ssl);

	SSL_shutdown(ssl);
	SSL_free(ssl);
	close(fd);
}

static void make_window(struct conn *c, int number, const char *source)
{
	c->requests = malloc((size_t)window * REQUEST_OCTETS);
	if(!c->requests)
		die("out of memory");
	for(int i = 0; i < window; i++) {
		c->octets[i] = snprintf(c->requests[i], REQUEST_OCTETS,
				"OPTIONS sip:edge.lab.test SIP/2.0\r\n"
				"Via: SIP/2.0/TLS %s:5061;branch=z9hG4bK-%d-%d-%s\r\n"
				"From: <sip:bench@lab.test>;tag=%d\r\n"
				"To: <sip:edge.lab.test>\r\n"
				"Call-ID: bench-%d-%d@lab.test\r\n"
				"CSeq: %d OPTIONS\r\nMax-Forwards: 10\r\n"
				"Content-Length: 0\r\n\r\n",
				source, number, i, "00000000", number, number, i, i + 1);
		c->branch[i] = strstr(c->requests[i], "00000000\r");
	}
}

static void free_window(struct conn *c)
{
	free(c->requests);
}

static void next_branch(char *digits)
{
	for(int i = BRANCH_DIGITS - 1; i >= 0 && ++digits[i] > '9'; i--)
		digits[i] = '0';
}

/* Each in a record of its own, as a user agent writes them */
static void write_window(const struct conn *c)
{
	for(int i = 0; i < window; i++) {
		next_branch(c->branch[i]);
		if(SSL_write(c->ssl, c->requests[i], c->octets[i]) <= 0)
			die("cannot write");
	}
}

/* Reads until a whole window of 200s has come; a reply ends with CRLF CRLF */
static void read_window(SSL *ssl)
{
	static const char end[] = "\r\n\r\n";
	static char buf[READ_OCTETS];
	size_t matched = 0;
	int seen = 0;
	int n;

	while(seen < window) {
		n = SSL_read(ssl, buf, sizeof(buf));
		if(n <= 0)
			die("connection closed early");
		if(seen == 0 && matched == 0
				&& (n < 11 || memcmp(buf, "SIP/2.0 200", 11) != 0))
			die("a request was refused");
		for(int i = 0; i < n; i++) {
			matched = buf[i] == end[matched] ? matched + 1
											 : (size_t)(buf[i] == end[0]);
			if(matched == sizeof(end) - 1) {
				matched = 0;
				seen++;
			}
		}
	}
}

/* Whoever runs this reads the servers' CPU now, and lets it go on */
static void await_word(const char *what)
{
	printf("%s\n", what);
	fflush(stdout);
	if(getchar() == EOF)
		die("nobody waits for the end");
}

/* One server under load, with connections of its own */
struct server {
	struct conn c[CONNS_MAX];
	struct sockaddr_in to;
	double seconds;
};

static void open_conns(SSL_CTX *ctx, const struct sockaddr_in *from,
		struct server *server, const char *source, int conns)
{
	for(int i = 0; i < conns; i++) {
		server->c[i].ssl = dial(ctx, from, &server->to);
		make_window(&server->c[i], i, source);
		write_window(&server->c[i]);
		read_window(server->c[i].ssl); /* warm */
	}
}

static void run_rounds(struct server *server, long rounds, int conns)
{
	double start = now_sec();

	for(long r = 0; r < rounds; r++) {
		for(int i = 0; i < conns; i++)
			write_window(&server->c[i]);
		for(int i = 0; i < conns; i++)
			read_window(server->c[i].ssl);
	}
	server->seconds += now_sec() - start;
}

/* The servers take turns of some 30 ms, so that what changes on the machine
 * meanwhile changes for all of them */
static void run_requests(
		SSL_CTX *ctx, const struct sockaddr_in *from, char **argv, int conns)
{
	static struct server servers[SERVERS_MAX];
	long left = atol(argv[8]) / ((long)window * conns);
	long turn = TURN_REQUESTS / ((long)window * conns);
	int n = 0;

	for(char *port = strtok(argv[3], ","); port && n < SERVERS_MAX;
			port = strtok(NULL, ","), n++) {
		servers[n].to = address(argv[2], atoi(port));
		open_conns(ctx, from, &servers[n], argv[4], conns);
	}
	for(int s = 0; s < n; s++) {
		run_rounds(&servers[s], turn, conns); /* warm */
		servers[s].seconds = 0;
	}
	await_word("ready");
	for(int t = 0; left > 0; left -= turn, t++) {
		if(turn > left)
			turn = left;
		for(int s = 0; s < n; s++)
			run_rounds(&servers[(s + t) % n], turn, conns);
	}
	await_word("done");
	for(int s = 0; s < n; s++) {
		printf("%.6f%s", servers[s].seconds, s + 1 < n ? " " : "\n");
		for(int i = 0; i < conns; i++) {
			hang_up(servers[s].c[i].ssl);
			free_window(&servers[s].c[i]);
		}
	}
}

static double run_handshakes(SSL_CTX *ctx, const struct sockaddr_in *from,
		const struct sockaddr_in *to, long count)
{
	double start = now_sec();

	for(long i = 0; i < count; i++)
		hang_up(dial(ctx, from, to));
	return now_sec() - start;
}

/* The ticket comes before the answer to what is asked first */
static void win_session(SSL_CTX *ctx, const struct sockaddr_in *from,
		const struct sockaddr_in *to, const char *source)
{
	struct conn c = {.ssl = dial(ctx, from, to)};

	make_window(&c, 0, source);
	write_window(&c);
	read_window(c.ssl);
	session = SSL_get1_session(c.ssl);
	hang_up(c.ssl);
	free_window(&c);
	if(!session || !SSL_SESSION_is_resumable(session))
		die("no session that could be taken up");
}

static double run_resumed(SSL_CTX *ctx, const struct sockaddr_in *from,
		const struct sockaddr_in *to, long count)
{
	double start = now_sec();

	for(long i = 0; i < count; i++) {
		SSL *ssl = dial(ctx, from, to);

		if(!SSL_session_reused(ssl))
			die("the session was not taken up");
		hang_up(ssl);
	}
	return now_sec() - start;
}

static double run_flood(SSL_CTX *ctx, const struct sockaddr_in *from,
		const struct sockaddr_in *to, long count, long *served)
{
	double start = now_sec();
	SSL *ssl;

	for(long i = 0; i < count; i++) {
		ssl = try_dial(ctx, from, to);
		ERR_clear_error();
		if(!ssl)
			continue;
		hang_up(ssl);
		(*served)++;
	}
	return now_sec() - start;
}

int main(int argc, char **argv)
{
	struct sockaddr_in from, to;
	SSL_CTX *ctx;
	int conns = argc > 9 ? atoi(argv[9]) : 4;
	long served = 0;
	double seconds;

	if(argc > 10)
		window = atoi(argv[10]);
	if(argc < 9 || conns < 1 || conns > CONNS_MAX || window < 1
			|| window > WINDOW_MAX || conns * window > TURN_REQUESTS)
		die("usage: requests|handshakes|resumed|flood HOST PORT SOURCE CERT "
			"KEY CA COUNT [CONNS WINDOW]");
	signal(SIGPIPE, SIG_IGN);
	to = address(argv[2], atoi(argv[3]));
	from = address(argv[4], 0);
	ctx = SSL_CTX_new(TLS_client_method());
	if(!ctx
			|| (strcmp(argv[5], "-") != 0
					&& (SSL_CTX_use_certificate_chain_file(ctx, argv[5]) != 1
							|| SSL_CTX_use_PrivateKey_file(
									   ctx, argv[6], SSL_FILETYPE_PEM)
									   != 1))
			|| SSL_CTX_load_verify_locations(ctx, argv[7], NULL) != 1)
		die("cannot read the certificates");
	SSL_CTX_set_verify(ctx, SSL_VERIFY_PEER, NULL);
	SSL_CTX_set_session_cache_mode(ctx, SSL_SESS_CACHE_OFF);
	if(strcmp(argv[1], "requests") == 0) {
		run_requests(ctx, &from, argv, conns);
	} else if(strcmp(argv[1], "flood") == 0) {
		seconds = run_flood(ctx, &from, &to, atol(argv[8]), &served);
		printf("done %.6f %ld %ld\n", seconds, served, atol(argv[8]) - served);
	} else if(strcmp(argv[1], "resumed") == 0) {
		win_session(ctx, &from, &to, argv[4]);
		seconds = run_resumed(ctx, &from, &to, atol(argv[8]));
		printf("done %.6f\n", seconds);
		SSL_SESSION_free(session);
	} else {
		seconds = run_handshakes(ctx, &from, &to, atol(argv[8]));
		printf("done %.6f\n", seconds);
	}
	SSL_CTX_free(ctx);
	return 0;
}
