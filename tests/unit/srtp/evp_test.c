/*
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * The tests of context_suite.h with the ciphers of OpenSSL's EVP:
 * what runs under a FIPS provider and on other processors.
 */
#include "context_suite.h"
#include "srtp/srtp.h"

int main(void)
{
	if(tg_srtp_global_init(TG_SRTP_ENGINE_EVP) != TG_SRTP_OK)
		return 1;
	return context_suite();
}
