#include "control/points.h"

#include <assert.h>

#define CHECK_BYTES 4

const struct points_grain_row points_grains[POINTS_GRAINS] = {
	[POINTS_60_S] = {60, 3600},
	[POINTS_300_S] = {300, 86400},
	[POINTS_3600_S] = {3600, 604800},
};

/* --- arithmetic ------------------------------------------------------------------------------ */

static uint64_t plus(uint64_t a, uint64_t b)
{
	uint64_t sum;
	return __builtin_add_overflow(a, b, &sum) ? UINT64_MAX : sum;
}

static uint64_t times(uint64_t a, uint64_t b)
{
	uint64_t product;
	return __builtin_mul_overflow(a, b, &product) ? UINT64_MAX : product;
}

void points_merge(struct points_set *set, const struct points_set *more)
{
	if (more->n == 0) {
		return;
	}
	if (set->n == 0) {
		*set = *more;
		return;
	}
	set->n = plus(set->n, more->n);
	set->sum = plus(set->sum, more->sum);
	set->min = more->min < set->min ? more->min : set->min;
	set->max = more->max > set->max ? more->max : set->max;
}

void points_init(struct points_run *run, enum points_grain grain, int64_t at_s)
{
	memset(run, 0, sizeof *run);
	run->grain = grain;
	run->start_s = points_start(grain, at_s);
}

void points_add(struct points_run *run, int64_t at_s, unsigned metric, const struct points_set *set)
{
	const struct points_grain_row *row = &points_grains[run->grain];
	assert(at_s >= run->start_s && at_s - run->start_s < (int64_t)row->run_s);
	assert(metric < POINTS_METRICS);
	struct points_set *at = &run->at[(at_s - run->start_s) / row->period_s][metric];
	if (run->grain != POINTS_60_S) {
		points_merge(at, set);
	} else if (set->n > 0) {
		uint64_t sum = plus(at->sum, set->sum);
		*at = (struct points_set){1, sum, sum, sum};
	}
}

void points_fold(struct points_run *coarse, const struct points_run *fine)
{
	for (unsigned slot = 0; slot < points_slots(fine->grain); slot++) {
		for (unsigned metric = 0; metric < POINTS_METRICS; metric++) {
			points_add(
				coarse, points_time(fine, slot), metric, &fine->at[slot][metric]);
		}
	}
}

/* --- the check sum --------------------------------------------------------------------------- */

/* CRC-32C bit by bit: a run is short, and a table would be longer than the code. */
static uint32_t crc(uint32_t sum, const void *p, size_t n)
{
	const unsigned char *bytes = p;
	sum = ~sum;
	for (size_t i = 0; i < n; i++) {
		sum ^= bytes[i];
		for (int bit = 0; bit < 8; bit++) {
			sum = sum >> 1 ^ (sum & 1 ? UINT32_C(0x82f63b78) : 0);
		}
	}
	return ~sum;
}

static void put_fixed(unsigned char *at, uint64_t value, size_t bytes)
{
	for (size_t i = 0; i < bytes; i++) {
		at[i] = (unsigned char)(value >> (8 * i));
	}
}

/* The sum over the place and the bytes, as it stands behind them. */
static void put_check(enum points_grain grain, int64_t start_s, struct str bytes,
	unsigned char ret_check[CHECK_BYTES])
{
	unsigned char place[12];
	put_fixed(place, points_grains[grain].period_s, 4);
	put_fixed(place + 4, (uint64_t)start_s, 8);
	put_fixed(ret_check, crc(crc(0, place, sizeof place), bytes.p, bytes.n), CHECK_BYTES);
}

/* --- to bytes -------------------------------------------------------------------------------- */

static void put_integer(struct buf *out, uint64_t value)
{
	for (; value >= 0x80; value >>= 7) {
		buf_add_char(out, (char)(value | 0x80));
	}
	buf_add_char(out, (char)value);
}

static void put_set(struct buf *out, enum points_grain grain, const struct points_set *set)
{
	if (grain != POINTS_60_S) {
		put_integer(out, set->n);
	}
	put_integer(out, set->sum);
	if (set->n > 1) {
		put_integer(out, set->min);
		put_integer(out, set->max - set->min);
	}
}

int points_encode(const struct points_run *run, struct buf *out)
{
	size_t first = out->n;
	unsigned left_out = 0;
	buf_add_char(out, POINTS_FORM);
	for (unsigned slot = 0; slot < points_slots(run->grain); slot++) {
		const struct points_set *sets = run->at[slot];
		unsigned metrics = (sets[0].n > 0) | (unsigned)(sets[1].n > 0) << 1;
		if (metrics == 0) {
			left_out++;
			continue;
		}
		put_integer(out, 4 * left_out + metrics);
		left_out = 0;
		for (unsigned metric = 0; metric < POINTS_METRICS; metric++) {
			if (sets[metric].n > 0) {
				put_set(out, run->grain, &sets[metric]);
			}
		}
	}
	TRY(buf_status(out));
	unsigned char check[CHECK_BYTES];
	put_check(run->grain, run->start_s, str_from(buf_str(out), first), check);
	buf_add(out, (struct str){(const char *)check, sizeof check});
	return buf_status(out);
}

/* --- from bytes ------------------------------------------------------------------------------ */

/* Take an integer from the front: in its shortest form, and not more than 64 bits. */
static int take_integer(struct str *rest, uint64_t *ret_value)
{
	uint64_t value = 0;
	for (unsigned shift = 0; rest->n > 0 && shift < 64; shift += 7) {
		unsigned char byte = (unsigned char)rest->p[0];
		uint64_t bits = byte & 0x7f;
		*rest = str_from(*rest, 1);
		if (bits << shift >> shift != bits || (byte == 0 && shift > 0)) {
			return E_DAMAGED;
		}
		value |= bits << shift;
		if (byte < 0x80) {
			*ret_value = value;
			return 0;
		}
	}
	return E_DAMAGED;
}

static int take_set(struct str *rest, enum points_grain grain, struct points_set *ret_set)
{
	struct points_set set = {.n = 1};
	if (grain != POINTS_60_S) {
		TRY(take_integer(rest, &set.n));
	}
	TRY(take_integer(rest, &set.sum));
	set.min = set.max = set.sum;
	if (set.n > 1) {
		uint64_t more;
		TRY(take_integer(rest, &set.min));
		TRY(take_integer(rest, &more));
		if (__builtin_add_overflow(set.min, more, &set.max)) {
			return E_DAMAGED;
		}
	}
	/* What samples can't give is refused: all that is told from a run makes sense. */
	if (set.n == 0 || set.min == 0 || set.max > set.sum || set.sum < times(set.n, set.min) ||
		set.sum > times(set.n, set.max)) {
		return E_DAMAGED;
	}
	*ret_set = set;
	return 0;
}

/* Take the next point; *next is the first slot that it may have. */
static int take_point(struct str *rest, struct points_run *run, unsigned *next)
{
	uint64_t head;
	TRY(take_integer(rest, &head));
	uint64_t slot = *next + head / 4;
	if (head % 4 == 0 || slot >= points_slots(run->grain)) {
		return E_DAMAGED;
	}
	for (unsigned metric = 0; metric < POINTS_METRICS; metric++) {
		if (head >> metric & 1) {
			TRY(take_set(rest, run->grain, &run->at[slot][metric]));
		}
	}
	*next = (unsigned)slot + 1;
	return 0;
}

int points_decode(
	struct points_run *run, enum points_grain grain, int64_t start_s, struct str bytes)
{
	if (start_s < 0 || start_s != points_start(grain, start_s) || bytes.n <= CHECK_BYTES) {
		return E_DAMAGED;
	}
	unsigned char check[CHECK_BYTES];
	struct str rest = {bytes.p, bytes.n - CHECK_BYTES};
	put_check(grain, start_s, rest, check);
	if (memcmp(check, bytes.p + rest.n, CHECK_BYTES) != 0) {
		return E_DAMAGED;
	}
	if (rest.p[0] != POINTS_FORM) {
		return E_VERSION;
	}
	points_init(run, grain, start_s);
	rest = str_from(rest, 1);
	for (unsigned next = 0; rest.n > 0;) {
		TRY(take_point(&rest, run, &next));
	}
	return 0;
}
