/*
 * points_help - the form of a run of points, once more and from its description: what a test or a
 *               fuzz target needs to make bytes that pass the check sum.
 *
 * Layer:   tests
 * Threads: none
 * Memory:  none
 * Secrets: none
 * Limits:  none
 * Spec:    src/control/points.h
 */
#ifndef TELLTALE_UNIT_POINTS_HELP_H
#define TELLTALE_UNIT_POINTS_HELP_H

#include "control/points.h"

/* One byte more of a CRC-32C, as RFC 3720 has it. */
static inline uint32_t points_help_crc(uint32_t sum, unsigned char byte)
{
	sum ^= byte;
	for (int bit = 0; bit < 8; bit++) {
		sum = (sum & 1) ? (sum >> 1) ^ UINT32_C(0x82f63b78) : sum >> 1;
	}
	return sum;
}

/* Put the check sum behind the bytes of a run. */
static inline void points_help_seal(struct buf *bytes, enum points_grain grain, int64_t start_s)
{
	uint32_t sum = UINT32_MAX;
	for (unsigned i = 0; i < 4; i++) {
		sum = points_help_crc(
			sum, (unsigned char)(points_grains[grain].period_s >> (8 * i)));
	}
	for (unsigned i = 0; i < 8; i++) {
		sum = points_help_crc(sum, (unsigned char)((uint64_t)start_s >> (8 * i)));
	}
	for (size_t i = 0; i < bytes->n; i++) {
		sum = points_help_crc(sum, (unsigned char)bytes->p[i]);
	}
	for (unsigned i = 0; i < 4; i++) {
		buf_add_char(bytes, (char)(~sum >> (8 * i)));
	}
}

#endif
