/*
 * block - look at sixteen bytes in one go.
 *
 * Layer:   base
 * Threads: no state
 * Memory:  reads what is between the pointers that it is given, and nothing beyond
 * Secrets: none
 * Limits:  none
 * Spec:    none
 *
 * A comparison of two blocks makes each byte 0 or 0xff. A kind of bytes is a function of such comparisons:
 *
 *	static inline block are_spaces(block bytes)
 *	{
 *		return (block)(bytes == ' ');
 *	}
 *	at = block_find(at, at, end, are_spaces);
 */
#ifndef TELLTALE_BASE_BLOCK_H
#define TELLTALE_BASE_BLOCK_H

#include <stddef.h>
#include <stdint.h>
#include <string.h>

#define BLOCK_BYTES 16
typedef uint8_t block __attribute__((vector_size(BLOCK_BYTES)));
typedef block (*block_kind)(block bytes);

static inline block block_at(const char *at)
{
	block bytes;
	memcpy(&bytes, at, sizeof bytes);
	return bytes;
}

/* A bit for each byte of a comparison, the lowest for the first. */
static inline unsigned block_bits(block found)
{
#if defined __SSE2__ && !defined BLOCK_PLAIN
	typedef char chars __attribute__((vector_size(BLOCK_BYTES)));
	return (unsigned)__builtin_ia32_pmovmskb128((chars)found);
#else
	uint64_t half[2];
	unsigned bits = 0;
	memcpy(half, &found, sizeof half);
	for (unsigned i = 0; i < 2; i++) {
		uint64_t ones = half[i] & UINT64_C(0x0101010101010101);
		/* Bit 8i goes to bit 56 + i; no two products meet in one bit, so nothing is carried. */
		uint64_t places = __BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__
					  ? UINT64_C(0x0102040810204080)
					  : UINT64_C(0x8040201008040201);
		bits |= (unsigned)(ones * places >> 56) << 8 * i;
	}
	return bits;
#endif
}

/* Less than a block, with zeros behind it: copied. */
block block_of(const char *at, size_t n);

/*
 * Where the first byte of this kind is, from at on; end when there is none.
 *
 * from  at, or a place before it: with sixteen bytes up to end none need to be copied.
 */
__attribute__((always_inline)) static inline const char *block_find(
	const char *from, const char *at, const char *end, block_kind is_kind)
{
	unsigned bits;
	for (; end - at >= BLOCK_BYTES; at += BLOCK_BYTES) {
		bits = block_bits(is_kind(block_at(at)));
		if (bits) {
			return at + __builtin_ctz(bits);
		}
	}
	if (at == end) {
		return end;
	}
	if (end - from >= BLOCK_BYTES) {
		/* The last sixteen, without those before at. */
		bits = block_bits(is_kind(block_at(end - BLOCK_BYTES))) >>
		       (at - (end - BLOCK_BYTES));
	} else {
		/* What fills it up is all alike, and begins at end. */
		bits = block_bits(is_kind(block_of(at, (size_t)(end - at))));
	}
	return bits ? at + __builtin_ctz(bits) : end;
}

#endif
