/*
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * Details of a verdict as text. What a certificate says is an attacker's
 * text: it goes through tg_x509_put_escaped before it meets a log.
 */
#include "x509/parts.h"

#include <stdarg.h>
#include <stdio.h>

void tg_x509_text_init(struct tg_x509_text *t, char *out, size_t octets)
{
	t->out = out;
	t->octets = octets;
	t->len = 0;
	out[0] = '\0';
}

void tg_x509_put(struct tg_x509_text *t, const char *fmt, ...)
{
	size_t room = t->octets - t->len;
	va_list ap;
	int n;

	va_start(ap, fmt);
	n = vsnprintf(t->out + t->len, room, fmt, ap);
	va_end(ap);
	if(n > 0)
		t->len += (size_t)n < room ? (size_t)n : room - 1;
}

void tg_x509_put_escaped(struct tg_x509_text *t, struct tg_span s)
{
	for(size_t i = 0; i < s.len && t->len + 1 < t->octets; i++) {
		unsigned char c = (unsigned char)s.ptr[i];

		if(c >= 0x20 && c < 0x7f && c != '"' && c != '\\')
			tg_x509_put(t, "%c", c);
		else if(t->len + 4 < t->octets)
			tg_x509_put(t, "\\x%02x", c);
		else
			break;
	}
}

void tg_x509_put_time(struct tg_x509_text *t, const ASN1_TIME *when)
{
	char buf[sizeof("-2147483648-12-31T23:59:59Z")];
	struct tm tm;

	if(when && ASN1_TIME_to_tm(when, &tm) == 1
			&& strftime(buf, sizeof(buf), "%Y-%m-%dT%H:%M:%SZ", &tm))
		tg_x509_put(t, "%s", buf);
	else
		tg_x509_put(t, "at no readable time");
}

void tg_x509_put_dn(struct tg_x509_text *t, const X509_NAME *name)
{
	BIO *bio = BIO_new(BIO_s_mem());
	char *text = NULL;
	long len = 0;

	if(bio && X509_NAME_print_ex(bio, name, 0, XN_FLAG_RFC2253) >= 0)
		len = BIO_get_mem_data(bio, &text);
	tg_x509_put(t, "\"");
	if(len > 0)
		tg_x509_put_escaped(t, tg_span_of(text, (size_t)len));
	tg_x509_put(t, "\"");
	BIO_free(bio);
}

bool tg_x509_time(const ASN1_TIME *when, time_t *out)
{
	struct tm tm;

	if(!when || ASN1_TIME_to_tm(when, &tm) != 1)
		return false;
	*out = timegm(&tm);
	return true;
}

bool tg_x509_refuse(struct tg_x509_answer *answer, enum tg_reason reason,
		int depth, const char *fmt, ...)
{
	va_list ap;

	answer->reason = reason;
	answer->depth = depth;
	answer->openssl_error = tg_x509_alert_error(reason);
	va_start(ap, fmt);
	vsnprintf(answer->detail, sizeof(answer->detail), fmt, ap);
	va_end(ap);
	return false;
}

void tg_x509_say_which(struct tg_x509_answer *answer, const X509 *cert)
{
	struct tg_x509_text t = {
			answer->detail, sizeof(answer->detail), strlen(answer->detail)};

	if(answer->depth == 0 || !cert)
		return;
	tg_x509_put(&t, " (certificate %d, ", answer->depth);
	tg_x509_put_dn(&t, X509_get_subject_name(cert));
	tg_x509_put(&t, ")");
}

void tg_x509_describe(const X509 *cert, char *out, size_t octets)
{
	const ASN1_INTEGER *serial = X509_get0_serialNumber(cert);
	struct tg_x509_text t;

	tg_x509_text_init(&t, out, octets);
	tg_x509_put(&t, "serial ");
	for(int i = 0; i < ASN1_STRING_length(serial); i++)
		tg_x509_put(&t, "%02x", ASN1_STRING_get0_data(serial)[i]);
	tg_x509_put(&t, " ");
	tg_x509_put_dn(&t, X509_get_subject_name(cert));
}
