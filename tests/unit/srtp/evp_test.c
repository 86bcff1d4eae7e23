/*
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * The tests of context_test.c with the ciphers of OpenSSL's EVP: what runs
 * under a FIPS provider and on other processors.
 */
#define TEST_ENGINE TG_SRTP_ENGINE_EVP
#include "context_test.c"
