/*
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * cmocka with what it needs before it.
 */
#ifndef TG_TEST_CM_H
#define TG_TEST_CM_H

/* clang-format off */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>
/* clang-format on */

#endif
