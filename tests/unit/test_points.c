/* Runs of points: their bytes, that nothing else is taken for them, and the arithmetic. */
#include "tests/unit/cases.h"
#include "tests/unit/points_help.h"

#include <errno.h>
#include <stdlib.h>

#include "tests/fake/alloc.h"

#define DAY_S  INT64_C(86400)
#define WEEK_S (7 * DAY_S)
#define NOW_S  (2900 * WEEK_S) /* the start of a run of any grain */

static uint64_t random_state = 88172645463325252;

static uint64_t draw(uint64_t below)
{
	random_state ^= random_state << 13;
	random_state ^= random_state >> 7;
	random_state ^= random_state << 17;
	return random_state % below;
}

static struct points_set sample(uint64_t count)
{
	return (struct points_set){1, count, count, count};
}

static void add(struct points_run *run, int64_t at_s, unsigned metric, uint64_t count)
{
	struct points_set set = sample(count);
	points_add(run, at_s, metric, &set);
}

static bool same(const struct points_run *a, const struct points_run *b)
{
	return a->grain == b->grain && a->start_s == b->start_s &&
	       memcmp(a->at, b->at, sizeof a->at) == 0;
}

static struct buf encode(const struct points_run *run)
{
	struct buf bytes = BUF_EMPTY;
	assert_int_equal(points_encode(run, &bytes), 0);
	assert_true(bytes.n <= POINTS_BYTES_MAX);
	return bytes;
}

/* What comes back is what was encoded. */
static size_t round_trip(const struct points_run *run)
{
	static struct points_run back;
	CLEANUP(buf_done) struct buf bytes = encode(run);
	assert_int_equal(points_decode(&back, run->grain, run->start_s, buf_str(&bytes)), 0);
	assert_true(same(run, &back));
	return bytes.n;
}

/* --- bytes ------------------------------------------------------------------------------------- */

static void grains_lie_within_each_other(void **state)
{
	(void)state;
	for (unsigned grain = 0; grain < POINTS_GRAINS; grain++) {
		const struct points_grain_row *row = &points_grains[grain];
		assert_int_equal(row->run_s % row->period_s, 0);
		assert_true(points_slots(grain) <= POINTS_SLOTS_MAX);
		if (grain > 0) {
			assert_int_equal(row->run_s % row[-1].run_s, 0);
			assert_int_equal(row->period_s % row[-1].period_s, 0);
		}
	}
}

/* As stores hold it: this form may never change without another number. */
static void the_form_stays(void **state)
{
	(void)state;
	static struct points_run run;
	static const unsigned char minutes[] = {
		1, 3, 1, 2, 4 * 2 + 1, 0xac, 0x02, 0xde, 0x01, 0x7f};
	points_init(&run, POINTS_60_S, NOW_S);
	add(&run, NOW_S, 0, 1);
	add(&run, NOW_S, 1, 2);
	add(&run, NOW_S + 3 * 60, 0, 300);
	add(&run, NOW_S + 59 * 60, 1, 127);
	struct buf want = BUF_EMPTY;
	buf_add(&want, (struct str){(const char *)minutes, sizeof minutes});
	points_help_seal(&want, POINTS_60_S, NOW_S);
	struct buf have = encode(&run);
	assert_int_equal(have.n, want.n);
	assert_memory_equal(have.p, want.p, want.n);
	buf_done(&have);
	buf_done(&want);

	static const unsigned char hours[] = {1, 1, 1, 9, 4 * 1 + 2, 60, 0xf4, 0x03, 2, 98};
	points_init(&run, POINTS_3600_S, NOW_S);
	add(&run, NOW_S, 0, 9);
	struct points_set set = {60, 500, 2, 100};
	points_add(&run, NOW_S + 2 * 3600, 1, &set);
	buf_add(&want, (struct str){(const char *)hours, sizeof hours});
	points_help_seal(&want, POINTS_3600_S, NOW_S);
	have = encode(&run);
	assert_int_equal(have.n, want.n);
	assert_memory_equal(have.p, want.p, want.n);
	buf_done(&have);
	buf_done(&want);
}

/* The check sum of the catalogues: CRC-32C of "123456789" is e3069283. */
static void the_check_is_crc32c(void **state)
{
	(void)state;
	uint32_t sum = UINT32_MAX;
	for (const char *c = "123456789"; *c; c++) {
		sum = points_help_crc(sum, (unsigned char)*c);
	}
	assert_int_equal(~sum, 0xe3069283);
}

static void a_busy_hour_is_small(void **state)
{
	(void)state;
	static struct points_run run;
	points_init(&run, POINTS_60_S, NOW_S);
	assert_int_equal(round_trip(&run), 5);
	for (int64_t at_s = NOW_S; at_s < NOW_S + 3600; at_s += 60) {
		add(&run, at_s, 0, 200 + draw(16000));
		add(&run, at_s, 1, 200 + draw(16000));
	}
	assert_true(round_trip(&run) <= 60 * 5 + 5);
}

static void random_runs_come_back(void **state)
{
	(void)state;
	static struct points_run run;
	for (unsigned i = 0; i < 600; i++) {
		enum points_grain grain = i % POINTS_GRAINS;
		points_init(&run, grain, (int64_t)draw(NOW_S));
		uint64_t n = draw(3 * points_slots(grain));
		for (uint64_t k = 0; k < n; k++) {
			int64_t at_s = run.start_s + (int64_t)draw(points_grains[grain].run_s);
			add(&run, at_s, draw(2) != 0, 1 + draw(UINT64_C(1) << (1 + draw(62))));
		}
		(void)round_trip(&run);
	}
}

static void the_largest_run_fits(void **state)
{
	(void)state;
	static struct points_run run;
	points_init(&run, POINTS_300_S, NOW_S);
	for (unsigned slot = 0; slot < POINTS_SLOTS_MAX; slot++) {
		struct points_set set = {UINT64_MAX, UINT64_MAX, 1, UINT64_MAX};
		points_add(&run, points_time(&run, slot), 0, &set);
		points_add(&run, points_time(&run, slot), 1, &set);
	}
	assert_true(round_trip(&run) > POINTS_BYTES_MAX / 2);
}

/* --- other bytes ------------------------------------------------------------------------------- */

static struct points_run sample_run(enum points_grain grain)
{
	struct points_run run;
	points_init(&run, grain, NOW_S);
	add(&run, NOW_S, 0, 5);
	add(&run, NOW_S, 0, 7);
	add(&run, NOW_S, 1, 300);
	add(&run, NOW_S + points_grains[grain].run_s - 1, 1, 1);
	return run;
}

/* In memory of exactly its size, so that a sanitizer sees a read beyond it. */
static int decode(enum points_grain grain, int64_t start_s, struct str bytes)
{
	static struct points_run run;
	char *copy = malloc(bytes.n ? bytes.n : 1);
	assert_non_null(copy);
	if (bytes.n) {
		memcpy(copy, bytes.p, bytes.n);
	}
	int rc = points_decode(&run, grain, start_s, (struct str){copy, bytes.n});
	free(copy);
	return rc;
}

static void every_damage_is_seen(void **state)
{
	(void)state;
	for (unsigned grain = 0; grain < POINTS_GRAINS; grain++) {
		struct points_run run = sample_run(grain);
		CLEANUP(buf_done) struct buf bytes = encode(&run);
		for (size_t n = 0; n < bytes.n; n++) {
			assert_int_equal(decode(grain, NOW_S, (struct str){bytes.p, n}), E_DAMAGED);
		}
		for (size_t bit = 0; bit < 8 * bytes.n; bit++) {
			bytes.p[bit / 8] = (char)(bytes.p[bit / 8] ^ 1 << bit % 8);
			assert_int_equal(decode(grain, NOW_S, buf_str(&bytes)), E_DAMAGED);
			bytes.p[bit / 8] = (char)(bytes.p[bit / 8] ^ 1 << bit % 8);
		}
		assert_int_equal(decode(grain, NOW_S, buf_str(&bytes)), 0);
		buf_add_char(&bytes, '\0');
		assert_int_equal(decode(grain, NOW_S, buf_str(&bytes)), E_DAMAGED);
	}
}

static void another_place_is_damage(void **state)
{
	(void)state;
	struct points_run run = sample_run(POINTS_60_S);
	CLEANUP(buf_done) struct buf bytes = encode(&run);
	assert_int_equal(decode(POINTS_60_S, NOW_S + 3600, buf_str(&bytes)), E_DAMAGED);
	assert_int_equal(decode(POINTS_300_S, NOW_S, buf_str(&bytes)), E_DAMAGED);
	/* And a place that can't be, even if the check sum is right. */
	static const int64_t nowhere_s[] = {NOW_S + 1, NOW_S - 1, NOW_S + 60, -3600, INT64_MIN};
	for (size_t i = 0; i < COUNT(nowhere_s); i++) {
		bytes.n = 0;
		buf_add(&bytes, STR("\x01\x01\x05"));
		points_help_seal(&bytes, POINTS_60_S, nowhere_s[i]);
		assert_int_equal(decode(POINTS_60_S, nowhere_s[i], buf_str(&bytes)), E_DAMAGED);
	}
}

/* With a check sum that is right, as only a fault of ours or an attacker makes them. */
static void sense_is_checked(void **state)
{
	(void)state;
	static const struct {
		int line;
		enum points_grain grain;
		int rc;
		struct str bytes;
	} cases[] = {
		{__LINE__, POINTS_60_S, 0, STR_INIT("\x01")},
		{__LINE__, POINTS_60_S, 0, STR_INIT("\x01\x01\x05")},
		{__LINE__, POINTS_60_S, E_DAMAGED, STR_INIT("")},
		{__LINE__, POINTS_60_S, E_VERSION, STR_INIT("\x02")},
		{__LINE__, POINTS_60_S, E_VERSION, STR_INIT("\x00\x01\x05")},
		/* no metric; one that is not there */
		{__LINE__, POINTS_60_S, E_DAMAGED, STR_INIT("\x01\x04\x05")},
		{__LINE__, POINTS_60_S, E_DAMAGED, STR_INIT("\x01\x00")},
		{__LINE__, POINTS_60_S, E_DAMAGED, STR_INIT("\x01\x01")},
		{__LINE__, POINTS_60_S, E_DAMAGED, STR_INIT("\x01\x03\x05")},
		/* a sample of nothing */
		{__LINE__, POINTS_60_S, E_DAMAGED, STR_INIT("\x01\x01\x00")},
		/* integers: not the shortest, cut off, 64 bits and 65 */
		{__LINE__, POINTS_60_S, E_DAMAGED, STR_INIT("\x01\x01\x85\x00")},
		{__LINE__, POINTS_60_S, E_DAMAGED, STR_INIT("\x01\x01\x85")},
		{__LINE__, POINTS_60_S, 0,
			STR_INIT("\x01\x01\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01")},
		{__LINE__, POINTS_60_S, E_DAMAGED,
			STR_INIT("\x01\x01\xff\xff\xff\xff\xff\xff\xff\xff\xff\x02")},
		{__LINE__, POINTS_60_S, E_DAMAGED,
			STR_INIT("\x01\x01\xff\xff\xff\xff\xff\xff\xff\xff\xff\x81\x01")},
		/* the last slot, and behind it */
		{__LINE__, POINTS_60_S, 0, STR_INIT("\x01\xed\x01\x05")},
		{__LINE__, POINTS_60_S, E_DAMAGED, STR_INIT("\x01\xf1\x01\x05")},
		{__LINE__, POINTS_60_S, E_DAMAGED, STR_INIT("\x01\xed\x01\x05\x01\x05")},
		{__LINE__, POINTS_3600_S, 0, STR_INIT("\x01\x9d\x05\x01\x05")},
		{__LINE__, POINTS_3600_S, E_DAMAGED, STR_INIT("\x01\xa1\x05\x01\x05")},
		{__LINE__, POINTS_60_S, E_DAMAGED,
			STR_INIT("\x01\xfd\xff\xff\xff\xff\xff\xff\xff\xff\x01\x05")},
		/* sets: n, sum, min, max - min */
		{__LINE__, POINTS_300_S, 0, STR_INIT("\x01\x01\x02\x08\x03\x02")},
		{__LINE__, POINTS_300_S, E_DAMAGED, STR_INIT("\x01\x01\x00\x08")},
		{__LINE__, POINTS_300_S, E_DAMAGED, STR_INIT("\x01\x01\x02\x08")},
		{__LINE__, POINTS_300_S, E_DAMAGED, STR_INIT("\x01\x01\x02\x08\x00\x08")},
		{__LINE__, POINTS_300_S, E_DAMAGED, STR_INIT("\x01\x01\x02\x08\x01\x08")},
		{__LINE__, POINTS_300_S, E_DAMAGED, STR_INIT("\x01\x01\x02\x08\x05\x01")},
		{__LINE__, POINTS_300_S, E_DAMAGED, STR_INIT("\x01\x01\x02\x08\x01\x02")},
		{__LINE__, POINTS_300_S, E_DAMAGED,
			STR_INIT("\x01\x01\x02\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01\x01\xff\xff"
				 "\xff\xff\xff\xff\xff\xff\xff\x01")},
	};
	for (size_t i = 0; i < COUNT(cases); i++) {
		CLEANUP(buf_done) struct buf bytes = BUF_EMPTY;
		buf_add(&bytes, cases[i].bytes);
		points_help_seal(&bytes, cases[i].grain, NOW_S);
		HOLDS(cases[i].line, decode(cases[i].grain, NOW_S, buf_str(&bytes)) == cases[i].rc);
	}
}

/* --- arithmetic -------------------------------------------------------------------------------- */

static void expect(
	const struct points_run *run, unsigned slot, unsigned metric, struct points_set want)
{
	assert_memory_equal(&run->at[slot][metric], &want, sizeof want);
}

static void a_minute_is_one_sample(void **state)
{
	(void)state;
	static struct points_run run;
	points_init(&run, POINTS_60_S, NOW_S + 3599);
	assert_int_equal(run.start_s, NOW_S);
	add(&run, NOW_S + 60, 0, 3);
	add(&run, NOW_S + 119, 0, 4);
	points_add(&run, NOW_S + 60, 0, &(struct points_set){0});
	expect(&run, 1, 0, sample(7));
	expect(&run, 0, 0, (struct points_set){0});
	expect(&run, 2, 0, (struct points_set){0});
	expect(&run, 1, 1, (struct points_set){0});
	add(&run, NOW_S + 3599, 1, UINT64_MAX);
	add(&run, NOW_S + 3599, 1, 2);
	expect(&run, 59, 1, sample(UINT64_MAX));
}

static void coarser_points_keep_samples(void **state)
{
	(void)state;
	static struct points_run run;
	points_init(&run, POINTS_300_S, NOW_S);
	add(&run, NOW_S + 299, 1, 9);
	add(&run, NOW_S, 1, 4);
	add(&run, NOW_S + 1, 1, 4);
	points_add(&run, NOW_S, 1, &(struct points_set){0});
	expect(&run, 0, 1, (struct points_set){3, 17, 4, 9});
	struct points_set huge = {UINT64_MAX, UINT64_MAX, 1, UINT64_MAX};
	points_add(&run, NOW_S, 1, &huge);
	expect(&run, 0, 1, huge);
}

/* Whatever is folded: samples, sum, least and most stay, each in the point that it was in. */
static void folding_keeps_everything(void **state)
{
	(void)state;
	static struct points_run fine, coarse;
	for (unsigned grain = POINTS_60_S; grain < POINTS_3600_S; grain++) {
		struct points_set want[POINTS_SLOTS_MAX][POINTS_METRICS] = {0};
		uint32_t fine_s = points_grains[grain].run_s;
		points_init(&coarse, grain + 1, NOW_S);
		for (int64_t start_s = NOW_S; start_s < NOW_S + points_grains[grain + 1].run_s;
			start_s += fine_s) {
			points_init(&fine, grain, start_s);
			for (unsigned slot = 0; slot < points_slots(grain); slot++) {
				int64_t at_s = points_time(&fine, slot);
				unsigned metric = (unsigned)draw(2);
				struct points_set set = sample(1 + draw(1000));
				points_add(&fine, at_s, metric, &set);
				points_merge(&want[(at_s - NOW_S) /
						     points_grains[grain + 1].period_s][metric],
					&set);
			}
			points_fold(&coarse, &fine);
		}
		assert_memory_equal(coarse.at, want, sizeof want);
		(void)round_trip(&coarse);
	}
}

/* --- memory ------------------------------------------------------------------------------------ */

static void encoding_without_memory(void **state)
{
	(void)state;
	struct points_run run = sample_run(POINTS_60_S);
	struct buf bytes = BUF_EMPTY;
	alloc_fail_at(1);
	assert_int_equal(points_encode(&run, &bytes), -ENOMEM);
	assert_true(alloc_fail_at(0));
	buf_done(&bytes);
	CLEANUP(buf_done) struct buf whole = encode(&run);
	for (size_t n = 0; n <= whole.n; n++) {
		char memory[64];
		bytes = buf_fixed(memory, n);
		assert_int_equal(points_encode(&run, &bytes), n < whole.n ? E_LIMIT : 0);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(grains_lie_within_each_other),
		cmocka_unit_test(the_form_stays),
		cmocka_unit_test(the_check_is_crc32c),
		cmocka_unit_test(a_busy_hour_is_small),
		cmocka_unit_test(random_runs_come_back),
		cmocka_unit_test(the_largest_run_fits),
		cmocka_unit_test(every_damage_is_seen),
		cmocka_unit_test(another_place_is_damage),
		cmocka_unit_test(sense_is_checked),
		cmocka_unit_test(a_minute_is_one_sample),
		cmocka_unit_test(coarser_points_keep_samples),
		cmocka_unit_test(folding_keeps_everything),
		cmocka_unit_test(encoding_without_memory),
	};
	return cmocka_run_group_tests_name("points", tests, NULL, NULL);
}
