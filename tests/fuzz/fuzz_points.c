/*
 * Must reach: points_decode (to its end: genuine bytes), points_encode, points_fold.
 *
 * The first byte says which grain the run has, the others are its bytes. As they are they are most
 * likely damaged; with a check sum behind them the parser reads them. What it accepts are the only
 * bytes of that run, makes sense, and stays so when it is folded.
 */
#include <stdlib.h>

#include "tests/unit/points_help.h"

#define START_S (INT64_C(2900) * 604800) /* of a run of any grain */

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void must(bool holds)
{
	if (!holds) {
		abort();
	}
}

static void must_make_sense(const struct points_run *run)
{
	for (unsigned slot = 0; slot < points_slots(run->grain); slot++) {
		for (unsigned metric = 0; metric < POINTS_METRICS; metric++) {
			const struct points_set *set = &run->at[slot][metric];
			must(set->n == 0 ? set->sum == 0
					 : set->min >= 1 && set->min <= set->max &&
						   set->max <= set->sum);
			must(run->grain != POINTS_60_S || set->n <= 1);
		}
	}
}

/* It is encoded as it came. Returns false when it is refused. */
static bool try_bytes(struct points_run *run, enum points_grain grain, struct str bytes)
{
	struct buf again = BUF_EMPTY;
	int rc = points_decode(run, grain, START_S, bytes);
	must(rc == 0 || rc == E_DAMAGED || rc == E_VERSION);
	if (rc < 0) {
		return false;
	}
	must(bytes.n <= POINTS_BYTES_MAX);
	must_make_sense(run);
	must(points_encode(run, &again) == 0 && str_eq(buf_str(&again), bytes));
	buf_done(&again);
	return true;
}

/* Twice, so that points meet points. */
static void try_fold(const struct points_run *fine)
{
	static struct points_run coarse, back;
	struct buf bytes = BUF_EMPTY;
	points_init(&coarse, fine->grain + 1, START_S);
	points_fold(&coarse, fine);
	points_fold(&coarse, fine);
	must_make_sense(&coarse);
	must(points_encode(&coarse, &bytes) == 0);
	must(try_bytes(&back, coarse.grain, buf_str(&bytes)));
	must(memcmp(coarse.at, back.at, sizeof coarse.at) == 0);
	buf_done(&bytes);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct points_run run;
	struct buf sealed = BUF_EMPTY;
	if (size == 0) {
		return 0;
	}
	enum points_grain grain = data[0] % POINTS_GRAINS;
	struct str bytes = {(const char *)data + 1, size - 1};
	(void)try_bytes(&run, grain, bytes); /* damaged, most likely */
	buf_add(&sealed, bytes);
	points_help_seal(&sealed, grain, START_S);
	if (try_bytes(&run, grain, buf_str(&sealed)) && grain != POINTS_3600_S) {
		try_fold(&run);
	}
	buf_done(&sealed);
	return 0;
}
