/*
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * The plugin's own configuration: one small INI file, section [plugin]. It
 * holds no policy: what a call needs comes with the call, authenticated. See
 * doc/rtp_plugin.md for each key. Unknown and repeated keys are errors.
 */
#ifndef TG_MOUNT_CONF_H
#define TG_MOUNT_CONF_H

#include "base/addr.h"
#include "base/diag.h"
#include "base/media.h"
#include "srtp/srtp.h"

#define TG_MNT_CONF_PATH "/etc/trunkguard/rtp_plugin.conf"
#define TG_MNT_CONF_ENV "TRUNKGUARD_RTP_CONF"
#define TG_MNT_ALLOW_MAX 64

/* Refusals at start that the operator may lift, by name */
enum tg_mnt_allow {
	TG_MNT_ALLOW_DEBUG = 1,  /* debug-logging */
	TG_MNT_ALLOW_VERSION = 2 /* unknown-version */
};

struct tg_mnt_conf {
	struct tg_span secret_file;
	struct tg_cidr ng_allow[TG_MNT_ALLOW_MAX]; /* n 0: loopback alone */
	size_t n_ng_allow;
	struct tg_span status_socket; /* empty: none */
	struct tg_span metrics_file;  /* empty: none */
	struct tg_span certificate;   /* both empty: self-signed for DTLS */
	struct tg_span private_key;
	struct tg_span trust_dir; /* PEER.pem each; empty: no CA checks */
	int log_level;            /* syslog priority; default LOG_INFO */
	bool floor_required;
	uint16_t floor_window;
	enum tg_suite floor_suite[TG_SUITES_MAX];
	enum tg_srtp_engine engine;
	bool fips_required;
	unsigned allow; /* enum tg_mnt_allow */
};

/* Spans point into text. False: d has the errors */
bool tg_mnt_conf_parse(struct tg_mnt_conf *out, struct tg_span text,
		struct tg_span file, struct tg_diags *d);

#endif
