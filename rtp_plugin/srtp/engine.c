/*
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * Which implementation of the ciphers libsrtp2 uses in this process.
 */
#include "srtp/compact.h"
#include "srtp/internal.h"

static struct {
	enum tg_srtp_engine engine;
	enum tg_srtp_rc rc;
	bool tried;
	bool can[TG_SUITE_COUNT];
	const char *note;
} process = {.note = "not initialised"};

enum tg_srtp_rc tg_srtp_global_init(enum tg_srtp_engine wanted)
{
	if(process.tried)
		return process.rc;
	process.tried = true;
	process.rc = tg_srtp_from_lib(srtp_init());
	if(process.rc != TG_SRTP_OK) {
		process.note = "libsrtp2 failed its self-test";
		return process.rc;
	}
	process.engine = TG_SRTP_ENGINE_EVP;
	process.note = "as configured";
	if(wanted == TG_SRTP_ENGINE_COMPACT && tg_compact_install(&process.note))
		process.engine = TG_SRTP_ENGINE_COMPACT;
	for(int suite = TG_SUITE_NONE + 1; suite < TG_SUITE_COUNT; suite++)
		process.can[suite] = tg_srtp_sessions_can((enum tg_suite)suite);
	return process.rc;
}

bool tg_srtp_can(enum tg_suite suite)
{
	return process.can[suite];
}

enum tg_srtp_engine tg_srtp_engine(void)
{
	return process.engine;
}

const char *tg_srtp_engine_note(void)
{
	return process.note;
}
