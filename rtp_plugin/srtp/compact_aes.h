/*
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * AES with the processor's instructions (FIPS 197): key schedule, and the
 * keystream of counter mode, eight blocks at a time. x86-64 only. All
 * pointers to round keys are aligned to 16 octets.
 */
#ifndef TG_SRTP_COMPACT_AES_H
#define TG_SRTP_COMPACT_AES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <wmmintrin.h>
#include <smmintrin.h>

#define TG_AES_TARGET __attribute__((target("aes,pclmul,ssse3,sse4.1")))
#define TG_AES_INLINE static inline TG_AES_TARGET

#define TG_AES_LANES 8

/* One step of the schedule: the previous words folded, and the new word */
TG_AES_INLINE __m128i tg_aes_fold(__m128i k, __m128i word)
{
	k = _mm_xor_si128(k, _mm_slli_si128(k, 4));
	k = _mm_xor_si128(k, _mm_slli_si128(k, 8));
	return _mm_xor_si128(k, word);
}

/* The round constant must be known when it is compiled */
#define TG_AES_STEP_128(rk, i, rcon)   \
	(rk)[i] = tg_aes_fold((rk)[(i)-1], \
			_mm_shuffle_epi32(         \
					_mm_aeskeygenassist_si128((rk)[(i)-1], rcon), 0xff))

TG_AES_INLINE void tg_aes_expand_128(const uint8_t key[16], __m128i rk[11])
{
	rk[0] = _mm_loadu_si128((const __m128i *)key);
	TG_AES_STEP_128(rk, 1, 0x01);
	TG_AES_STEP_128(rk, 2, 0x02);
	TG_AES_STEP_128(rk, 3, 0x04);
	TG_AES_STEP_128(rk, 4, 0x08);
	TG_AES_STEP_128(rk, 5, 0x10);
	TG_AES_STEP_128(rk, 6, 0x20);
	TG_AES_STEP_128(rk, 7, 0x40);
	TG_AES_STEP_128(rk, 8, 0x80);
	TG_AES_STEP_128(rk, 9, 0x1b);
	TG_AES_STEP_128(rk, 10, 0x36);
}

#define TG_AES_STEP_256_EVEN(rk, i, rcon) \
	(rk)[i] = tg_aes_fold((rk)[(i)-2],    \
			_mm_shuffle_epi32(            \
					_mm_aeskeygenassist_si128((rk)[(i)-1], rcon), 0xff))
#define TG_AES_STEP_256_ODD(rk, i)     \
	(rk)[i] = tg_aes_fold((rk)[(i)-2], \
			_mm_shuffle_epi32(         \
					_mm_aeskeygenassist_si128((rk)[(i)-1], 0), 0xaa))

TG_AES_INLINE void tg_aes_expand_256(const uint8_t key[32], __m128i rk[15])
{
	rk[0] = _mm_loadu_si128((const __m128i *)key);
	rk[1] = _mm_loadu_si128((const __m128i *)(key + 16));
	TG_AES_STEP_256_EVEN(rk, 2, 0x01);
	TG_AES_STEP_256_ODD(rk, 3);
	TG_AES_STEP_256_EVEN(rk, 4, 0x02);
	TG_AES_STEP_256_ODD(rk, 5);
	TG_AES_STEP_256_EVEN(rk, 6, 0x04);
	TG_AES_STEP_256_ODD(rk, 7);
	TG_AES_STEP_256_EVEN(rk, 8, 0x08);
	TG_AES_STEP_256_ODD(rk, 9);
	TG_AES_STEP_256_EVEN(rk, 10, 0x10);
	TG_AES_STEP_256_ODD(rk, 11);
	TG_AES_STEP_256_EVEN(rk, 12, 0x20);
	TG_AES_STEP_256_ODD(rk, 13);
	TG_AES_STEP_256_EVEN(rk, 14, 0x40);
}

#define TG_AES_KEYS_MAX 15

/* Blocks of 16 octets: the round keys, or the key alone to make them from */
static inline size_t tg_aes_kept(int rounds, bool rare)
{
	if(rare)
		return rounds == 10 ? 1 : 2;
	return (size_t)rounds + 1;
}

TG_AES_INLINE void tg_aes_expand(
		const uint8_t *key, int rounds, __m128i rk[TG_AES_KEYS_MAX])
{
	if(rounds == 10)
		tg_aes_expand_128(key, rk);
	else
		tg_aes_expand_256(key, rk);
}

TG_AES_INLINE __m128i tg_aes_block(const __m128i *rk, int rounds, __m128i b)
{
	b = _mm_xor_si128(b, rk[0]);
	for(int r = 1; r < rounds; r++)
		b = _mm_aesenc_si128(b, rk[r]);
	return _mm_aesenclast_si128(b, rk[rounds]);
}

/* The last four octets are a number in network order; the rest stays */
TG_AES_INLINE __m128i tg_aes_count(__m128i swapped, uint32_t n)
{
	const __m128i order =
			_mm_set_epi8(12, 13, 14, 15, 11, 10, 9, 8, 7, 6, 5, 4, 3, 2, 1, 0);

	return _mm_shuffle_epi8(
			_mm_add_epi32(swapped, _mm_set_epi32((int)n, 0, 0, 0)), order);
}

/* The form that tg_aes_count takes */
TG_AES_INLINE __m128i tg_aes_swap_count(__m128i counter)
{
	const __m128i order =
			_mm_set_epi8(12, 13, 14, 15, 11, 10, 9, 8, 7, 6, 5, 4, 3, 2, 1, 0);

	return _mm_shuffle_epi8(counter, order);
}

TG_AES_INLINE void tg_aes_lanes(const __m128i *rk, int rounds, __m128i swapped,
		uint32_t n, __m128i out[TG_AES_LANES])
{
	_Pragma("GCC unroll 8") for(int i = 0; i < TG_AES_LANES; i++) out[i] =
			_mm_xor_si128(tg_aes_count(swapped, n + (uint32_t)i), rk[0]);
	for(int r = 1; r < rounds; r++)
		_Pragma("GCC unroll 8") for(int i = 0; i < TG_AES_LANES; i++) out[i] =
				_mm_aesenc_si128(out[i], rk[r]);
	_Pragma("GCC unroll 8") for(int i = 0; i < TG_AES_LANES; i++) out[i] =
			_mm_aesenclast_si128(out[i], rk[rounds]);
}

/*
 * XORs the keystream onto data. The first block used is counter + first; the
 * caller sees to it that the number in its last four octets does not wrap.
 */
TG_AES_INLINE void tg_aes_counter_mode(const __m128i *rk, int rounds,
		__m128i counter, uint32_t first, uint8_t *data, size_t octets)
{
	__m128i swapped = tg_aes_swap_count(counter), stream[TG_AES_LANES];

	while(octets > 0) {
		size_t lane = 0;

		tg_aes_lanes(rk, rounds, swapped, first, stream);
		first += TG_AES_LANES;
		for(; lane < TG_AES_LANES && octets >= 16; lane++) {
			__m128i *at = (__m128i *)data;

			_mm_storeu_si128(
					at, _mm_xor_si128(_mm_loadu_si128(at), stream[lane]));
			data += 16;
			octets -= 16;
		}
		if(lane < TG_AES_LANES && octets > 0) {
			uint8_t last[16];

			_mm_storeu_si128((__m128i *)last, stream[lane]);
			for(size_t i = 0; i < octets; i++)
				data[i] ^= last[i];
			octets = 0;
		}
	}
}

#endif
