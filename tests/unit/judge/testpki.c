/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The same maker as x509's tests have: helpers are found by folder */
#include "x509/testpki.c" /* NOLINT(bugprone-suspicious-include) */
